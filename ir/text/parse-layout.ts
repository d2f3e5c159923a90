/** Reads layouts, tables and formats of IR text. */
import type { ExprId, Table } from "../expr.ts";
import type { Encoder, Field, FieldScope, FieldUse, Format } from "../format.ts";
import type { Axis, Extents, Layout, Term } from "../layout/layout.ts";
import type { Scalar } from "../scalar.ts";
import type { Cursor, Token } from "./cursor.ts";
import { wholeSize } from "./layout.ts";
import { addExpr, frozen, type Meaning, makeReader, readDefinitions, readExpr } from "./parse-expr.ts";

/** "n 4096, k 128"; may be empty. */
export function readExtents(cursor: Cursor): Extents {
  const entries: [Axis, number][] = [];
  while (cursor.ahead.kind === "name") {
    const axis = cursor.name("an axis");
    entries.push([axis, cursor.integer()]);
    if (!cursor.accept(",")) break;
  }
  // Entries, not assignments: an axis called __proto__ is an axis.
  return Object.fromEntries(entries);
}

function readTerm(cursor: Cursor, box: Extents): Term {
  const to = cursor.name("an axis");
  cursor.expect("+=");
  let stride = 1;
  if (cursor.ahead.kind === "number" || cursor.sees("-")) {
    stride = cursor.integer();
    cursor.expect("*");
  }
  const digits = cursor.accept("(");
  const from = cursor.name("an axis");
  const div = digits && cursor.accept("/") ? cursor.integer(1) : 1;
  const size = digits && cursor.accept("%") ? cursor.integer(1) : wholeSize(box, from, div);
  if (digits) cursor.expect(")");
  return { from, div, size, to, stride };
}

export function readLayout(cursor: Cursor): Layout {
  return cursor.nested(() => {
    const kind = cursor.word(["strided", "xor", "table", "chain", "opaque"]);
    cursor.expect("(");
    const layout = readLayoutBody(cursor, kind);
    cursor.expect(")");
    return layout;
  });
}

function readLayoutBody(cursor: Cursor, kind: Layout["kind"]): Layout {
  if (kind === "chain") return { kind, parts: cursor.sees(")") ? [] : cursor.list(() => readLayout(cursor)) };
  if (kind === "opaque") {
    const name = cursor.name("a name");
    cursor.expect(":");
    return { kind, name, ...readBoxes(cursor) };
  }
  if (kind === "xor") {
    const from = readExtents(cursor);
    cursor.expect(":");
    const axis = cursor.name("an axis");
    cursor.expect("^=");
    return { kind, from, axis, columns: readIntegers(cursor) };
  }
  const boxes = readBoxes(cursor);
  cursor.expect(":");
  if (kind === "table") return { kind, ...boxes, map: readIntegers(cursor) };
  const terms = cursor.ahead.kind === "name" ? cursor.list(() => readTerm(cursor, boxes.from)) : [];
  let [base, wrap]: [Extents | undefined, Extents | undefined] = [undefined, undefined];
  while (cursor.accept(";")) {
    if (cursor.word(["base", "wrap"]) === "base") base = readExtents(cursor);
    else wrap = readExtents(cursor);
  }
  const extra = { ...(base === undefined ? {} : { base }), ...(wrap === undefined ? {} : { wrap }) };
  return { kind, ...boxes, terms, ...extra };
}

function readBoxes(cursor: Cursor): { readonly from: Extents; readonly to: Extents } {
  const from = readExtents(cursor);
  cursor.expect("->");
  return { from, to: readExtents(cursor) };
}

function readIntegers(cursor: Cursor): number[] {
  return cursor.sees(")") ? [] : cursor.list(() => cursor.integer());
}

/** After the word `table`. */
export function readTable(cursor: Cursor): Table {
  const name = cursor.name("a name");
  cursor.expect(":");
  const type = cursor.scalar();
  cursor.expect("=");
  cursor.expect("[");
  const values = cursor.sees("]") ? [] : cursor.list(() => cursor.number());
  cursor.expect("]");
  return { name, type, values };
}

/** After the word `field`. */
function readField(cursor: Cursor): Field {
  const start = cursor.ahead.start;
  const name = cursor.name("a name");
  cursor.expect(":");
  const type = cursor.scalar();
  let count = 1;
  if (cursor.accept("[")) {
    count = cursor.integer(1);
    cursor.expect("]");
  }
  const scope: FieldScope = cursor.word(["block", "row", "tensor"]);
  return { name, type, count, scope, layout: readLayout(cursor), span: cursor.spanFrom(start) };
}

/** After the word `format`. */
export function readFormat(cursor: Cursor): Format {
  const start = cursor.ahead.start;
  const name = cursor.name("a name");
  cursor.expect("block");
  const block = cursor.integer(1);
  cursor.expect("record");
  const recordBits = cursor.integer(0);
  cursor.expect("{");
  const fields: Field[] = [];
  const tables: Table[] = [];
  while (cursor.accept("field")) fields.push(readField(cursor));
  while (cursor.accept("table")) tables.push(readTable(cursor));
  const { exprs, uses, value } = readValue(cursor, fields, tables);
  const encoder = cursor.accept("encoder") ? readEncoder(cursor) : undefined;
  cursor.expect("}");
  const rest = encoder === undefined ? {} : { encoder };
  return { name, block, fields, tables, exprs, uses, value, ...rest, recordBits, span: cursor.spanFrom(start) };
}

function readEncoder(cursor: Cursor): Encoder {
  const rule = cursor.word(["absmax"]);
  cursor.expect("scale");
  const scale = cursor.name("a field");
  cursor.expect("code");
  return { rule, scale, code: cursor.name("a field") };
}

function readValue(
  cursor: Cursor,
  fields: readonly Field[],
  tables: readonly Table[],
): Pick<Format, "exprs" | "uses" | "value"> {
  const reader = makeReader(cursor);
  const uses: FieldUse[] = [];
  const meaning: Meaning = {
    symbol: (name): Scalar | undefined => (name === "i" ? "i32" : undefined),
    table: (name) => tables.find((table) => table.name === name)?.type,
    builtins: false,
    input: (token: Token): ExprId | undefined => {
      const field = fields.find((f) => f.name === token.text);
      if (field === undefined) return undefined;
      let index = addExpr(reader, { kind: "const", type: "i32", value: 0 }, token.start);
      if (cursor.accept("[")) {
        index = readExpr(reader, meaning);
        cursor.expect("]");
      } else if (field.count !== 1) cursor.fail(`${field.name} has ${field.count} elements: say which`, token);
      let n = uses.findIndex((use) => use.field === field.name && use.index === index);
      if (n < 0) n = uses.push({ field: field.name, index }) - 1;
      return addExpr(reader, { kind: "input", type: field.type, index: n }, token.start);
    },
  };
  readDefinitions(reader, meaning);
  cursor.expect("value");
  cursor.expect("=");
  const value = readExpr(reader, meaning);
  return { exprs: frozen(reader), uses, value };
}
