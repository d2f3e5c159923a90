/** Legalisation: rules that bring expressions into what a language can say, with the same value on every input. */
import { bitsFn, castFn, scalarFn } from "../ir/eval/scalar.ts";
import { type Expr, type ExprBuilder, type ExprId, type Op, operands } from "../ir/expr.ts";
import type { Rule } from "../ir/rewrite.ts";

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

/** A sum with a product of two unknown integers; places in memory, whose factors are constants, stay as they are. */
const MULTIPLY_ADD: Rule = {
  name: "multiply-add",
  about: "adds a product of integers in one operation",
  apply(expr, build) {
    if (expr.kind !== "op" || expr.op !== "add" || expr.type !== "i32") return undefined;
    const [sum, product] = expr.args;
    const of = build.get(product!);
    if (of.kind !== "op" || of.op !== "mul") return undefined;
    const [a, b] = of.args;
    if (build.get(a!).kind === "const" || build.get(b!).kind === "const") return undefined;
    return build.op("fma", a!, b!, sum!);
  },
};

/** CUDA. */
export const C_RULES: readonly Rule[] = [FOLD, SHIFT_COUNT, MULTIPLY_ADD];

/** Metal: no dot4. */
export const METAL_RULES: readonly Rule[] = [FOLD, EXPAND_DOT4, SHIFT_COUNT];

/** WGSL without packed dot products. */
export const WGSL_RULES: readonly Rule[] = [FOLD, EXPAND_DOT4, INDEX_BY_REMAINDER];
