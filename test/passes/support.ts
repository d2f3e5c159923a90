/** What pass tests share: the quickstart operators, random operands, and kernels run by the evaluator. */
import { readFileSync } from "node:fs";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { bufferFromWords, bufferToWords, evalKernelModes, type KernelBuffer } from "../../ir/eval/kernel.ts";
import type { TensorValues } from "../../ir/eval/program.ts";
import { f16Round } from "../../ir/float.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { isInt, rangeOf } from "../../ir/scalar.ts";
import { fromWords, toWords, wordsOf } from "../../ir/storage.ts";

export const QUICKSTART = readFileSync(new URL("../../examples/quickstart.loom", import.meta.url), "utf8");

/** An operator of a source at concrete sizes; a diagnostic is a failure of the test. */
export function programOf(source: string, op: string, sizes: Readonly<Record<string, number>>): Program {
  const diagnostics = new Diagnostics();
  const module = check([{ name: "test.loom", text: source }], diagnostics);
  const program = instantiate(module, op, sizes, diagnostics);
  if (program === undefined || diagnostics.failed) throw new Error(JSON.stringify(diagnostics.list));
  return program;
}

/** A seeded generator of uniform numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random values that a tensor can hold: every code, halves of mixed magnitude, small positive scales. */
export function randomTensor(tensor: Tensor, next: () => number): Float64Array {
  const length = tensor.shape.reduce((n, e) => n * e, 1);
  if (isInt(tensor.type)) {
    const [low, high] = rangeOf(tensor.type);
    return Float64Array.from({ length }, () => low + Math.floor(next() * (high - low + 1)));
  }
  const stored = tensor.origin !== undefined && tensor.origin.field !== "value";
  const isScale = stored && !isInt(tensor.type) && tensor.origin?.operand !== "x";
  return Float64Array.from({ length }, () =>
    f16Round(isScale ? 0.01 + next() * 0.1 : (next() - 0.5) * 2 ** Math.floor(next() * 4)),
  );
}

export function randomInputs(program: Program, seed: number): Record<string, Float64Array> {
  const next = random(seed);
  return Object.fromEntries(
    program.tensors.filter((t) => t.role === "input").map((t) => [t.id, randomTensor(t, next)]),
  );
}

/** Runs kernels one after the other in all modes of the evaluator; the values of every tensor that they wrote. */
export function runKernels(
  program: Program,
  kernels: readonly Kernel[],
  inputs: TensorValues,
): Record<string, Float64Array> {
  const tensors = new Map(program.tensors.map((t) => [t.id, t]));
  const words = new Map<string, { words: Uint32Array; type: Kernel["buffers"][number]["type"] }>();
  for (const [id, values] of Object.entries(inputs)) {
    const tensor = tensors.get(id)!;
    const type = tensor.type === "f32" || tensor.type === "i32" ? tensor.type : "u32";
    words.set(id, { words: toWords(tensor, values, type), type });
  }
  for (const kernel of kernels) {
    const buffers = new Map<string, KernelBuffer>();
    for (const b of kernel.buffers) {
      if (b.space !== "global") continue;
      const known = words.get(b.tensor!);
      buffers.set(b.id, bufferFromWords(b.type, known?.words ?? new Uint32Array(wordsOf(b)), b.length));
    }
    const { errors } = evalKernelModes(kernel, buffers);
    if (errors.length > 0) throw new Error(`${kernel.name}: ${errors.join("\n")}`);
    for (const b of kernel.buffers) {
      if (b.space === "global") words.set(b.tensor!, { words: bufferToWords(buffers.get(b.id)!), type: b.type });
    }
  }
  const results: Record<string, Float64Array> = {};
  for (const [id, { words: w, type }] of words) if (!(id in inputs)) results[id] = fromWords(tensors.get(id)!, w, type);
  return results;
}
