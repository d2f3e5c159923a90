/** Trials: seeded operands, what the operator means on them, and how far an implementation may be from that. */
import { internal } from "../ir/diagnostics.ts";
import { bufferFromWords, bufferToWords, evalKernel, type KernelBuffer } from "../ir/eval/kernel.ts";
import { evalProgram, type TensorValues } from "../ir/eval/program.ts";
import { ExprBuilder } from "../ir/expr.ts";
import { f16Round, roundTo } from "../ir/float.ts";
import type { Program, Step, Tensor } from "../ir/program.ts";
import { isInt, rangeOf, type Scalar } from "../ir/scalar.ts";
import { fromWords, toWords, wordsOf } from "../ir/storage.ts";
import type { AccumulatorContract } from "./compile-report.ts";
import type { Compiled } from "./driver.ts";
import { forEachOp } from "./edit.ts";
import { termMagnitude, withTermMagnitude } from "./rounding.ts";

/** Words of tensors by id, with the element type that they are stored in. */
export type StoredTensors = ReadonlyMap<string, { readonly words: Uint32Array; readonly type: Scalar }>;

/** A generator of uniform numbers in [0, 1) (mulberry32). */
function randomFrom(seed: number): () => number {
  const state = Uint32Array.of(seed);
  return () => {
    state[0] = state[0]! + 0x6d2b79f5;
    let t = Math.imul(state[0]! ^ (state[0]! >>> 15), 1 | state[0]!);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function sampleTensor(tensor: Tensor, next: () => number): Float64Array {
  const length = tensor.shape.reduce((n, e) => n * e, 1);
  if (isInt(tensor.type)) {
    const [low, high] = rangeOf(tensor.type);
    return Float64Array.from({ length }, () => low + Math.floor(next() * (high - low + 1)));
  }
  // Scales of a checkpoint are small and positive; activations have outliers (one in 64, eight times larger).
  const sample =
    tensor.origin === undefined ? () => (next() * 2 - 1) * (next() < 1 / 64 ? 8 : 1) : () => 2 ** -7 * (1 + next() * 3);
  const type = tensor.type === "bool" || isInt(tensor.type) ? "f32" : tensor.type;
  return Float64Array.from({ length }, () => roundTo(type, f16Round(sample())));
}

/** Values for every input of a program, the same for the same seed: all codes, f16 values, positive scales. */
export function sampleInputs(program: Program, seed: number): TensorValues {
  const next = randomFrom(seed);
  const inputs = program.tensors.filter((t) => t.role === "input");
  return Object.fromEntries(inputs.map((t) => [t.id, sampleTensor(t, next)]));
}

/**
 * The program with every sum of products replaced by the sum of the products' magnitudes, and every decoded value by the
 * magnitudes of its terms. What is quantized must keep its values, so what a `quantize` reads does.
 */
function magnitudeProgram(program: Program): Program {
  const exprs = new ExprBuilder(program.exprs);
  const types = new Map(program.tensors.map((t) => [t.id, t.type]));
  const magnitude = (index: number, tensor: string): number =>
    exprs.op("abs", exprs.cast(exprs.input(index, types.get(tensor) ?? internal(`no tensor ${tensor}`)), "f32"));
  const quantized = new Set<string>();
  forEachOp(program.body, (op) => {
    if (op.kind === "quantize") quantized.add(op.from.tensor);
  });
  const formats = new Map(program.formats.map((f) => [f.name, { ...withTermMagnitude(f), name: `|${f.name}|` }]));
  const rewrite = (steps: readonly Step[]): readonly Step[] =>
    steps.map((step) => {
      if (step.kind === "launch" || step.kind === "loop") return { ...step, body: rewrite(step.body) };
      if (step.kind === "decode" && !quantized.has(step.to.tensor)) return { ...step, format: `|${step.format}|` };
      if (step.kind === "map") return { ...step, value: termMagnitude(exprs, step.value) };
      if (step.kind !== "contract") return step;
      const value = exprs.mul(magnitude(0, step.a.tensor), magnitude(1, step.b.tensor));
      const { to, over, domain, span } = step;
      return { kind: "map", inputs: [step.a, step.b], to, value, over, reduce: "sum", domain, span };
    });
  const body = rewrite(program.body);
  return { ...program, formats: [...program.formats, ...formats.values()], exprs: exprs.done(), body };
}

/** What an operator means on some inputs, in real arithmetic, and the magnitude Σ|x·w| of each element. */
export interface Oracle {
  readonly values: TensorValues;
  readonly magnitudes: TensorValues;
}

/** Evaluates an unscheduled program; slow (it is the definition). */
export function consultOracle(program: Program, inputs: TensorValues): Oracle {
  return {
    values: evalProgram(program, inputs, { arithmetic: "real" }),
    magnitudes: evalProgram(magnitudeProgram(program), inputs, { arithmetic: "real", roundOutputs: false }),
  };
}

export interface Comparison {
  readonly elements: number;
  /** Elements whose error is above the contract's bound (a NaN is). */
  readonly outside: number;
  /** Largest error, and the largest error as a part of its bound. */
  readonly maxError: number;
  readonly maxOfBound: number;
  /** Linear index of the element with the largest part of its bound. */
  readonly worst: number;
}

/** Compares one output with the oracle under the contract that the compiler stated. */
export function compareOutput(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  magnitudes: ArrayLike<number>,
  { bound }: AccumulatorContract,
): Comparison {
  let [outside, maxError, maxOfBound, worst] = [0, 0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const y = expected[i]!;
    const error = Math.abs(actual[i]! - y);
    const allowed = bound.relativeToMagnitude * magnitudes[i]! + bound.relativeToResult * Math.abs(y) + bound.absolute;
    if (!(error <= allowed)) outside++;
    if (!(error <= maxError)) maxError = error;
    if (!(error / allowed <= maxOfBound)) [maxOfBound, worst] = [error / allowed, i];
  }
  return { elements: expected.length, outside, maxError, maxOfBound, worst };
}

/** How values of a tensor travel to a device: packed in words, or as themselves where the type is a word. */
export function storeInputs(program: Program, inputs: TensorValues): Record<string, Uint32Array> {
  const tensors = program.tensors.filter((t) => t.role === "input");
  return Object.fromEntries(
    tensors.map((t) => {
      const type = t.type === "f32" || t.type === "i32" ? t.type : "u32";
      return [t.id, toWords(t, inputs[t.id] ?? internal(`no input ${t.id}`), type)];
    }),
  );
}

/** The values of the outputs from words of a device; `typeOf` says how each is stored. */
export function readOutputs(
  program: Program,
  words: Readonly<Record<string, Uint32Array>>,
  typeOf: (tensor: string) => Scalar,
): TensorValues {
  const outputs = program.tensors.filter((t) => t.role === "output");
  return Object.fromEntries(
    outputs.map((t) => [t.id, fromWords(t, words[t.id] ?? internal(`no output ${t.id}`), typeOf(t.id))]),
  );
}

/** The type in which the kernels store a tensor. */
export function storedType(compiled: Compiled, tensor: string): Scalar {
  const buffer = compiled.kernels.flatMap((k) => k.buffers).find((b) => b.tensor === tensor);
  return buffer?.type ?? internal(`no kernel has tensor ${tensor}`);
}

/** Runs the kernels in the evaluator, one lane after the other. Slow; needs no device. */
export function runReference(compiled: Compiled, inputs: TensorValues): TensorValues {
  const words: Record<string, Uint32Array> = storeInputs(compiled.program, inputs);
  for (const kernel of compiled.kernels) {
    const globals = kernel.buffers.filter((b) => b.space === "global");
    const buffers = new Map<string, KernelBuffer>(
      globals.map((b) => {
        const tensor = b.tensor ?? internal(`buffer ${b.id} holds no tensor`);
        return [b.id, bufferFromWords(b.type, words[tensor] ?? new Uint32Array(wordsOf(b)), b.length)];
      }),
    );
    const { errors } = evalKernel(kernel, buffers);
    if (errors.length > 0) internal(`${kernel.name}: ${errors[0]}`);
    for (const b of globals) words[b.tensor!] = bufferToWords(buffers.get(b.id)!);
  }
  return readOutputs(compiled.program, words, (tensor) => storedType(compiled, tensor));
}
