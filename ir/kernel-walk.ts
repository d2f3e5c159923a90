/** Walking kernels: the expressions and names of a statement, and rebuilding statements over another table. */
import type { ExprId } from "./expr.ts";
import type { Access, Collective, Stmt } from "./kernel.ts";

/** The bodies directly inside a statement. */
export function bodiesOf(stmt: Stmt): readonly (readonly Stmt[])[] {
  return stmt.kind === "for" ? [stmt.body] : stmt.kind === "if" ? [stmt.then, stmt.else] : [];
}

/** The same statement over other expressions; bodies inside it are left to `bodies`. */
export function mapStmt(
  stmt: Stmt,
  expr: (id: ExprId) => ExprId,
  bodies: (body: readonly Stmt[], which: number) => readonly Stmt[],
): Stmt {
  const access = (at: Access): Access => ({ ...at, index: expr(at.index) });
  const when = (s: { readonly when?: ExprId }): { when?: ExprId } =>
    s.when === undefined ? {} : { when: expr(s.when) };
  switch (stmt.kind) {
    case "let":
    case "var":
    case "assign":
      return { ...stmt, value: expr(stmt.value) };
    case "read":
      return { ...stmt, at: access(stmt.at), ...when(stmt) };
    case "write":
    case "atomicAdd":
      return { ...stmt, at: access(stmt.at), values: stmt.values.map(expr), ...when(stmt) };
    case "for":
      return { ...stmt, from: expr(stmt.from), to: expr(stmt.to), body: bodies(stmt.body, 0) };
    case "if":
      return { ...stmt, cond: expr(stmt.cond), then: bodies(stmt.then, 0), else: bodies(stmt.else, 1) };
    case "collective":
      return { ...stmt, what: mapCollective(stmt.what, expr, access) };
  }
}

function mapCollective(what: Collective, expr: (id: ExprId) => ExprId, access: (at: Access) => Access): Collective {
  switch (what.family) {
    case "exchange":
      return { ...what, args: what.args.map(expr) };
    case "fragment":
      return { ...what, at: access(what.at), stride: expr(what.stride) };
    case "matrix": {
      const operand = (o: readonly ExprId[] | Access): readonly ExprId[] | Access =>
        "buffer" in o ? access(o) : o.map(expr);
      return { ...what, a: operand(what.a), b: operand(what.b) };
    }
    case "transfer": {
      const done = what.done.kind === "mbarrier" ? { ...what.done, at: access(what.done.at) } : what.done;
      const when = what.when === undefined ? {} : { when: expr(what.when) };
      return { ...what, from: access(what.from), to: access(what.to), done, ...when };
    }
    case "sync": {
      const at = what.at === undefined ? {} : { at: access(what.at) };
      return { ...what, ...at, ...(what.count === undefined ? {} : { count: expr(what.count) }) };
    }
  }
}

/** The expressions that a statement itself uses, bodies inside it not included. */
export function exprsOf(stmt: Stmt): readonly ExprId[] {
  const found: ExprId[] = [];
  mapStmt(
    stmt,
    (id) => {
      found.push(id);
      return id;
    },
    (body) => body,
  );
  return found;
}

/** Names of mutable locals: `var`s and the registers that matrix and fragment collectives update. */
export function mutableNames(body: readonly Stmt[], found: Set<string> = new Set()): Set<string> {
  for (const stmt of body) {
    if (stmt.kind === "var") found.add(stmt.name);
    for (const inner of bodiesOf(stmt)) mutableNames(inner, found);
  }
  return found;
}
