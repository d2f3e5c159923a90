/** Legalisation: rules that bring expressions into what a language can say, with the same value on every input. */
import { bitsFn, castFn, scalarFn } from "../ir/eval-scalar.ts";
import { type Expr, type ExprBuilder, type ExprId, type Op, operands } from "../ir/expr.ts";
import type { Rule } from "../ir/rewrite.ts";
import type { Scalar } from "../ir/scalar.ts";

/** A rule for one operator. */
function onOp(
  op: Op,
  name: string,
  about: string,
  apply: (build: ExprBuilder, args: readonly ExprId[], expr: Expr & { readonly kind: "op" }) => ExprId | undefined,
): Rule {
  return {
    name,
    about,
    apply: (expr, build) => (expr.kind === "op" && expr.op === op ? apply(build, expr.args, expr) : undefined),
  };
}

/** Short forms for building: constants of the type that is meant, and operators by name. */
function words(build: ExprBuilder, type: Scalar) {
  return {
    k: (value: number): ExprId => build.constant(value, type),
    op: (op: Op, ...args: ExprId[]): ExprId => build.op(op, ...args),
  };
}

/**
 * roundQuotient by a fused remainder. q is the rounded float quotient, wrong by at most one even if division is off by
 * several ulp (|a / b| ≤ 2^15 leaves nine bits below the units). r = a − q·b is exact because `fma` rounds once and r is a
 * multiple of the finer operand's unit, at most 1.5·b in size. Comparing 2r with ±b then decides, ties to even.
 */
const FUSED_ROUND_QUOTIENT = onOp(
  "roundQuotient",
  "round-quotient-fused",
  "rounds a / b exactly through the remainder of a fused multiply-add",
  (build, [a, b]) => {
    const { k, op } = words(build, "f32");
    const q = op("rint", op("div", a!, b!));
    const r = op("fma", op("neg", q), b!, a!);
    const twice = op("add", r, r);
    const odd = op("ne", op("and", build.cast(q, "i32"), build.constant(1, "i32")), build.constant(0, "i32"));
    const up = op("or", op("gt", twice, b!), op("and", op("eq", twice, b!), odd));
    const low = op("neg", b!);
    const down = op("or", op("lt", twice, low), op("and", op("eq", twice, low), odd));
    return op("add", q, op("select", up, k(1), op("select", down, k(-1), k(0))));
  },
);

/**
 * roundQuotient in integers, for languages whose division and fma promise little and whose compilers may reassociate
 * floats (WGSL). |a| = A·2^ea and b = B·2^eb with 18-bit A and B; with e = ea − eb the quotient is A·2^(e+1) / 2B. The
 * float quotient only proposes its floor f; the remainder A·2^(e+1) − f·2B is exact modulo 2^32 and small, so it corrects
 * f by one and then decides the rounding. e < −1 means |a / b| < 1/2.
 */
const INTEGER_ROUND_QUOTIENT = onOp(
  "roundQuotient",
  "round-quotient-integer",
  "rounds a / b exactly through an integer remainder",
  (build, [a, b]) => {
    const { k, op } = words(build, "u32");
    const i = (value: number): ExprId => build.constant(value, "i32");
    const magnitude = build.bits(op("abs", a!), "u32");
    const divisor = build.bits(b!, "u32");
    const exponent = (bits: ExprId): ExprId => build.cast(op("shr", bits, k(23)), "i32");
    const significand = (bits: ExprId): ExprId => op("shr", op("or", op("and", bits, k(0x7fffff)), k(0x800000)), k(6));
    const e = op("sub", exponent(magnitude), exponent(divisor));
    const small = op("lt", e, i(-1));
    const shift = build.cast(op("max", op("add", e, i(1)), i(0)), "u32");
    const numerator = op("shl", significand(magnitude), op("min", shift, k(31)));
    const twoB = op("mul", significand(divisor), k(2));
    const guess = build.cast(op("floor", op("div", op("abs", a!), b!)), "u32");
    const rest = build.cast(op("sub", numerator, op("mul", guess, twoB)), "i32");
    const under = op("lt", rest, i(0));
    const over = op("ge", rest, build.cast(twoB, "i32"));
    const floor = op("select", under, op("sub", guess, k(1)), op("select", over, op("add", guess, k(1)), guess));
    const twice = op("mul", op("sub", numerator, op("mul", floor, twoB)), k(2));
    const odd = op("ne", op("and", floor, k(1)), k(0));
    const up = op("or", op("gt", twice, twoB), op("and", op("eq", twice, twoB), odd));
    const rounded = build.cast(op("add", floor, build.cast(up, "u32")), "f32");
    const zero = build.constant(0, "f32");
    const size = op("select", small, zero, rounded);
    return op("select", op("lt", a!, zero), op("neg", size), size);
  },
);

