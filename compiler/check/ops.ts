/** Operators: names, extents and index units of a body, resolved into terms. */
import type { Diagnostics, Note, Span } from "../../ir/diagnostics.ts";
import { type Format, isPlain } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, isSigned } from "../../ir/scalar.ts";
import type { Code } from "../explain/explain.ts";
import { didYouMean, report, warn } from "../report.ts";
import type { Expression, Name, OpItem, Statement, TensorType, TypeRef } from "../syntax/ast.ts";
import { wholeNumber } from "./formats.ts";
import { IndexScope } from "./indices.ts";
import type { CheckedOp, CheckedStatement, Extent, Operand } from "./module.ts";
import { type FunctionNames, type KnownTensor, TermBuilder } from "./terms.ts";

/** Extents and tensors stay below this many elements. */
const MAX_ELEMENTS = 2 ** 31;

/** The names of formats and functions that an operator may use. */
export interface OpNames extends FunctionNames {
  /** "broken": there is no such format, or there is a mistake in it; either is already reported. */
  format(ref: TypeRef): Format | "broken";
}

/** Checks one operator; undefined where a mistake was reported. */
export function checkOp(item: OpItem, names: OpNames, diagnostics: Diagnostics): CheckedOp | undefined {
  if (item.broken) return undefined;
  return new OpChecker(item, names, diagnostics).check();
}

class OpChecker {
  readonly #item: OpItem;
  readonly #names: OpNames;
  readonly #diagnostics: Diagnostics;
  readonly #sizes = new Map<string, Span>();
  readonly #tensors = new Map<string, KnownTensor>();
  readonly #used = new Set<string>();
  readonly #indices: IndexScope;
  #failed = false;

  constructor(item: OpItem, names: OpNames, diagnostics: Diagnostics) {
    this.#item = item;
    this.#names = names;
    this.#diagnostics = diagnostics;
    this.#indices = new IndexScope(diagnostics);
  }

