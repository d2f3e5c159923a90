/**
 * Expressions: values without effects, in an append-only table that shares equal entries.
 *
 * Formats, programs and kernels use this one language. An entry only refers to entries before it, so every traversal
 * is a loop from 0 upward, and an analysis is an array that runs parallel to the table. The table is plain data.
 *
 * When an expression is evaluated:
 * - `symbol` is immutable while in scope (a loop variable, a domain axis, a size, the result of a `read` or `let`);
 *   mutable kernel variables are `symbol`s too, so a pass must not move an expression across an assignment to one.
 * - `input` (programs only) is the element of the op's n-th input region at the current point of its domain.
 * - memory is never read by an expression: reads are statements (two reads of one address may differ).
 *
 * Meaning of operators, identical on every target (legalisation must keep it):
 * - i32/u32 arithmetic wraps modulo 2^32; `div` truncates toward zero, `mod` takes the dividend's sign; shifts take the
 *   count modulo the width; `shr` is arithmetic on signed types.
 * - f32 arithmetic rounds once to nearest even; `fma` rounds once at the end; `rint` rounds to nearest even.
 *   A target may evaluate `div`, `exp2`, `log2`, `sqrt` less exactly: the accumulator contract states it.
 * - `select(c, a, b)` is a when c, else b; both are evaluated.
 * - `cast` converts the value: float → float rounds to nearest even, float → int truncates toward zero and saturates,
 *   int → int wraps, bool → number is 0 or 1. `bits` keeps the bits (u32 ↔ f32, u16 ↔ f16).
 */
import { internal, NO_SPAN, type Span } from "./diagnostics.ts";
import { foldInt, keyOf, rangeOfOp, unwrapped } from "./expr-fold.ts";
import { comparison, quotientOf, remainderOf } from "./expr-index.ts";
import { isFloat, type Scalar } from "./scalar.ts";

export type ExprId = number & { readonly brand?: "ExprId" };

export const UNARY = [
  "neg",
  "not",
  "abs",
  "popc",
  "floor",
  "ceil",
  "rint",
  "sqrt",
  "exp2",
  "log2",
  "f16lo",
  "f16hi",
] as const;
export const BINARY = [
  "add", "sub", "mul", "div", "mod", "min", "max", "and", "or", "xor", "shl", "shr",
  "eq", "ne", "lt", "le", "gt", "ge", "roundQuotient",
  "packF16x2", "subF16x2",
] as const; // biome-ignore format: a table
export const TERNARY = ["select", "fma", "dot4"] as const;

/**
 * Operators. Beyond the usual: `popc` counts one bits; `f16lo`, `f16hi`: u32 → f32, the value of the half in the word's
 * low or high 16 bits; `roundQuotient(a, b)`: the integer nearest to a / b *in real arithmetic*, ties to even, as f32 (the
 * rounding of every absmax quantizer; b > 0, exact for |a / b| ≤ 2^15 and a, b with at most 18 significant bits);
 * `packF16x2(a, b)`: the u32 with a in its low and b in its high half, each f32 rounded to f16, ties to even;
 * `subF16x2(a, b)`: the differences of the halves of two words, each rounded to f16, ties to even;
 * `dot4(a, b, c)`: c plus the four signed byte products of words a and b, i32.
 */
export type Op = (typeof UNARY)[number] | (typeof BINARY)[number] | (typeof TERNARY)[number];

/** Where a lane is. `group`: block index in the grid; `warp`: warp in the block; `lane`: lane in the warp; `thread`: warp · lanes + lane. */
export type BuiltinName = "group" | "warp" | "lane" | "thread";

export type Expr =
  | { readonly kind: "const"; readonly type: Scalar; readonly value: number }
  | { readonly kind: "symbol"; readonly type: Scalar; readonly name: string }
  | { readonly kind: "builtin"; readonly type: "i32"; readonly name: BuiltinName; readonly dim: 0 | 1 | 2 }
  | { readonly kind: "input"; readonly type: Scalar; readonly index: number }
  | { readonly kind: "op"; readonly type: Scalar; readonly op: Op; readonly args: readonly ExprId[] }
  | { readonly kind: "cast" | "bits"; readonly type: Scalar; readonly of: ExprId }
  | { readonly kind: "table"; readonly type: Scalar; readonly table: string; readonly index: ExprId };

/** A constant table: entry i is `values[i]`; NaN never occurs. An index outside is an error in `eval`. */
export interface Table {
  readonly name: string;
  readonly type: Scalar;
  readonly values: readonly number[];
}

/** Inclusive bounds of an integer expression. */
export type Range = readonly [min: number, max: number];

/** The frozen form of a table, as programs and kernels hold it; `spans[i]` belongs to `exprs[i]`. */
export interface Exprs {
  readonly exprs: readonly Expr[];
  readonly spans: readonly Span[];
  /** What is known of integer entries, by id. Not part of the meaning: text does not carry it. */
  readonly ranges?: readonly (Range | undefined)[];
}

