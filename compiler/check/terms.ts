/** Expressions of operator bodies: from the tree to resolved terms. */
import { Diagnostics, type Note, type Span } from "../../ir/diagnostics.ts";
import type { Code } from "../explain/explain.ts";
import { didYouMean, report } from "../report.ts";
import type { Expression, FnItem, Name } from "../syntax/ast.ts";
import { checkArity, encodingNamed, FUNCTIONS, functionNamed, OPERATORS } from "./functions.ts";
import type { IndexScope } from "./indices.ts";
import type { Access, Extent, Index, Term } from "./module.ts";

interface Typed {
  readonly term: Term;
  readonly condition: boolean;
}

/** A tensor that a body may read: its shape in extents, and where it was declared. */
export interface KnownTensor {
  readonly shape: readonly Extent[];
  readonly span: Span;
  /** Its elements are unsigned integers of less than 32 bits, so that they can be indices. */
  readonly places?: boolean;
}

/** The names of functions, as the place of a call sees them. */
export interface FunctionNames {
  fn(name: string, at: Span): FnItem | undefined;
  fnNames(from: Span): readonly string[];
}

/** Most nodes of one term, counted as a tree: functions that use a parameter twice double it. */
const MAX_NODES = 65_536;

/** What an operator's body may name: tensors, sizes and indices; what it does name is added to `used`. */
export interface BodyScope {
  readonly tensors: ReadonlyMap<string, KnownTensor>;
  readonly sizes: ReadonlyMap<string, Span>;
  readonly used: Set<string>;
  readonly indices: IndexScope;
}

/** Builds the term of one statement; every mistake is reported and yields `undefined`. */
export class TermBuilder {
  readonly #tensors: ReadonlyMap<string, KnownTensor>;
  readonly #sizeNames: ReadonlyMap<string, Span>;
  readonly #used: Set<string>;
  readonly #indices: IndexScope;
  readonly #names: FunctionNames;
  #diagnostics: Diagnostics;
  /** Inside a function: its parameters and what `let` names. */
  #locals: Map<string, Typed> | undefined;
  readonly #callers: FnItem[] = [];
  readonly #sizes = new Map<Term, number>();

  constructor(scope: BodyScope, names: FunctionNames, diagnostics: Diagnostics) {
    this.#tensors = scope.tensors;
    this.#sizeNames = scope.sizes;
    this.#used = scope.used;
    this.#indices = scope.indices;
    this.#names = names;
    this.#diagnostics = diagnostics;
  }

  /** A term that is a number. */
  number(e: Expression): Term | undefined {
    const typed = this.#term(e);
    if (typed === undefined) return undefined;
    if (typed.condition) return this.#error("type/mismatch", e.span, "a number is needed, this is a condition");
    return typed.term;
  }

  #error(code: Code, span: Span, message: string, notes: readonly Note[] = []): undefined {
    report(this.#diagnostics, code, span, message, notes);
  }

