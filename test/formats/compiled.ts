/** Every format as kernels: a decode and a product in it, random operands, and what the second reading makes of them. */
import { check } from "../../compiler/check/check.ts";
import type { Module } from "../../compiler/check/module.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { stdFiles } from "../../compiler/std.ts";
import { consultOracle, storedType } from "../../compiler/trial.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { f16Round } from "../../ir/float.ts";
import type { Format } from "../../ir/format.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { fromWords, toWords } from "../../ir/storage.ts";
import { random } from "../passes/support.ts";
import { INSTANCE_NAMES, secondReading } from "./families.ts";
import { decodingOf, randomSample } from "./support.ts";

export type Kind = "decode" | "linear";

/**
 * Formats of the library and instances of its families. Integers under a scale differ in two numbers, width and group:
 * each width stands here once for either sign, and each kind of scale three times.
 */
export const FORMATS: readonly string[] = allFormats().filter((name) => {
  const [, width, scope] = /^[iu](\d)_(tensor|row|g32|g64|g128)$/.exec(name) ?? [];
  return width === undefined || ["tensor", "row", "g32", "g64", "g128"][Number(width) % 5] === scope;
});

/** Every format of the library, and instances of those with parameters. */
export function allFormats(): readonly string[] {
  return [...stdFiles().flatMap((file) => file.formats), ...INSTANCE_NAMES];
}

const TEXTS: Readonly<Record<Kind, (format: string) => string>> = {
  decode: (f) => `op decode<N, K>(w: ${f}[N, K]) -> f32[N, K] { y[n, k] = w[n, k] }`,
  linear: (f) => `op linear<M, N, K>(x: f16[M, K], w: ${f}[N, K]) -> f32[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}`,
};

export interface Shape {
  readonly tokens: number;
  readonly channels: number;
  /** Values a row at least: rows are whole blocks. */
  readonly columns: number;
}

/** Odd numbers of tokens and channels; 96 values a row are no multiple of most steps. */
const SHAPES: Readonly<Record<Kind, Shape>> = {
  decode: { tokens: 1, channels: 2, columns: 96 },
  linear: { tokens: 3, channels: 5, columns: 96 },
};

/** Products read 8 values a lane, so that words are crossed at places that depend on the lane; decoding reads 32. */
const SMALL_CHUNK = 8;

export interface Case {
  readonly name: string;
  readonly kind: Kind;
  readonly module: Module;
  readonly format: Format;
  readonly sizes: { readonly M: number; readonly N: number; readonly K: number };
}

export function caseOf(name: string, kind: Kind, shape: Shape = SHAPES[kind]): Case {
  const diagnostics = new Diagnostics();
  const module = check([{ name: `${kind}.loom`, text: TEXTS[kind](name) }], diagnostics);
  const format = module.formats.find((f) => f.name === name);
  if (format === undefined) internal(`${name}: ${JSON.stringify(diagnostics.list)}`);
  const K = format.block * Math.ceil(shape.columns / format.block);
  return { name, kind, module, format, sizes: { M: shape.tokens, N: shape.channels, K } };
}

/** Small tiles, so that texts are short. A step stays inside a block, or is a number of whole blocks. */
function smallTiles({ kind, format }: Case): ScheduleRequest {
  if (kind === "decode") return {};
  const chunk = format.block === 1 ? SMALL_CHUNK : [SMALL_CHUNK, 4, 2, 1].find((c) => format.block % c === 0);
  return { strategy: "fma", tileM: 1, tileN: 1, chunk: chunk ?? 1 };
}

export function compileCase(c: Case, target: string, schedule: ScheduleRequest = smallTiles(c)): Compiled {
  const { name, kind, module, sizes } = c;
  const diagnostics = new Diagnostics();
  const { M, ...rest } = sizes;
  const request = { sources: [], op: kind, sizes: kind === "decode" ? rest : sizes, target, schedule };
  const made = compile(request, diagnostics, module);
  if (made === undefined) throw new Error(`${name} on ${target}: ${JSON.stringify(diagnostics.list)}`);
  return made;
}

