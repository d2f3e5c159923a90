/** Taking elements out of 32-bit words and putting them back. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprBuilder, ExprId } from "../../ir/expr.ts";
import { bitsOf, isFloat, isSigned, type Scalar } from "../../ir/scalar.ts";
import { valueType } from "./registers.ts";

/** The element of `type` whose lowest bit is bit `shift` of the u32 `word`, in the type that kernels compute with. */
export function extract(build: ExprBuilder, word: ExprId, shift: ExprId, type: Scalar): ExprId {
  const bits = bitsOf(type);
  const fixed = build.get(shift);
  if (bits === 32) {
    return type === "u32" ? word : build.bits(word, type);
  }
  const at = fixed.kind === "const" ? fixed.value : undefined;
  if (type === "f16") {
    if (at === 0) return build.op("f16lo", word);
    if (at === 16) return build.op("f16hi", word);
    return build.op("f16lo", build.op("shr", word, build.cast(shift, "u32")));
  }
  if (type === "bf16") {
    const high =
      at === 16
        ? build.op("and", word, build.constant(0xffff0000, "u32"))
        : build.op("shl", build.op("shr", word, build.cast(shift, "u32")), build.constant(16, "u32"));
    return build.bits(at === 0 ? build.op("shl", word, build.constant(16, "u32")) : high, "f32");
  }
  if (isFloat(type)) internal(`no extraction of ${type}`);
  const count = build.cast(shift, "u32");
  if (isSigned(type)) {
    const left =
      at === undefined
        ? build.op("sub", build.constant(32 - bits, "u32"), count)
        : build.constant(32 - bits - at, "u32");
    const top = build.bits(build.op("shl", word, left), "i32");
    return build.op("shr", top, build.constant(32 - bits, "u32"));
  }
  const low = build.op("shr", word, at === undefined ? count : build.constant(at, "u32"));
  const field = at === 32 - bits ? low : build.op("and", low, build.constant(2 ** bits - 1, "u32"));
  return valueType(type) === "u32" ? field : build.bits(field, "i32");
}

/** The u32 with bits [from, from + count) of an i32 code at bit `to`, zero elsewhere. */
export function insert(build: ExprBuilder, code: ExprId, from: number, count: number, to: number): ExprId {
  const word = build.typeOf(code) === "u32" ? code : build.bits(code, "u32");
  const moved = to - from;
  const shift = build.constant(Math.abs(moved), "u32");
  const placed = moved === 0 ? word : build.op(moved > 0 ? "shl" : "shr", word, shift);
  return count === 32 ? placed : build.op("and", placed, build.constant(((2 ** count - 1) * 2 ** to) >>> 0, "u32"));
}

/** Bits of a u32 without its lowest `count`, rounded to the nearest, ties to even. */
function roundedBits(build: ExprBuilder, bits: ExprId, count: number): ExprId {
  const u = (value: number): ExprId => build.constant(value, "u32");
  const odd = build.op("and", build.op("shr", bits, u(count)), u(1));
  return build.op("shr", build.add(build.add(bits, u(2 ** (count - 1) - 1)), odd), u(count));
}

/**
 * The u32 whose low half encodes an f32 as f16, rounded to nearest, ties to even; magnitudes above 65504 become 65504. In
 * integers: not every target has a conversion with this rounding.
 */
export function halfBits(build: ExprBuilder, value: ExprId): ExprId {
  const u = (bits: number): ExprId => build.constant(bits, "u32");
  const size = build.op("min", build.op("abs", value), build.constant(65504, "f32"));
  const bits = build.bits(size, "u32");
  const normal = build.op("sub", roundedBits(build, bits, 13), u((127 - 15) << 10));
  const units = build.op("rint", build.mul(size, build.constant(2 ** 24, "f32")));
  const small = build.bits(build.cast(units, "i32"), "u32");
  const code = build.op("select", build.op("lt", bits, u(0x38800000)), small, normal);
  const sign = build.op("and", build.op("shr", build.bits(value, "u32"), u(16)), u(0x8000));
  return build.op("or", code, sign);
}

/** The u32 whose low half encodes an f32 as bf16, rounded to nearest, ties to even. */
export function upperHalf(build: ExprBuilder, value: ExprId): ExprId {
  return roundedBits(build, build.bits(value, "u32"), 16);
}
