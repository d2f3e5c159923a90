/** Numbers made from their bits: exact powers of two, and integers read as the encoding of a number. */
import type { ExprBuilder, ExprId } from "../../ir/expr.ts";
import { bitsToBf16, bitsToF16, bitsToF32 } from "../../ir/float.ts";

const NUMBER_OF = { f16: bitsToF16, bf16: bitsToBf16, f32: bitsToF32 } as const;

/** The number (f32) whose encoding the low 16 bits (f16, bf16) or all 32 bits (f32) of an i32 are. */
export function encodedBy(build: ExprBuilder, code: ExprId, type: "f16" | "bf16" | "f32"): ExprId {
  const known = build.get(code);
  if (known.kind === "const") {
    const value = NUMBER_OF[type](type === "f32" ? known.value >>> 0 : known.value & 0xffff);
    if (Number.isFinite(value)) return build.constant(value, "f32");
  }
  if (type === "f16") return build.op("f16lo", build.bits(code, "u32"));
  const word = type === "bf16" ? build.op("shl", code, build.constant(16)) : code;
  return build.bits(word, "f32");
}

/**
 * 2^x of an i32 as f32, without rounding: its exponent bits are written, in two factors where one would leave the normal
 * numbers. Undefined where x has no known range, or so large a one that no two factors reach it.
 */
export function powerOfTwo(build: ExprBuilder, x: ExprId): ExprId | undefined {
  const known = build.get(x);
  if (known.kind === "const" && Math.fround(2 ** known.value) === 2 ** known.value)
    return build.constant(2 ** known.value, "f32");
  const range = build.rangeOf(x);
  if (range === undefined || range[0] < -252 || range[1] > 254) return undefined;
  const normal = (e: ExprId): ExprId => {
    const exponent = build.add(e, build.constant(127));
    return build.bits(build.op("shl", exponent, build.constant(23)), "f32");
  };
  if (range[0] >= -126 && range[1] <= 127) return normal(x);
  const half = build.op("shr", x, build.constant(1));
  return build.mul(normal(half), normal(build.op("sub", x, half)));
}
