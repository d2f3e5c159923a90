/** The value grids of the number types in the literature, each generated from its published rule; ascending, without duplicates. */
import { internal } from "../../ir/diagnostics.ts";

/** Values in ascending order, on the smallest grid where all of them are integers unless a function says otherwise. */
export type Grid = readonly number[];

const ascending = (values: Iterable<number>): Grid => [...new Set(values)].sort((a, b) => a - b);

/** Multiplies by the smallest power of two that makes every value an integer. */
function toIntegers(values: readonly number[]): readonly number[] {
  let scaled = values;
  while (scaled.some((v) => !Number.isInteger(v))) scaled = scaled.map((v) => v * 2);
  return scaled;
}

/** Both signs of a list of magnitudes. */
export function mirrored(magnitudes: readonly number[]): Grid {
  return ascending(magnitudes.flatMap((v) => (v === 0 ? [0] : [-v, v])));
}

/** Magnitudes of `bits` bits as they are, or with a sign that takes one of the bits. */
function withSign(bits: number, signed: boolean, magnitudes: (bits: number) => readonly number[]): Grid {
  return signed ? mirrored(magnitudes(bits - 1)) : ascending(magnitudes(bits));
}

/** Integers: unsigned, two's complement, or symmetric without −2^(bits−1). */
export function intGrid(bits: number, kind: "unsigned" | "signed" | "symmetric"): Grid {
  const low = { unsigned: 0, signed: -(2 ** (bits - 1)), symmetric: 1 - 2 ** (bits - 1) }[kind];
  const high = kind === "unsigned" ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

/** 2^exponent · (1 + j / 2^fractionBits) for every fraction j. */
function binade(exponent: number, fractionBits: number): readonly number[] {
  return Array.from({ length: 2 ** fractionBits }, (_, j) => 2 ** exponent * (1 + j * 2 ** -fractionBits));
}

/**
 * Flint (ANT, Guo et al., MICRO 2022): the further a binade is from 1, the fewer fraction bits it has. With B magnitude
 * bits: exponents 0 and −1 have B − 2, every step away takes one, and 2^(B−1) stands alone above them.
 */
export function flintGrid(bits: number, signed: boolean): Grid {
  return withSign(bits, signed, (width) => {
    const values = [0, ...binade(0, width - 2), 2 ** (width - 1)];
    for (let i = 0; i <= width - 2; i++) values.push(...binade(-(i + 1), width - (i + 2)));
    for (let i = 1; i <= width - 2; i++) values.push(...binade(i, width - (i + 2)));
    return toIntegers(values);
  });
}

/** Powers of two and zero: 0, 1, 2, 4, … (ANT's PoT). */
export function potGrid(bits: number, signed: boolean): Grid {
  return withSign(bits, signed, (width) => [0, ...Array.from({ length: 2 ** width - 1 }, (_, i) => 2 ** i)]);
}

/**
 * Sums of powers of two (APoT, Li et al., ICLR 2020): two magnitude bits choose none or one of three powers, and the
 * powers 2^−1, 2^−2, … are dealt to the terms in turn; an odd bit is a term of one power, dealt first in the last round.
 */
export function apotGrid(bits: number, signed: boolean): Grid {
  return withSign(bits, signed, (width) => {
    const full = Math.floor(width / 2);
    const terms = Array.from({ length: Math.ceil(width / 2) }, () => [0]);
    // Rounds of one power for every full term; the third begins with the odd bit's.
    const dealt = [...terms.slice(0, full), ...terms.slice(0, full), ...terms.slice(full), ...terms.slice(0, full)];
    for (const [i, term] of dealt.entries()) term.push(2 ** -(i + 1));
    return toIntegers(terms.reduce((sums, term) => sums.flatMap((s) => term.map((t) => s + t)), [0]));
  });
}

/** Floating point with subnormals and no special codes: magnitudes j / 2^m, then 2^(e−1) · (1 + j / 2^m) for e from 1. */
export function floatGrid(bits: number, exponentBits: number, signed: boolean): Grid {
  return withSign(bits, signed, (width) => {
    const fractionBits = width - exponentBits;
    if (fractionBits < 0) internal(`${exponentBits} exponent bits in ${width}`);
    const values = Array.from({ length: 2 ** fractionBits }, (_, j) => j * 2 ** -fractionBits);
    for (let e = 1; e < 2 ** exponentBits; e++) values.push(...binade(e - 1, fractionBits));
    return toIntegers(values);
  });
}

export interface Abfloat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly signed: boolean;
}

