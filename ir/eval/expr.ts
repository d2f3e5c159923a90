/** Compiles expressions to closures: each shared entry is computed once per evaluation, without walking trees. */
import { internal } from "../diagnostics.ts";
import { type BuiltinName, type Expr, type ExprId, type Exprs, operands, type Table } from "../expr.ts";
import type { Scalar } from "../scalar.ts";
import { type Arithmetic, bitsFn, castFn, constantOf, evalFault, type Fn1, scalarFn } from "./scalar.ts";

export { type Arithmetic, evalFault } from "./scalar.ts";

/** Gives the current value when called. */
export type Thunk = () => number;

/** Where the leaves of expressions get their values. A leaf that cannot occur may be left out. */
export interface ExprEnv {
  readonly arithmetic: Arithmetic;
  symbol?(name: string, type: Scalar): Thunk | undefined;
  input?(index: number, type: Scalar): Thunk | undefined;
  builtin?(name: BuiltinName, dim: 0 | 1 | 2): Thunk | undefined;
  table?(name: string): Table | undefined;
  /** Real arithmetic: true for the casts that round nevertheless (the explicit cast of a final result). */
  readonly rounds?: (id: ExprId) => boolean;
}

/** Expressions ready to run: `run` computes all roots, then `values[slots[i]]` is the value of root i. */
export interface Compiled {
  run(): void;
  readonly values: Float64Array;
  readonly slots: readonly number[];
}

type Action = () => void;

/** Compiles several roots that share subexpressions. A root's value stays in `values` until the next `run`. */
export function compileExprs(exprs: Exprs, roots: readonly ExprId[], env: ExprEnv): Compiled {
  const needed = reachable(exprs, roots);
  const slotOf = new Map<ExprId, number>();
  needed.forEach((id, slot) => {
    slotOf.set(id, slot);
  });
  const values = new Float64Array(needed.length);
  const actions: Action[] = [];
  const slot = (id: ExprId): number => slotOf.get(id) ?? internal(`operand ${id} after its use`);
  for (const id of needed) {
    const expr = exprs.exprs[id]!;
    if (expr.kind === "const") values[slot(id)] = constantOf(expr.value, expr.type);
    else actions.push(compileEntry(exprs, expr, id, slot, values, env));
  }
  return { run: sequence(actions), values, slots: roots.map(slot) };
}

/** Compiles one expression to a closure that computes it afresh on each call. */
export function compileExpr(exprs: Exprs, root: ExprId, env: ExprEnv): Thunk {
  const { run, values, slots } = compileExprs(exprs, [root], env);
  const slot = slots[0]!;
  return () => {
    run();
    return values[slot]!;
  };
}

/** Ids that the roots depend on, operands first. */
export function reachable(exprs: Exprs, roots: readonly ExprId[]): readonly ExprId[] {
  const seen = new Set<ExprId>();
  const stack = [...roots];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    stack.push(...operands(exprs.exprs[id] ?? internal(`no expression ${id}`)));
  }
  return [...seen].sort((a, b) => a - b);
}

function sequence(actions: readonly Action[]): Action {
  const [a, b, c] = actions;
  switch (actions.length) {
    case 0:
      return () => {};
    case 1:
      return a!;
    case 2:
      return () => {
        a!();
        b!();
      };
    case 3:
      return () => {
        a!();
        b!();
        c!();
      };
    default:
      return () => {
        for (const action of actions) action();
      };
  }
}

function compileEntry(
  exprs: Exprs,
  expr: Expr,
  id: ExprId,
  slot: (id: ExprId) => number,
  values: Float64Array,
  env: ExprEnv,
): Action {
  const to = slot(id);
  const typeOf = (arg: ExprId): Scalar => exprs.exprs[arg]!.type;
  const store = (value: Thunk): Action => {
    return () => {
      values[to] = value();
    };
  };
  const apply = (fn: Fn1, of: ExprId): Action => {
    const from = slot(of);
    return () => {
      values[to] = fn(values[from]!);
    };
  };
  switch (expr.kind) {
    case "const":
      return () => {};
    case "symbol":
      return store(env.symbol?.(expr.name, expr.type) ?? evalFault(`no symbol ${expr.name}`));
    case "input":
      return store(env.input?.(expr.index, expr.type) ?? evalFault(`no input ${expr.index}`));
    case "builtin":
      return store(env.builtin?.(expr.name, expr.dim) ?? evalFault(`no builtin ${expr.name}`));
    case "cast":
      return apply(castFn(typeOf(expr.of), expr.type, env.arithmetic, env.rounds?.(id) ?? false), expr.of);
    case "bits":
      return apply(bitsFn(typeOf(expr.of), expr.type), expr.of);
    case "table":
      return apply(lookup(env.table?.(expr.table) ?? evalFault(`no table ${expr.table}`)), expr.index);
    case "op":
      return compileOp(expr, to, slot, typeOf, values, env.arithmetic);
  }
}

/** Entry of a table by index; an index outside stops the evaluation. */
export function lookup(table: Table): Fn1 {
  const values = table.values.map((value) => constantOf(value, table.type));
  return (index) => values[index] ?? evalFault(`index ${index} outside table ${table.name} of ${values.length}`);
}

function compileOp(
  expr: Expr & { readonly kind: "op" },
  to: number,
  slot: (id: ExprId) => number,
  typeOf: (id: ExprId) => Scalar,
  values: Float64Array,
  arithmetic: Arithmetic,
): Action {
  const found = scalarFn(expr.op, expr.args.map(typeOf), arithmetic);
  if (found.arity !== expr.args.length) internal(`${expr.op} of ${expr.args.length} arguments`);
  const [a, b, c] = expr.args.map(slot);
  switch (found.arity) {
    case 1: {
      const fn = found.fn;
      return () => {
        values[to] = fn(values[a!]!);
      };
    }
    case 2: {
      const fn = found.fn;
      return () => {
        values[to] = fn(values[a!]!, values[b!]!);
      };
    }
    case 3: {
      const fn = found.fn;
      return () => {
        values[to] = fn(values[a!]!, values[b!]!, values[c!]!);
      };
    }
  }
}
