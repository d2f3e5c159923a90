/** Where every bit of a format's block lies and how a value is decoded from it: the map that pictures are drawn from. */
import { compileExpr } from "../../ir/eval/expr.ts";
import type { Field, Format } from "../../ir/format.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { FIELD_INDEX } from "../../ir/layout/build.ts";
import { BIT } from "../../ir/layout/layout.ts";
import { bitsOf, isFloat, isSigned } from "../../ir/scalar.ts";
import { BlockEvaluator } from "../quantize/format-decode.ts";

/** The owner of a bit: element `index` of a field, its bit `bit` (0 the lowest). */
export interface BitOwner {
  readonly field: number;
  readonly index: number;
  readonly bit: number;
}

/** One element of a field with the places of its bits in the block's record, lowest bit first. */
export interface Element {
  readonly field: number;
  readonly index: number;
  readonly places: readonly number[];
}

export interface BitMap {
  readonly format: Format;
  /** Owner of every bit of the record; undefined where nothing is stored. */
  readonly owners: readonly (BitOwner | undefined)[];
  /** For each value of the block, the elements that its decoding reads, in the order of their use, each once. */
  readonly reads: readonly (readonly Element[])[];
}

/** Places of an element's bits in the block's record; none where the field lies outside it. */
function placesOf(field: Field, index: number): readonly number[] {
  if (field.scope !== "block") return [];
  const at = compileAddress(field.layout, [FIELD_INDEX, BIT]);
  return Array.from({ length: bitsOf(field.type) }, (_, bit) => at(index, bit));
}

/** Owner of every bit of the record. */
export function bitOwners(format: Format): readonly (BitOwner | undefined)[] {
  const owners: (BitOwner | undefined)[] = Array.from({ length: format.recordBits });
  format.fields.forEach((field, f) => {
    if (field.scope !== "block") return;
    const at = compileAddress(field.layout, [FIELD_INDEX, BIT]);
    for (let index = 0; index < field.count; index++)
      for (let bit = 0; bit < bitsOf(field.type); bit++) owners[at(index, bit)] = { field: f, index, bit };
  });
  return owners;
}

/** The map of a format. Where a use's place depends on what is stored, `stored` says it (element of a field → number). */
export function bitMap(format: Format, stored: (field: string, index: number) => number = () => 0): BitMap {
  const state = { i: 0 };
  const values: (() => number)[] = [];
  const indices: (() => number)[] = [];
  for (const { field, index } of format.uses) {
    const at = compileExpr(format.exprs, index, {
      arithmetic: "real",
      symbol: () => () => state.i,
      input: (n) => values[n],
    });
    indices.push(at);
    values.push(() => stored(field, at()));
  }
  const fields = format.uses.map((use) => format.fields.findIndex((f) => f.name === use.field));
  const reads = Array.from({ length: format.block }, (_, i) => {
    state.i = i;
    const seen = new Map<string, Element>();
    indices.forEach((at, use) => {
      const field = fields[use]!;
      const index = format.fields[field]!.count === 1 ? 0 : at();
      const key = `${field}:${index}`;
      if (!seen.has(key)) seen.set(key, { field, index, places: placesOf(format.fields[field]!, index) });
    });
    return [...seen.values()];
  });
  return { format, owners: bitOwners(format), reads };
}

/** A stretch of an element's bits that lie next to each other in one word: (word >> shift) & mask, put at bit `to`. */
export interface Piece {
  readonly word: number;
  readonly shift: number;
  readonly bits: number;
  readonly to: number;
}

const WORD_BITS = 32;

/** How an element is taken out of the record's 32-bit words. */
export function piecesOf(places: readonly number[]): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let bit = 0; bit < places.length; ) {
    const first = places[bit]!;
    const word = Math.floor(first / WORD_BITS);
    let bits = 1;
    while (
      bit + bits < places.length &&
      places[bit + bits] === first + bits &&
      Math.floor((first + bits) / WORD_BITS) === word
    )
      bits++;
    pieces.push({ word, shift: first % WORD_BITS, bits, to: bit });
    bit += bits;
  }
  return pieces;
}

/** What an element's bits mean as a number of its field's type; `raw` holds them, the lowest first, at most 32. */
export function storedNumber({ type }: Field, raw: number): number {
  const bits = bitsOf(type);
  if (isFloat(type)) return floatOf(type, raw);
  return isSigned(type) && raw >= 2 ** (bits - 1) ? raw - 2 ** bits : raw;
}

function floatOf(type: Field["type"], raw: number): number {
  const view = new DataView(new ArrayBuffer(4));
  if (type === "f32") view.setUint32(0, raw);
  if (type === "bf16") view.setUint32(0, (raw << 16) >>> 0);
  if (type === "f32" || type === "bf16") return view.getFloat32(0);
  const [sign, exponent, fraction] = [raw >>> 15, (raw >>> 10) & 31, raw & 1023];
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction === 0
          ? Number.POSITIVE_INFINITY
          : Number.NaN
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return sign === 1 ? -size : size;
}

/** One block as it is stored: bits of the record by field and element, and of the fields beside it. */
export type BlockBits = ReadonlyMap<string, readonly number[]>;

/** A block of codes that a generator of numbers in [0, 1) gives; floating-point fields get small positive numbers. */
export function sampleBlock(format: Format, next: () => number): BlockBits {
  return new Map(
    format.fields.map(({ name, type, count }) => {
      const bits = bitsOf(type);
      const draw = (): number => {
        if (!isFloat(type)) return Math.floor(next() * 2 ** bits);
        // Exponents from 2^-6 to 2^-3, so that scales look like scales.
        const exponent = Math.floor(next() * 4) - 6;
        const fraction = next();
        if (type === "f16") return ((exponent + 15) << 10) | Math.floor(fraction * 1024);
        const single = (((exponent + 127) << 23) | Math.floor(fraction * 2 ** 23)) >>> 0;
        return type === "bf16" ? single >>> 16 : single;
      };
      return [name, Array.from({ length: count }, draw)];
    }),
  );
}

/** The values of a block in real arithmetic. */
export function decodeBlock(format: Format, block: BlockBits): readonly number[] {
  const evaluator = new BlockEvaluator(format);
  for (const field of format.fields)
    evaluator.fields.set(
      field.name,
      (block.get(field.name) ?? []).map((raw) => storedNumber(field, raw)),
    );
  return Array.from({ length: format.block }, (_, i) => evaluator.value(i));
}
