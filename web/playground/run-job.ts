/** A trial run in a worker: seeded operands, the visitor's WebGPU or the evaluator, the oracle, and errors counted. */
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import type { Compiled } from "../../compiler/driver.ts";
import {
  compareOutput,
  consultOracle,
  readOutputs,
  runReference,
  sampleInputs,
  storeInputs,
} from "../../compiler/trial.ts";
import type { TensorValues } from "../../ir/eval/program.ts";
import { checkText, compileFor, operatorOf } from "./compiling.ts";
import type { Histogram, RunOutcome, RunRequest } from "./protocol.ts";
import { defaultRunSize } from "./state.ts";

const BOUND_STEPS = 20;
/** Decades of relative errors, from 1e-9. */
const DECADES = 9;

interface Device {
  readonly device: GPUDevice;
  readonly description: string;
}

/** The visitor's device with what a kernel needs, or why there is none. */
async function openDevice(features: readonly GPUFeatureName[]): Promise<Device | { readonly why: string }> {
  const gpu: GPU | undefined = navigator.gpu;
  if (gpu === undefined) return { why: "this browser has no WebGPU here" };
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return { why: "this browser found no WebGPU adapter" };
  const missing = features.filter((f) => !adapter.features.has(f));
  if (missing.length > 0) return { why: `this adapter lacks ${missing.join(", ")}` };
  const device = await adapter.requestDevice({ requiredFeatures: [...features] });
  const { vendor, architecture, description } = adapter.info;
  return { device, description: `WebGPU: ${description || [vendor, architecture].filter(Boolean).join(" ") || "GPU"}` };
}

interface Executed {
  readonly outputs: TensorValues;
  readonly device: string;
  readonly why?: string;
  readonly milliseconds: number;
}

async function execute(compiled: Compiled, inputs: TensorValues, wanted: RunRequest["device"]): Promise<Executed> {
  const runsHere = compiled.target.syntax.extension === ".wgsl";
  const plan = runsHere ? planWebGpu(compiled, compiled.target) : undefined;
  const opened =
    wanted === "reference"
      ? undefined
      : plan === undefined
        ? { why: `${compiled.target.name} does not run in a browser` }
        : await openDevice(plan.features);
  const start = performance.now();
  if (plan === undefined || opened === undefined || !("device" in opened)) {
    const outputs = runReference(compiled, inputs);
    const why = opened === undefined || !("why" in opened) ? {} : { why: opened.why };
    return { outputs, device: "the kernel evaluator", milliseconds: performance.now() - start, ...why };
  }
  const words = await runWebGpu(opened.device, plan, storeInputs(compiled.program, inputs));
  const milliseconds = performance.now() - start;
  opened.device.destroy();
  const types = new Map(plan.tensors.map((t) => [t.id, t.type]));
  const outputs = readOutputs(compiled.program, words, (tensor) => types.get(tensor)!);
  return { outputs, device: opened.description, milliseconds };
}

/** Counts of elements by error. */
export function histogramOf(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  allowed: (element: number) => number,
): Histogram {
  const ofBound = Array<number>(BOUND_STEPS + 1).fill(0);
  const relative = Array<number>(DECADES + 2).fill(0);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    const share = error / allowed(i);
    ofBound[share <= 1 ? Math.min(BOUND_STEPS - 1, Math.floor(share * BOUND_STEPS)) : BOUND_STEPS]!++;
    const decade = Math.floor(Math.log10(error / Math.abs(expected[i]!)));
    const bin =
      error === 0 ? 0 : Number.isNaN(decade) ? DECADES + 1 : Math.min(DECADES + 1, Math.max(1, decade + DECADES + 1));
    relative[bin]!++;
  }
  return { ofBound, relative };
}

function placeOf(index: number, shape: readonly number[]): readonly number[] {
  const place: number[] = [];
  let rest = index;
  for (const extent of shape.toReversed()) {
    place.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return place;
}

/** Carries out a request; a string says why it cannot be. */
export async function carryOutRun({ job, target, device, seed }: RunRequest): Promise<RunOutcome | string> {
  const { checked, module } = checkText(job.text);
  const found = checked.ok ? operatorOf(module, job, defaultRunSize) : undefined;
  if (found === undefined) return "the source has mistakes: mend them first";
  const { compiled, result } = compileFor(module, found.op.name, found.sizes, target);
  if (compiled === undefined) return result.diagnostics.find((d) => d.severity === "error")?.message ?? "not compiled";
  const inputs = sampleInputs(compiled.source, seed);
  const executed = await execute(compiled, inputs, device);
  const start = performance.now();
  const oracle = consultOracle(compiled.source, inputs);
  const oracleMilliseconds = performance.now() - start;
  const [id = ""] = Object.keys(executed.outputs);
  const [actual, expected, magnitudes] = [executed.outputs[id]!, oracle.values[id]!, oracle.magnitudes[id]!];
  const { accumulator } = compiled.report;
  const comparison = compareOutput(actual, expected, magnitudes, accumulator);
  const { bound } = accumulator;
  const allowed = (i: number): number =>
    bound.relativeToMagnitude * magnitudes[i]! + bound.relativeToResult * Math.abs(expected[i]!) + bound.absolute;
  const shape = compiled.source.tensors.find((t) => t.id === id)?.shape ?? [];
  return {
    kind: "ran",
    target,
    device: executed.device,
    ...(executed.why === undefined ? {} : { why: executed.why }),
    sizes: found.sizes,
    milliseconds: executed.milliseconds,
    oracleMilliseconds,
    comparison,
    histogram: histogramOf(actual, expected, allowed),
    worst: {
      place: placeOf(comparison.worst, shape),
      actual: actual[comparison.worst]!,
      expected: expected[comparison.worst]!,
    },
    because: accumulator.because,
    notNumbers: Array.from(actual).filter((v) => Number.isNaN(v)).length,
  };
}
