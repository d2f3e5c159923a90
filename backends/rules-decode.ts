/** Rules that make decoding cheap where converting integers to floats is slow. */
import type { Expr, ExprBuilder, ExprId } from "../ir/expr.ts";
import { f16ToBits } from "../ir/float.ts";
import type { Rule } from "../ir/rewrite.ts";

/** A signed or unsigned bit field of a u32 word, as extraction writes it. */
interface BitField {
  readonly word: ExprId;
  readonly low: number;
  readonly width: number;
  readonly signed: boolean;
}

function constantOf(build: ExprBuilder, id: ExprId | undefined): number | undefined {
  const expr = id === undefined ? undefined : build.get(id);
  return expr?.kind === "const" ? expr.value : undefined;
}

function opArgs(build: ExprBuilder, id: ExprId | undefined, op: string): readonly ExprId[] | undefined {
  const expr = id === undefined ? undefined : build.get(id);
  return expr?.kind === "op" && expr.op === op ? expr.args : undefined;
}

/** ((word << a) as i32) >> b: `width` = 32 − b bits that end below bit 32 − a. */
function signedField(build: ExprBuilder, expr: Expr): BitField | undefined {
  if (expr.kind !== "op" || expr.op !== "shr" || expr.type !== "i32") return undefined;
  const right = constantOf(build, expr.args[1]);
  const inner = build.get(expr.args[0]!);
  if (right === undefined || inner.kind !== "bits") return undefined;
  const shifted = opArgs(build, inner.of, "shl");
  const left = shifted === undefined ? 0 : constantOf(build, shifted[1]);
  if (left === undefined || left > right) return undefined;
  const width = 32 - right;
  return { word: shifted?.[0] ?? inner.of, low: 32 - left - width, width, signed: true };
}

/** (word >> low) & (2^width − 1), as u32 or its bits as i32. */
function unsignedField(build: ExprBuilder, expr: Expr): BitField | undefined {
  if (expr.kind === "bits" && expr.type === "i32") return unsignedField(build, build.get(expr.of));
  if (expr.kind !== "op" || expr.type !== "u32") return undefined;
  if (expr.op === "shr") {
    const low = constantOf(build, expr.args[1]);
    return low === undefined ? undefined : { word: expr.args[0]!, low, width: 32 - low, signed: false };
  }
  if (expr.op !== "and") return undefined;
  const mask = constantOf(build, expr.args[1]);
  const width = mask === undefined ? Number.NaN : Math.log2(mask + 1);
  if (!Number.isInteger(width)) return undefined;
  const shifted = opArgs(build, expr.args[0], "shr");
  const low = shifted === undefined ? 0 : constantOf(build, shifted[1]);
  return low === undefined ? undefined : { word: shifted?.[0] ?? expr.args[0]!, low, width, signed: false };
}

/** 2^23 as f32: its last significand bit is worth one. */
const MAGIC_BITS = 0x4b000000;
const MAGIC = 8388608;

/** A bit field plus a constant, as an integer expression. */
interface OffsetField extends BitField {
  readonly add: number;
}

function offsetField(build: ExprBuilder, expr: Expr): OffsetField | undefined {
  const field = signedField(build, expr) ?? unsignedField(build, expr);
  if (field !== undefined) return { ...field, add: 0 };
  if (expr.kind !== "op" || (expr.op !== "add" && expr.op !== "sub") || expr.type !== "i32") return undefined;
  const inner = build.get(expr.args[0]!);
  const of = signedField(build, inner) ?? unsignedField(build, inner);
  const constant = constantOf(build, expr.args[1]);
  if (of === undefined || constant === undefined) return undefined;
  return { ...of, add: expr.op === "add" ? constant : -constant };
}

/** Largest constant beside a field: sums stay far below 2^23. */
const MAX_OFFSET = 2 ** 21;

/**
 * f32(field + c) = (bits of 2^23 with the field in the significand) − (2^23 − c), exact for fields of at most 22 bits. A
 * signed field has its sign bit flipped, which adds 2^(width−1). One LOP3 and one subtraction instead of a conversion,
 * which runs at a quarter of the rate or less (CUDA C++ Programming Guide, arithmetic throughput: 16 a cycle and
 * multiprocessor on compute capability 8.x and 9.0).
 */
