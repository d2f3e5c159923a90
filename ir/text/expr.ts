/** Expressions as text: infix with the fewest parentheses, typed literals, and names for what a statement shares. */
import { type Expr, type ExprId, type Exprs, type Op, operands } from "../expr.ts";
import type { Scalar } from "../scalar.ts";

/** Infix operators; a higher number binds tighter, all associate to the left. */
export const INFIX: Readonly<Partial<Record<Op, readonly [symbol: string, strength: number]>>> = {
  or: ["|", 1],
  xor: ["^", 2],
  and: ["&", 3],
  eq: ["==", 4],
  ne: ["!=", 4],
  lt: ["<", 5],
  le: ["<=", 5],
  gt: [">", 5],
  ge: [">=", 5],
  shl: ["<<", 6],
  shr: [">>", 6],
  add: ["+", 7],
  sub: ["-", 7],
  mul: ["*", 8],
  div: ["/", 8],
  mod: ["%", 8],
};
const PREFIX = 9;
const ATOM = 10;

/** Words that begin a statement or a clause: a name that stands where one may begin is quoted if it is among them. */
export const RESERVED: ReadonlySet<string> = new Set(
  `at atomic base by bytes cache count done else encoder engine for format from global if input launch layout let local
  loop method origin output over proxy read reduce ring role roles row shared signal step stride table to uniform unroll
  value var when workspace wrap`.split(/\s+/),
);

/** Builtins and the scopes of collectives, as kernels write them. */
const BUILTINS = /^((group|warp|lane|thread)(\.[xyz])?|(warp|warpgroup|block|device)\..*)$/;
const LITERAL = /^(true|false|(inf|nan)(b?f\d+)?)$/;
const PLAIN = /^[A-Za-z_]\w*(\.\w+)*$/;

/** Where a name stands: inside a statement, where a statement may begin, or anywhere in a kernel. */
export type NamePosition = "inside" | "start" | "kernel";

/** A name as it is written: plain where nothing else could be meant, else in backquotes. */
export function nameText(name: string, position: NamePosition = "inside"): string {
  const plain =
    PLAIN.test(name) &&
    !LITERAL.test(name) &&
    !(position !== "inside" && RESERVED.has(name)) &&
    !(position === "kernel" && BUILTINS.test(name));
  return plain ? name : `\`${name.replace(/[\\`]/g, "\\$&").replaceAll("\n", "\\n")}\``;
}

/** A number as it is written in tables: shortest text that reads back as the same double. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

export function literalText(value: number, type: Scalar): string {
  if (type === "bool") return value === 0 ? "false" : "true";
  return type === "i32" ? numberText(value) : `${numberText(value)}${type}`;
}

/** What an expression printer needs to know about its surroundings. */
export interface ExprNames {
  symbol(name: string, type: Scalar): string;
  /** How the n-th input is written; `text` prints the expressions in it. */
  input?(index: number, text: (id: ExprId) => string): string;
  /** The first input that is written as the n-th one is. */
  sameInput?(index: number): number;
}

/** Prints the expressions of one statement. */
export interface ExprPrinter {
  text(id: ExprId): string;
  /** "$0 = …": what is shared, to stand before the statement, operands first. */
  readonly definitions: readonly string[];
}

/** An append-only table that shares equal entries and simplifies nothing: text reads back as it was written. */
export interface Interner {
  readonly exprs: Expr[];
  add(expr: Expr): ExprId;
}

export function makeInterner(): Interner {
  const ids = new Map<string, ExprId>();
  const exprs: Expr[] = [];
  const add = (expr: Expr): ExprId => {
    const key = JSON.stringify(expr, (_, value) => (typeof value === "number" ? numberText(value) : value));
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = exprs.push(expr) - 1;
    ids.set(key, id);
    return id;
  };
  return { exprs, add };
}

/** The same expression over other operands. */
export function withOperands(expr: Expr, operand: (id: ExprId) => ExprId): Expr {
  switch (expr.kind) {
    case "op":
      return { ...expr, args: expr.args.map(operand) };
    case "cast":
    case "bits":
      return { ...expr, of: operand(expr.of) };
    case "table":
      return { ...expr, index: operand(expr.index) };
    default:
      return expr;
  }
}

/** Trees of this many nodes are written without names for shared parts. */
const SMALL = 48;
/** Parts smaller than this are repeated, not named. */
const WORTH = 4;
/** Trees this deep get a name on the way, shared or not: readers have a limit. */
const DEEP = 100;

/** Inputs that an expression uses, in the order in which a reader meets them. */
export function inputsOf(exprs: Exprs, root: ExprId): readonly number[] {
  const seen = new Set<ExprId>();
  const found: number[] = [];
  const visit = (id: ExprId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const expr = exprs.exprs[id];
    if (expr?.kind === "input" && !found.includes(expr.index)) found.push(expr.index);
    if (expr !== undefined) operands(expr).forEach(visit);
  };
  visit(root);
  return found;
}

/**
 * Prepares to print the expressions `roots` of one statement; a large tree gets names for its shared parts. What is
 * shared is found in a table of the statement's own, so that the text depends on the structure alone.
 */
