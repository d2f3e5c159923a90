/** Instantiation: an operator at concrete sizes as an unscheduled Program on whole tensors. */
import { type Diagnostics, internal, NO_SPAN, type Span } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import { type Field, type Format, isPlain } from "../../ir/format.ts";
import type { Axis } from "../../ir/layout/layout.ts";
import type { Dim, Program, Region, Step, Tensor, TileOp } from "../../ir/program.ts";
import { bitsOf, isInt, type Scalar } from "../../ir/scalar.ts";
import type { Access, CheckedOp, CheckedStatement, Extent, Index, Module, Operand, Term } from "../check/module.ts";
import { didYouMean, report } from "../report.ts";
import { checkShapes, checkSizes, type ExtentOf } from "./sizes.ts";
import { rowMajorLayout, streamLayout } from "./stream-layouts.ts";
import {
  alongLast,
  fieldDims,
  firstAccess,
  freeAxes,
  isPerValue,
  keepsOrder,
  productOf,
  shapeOf,
  summandsOf,
} from "./terms.ts";

/**
 * The Program of operator `opName` at `sizes`, or undefined after reporting. `at` is where a mistake in the request
 * itself belongs; without it, at the operator.
 */
export function instantiate(
  module: Module,
  opName: string,
  sizes: Readonly<Record<string, number>>,
  diagnostics: Diagnostics,
  at: Span = NO_SPAN,
): Program | undefined {
  const op = module.ops.find((o) => o.name === opName);
  if (op === undefined) {
    const names = module.ops.map((o) => o.name);
    const notes = [
      { message: names.length === 0 ? "there is no operator without mistakes" : `there is ${names.join(", ")}` },
    ];
    report(
      diagnostics,
      "name/unknown-op",
      at,
      `there is no operator \`${opName}\``,
      notes,
      didYouMean(opName, at, names),
    );
    return undefined;
  }
  const place = at === NO_SPAN ? op.span : at;
  if (!checkSizes(op, sizes, place, diagnostics)) return undefined;
  const formats = new Map(module.formats.map((format) => [format.name, format]));
  const extent = (e: Extent): number => (typeof e === "number" ? e : (sizes[e] ?? internal(`no size ${e}`)));
  if (!checkShapes(op, formats, extent, diagnostics)) return undefined;
  return new Instance(op, formats, extent, diagnostics).program();
}

/** A tensor of the operator as the body sees it. */
interface Value {
  readonly dims: readonly Dim[];
  /** The tensor that holds its values; undefined until it is decoded. */
  id?: string;
  readonly type: Scalar;
  /** Coded values: the format, the ids of its fields' tensors, and the axis that blocks lie along. */
  readonly coded?: { readonly format: Format; readonly fields: readonly string[]; readonly along: number };
  readonly span: Span;
}

/** Makes an element an input of a map. */
type ReadInput = (region: Region, type: Scalar) => ExprId;

/** Builds one program; its methods append tensors and steps in the order of the body. */
class Instance {
  readonly #op: CheckedOp;
  readonly #formats: ReadonlyMap<string, Format>;
  readonly #extent: ExtentOf;
  readonly #diagnostics: Diagnostics;
  readonly #exprs = new ExprBuilder();
  readonly #tensors: Tensor[] = [];
  readonly #steps: TileOp[] = [];
  readonly #values = new Map<string, Value>();
  readonly #usedFormats = new Map<string, Format>();
  readonly #ids = new Set<string>();
  #failed = false;

  constructor(op: CheckedOp, formats: ReadonlyMap<string, Format>, extent: ExtentOf, diagnostics: Diagnostics) {
    this.#op = op;
    this.#formats = formats;
    this.#extent = extent;
    this.#diagnostics = diagnostics;
    for (const { name } of [...op.operands, ...op.statements]) this.#ids.add(name);
  }

