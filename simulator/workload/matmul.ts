/** Products of matrices as unscheduled programs: what a layer of a network asks of a machine. */
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import { type Field, type Format, isPlain, scopeBits } from "../../ir/format.ts";
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
  /** How x is stored: plain numbers, or a format. */
  readonly activation: FloatType | Format;
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

/** Blocks of `values` values in `bytes` bytes of which nothing else is known: how many bits move, not what they mean. */
export function opaqueFormat(name: string, values: number, bytes: number): Format {
  const build = new ExprBuilder();
  return {
    name,
    block: values,
    fields: [blockField("bytes", "u8", bytes, 0)],
    tables: [],
    exprs: build.done(),
    uses: [{ field: "bytes", index: build.constant(0) }],
    value: build.cast(build.input(0, "u8"), "f32"),
    recordBits: 8 * bytes,
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

  const tensors: Tensor[] = [];
  const body: Step[] = [];
  const op = (step: TileOp): void => void body.push(step);
  const activation = typeof shape.activation === "string" ? plainFormat(shape.activation) : shape.activation;

  const operand = (id: "x" | "w", free: "m" | "n", format: Format): void => {
    if (isPlain(format)) {
      const only = format.fields[0]!;
      const origin = { operand: id, format: format.name, field: only.name };
      const plain = tensor(id, only.type, "input", free, "k");
      tensors.push(id === "x" ? plain : { ...plain, origin });
      return;
    }
    const fields = storedPieces(format, k).map((f) => storedField(id, f, format, build, axes(free), axis, sizes));
    tensors.push(...fields.map((f) => f.tensor), tensor(id, "f32", "local", free, "k"));
    op({
      kind: "decode",
      format: format.name,
      fields: fields.map((f) => f.region),
      to: whole(id, free, "k"),
      at: axis("k"),
      domain: dims(free, "k"),
      span: NO_SPAN,
    });
  };
  operand("x", "m", activation);
  operand("w", "n", weight);
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
  const decoded = [...new Map([activation, weight].filter((f) => !isPlain(f)).map((f) => [f.name, f])).values()];
  return {
    name: shape.name,
    tensors,
    formats: decoded,
    tables: decoded.flatMap((f) => f.tables),
    rings: [],
    exprs: build.done(),
    body,
  };
}

/**
 * The fields of a format such that none has more elements than its block (or, beyond blocks, a row of `k` values) has
 * values: a field with several a value is several fields, and what a record holds beside its fields is one more.
 */
function storedPieces(format: Format, k: number): readonly Field[] {
  const pieces = format.fields.flatMap((field): readonly Field[] => {
    const most = field.scope === "block" ? format.block : k;
    return field.count <= most ? [field] : splitField(field, most);
  });
  const padding = format.recordBits - scopeBits(format, "block");
  if (padding === 0) return pieces;
  const extra = blockField("padding", "u1", padding, 0);
  return [...pieces, ...storedPieces({ ...format, fields: [extra], recordBits: padding }, k)];
}

/** A field as several of `most` elements each; a table of a row or a tensor in elements of 32 bits, so that it is few. */
function splitField(field: Field, most: number): readonly Field[] {
  const bits = field.count * bitsOf(field.type);
  const wide = field.scope !== "block" && bits % 32 === 0;
  const [type, count]: readonly [Scalar, number] = wide ? ["u32", bits / 32] : [field.type, field.count];
  const counts = Array.from({ length: Math.floor(count / most) }, () => most);
  const rest = count % most;
  return [...counts, ...(rest === 0 ? [] : [rest])].map((n, i) => ({
    ...field,
    type,
    name: `${field.name}.${i}`,
    count: n,
  }));
}

/**
 * The tensor that holds one field of an operand, and the element of it that belongs to (row, k): value i of a block is at element
 * ⌊i · count / block⌋ of a field, so a field of one element, of one per value or of one per sub-block is one rule. A table of a
 * row or a tensor is spread over all of k: it is fetched once, whatever the blocks of k.
 */
function storedField(
  operand: "x" | "w",
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
  const perValue = field.count === (inBlocks ? format.block : sizes.k);
  const share = inBlocks ? block : build.constant(sizes.k);
  const element = perValue ? axis("k") : build.op("div", build.mul(axis("k"), build.constant(field.count)), share);
  const own = inBlocks || field.count > 1;
  const extent = perValue ? sizes.k : (inBlocks ? Math.ceil(sizes.k / format.block) : 1) * field.count;
  return {
    tensor: {
      id: `${operand}.${field.name}`,
      type: field.type,
      axes: [...rows, ...(own ? [perValue ? "k" : "g"] : [])],
      shape: [...rows.map((r) => sizes[r]), ...(own ? [extent] : [])],
      place: "global",
      role: "input",
      origin: { operand, format: format.name, field: field.name },
      span: NO_SPAN,
    },
    region: {
      tensor: `${operand}.${field.name}`,
      index: [...rows.map(axis), ...(own ? [element] : [])],
      tail: "exact",
    },
  };
}
