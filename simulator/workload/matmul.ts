/** Products of matrices as unscheduled programs: what a layer of a network asks of a machine. */
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import { type Field, type Format, isPlain } from "../../ir/format.ts";
import { ADDRESS, BIT, type Layout } from "../../ir/layout/layout.ts";
import type { Dim, Program, Region, Step, Tensor, TileOp } from "../../ir/program.ts";
import { bitsOf, type FloatType, type Scalar } from "../../ir/scalar.ts";

/** y[b, m, n] = Σ_k x[b, m, k] · w[b, n, k], for `batch` independent products. */
export interface MatmulShape {
  readonly name: string;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly activation: FloatType;
  /** How w is stored; a plain format needs no decoding. */
  readonly weight: Format;
  readonly output: FloatType;
}

function contiguous(count: number, type: Scalar, base: number): Layout {
  const bits = bitsOf(type);
  return {
    kind: "strided",
    from: { i: count, [BIT]: bits },
    to: { [ADDRESS]: base + count * bits },
    terms: [
      { from: "i", div: 1, size: count, to: ADDRESS, stride: bits },
      { from: BIT, div: 1, size: bits, to: ADDRESS, stride: 1 },
    ],
    base: { [ADDRESS]: base },
  };
}

function blockField(name: string, type: Scalar, count: number, base: number): Field {
  return { name, type, count, scope: "block", layout: contiguous(count, type, base), span: NO_SPAN };
}

/** Numbers stored as they are. */
export function plainFormat(type: FloatType): Format {
  const build = new ExprBuilder();
  const index = build.constant(0);
  return {
    name: type,
    block: 1,
    fields: [blockField("value", type, 1, 0)],
    tables: [],
    exprs: build.done(),
    uses: [{ field: "value", index }],
    value: build.cast(build.input(0, type), "f32"),
    recordBits: bitsOf(type),
    span: NO_SPAN,
  };
}

/** Signed integer codes of `bits` bits with one f16 scale for `group` of them: value = scale · code. */
export function groupedFormat(bits: number, group: number): Format {
  const build = new ExprBuilder();
  const code: Scalar = `i${bits}`;
  const scale = build.cast(build.input(0, "f16"), "f32");
  const value = build.op("mul", scale, build.cast(build.input(1, code), "f32"));
  return {
    name: `int${bits}_g${group}`,
    block: group,
    fields: [blockField("scale", "f16", 1, 0), blockField("q", code, group, 16)],
    tables: [],
    exprs: build.done(),
    uses: [
      { field: "scale", index: build.constant(0) },
      { field: "q", index: build.symbol("i", "i32", [0, group - 1]) },
    ],
    value,
    recordBits: 16 + group * bits,
    span: NO_SPAN,
  };
}

/** Weights of this many bits as the simulator takes them by default: f16 as it is, fewer in groups of 128 with an f16 scale. */
export function weightFormat(bits: number): Format {
  return bits === 16 ? plainFormat("f16") : groupedFormat(bits, 128);
}

type AxisName = "b" | "m" | "n" | "k";

