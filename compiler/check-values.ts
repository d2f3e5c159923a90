/** Value expressions of formats: from the tree to the IR's expressions, with types and known ranges. */
import type { Diagnostics, Note, Span } from "../ir/diagnostics.ts";
import { ExprBuilder, type ExprId, operands, type Range, type Table } from "../ir/expr.ts";
import type { Field, FieldUse } from "../ir/format.ts";
import { isFloat, isInt, rangeOf } from "../ir/scalar.ts";
import type { Expression, Name } from "./ast.ts";
import type { Code } from "./explain.ts";
import { FUNCTIONS, functionNamed, OPERATORS } from "./functions.ts";
import { didYouMean, report } from "./report.ts";

/** Integers compute as i32, numbers as f32, conditions as bool. */
type ValueType = "i32" | "f32" | "bool";

interface Typed {
  readonly id: ExprId;
  readonly type: ValueType;
}

/** A codebook: its table and where it is declared. */
export interface Codebook {
  readonly table: Table;
  readonly span: Span;
}

export interface ValueScope {
  readonly format: string;
  readonly block: number;
  readonly fields: ReadonlyMap<string, Field>;
  /** The variable of `value(i)`. */
  readonly index?: Name;
  /** undefined = unknown name, "broken" = declared, but a mistake in it is already reported. */
  readonly codebook: (name: string) => Codebook | "broken" | undefined;
  readonly codebookNames: () => readonly string[];
}

const TYPE_WORDS: Readonly<Record<ValueType, string>> = { i32: "an integer", f32: "a number", bool: "a condition" };

/** Builds one format's value expression; every mistake is reported and yields `undefined`. */
export class ValueBuilder {
  readonly builder = new ExprBuilder();
  readonly uses: FieldUse[] = [];
  readonly tables: Table[] = [];
  readonly #scope: ValueScope;
  readonly #diagnostics: Diagnostics;

  constructor(scope: ValueScope, diagnostics: Diagnostics) {
    this.#scope = scope;
    this.#diagnostics = diagnostics;
  }

  /** The expression as a number (f32). */
  number(e: Expression): ExprId | undefined {
    const typed = this.#value(e);
    if (typed === undefined) return undefined;
    if (typed.type === "bool") return this.#typeError(e.span, "a value is a number, not a condition");
    return this.#float(typed);
  }

  /** The element of a field at a constant or symbolic index, as a number. */
  fieldNumber(field: Field, index: ExprId): ExprId {
    return this.#float(this.#use(field, index));
  }

  /** The symbol of the element. */
  element(): ExprId {
    return this.builder.symbol("i", "i32", [0, this.#scope.block - 1]);
  }

  #error(code: Code, span: Span, message: string, notes: readonly Note[] = []): undefined {
    report(this.#diagnostics, code, span, message, notes);
  }

  #typeError(span: Span, message: string, notes: readonly Note[] = []): undefined {
    report(this.#diagnostics, "type/mismatch", span, message, notes);
  }

  #float(value: Typed): ExprId {
    return value.type === "f32" ? value.id : this.builder.cast(value.id, "f32");
  }

  #ranged(id: ExprId, range: Range | undefined): ExprId {
    if (range !== undefined) this.builder.ranges[id] ??= range;
    return id;
  }

