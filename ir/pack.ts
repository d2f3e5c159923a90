/** Moving elements between numbers, streams of 32-bit words and other layouts of the same elements. */
import { internal } from "./diagnostics.ts";
import { bf16ToBits, bitsToBf16, bitsToF16, bitsToF32, f16ToBits, f32ToBits } from "./float.ts";
import { compile } from "./layout/apply.ts";
import { coordinate, fromOf, type Strided, volume } from "./layout/basic.ts";
import { addressWords } from "./layout/build.ts";
import { ADDRESS, type Axis, BIT, type Extents, type Layout } from "./layout/layout.ts";
import { simplify } from "./layout/normal.ts";
import { bitsOf, isInt, isSigned, rangeOf, type Scalar } from "./scalar.ts";

/** A function from a value to its stored bits, as an unsigned number of at most 32 bits; floats round once. */
export function encoderOf(type: Scalar): (value: number) => number {
  if (isInt(type)) {
    const [min, max] = rangeOf(type);
    const wrap = 2 ** bitsOf(type);
    return (value) => {
      if (!Number.isInteger(value) || value < min || value > max) internal(`${value} is no ${type}`);
      return value < 0 ? value + wrap : value;
    };
  }
  switch (type) {
    case "bool":
      return (value) => (value === 0 ? 0 : 1);
    case "f16":
      return f16ToBits;
    case "bf16":
      return bf16ToBits;
    case "f32":
      return f32ToBits;
    default:
      return internal(`${type} is not stored in streams`);
  }
}

/** A function from stored bits to the value. */
export function decoderOf(type: Scalar): (bits: number) => number {
  if (isInt(type)) {
    const half = isSigned(type) ? 2 ** (bitsOf(type) - 1) : Number.POSITIVE_INFINITY;
    const wrap = 2 ** bitsOf(type);
    return (bits) => (bits >= half ? bits - wrap : bits);
  }
  switch (type) {
    case "bool":
      return (bits) => bits;
    case "f16":
      return bitsToF16;
    case "bf16":
      return bitsToBf16;
    case "f32":
      return bitsToF32;
    default:
      return internal(`${type} is not stored in streams`);
  }
}

/** The stored bits of one value. */
export function encode(type: Scalar, value: number): number {
  return encoderOf(type)(value);
}

/** The value of stored bits. */
export function decode(type: Scalar, bits: number): number {
  return decoderOf(type)(bits);
}

/** `width` ≤ 32 bits from bit `address` on, as an unsigned number. */
export function getBits(words: Uint32Array, address: number, width: number): number {
  const word = Math.floor(address / 32);
  const shift = address - word * 32;
  let value = words[word]! >>> shift;
  if (shift + width > 32) value |= words[word + 1]! << (32 - shift);
  return width === 32 ? value >>> 0 : (value & (2 ** width - 1)) >>> 0;
}

/** Sets `width` ≤ 32 bits that are still zero. */
export function putBits(words: Uint32Array, address: number, width: number, value: number): void {
  const word = Math.floor(address / 32);
  const shift = address - word * 32;
  words[word]! |= value << shift;
  if (shift + width > 32) words[word + 1]! |= value >>> (32 - shift);
}

/** Little-endian bytes as words, the last one padded with zeros. */
export function wordsOfBytes(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  for (let i = 0; i < bytes.length; i++) words[i >> 2]! |= bytes[i]! << (8 * (i & 3));
  return words;
}

/** Words as little-endian bytes; `length` drops the padding. */
export function bytesOfWords(words: Uint32Array, length = 4 * words.length): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => words[i >> 2]! >>> (8 * (i & 3)));
}

/** Writes the addresses of one innermost row of elements: of their lowest bits, or (`perBit`) of every bit, bits fastest. */
interface RowReader {
  /** Bits of an element lie side by side, so one address an element suffices. */
  readonly joined: boolean;
  readonly fill: (outer: readonly number[], perBit: boolean, into: Float64Array) => void;
}

function offsetsOf(layout: Strided, axis: Axis): Float64Array {
  const terms = layout.terms.filter((t) => t.from === axis);
  return Float64Array.from({ length: layout.from[axis] ?? 1 }, (_, x) =>
    terms.reduce((sum, t) => sum + t.stride * (Math.floor(x / t.div) % t.size), 0),
  );
}

function stridedReader(layout: Strided, axes: readonly Axis[]): RowReader {
  const outer = axes.slice(0, -1).map((axis) => offsetsOf(layout, axis));
  const inner = axes.length === 0 ? new Float64Array(1) : offsetsOf(layout, axes.at(-1)!);
  const bits = offsetsOf(layout, BIT);
  const base = layout.base?.[ADDRESS] ?? 0;
  return {
    joined: bits.every((offset, bit) => offset === bit),
    fill: (at, perBit, into) => {
      const start = at.reduce((sum, x, i) => sum + outer[i]![x]!, base);
      let n = 0;
      for (const place of inner) {
        if (perBit) for (const bit of bits) into[n++] = start + place + bit;
        else into[n++] = start + place;
      }
    },
  };
}