  program(): Program | undefined {
    const op = this.#op;
    for (const operand of op.operands) {
      const format = this.#format(operand.format);
      this.#store(operand.name, format, this.#dimsOf(operand), "input", operand.span, operand.along);
    }
    for (const statement of op.statements) {
      if (statement.kind === "quantize") this.#quantize(statement);
      else this.#assign(statement);
    }
    if (this.#failed) return undefined;
    return {
      name: op.name,
      tensors: this.#tensors,
      formats: [...this.#usedFormats.values()],
      tables: [],
      rings: [],
      exprs: this.#exprs.done(),
      body: this.#steps satisfies readonly Step[],
    };
  }

  #format(name: string): Format {
    return this.#formats.get(name) ?? internal(`no format ${name}`);
  }

  #unique(base: string): string {
    let id = base;
    for (let n = 2; this.#ids.has(id); n++) id = `${base}${n}`;
    this.#ids.add(id);
    return id;
  }

  /** Axes are named after the index variables of the tensor's first use, so that programs read like the source. */
  #dimsOf(operand: Operand): readonly Dim[] {
    const first = firstAccess(operand.name, this.#op.statements);
    const taken = new Set<string>();
    return operand.shape.map((e, n) => {
      const wanted = first?.[n]?.axis ?? (typeof e === "string" ? e.toLowerCase() : `d${n}`);
      let axis = wanted;
      for (let i = 2; taken.has(axis); i++) axis = `${wanted}${i}`;
      taken.add(axis);
      return { axis, extent: this.#extent(e) };
    });
  }

  /** Declares the global tensors that store a value in `format`. */
  #store(
    name: string,
    format: Format,
    dims: readonly Dim[],
    role: "input" | "workspace" | "output",
    span: Span,
    along = dims.length - 1,
  ): Value {
    if (isPlain(format)) {
      const type = format.fields[0]!.type;
      const layout = rowMajorLayout(dims, bitsOf(type));
      this.#tensors.push({ id: name, type, ...shapeOf(dims), place: "global", role, layout, span });
      const value: Value = { dims, id: name, type, span };
      this.#values.set(name, value);
      return value;
    }
    this.#usedFormats.set(format.name, format);
    const fields = format.fields.map((field) => this.#stream(name, format, field, dims, along, role, span));
    const value: Value = { dims, type: "f32", coded: { format, fields, along }, span };
    this.#values.set(name, value);
    return value;
  }

  #stream(
    operand: string,
    format: Format,
    field: Field,
    dims: readonly Dim[],
    along: number,
    role: "input" | "workspace" | "output",
    span: Span,
  ): string {
    const inPlace = keepsOrder(format, field);
    const own = inPlace ? dims : fieldDims(format, field, alongLast(dims, along));
    const perValue = isPerValue(format, field) && !inPlace;
    const layout = perValue ? streamLayout(format, field, own) : rowMajorLayout(own, bitsOf(field.type));
    if (layout === undefined) {
      this.#failed = true;
      const message = `the bit offsets of \`${field.name}\` are too irregular for a tensor of this size`;
      report(this.#diagnostics, "format/irregular", field.span, message, [
        {
          message:
            "offsets made of `i`, `bit`, `+`, `*`, and `/` and `%` by divisors of the block are fine at every size",
        },
      ]);
    }
    const id = `${operand}.${field.name}`;
    const origin = { operand, format: format.name, field: field.name };
    this.#ids.add(id);
    const place = { place: "global", role, ...(layout === undefined ? {} : { layout }) } as const;
    this.#tensors.push({ id, type: field.type, ...shapeOf(own), ...place, origin, span, declared: field.span });
    return id;
  }