  #value(e: Expression): Typed | undefined {
    this.builder.span = e.span;
    switch (e.kind) {
      case "number":
        return this.#literal(e.value, e.text, e.span);
      case "name":
        return this.#name(e.name, e.span);
      case "index":
        return this.#index(e);
      case "call":
        return this.#call(e.callee, e.args, e.span);
      case "negate":
        return this.#negate(e);
      case "binary":
        return this.#binary(e);
      case "conditional":
        return this.#select(e.condition, e.yes, e.no, e.span);
      case "list":
        return this.#error("format/indexing", e.span, "a table is used with an index: `[3, -3, 6, -6][special]`");
      case "sum":
        return this.#error("format/sum", e.span, "a format's value has no sums: it is one number's meaning");
      case "hole":
      case "missing":
        return undefined;
    }
  }

  #literal(value: number, text: string, span: Span): Typed | undefined {
    if (/[.e]/i.test(text) && !/^0x/i.test(text)) {
      const rounded = Math.fround(value);
      if (!Number.isFinite(rounded)) return this.#error("limit/range", span, `\`${text}\` is too large for f32`);
      return { id: this.builder.constant(rounded, "f32"), type: "f32" };
    }
    if (value >= 2 ** 31) return this.#error("limit/range", span, `\`${text}\` is too large for an integer of 32 bits`);
    return { id: this.builder.constant(value, "i32"), type: "i32" };
  }

  #name(name: string, span: Span): Typed | undefined {
    if (name === "") return undefined;
    if (name === this.#scope.index?.text) return { id: this.element(), type: "i32" };
    const field = this.#scope.fields.get(name);
    if (field !== undefined) {
      if (field.count === 1) return this.#use(field, this.builder.constant(0));
      const hint = this.#scope.index?.text ?? "i";
      const notes = [{ message: `\`${name}\` is declared here with ${field.count} elements`, span: field.span }];
      return this.#error("format/indexing", span, `\`${name}\` needs an index: \`${name}[${hint}]\``, notes);
    }
    if (this.#scope.codebook(name) !== undefined)
      return this.#error("format/indexing", span, `codebook \`${name}\` needs an index: \`${name}[code]\``);
    return this.#unknown(name, span);
  }

  #unknown(name: string, span: Span): undefined {
    const { fields, index, format } = this.#scope;
    const known = [...fields.keys(), ...(index === undefined ? [] : [index.text]), ...this.#scope.codebookNames()];
    const notes: Note[] = [];
    if (index === undefined && name === "i") notes.push({ message: "write `value(i) = …` to use the element's index" });
    const fix = didYouMean(name, span, known);
    report(this.#diagnostics, "name/unknown", span, `\`${name}\` is not known in format \`${format}\``, notes, fix);
  }

  #use(field: Field, index: ExprId): Typed {
    const at = this.uses.findIndex((use) => use.field === field.name && use.index === index);
    const number = at >= 0 ? at : this.uses.push({ field: field.name, index }) - 1;
    const input = this.builder.input(number, field.type);
    if (isFloat(field.type)) return { id: this.builder.cast(input, "f32"), type: "f32" };
    if (isInt(field.type) && Number(field.type.slice(1)) < 32) this.#ranged(input, rangeOf(field.type));
    const id = this.builder.cast(input, "i32");
    this.#ranged(id, this.builder.rangeOf(input));
    return { id, type: "i32" };
  }

  #index(e: Expression & { kind: "index" }): Typed | undefined {
    const [at, extra] = e.indices;
    if (at === undefined) return undefined;
    if (extra !== undefined) return this.#error("format/indexing", extra.span, "fields and tables have one index");
    const index = this.#value(at);
    if (index === undefined) return undefined;
    if (index.type !== "i32")
      return this.#typeError(at.span, `an index is an integer, this is ${TYPE_WORDS[index.type]}`);
    this.builder.span = e.span;
    if (e.base.kind === "list") return this.#literalTable(e.base, index.id, at.span);
    if (e.base.kind !== "name")
      return e.base.kind === "missing"
        ? undefined
        : this.#error("format/indexing", e.base.span, "only fields, codebooks and `[…]` tables have an index");
    const field = this.#scope.fields.get(e.base.name);
    if (field !== undefined) return this.#fieldElement(field, index.id, at.span);
    const codebook = this.#scope.codebook(e.base.name);
    if (codebook === "broken" || e.base.name === "") return undefined;
    if (codebook === undefined) return this.#unknown(e.base.name, e.base.span);
    const note = { message: `\`${e.base.name}\` is declared here`, span: codebook.span };
    return this.#lookup(codebook.table, index.id, at.span, `codebook \`${e.base.name}\``, [note]);
  }

  #fieldElement(field: Field, index: ExprId, span: Span): Typed | undefined {
    const note = { message: `\`${field.name}\` is declared here`, span: field.span };
    if (this.#dependsOnData(index)) {
      const message = `the index of field \`${field.name}\` may not depend on stored data`;
      return this.#error("format/field-index", span, message, [
        { message: "a decoder must know which bits to read before it reads any; look data up in a codebook instead" },
      ]);
    }
    const range = this.builder.rangeOf(index);
    if (range === undefined || range[0] < 0 || range[1] >= field.count) {
      const message = `the index of \`${field.name}\` ${runs(range)}; its elements are 0 to ${field.count - 1}`;
      return this.#error("format/index-range", span, message, [note]);
    }
    return this.#use(field, index);
  }

  #dependsOnData(root: ExprId): boolean {
    const pending = [root];
    for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
      const expr = this.builder.get(id);
      if (expr.kind === "input") return true;
      pending.push(...operands(expr));
    }
    return false;
  }

  #literalTable(list: Expression & { kind: "list" }, index: ExprId, span: Span): Typed | undefined {
    const values = constantEntries(list.entries, this.#diagnostics);
    if (values === undefined) return undefined;
    const same = this.tables.find(
      (t) => t.values.length === values.length && t.values.every((v, i) => v === values[i]),
    );
    const table: Table = same ?? { name: `${this.#scope.format}.table${this.tables.length}`, type: "f32", values };
    return this.#lookup(table, index, span, "this table", [{ message: "the table", span: list.span }]);
  }

  #lookup(table: Table, index: ExprId, span: Span, what: string, notes: readonly Note[]): Typed | undefined {
    const range = this.builder.rangeOf(index);
    const size = table.values.length;
    if (range === undefined || range[0] < 0 || range[1] >= size) {
      const message = `the index ${runs(range)}, but ${what} has ${size} ${size === 1 ? "entry" : "entries"}`;
      return this.#error("format/table-range", span, message, notes);
    }
    if (!this.tables.some((t) => t.name === table.name)) this.tables.push(table);
    return { id: this.builder.table(table, index), type: "f32" };
  }

  #call(callee: Name, args: readonly Expression[], span: Span): Typed | undefined {
    if (callee.text === "") return undefined;
    const row = functionNamed(callee.text);
    if (row === undefined) {
      const fix = didYouMean(callee.text, callee.span, Object.keys(FUNCTIONS));
      report(this.#diagnostics, "name/unknown", callee.span, `there is no function \`${callee.text}\``, [], fix);
      return undefined;
    }
    if (!checkArity(callee, args.length, this.#diagnostics)) return undefined;
    const [first, second, third] = args;
    if (row.op === "select") return this.#select(first!, second!, third!, span);
    const values = args.map((arg) => this.#value(arg));
    if (!values.every((v): v is Typed => v !== undefined)) return undefined;
    const wrong = values.findIndex((v) => v.type === "bool");
    if (wrong >= 0) return this.#typeError(args[wrong]!.span, `\`${callee.text}\` takes numbers, this is a condition`);
    this.builder.span = span;
    const integer = row.integer && values.every((v) => v.type === "i32");
    const ids = values.map((v) => (integer ? v.id : this.#float(v)));
    const id =
      ids.length === 1 ? this.builder.op(row.op, ids[0]!) : ids.reduce((a, b) => this.builder.op(row.op, a, b));
    if (integer && row.op === "abs") this.#ranged(id, magnitude(this.builder.rangeOf(ids[0]!)));
    return { id, type: integer ? "i32" : "f32" };
  }

  #negate(e: Expression & { kind: "negate" }): Typed | undefined {
    const of = this.#value(e.of);
    if (of === undefined) return undefined;
    if (of.type === "bool") return this.#typeError(e.of.span, "only numbers have a negative");
    this.builder.span = e.span;
    const expr = this.builder.get(of.id);
    if (expr.kind === "const") {
      const value = of.type === "i32" && expr.value === 0 ? 0 : -expr.value;
      return { id: this.builder.constant(value, of.type), type: of.type };
    }
    const range = this.builder.rangeOf(of.id);
    const id = this.builder.op("neg", of.id);
    return { id: this.#ranged(id, range && [-range[1], -range[0]]), type: of.type };
  }

  #binary(e: Expression & { kind: "binary" }): Typed | undefined {
    const left = this.#value(e.left);
    const right = this.#value(e.right);
    if (left === undefined || right === undefined) return undefined;
    this.builder.span = e.span;
    const { op, on } = OPERATORS[e.operator];
    const logical = left.type === "bool" && right.type === "bool" && (op === "and" || op === "or");
    if (logical) return { id: this.builder.op(op, left.id, right.id), type: "bool" };
    const shown = `\`${e.operator}\``;
    for (const [side, typed] of [
      [e.left, left],
      [e.right, right],
    ] as const) {
      // biome-ignore format: a pair
      if (typed.type === "bool") return this.#typeError(side.span, `${shown} does not take a condition here`);
      if (on === "bits" && typed.type !== "i32")
        return this.#typeError(side.span, `${shown} works on integers, this is ${TYPE_WORDS[typed.type]}`);
    }
    const integer = left.type === "i32" && right.type === "i32";
    const a = integer ? left.id : this.#float(left);
    const b = integer ? right.id : this.#float(right);
    if (integer && (op === "div" || op === "mod")) {
      const range = this.builder.rangeOf(b);
      if (range === undefined || (range[0] <= 0 && range[1] >= 0))
        return this.#error(
          "type/division",
          e.right.span,
          `the integer divisor of ${shown} ${runs(range)}, and must never be 0`,
        );
    }
    const id = this.builder.op(op, a, b);
    if (integer) this.#ranged(id, bitRange(op, this.builder.rangeOf(a), this.builder.rangeOf(b)));
    return { id, type: on === "compare" ? "bool" : integer ? "i32" : "f32" };
  }

  #select(condition: Expression, yes: Expression, no: Expression, span: Span): Typed | undefined {
    const [c, a, b] = [this.#value(condition), this.#value(yes), this.#value(no)];
    if (c === undefined || a === undefined || b === undefined) return undefined;
    if (c.type !== "bool")
      return this.#typeError(condition.span, `a condition is needed, this is ${TYPE_WORDS[c.type]}`, [
        { message: "compare it: `… != 0`" },
      ]);
    this.builder.span = span;
    if (a.type === b.type) {
      const [p, q] = [this.builder.rangeOf(a.id), this.builder.rangeOf(b.id)];
      const id = this.builder.op("select", c.id, a.id, b.id);
      const range: Range | undefined = p && q && [Math.min(p[0], q[0]), Math.max(p[1], q[1])];
      return { id: this.#ranged(id, range), type: a.type };
    }
    if (a.type === "bool" || b.type === "bool") return this.#typeError(span, "both cases must be numbers");
    return { id: this.builder.op("select", c.id, this.#float(a), this.#float(b)), type: "f32" };
  }
}

const runs = (range: Range | undefined): string =>
  range === undefined
    ? "has no known range"
    : range[0] === range[1]
      ? `is ${range[0]}`
      : `runs from ${range[0]} to ${range[1]}`;

const magnitude = (range: Range | undefined): Range | undefined =>
  range && [range[0] > 0 ? range[0] : range[1] < 0 ? -range[1] : 0, Math.max(Math.abs(range[0]), Math.abs(range[1]))];

/** Ranges of the operators on bits of non-negative integers, which the expression table does not derive. */
function bitRange(op: string, a: Range | undefined, b: Range | undefined): Range | undefined {
  if (op === "and") {
    // x & mask lies in 0..mask whatever x is, as long as the mask is not negative.
    const masks = [a, b].flatMap((r) => (r !== undefined && r[0] >= 0 ? [r[1]] : []));
    return masks.length === 0 ? undefined : [0, Math.min(...masks)];
  }
  if (a === undefined || b === undefined || a[0] < 0 || b[0] < 0) return undefined;
  const top = Math.max(a[1], b[1]);
  if (op === "or" || op === "xor") return top >= 2 ** 31 ? undefined : [0, 2 ** (32 - Math.clz32(top)) - 1];
  if (b[1] > 31) return undefined;
  if (op === "shr") return [Math.floor(a[0] / 2 ** b[1]), Math.floor(a[1] / 2 ** b[0])];
  if (op === "shl") return a[1] * 2 ** b[1] < 2 ** 31 ? [a[0] * 2 ** b[0], a[1] * 2 ** b[1]] : undefined;
  return undefined;
}

/** Reports a call with the wrong number of arguments. */
export function checkArity(callee: Name, given: number, diagnostics: Diagnostics): boolean {
  const row = functionNamed(callee.text);
  if (row === undefined) return false;
  const variadic = row.op === "min" || row.op === "max";
  if (variadic ? given >= row.arity : given === row.arity) return true;
  const wanted = `${variadic ? "at least " : ""}${row.arity} ${row.arity === 1 ? "argument" : "arguments"}`;
  report(diagnostics, "type/arguments", callee.span, `\`${callee.text}\` takes ${wanted}, not ${given}`);
  return false;
}

/** The numbers of a table, rounded to f32; an unused code (`_`) holds 0. */
export function constantEntries(entries: readonly Expression[], diagnostics: Diagnostics): number[] | undefined {
  const values: number[] = [];
  for (const entry of entries) {
    if (entry.kind === "missing") return undefined;
    const value = entry.kind === "hole" ? 0 : constant(entry);
    if (value === undefined || !Number.isFinite(Math.fround(value))) {
      const message = value === undefined ? "a table's entry is a constant number" : "this entry is not finite in f32";
      report(diagnostics, "format/table-entry", entry.span, message, [
        { message: "an entry is made of numbers, `+`, `-`, `*` and `/`, or is `_` for a code that is not used" },
      ]);
      return undefined;
    }
    values.push(Math.fround(value));
  }
  return values;
}

// Division here is real division: a table says which numbers there are.
function constant(e: Expression): number | undefined {
  if (e.kind === "number") return e.value;
  if (e.kind === "negate") {
    const of = constant(e.of);
    return of === undefined ? undefined : -of;
  }
  if (e.kind !== "binary") return undefined;
  const [a, b] = [constant(e.left), constant(e.right)];
  if (a === undefined || b === undefined) return undefined;
  switch (e.operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    default:
      return undefined;
  }
}
