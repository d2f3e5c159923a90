/** Index arithmetic of the expression builder: quotients, remainders and bounds of sums of products. */
import type { Expr, ExprId, Op, Range } from "./expr.ts";
import type { Scalar } from "./scalar.ts";

/** What the rules need of a builder. */
interface IndexBuilder {
  /** Bounds by id, where known. */
  readonly ranges: readonly (Range | undefined)[];
  get(id: ExprId): Expr;
  typeOf(id: ExprId): Scalar;
  constant(value: number, type?: Scalar): ExprId;
  op(op: Op, ...args: ExprId[]): ExprId;
}

function constantOf(build: IndexBuilder, id: ExprId | undefined): number | undefined {
  const expr = id === undefined ? undefined : build.get(id);
  return expr?.kind === "const" ? expr.value : undefined;
}

/** Splits a sum into a part divisible by `d` (already divided) and a rest, as lists of terms; undefined where unknown. */
function split(
  build: IndexBuilder,
  a: ExprId,
  d: number,
): { readonly quotient: readonly ExprId[]; readonly rest: readonly ExprId[] } {
  const expr = build.get(a);
  const c = constantOf(build, a);
  if (c !== undefined && c >= 0) {
    const q = Math.floor(c / d);
    return {
      quotient: q === 0 ? [] : [build.constant(q, expr.type)],
      rest: c % d === 0 ? [] : [build.constant(c % d, expr.type)],
    };
  }
  if (expr.kind === "op" && expr.op === "mul") {
    const f = constantOf(build, expr.args[1]);
    if (f !== undefined && f % d === 0)
      return { quotient: [build.op("mul", expr.args[0]!, build.constant(f / d, expr.type))], rest: [] };
  }
  if (expr.kind === "op" && expr.op === "add") {
    const left = split(build, expr.args[0]!, d);
    const right = split(build, expr.args[1]!, d);
    return { quotient: [...left.quotient, ...right.quotient], rest: [...left.rest, ...right.rest] };
  }
  return { quotient: [], rest: [a] };
}

function sum(build: IndexBuilder, terms: readonly ExprId[], type: Scalar): ExprId {
  return terms.reduce<ExprId>((all, term) => build.op("add", all, term), build.constant(0, type));
}

/** a / d in fewer operations, for sums whose bounds are known; undefined where nothing gets simpler. */
export function quotientOf(build: IndexBuilder, a: ExprId, d: number): ExprId | undefined {
  if (d === 1) return a;
  const range = build.ranges[a];
  const type = build.typeOf(a);
  if (range === undefined || range[0] < 0 || d <= 0) return undefined;
  if (range[1] < d) return build.constant(0, type);
  const { quotient, rest } = split(build, a, d);
  if (quotient.length === 0) {
    const part = coarse(build, a, d);
    return part === undefined ? undefined : build.op("div", part.quotient, build.constant(d / part.by, type));
  }
  const remainder = sum(build, rest, type);
  const bounds = build.ranges[remainder];
  if (bounds === undefined || bounds[0] < 0) return undefined;
  return build.op("add", sum(build, quotient, type), build.op("div", remainder, build.constant(d, type)));
}

/** a = quotient · by + rest with 0 ≤ rest < by, where `by` divides d: then ⌊a / d⌋ = ⌊quotient / (d / by)⌋. */
function coarse(
  build: IndexBuilder,
  a: ExprId,
  d: number,
): { readonly quotient: ExprId; readonly rest: ExprId; readonly by: number } | undefined {
  for (const by of factors(build, a)) {
    if (by <= 1 || by >= d || d % by !== 0) continue;
    const { quotient, rest } = split(build, a, by);
    if (quotient.length === 0) continue;
    const type = build.typeOf(a);
    const remainder = sum(build, rest, type);
    const bounds = build.ranges[remainder];
    if (bounds !== undefined && bounds[0] >= 0 && bounds[1] < by) {
      return { quotient: sum(build, quotient, type), rest: remainder, by };
    }
  }
  return undefined;
}

/** The constant factors of a sum's terms. */
function factors(build: IndexBuilder, a: ExprId): readonly number[] {
  const expr = build.get(a);
  if (expr.kind !== "op") return [];
  if (expr.op === "add") return expr.args.flatMap((arg) => factors(build, arg));
  const factor = expr.op === "mul" ? constantOf(build, expr.args[1]) : undefined;
  return factor === undefined ? [] : [factor];
}

/** a % d in fewer operations, likewise. */
export function remainderOf(build: IndexBuilder, a: ExprId, d: number): ExprId | undefined {
  const range = build.ranges[a];
  const type = build.typeOf(a);
  if (range === undefined || range[0] < 0 || d <= 0) return undefined;
  if (d === 1) return build.constant(0, type);
  if (range[1] < d) return a;
  const { quotient, rest } = split(build, a, d);
  if (quotient.length === 0) {
    const part = coarse(build, a, d);
    if (part === undefined) return undefined;
    const high = build.op("mod", part.quotient, build.constant(d / part.by, type));
    return build.op("add", build.op("mul", high, build.constant(part.by, type)), part.rest);
  }
  const remainder = sum(build, rest, type);
  const bounds = build.ranges[remainder];
  if (bounds === undefined || bounds[0] < 0) return undefined;
  return build.op("mod", remainder, build.constant(d, type));
}

/**
 * a < c as a test of the part of `a` that decides it: with a = q · by + r, 0 ≤ r < by, it is q < c / by where `by` divides
 * c, and q < ⌈(c − r) / by⌉ where r is constant. So tests of neighbouring elements are one test.
 */
function coarseBound(build: IndexBuilder, a: ExprId, c: number | undefined): ExprId | undefined {
  const type = build.typeOf(a);
  if (c === undefined || c <= 0 || (build.ranges[a]?.[0] ?? -1) < 0) return undefined;
  const candidates = [...new Set(factors(build, a))].filter((by) => by > 1).sort((x, y) => y - x);
  for (const by of candidates) {
    const { quotient, rest } = split(build, a, by);
    const remainder = sum(build, rest, type);
    const bounds = build.ranges[remainder];
    if (quotient.length === 0 || bounds === undefined || bounds[0] < 0 || bounds[1] >= by) continue;
    if (c % by !== 0 && bounds[0] !== bounds[1]) continue;
    const limit = c % by === 0 ? c / by : Math.ceil((c - bounds[0]) / by);
    return build.op("lt", sum(build, quotient, type), build.constant(limit, type));
  }
  return undefined;
}

/** A comparison that the bounds of its sides decide, or that a part of the left side decides; undefined otherwise. */
export function comparison(build: IndexBuilder, op: Op, a: ExprId, b: ExprId): ExprId | undefined {
  const p = build.ranges[a];
  const q = build.ranges[b];
  if (p === undefined || q === undefined) return undefined;
  const answer = (value: boolean): ExprId => build.constant(value ? 1 : 0, "bool");
  if (op === "lt")
    return p[1] < q[0] ? answer(true) : p[0] >= q[1] ? answer(false) : coarseBound(build, a, constantOf(build, b));
  if (op === "le") return p[1] <= q[0] ? answer(true) : p[0] > q[1] ? answer(false) : undefined;
  if (op === "ge") return p[0] >= q[1] ? answer(true) : p[1] < q[0] ? answer(false) : undefined;
  if (op === "gt") return p[0] > q[1] ? answer(true) : p[1] <= q[0] ? answer(false) : undefined;
  if (p[1] < q[0] || p[0] > q[1]) return answer(op === "ne");
  return undefined;
}
