/** Reads the text of a kernel back: `parseKernel(printKernel(k))` means what k means. */
import type { Diagnostics } from "../diagnostics.ts";
import type { ExprId, Table } from "../expr.ts";
import type { Access, Buffer, Collective, Completion, Kernel, Scope, Stmt, Width } from "../kernel.ts";
import type { Scalar } from "../scalar.ts";
import { type Cursor, readText, type Token } from "./cursor.ts";
import { declared } from "./kernel.ts";
import { readHeader } from "./parse.ts";
import { type ExprReader, frozen, type Meaning, makeReader, readDefinitions, readExpr } from "./parse-expr.ts";
import { readTable } from "./parse-layout.ts";

/** Reads a kernel; undefined where a mistake was reported. Spans point into `text`, as file `file` of the run. */
export function parseKernel(text: string, diagnostics: Diagnostics, file = -1): Kernel | undefined {
  return readText(text, diagnostics, file, readKernel);
}

interface Reading {
  readonly cursor: Cursor;
  readonly reader: ExprReader;
  readonly buffers: readonly Buffer[];
  readonly tables: readonly Table[];
  /** Types of the names in scope. */
  readonly types: Map<string, Scalar>;
}

function readKernel(cursor: Cursor): Kernel {
  readHeader(cursor, "kernel");
  const name = cursor.name("a name");
  cursor.expect("lanes");
  const lanes = cursor.integer(1);
  cursor.expect("warps");
  const warps = cursor.integer(1);
  cursor.expect("grid");
  const at = cursor.ahead;
  const [x, y, z, ...more] = cursor.list(() => cursor.integer(0));
  if (x === undefined || y === undefined || z === undefined || more.length > 0)
    return cursor.fail("a grid has three extents", at);
  cursor.expect("{");
  const buffers: Buffer[] = [];
  const tables: Table[] = [];
  while (cursor.sees("global") || cursor.sees("shared")) buffers.push(readBuffer(cursor));
  while (cursor.accept("table")) tables.push(readTable(cursor));
  const reader = makeReader(cursor);
  const body = readBody({ cursor, reader, buffers, tables, types: new Map() });
  return { name, lanes, warps, grid: [x, y, z], buffers, tables, exprs: frozen(reader), body };
}

function readBuffer(cursor: Cursor): Buffer {
  const space = cursor.word(["global", "shared"]);
  const id = cursor.name("a name");
  cursor.expect(":");
  const type = cursor.scalar();
  cursor.expect("[");
  const length = cursor.integer(0);
  cursor.expect("]");
  const access = cursor.word(["read", "write", "readWrite"]);
  const tensor = cursor.accept("tensor") ? { tensor: cursor.name("a tensor") } : {};
  return { id, type, length, space, access, ...tensor };
}

function meaningOf({ types, tables }: Reading): Meaning {
  return {
    symbol: (name) => types.get(name),
    table: (name) => tables.find((table) => table.name === name)?.type,
    builtins: true,
  };
}

/** Statements up to the closing brace, which is taken; what they declare is forgotten. */
function readBody(outer: Reading): Stmt[] {
  const { cursor } = outer;
  const reading = { ...outer, types: new Map(outer.types) };
  return cursor.nested(() => {
    const stmts: Stmt[] = [];
    while (!cursor.accept("}")) {
      const stmt = readStmt(reading);
      const kernel = { exprs: frozen(reading.reader), buffers: reading.buffers };
      for (const [name, type] of declared(kernel, stmt)) reading.types.set(name, type);
      stmts.push(stmt);
    }
    return stmts;
  });
}

function readStmt(reading: Reading): Stmt {
  const { cursor, reader } = reading;
  const { start } = cursor.ahead;
  readDefinitions(reader, meaningOf(reading));
  const stmt = readBare(reading);
  return { ...stmt, span: cursor.spanFrom(start) };
}

function expr(reading: Reading): ExprId {
  return readExpr(reading.reader, meaningOf(reading));
}

function readWhen(reading: Reading): { readonly when?: ExprId } {
  return reading.cursor.accept("when") ? { when: expr(reading) } : {};
}

function readNames(cursor: Cursor): string[] {
  return cursor.list(() => cursor.name("a name"));
}

const SCOPED = /^(warp|warpgroup|block|device)\.(\w+)$/;

function readBare(reading: Reading): Stmt {
  const { cursor } = reading;
  const token = cursor.ahead;
  if (token.kind === "name" && !token.quoted) {
    switch (token.text) {
      case "let":
      case "var":
        return readLet(reading, token.text);
      case "read":
        return readRead(reading);
      case "atomic": {
        cursor.take();
        const at = readAccess(reading);
        cursor.expect("+=");
        return { kind: "atomicAdd", at, values: cursor.list(() => expr(reading)), ...readWhen(reading) };
      }
      case "for":
        return readFor(reading);
      case "if":
        return readIf(reading);
    }
    const scoped = SCOPED.exec(token.text);
    if (scoped !== null) {
      cursor.take();
      return { kind: "collective", scope: scoped[1] as Scope, what: readCollective(reading, scoped[2]!, token) };
    }
  }
  return readAssignment(reading);
}

function readLet(reading: Reading, kind: "let" | "var"): Stmt {
  const { cursor, reader } = reading;
  cursor.take();
  const name = cursor.name("a name");
  cursor.expect(":");
  const at = cursor.ahead;
  const type = cursor.scalar();
  cursor.expect("=");
  const value = expr(reading);
  const found = reader.table.exprs[value]!.type;
  if (found !== type) cursor.fail(`${name} is ${found}, not ${type}`, at);
  return { kind, name, value };
}

