/** WebGPU's files: one `.wgsl` a kernel and a launcher in TypeScript that stands alone. */
import { printKernel } from "../print.ts";
import type { Backend, EmittedFile, Unit } from "../syntax.ts";
import { noOrigins } from "./tensors.ts";
import { planWebGpu, type WebGpuPlan } from "./webgpu.ts";

/** Sources first, named after the unit (and the kernel where there are several), then the launcher. */
export function emitWebGpu(unit: Unit, target: Backend): readonly EmittedFile[] {
  const single = unit.kernels.length === 1;
  const sources = unit.kernels.map((kernel): EmittedFile => {
    const { text, lines } = printKernel(kernel, target);
    return { name: single ? `${unit.name}.wgsl` : `${unit.name}.${kernel.name}.wgsl`, text, lines };
  });
  const launcher = launcherText(planWebGpu(unit, target), target.name, sources);
  return [...sources, { name: `${unit.name}.ts`, text: launcher, lines: noOrigins(launcher) }];
}

/** The plan without the sources, which the user's own loader fetches. */
function planText(plan: WebGpuPlan, sources: readonly EmittedFile[]): string {
  const kernels = plan.kernels.map(
    (k, i) =>
      `  { name: "${k.name}", file: "${sources[i]!.name}", grid: [${k.grid.join(", ")}], bindings: [${k.bindings.map((b) => `"${b}"`).join(", ")}] },`,
  );
  const tensors = plan.tensors.map(
    (t) => `  { id: "${t.id}", role: "${t.role}", type: "${t.type}", bytes: ${t.bytes} },`,
  );
  return `/** Device features to ask for. */
export const features: GPUFeatureName[] = [${plan.features.map((f) => `"${f}"`).join(", ")}];

/** What goes in and out; \`type\` is the type of the stored elements. */
export const tensors = [
${tensors.join("\n")}
] as const;

const kernels: { name: string; file: string; grid: [number, number, number]; bindings: string[] }[] = [
${kernels.join("\n")}
];`;
}

function launcherText(plan: WebGpuPlan, target: string, sources: readonly EmittedFile[]): string {
  return `// Runs ${plan.name} (${target}) on any WebGPU device. Needs no package; types come from @webgpu/types.

${planText(plan, sources)}

const padded = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Compiles the kernels; \`load\` gives the text of a file named above. */
export async function prepare(device: GPUDevice, load: (file: string) => string | Promise<string>) {
  return Promise.all(
    kernels.map(async (kernel) => {
      const module = device.createShaderModule({ label: kernel.file, code: await load(kernel.file) });
      const { messages } = await module.getCompilationInfo();
      const errors = messages.filter((message) => message.type === "error");
      if (errors.length > 0)
        throw new Error(errors.map((e) => \`\${kernel.file}:\${e.lineNum}:\${e.linePos}: \${e.message}\`).join("\\n"));
      const compute = { module, entryPoint: kernel.name };
      return { ...kernel, pipeline: await device.createComputePipelineAsync({ layout: "auto", compute }) };
    }),
  );
}

/** Runs the kernels on the words of each input; the result holds the words of each output. */
export async function run(
  device: GPUDevice,
  prepared: Awaited<ReturnType<typeof prepare>>,
  inputs: Record<string, Uint32Array>,
): Promise<Record<string, Uint32Array>> {
  device.pushErrorScope("validation");
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffers: Record<string, GPUBuffer> = {};
  for (const { id, role, bytes } of tensors) {
    const buffer = device.createBuffer({ label: id, size: padded(bytes), usage });
    if (role === "input") {
      const data = inputs[id];
      if (data === undefined || data.byteLength < bytes) throw new Error(\`input \${id} needs \${bytes} bytes\`);
      device.queue.writeBuffer(buffer, 0, data as Uint32Array<ArrayBuffer>);
    }
    buffers[id] = buffer;
  }
  const encoder = device.createCommandEncoder();
  for (const { pipeline, grid, bindings } of prepared) {
    const entries = bindings.map((id, binding) => ({ binding, resource: { buffer: buffers[id]! } }));
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(...grid);
    pass.end();
  }
  const copies: { id: string; copy: GPUBuffer }[] = [];
  for (const { id, role, bytes } of tensors) {
    if (role !== "output") continue;
    const size = Math.ceil(bytes / 4) * 4;
    const copy = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(buffers[id]!, 0, copy, 0, size);
    copies.push({ id, copy });
  }
  device.queue.submit([encoder.finish()]);
  const outputs: Record<string, Uint32Array> = {};
  for (const { id, copy } of copies) {
    await copy.mapAsync(GPUMapMode.READ);
    outputs[id] = new Uint32Array(copy.getMappedRange().slice(0));
    copy.destroy();
  }
  for (const buffer of Object.values(buffers)) buffer.destroy();
  const error = await device.popErrorScope();
  if (error !== null) throw new Error(error.message);
  return outputs;
}
`;
}