/** The whole product as one program of ops on whole tensors: decode, fill, contract, map. */
export function matmulProgram(shape: MatmulShape): Program {
  const build = new ExprBuilder();
  const { batch, m, n, k, weight } = shape;
  const batched = batch > 1;
  const sizes = { b: batch, m, n, k };
  const axis = (name: AxisName): ExprId => build.symbol(name, "i32", [0, sizes[name] - 1]);
  const axes = (...names: ("m" | "n" | "k")[]): readonly AxisName[] => (batched ? ["b", ...names] : names);
  const dims = (...names: ("m" | "n" | "k")[]): readonly Dim[] =>
    axes(...names).map((a) => ({ axis: a, extent: sizes[a] }));
  const whole = (tensor: string, ...names: ("m" | "n" | "k")[]): Region => ({
    tensor,
    index: axes(...names).map(axis),
    tail: "exact",
  });
  const tensor = (id: string, type: Scalar, role: Tensor["role"], ...names: ("m" | "n" | "k")[]): Tensor => ({
    id,
    type,
    axes: axes(...names),
    shape: axes(...names).map((a) => sizes[a]),
    place: role === "local" ? "register" : "global",
    role,
    span: NO_SPAN,
  });

  const tensors: Tensor[] = [tensor("x", shape.activation, "input", "m", "k")];
  const body: Step[] = [];
  const op = (step: TileOp): void => void body.push(step);

  if (isPlain(weight)) {
    const type = weight.fields[0]!.type;
    tensors.push({
      ...tensor("w", type, "input", "n", "k"),
      origin: { operand: "w", format: weight.name, field: weight.fields[0]!.name },
    });
  } else {
    const fields = weight.fields.map((f) => storedField(f, weight, build, axes("n"), axis, sizes));
    tensors.push(...fields.map((f) => f.tensor), tensor("w", "f32", "local", "n", "k"));
    op({
      kind: "decode",
      format: weight.name,
      fields: fields.map((f) => f.region),
      to: whole("w", "n", "k"),
      at: axis("k"),
      domain: dims("n", "k"),
      span: NO_SPAN,
    });
  }
  tensors.push(tensor("acc", "f32", "local", "m", "n"), tensor("y", shape.output, "output", "m", "n"));
  op({
    kind: "fill",
    to: whole("acc", "m", "n"),
    value: build.constant(0, "f32"),
    domain: dims("m", "n"),
    span: NO_SPAN,
  });
  op({
    kind: "contract",
    a: whole("x", "m", "k"),
    b: whole("w", "n", "k"),
    to: whole("acc", "m", "n"),
    over: ["k"],
    domain: dims("m", "n", "k"),
    span: NO_SPAN,
  });
  op({
    kind: "map",
    inputs: [whole("acc", "m", "n")],
    to: whole("y", "m", "n"),
    value: build.cast(build.input(0, "f32"), shape.output),
    over: [],
    domain: dims("m", "n"),
    span: NO_SPAN,
  });
  return {
    name: shape.name,
    tensors,
    formats: isPlain(weight) ? [] : [weight],
    tables: weight.tables,
    rings: [],
    exprs: build.done(),
    body,
  };
}

/**
 * The tensor that holds one field of w, and the element of it that belongs to (n, k): value i of a block is at element
 * ⌊i · count / block⌋ of a field, so a field of one element, of one per value or of one per sub-block is one rule.
 */
function storedField(
  field: Field,
  format: Format,
  build: ExprBuilder,
  outer: readonly AxisName[],
  axis: (name: AxisName) => ExprId,
  sizes: Readonly<Record<AxisName, number>>,
): { readonly tensor: Tensor; readonly region: Region } {
  const rows = field.scope === "tensor" ? [] : outer;
  const block = build.constant(format.block);
  const inBlocks = field.scope === "block";
  const perValue = inBlocks && field.count === format.block;
  const position = inBlocks ? axis("k") : build.op("mod", axis("k"), block);
  const element = perValue ? position : build.op("div", build.mul(position, build.constant(field.count)), block);
  const own = inBlocks || field.count > 1;
  const extent = perValue ? sizes.k : (inBlocks ? Math.ceil(sizes.k / format.block) : 1) * field.count;
  return {
    tensor: {
      id: `w.${field.name}`,
      type: field.type,
      axes: [...rows, ...(own ? [perValue ? "k" : "g"] : [])],
      shape: [...rows.map((r) => sizes[r]), ...(own ? [extent] : [])],
      place: "global",
      role: "input",
      origin: { operand: "w", format: format.name, field: field.name },
      span: NO_SPAN,
    },
    region: { tensor: `w.${field.name}`, index: [...rows.map(axis), ...(own ? [element] : [])], tail: "exact" },
  };
}
