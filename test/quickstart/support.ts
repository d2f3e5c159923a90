/** The three quickstart operators at odd and even shapes, with random operands and what the oracle says of them. */

import type { Backend } from "../../backends/syntax.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Tensor } from "../../ir/program.ts";
import { fromWords, toWords } from "../../ir/storage.ts";
import { QUICKSTART, randomInputs } from "../passes/support.ts";

export interface Sample {
  readonly op: string;
  readonly sizes: { readonly M: number; readonly N: number; readonly K: number };
  readonly schedule?: ScheduleRequest;
}

/** Odd everything with a ragged reduction; several blocks along both axes and several steps. */
export const SAMPLES: readonly Sample[] = [
  { op: "linear_w4a16", sizes: { M: 3, N: 11, K: 384 } },
  { op: "linear_w4a16", sizes: { M: 5, N: 20, K: 2176 }, schedule: { strategy: "fma", tileM: 2 } },
  { op: "linear_w2a8", sizes: { M: 3, N: 11, K: 384 }, schedule: { strategy: "popc", tileM: 2 } },
  { op: "linear_w2a8", sizes: { M: 1, N: 18, K: 8320 } },
  { op: "linear_nf4", sizes: { M: 1, N: 11, K: 192 } },
  { op: "linear_nf4", sizes: { M: 5, N: 20, K: 2112 }, schedule: { strategy: "fma", tileM: 2 } },
];

export const label = ({ op, sizes }: Sample): string => `${op} ${sizes.M} x ${sizes.N} x ${sizes.K}`;

export function compileSample(sample: Sample, target: string | Backend, schedule = sample.schedule): Compiled {
  const diagnostics = new Diagnostics();
  const request = {
    sources: [{ name: "quickstart.loom", text: QUICKSTART }],
    op: sample.op,
    sizes: sample.sizes,
    target,
  };
  const made = compile({ ...request, ...(schedule === undefined ? {} : { schedule }) }, diagnostics);
  if (made === undefined) throw new Error(diagnostics.list.map((d) => `${d.code}: ${d.message}`).join("\n"));
  return made;
}

export interface Trial {
  /** Words of every input, as launchers take them. */
  readonly words: Readonly<Record<string, Uint32Array>>;
  readonly expected: Float64Array;
  /** The codes that activations must be quantized to, exactly. */
  readonly codes: Float64Array | undefined;
  /** Σ|x·w| of every output, which error bounds refer to. */
  readonly magnitude: Float64Array;
}

/** Random operands with the result in real arithmetic; magnitudes by the same oracle on absolute values. */
export function trialOf(made: Compiled, seed = 11): Trial {
  const inputs = randomInputs(made.source, seed);
  const { y: expected, "xq.q": codes } = evalProgram(made.source, inputs, { arithmetic: "real", roundOutputs: false });
  const stored = (t: Tensor): "u32" | "f32" => (t.type === "f32" ? "f32" : "u32");
  const tensors = made.source.tensors.filter((t) => t.role === "input");
  const words = Object.fromEntries(tensors.map((t) => [t.id, toWords(t, inputs[t.id]!, stored(t))]));
  return { words, expected: expected!, codes, magnitude: magnitudes(made, inputs) };
}

function magnitudes(made: Compiled, inputs: Record<string, Float64Array>): Float64Array {
  const x = inputs.x!.map(Math.abs);
  // The decoded weights, one row of the identity at a time, would be exact but slow: bound them by the largest instead.
  const { M, N, K } = made.report.sizes as { M: number; N: number; K: number };
  const scale = Object.entries(inputs).find(([id]) => id.startsWith("w.") && id !== "w.q")![1];
  const codes = inputs["w.q"]!;
  const largest = made.name === "linear_nf4" ? 1 : 8;
  const top = scale.reduce((a, b) => Math.max(a, Math.abs(b)), 0) * (codes.length > 0 ? largest : 0);
  return Float64Array.from({ length: M * N }, (_, i) => {
    const m = Math.floor(i / N);
    let sum = 0;
    for (let k = 0; k < K; k++) sum += x[m * K + k]!;
    return sum * top;
  });
}

/** How far a result lies outside the kernel's stated bound, in bounds: at most 1 is right. NaN counts as infinite. */
export function errorOverBound(made: Compiled, trial: Trial, words: Uint32Array): number {
  const tensor = made.program.tensors.find((t) => t.id === "y")!;
  const buffer = outputBuffer(made.kernels);
  const values = fromWords(tensor, words, buffer.type);
  const { bound } = made.report.accumulator;
  let worst = 0;
  for (const [i, y] of trial.expected.entries()) {
    const allowed =
      bound.relativeToMagnitude * trial.magnitude[i]! + bound.relativeToResult * Math.abs(y) + bound.absolute;
    const share = Math.abs(values[i]! - y) / allowed;
    worst = share <= worst ? worst : Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
  }
  return worst;
}

/** Codes that a kernel left in the workspace and the oracle's, where they differ. */
export function wrongCodes(made: Compiled, trial: Trial, words: Uint32Array | undefined): readonly number[] {
  if (trial.codes === undefined) return [];
  if (words === undefined) throw new Error("the codes were not read back");
  const found = fromWords(made.program.tensors.find((t) => t.id === "xq.q")!, words);
  return [...trial.codes.keys()].filter((i) => found[i] !== trial.codes![i]);
}

function outputBuffer(kernels: readonly Kernel[]): Kernel["buffers"][number] {
  const found = kernels.flatMap((k) => k.buffers).find((b) => b.tensor === "y");
  if (found === undefined) throw new Error("no kernel writes y");
  return found;
}