export interface Operands {
  readonly words: Readonly<Record<string, Uint32Array>>;
  /** The decoded weights, channel by channel. */
  readonly weights: Float64Array;
  /** The result in real arithmetic, from the second reading of the weights' bits. */
  readonly expected: Float64Array;
  /** What error bounds refer to: Σ|x·w|, with |w| as the sum of the magnitudes of the terms that make w up. */
  readonly magnitudes: () => Float64Array;
  /** Elements that are decoded values alone and on whose way f32 rounds nothing: they must be met exactly. */
  readonly exact: () => ReadonlySet<number>;
}

export function operandsOf(c: Case, program: Program): Operands {
  const decoder = secondReading(c.name) ?? internal(`nobody read ${c.name} twice`);
  const { N, K, M } = c.sizes;
  const { inputs, expected: weights } = randomSample({ format: c.format, program }, decoder, N, K, c.kind === "linear");
  const find = (id: string): Tensor => program.tensors.find((t) => t.id === id) ?? internal(`no tensor ${id}`);
  const word = (t: Tensor): "u32" | "f32" => (t.type === "f32" ? "f32" : "u32");
  const words = Object.fromEntries(Object.entries(inputs).map(([id, v]) => [id, toWords(find(id), v, word(find(id)))]));
  const decoding = (): Program => decodingOf(c.name, N, K).program;
  const terms = (): Float64Array => consultOracle(decoding(), inputs).magnitudes.y!;
  const exact = (): ReadonlySet<number> => {
    const rounded = evalProgram(decoding(), inputs, { arithmetic: "typed" }).y!;
    const isExact = (at: number): boolean => rounded[at] === weights[at] && isKept(weights[at]!);
    if (c.kind === "decode") return new Set([...weights.keys()].filter(isExact));
    return new Set([...Array(N).keys()].filter((n) => isExact((n + 1) * K - 1)));
  };
  if (c.kind === "decode") return { words, weights, expected: weights, magnitudes: terms, exact };
  const next = random(K);
  // The first token asks for one column: what it gets is a decoded value and nothing else.
  const x = Float64Array.from({ length: M * K }, (_, n) =>
    n < K ? Number(n === K - 1) : f16Round((next() - 0.5) * 2 ** Math.floor(next() * 4)),
  );
  const product = (a: Float64Array, b: Float64Array): Float64Array =>
    Float64Array.from({ length: M * N }, (_, at) => {
      const [m, n] = [Math.floor(at / N), at % N];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a[m * K + k]! * b[n * K + k]!;
      return sum;
    });
  const expected = product(x, weights);
  const magnitudes = (): Float64Array => product(x.map(Math.abs), terms());
  return { words: { ...words, x: toWords(find("x"), x) }, weights, expected, magnitudes, exact };
}

/** Words of the result that the kernels left, against the operands' expectation; one sentence for each kind of mistake. */
export function mistakes(c: Case, made: Compiled, operands: Operands, words: Uint32Array): string[] {
  const tensor = made.program.tensors.find((t) => t.id === "y") ?? internal("no result");
  const values = fromWords(tensor, words, storedType(made, "y"));
  const { bound } = made.report.accumulator;
  const { expected } = operands;
  const found: string[] = [];
  const say = (n: number, what: string): void => {
    found.push(`${c.name} ${c.kind} [${n}]: ${values[n]} in place of ${expected[n]}, ${what}`);
  };
  const off = [...expected.keys()].filter((n) => values[n] !== expected[n] && !Object.is(values[n], expected[n]));
  if (off.length === 0) return found;
  const magnitude = operands.magnitudes();
  const exact = operands.exact();
  for (const n of off) {
    const [y, size] = [expected[n]!, magnitude[n]!];
    const allowed = bound.relativeToMagnitude * size + bound.relativeToResult * Math.abs(y) + bound.absolute;
    if (exact.has(n)) say(n, "which f32 holds");
    else if (!Number.isFinite(y)) say(n, "not finite");
    else if (size < LARGEST && !(Math.abs(values[n]! - y) <= allowed)) say(n, `more than ${allowed} away`);
  }
  return found;
}

/** Numbers that every target keeps: normal ones, and 0. Targets may flush what is smaller. */
const isKept = (x: number): boolean => x === 0 || Math.abs(x) >= 2 ** -126;

/** Larger sums may leave f32's range before they are scaled: the compiler's bound does not speak of them. */
const LARGEST = 2 ** 120;