  #term(e: Expression): Typed | undefined {
    switch (e.kind) {
      case "number": {
        const value = Math.fround(e.value);
        if (!Number.isFinite(value)) return this.#error("limit/range", e.span, `\`${e.text}\` is too large for f32`);
        return { term: { kind: "number", value, span: e.span }, condition: false };
      }
      case "index":
        return this.#access(e);
      case "negate": {
        const of = this.number(e.of);
        return of && { term: negated(of, e.span), condition: false };
      }
      case "binary":
        return this.#binary(e);
      case "conditional":
        return this.#select([e.condition, e.yes, e.no], e.span);
      case "call":
        return this.#call(e.callee, e.args, e.span);
      case "sum":
        if (e.bound !== undefined)
          return this.#error("format/sum", e.bound.span, "an operator's sums go as far as the axes that they index", [
            { message: "only a format says how far a sum goes" },
          ]);
        return this.#sum(e.over, e.body, e.span);
      case "name":
        return this.#bareName(e.name, e.span);
      case "list":
        return this.#error("type/mismatch", e.span, "tables belong into formats; an operator works on tensors");
      case "block": {
        for (const { name, value } of e.lets) {
          const typed = this.#term(value);
          if (typed === undefined) return undefined;
          this.#locals?.set(name.text, typed);
        }
        return this.#term(e.value);
      }
      case "hole":
      case "missing":
        return undefined;
    }
  }

  #bareName(name: string, span: Span): Typed | undefined {
    if (name === "") return undefined;
    const local = this.#locals?.get(name);
    if (local !== undefined) return local;
    if (this.#locals !== undefined) return this.#unknown(name, span);
    if (this.#indices.has(name)) return { term: { kind: "index", axis: name, span }, condition: false };
    if (this.#sizeNames.has(name)) {
      this.#used.add(name);
      return { term: { kind: "size", name, span }, condition: false };
    }
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) return this.#unknown(name, span);
    const notes = [{ message: `\`${name}\` is declared here`, span: tensor.span }];
    return this.#error("shape/rank", span, `\`${name}\` needs its indices: \`${name}[…]\``, notes);
  }

  #unknown(name: string, span: Span): undefined {
    const inside = this.#callers.at(-1);
    const fix = didYouMean(name, span, this.#locals?.keys() ?? this.#tensors.keys());
    const message =
      inside === undefined
        ? `there is no tensor \`${name}\``
        : `\`${name}\` is not known in function \`${inside.name.text}\``;
    report(this.#diagnostics, "name/unknown", span, message, [], fix);
  }

  #access(e: Expression & { kind: "index" }): Typed | undefined {
    if (e.base.kind !== "name")
      return e.base.kind === "missing"
        ? undefined
        : this.#error("type/mismatch", e.base.span, "only tensors have indices here");
    const name = e.base.name;
    const tensor = this.#locals === undefined ? this.#tensors.get(name) : undefined;
    if (tensor === undefined) return name === "" ? undefined : this.#unknown(name, e.base.span);
    this.#used.add(name);
    // A tensor whose declaration was wrong has no shape; its uses cannot be judged.
    if (tensor.shape.length === 0) return undefined;
    if (e.indices.length !== tensor.shape.length) {
      const [has, given] = [tensor.shape.length, e.indices.length];
      const message = `\`${name}\` has ${has} ${has === 1 ? "axis" : "axes"}, ${given} ${given === 1 ? "index is" : "indices are"} given`;
      return this.#error("shape/rank", e.span, message, [
        { message: `\`${name}[${tensor.shape.join(", ")}]\` is declared here`, span: tensor.span },
      ]);
    }
    const index = e.indices.map((at, n) =>
      looksUp(at) ? this.#lookedUp(at) : this.#indices.index(at, name, tensor.shape[n]!, tensor.span),
    );
    if (!index.every((i): i is Index => i !== undefined)) return undefined;
    return { term: { kind: "access", tensor: name, index, span: e.span }, condition: false };
  }

  /** An index that adds up indices, whole numbers and elements of tensors of places. */
  #lookedUp(e: Expression): Index | undefined {
    const lookedUp: Access[] = [];
    let [axis, offset]: [string | undefined, number] = [undefined, 0];
    for (const part of summands(e)) {
      if (part.kind === "number" && Number.isInteger(part.value) && part.value < 2 ** 31) offset += part.value;
      else if (part.kind === "name" && axis === undefined) {
        if (!this.#indices.require({ text: part.name, span: part.span })) return undefined;
        axis = part.name;
      } else if (part.kind === "index") {
        const found = this.#access(part)?.term;
        if (found?.kind !== "access") return undefined;
        if (this.#tensors.get(found.tensor)?.places !== true)
          return this.#error("shape/places", part.span, `elements of \`${found.tensor}\` cannot be indices`, [
            { message: "indices are looked up in operands of unsigned integers, `u16` say" },
          ]);
        lookedUp.push(found);
      } else
        return this.#error(
          "shape/index",
          part.span,
          "an index that is looked up is a sum of elements, whole numbers and at most one variable",
        );
    }
    return { ...(axis === undefined ? {} : { axis }), offset, lookedUp };
  }

  #binary(e: Expression & { kind: "binary" }): Typed | undefined {
    const { op, on } = OPERATORS[e.operator];
    if (op === "and" || op === "or") {
      const [left, right] = [this.#condition(e.left), this.#condition(e.right)];
      return left && right && { term: { kind: "apply", op, args: [left, right], span: e.span }, condition: true };
    }
    if (on === "bits")
      return this.#error(
        "type/mismatch",
        e.operatorSpan,
        `\`${e.operator}\` works on integers; an operator's values are real numbers`,
        [{ message: "bits are the business of formats" }],
      );
    const [left, right] = [this.number(e.left), this.number(e.right)];
    if (left === undefined || right === undefined) return undefined;
    return { term: { kind: "apply", op, args: [left, right], span: e.span }, condition: on === "compare" };
  }

  #condition(e: Expression): Term | undefined {
    const typed = this.#term(e);
    if (typed === undefined || typed.condition) return typed?.term;
    return this.#error("type/mismatch", e.span, "a condition is needed, this is a number", [
      { message: "compare it: `… > 0`" },
    ]);
  }

  #select(args: readonly [Expression, Expression, Expression], span: Span): Typed | undefined {
    const [c, yes, no] = [this.#condition(args[0]), this.number(args[1]), this.number(args[2])];
    if (c === undefined || yes === undefined || no === undefined) return undefined;
    return { term: { kind: "apply", op: "select", args: [c, yes, no], span }, condition: false };
  }

  #call(callee: Name, args: readonly Expression[], span: Span): Typed | undefined {
    if (callee.text === "") return undefined;
    if (callee.text === "quantize")
      return this.#error("op/quantize", callee.span, "`quantize` stands alone in a `let`", [
        { message: "write `let xq = quantize(x, i8_row)`, then use `xq[…]`" },
      ]);
    const fn = this.#names.fn(callee.text, callee.span);
    if (fn !== undefined) return this.#inline(fn, callee, args);
    if (encodingNamed(callee.text) !== undefined)
      return this.#error(
        "type/mismatch",
        callee.span,
        `\`${callee.text}\` works on integers; an operator's values are real numbers`,
        [{ message: "bits are the business of formats" }],
      );
    const row = functionNamed(callee.text);
    if (row === undefined) {
      const known = [...Object.keys(FUNCTIONS), ...this.#names.fnNames(callee.span)];
      const fix = didYouMean(callee.text, callee.span, known);
      report(this.#diagnostics, "name/unknown", callee.span, `there is no function \`${callee.text}\``, [], fix);
      return undefined;
    }
    if (!checkArity(callee, args.length, this.#diagnostics)) return undefined;
    const [first, second, third] = args;
    if (row.op === "select") return this.#select([first!, second!, third!], span);
    const terms = args.map((arg) => this.number(arg));
    if (!terms.every((t): t is Term => t !== undefined)) return undefined;
    const term =
      terms.length === 1
        ? ({ kind: "apply", op: row.op, args: terms, span } as const)
        : terms.reduce((a, b): Term => ({ kind: "apply", op: row.op, args: [a, b], span }));
    return { term, condition: false };
  }

  /** A call of a declared function: its body with the arguments for its parameters. */
  #inline(fn: FnItem, callee: Name, args: readonly Expression[]): Typed | undefined {
    const values = args.map((arg) => this.#term(arg));
    if (fn.broken || !values.every((v): v is Typed => v !== undefined)) return undefined;
    const declared = { message: "declared here", span: fn.name.span };
    if (args.length !== fn.parameters.length) {
      const wanted = fn.parameters.length;
      const message = `\`${callee.text}\` takes ${wanted} ${wanted === 1 ? "argument" : "arguments"}, not ${args.length}`;
      return this.#error("type/arguments", callee.span, message, [declared]);
    }
    if (this.#callers.includes(fn))
      return this.#error("name/cycle", callee.span, `function \`${callee.text}\` calls itself`, [declared]);
    const outer = { locals: this.#locals, diagnostics: this.#diagnostics };
    this.#locals = new Map(fn.parameters.map((p, n) => [p.text, values[n]!]));
    this.#diagnostics = new Diagnostics();
    this.#callers.push(fn);
    const result = this.#term(fn.value);
    this.#callers.pop();
    const note = { message: `\`${callee.text}\` is called here`, span: callee.span };
    for (const d of this.#diagnostics.list) outer.diagnostics.add({ ...d, notes: [...d.notes, note] });
    this.#locals = outer.locals;
    this.#diagnostics = outer.diagnostics;
    if (result !== undefined && this.#sizeOf(result.term) > MAX_NODES)
      return this.#error("limit/expression", callee.span, `this call makes more than ${MAX_NODES} operations`);
    return result;
  }

  #sizeOf(term: Term): number {
    const known = this.#sizes.get(term);
    if (known !== undefined) return known;
    const parts = term.kind === "apply" ? term.args : term.kind === "sum" ? [term.body] : [];
    const size = parts.reduce((n, part) => n + this.#sizeOf(part), 1);
    this.#sizes.set(term, size);
    return size;
  }

  #sum(over: readonly Name[], body: Expression, span: Span): Typed | undefined {
    this.#indices.open();
    for (const name of over) this.#indices.declare(name);
    const term = this.number(body);
    const complete = this.#indices.leave(term !== undefined);
    if (term === undefined || !complete) return undefined;
    return { term: { kind: "sum", over: over.map((name) => name.text), body: term, span }, condition: false };
  }
}

/** The parts of a sum. */
const summands = (e: Expression): readonly Expression[] =>
  e.kind === "binary" && e.operator === "+" ? [...summands(e.left), ...summands(e.right)] : [e];

/** True where an index reads tensors. */
const looksUp = (e: Expression): boolean => summands(e).some((part) => part.kind === "index");

function negated(of: Term, span: Span): Term {
  return of.kind === "number" ? { ...of, value: -of.value, span } : { kind: "apply", op: "neg", args: [of], span };
}
