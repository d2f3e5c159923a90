/** How many times values round on their way, and what their terms add up to: what error bounds are made of. */
import { type Expr, ExprBuilder, type ExprId, type Exprs } from "../ir/expr.ts";
import type { Program } from "../ir/program.ts";
import { isInt } from "../ir/scalar.ts";
import { forEachOp } from "./edit.ts";

/**
 * Errors of functions in halves of an ulp, the largest of the targets' (WGSL, "Accuracy of concrete floating point
 * expressions"; CUDA and Metal are closer): division 2.5 ulp, a root as a division by another, log2 3 ulp away from 1.
 */
const FUNCTION_HALVES = { div: 5, sqrt: 10, log2: 6 } as const;
/** exp2(x) is within 3 + 2|x| ulp, and numbers that f32 holds have |x| below 150; an error of x counts |x| · ln 2 times. */
const EXP2_HALVES = 2 * (3 + 2 * 150);
const EXP2_CONDITION = 104;

/** Half ulps by which an expression may miss its value in real arithmetic, as a part of what its terms add up to. */
export function halfUlps({ exprs, ranges }: Exprs, root: ExprId): number {
  const known = new Map<ExprId, number>();
  const of = (id: ExprId): number => {
    const found = known.get(id);
    if (found !== undefined) return found;
    const made = own(exprs[id]!);
    known.set(id, made);
    return made;
  };
  const own = (expr: Expr): number => {
    if (expr.kind === "cast") {
      const range = ranges?.[expr.of];
      const exact = range !== undefined && Math.max(-range[0], range[1]) <= 2 ** 24;
      return isInt(exprs[expr.of]!.type) ? (exact || expr.type !== "f32" ? 0 : 1) : of(expr.of);
    }
    if (expr.kind !== "op" || expr.type !== "f32") return 0;
    const parts = expr.args.map(of);
    const [a = 0, b = 0] = parts;
    switch (expr.op) {
      case "mul":
        return a + b + 1;
      case "div":
        return a + b + FUNCTION_HALVES.div;
      case "add":
      case "sub":
        return Math.max(a, b) + 1;
      case "sqrt":
      case "log2":
        return a + FUNCTION_HALVES[expr.op];
      case "exp2":
        return EXP2_CONDITION * a + EXP2_HALVES;
      default:
        return Math.max(0, ...parts);
    }
  };
  return of(root);
}

/** Half ulps of all maps of a program together: no value passes more of them. */
export function halfUlpsOfMaps(program: Program): number {
  let total = 0;
  forEachOp(program.body, (op) => {
    if (op.kind === "map") total += halfUlps(program.exprs, op.value);
  });
  return total;
}

/** The sum of the magnitudes of the terms that a number is made of: |a| + |b| where the number is a - b. */
export function termMagnitude(build: ExprBuilder, root: ExprId): ExprId {
  const expr = build.get(root);
  if (expr.type !== "f32") return root;
  if (expr.kind === "op") {
    const [a, b, c] = expr.args;
    const of = (id: ExprId): ExprId => termMagnitude(build, id);
    if (expr.op === "add" || expr.op === "sub") return build.add(of(a!), of(b!));
    if (expr.op === "mul") return build.mul(of(a!), of(b!));
    if (expr.op === "neg" || expr.op === "abs") return of(a!);
    if (expr.op === "select") return build.op("select", a!, of(b!), of(c!));
  }
  return build.op("abs", root);
}

/** The same for a table of expressions with one value: the table grows, its entries stay. */
export function withTermMagnitude<T extends { readonly exprs: Exprs; readonly value: ExprId }>(item: T): T {
  const build = new ExprBuilder(item.exprs);
  const value = termMagnitude(build, item.value);
  return { ...item, exprs: build.done(), value };
}