export const MAGIC_DECODE: Rule = {
  name: "magic-decode",
  about: "converts bit fields to f32 through the significand of 2^23",
  apply(expr, build) {
    if (expr.kind !== "cast" || expr.type !== "f32") return undefined;
    const field = offsetField(build, build.get(expr.of));
    if (field === undefined || field.width > 22 || Math.abs(field.add) > MAX_OFFSET) return undefined;
    const { word, low, width, signed, add } = field;
    const half = signed ? 2 ** (width - 1) : 0;
    const k = (value: number): ExprId => build.constant(value, "u32");
    const moved = low === 0 ? word : build.op("shr", word, k(low));
    const masked = build.op("and", moved, k(2 ** width - 1));
    const flipped = build.op("xor", masked, k(MAGIC_BITS + half));
    return build.op("sub", build.bits(flipped, "f32"), build.constant(MAGIC + half - add, "f32"));
  },
};

/** What MAGIC_DECODE leaves: ((word >> low) & mask ^ flip) − offset, as f32. */
interface Decoded {
  readonly word: ExprId;
  readonly low: number;
  readonly mask: number;
  readonly flip: number;
  readonly offset: number;
}

function decodedField(build: ExprBuilder, id: ExprId): Decoded | undefined {
  const difference = opArgs(build, id, "sub");
  const from = difference === undefined ? undefined : build.get(difference[0]!);
  const taken = constantOf(build, difference?.[1]);
  if (from?.kind !== "bits" || from.type !== "f32" || taken === undefined) return undefined;
  const flipped = opArgs(build, from.of, "xor");
  const masked = opArgs(build, flipped?.[0], "and");
  const [flip, mask] = [constantOf(build, flipped?.[1]), constantOf(build, masked?.[1])];
  if (masked === undefined || flip === undefined || mask === undefined || flip < MAGIC_BITS) return undefined;
  const shifted = opArgs(build, masked[0], "shr");
  const low = shifted === undefined ? 0 : constantOf(build, shifted[1]);
  if (low === undefined) return undefined;
  return { word: shifted?.[0] ?? masked[0]!, low, mask, flip: flip - MAGIC_BITS, offset: taken - MAGIC };
}

/** 1024 as f16: its last significand bit is worth one. */
const HALF_MAGIC_BITS = 0x6400;
const HALF_MAGIC = 1024;
const BOTH = 0x10001;

/**
 * Two fields that lie 16 bits apart in one word become two halves at once: one LOP3 puts both into the significands of
 * 1024, one packed subtraction takes 1024 away. Exact for fields of at most 10 bits and offsets up to 1024 (the decode of
 * Kim et al., "Who Says Elephants Can't Run", 2022, section 4.2, there for 8 and 4 bits).
 */
export const PAIR_DECODE: Rule = {
  name: "pair-decode",
  about: "converts two bit fields 16 bits apart to a pair of halves through the significands of 1024",
  apply(expr, build) {
    const args = expr.kind === "op" && expr.op === "packF16x2" ? expr.args : undefined;
    const [a, b] = (args ?? []).map((arg) => decodedField(build, arg));
    if (a === undefined || b === undefined) return undefined;
    const alike = a.word === b.word && a.mask === b.mask && a.flip === b.flip && a.offset === b.offset;
    const fits = a.mask < HALF_MAGIC && a.mask * 2 ** a.low < 2 ** 16 && Math.abs(a.offset) <= HALF_MAGIC;
    if (!alike || !fits || b.low !== a.low + 16) return undefined;
    const k = (value: number): ExprId => build.constant(value, "u32");
    const moved = a.low === 0 ? a.word : build.op("shr", a.word, k(a.low));
    const masked = build.op("and", moved, k(a.mask * BOTH));
    const flipped = build.op("xor", masked, k((HALF_MAGIC_BITS + a.flip) * BOTH));
    return build.op("subF16x2", flipped, k(f16ToBits(HALF_MAGIC + a.offset) * BOTH));
  },
};

/** Two halves of words as one word: bits move, nothing is converted. (Payloads of NaNs stay, where conversions may not.) */
export const PAIR_MOVE: Rule = {
  name: "pair-move",
  about: "puts two stored halves into one word without converting them",
  apply(expr, build) {
    if (expr.kind !== "op" || expr.op !== "packF16x2") return undefined;
    const [a, b] = expr.args.map((arg) => build.get(arg));
    const isHalf = (e: Expr | undefined): e is Expr & { readonly kind: "op" } =>
      e?.kind === "op" && (e.op === "f16lo" || e.op === "f16hi");
    if (!isHalf(a) || !isHalf(b)) return undefined;
    const [low, high] = [a.args[0]!, b.args[0]!];
    if (low === high && a.op === "f16lo" && b.op === "f16hi") return low;
    const k = (value: number): ExprId => build.constant(value, "u32");
    const first = a.op === "f16lo" ? build.op("and", low, k(0xffff)) : build.op("shr", low, k(16));
    const second = b.op === "f16lo" ? build.op("shl", high, k(16)) : build.op("and", high, k(0xffff0000));
    return build.op("or", first, second);
  },
};
