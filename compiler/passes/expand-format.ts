/** expand-format: decode and quantize become maps over the fields that the format stores. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import type { Format } from "../../ir/format.ts";
import { BIT } from "../../ir/layout/layout.ts";
import type { Dim, Program, Region, TileOp } from "../../ir/program.ts";
import { isTileOp, type Step } from "../../ir/program.ts";
import { bitsOf, rangeOf } from "../../ir/scalar.ts";
import { mapBodies, ProgramEditor, plainSymbol } from "../edit.ts";
import { rowMajorLayout } from "../instantiate/stream-layouts.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";

type Decode = Extract<TileOp, { kind: "decode" }>;
type Quantize = Extract<TileOp, { kind: "quantize" }>;

function formatOf(program: Program, name: string): Format {
  return program.formats.find((f) => f.name === name) ?? internal(`no format ${name}`);
}

/**
 * Where a use reads its field: a use such as `q[1 - i]` a neighbour in the block, one of a field with other than one
 * element per value the element counted from its instance's first. `copied` brings an index into the program.
 */
function useRegion(editor: ProgramEditor, format: Format, op: Decode, use: number, i: ExprId, copied: Copied): Region {
  const { build } = editor;
  const { field: name, index } = format.uses[use]!;
  const position = format.fields.findIndex((f) => f.name === name);
  const region = op.fields[position] ?? internal(`decode of ${format.name} lacks field ${name}`);
  const field = format.fields[position]!;
  const perValue = field.scope === "block" && field.count === format.block;
  if (field.count === 1 || (perValue && plainSymbol(format.exprs, index) === "i")) return region;
  const last = region.index.at(-1)!;
  const at = build.add(last, copied(index));
  return { ...region, index: [...region.index.slice(0, -1), perValue ? build.op("sub", at, i) : at] };
}

type Copied = (root: ExprId) => ExprId;

function expandDecode(editor: ProgramEditor, format: Format, op: Decode): TileOp {
  const { build } = editor;
  const i = build.op("mod", op.at, build.constant(format.block));
  // Inputs of the map are the uses in their order, so an index that reads a use reads the same input.
  const copied: Copied = (root) => build.copy(format.exprs, root, (e) => (e.kind === "symbol" ? i : undefined));
  const value = copied(format.value);
  const inputs = format.uses.map((_, use) => useRegion(editor, format, op, use, i, copied));
  return { kind: "map", inputs, to: op.to, value, over: [], domain: op.domain, span: op.span };
}

/** The values that share a scale: what they are numbered by, the axes of one of them, and where a region is in these axes. */
interface Groups {
  readonly outer: readonly Dim[];
  readonly inner: Dim;
  at(region: Region): Region;
}

/** Rows as a whole where their scale is one a row; blocks of a row where it is one a block. */
function groupsOf(editor: ProgramEditor, format: Format, scale: string, op: Quantize): Groups {
  const rows = op.domain.filter((d) => d.axis !== op.over);
  const along = op.domain.find((d) => d.axis === op.over) ?? internal(`no axis ${op.over}`);
  const field = format.fields.find((f) => f.name === scale) ?? internal(`no field ${scale}`);
  if (field.scope === "tensor") internal("a launch has no maximum over its whole grid");
  if (field.scope === "row" || along.extent === format.block)
    return { outer: rows, inner: along, at: (region) => region };
  const block = { axis: `${op.over}_block`, extent: along.extent / format.block };
  const inner = { axis: `${op.over}_inner`, extent: format.block };
  const { build } = editor;
  const first = build.mul(editor.axis(block), build.constant(format.block));
  // Scales have one place a block, codes one a value.
  const place = (region: Region): Region => {
    const own = region.index.at(-1) === undefined ? undefined : build.get(region.index.at(-1)!);
    const inside = own?.kind === "symbol" ? build.add(first, editor.axis(inner)) : first;
    return editor.region(region, new Map([[op.over, inside]]));
  };
  return { outer: [...rows, block], inner, at: place };
}