/** dot4 as four sign-extended products. */
const EXPAND_DOT4 = onOp("dot4", "expand-dot4", "multiplies the four bytes one by one", (build, [a, b, c]) => {
  const byte = (word: ExprId, index: number): ExprId => {
    const unsigned = build.cast(word, "u32");
    const high = build.op("shl", unsigned, build.constant(24 - 8 * index, "u32"));
    return build.op("shr", build.cast(high, "i32"), build.constant(24));
  };
  return [0, 1, 2, 3].reduce<ExprId>((sum, i) => build.add(sum, build.mul(byte(a!, i), byte(b!, i))), c!);
});

/** A table's index masked by 2^n − 1, as a remainder: Tint's range analysis sees that one and drops its bounds check. */
const INDEX_BY_REMAINDER: Rule = {
  name: "index-by-remainder",
  about: "writes a masked table index as a remainder, which range analysis understands",
  apply(expr, build) {
    if (expr.kind !== "table") return undefined;
    const index = build.get(expr.index);
    if (index.kind !== "op" || index.op !== "and" || index.type !== "u32") return undefined;
    const mask = build.get(index.args[1]!);
    if (mask.kind !== "const" || (mask.value & (mask.value + 1)) !== 0 || mask.value >= 2 ** 31) return undefined;
    const remainder = build.op("mod", index.args[0]!, build.constant(mask.value + 1, "u32"));
    return build.rebuild(expr, () => remainder);
  },
};

/** What an expression over constants is; a language that computes constants itself may refuse one that wraps (WGSL). */
const FOLD: Rule = {
  name: "fold-constants",
  about: "computes what depends on constants only",
  apply(expr, build) {
    const value = folded(expr, build);
    return value === undefined || Number.isNaN(value) ? undefined : build.constant(value, expr.type);
  },
};

function folded(expr: Expr, build: ExprBuilder): number | undefined {
  const args = operands(expr).map((arg) => build.get(arg));
  const values = args.flatMap((arg) => (arg.kind === "const" ? [arg.value] : []));
  if (values.length === 0 || values.length < args.length) return undefined;
  const [a, b, c] = values as [number, number, number];
  const type = args[0]!.type;
  if (expr.kind === "cast") return castFn(type, expr.type, "typed")(a);
  if (expr.kind === "bits") return bitsFn(type, expr.type)(a);
  if (expr.kind !== "op" || (b === 0 && (expr.op === "div" || expr.op === "mod"))) return undefined;
  const { arity, fn } = scalarFn(
    expr.op,
    args.map((arg) => arg.type),
    "typed",
  );
  return arity === 1 ? fn(a) : arity === 2 ? fn(a, b) : fn(a, b, c);
}

/** C leaves shifts by the width or more undefined; the IR takes the count modulo the width. */
const SHIFT_COUNT: Rule = {
  name: "mask-shift-count",
  about: "takes a shift count that may reach the width modulo the width",
  apply(expr, build) {
    if (expr.kind !== "op" || (expr.op !== "shl" && expr.op !== "shr")) return undefined;
    const [value, count] = expr.args;
    const type = build.typeOf(count!);
    const bounded = knownBelow(build, count!, 32);
    if (bounded) return undefined;
    return build.op(expr.op, value!, build.op("and", count!, build.constant(31, type)));
  },
};

function knownBelow(build: ExprBuilder, id: ExprId, limit: number): boolean {
  const expr = build.get(id);
  const range = build.rangeOf(id);
  if (range !== undefined) return range[0] >= 0 && range[1] < limit;
  if (expr.kind === "const") return expr.value >= 0 && expr.value < limit;
  if (expr.kind === "cast" && (expr.type === "u32" || expr.type === "i32")) return knownBelow(build, expr.of, limit);
  if (expr.kind !== "op") return false;
  if (expr.op === "and" || (expr.op === "min" && expr.type === "u32"))
    return expr.args.some((arg) => knownBelow(build, arg, limit));
  return false;
}

/** CUDA: float division and fma are IEEE's; dot4 is an instruction. */
export const C_RULES: readonly Rule[] = [FOLD, FUSED_ROUND_QUOTIENT, SHIFT_COUNT];

/** Metal: as CUDA, without dot4. */
export const METAL_RULES: readonly Rule[] = [FOLD, FUSED_ROUND_QUOTIENT, EXPAND_DOT4, SHIFT_COUNT];

/** WGSL without packed dot products. */
export const WGSL_RULES: readonly Rule[] = [FOLD, INTEGER_ROUND_QUOTIENT, EXPAND_DOT4, INDEX_BY_REMAINDER];