function compiledReader(layout: Layout, axes: readonly Axis[]): RowReader {
  const from = fromOf(layout);
  const order = [...axes, BIT];
  const { run } = compile(layout, order);
  const input = order.map(() => 0);
  const out = [0];
  const length = axes.length === 0 ? 1 : coordinate(from, axes.at(-1)!);
  return {
    joined: false,
    fill: (at, perBit, into) => {
      for (const [i, x] of at.entries()) input[i] = x;
      let n = 0;
      for (let x = 0; x < length; x++) {
        if (axes.length > 0) input[axes.length - 1] = x;
        for (let bit = 0; bit < (perBit ? (from[BIT] ?? 1) : 1); bit++) {
          input[order.length - 1] = bit;
          run(input, out);
          into[n++] = out[0]!;
        }
      }
    },
  };
}

function readerOf(layout: Layout, axes: readonly Axis[]): RowReader {
  const simple = simplify(layout);
  return simple.kind === "strided" && simple.wrap === undefined
    ? stridedReader(simple, axes)
    : compiledReader(simple, axes);
}

/** The element axes of a memory layout, slowest first. */
function elementAxes(layout: Layout): readonly Axis[] {
  return Object.keys(fromOf(layout)).filter((axis) => axis !== BIT);
}

/** Calls `row` for every combination of the outer axes, in linear order. */
function eachRow(extents: Extents, axes: readonly Axis[], row: (outer: readonly number[]) => void): void {
  const sizes = axes.slice(0, -1).map((axis) => coordinate(extents, axis));
  const outer = sizes.map(() => 0);
  for (let count = sizes.reduce((a, b) => a * b, 1); count > 0; count--) {
    row(outer);
    for (let i = sizes.length - 1; i >= 0 && ++outer[i]! === sizes[i]; i--) outer[i] = 0;
  }
}

/**
 * Stores values (in the linear order of the layout's axes, last fastest, without `bit`) as the layout says. Padding bits
 * are zero. A value outside an integer type's range is our own bug; floats round to nearest even.
 */
export function packStream(values: ArrayLike<number>, type: Scalar, layout: Layout): Uint32Array {
  const { extents, axes, width, rowLength } = shapeOf(layout, type);
  if (values.length * width !== volume(extents))
    internal(`${values.length} values for a layout of ${volume(extents)} bits`);
  const words = new Uint32Array(addressWords(layout));
  const toBits = encoderOf(type);
  const reader = readerOf(layout, axes);
  const places = new Float64Array(rowLength * (reader.joined ? 1 : width));
  let next = 0;
  eachRow(extents, axes, (outer) => {
    reader.fill(outer, !reader.joined, places);
    for (let i = 0; i < rowLength; i++) {
      const code = toBits(values[next++]!);
      if (reader.joined) putBits(words, places[i]!, width, code);
      else for (let bit = 0; bit < width; bit++) putBits(words, places[i * width + bit]!, 1, (code >>> bit) & 1);
    }
  });
  return words;
}

/** The values that a stream stores, in the linear order of the layout's axes. */
export function unpackStream(words: Uint32Array, type: Scalar, layout: Layout): Float64Array {
  const { extents, axes, width, rowLength } = shapeOf(layout, type);
  if (words.length < addressWords(layout)) internal(`${words.length} words for a layout of ${addressWords(layout)}`);
  const values = new Float64Array(volume(extents) / width);
  const toValue = decoderOf(type);
  const reader = readerOf(layout, axes);
  const places = new Float64Array(rowLength * (reader.joined ? 1 : width));
  let next = 0;
  eachRow(extents, axes, (outer) => {
    reader.fill(outer, !reader.joined, places);
    for (let i = 0; i < rowLength; i++) {
      let code = 0;
      if (reader.joined) code = getBits(words, places[i]!, width);
      else for (let bit = 0; bit < width; bit++) code |= getBits(words, places[i * width + bit]!, 1) << bit;
      values[next++] = toValue(code >>> 0);
    }
  });
  return values;
}

function shapeOf(layout: Layout, type: Scalar) {
  const extents = fromOf(layout);
  const axes = elementAxes(layout);
  const width = extents[BIT] ?? internal("a stream's layout has a bit axis");
  if (width !== bitsOf(type) || width > 32) internal(`a layout of ${width}-bit elements for ${type}`);
  return { extents, axes, width, rowLength: axes.length === 0 ? 1 : extents[axes.at(-1)!]! };
}

/**
 * The same elements in another order: every point that `to` maps is copied from where `from` has it. With a fragment in
 * front of both (`compose(fragment, address)` and a dense layout of its places) this is the offline repacker:
 * new[p] = old[address(fragment(p))]. Both layouts read the same axes; holes of `to` are zero.
 */
export function repack(words: Uint32Array, from: Layout, to: Layout): Uint32Array {
  const extents = fromOf(to);
  const other = fromOf(from);
  if (
    Object.keys(other).length !== Object.keys(extents).length ||
    Object.entries(extents).some(([a, e]) => other[a] !== e)
  )
    internal("repack between different boxes");
  const axes = elementAxes(to);
  const width = extents[BIT] ?? internal("repack needs layouts with a bit axis");
  const out = new Uint32Array(addressWords(to));
  const read = readerOf(from, axes);
  const write = readerOf(to, axes);
  const whole = read.joined && write.joined && width <= 32;
  const rowLength = (axes.length === 0 ? 1 : extents[axes.at(-1)!]!) * (whole ? 1 : width);
  const old = new Float64Array(rowLength);
  const made = new Float64Array(rowLength);
  const size = whole ? width : 1;
  eachRow(extents, axes, (outer) => {
    read.fill(outer, !whole, old);
    write.fill(outer, !whole, made);
    for (let i = 0; i < rowLength; i++) putBits(out, made[i]!, size, getBits(words, old[i]!, size));
  });
  return out;
}