  check(): CheckedOp | undefined {
    const item = this.#item;
    for (const size of item.sizes) this.#declareSize(size);
    const operands = item.parameters.map((p) => {
      const operand = this.#operand(p.name.text, p.type, p.name.span);
      if (operand !== undefined) this.#declare(p.name, operand.shape, this.#isPlaces(p.type));
      // A name whose type is wrong is still a name.
      else this.#tensors.set(p.name.text, { shape: [], span: p.name.span });
      return operand;
    });
    const resultType = this.#resultType(item.result);
    if (this.#failed || !operands.every((o): o is Operand => o !== undefined) || resultType === undefined)
      return undefined;
    const statements: CheckedStatement[] = [];
    for (const [n, statement] of item.body.entries()) {
      const checked = this.#statement(statement, resultType, n === item.body.length - 1);
      if (checked !== undefined) statements.push(checked);
    }
    const last = item.body[item.body.length - 1];
    if (last?.kind !== "result") this.#noResult(last);
    const axes = this.#indices.close();
    if (this.#failed || axes === undefined || last === undefined) return undefined;
    this.#warnUnused();
    return {
      name: item.name.text,
      sizes: item.sizes.map((size) => ({ name: size.text, span: size.span })),
      operands,
      result: { ...resultType, name: last.name.text, span: last.name.span },
      statements,
      axes,
      span: item.name.span,
    };
  }

  #error(code: Code, span: Span, message: string, notes: readonly Note[] = []): undefined {
    this.#failed = true;
    report(this.#diagnostics, code, span, message, notes);
  }

  #declareSize(size: Name): void {
    const earlier = this.#sizes.get(size.text);
    if (earlier !== undefined)
      this.#error("name/duplicate", size.span, `size \`${size.text}\` is declared twice`, [
        { message: "the first one", span: earlier },
      ]);
    this.#sizes.set(size.text, size.span);
  }

  /** True for tensors whose elements can be indices: unsigned integers that are themselves. */
  #isPlaces(type: TensorType): boolean {
    const format = this.#names.format(type.format);
    if (format === "broken" || !isPlain(format)) return false;
    const stored = format.fields[0]!.type;
    return isInt(stored) && !isSigned(stored) && bitsOf(stored) < 32;
  }

  #declare(name: Name, shape: readonly Extent[], places = false): void {
    const earlier = this.#tensors.get(name.text);
    if (earlier !== undefined) {
      const notes = [{ message: "the first one", span: earlier.span }];
      this.#error("name/duplicate", name.span, `\`${name.text}\` is declared twice`, notes);
      return;
    }
    this.#tensors.set(name.text, { shape, span: name.span, ...(places ? { places } : {}) });
  }

  #format(ref: TypeRef): Format | undefined {
    const format = this.#names.format(ref);
    if (format !== "broken") return format;
    this.#failed = true;
    return undefined;
  }

  #operand(name: string, type: TensorType, span: Span): Operand | undefined {
    const format = this.#format(type.format);
    const shape = type.shape.map((extent) => this.#extent(extent));
    if (format === undefined || !shape.every((e): e is Extent => e !== undefined)) return undefined;
    const along = type.along === undefined ? shape.length - 1 : this.#along(type.along, type.shape);
    if (along === undefined) return undefined;
    const length = shape[along];
    if (typeof length === "number" && length % format.block !== 0) {
      const where = type.shape[along]!.span;
      const axis = type.along === undefined ? "the last axis" : `\`${type.along.text}\``;
      return this.#error("shape/block", where, `${length} is not a multiple of the block of \`${format.name}\``, [
        { message: `the block is ${format.block} values along ${axis}`, span: format.span },
      ]);
    }
    return { name, format: format.name, shape, along, formatSpan: type.format.span, span };
  }

  /** Which axis `along` names. */
  #along(name: Name, shape: readonly Expression[]): number | undefined {
    const found = shape.flatMap((e, n) => (e.kind === "name" && e.name === name.text ? [n] : []));
    if (found.length === 1) return found[0];
    if (name.text === "") return undefined;
    const named = shape.flatMap((e) => (e.kind === "name" ? [e.name] : []));
    const message =
      found.length === 0
        ? `\`${name.text}\` is no axis of this tensor`
        : `\`${name.text}\` is the extent of ${found.length} axes of this tensor`;
    this.#failed = true;
    const notes = [{ message: "`along` names the size of the axis that the format's blocks lie along" }];
    report(
      this.#diagnostics,
      "shape/along",
      name.span,
      message,
      notes,
      found.length === 0 ? didYouMean(name.text, name.span, named) : undefined,
    );
    return undefined;
  }

  #extent(e: Expression): Extent | undefined {
    if (e.kind === "number") {
      const extent = wholeNumber(e, 1, MAX_ELEMENTS - 1, "an extent", this.#diagnostics);
      if (extent === undefined) this.#failed = true;
      return extent;
    }
    if (e.kind !== "name" || e.name === "") return undefined;
    if (this.#sizes.has(e.name)) {
      this.#used.add(e.name);
      return e.name;
    }
    this.#failed = true;
    const fix = didYouMean(e.name, e.span, this.#sizes.keys());
    const notes = [{ message: `sizes are declared after the operator's name: \`${this.#item.name.text}<${e.name}>\`` }];
    report(this.#diagnostics, "name/unknown", e.span, `there is no size \`${e.name}\``, notes, fix);
    return undefined;
  }

  #resultType(type: TensorType): Operand | undefined {
    const operand = this.#operand("", type, type.span);
    const format = operand && this.#format(type.format);
    if (operand === undefined || format === undefined) return undefined;
    if (isPlain(format) && isFloat(format.fields[0]!.type)) return operand;
    const message = `a result is stored as \`f16\`, \`bf16\` or \`f32\`, not as \`${operand.format}\``;
    return this.#error("type/result", type.format.span, message);
  }

  #statement(s: Statement, result: Operand, last: boolean): CheckedStatement | undefined {
    if (s.kind === "result" && !last) {
      const notes = [{ message: "write `let` before a value that later statements use" }];
      return this.#error("op/result", s.name.span, `\`${s.name.text}\` is not the last statement`, notes);
    }
    if (s.indices === undefined) {
      if (s.kind === "let") return this.#quantize(s);
      const message = `the result needs indices: \`${s.name.text}[m, n] = …\``;
      return this.#error("op/result", s.name.span, message);
    }
    return this.#assign(s, s.indices, s.kind === "result" ? result : undefined);
  }

  #assign(s: Statement, indices: readonly Name[], result: Operand | undefined): CheckedStatement | undefined {
    if (result !== undefined && indices.length !== result.shape.length) {
      const message = `\`${s.name.text}\` has ${indices.length} ${indices.length === 1 ? "index" : "indices"}, the result type has ${result.shape.length} ${result.shape.length === 1 ? "axis" : "axes"}`;
      const notes = [{ message: "the result's type", span: this.#item.result.span }];
      return this.#error("shape/rank", s.name.span, message, notes);
    }
    this.#indices.open();
    indices.forEach((index, n) => {
      this.#indices.declare(index, result?.shape[n], this.#item.result.shape[n]?.span);
    });
    const scope = { tensors: this.#tensors, sizes: this.#sizes, used: this.#used, indices: this.#indices };
    const terms = new TermBuilder(scope, this.#names, this.#diagnostics);
    const value = terms.number(s.value);
    const shape = this.#indices.shapeOf(indices);
    if (!this.#indices.leave(value !== undefined)) this.#failed = true;
    this.#declare(s.name, shape ?? []);
    if (value === undefined || shape === undefined) {
      this.#failed = true;
      return undefined;
    }
    const axes = indices.map((index) => index.text);
    return { kind: "assign", name: s.name.text, axes, shape, value, span: s.span };
  }

  #quantize(s: Statement): CheckedStatement | undefined {
    const call = s.value;
    const shape = this.#quantizeArguments(call, s);
    // Declared even when wrong, so that its uses are not mistakes too.
    this.#declare(s.name, shape?.shape ?? []);
    if (shape === undefined) {
      this.#failed = true;
      return undefined;
    }
    return { kind: "quantize", name: s.name.text, ...shape, span: s.span };
  }

  #quantizeArguments(
    call: Expression,
    s: Statement,
  ): { from: string; format: string; shape: readonly Extent[] } | undefined {
    if (call.kind !== "call" || call.callee.text !== "quantize") {
      if (call.kind === "missing") return undefined;
      const notes = [
        { message: `write the indices of an intermediate value: \`let ${s.name.text}[m, n] = …\`` },
        { message: "only `quantize(tensor, format)` stands without them" },
      ];
      return this.#error("op/let", s.name.span, `\`${s.name.text}\` has no indices`, notes);
    }
    const [source, target] = call.args;
    if (call.args.length !== 2 || source?.kind !== "name" || target?.kind !== "name")
      return this.#error("op/quantize", call.span, "`quantize` takes the name of a tensor and the name of a format");
    const tensor = this.#tensors.get(source.name);
    if (tensor === undefined) {
      const fix = didYouMean(source.name, source.span, this.#tensors.keys());
      report(this.#diagnostics, "name/unknown", source.span, `there is no tensor \`${source.name}\``, [], fix);
    } else this.#used.add(source.name);
    const format = this.#format({ name: { text: target.name, span: target.span }, args: [], span: target.span });
    if (format === undefined || tensor === undefined) return undefined;
    if (format.encoder === undefined)
      return this.#error("format/no-encoder", target.span, `format \`${format.name}\` does not say how to encode`, [
        { message: "add `encode absmax(scale, code)` to the format", span: format.span },
      ]);
    const last = tensor.shape[tensor.shape.length - 1];
    if (typeof last === "number" && last % format.block !== 0)
      return this.#error(
        "shape/block",
        source.span,
        `the last axis of \`${source.name}\` has ${last} values, not a multiple of ${format.block}`,
        [{ message: `the block of \`${format.name}\``, span: format.span }],
      );
    return { from: source.name, format: format.name, shape: tensor.shape };
  }

  #noResult(last: Statement | undefined): void {
    if (last?.kind === "let" || last === undefined) {
      const message = `operator \`${this.#item.name.text}\` computes no result`;
      const notes = [{ message: "the last statement is the result: `y[m, n] = …`, without `let`" }];
      this.#error("op/result", this.#item.name.span, message, notes);
    }
  }

  #warnUnused(): void {
    for (const [name, { span }] of this.#tensors) {
      const isResult = span === this.#item.body[this.#item.body.length - 1]?.name.span;
      if (!isResult && !this.#used.has(name)) warn(this.#diagnostics, "name/unused", span, `\`${name}\` is never used`);
    }
    for (const [name, span] of this.#sizes) {
      if (!this.#used.has(name)) warn(this.#diagnostics, "name/unused", span, `size \`${name}\` is never used`);
    }
  }
}
