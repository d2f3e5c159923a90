/** Local algebra: rules over expressions, applied bottom-up until none fires. Spans travel with what they replace. */

import { internal, type Span } from "./diagnostics.ts";
import { type Expr, ExprBuilder, type ExprId, type Exprs } from "./expr.ts";

/** Returns the replacement, built in `build`, or undefined where the rule does not apply. `expr` already stands in `build`. */
export interface Rule {
  readonly name: string;
  readonly about: string;
  apply(expr: Expr, build: ExprBuilder, id: ExprId): ExprId | undefined;
}

/** How often one place may be rewritten before the rules are taken to be cyclic. */
const LIMIT = 64;

/** Rewrites the whole table; `map[old]` is the new id. `fired` is told of every rule that applied, and the place it applied at. */
export function rewriteExprs(
  from: Exprs,
  rules: readonly Rule[],
  fired: (rule: Rule, span: Span) => void = () => {},
): { readonly build: ExprBuilder; readonly map: readonly ExprId[] } {
  const build = new ExprBuilder();
  const map: ExprId[] = [];
  const settled = new Map<ExprId, ExprId>();
  from.exprs.forEach((expr, old) => {
    build.span = from.spans[old] ?? build.span;
    map[old] = settle(
      build.rebuild(expr, (arg) => map[arg] ?? internal(`operand ${arg} after its use`), from.ranges?.[old]),
      build,
      rules,
      fired,
      settled,
    );
  });
  return { build, map };
}

function settle(
  start: ExprId,
  build: ExprBuilder,
  rules: readonly Rule[],
  fired: (rule: Rule, span: Span) => void,
  settled: Map<ExprId, ExprId>,
): ExprId {
  const known = settled.get(start);
  if (known !== undefined) return known;
  let id = start;
  for (let round = 0; ; round++) {
    if (round === LIMIT) internal(`rules do not settle on expression ${id}`);
    const next = applyFirst(id, build, rules, fired);
    if (next === undefined || next === id) break;
    id = settleOperands(next, build, rules, fired, settled);
  }
  settled.set(start, id);
  return id;
}

/** A rule's result may contain new parts that rules apply to. */
function settleOperands(
  id: ExprId,
  build: ExprBuilder,
  rules: readonly Rule[],
  fired: (rule: Rule, span: Span) => void,
  settled: Map<ExprId, ExprId>,
): ExprId {
  return build.rebuild(build.get(id), (arg) => settle(arg, build, rules, fired, settled));
}

function applyFirst(
  id: ExprId,
  build: ExprBuilder,
  rules: readonly Rule[],
  fired: (rule: Rule, span: Span) => void,
): ExprId | undefined {
  const expr = build.get(id);
  for (const rule of rules) {
    const next = rule.apply(expr, build, id);
    if (next !== undefined && next !== id) {
      fired(rule, build.span);
      return next;
    }
  }
  return undefined;
}
