// Runs twice (wgsl.p0) on any WebGPU device. Needs no package; types come from @webgpu/types.

/** Device features to ask for. */
export const features: GPUFeatureName[] = [];

/** What goes in and out; `type` is the type of the stored elements. */
export const tensors = [
  { id: "x.values", role: "input", type: "u32", bytes: 512 },
  { id: "y", role: "output", type: "u32", bytes: 512 },
  { id: "sum", role: "output", type: "u32", bytes: 4 },
  { id: "work", role: "workspace", type: "u32", bytes: 512 },
] as const;

const kernels: { name: string; file: string; grid: [number, number, number]; bindings: string[] }[] = [
  { name: "double_it", file: "twice.double_it.wgsl", grid: [2, 1, 1], bindings: ["x.values", "work"] },
  { name: "add_one", file: "twice.add_one.wgsl", grid: [2, 1, 1], bindings: ["work", "y", "sum"] },
];

const padded = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Compiles the kernels; `load` gives the text of a file named above. */
export async function prepare(device: GPUDevice, load: (file: string) => string | Promise<string>) {
  return Promise.all(
    kernels.map(async (kernel) => {
      const module = device.createShaderModule({ label: kernel.file, code: await load(kernel.file) });
      const { messages } = await module.getCompilationInfo();
      const errors = messages.filter((message) => message.type === "error");
      if (errors.length > 0)
        throw new Error(errors.map((e) => `${kernel.file}:${e.lineNum}:${e.linePos}: ${e.message}`).join("\n"));
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
      if (data === undefined || data.byteLength < bytes) throw new Error(`input ${id} needs ${bytes} bytes`);
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
