/** Buffers of a kernel evaluation: element values, and their packing into the words that launchers move. */
import { internal } from "../diagnostics.ts";
import { bitsOf, type Scalar } from "../scalar.ts";
import { fromBits, toBits } from "./scalar.ts";

/** The values of a buffer's elements, one number each, whatever the type. */
export interface KernelBuffer {
  readonly type: Scalar;
  readonly data: Float64Array;
}

/** A buffer of zeros. */
export function emptyBuffer(type: Scalar, length: number): KernelBuffer {
  return { type, data: new Float64Array(length) };
}

/** A buffer of these values, which must be values of the type. */
export function bufferOf(type: Scalar, values: ArrayLike<number>): KernelBuffer {
  return { type, data: Float64Array.from(values) };
}

/** Unpacks little-endian words; the types have 8, 16 or 32 bits. `length` defaults to all elements in the words. */
export function bufferFromWords(
  type: Scalar,
  words: Uint32Array,
  length = (words.length * 32) / bitsOf(type),
): KernelBuffer {
  const bits = packable(type);
  const decode = fromBits(type);
  const mask = 2 ** bits - 1;
  const data = Float64Array.from({ length }, (_, i) => {
    const word = words[Math.floor((i * bits) / 32)] ?? internal(`word ${i} of a buffer of ${words.length} words`);
    return decode(((word >>> ((i * bits) % 32)) & mask) >>> 0);
  });
  return { type, data };
}

/** Packs a buffer into little-endian words; the last word is filled up with zeros. */
export function bufferToWords(buffer: KernelBuffer): Uint32Array {
  const bits = packable(buffer.type);
  const encode = toBits(buffer.type);
  const words = new Uint32Array(Math.ceil((buffer.data.length * bits) / 32));
  buffer.data.forEach((value, i) => {
    words[Math.floor((i * bits) / 32)]! |= encode(value) << ((i * bits) % 32);
  });
  return words;
}

function packable(type: Scalar): number {
  const bits = bitsOf(type);
  return bits === 8 || bits === 16 || bits === 32 ? bits : internal(`elements of ${type} do not fill words`);
}
