/** The 64 pairs of weights and activations of 1 to 8 bits, as operators from one text, with exact integer results. */
import { check } from "../../compiler/check/check.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { rangeOf } from "../../ir/scalar.ts";
import { toWords } from "../../ir/storage.ts";
import { random } from "../passes/support.ts";

/** How codes are stored: next to each other, or plane by plane in blocks of 128. */
export type Storage = "packed" | "planes";

/** i: two's complement; u: unsigned; b: every bit a sign, 2q - (2^bits - 1). */
type Kind = "i" | "u" | "b";

interface Operand {
  readonly bits: number;
  readonly kind: Kind;
}

export interface Pair {
  readonly name: string;
  readonly storage: Storage;
  readonly x: Operand;
  readonly w: Operand;
}

/** All widths; the kinds take turns, so that each width meets each, and one bit is a sign half of the time. */
export function pairs(storage: Storage): readonly Pair[] {
  const kinds = (bits: number, turn: number): Kind =>
    bits === 1 ? (["b", "u", "b", "i"] as const)[turn % 4]! : turn % 2 === 0 ? "i" : "u";
  const widths = [1, 2, 3, 4, 5, 6, 7, 8];
  return widths.flatMap((w) =>
    widths.map((x): Pair => {
      const own = { x: { bits: x, kind: kinds(x, w + x) }, w: { bits: w, kind: kinds(w, x) } };
      return { name: `w${own.w.kind}${w}_x${own.x.kind}${x}`, storage, ...own };
    }),
  );
}

/** Formats of one number each; with planes, blocks of 128 (the rows of a plane are words). */
function formatText(name: string, { bits, kind }: Operand, storage: Storage): string {
  const type = `${kind === "i" ? "i" : "u"}${bits}`;
  const field = storage === "packed" ? `q: ${type}` : `block 128 q: ${type}[128] @ i + 128 * bit`;
  const q = storage === "packed" ? "q" : "q[i]";
  const value = kind === "b" ? `2 * ${q} - ${2 ** bits - 1}` : q;
  return `format ${name} { ${field} value${storage === "packed" ? "" : "(i)"} = ${value} }`;
}

export interface PairSizes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Odd in every direction; planes come in blocks of 128. */
export const PAIR_SIZES: Readonly<Record<Storage, PairSizes>> = {
  packed: { M: 3, N: 5, K: 100 },
  planes: { M: 3, N: 5, K: 256 },
};

export function pairText(pair: Pair): string {
  return `${formatText("xs", pair.x, pair.storage)}
${formatText("ws", pair.w, pair.storage)}
op pair<M, N, K>(x: xs[M, K], w: ws[N, K]) -> f32[M, N] { y[m, n] = sum k { x[m, k] * w[n, k] } }
`;
}

/** `schedule`: for short texts; the strategy is the compiler's choice. */
export function compilePair(
  pair: Pair,
  target: string,
  schedule: ScheduleRequest = {},
  sizes = PAIR_SIZES[pair.storage],
): Compiled {
  const diagnostics = new Diagnostics();
  const module = check([{ name: `${pair.name}.loom`, text: pairText(pair) }], diagnostics);
  const made = compile({ sources: [], op: "pair", sizes: { ...sizes }, target, schedule }, diagnostics, module);
  if (made === undefined || diagnostics.failed) throw new Error(`${pair.name}: ${JSON.stringify(diagnostics.list)}`);
  return made;
}

/** Random codes of all values, as words, and the product of what they stand for. */
export function pairOperands(pair: Pair, made: Compiled, { M, N, K } = PAIR_SIZES[pair.storage]) {
  const next = random(pair.x.bits * 8 + pair.w.bits);
  const inputs = made.source.tensors.filter((t) => t.role === "input");
  const codesOf = (operand: "x" | "w") => {
    const tensor = inputs.find((t) => t.id === operand || t.id === `${operand}.q`) ?? internal(`no ${operand}`);
    const [low, high] = rangeOf(tensor.type as `i${number}`);
    const length = tensor.shape.reduce((n, e) => n * e, 1);
    const codes = Float64Array.from({ length }, () => low + Math.floor(next() * (high - low + 1)));
    const { bits, kind } = pair[operand];
    const values = kind === "b" ? codes.map((q) => 2 * q - (2 ** bits - 1)) : codes;
    return { id: tensor.id, words: toWords(tensor, codes), values };
  };
  const [x, w] = [codesOf("x"), codesOf("w")];
  const expected = Float64Array.from({ length: M * N }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < K; k++) sum += x.values[Math.floor(at / N) * K + k]! * w.values[(at % N) * K + k]!;
    return sum;
  });
  return { words: { [x.id]: x.words, [w.id]: w.words }, expected };
}
