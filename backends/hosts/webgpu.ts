/** Runs a unit's kernels through WebGPU: in a browser, or in Node with an implementation such as Dawn. */
import type { Scalar } from "../../ir/scalar.ts";
import { printKernel } from "../print.ts";
import type { Backend, Unit } from "../syntax.ts";
import { bindingsOf, hostTensors, tensorOf } from "./tensors.ts";

/** One dispatch. */
export interface WebGpuKernel {
  readonly name: string;
  readonly code: string;
  readonly grid: readonly [x: number, y: number, z: number];
  /** Tensor of each binding of group 0. */
  readonly bindings: readonly string[];
}

export interface WebGpuTensor {
  readonly id: string;
  readonly role: "input" | "output" | "workspace";
  readonly type: Scalar;
  readonly bytes: number;
}

/** All that running a unit takes, as plain data. */
export interface WebGpuPlan {
  readonly name: string;
  /** Features that the device must have been asked for. */
  readonly features: readonly GPUFeatureName[];
  readonly tensors: readonly WebGpuTensor[];
  readonly kernels: readonly WebGpuKernel[];
}

/** Prints a unit's kernels for a WGSL target and says how to run them. */
export function planWebGpu(unit: Unit, target: Backend): WebGpuPlan {
  const tensors = hostTensors(unit);
  const kernels = unit.kernels.map(
    (kernel): WebGpuKernel => ({
      name: kernel.name,
      code: printKernel(kernel, target).text,
      grid: kernel.grid,
      bindings: bindingsOf(kernel).map((b) => tensorOf(tensors, b).id),
    }),
  );
  return {
    name: unit.name,
    features: kernels.some((k) => k.code.includes("enable subgroups;")) ? ["subgroups"] : [],
    tensors: tensors.map(({ id, role, type, bytes }) => ({ id, role, type, bytes })),
    kernels,
  };
}

/** A whole number of vec4: a binding may be declared as an array of them. */
const padded = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Rejects what the device cannot do, in words. */
function demand(device: GPUDevice, plan: WebGpuPlan): void {
  for (const feature of plan.features)
    if (!device.features.has(feature)) throw new Error(`${plan.name} needs a device with the feature "${feature}"`);
  for (const { id, bytes } of plan.tensors)
    if (padded(bytes) > device.limits.maxStorageBufferBindingSize)
      throw new Error(
        `tensor ${id} takes ${bytes} bytes; the device binds ${device.limits.maxStorageBufferBindingSize}: ask for a higher maxStorageBufferBindingSize`,
      );
  for (const { name, bindings } of plan.kernels)
    if (bindings.length > device.limits.maxStorageBuffersPerShaderStage)
      throw new Error(
        `kernel ${name} binds ${bindings.length} buffers; the device allows ${device.limits.maxStorageBuffersPerShaderStage}`,
      );
}

async function compile(device: GPUDevice, kernel: WebGpuKernel): Promise<GPUComputePipeline> {
  const module = device.createShaderModule({ label: kernel.name, code: kernel.code });
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter((m) => m.type === "error");
  if (errors.length > 0)
    throw new Error(errors.map((m) => `${kernel.name}.wgsl:${m.lineNum}:${m.linePos}: ${m.message}`).join("\n"));
  return device.createComputePipelineAsync({
    label: kernel.name,
    layout: "auto",
    compute: { module, entryPoint: kernel.name },
  });
}

function createBuffers(
  device: GPUDevice,
  plan: WebGpuPlan,
  inputs: Readonly<Record<string, Uint32Array>>,
): ReadonlyMap<string, GPUBuffer> {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return new Map(
    plan.tensors.map(({ id, role, bytes }) => {
      // New buffers hold zeros, which is how outputs and workspace begin.
      const buffer = device.createBuffer({ label: id, size: padded(bytes), usage });
      if (role === "input") {
        const data = inputs[id];
        if (data === undefined || data.byteLength < bytes || data.byteLength > padded(bytes))
          throw new Error(
            `input ${id} needs ${bytes} bytes, ${data === undefined ? "but is missing" : `not ${data.byteLength}`}`,
          );
        device.queue.writeBuffer(buffer, 0, data as Uint32Array<ArrayBuffer>);
      }
      return [id, buffer];
    }),
  );
}

async function readBack(device: GPUDevice, buffer: GPUBuffer, bytes: number): Promise<Uint32Array> {
  const size = Math.ceil(bytes / 4) * 4;
  const copy = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const words = new Uint32Array(copy.getMappedRange().slice(0));
  copy.destroy();
  return words;
}

/**
 * Runs all kernels in order on fresh buffers and returns the words of every output (the plan's tensors say their type).
 * Rejects with a readable message where a shader does not compile or the device complains.
 */
export async function runWebGpu(
  device: GPUDevice,
  plan: WebGpuPlan,
  inputs: Readonly<Record<string, Uint32Array>>,
): Promise<Record<string, Uint32Array>> {
  demand(device, plan);
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  const outputs: Record<string, Uint32Array> = {};
  const failures: unknown[] = [];
  try {
    const pipelines = await Promise.all(plan.kernels.map((kernel) => compile(device, kernel)));
    const buffers = createBuffers(device, plan, inputs);
    const encoder = device.createCommandEncoder();
    plan.kernels.forEach((kernel, i) => {
      const pipeline = pipelines[i]!;
      const entries = kernel.bindings.map((id, binding) => ({ binding, resource: { buffer: buffers.get(id)! } }));
      const pass = encoder.beginComputePass({ label: kernel.name });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      pass.dispatchWorkgroups(...kernel.grid);
      pass.end();
    });
    device.queue.submit([encoder.finish()]);
    for (const { id, role, bytes } of plan.tensors)
      if (role === "output") outputs[id] = await readBack(device, buffers.get(id)!, bytes);
    for (const buffer of buffers.values()) buffer.destroy();
  } catch (error) {
    failures.push(error);
  }
  const complaints = [await device.popErrorScope(), await device.popErrorScope()].filter((e) => e !== null);
  if (failures.length > 0) throw failures[0];
  if (complaints.length > 0) throw new Error(`${plan.name}: ${complaints.map((e) => e.message).join("\n")}`);
  return outputs;
}
