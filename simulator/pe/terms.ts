/** Term encoders of bit-serial PEs (BitMoD, HPCA 2025, section IV): a weight as a few signed powers of two, one a cycle. */
import { internal } from "../../ir/diagnostics.ts";

/** (−1)^sign · man · 2^exponent · 2^significance: what a PE multiplies an activation by in one cycle. */
export interface Term {
  readonly sign: 0 | 1;
  readonly man: 0 | 1;
  readonly exponent: number;
  /** Place of the digit within the weight: the shift of the sum behind the adder tree. */
  readonly significance: number;
}

export const valueOfTerm = ({ sign, man, exponent, significance }: Term): number =>
  man === 0 ? 0 : (sign === 1 ? -1 : 1) * 2 ** (exponent + significance);

/** Radix-4 Booth digits by three bits of the weight, the lowest shared with the digit below. */
const BOOTH: readonly (readonly [sign: 0 | 1, man: 0 | 1, exponent: number])[] = [
  [0, 0, 0],
  [0, 1, 0],
  [0, 1, 0],
  [0, 1, 1],
  [1, 1, 1],
  [1, 1, 0],
  [1, 1, 0],
  [1, 0, 0],
];

/** A signed integer of `bits` bits as ⌈bits / 2⌉ terms, the lowest digit first. */
export function boothTerms(value: number, bits: number): readonly Term[] {
  return Array.from({ length: Math.ceil(bits / 2) }, (_, i) => {
    const three = i === 0 ? (value << 1) & 7 : (value >> (2 * i - 1)) & 7;
    const [sign, man, exponent] = BOOTH[three]!;
    return { sign, man, exponent, significance: 2 * i };
  });
}

/** Fraction bits of the fixed-point number I3 I2 I1 I0 . F0 that a code stands for. */
const FRACTION_BITS = 1;
const ZERO: Term = { sign: 0, man: 0, exponent: 0, significance: 0 };

/**
 * A number of at most four integer bits and one fraction bit as two terms: its leading one, and what remains, which
 * must be a power of two; of either sign, as 7 = 8 − 1. All of FP4, FP3 and their special values are of this form.
 */
export function leadingOneTerms(value: number): readonly [Term, Term] {
  const fixed = Math.abs(value) * 2 ** FRACTION_BITS;
  const sign = value < 0 ? 1 : 0;
  if (!Number.isInteger(fixed) || fixed >= 2 ** (4 + FRACTION_BITS))
    return internal(`${value} is no number with four integer bits and one fraction bit`);
  if (fixed === 0) return [ZERO, ZERO];
  const power = (at: number, s: number): Term => ({
    sign: s === 1 ? 1 : 0,
    man: 1,
    exponent: at - FRACTION_BITS,
    significance: 0,
  });
  const leading = 31 - Math.clz32(fixed);
  const rest = fixed - 2 ** leading;
  if (rest === 0) return [power(leading, sign), ZERO];
  if ((rest & (rest - 1)) === 0) return [power(leading, sign), power(Math.log2(rest), sign)];
  const above = 2 ** (leading + 1) - fixed;
  if ((above & (above - 1)) === 0) return [power(leading + 1, sign), power(Math.log2(above), 1 - sign)];
  return internal(`${value} is no sum of two powers of two`);
}

/** How codes become terms. */
export type Encoder =
  /** Two's complement integers. */
  | { readonly kind: "booth"; readonly bits: number }
  /** The value of each code; the code of `special` stands for what the group's selector names. */
  | {
      readonly kind: "leading-one";
      readonly values: readonly number[];
      readonly special: number;
      readonly specials: readonly number[];
    };

const MAGNITUDES_FP3 = [0, 1, 2, 4] as const;
const MAGNITUDES_FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6] as const;
const signed = (magnitudes: readonly number[]): readonly number[] => [...magnitudes, ...magnitudes.map((v) => -v)];

/** BitMoD's FP3 and FP4: sign and magnitude, the code of negative zero for one of four special values. */
export const FP3: Encoder = {
  kind: "leading-one",
  values: signed(MAGNITUDES_FP3),
  special: 4,
  specials: [3, -3, 6, -6],
};
export const FP4: Encoder = {
  kind: "leading-one",
  values: signed(MAGNITUDES_FP4),
  special: 8,
  specials: [5, -5, 8, -8],
};

/** Terms of one weight; as many for each code of an encoder. */
export function encodeTerms(encoder: Encoder, code: number, selector: number): readonly Term[] {
  if (encoder.kind === "booth") return boothTerms(code, encoder.bits);
  const { values, special, specials } = encoder;
  const value = code === special ? specials[selector] : values[code];
  return leadingOneTerms(value ?? internal(`no code ${code} with selector ${selector}`));
}

/** Cycles that a weight of this encoder takes. */
export const termCount = (encoder: Encoder): number => (encoder.kind === "booth" ? Math.ceil(encoder.bits / 2) : 2);