function readRead(reading: Reading): Stmt {
  const { cursor } = reading;
  cursor.take();
  const to = readNames(cursor);
  cursor.expect("=");
  const at = readAccess(reading);
  const when = readWhen(reading);
  const cache = cursor.accept("cache") ? { cache: cursor.word(["stream", "keep"]) } : {};
  return { kind: "read", to, at, ...when, ...cache };
}

function readFor(reading: Reading): Stmt {
  const { cursor } = reading;
  cursor.take();
  const name = cursor.name("a name");
  cursor.expect("=");
  const from = expr(reading);
  cursor.expect("..");
  const to = expr(reading);
  const step = cursor.accept("step") ? cursor.integer() : 1;
  const unroll = cursor.accept("unroll");
  cursor.expect("{");
  const body = readBody({ ...reading, types: new Map(reading.types).set(name, "i32") });
  return { kind: "for", name, from, to, step, unroll, body };
}

function readIf(reading: Reading): Stmt {
  const { cursor } = reading;
  cursor.take();
  const cond = expr(reading);
  const uniform = cursor.accept("uniform") ? cursor.word(["warp", "warpgroup", "block", "device"]) : "none";
  cursor.expect("{");
  const then = readBody(reading);
  if (!cursor.accept("else")) return { kind: "if", cond, uniform, then, else: [] };
  cursor.expect("{");
  return { kind: "if", cond, uniform, then, else: readBody(reading) };
}

/** "x[i]" or "x[i; 4]". */
function readAccess(reading: Reading): Access {
  const { cursor } = reading;
  const token = cursor.ahead;
  return readAccessAt(reading, cursor.name("a buffer"), token);
}

/** The rest of an access; the buffer's name is taken. */
function readAccessAt(reading: Reading, buffer: string, token: Token): Access {
  const { cursor } = reading;
  if (!reading.buffers.some((known) => known.id === buffer)) cursor.fail(`no buffer ${buffer}`, token);
  cursor.expect("[");
  const index = expr(reading);
  const at = cursor.ahead;
  const width = cursor.accept(";") ? cursor.integer(1) : 1;
  if (width !== 1 && width !== 2 && width !== 4) cursor.fail("an access moves 1, 2 or 4 elements", at);
  cursor.expect("]");
  return { buffer, index, width: width as Width };
}

/** What begins with a name: a write, an assignment or an exchange. */
function readAssignment(reading: Reading): Stmt {
  const { cursor } = reading;
  const token = cursor.ahead;
  const name = cursor.name("a statement");
  if (cursor.sees("[")) {
    const at = readAccessAt(reading, name, token);
    cursor.expect("=");
    return { kind: "write", at, values: cursor.list(() => expr(reading)), ...readWhen(reading) };
  }
  cursor.expect("=");
  const value = cursor.ahead;
  const scoped = value.kind === "name" && !value.quoted ? SCOPED.exec(value.text) : null;
  if (scoped === null) return { kind: "assign", name, value: expr(reading) };
  const op = EXCHANGES.find((known) => known === scoped[2]);
  if (op === undefined) return cursor.fail(`no exchange ${scoped[2]}`);
  cursor.take();
  cursor.expect("(");
  const args = cursor.sees(")") ? [] : cursor.list(() => expr(reading));
  cursor.expect(")");
  return { kind: "collective", scope: scoped[1] as Scope, what: { family: "exchange", op, args, to: name } };
}

const EXCHANGES = ["shuffleXor", "shuffleAt", "broadcast", "ballot", "sum", "max", "any", "elect"] as const;
const SYNCS = ["barrier", "commit", "drain", "init", "arrive", "expect", "wait", "fence"] as const;

function readCollective(reading: Reading, word: string, token: Token): Collective {
  const { cursor } = reading;
  switch (word) {
    case "load":
    case "store": {
      const row = cursor.name("a row");
      const operand = cursor.word(["a", "b", "d"]);
      const regs = cursor.sees("at") ? [] : readNames(cursor);
      cursor.expect("at");
      const at = readAccess(reading);
      cursor.expect("stride");
      return { family: "fragment", row, operand, dir: word, at, stride: expr(reading), regs };
    }
    case "matrix": {
      const row = cursor.name("a row");
      const d = cursor.sees("+=") ? [] : readNames(cursor);
      cursor.expect("+=");
      const a = readOperand(reading);
      cursor.expect("*");
      return { family: "matrix", row, a, b: readOperand(reading), d };
    }
    case "cpAsync":
    case "bulk": {
      const to = readAccess(reading);
      cursor.expect("=");
      const from = readAccess(reading);
      cursor.expect("bytes");
      const bytes = cursor.integer(0);
      cursor.expect("done");
      const done: Completion = cursor.accept("group")
        ? { kind: "group" }
        : { kind: "mbarrier", at: readAccess(reading) };
      return { family: "transfer", engine: word, from, to, bytes, done, ...readWhen(reading) };
    }
  }
  const op = SYNCS.find((known) => known === word);
  if (op === undefined) return cursor.fail(`no collective ${word}`, token);
  const at = cursor.accept("at") ? { at: readAccess(reading) } : {};
  const count = cursor.accept("count") ? { count: expr(reading) } : {};
  const proxy = cursor.accept("proxy") ? { proxy: cursor.word(["async", "matrix"]) } : {};
  return { family: "sync", op, ...at, ...count, ...proxy };
}

/** Registers in parentheses, or a place in shared memory. */
function readOperand(reading: Reading): readonly ExprId[] | Access {
  const { cursor } = reading;
  if (!cursor.accept("(")) return readAccess(reading);
  const regs = cursor.sees(")") ? [] : cursor.list(() => expr(reading));
  cursor.expect(")");
  return regs;
}