/**
 * Outliers of OliVe (Guo et al., ISCA 2023): (2^mantissaBits + mantissa) · 2^(exponent + bias), not on an integer grid of
 * its own: `bias` places it above the normal values. The code of exponent 0 and mantissa 0 stays free.
 */
export function abfloatGrid({ exponentBits, mantissaBits, bias, signed }: Abfloat): Grid {
  const hidden = 2 ** mantissaBits;
  const codes = Array.from({ length: 2 ** (exponentBits + mantissaBits) - 1 }, (_, i) => i + 1);
  const magnitudes = codes.map((c) => (hidden + (c % hidden)) * 2 ** (Math.floor(c / hidden) + bias));
  return signed ? mirrored(magnitudes) : magnitudes;
}

export interface Minifloat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** What the highest exponent's codes are: numbers all, one NaN (E4M3), or infinity and NaNs (E5M2). */
  readonly top: "numbers" | "nan" | "ieee";
}

/** The OCP element types (OCP MX specification 1.0, section 5.3; OCP FP8 specification 1.0) in their own units. */
export const OCP = {
  e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, top: "numbers" },
  e2m3: { exponentBits: 2, mantissaBits: 3, bias: 1, top: "numbers" },
  e3m2: { exponentBits: 3, mantissaBits: 2, bias: 3, top: "numbers" },
  e4m3: { exponentBits: 4, mantissaBits: 3, bias: 7, top: "nan" },
  e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, top: "ieee" },
} as const satisfies Readonly<Record<string, Minifloat>>;

/** The value of one code of a minifloat: sign, exponent, mantissa from the top; NaN and infinities where `top` says so. */
export function minifloatValue(type: Minifloat, code: number): number {
  const { exponentBits, mantissaBits, bias, top } = type;
  const mantissa = code % 2 ** mantissaBits;
  const exponent = Math.floor(code / 2 ** mantissaBits) % 2 ** exponentBits;
  const sign = Math.floor(code / 2 ** (mantissaBits + exponentBits)) % 2 === 1 ? -1 : 1;
  const last = exponent === 2 ** exponentBits - 1;
  if (last && top === "ieee") return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (last && top === "nan" && mantissa === 2 ** mantissaBits - 1) return Number.NaN;
  const fraction = mantissa * 2 ** -mantissaBits;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

/** The finite values of a minifloat, both signs, in its own units. */
export function minifloatGrid(type: Minifloat): Grid {
  const codes = 2 ** (1 + type.exponentBits + type.mantissaBits);
  const values = Array.from({ length: codes }, (_, code) => minifloatValue(type, code));
  return ascending(values.filter(Number.isFinite).map((v) => (v === 0 ? 0 : v)));
}

/** BitMoD's special values (Chen et al., HPCA 2025, table IV) in the order of its search: ER +, ER −, EA +, EA −. */
export const BITMOD_SPECIALS = { 3: [3, -3, 6, -6], 4: [10, -10, 16, -16] } as const;

/**
 * BitMoD's values by stored code: sign and magnitude of FP3 {0, 1, 2, 4} or FP4 (E2M1 in halves: {0, 1, 2, 3, 4, 6, 8, 12}),
 * with `special` in the place of negative zero.
 */
export function bitmodCodes(bits: 3 | 4, special: number): readonly number[] {
  const magnitudes = floatGrid(bits - 1, 2, false);
  return [...magnitudes, ...magnitudes.map((v) => (v === 0 ? special : -v))];
}
