/** Number literals that read back as the same number. */
import { internal } from "../ir/diagnostics.ts";
import type { Scalar } from "../ir/scalar.ts";
import { LEVEL, type Text } from "./syntax.ts";

/** Largest finite f32. WGSL refuses digits beyond it, although they would round to it. */
const MAX_F32 = (2 - 2 ** -23) * 2 ** 127;

/** Shortest decimal digits that round to this f32, with a point or an exponent. */
export function floatDigits(value: number): string {
  const exact = Math.fround(value);
  let digits = String(exact);
  for (let precision = 1; precision <= 9; precision++) {
    const candidate = exact.toPrecision(precision);
    if (Math.fround(Number(candidate)) === exact && Math.abs(Number(candidate)) <= MAX_F32) {
      digits = String(Number(candidate));
      break;
    }
  }
  if (Object.is(exact, -0)) digits = "-0";
  return /[.e]/.test(digits) ? digits.replace("e+", "e") : `${digits}.0`;
}

/** A word as text: counts in decimal, masks and magic numbers in hexadecimal. */
export function wordDigits(value: number): string {
  const word = value >>> 0;
  const isMask = word > 255 && (word & (word + 1)) === 0;
  return word < 10000 && !isMask ? String(word) : `0x${word.toString(16)}`;
}

/** The literal of an i32; the smallest is `least`, since its digits alone overflow in C. */
export function intLiteral(value: number, least: string): Text {
  if (!Number.isInteger(value)) internal(`${value} is no i32`);
  if (value === -(2 ** 31)) return { text: least, level: LEVEL.primary };
  return { text: String(value), level: value < 0 ? LEVEL.unary : LEVEL.primary };
}

/** A float literal with a suffix; infinities are `infinity`. */
export function floatLiteral(value: number, suffix: string, infinity: string): Text {
  if (Number.isNaN(value)) internal("NaN has no literal");
  const negative = value < 0 || Object.is(value, -0);
  const level = negative ? LEVEL.unary : LEVEL.primary;
  if (!Number.isFinite(value)) return { text: negative ? `-${infinity}` : infinity, level };
  return { text: `${floatDigits(value)}${suffix}`, level };
}

/** Refuses a type that the language has no literal for. */
export function noLiteral(type: Scalar): never {
  return internal(`no literal of type ${type}`);
}