const COMPARISONS = new Set<Op>(["eq", "ne", "lt", "le", "gt", "ge"]);

/** The type that `op` yields on arguments of these types. */
export function resultType(op: Op, args: readonly Scalar[]): Scalar {
  if (COMPARISONS.has(op)) return "bool";
  switch (op) {
    case "f16lo":
    case "f16hi":
    case "roundQuotient":
      return "f32";
    case "packF16x2":
    case "subF16x2":
      return "u32";
    case "popc":
    case "dot4":
      return "i32";
    case "select":
      return args[1] ?? internal("select without arguments");
    default:
      return args[0] ?? internal(`${op} without arguments`);
  }
}

/** The expressions that `expr` refers to, in order. */
export function operands(expr: Expr): readonly ExprId[] {
  switch (expr.kind) {
    case "op":
      return expr.args;
    case "cast":
    case "bits":
      return [expr.of];
    case "table":
      return [expr.index];
    default:
      return [];
  }
}

/**
 * Builds an expression table. Equal expressions get one id. Constants fold, and the identities that hold in every type
 * (x + 0, x · 1, nested constant addition, division of a scaled integer whose remainder is known to be in range) are
 * applied while building, so that index arithmetic written naively comes out small.
 */
export class ExprBuilder implements Exprs {
  readonly exprs: Expr[] = [];
  readonly spans: Span[] = [];
  /** Attached to every entry made until it is set again; rewriting sets it to the span of what it replaces. */
  span: Span = NO_SPAN;
  readonly #ids = new Map<string, ExprId>();
  /** Used to simplify `div`, `mod` and comparisons. */
  readonly ranges: (Range | undefined)[] = [];

  constructor(from?: Exprs) {
    if (from === undefined) return;
    from.exprs.forEach((expr, i) => {
      this.span = from.spans[i] ?? NO_SPAN;
      this.#append(expr, from.ranges?.[i]);
    });
    this.span = NO_SPAN;
  }

  get(id: ExprId): Expr {
    return this.exprs[id] ?? internal(`no expression ${id}`);
  }

  typeOf(id: ExprId): Scalar {
    return this.get(id).type;
  }

  /** The bounds an integer expression is known to stay in. */
  rangeOf(id: ExprId): Range | undefined {
    return this.ranges[id];
  }

  constant(value: number, type: Scalar = "i32"): ExprId {
    return this.#add({ kind: "const", type, value }, Number.isInteger(value) ? [value, value] : undefined);
  }

  /** `range`: the inclusive bounds of its values, where known. */
  symbol(name: string, type: Scalar = "i32", range?: Range): ExprId {
    return this.#add({ kind: "symbol", type, name }, range);
  }

  builtin(name: BuiltinName, dim: 0 | 1 | 2 = 0, range?: Range): ExprId {
    return this.#add({ kind: "builtin", type: "i32", name, dim }, range);
  }

  input(index: number, type: Scalar): ExprId {
    return this.#add({ kind: "input", type, index });
  }

  cast(of: ExprId, type: Scalar): ExprId {
    const from = this.get(of);
    if (from.type === type) return of;
    if (from.kind === "const" && type === "f32" && Math.fround(from.value) === from.value)
      return this.constant(from.value, type);
    return this.#add({ kind: "cast", type, of }, isFloat(type) || isFloat(from.type) ? undefined : this.ranges[of]);
  }

  bits(of: ExprId, type: Scalar): ExprId {
    return this.typeOf(of) === type ? of : this.#add({ kind: "bits", type, of });
  }

  table(table: Table, index: ExprId): ExprId {
    return this.#add({ kind: "table", type: table.type, table: table.name, index });
  }

  op(op: Op, ...args: ExprId[]): ExprId {
    const simple = this.#simplified(op, args);
    if (simple !== undefined) return simple;
    const types = args.map((a) => this.typeOf(a));
    const type = resultType(op, types);
    const range = rangeOfOp(op, this.ranges[args[0]!], this.ranges[args[1]!]);
    return this.#add({ kind: "op", type, op, args }, range && unwrapped(range, type));
  }

  add(a: ExprId, b: ExprId): ExprId {
    return this.op("add", a, b);
  }

  mul(a: ExprId, b: ExprId): ExprId {
    return this.op("mul", a, b);
  }

  /** Copies an expression of another table, replacing what `replace` answers for; ids of `from` map to ids here. */
  copy(
    from: Exprs,
    root: ExprId,
    replace: (expr: Expr, id: ExprId) => ExprId | undefined,
    done: Map<ExprId, ExprId> = new Map(),
  ): ExprId {
    const known = done.get(root);
    if (known !== undefined) return known;
    const expr = from.exprs[root] ?? internal(`no expression ${root}`);
    let id = replace(expr, root);
    if (id === undefined) {
      const visit = (arg: ExprId): ExprId => this.copy(from, arg, replace, done);
      const outer = this.span;
      this.span = from.spans[root] ?? outer;
      id = this.rebuild(expr, visit, from.ranges?.[root]);
      this.span = outer;
    }
    done.set(root, id);
    return id;
  }

