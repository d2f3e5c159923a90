/** Reads expressions of IR text into a table, exactly as written: nothing folds, every type is computed. */
import type { Span } from "../diagnostics.ts";
import { type BuiltinName, type Expr, type ExprId, type Exprs, type Op, resultType } from "../expr.ts";
import { bitsOf, isInt, isScalar, type Scalar } from "../scalar.ts";
import { ARITY, misfit } from "../verify/expr.ts";
import type { Cursor, Token } from "./cursor.ts";
import { INFIX, type Interner, makeInterner } from "./expr.ts";

/** What names mean where an expression stands. */
export interface Meaning {
  /** The type of a symbol in scope; `at` is where it stands. */
  symbol(name: string, at: Token): Scalar | undefined;
  /** The type of a table's entries. */
  table(name: string): Scalar | undefined;
  /** Kernels: `lane`, `group.x` are builtins. */
  readonly builtins: boolean;
  /** Reads what follows a name that is an input here (a region of an op, a field of a format). */
  input?(name: Token): ExprId | undefined;
}

/** The expressions read so far, and the `$0 = …` names of the statement being read. */
export interface ExprReader {
  readonly cursor: Cursor;
  readonly table: Interner;
  readonly spans: Span[];
  readonly defined: Map<string, ExprId>;
}

export function makeReader(cursor: Cursor): ExprReader {
  return { cursor, table: makeInterner(), spans: [], defined: new Map() };
}

export function frozen(reader: ExprReader): Exprs {
  return { exprs: reader.table.exprs, spans: reader.spans };
}

/** Adds an entry; its position is that of its first occurrence. */
export function addExpr(reader: ExprReader, expr: Expr, start: number): ExprId {
  const id = reader.table.add(expr);
  reader.spans[id] ??= reader.cursor.spanFrom(start);
  return id;
}

/** Reads the `$0 = …` lines before a statement. Names of an earlier statement are forgotten. */
export function readDefinitions(reader: ExprReader, meaning: Meaning): void {
  const { cursor, defined } = reader;
  defined.clear();
  while (cursor.ahead.kind === "mark" && cursor.ahead.text.startsWith("$")) {
    const name = cursor.take();
    if (defined.has(name.text)) cursor.fail(`${name.text} is defined twice`, name);
    cursor.expect("=");
    defined.set(name.text, readExpr(reader, meaning));
  }
}

const INFIX_OF: ReadonlyMap<string, readonly [Op, number]> = new Map(
  Object.entries(INFIX).map(([op, [symbol, strength]]) => [symbol, [op as Op, strength] as const]),
);
export function readExpr(reader: ExprReader, meaning: Meaning, strength = 0): ExprId {
  const { cursor } = reader;
  return cursor.nested(() => {
    const start = cursor.ahead.start;
    let left = readUnary(reader, meaning);
    for (;;) {
      const token = cursor.ahead;
      const infix = token.kind === "mark" ? INFIX_OF.get(token.text) : undefined;
      if (infix === undefined || infix[1] <= strength) return left;
      cursor.take();
      const right = readExpr(reader, meaning, infix[1]);
      left = addOp(reader, infix[0], [left, right], token, start);
    }
  });
}

function typeOf(reader: ExprReader, id: ExprId): Scalar {
  return reader.table.exprs[id]!.type;
}

function addOp(reader: ExprReader, op: Op, args: readonly ExprId[], at: Token, start: number): ExprId {
  const types = args.map((arg) => typeOf(reader, arg));
  const wrong = misfit(op, types);
  if (wrong !== undefined) reader.cursor.fail(wrong, at);
  return addExpr(reader, { kind: "op", type: resultType(op, types), op, args }, start);
}

function readUnary(reader: ExprReader, meaning: Meaning): ExprId {
  const { cursor } = reader;
  const token = cursor.ahead;
  const again = (): ExprId => cursor.nested(() => readUnary(reader, meaning));
  if (cursor.accept("-")) {
    const literal = readLiteral(reader, -1, token.start);
    return literal ?? addOp(reader, "neg", [again()], token, token.start);
  }
  if (cursor.accept("~")) return addOp(reader, "not", [again()], token, token.start);
  if (cursor.accept("!")) {
    const of = again();
    if (typeOf(reader, of) !== "bool") cursor.fail("! takes bool; ~ inverts integers", token);
    return addOp(reader, "not", [of], token, token.start);
  }
  return readLiteral(reader, 1, token.start) ?? readAtom(reader, meaning);
}

