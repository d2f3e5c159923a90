/** drop-unused: what is read or named, and then not used, is gone. */
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { type ExprId, operands } from "../../ir/expr.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { bodiesOf, exprsOf, mapStmt } from "../../ir/kernel-walk.ts";
import { applied, type Pass } from "../pass.ts";

/** Names that the expressions of a body mention. */
function mentioned(kernel: Kernel): ReadonlySet<string> {
  const names = new Set<string>();
  const seen = new Set<ExprId>();
  const visit = (id: ExprId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const expr = kernel.exprs.exprs[id]!;
    if (expr.kind === "symbol") names.add(expr.name);
    for (const o of operands(expr)) visit(o);
  };
  const walk = (body: readonly Stmt[]): void => {
    for (const stmt of body) {
      for (const id of exprsOf(stmt)) visit(id);
      for (const inner of bodiesOf(stmt)) walk(inner);
    }
  };
  walk(kernel.body);
  return names;
}

const countOf = (body: readonly Stmt[]): number =>
  body.reduce((n, stmt) => n + 1 + bodiesOf(stmt).reduce((m, inner) => m + countOf(inner), 0), 0);

function dropOnce(kernel: Kernel): Kernel {
  const used = mentioned(kernel);
  let dropped = false;
  const isUsed = (stmt: Stmt): boolean => {
    const made = stmt.kind === "read" ? stmt.to : stmt.kind === "let" ? [stmt.name] : undefined;
    const kept = made === undefined || made.some((name) => used.has(name));
    dropped ||= !kept;
    return kept;
  };
  const visit = (body: readonly Stmt[]): readonly Stmt[] =>
    body.filter(isUsed).map((stmt) => (bodiesOf(stmt).length === 0 ? stmt : mapStmt(stmt, (id) => id, visit)));
  const body = visit(kernel.body);
  // What only a dropped statement used is unused now.
  return dropped ? dropOnce({ ...kernel, body }) : kernel;
}

export const dropUnused: Pass<Kernel> = {
  name: "drop-unused",
  about: "every value that is read or named is used",
  run(kernel, context) {
    const left = dropOnce(kernel);
    const gone = countOf(kernel.body) - countOf(left.body);
    if (gone > 0) applied(context, "drop", NO_SPAN, `${kernel.name}: nothing uses the results of ${gone} statements`);
    return left;
  },
};