  /** The same entry with other operands, built (and simplified) here. */
  rebuild(expr: Expr, operand: (id: ExprId) => ExprId, range?: Range): ExprId {
    switch (expr.kind) {
      case "op":
        return this.op(expr.op, ...expr.args.map(operand));
      case "cast":
        return this.cast(operand(expr.of), expr.type);
      case "bits":
        return this.bits(operand(expr.of), expr.type);
      case "table":
        return this.#add({ ...expr, index: operand(expr.index) });
      default:
        return this.#add(expr, range);
    }
  }

  /** The frozen table, sharing this builder's arrays. */
  done(): Exprs {
    return { exprs: this.exprs, spans: this.spans, ranges: this.ranges };
  }

  #append(expr: Expr, range?: Range): ExprId {
    const id = this.exprs.length as ExprId;
    this.exprs.push(expr);
    this.spans.push(this.span);
    this.ranges[id] = range;
    this.#ids.set(keyOf(expr), id);
    return id;
  }

  #add(expr: Expr, range?: Range): ExprId {
    const known = this.#ids.get(keyOf(expr));
    if (known !== undefined) {
      if (range !== undefined && this.ranges[known] === undefined) this.ranges[known] = range;
      return known;
    }
    return this.#append(expr, range);
  }

  #constOf(id: ExprId | undefined): number | undefined {
    const expr = id === undefined ? undefined : this.exprs[id];
    return expr?.kind === "const" ? expr.value : undefined;
  }

  #simplified(op: Op, args: readonly ExprId[]): ExprId | undefined {
    const [a, b] = args;
    if (a === undefined) return undefined;
    const type = this.typeOf(a);
    if (op === "select") {
      const c = this.#constOf(a);
      return c === undefined ? undefined : c !== 0 ? args[1] : args[2];
    }
    if (b === undefined) return undefined;
    const x = this.#constOf(a);
    const y = this.#constOf(b);
    if (type === "bool") {
      const keep = op === "and" ? 1 : op === "or" ? 0 : undefined;
      if (keep === undefined) return undefined;
      if (x !== undefined) return x === keep ? b : a;
      if (y !== undefined) return y === keep ? a : b;
      return undefined;
    }
    if (isFloat(type)) {
      if (op === "mul" && y === 1) return a;
      if (op === "mul" && x === 1) return b;
      return undefined;
    }
    if (x !== undefined && y !== undefined) {
      const folded = foldInt(op, x, y, type);
      if (folded !== undefined) return this.constant(folded, resultType(op, [type, type]));
    }
    switch (op) {
      case "add":
        return this.#simplifiedAdd(a, b, x, y);
      case "sub":
        return y === 0 ? a : undefined;
      case "mul":
        if (y === 1) return a;
        if (x === 1) return b;
        if (x === 0 || y === 0) return this.constant(0, type);
        if (x !== undefined) return this.op("mul", b, a);
        return y === undefined ? undefined : this.#simplifiedScale(a, y);
      case "shl":
      case "shr":
        return y === 0 ? a : undefined;
      case "div":
        return y === undefined ? undefined : quotientOf(this, a, y);
      case "mod":
        return y === undefined ? undefined : remainderOf(this, a, y);
      case "lt":
      case "le":
      case "ge":
      case "gt":
      case "eq":
      case "ne":
        return comparison(this, op, a, b);
      default:
        return undefined;
    }
  }

  #simplifiedAdd(a: ExprId, b: ExprId, x: number | undefined, y: number | undefined): ExprId | undefined {
    if (x === 0) return b;
    if (y === 0) return a;
    if (x !== undefined) return this.op("add", b, a); // constants go right
    const left = this.get(a);
    if (left.kind === "op" && left.op === "add") {
      const [p, q] = left.args;
      const c = this.#constOf(q);
      if (p !== undefined && c !== undefined) {
        if (y !== undefined) return this.op("add", p, this.constant(c + y, left.type));
        return this.op("add", this.op("add", p, b), q!);
      }
    }
    const right = this.get(b);
    if (right.kind === "op" && right.op === "add") {
      const [p, q] = right.args;
      if (p !== undefined && q !== undefined && this.#constOf(q) !== undefined)
        return this.op("add", this.op("add", a, p), q);
    }
    return undefined;
  }

  /** a · y with the factor pushed into sums and products, so that `div` and `mod` can see it. */
  #simplifiedScale(a: ExprId, y: number): ExprId | undefined {
    const expr = this.get(a);
    if (expr.kind !== "op") return undefined;
    const [p, q] = expr.args;
    if (p === undefined || q === undefined) return undefined;
    if (expr.op === "mul") {
      const c = this.#constOf(q);
      if (c !== undefined) return this.op("mul", p, this.constant(c * y, expr.type));
    }
    if (expr.op === "add") {
      const factor = this.constant(y, expr.type);
      return this.op("add", this.op("mul", p, factor), this.op("mul", q, factor));
    }
    return undefined;
  }
}
