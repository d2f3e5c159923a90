/** Rounding to the float types and their bit patterns (IEEE 754-2019 binary16 and binary32; bfloat16 is the upper half of binary32). */
import type { FloatType } from "./scalar.ts";

const F64 = new Float64Array(1);
const F64_WORDS = new Uint32Array(F64.buffer);
const F32 = new Float32Array(1);
const F32_WORD = new Uint32Array(F32.buffer);
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/** The integer nearest to x, ties to even; keeps the sign of zero. */
export function rint(x: number): number {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

/**
 * Adding and subtracting 1.5 · 2^52 units in the last place rounds to that place, once and to even, as binary64 addition
 * does; the place follows from the exponent alone, so masking the fraction away gives it.
 */
function roundBinary(x: number, fraction: number, minNormal: number, overflow: number): number {
  const size = Math.abs(x);
  if (size >= overflow) return x < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  F64[0] = size;
  F64_WORDS[HIGH]! &= 0x7ff00000;
  F64_WORDS[1 - HIGH] = 0;
  const magic = 1.5 * 2 ** (52 - fraction) * Math.max(F64[0], minNormal);
  const rounded = size + magic - magic;
  const bounded = rounded >= overflow ? Number.POSITIVE_INFINITY : rounded;
  return x < 0 || Object.is(x, -0) ? -bounded : bounded;
}

/** The f16 value nearest to x (any double, rounded once, ties to even); infinity from 65520 on. */
export function f16Round(x: number): number {
  return roundBinary(x, 10, 2 ** -14, 65536);
}

/** The bf16 value nearest to x (any double, rounded once, ties to even). */
export function bf16Round(x: number): number {
  return roundBinary(x, 7, 2 ** -126, 2 ** 128);
}

/** x rounded once to the type. */
export function roundTo(type: FloatType, x: number): number {
  switch (type) {
    case "f16":
      return f16Round(x);
    case "bf16":
      return bf16Round(x);
    case "f32":
      return Math.fround(x);
    case "f64":
      return x;
  }
}

/** The 32 bits of x rounded to f32, as an unsigned number. */
export function f32ToBits(x: number): number {
  F32[0] = x;
  return F32_WORD[0]!;
}

/** The f32 value of 32 bits. */
export function bitsToF32(bits: number): number {
  F32_WORD[0] = bits;
  return F32[0]!;
}

/** The 16 bits of x rounded to f16; every NaN gives 0x7e00. */
export function f16ToBits(x: number): number {
  const value = f16Round(x);
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  F64[0] = size;
  return sign | ((F64_WORDS[HIGH]! >>> 10) - ((1023 - 15) << 10)); // exponent and the upper ten fraction bits side by side
}

/** The f16 value of 16 bits. */
export function bitsToF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The 16 bits of x rounded to bf16. */
export function bf16ToBits(x: number): number {
  return f32ToBits(bf16Round(x)) >>> 16;
}

/** The bf16 value of 16 bits. */
export function bitsToBf16(bits: number): number {
  return bitsToF32((bits & 0xffff) * 65536);
}
