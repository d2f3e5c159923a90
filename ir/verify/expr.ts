/** The types of expressions: which operators take which arguments, and what is wrong with a table of expressions. */
import {
  BINARY,
  type Expr,
  type ExprId,
  type Exprs,
  type Op,
  operands,
  resultType,
  type Table,
  TERNARY,
  UNARY,
} from "../expr.ts";
import { bitsOf, isFloat, isInt, rangeOf, type Scalar } from "../scalar.ts";

/** How many arguments each operator takes. */
export const ARITY: ReadonlyMap<string, number> = new Map<string, number>([
  ...UNARY.map((op) => [op, 1] as const),
  ...BINARY.map((op) => [op, 2] as const),
  ...TERNARY.map((op) => [op, 3] as const),
]);

/** Why an operator does not take arguments of these types; undefined where it does. */
export function misfit(op: Op, types: readonly Scalar[]): string | undefined {
  if (types.length !== ARITY.get(op)) return `${op} takes ${ARITY.get(op)} arguments, not ${types.length}`;
  return takes(op, types) ? undefined : `${op} does not take ${types.join(", ")}`;
}

function takes(op: Op, types: readonly Scalar[]): boolean {
  const [a, b, c] = types as readonly [Scalar, Scalar, Scalar];
  switch (op) {
    case "select":
      return a === "bool" && b === c;
    case "shl":
    case "shr":
      return isInt(a) && isInt(b);
    case "and":
    case "or":
    case "xor":
      return a === b && !isFloat(a);
    case "not":
      return !isFloat(a);
    case "popc":
      return isInt(a);
    case "f16lo":
    case "f16hi":
      return a === "u32";
    case "dot4":
      return a === b && isInt(a) && bitsOf(a) === 32 && c === "i32";
    case "floor":
    case "ceil":
    case "rint":
    case "sqrt":
    case "exp2":
    case "log2":
      return isFloat(a);
    case "roundQuotient":
      return isFloat(a) && a === b;
    case "packF16x2":
      return a === "f32" && b === "f32";
    case "subF16x2":
      return a === "u32" && b === "u32";
    case "eq":
    case "ne":
      return a === b;
    default:
      return a !== "bool" && types.every((type) => type === a);
  }
}

/** What is wrong with each entry of a table, by id; entries that are fine are absent. */
export function verifyExprs(exprs: Exprs, tables: readonly Table[]): ReadonlyMap<ExprId, string> {
  const wrong = new Map<ExprId, string>();
  exprs.exprs.forEach((expr, id) => {
    const message = operands(expr).some((arg) => !(Number.isInteger(arg) && arg >= 0 && arg < id))
      ? "it refers to an expression that does not stand before it"
      : wrongEntry(exprs, expr, tables);
    if (message !== undefined) wrong.set(id, message);
  });
  return wrong;
}

function wrongEntry(exprs: Exprs, expr: Expr, tables: readonly Table[]): string | undefined {
  const typeOf = (id: ExprId): Scalar => exprs.exprs[id]!.type;
  switch (expr.kind) {
    case "const":
      return isValueOf(expr.value, expr.type) ? undefined : `${expr.value} is not a value of ${expr.type}`;
    case "op": {
      const types = expr.args.map(typeOf);
      const wrong = misfit(expr.op, types);
      if (wrong !== undefined) return wrong;
      const yields = resultType(expr.op, types);
      return yields === expr.type ? undefined : `${expr.op} yields ${yields}, not ${expr.type}`;
    }
    case "bits":
      return bitsOf(typeOf(expr.of)) === bitsOf(expr.type)
        ? undefined
        : `the bits of ${typeOf(expr.of)} are not those of ${expr.type}`;
    case "table": {
      const table = tables.find((t) => t.name === expr.table);
      if (table === undefined) return `there is no table ${expr.table}`;
      if (table.type !== expr.type) return `table ${expr.table} holds ${table.type}, not ${expr.type}`;
      return isInt(typeOf(expr.index)) ? undefined : `table ${expr.table} is indexed by ${typeOf(expr.index)}`;
    }
    default:
      return undefined;
  }
}

/** Whether the type has this value; float constants are rounded to their type where they are used. */
export function isValueOf(value: number, type: Scalar): boolean {
  if (type === "bool") return value === 0 || value === 1;
  if (!isInt(type)) return true;
  const [min, max] = rangeOf(type);
  return Number.isInteger(value) && value >= min && value <= max;
}

/** Bounds of an integer expression; `exact` where both bounds are reached. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly exact: boolean;
}

/** Bounds of an index over the box of its symbols; undefined where nothing is known. */
export function boundsOf(exprs: Exprs, id: ExprId, symbol: (name: string) => Bounds | undefined): Bounds | undefined {
  const expr = exprs.exprs[id]!;
  if (expr.kind === "const") return { low: expr.value, high: expr.value, exact: true };
  if (expr.kind === "symbol") return symbol(expr.name);
  if (expr.kind !== "op" || expr.args.length !== 2) return undefined;
  const [p, q] = expr.args.map((arg) => boundsOf(exprs, arg, symbol));
  if (p === undefined || q === undefined) return undefined;
  const exact = p.exact && q.exact && disjoint(exprs, expr.args[0]!, expr.args[1]!);
  return combine(expr.op, p, q, exact);
}

function combine(op: Op, p: Bounds, q: Bounds, exact: boolean): Bounds | undefined {
  const constant = q.low === q.high;
  switch (op) {
    case "add":
      return { low: p.low + q.low, high: p.high + q.high, exact };
    case "sub":
      return { low: p.low - q.high, high: p.high - q.low, exact };
    case "mul": {
      const corners = [p.low * q.low, p.low * q.high, p.high * q.low, p.high * q.high];
      return { low: Math.min(...corners), high: Math.max(...corners), exact };
    }
    case "div":
      if (!constant || q.low <= 0) return undefined;
      return { low: Math.trunc(p.low / q.low), high: Math.trunc(p.high / q.low), exact };
    case "mod":
      if (!constant || q.low <= 0 || p.low < 0) return undefined;
      return p.high < q.low ? { ...p, exact } : { low: 0, high: q.low - 1, exact: false };
    case "min":
      return { low: Math.min(p.low, q.low), high: Math.min(p.high, q.high), exact };
    case "max":
      return { low: Math.max(p.low, q.low), high: Math.max(p.high, q.high), exact };
    default:
      return undefined;
  }
}

function disjoint(exprs: Exprs, a: ExprId, b: ExprId): boolean {
  const names = namesIn(exprs, a);
  return [...namesIn(exprs, b)].every((name) => !names.has(name));
}

/** Names of the symbols in an expression. */
export function namesIn(exprs: Exprs, root: ExprId): ReadonlySet<string> {
  const names = new Set<string>();
  const seen = new Set<ExprId>();
  const stack = [root];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const expr = exprs.exprs[id]!;
    if (expr.kind === "symbol") names.add(expr.name);
    stack.push(...operands(expr));
  }
  return names;
}