export function exprPrinter(exprs: Exprs, roots: readonly ExprId[], names: ExprNames): ExprPrinter {
  const own = makeInterner();
  const to = new Map<ExprId, ExprId>();
  const enter = (id: ExprId): ExprId => {
    const known = to.get(id);
    if (known !== undefined) return known;
    const expr = exprs.exprs[id] ?? { kind: "symbol", type: "i32", name: `missing expression ${id}` };
    const copy =
      expr.kind === "input" && names.sameInput !== undefined
        ? { ...expr, index: names.sameInput(expr.index) }
        : withOperands(expr, (arg) => (arg < id ? enter(arg) : arg));
    const entered = own.add(copy);
    to.set(id, entered);
    return entered;
  };
  const named = new Map<ExprId, string>();
  const text = (id: ExprId): string => exprText(own.exprs, enter(id), 0, inner, named);
  const inner: LocalNames = { symbol: names.symbol, input: (n) => names.input?.(n, text) ?? `$input${n}` };
  const definitions: string[] = [];
  for (const id of sharedParts(own.exprs, roots.map(enter))) {
    const body = exprText(own.exprs, id, 0, inner, named);
    const name = `$${named.size}`;
    named.set(id, name);
    definitions.push(`${name} = ${body}`);
  }
  return { text, definitions };
}

interface LocalNames {
  symbol(name: string, type: Scalar): string;
  input(index: number): string;
}

/** Entries worth naming, operands first. */
function sharedParts(exprs: readonly Expr[], roots: readonly ExprId[]): readonly ExprId[] {
  const uses = new Map<ExprId, number>();
  const sizes = new Map<ExprId, number>();
  const depths = new Map<ExprId, number>();
  const deep = new Set<ExprId>();
  const order: ExprId[] = [];
  const visit = (id: ExprId): number => {
    const known = uses.get(id);
    uses.set(id, (known ?? 0) + 1);
    if (known !== undefined) return sizes.get(id)!;
    const args = operands(exprs[id]!);
    const size = args.reduce((sum, arg) => sum + visit(arg), 1);
    const depth = args.reduce((max, arg) => Math.max(max, depths.get(arg)! + 1), 0);
    if (depth === DEEP) deep.add(id);
    depths.set(id, depth === DEEP ? 0 : depth);
    sizes.set(id, size);
    order.push(id);
    return size;
  };
  const total = roots.reduce((sum, root) => sum + visit(root), 0);
  if (total <= SMALL) return [];
  return order.filter((id) => deep.has(id) || (uses.get(id)! > 1 && sizes.get(id)! >= WORTH));
}

function exprText(
  exprs: readonly Expr[],
  id: ExprId,
  strength: number,
  names: LocalNames,
  named: ReadonlyMap<ExprId, string>,
): string {
  const known = named.get(id);
  if (known !== undefined) return known;
  const [text, own] = parts(exprs, exprs[id]!, names, (arg, needed) => exprText(exprs, arg, needed, names, named));
  return own < strength ? `(${text})` : text;
}

function parts(
  exprs: readonly Expr[],
  expr: Expr,
  names: LocalNames,
  sub: (id: ExprId, strength: number) => string,
): readonly [text: string, strength: number] {
  switch (expr.kind) {
    case "const":
      return [literalText(expr.value, expr.type), ATOM];
    case "symbol":
      return [names.symbol(expr.name, expr.type), ATOM];
    case "builtin":
      return [builtinText(expr.name, expr.dim), ATOM];
    case "input":
      return [names.input(expr.index), ATOM];
    case "cast":
      return [`${expr.type}(${sub(expr.of, 0)})`, ATOM];
    case "bits":
      return [`bits(${expr.type}, ${sub(expr.of, 0)})`, ATOM];
    case "table":
      return [`${nameText(expr.table)}[${sub(expr.index, 0)}]`, ATOM];
    case "op":
      return opParts(exprs, expr, sub);
  }
}

/** "group.x", "lane": dimension 0 is written for the grid alone, where the others matter. */
export function builtinText(name: string, dim: 0 | 1 | 2): string {
  return name === "group" || dim !== 0 ? `${name}.${"xyz"[dim]}` : name;
}

function opParts(
  exprs: readonly Expr[],
  expr: Expr & { readonly kind: "op" },
  sub: (id: ExprId, strength: number) => string,
): readonly [string, number] {
  const [a, b] = expr.args;
  const infix = INFIX[expr.op];
  if (infix !== undefined && a !== undefined && b !== undefined) {
    const [symbol, strength] = infix;
    return [`${sub(a, strength)} ${symbol} ${sub(b, strength + 1)}`, strength];
  }
  if (expr.op === "neg" && a !== undefined) {
    // "-3" is a literal, "-(3)" the negation of one.
    const text = exprs[a]?.kind === "const" ? `(${sub(a, 0)})` : sub(a, PREFIX);
    return [`-${text}`, PREFIX];
  }
  if (expr.op === "not" && a !== undefined) return [`${expr.type === "bool" ? "!" : "~"}${sub(a, PREFIX)}`, PREFIX];
  return [`${expr.op}(${expr.args.map((arg) => sub(arg, 0)).join(", ")})`, ATOM];
}