/** Scales of blocks that one launch leaves for the next have a word each: every lane writes its own. */
function storeApart(editor: ProgramEditor, id: string): void {
  const tensor = editor.tensor(id);
  const dims = tensor.axes.map((axis, n) => ({ axis, extent: tensor.shape[n]! }));
  const words = rowMajorLayout(dims, 32);
  if (tensor.role !== "workspace" || words.kind !== "strided") return;
  const bits = bitsOf(tensor.type);
  const terms = words.terms.map((t) => (t.from === BIT ? { ...t, size: bits } : t));
  editor.tensors.set(id, { ...tensor, layout: { ...words, from: { ...words.from, [BIT]: bits }, terms } });
}

/** absmax: m = max|x| over the scale's scope; scale = m / qmax; code = roundQuotient(x · qmax, m), where m = 0 divides by 1. */
function expandAbsmax(editor: ProgramEditor, format: Format, op: Quantize): readonly TileOp[] {
  const encoder = format.encoder ?? internal(`${format.name} has no encoder`);
  const { build } = editor;
  const target = (name: string): Region =>
    op.to[format.fields.findIndex((f) => f.name === name)] ?? internal(`${format.name} has no field ${name}`);
  const groups = groupsOf(editor, format, encoder.scale, op);
  const scale = groups.at(target(encoder.scale));
  if (format.fields.some((f) => f.name === encoder.scale && f.scope === "block")) storeApart(editor, scale.tensor);
  const code = groups.at(target(encoder.code));
  const from = groups.at(op.from);
  const codeType = editor.tensor(code.tensor).type;
  const scaleType = editor.tensor(scale.tensor).type;
  if (codeType === "bool" || codeType.startsWith("f") || codeType.startsWith("b"))
    internal("absmax codes are integers");
  const qmax = build.constant(rangeOf(codeType as `i${number}`)[1], "f32");
  const rows = groups.outer;
  const domain = [...rows, groups.inner];
  const peakTensor = editor.add({
    id: `${scale.tensor}.absmax`,
    type: "f32",
    axes: rows.map((d) => d.axis),
    shape: rows.map((d) => d.extent),
    place: "global",
    role: "local",
    span: op.span,
  });
  const peak: Region = { tensor: peakTensor.id, index: rows.map((d) => editor.axis(d)), tail: "exact" };
  const common = { kind: "map" as const, span: op.span };
  const x = build.cast(build.input(0, editor.tensor(op.from.tensor).type), "f32");
  const m = build.input(0, "f32");
  const m1 = build.input(1, "f32");
  const divisor = build.op("select", build.op("gt", m1, build.constant(0, "f32")), m1, build.constant(1, "f32"));
  return [
    {
      ...common,
      inputs: [from],
      to: peak,
      value: build.op("abs", x),
      over: [groups.inner.axis],
      reduce: "max",
      domain,
    },
    {
      ...common,
      inputs: [peak],
      to: scale,
      value: build.cast(build.op("div", m, qmax), scaleType),
      over: [],
      domain: rows,
    },
    {
      ...common,
      inputs: [from, peak],
      to: code,
      value: build.cast(build.op("roundQuotient", build.mul(x, qmax), divisor), codeType),
      over: [],
      domain,
    },
  ];
}

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const expand = (step: Step): readonly Step[] => {
    if (!isTileOp(step)) return [step];
    if (step.kind === "decode") {
      const format = formatOf(program, step.format);
      const fields = format.fields.map((f) => f.name).join(", ");
      applied(
        context,
        "decode",
        step.span,
        `${step.to.tensor} is the value of ${format.name} over its fields ${fields}`,
      );
      return [expandDecode(editor, format, step)];
    }
    if (step.kind === "quantize") {
      const why = `${step.format} encodes by absmax: a maximum over what shares a scale, the scale, then each code`;
      applied(context, "absmax", step.span, why);
      return expandAbsmax(editor, formatOf(program, step.format), step);
    }
    return [step];
  };
  const body = mapBodies(program.body, (steps) => steps.flatMap(expand));
  const known = new Set(program.tables.map((t) => t.name));
  const tables = program.formats.flatMap((f) => f.tables).filter((t) => !known.has(t.name) && known.add(t.name));
  return { ...editor.done(body), tables: [...program.tables, ...tables] };
}

export const expandFormat: Pass<Program> = {
  name: "expand-format",
  about: "decode and quantize are maps over stored fields; no format is left to look up",
  run,
};
