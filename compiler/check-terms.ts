/** Expressions of operator bodies: from the tree to resolved terms. */
import type { Diagnostics, Note, Span } from "../ir/diagnostics.ts";
import type { Expression, Name } from "./ast.ts";
import type { IndexScope } from "./check-indices.ts";
import type { KnownTensor } from "./check-ops.ts";
import { checkArity } from "./check-values.ts";
import type { Code } from "./explain.ts";
import { FUNCTIONS, functionNamed, OPERATORS } from "./functions.ts";
import type { Index, Term } from "./module.ts";
import { didYouMean, report } from "./report.ts";

interface Typed {
  readonly term: Term;
  readonly condition: boolean;
}

/** Builds the term of one statement; every mistake is reported and yields `undefined`. */
export class TermBuilder {
  readonly #tensors: ReadonlyMap<string, KnownTensor>;
  readonly #used: Set<string>;
  readonly #indices: IndexScope;
  readonly #diagnostics: Diagnostics;

  constructor(
    tensors: ReadonlyMap<string, KnownTensor>,
    used: Set<string>,
    indices: IndexScope,
    diagnostics: Diagnostics,
  ) {
    this.#tensors = tensors;
    this.#used = used;
    this.#indices = indices;
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
        return this.#sum(e.over, e.body, e.span);
      case "name":
        return this.#bareName(e.name, e.span);
      case "list":
        return this.#error("type/mismatch", e.span, "tables belong into formats; an operator works on tensors");
      case "hole":
      case "missing":
        return undefined;
    }
  }

  #bareName(name: string, span: Span): undefined {
    if (name === "") return undefined;
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) return this.#unknown(name, span);
    const notes = [{ message: `\`${name}\` is declared here`, span: tensor.span }];
    return this.#error("shape/rank", span, `\`${name}\` needs its indices: \`${name}[…]\``, notes);
  }

  #unknown(name: string, span: Span): undefined {
    const fix = didYouMean(name, span, this.#tensors.keys());
    report(this.#diagnostics, "name/unknown", span, `there is no tensor \`${name}\``, [], fix);
  }

  #access(e: Expression & { kind: "index" }): Typed | undefined {
    if (e.base.kind !== "name")
      return e.base.kind === "missing"
        ? undefined
        : this.#error("type/mismatch", e.base.span, "only tensors have indices here");
    const name = e.base.name;
    const tensor = this.#tensors.get(name);
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
    const index = e.indices.map((at, n) => this.#indices.index(at, name, tensor.shape[n]!, tensor.span));
    if (!index.every((i): i is Index => i !== undefined)) return undefined;
    return { term: { kind: "access", tensor: name, index, span: e.span }, condition: false };
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
    const row = functionNamed(callee.text);
    if (row === undefined) {
      const fix = didYouMean(callee.text, callee.span, Object.keys(FUNCTIONS));
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

  #sum(over: readonly Name[], body: Expression, span: Span): Typed | undefined {
    this.#indices.open();
    for (const name of over) this.#indices.declare(name);
    const term = this.number(body);
    const complete = this.#indices.leave(term !== undefined);
    if (term === undefined || !complete) return undefined;
    return { term: { kind: "sum", over: over.map((name) => name.text), body: term, span }, condition: false };
  }
}

function negated(of: Term, span: Span): Term {
  return of.kind === "number" ? { ...of, value: -of.value, span } : { kind: "apply", op: "neg", args: [of], span };
}