  #local(id: string, dims: readonly Dim[], span: Span, declared?: Span): string {
    const known = declared === undefined ? {} : { declared };
    this.#tensors.push({ id, type: "f32", ...shapeOf(dims), place: "global", role: "local", span, ...known });
    return id;
  }

  #symbol({ axis, extent }: Dim): ExprId {
    return this.#exprs.symbol(axis, "i32", [0, extent - 1]);
  }

  #region(tensor: string, dims: readonly Dim[]): Region {
    return { tensor, index: dims.map((d) => this.#symbol(d)), tail: "exact" };
  }

  /**
   * The regions of a coded value's fields at the point `dims` of the operand: of a field with one element per value that
   * element, of any other its instance's first one.
   */
  #fieldRegions(value: Value): readonly Region[] {
    const { format, fields, along } = value.coded ?? internal("fields of a plain value");
    const at = this.#symbol(value.dims[along]!);
    const rows = value.dims.filter((_, n) => n !== along).map((d) => this.#symbol(d));
    return format.fields.map((field, n) => {
      const region = (...index: ExprId[]): Region => ({ tensor: fields[n]!, index, tail: "exact" });
      if (keepsOrder(format, field)) return region(...value.dims.map((d) => this.#symbol(d)));
      if (isPerValue(format, field)) return region(...rows, at);
      const first = field.count > 1 ? [this.#exprs.constant(0)] : [];
      if (field.scope === "tensor") return region(...first);
      if (field.scope === "row") return region(...rows, ...first);
      const block = this.#exprs.op("div", at, this.#exprs.constant(format.block));
      return region(...rows, this.#exprs.mul(block, this.#exprs.constant(field.count)));
    });
  }

  /** The tensor that holds a value's numbers, decoding it first where it is coded. */
  #decoded(name: string): { readonly id: string; readonly value: Value } {
    const value = this.#values.get(name) ?? internal(`no tensor ${name}`);
    if (value.id !== undefined) return { id: value.id, value };
    const format = value.coded?.format ?? internal(`${name} is nowhere`);
    const id = this.#local(this.#unique(`${name}.value`), value.dims, value.span, format.valueSpan);
    value.id = id;
    this.#steps.push({
      kind: "decode",
      format: format.name,
      fields: this.#fieldRegions(value),
      to: this.#region(id, value.dims),
      at: this.#symbol(value.dims[value.coded?.along ?? 0]!),
      domain: value.dims,
      span: value.span,
    });
    return { id, value };
  }

  #quantize(s: CheckedStatement & { kind: "quantize" }): void {
    const { id, value } = this.#decoded(s.from);
    const format = this.#format(s.format);
    const stored = this.#store(s.name, format, value.dims, "workspace", s.span);
    const last = value.dims[value.dims.length - 1]!;
    this.#steps.push({
      kind: "quantize",
      format: format.name,
      from: this.#region(id, value.dims),
      to: this.#fieldRegions(stored),
      over: last.axis,
      domain: value.dims,
      span: s.span,
    });
  }

  #assign(s: CheckedStatement & { kind: "assign" }): void {
    const isResult = s.name === this.#op.result.name;
    const dims = s.axes.map((axis, n) => ({ axis, extent: this.#extent(s.shape[n]!) }));
    // What the value reads is computed first: a step's inputs stand before it.
    const value = this.#mapped(s.value, dims);
    let type: Scalar = "f32";
    if (isResult) {
      const format = this.#format(this.#op.result.format);
      type = this.#store(s.name, format, dims, "output", s.span).type;
    } else {
      this.#local(s.name, dims, s.span);
      this.#values.set(s.name, { dims, id: s.name, type, span: s.span });
    }
    this.#exprs.span = s.span;
    this.#steps.push({
      kind: "map",
      inputs: value.inputs,
      to: this.#region(s.name, dims),
      value: this.#exprs.cast(value.id, type),
      over: [],
      domain: dims,
      span: s.span,
    });
    this.#exprs.span = NO_SPAN;
  }

  #dim(axis: Axis): Dim {
    const extent = this.#op.axes[axis] ?? internal(`no extent of ${axis}`);
    return { axis, extent: this.#extent(extent) };
  }

  /** The expression of a term over the elements it reads; sums inside become steps of their own. */
  #mapped(term: Term, outer: readonly Dim[]): { readonly id: ExprId; readonly inputs: readonly Region[] } {
    const inputs: Region[] = [];
    const readRaw = (region: Region, type: Scalar): ExprId => {
      const key = JSON.stringify(region);
      const at = inputs.findIndex((r) => JSON.stringify(r) === key);
      const n = at >= 0 ? at : inputs.push(region) - 1;
      return this.#exprs.input(n, type);
    };
    const read = (region: Region, type: Scalar): ExprId => this.#asNumber(readRaw(region, type));
    const build = (t: Term): ExprId => {
      switch (t.kind) {
        case "number":
          return this.#exprs.constant(t.value, "f32");
        case "size":
          return this.#exprs.constant(this.#extent(t.name), "f32");
        case "index":
          return this.#exprs.cast(this.#symbol(this.#dim(t.axis)), "f32");
        case "access": {
          const { region, type } = this.#access(t, readRaw);
          return read(region, type);
        }
        case "sum":
          return this.#summands(t, outer).reduce<ExprId | undefined>((all, { term, sign }) => {
            const { id, dims } = this.#sum(term, outer);
            const part = read(this.#region(id, dims), "f32");
            if (all === undefined) return sign === 1 ? part : this.#exprs.op("neg", part);
            return this.#exprs.op(sign === 1 ? "add" : "sub", all, part);
          }, undefined)!;
        case "apply": {
          const args = t.args.map(build);
          this.#exprs.span = t.span;
          return this.#exprs.op(t.op, ...args);
        }
      }
    };
    return { id: build(term), inputs };
  }

  /** Bodies compute in f32; plain integer operands pass through i32. */
  #asNumber(input: ExprId): ExprId {
    const type = this.#exprs.typeOf(input);
    return this.#exprs.cast(isInt(type) ? this.#exprs.cast(input, "i32") : input, "f32");
  }

  /** `read` makes an element an input of the map in the making: what a looked-up index adds. */
  #access(t: Access, read: ReadInput): { readonly region: Region; readonly type: Scalar } {
    const { id, value } = this.#decoded(t.tensor);
    const index = t.index.map(({ axis, offset, lookedUp }: Index) => {
      const shift = this.#exprs.constant(offset);
      const own = axis === undefined ? shift : this.#exprs.add(this.#symbol(this.#dim(axis)), shift);
      return (lookedUp ?? []).reduce((sum, place) => {
        const { region, type } = this.#access(place, read);
        return this.#exprs.add(sum, this.#exprs.cast(read(region, type), "i32"));
      }, own);
    });
    const tail = t.index.some((i) => i.lookedUp !== undefined) ? "mask" : "exact";
    return { region: { tensor: id, index, tail }, type: value.type };
  }

  /** Sums that are added up one by one: those of a sum of contractions. */
  #summands(
    t: Term & { kind: "sum" },
    outer: readonly Dim[],
  ): readonly { readonly term: Term & { kind: "sum" }; readonly sign: 1 | -1 }[] {
    const parts = summandsOf(t.body);
    const each = parts.map(({ term, sign }) => ({ term: { ...t, body: term }, sign }));
    const contracts = each.every(({ term }) => this.#product(term, outer) !== undefined);
    return parts.length > 1 && contracts ? each : [{ term: t, sign: 1 }];
  }

  #product(t: Term & { kind: "sum" }, outer: readonly Dim[]): readonly [Term, Term] | undefined {
    const free = freeAxes(t);
    const dims = outer.flatMap((d) => (free.has(d.axis) ? [d.axis] : []));
    return productOf(t.body, t.over, dims);
  }

  /** An operand of a contraction: an element where it stands, or a tensor that a map makes of the part. */
  #operand(t: Term, domain: readonly Dim[]): Region {
    if (t.kind === "access" && t.index.every((i) => i.lookedUp === undefined))
      return this.#access(t, () => internal("nothing is looked up")).region;
    const free = freeAxes(t);
    const dims = domain.filter((d) => free.has(d.axis));
    const { id: value, inputs } = this.#mapped(t, dims);
    const id = this.#local(this.#unique("part"), dims, t.span);
    const to = this.#region(id, dims);
    this.#steps.push({ kind: "map", inputs, to, value, over: [], domain: dims, span: t.span });
    return to;
  }

  /** A sum as a tensor over the axes it still depends on: a contraction where it sums a product of two elements. */
  #sum(t: Term & { kind: "sum" }, outer: readonly Dim[]): { readonly id: string; readonly dims: readonly Dim[] } {
    const over = t.over.map((axis) => this.#dim(axis));
    const free = freeAxes(t);
    const dims = outer.filter((d) => free.has(d.axis));
    const domain = [...dims, ...over];
    const product = this.#product(t, outer);
    if (product !== undefined) {
      const [a, b] = [this.#operand(product[0], domain), this.#operand(product[1], domain)];
      const id = this.#local(this.#unique("acc"), dims, t.span);
      const to = this.#region(id, dims);
      const zero = this.#exprs.constant(0, "f32");
      this.#steps.push({ kind: "fill", to, value: zero, domain: dims, span: t.span });
      this.#steps.push({ kind: "contract", a, b, to, over: t.over, domain, span: t.span });
      return { id, dims };
    }
    const value = this.#mapped(t.body, domain);
    const id = this.#local(this.#unique("acc"), dims, t.span);
    const to = this.#region(id, dims);
    const step = {
      inputs: value.inputs,
      to,
      value: value.id,
      over: t.over,
      reduce: "sum",
      domain,
      span: t.span,
    } as const;
    this.#steps.push({ kind: "map", ...step });
    return { id, dims };
  }
}
