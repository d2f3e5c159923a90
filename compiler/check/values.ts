/** Value expressions of formats: from the tree to the IR's expressions, with types and known ranges. */
import { Diagnostics, type Note, type Span } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId, type Op, type Range, type Table } from "../../ir/expr.ts";
import type { FieldUse, Format } from "../../ir/format.ts";
import { isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import type { Code } from "../explain/explain.ts";
import { didYouMean, report, warn } from "../report.ts";
import type { Expression, FnItem, Name } from "../syntax/ast.ts";
import { namesIn } from "../syntax/ast-names.ts";
import { encodedBy, powerOfTwo } from "./encodings.ts";
import { checkArity, ENCODINGS, encodingNamed, FUNCTIONS, functionNamed, OPERATORS } from "./functions.ts";
import { bitRange, magnitude, runs } from "./ranges.ts";
import { constantEntries } from "./tables.ts";
import type { ValueField, ValueScope } from "./value-scope.ts";

/** Integers compute as i32, numbers as f32, conditions as bool. */
type ValueType = "i32" | "f32" | "bool";

interface Typed {
  readonly id: ExprId;
  readonly type: ValueType;
}

/** The names of a body: what `let` and parameters say, and the function whose body it is. */
interface Frame {
  readonly locals: Map<string, Typed>;
  readonly fn?: FnItem;
}

/** Most terms of a sum, and most operations of a value: sums and functions inside each other multiply. */
const MAX_TERMS = 1024;
const MAX_ENTRIES = 65_536;

/** Most calls of functions in one format's value: functions that call functions stay cheap. */
const MAX_CALLS = 10_000;

const TYPE_WORDS: Readonly<Record<ValueType, string>> = { i32: "an integer", f32: "a number", bool: "a condition" };

/** Builds one format's value expression; every mistake is reported and yields `undefined`. */
export class ValueBuilder {
  readonly builder = new ExprBuilder();
  readonly uses: FieldUse[] = [];
  readonly tables: Table[] = [];
  readonly #scope: ValueScope;
  #diagnostics: Diagnostics;
  #frame: Frame = { locals: new Map() };
  readonly #callers: FnItem[] = [];
  /** Results by function and arguments: equal calls are made once. */
  readonly #results = new Map<FnItem, Map<string, Typed | undefined>>();
  #calls = 0;

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
  fieldNumber(field: ValueField, index: ExprId): ExprId {
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
        return this.#sum(e);
      case "block":
        return this.#block(e);
      case "hole":
      case "missing":
        return undefined;
    }
  }

  #block(e: Expression & { kind: "block" }): Typed | undefined {
    const { locals } = this.#frame;
    const used = namesIn(e);
    for (const { name, value } of e.lets) {
      const typed = this.#value(value);
      const earlier = this.#declared(name.text);
      if (earlier !== undefined)
        return this.#error("name/duplicate", name.span, `\`${name.text}\` is already ${earlier}`);
      if (typed === undefined) return undefined;
      locals.set(name.text, typed);
      if (!used.has(name.text)) warn(this.#diagnostics, "name/unused", name.span, `\`${name.text}\` is never used`);
    }
    return this.#value(e.value);
  }

  /** `sum j < 4 { … }`: the terms one after the other. */
  #sum(e: Expression & { kind: "sum" }): Typed | undefined {
    const [index, second] = e.over;
    if (e.bound === undefined)
      return this.#error(
        "format/sum",
        e.span,
        `a sum in a format says how far it goes: \`sum ${index?.text} < 4 { … }\``,
      );
    if (second !== undefined)
      return this.#error("format/sum", second.span, "a sum in a format has one index", [
        { message: "put another sum into its braces" },
      ]);
    const bound = this.#value(e.bound);
    if (bound === undefined || index === undefined) return undefined;
    const limit = this.builder.get(bound.id);
    if (limit.kind !== "const" || bound.type !== "i32" || limit.value < 1 || limit.value > MAX_TERMS)
      return this.#error(
        "format/sum",
        e.bound.span,
        `a sum in a format has 1 to ${MAX_TERMS} terms, a constant number`,
      );
    const earlier = this.#declared(index.text);
    if (earlier !== undefined)
      return this.#error("name/duplicate", index.span, `\`${index.text}\` is already ${earlier}`);
    let total: Typed | undefined;
    for (let n = 0; n < limit.value; n++) {
      this.#frame.locals.set(index.text, { id: this.builder.constant(n), type: "i32" });
      const term = this.#value(e.body);
      if (term?.type === "bool") this.#typeError(e.body.span, "a sum adds numbers, this is a condition");
      total =
        term === undefined || term.type === "bool" ? undefined : total === undefined ? term : this.#plus(total, term);
      if (total === undefined) break;
      if (this.builder.exprs.length > MAX_ENTRIES) {
        total = this.#error("limit/expression", e.span, `this value makes more than ${MAX_ENTRIES} operations`);
        break;
      }
    }
    this.#frame.locals.delete(index.text);
    return total;
  }

  #plus(a: Typed, b: Typed): Typed {
    if (a.type === "i32" && b.type === "i32") return { id: this.#integer("add", a.id, b.id), type: "i32" };
    return { id: this.builder.add(this.#float(a), this.#float(b)), type: "f32" };
  }

  /** Integer arithmetic wraps: where it may, it is done on unsigned integers, for which every language says so. */
  #integer(op: Op, a: ExprId, b: ExprId): ExprId {
    const { builder } = this;
    const id = builder.op(op, a, b);
    const exact = op !== "add" && op !== "sub" && op !== "mul";
    if (exact || builder.rangeOf(id) !== undefined || builder.get(id).kind === "const") return id;
    return builder.bits(builder.op(op, builder.bits(a, "u32"), builder.bits(b, "u32")), "i32");
  }

  #declared(name: string): string | undefined {
    if (this.#frame.locals.has(name)) return "a name here";
    if (this.#frame.fn !== undefined) return undefined;
    if (name === this.#scope.index?.text) return "the element's index";
    return this.#scope.fields.has(name) ? "a field" : undefined;
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
    const local = this.#frame.locals.get(name);
    if (local !== undefined) return local;
    if (this.#frame.fn === undefined && name === this.#scope.index?.text) return { id: this.element(), type: "i32" };
    const known = this.#field(name);
    if (known !== undefined) {
      const { field } = known;
      if (field.count === 1) return this.#use(known, this.builder.constant(0));
      const hint = this.#scope.index?.text ?? "i";
      const notes = [{ message: `\`${name}\` is declared here with ${field.count} elements`, span: field.span }];
      return this.#error("format/indexing", span, `\`${name}\` needs an index: \`${name}[${hint}]\``, notes);
    }
    if (this.#scope.codebook(name) !== undefined)
      return this.#error("format/indexing", span, `codebook \`${name}\` needs an index: \`${name}[code]\``);
    return this.#unknown(name, span);
  }

  /** A field, where fields are visible: a function sees its parameters alone. */
  #field(name: string): ValueField | undefined {
    return this.#frame.fn === undefined ? this.#scope.fields.get(name) : undefined;
  }

  #unknown(name: string, span: Span): undefined {
    const { fields, index, name: format } = this.#scope;
    const { locals, fn } = this.#frame;
    const own = fn === undefined ? [...fields.keys(), ...(index === undefined ? [] : [index.text])] : [];
    const known = [...locals.keys(), ...own, ...this.#scope.codebookNames()];
    const notes: Note[] = [];
    if (fn !== undefined && fields.has(name))
      notes.push({ message: "a function sees its parameters, not the fields of the format that calls it" });
    else if (index === undefined && name === "i")
      notes.push({ message: "write `value(i) = …` to use the element's index" });
    const fix = didYouMean(name, span, known);
    const where = fn === undefined ? `format \`${format}\`` : `function \`${fn.name.text}\``;
    report(this.#diagnostics, "name/unknown", span, `\`${name}\` is not known in ${where}`, notes, fix);
  }

  #use({ field, codec }: ValueField, index: ExprId): Typed {
    const at = this.uses.findIndex((use) => use.field === field.name && use.index === index);
    const number = at >= 0 ? at : this.uses.push({ field: field.name, index }) - 1;
    const input = this.builder.input(number, field.type);
    if (codec !== undefined) return this.#decoded(codec, input);
    if (isFloat(field.type)) return { id: this.builder.cast(input, "f32"), type: "f32" };
    if (isInt(field.type) && Number(field.type.slice(1)) < 32) this.#ranged(input, rangeOf(field.type));
    const id = this.builder.cast(input, "i32");
    this.#ranged(id, this.builder.rangeOf(input));
    return { id, type: "i32" };
  }

  /** A stored code as the format of single values that says what it means. */
  #decoded(codec: Format, input: ExprId): Typed {
    for (const table of codec.tables) if (!this.tables.some((t) => t.name === table.name)) this.tables.push(table);
    const value = codec.exprs.exprs[codec.value];
    // A code that is its own value stays an integer.
    const isInteger = value?.kind === "cast" && codec.exprs.exprs[value.of]?.type === "i32";
    const root = isInteger ? value.of : codec.value;
    const id = this.builder.copy(codec.exprs, root, (e) => (e.kind === "input" ? input : undefined));
    return { id: isInteger ? this.#ranged(id, codec.exprs.ranges?.[root]) : id, type: isInteger ? "i32" : "f32" };
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
    const field = this.#field(e.base.name);
    if (field !== undefined) return this.#fieldElement(field, index.id, at.span);
    const codebook = this.#scope.codebook(e.base.name);
    if (codebook === "broken" || e.base.name === "") return undefined;
    if (codebook === undefined) return this.#unknown(e.base.name, e.base.span);
    const note = { message: `\`${e.base.name}\` is declared here`, span: codebook.span };
    return this.#lookup(codebook.table, index.id, at.span, `codebook \`${e.base.name}\``, [note]);
  }

  #fieldElement(known: ValueField, index: ExprId, span: Span): Typed | undefined {
    const { field } = known;
    const note = { message: `\`${field.name}\` is declared here`, span: field.span };
    const range = this.builder.rangeOf(index);
    if (range === undefined || range[0] < 0 || range[1] >= field.count) {
      const message = `the index of \`${field.name}\` ${runs(range)}; its elements are 0 to ${field.count - 1}`;
      return this.#error("format/index-range", span, message, [note]);
    }
    return this.#use(known, index);
  }

  #literalTable(list: Expression & { kind: "list" }, index: ExprId, span: Span): Typed | undefined {
    const values = constantEntries(list.entries, this.#diagnostics);
    if (values === undefined) return undefined;
    const same = this.tables.find(
      (t) => t.values.length === values.length && t.values.every((v, i) => v === values[i]),
    );
    const table: Table = same ?? { name: `${this.#scope.name}.table${this.tables.length}`, type: "f32", values };
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
    const fn = this.#scope.fn(callee.text, callee.span);
    if (fn !== undefined) return this.#inline(fn, callee, args);
    const encoding = encodingNamed(callee.text);
    if (encoding !== undefined) return this.#encoded(callee, encoding, args, span);
    const row = functionNamed(callee.text);
    if (row === undefined) {
      const known = [...Object.keys(FUNCTIONS), ...Object.keys(ENCODINGS), ...this.#scope.fnNames()];
      const fix = didYouMean(callee.text, callee.span, known);
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
    if (row.op === "exp2" && values[0]!.type === "i32") {
      const power = powerOfTwo(this.builder, values[0]!.id);
      if (power !== undefined) return { id: power, type: "f32" };
    }
    const ids = values.map((v) => (integer ? v.id : this.#float(v)));
    const id =
      ids.length === 1 ? this.builder.op(row.op, ids[0]!) : ids.reduce((a, b) => this.builder.op(row.op, a, b));
    if (integer && row.op === "abs") this.#ranged(id, magnitude(this.builder.rangeOf(ids[0]!)));
    return { id, type: integer ? "i32" : "f32" };
  }

  /** The number that an integer encodes. */
  #encoded(callee: Name, type: "f16" | "bf16" | "f32", args: readonly Expression[], span: Span): Typed | undefined {
    const [arg] = args;
    if (arg === undefined || args.length !== 1)
      return this.#error("type/arguments", callee.span, `\`${callee.text}\` takes 1 argument, not ${args.length}`);
    const code = this.#value(arg);
    if (code === undefined) return undefined;
    if (code.type !== "i32")
      return this.#typeError(
        arg.span,
        `\`${callee.text}\` reads the bits of an integer, this is ${TYPE_WORDS[code.type]}`,
      );
    this.builder.span = span;
    return { id: encodedBy(this.builder, code.id, type), type: "f32" };
  }

  /** A call of a declared function: its body with the arguments for its parameters. */
  #inline(fn: FnItem, callee: Name, args: readonly Expression[]): Typed | undefined {
    const values = args.map((arg) => this.#value(arg));
    if (fn.broken || !values.every((v): v is Typed => v !== undefined)) return undefined;
    const declared = { message: "declared here", span: fn.name.span };
    if (args.length !== fn.parameters.length) {
      const wanted = fn.parameters.length;
      const message = `\`${callee.text}\` takes ${wanted} ${wanted === 1 ? "argument" : "arguments"}, not ${args.length}`;
      return this.#error("type/arguments", callee.span, message, [declared]);
    }
    if (this.#callers.includes(fn))
      return this.#error("name/cycle", callee.span, `function \`${callee.text}\` calls itself`, [declared]);
    const key = values.map((v) => v.id).join();
    const results = this.#results.get(fn) ?? new Map<string, Typed | undefined>();
    this.#results.set(fn, results);
    if (results.has(key)) return results.get(key);
    if (this.#calls++ >= MAX_CALLS)
      return this.#error("limit/expression", callee.span, `more than ${MAX_CALLS} calls in one value`);
    const result = this.#within(fn, callee, new Map(fn.parameters.map((p, n) => [p.text, values[n]!])));
    results.set(key, result);
    return result;
  }

  /** Evaluates a function's body; mistakes in it are shown with the call that led there. */
  #within(fn: FnItem, callee: Name, locals: Map<string, Typed>): Typed | undefined {
    const outer = { frame: this.#frame, diagnostics: this.#diagnostics, span: this.builder.span };
    this.#frame = { locals, fn };
    this.#diagnostics = new Diagnostics();
    this.#callers.push(fn);
    const result = this.#value(fn.value);
    this.#callers.pop();
    const note = { message: `\`${callee.text}\` is called here`, span: callee.span };
    // What is only a warning about the function is said once.
    const first = this.#results.get(fn)?.size === 0;
    for (const d of this.#diagnostics.list)
      if (first || d.severity === "error") outer.diagnostics.add({ ...d, notes: [...d.notes, note] });
    this.#frame = outer.frame;
    this.#diagnostics = outer.diagnostics;
    this.builder.span = outer.span;
    return result;
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
    const id = integer ? this.#integer(op, a, b) : this.builder.op(op, a, b);
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