const NUMBER = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)((?:[iu]|b?f)\d+)?$/;
const SPECIAL = /^(inf|nan)(b?f\d+)$/;

function readLiteral(reader: ExprReader, sign: 1 | -1, start: number): ExprId | undefined {
  const { cursor } = reader;
  const token = cursor.ahead;
  const match =
    token.kind === "number"
      ? NUMBER.exec(token.text)
      : token.kind === "name" && !token.quoted
        ? SPECIAL.exec(token.text)
        : null;
  if (match === null) return undefined;
  const type = match[2] ?? "i32";
  const value = match[1] === "inf" ? Number.POSITIVE_INFINITY : Number(match[1]?.replace("nan", "NaN"));
  if (!isScalar(type)) return cursor.fail(`no type ${type}`, token);
  if (isInt(type) && !Number.isInteger(value)) return cursor.fail(`${token.text} is not a whole number`, token);
  cursor.take();
  return addExpr(reader, { kind: "const", type, value: isInt(type) ? sign * value + 0 : sign * value }, start);
}

const BUILTIN = /^(group|warp|lane|thread)(?:\.([xyz]))?$/;

function readAtom(reader: ExprReader, meaning: Meaning): ExprId {
  const { cursor } = reader;
  const token = cursor.ahead;
  if (cursor.accept("(")) {
    const inner = readExpr(reader, meaning);
    cursor.expect(")");
    return inner;
  }
  if (token.kind === "mark" && token.text.startsWith("$")) {
    cursor.take();
    return reader.defined.get(token.text) ?? cursor.fail(`${token.text} is not defined before this statement`, token);
  }
  if (token.kind !== "name") return cursor.fail("expected an expression");
  cursor.take();
  if (!token.quoted) {
    if (token.text === "true" || token.text === "false")
      return addExpr(reader, { kind: "const", type: "bool", value: token.text === "true" ? 1 : 0 }, token.start);
    const builtin = meaning.builtins ? BUILTIN.exec(token.text) : null;
    if (builtin !== null) return addBuiltin(reader, builtin, token.start);
    if (cursor.sees("(")) return readCall(reader, meaning, token);
  }
  return meaning.input?.(token) ?? readNamed(reader, meaning, token);
}

function addBuiltin(reader: ExprReader, match: RegExpExecArray, start: number): ExprId {
  const dim = { x: 0, y: 1, z: 2 }[match[2] ?? "x"] as 0 | 1 | 2;
  return addExpr(reader, { kind: "builtin", type: "i32", name: match[1] as BuiltinName, dim }, start);
}

/** A cast, `bits(type, value)` or an operator written as a call; the name is taken. */
function readCall(reader: ExprReader, meaning: Meaning, token: Token): ExprId {
  const { cursor } = reader;
  cursor.expect("(");
  if (token.text === "bits") {
    const type = cursor.scalar();
    cursor.expect(",");
    const of = readExpr(reader, meaning);
    cursor.expect(")");
    if (bitsOf(type) !== bitsOf(typeOf(reader, of)))
      cursor.fail(`${typeOf(reader, of)} has not the bits of ${type}`, token);
    return addExpr(reader, { kind: "bits", type, of }, token.start);
  }
  const args = cursor.list(() => readExpr(reader, meaning));
  cursor.expect(")");
  if (isScalar(token.text)) {
    if (args.length !== 1) cursor.fail("a cast takes one value", token);
    return addExpr(reader, { kind: "cast", type: token.text, of: args[0]! }, token.start);
  }
  if (!ARITY.has(token.text)) return cursor.fail(`no operator ${token.text}`, token);
  return addOp(reader, token.text as Op, args, token, token.start);
}

/** A table entry or a symbol; the name is taken. */
function readNamed(reader: ExprReader, meaning: Meaning, token: Token): ExprId {
  const { cursor } = reader;
  if (cursor.accept("[")) {
    const type = meaning.table(token.text) ?? cursor.fail(`no table ${token.text}`, token);
    const index = readExpr(reader, meaning);
    cursor.expect("]");
    return addExpr(reader, { kind: "table", type, table: token.text, index }, token.start);
  }
  const type = cursor.accept(":") ? cursor.scalar() : meaning.symbol(token.text, token);
  if (type === undefined) return cursor.fail(`${token.text} is not in scope here`, token);
  return addExpr(reader, { kind: "symbol", type, name: token.text }, token.start);
}
