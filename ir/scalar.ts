/** Element types: what one number is, apart from how a format stores it. */

/** An integer of 1 to 64 bits; widths other than 8, 16, 32 and 64 exist only as storage codes. */
export type IntType = `i${number}` | `u${number}`;
export type FloatType = "f16" | "bf16" | "f32" | "f64";
/**
 * The type of one element. `f64` is the oracle's type: no target table lists it.
 * A kernel may use only the types that its target's table lists.
 */
export type Scalar = "bool" | IntType | FloatType;

const FLOAT_BITS: Readonly<Record<FloatType, number>> = { f16: 16, bf16: 16, f32: 32, f64: 64 };

export function isFloat(type: Scalar): type is FloatType {
  return type in FLOAT_BITS;
}

export function isInt(type: Scalar): type is IntType {
  return type !== "bool" && !isFloat(type);
}

export function isSigned(type: Scalar): boolean {
  return type.startsWith("i");
}

/** Bits of one stored element; `bool` counts one. */
export function bitsOf(type: Scalar): number {
  if (type === "bool") return 1;
  return isFloat(type) ? FLOAT_BITS[type] : Number(type.slice(1));
}

/** Smallest and largest value of an integer type, both inclusive. */
export function rangeOf(type: IntType): readonly [min: number, max: number] {
  const bits = bitsOf(type);
  return isSigned(type) ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** True for `bool`, the four float types and integers of 1 to 64 bits. */
export function isScalar(text: string): text is Scalar {
  if (text === "bool" || text in FLOAT_BITS) return true;
  const match = /^[iu]([1-9]\d?)$/.exec(text);
  return match !== null && Number(match[1]) <= 64;
}
