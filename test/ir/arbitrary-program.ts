/** Random small programs that mean something: every one verifies and evaluates, for tests of text and of passes. */
import fc from "fast-check";
import { NO_SPAN } from "../../ir/diagnostics.ts";
import type { TensorValues } from "../../ir/eval/program.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import type { Format } from "../../ir/format.ts";
import type { Dim, Mapping, Program, Region, Step, Tensor } from "../../ir/program.ts";
import { isInt, rangeOf, type Scalar } from "../../ir/scalar.ts";

/** A program with values for its inputs. */
export interface Sample {
  readonly program: Program;
  readonly inputs: TensorValues;
}

const span = NO_SPAN;

export function tensorOf(
  id: string,
  type: Scalar,
  dims: readonly Dim[],
  role: Tensor["role"],
  place: Tensor["place"] = "global",
): Tensor {
  return { id, type, axes: dims.map((d) => d.axis), shape: dims.map((d) => d.extent), place, role, span };
}

/** Values that a tensor of this type can hold, small enough for sums to stay exact in f32. */
function valuesOf(tensor: Tensor): fc.Arbitrary<Float64Array> {
  const size = tensor.shape.reduce((n, extent) => n * extent, 1);
  const [min, max] = isInt(tensor.type) ? rangeOf(tensor.type) : [-8, 8];
  const value = fc.integer({ min: Math.max(min, -100), max: Math.min(max, 100) });
  return fc.array(value, { minLength: size, maxLength: size }).map((list) => Float64Array.from(list));
}

export function withInputs(program: Program): fc.Arbitrary<Sample> {
  const inputs = program.tensors.filter((tensor) => tensor.role === "input");
  return fc
    .tuple(...inputs.map(valuesOf))
    .map((values) => ({ program, inputs: Object.fromEntries(inputs.map((tensor, i) => [tensor.id, values[i]!])) }));
}

/** The choices behind a random value expression: a tree of operators by number. */
type Tree = number | { readonly op: number; readonly args: readonly Tree[] };

const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.nat(99),
    fc.record({ op: fc.nat(99), args: fc.array(tie("tree"), { minLength: 3, maxLength: 3 }) }),
  ),
}));

/** An f32 expression over f32 leaves; every operator of the language occurs, and no value is undefined. */
function floatOf(b: ExprBuilder, choice: Tree, leaves: readonly ExprId[]): ExprId {
  if (typeof choice === "number")
    return choice % 4 === 0 ? b.constant((choice % 16) / 4 - 1.5, "f32") : leaves[choice % leaves.length]!;
  const at = (i: number): ExprId => floatOf(b, choice.args[i]!, leaves);
  const int = (i: number): ExprId => intOf(b, choice.args[i]!, leaves);
  const [x, y] = [at(0), at(1)];
  const positive = b.add(b.op("abs", y), b.constant(1, "f32"));
  const forms: readonly (() => ExprId)[] = [
    () => b.add(x, y),
    () => b.op("sub", x, y),
    () => b.mul(x, y),
    () => b.op("div", x, positive),
    () => b.op("min", x, y),
    () => b.op("max", x, y),
    () => b.op("neg", x),
    () => b.op("abs", x),
    () => b.op("floor", x),
    () => b.op("rint", x),
    () => b.op("sqrt", b.op("abs", x)),
    () => b.op("fma", x, y, at(2)),
    () => b.op("select", b.op("lt", x, y), y, at(2)),
    () => b.op("select", b.op("and", b.op("ge", x, y), b.op("not", b.op("eq", int(1), int(2)))), x, at(2)),
    () => b.cast(b.cast(x, "f16"), "f32"),
    () => b.cast(int(0), "f32"),
    () => b.op("f16hi", b.op("and", b.bits(int(0), "u32"), b.constant(0x7bff7bff, "u32"))),
    () => b.op("roundQuotient", b.op("max", b.op("min", x, b.constant(64, "f32")), b.constant(-64, "f32")), positive),
  ];
  return forms[choice.op % forms.length]!();
}

function intOf(b: ExprBuilder, choice: Tree, leaves: readonly ExprId[]): ExprId {
  if (typeof choice === "number") return b.constant((choice % 23) - 7);
  const at = (i: number): ExprId => intOf(b, choice.args[i]!, leaves);
  const [x, y] = [at(0), at(1)];
  const forms: readonly (() => ExprId)[] = [
    () => b.add(x, y),
    () => b.op("xor", x, y),
    () => b.op("or", b.op("shl", x, b.constant(3)), y),
    () => b.op("shr", x, b.constant(2, "u32")),
    () => b.op("popc", b.op("not", x)),
    () => b.op("dot4", x, y, at(2)),
    () => b.op("mod", x, b.constant(5)),
    () => b.cast(floatOf(b, choice.args[2]!, leaves), "i32"),
    () => b.op("neg", x),
  ];
  return forms[choice.op % forms.length]!();
}

const extent = fc.integer({ min: 1, max: 6 });

function regionOf(
  b: ExprBuilder,
  tensor: Tensor,
  origin: Readonly<Record<string, ExprId>> = {},
  tail: Region["tail"] = "exact",
): Region {
  const index = tensor.axes.map((axis) => {
    const symbol = b.symbol(axis);
    const from = origin[axis];
    return from === undefined ? symbol : b.add(from, symbol);
  });
  return { tensor: tensor.id, index, tail };
}

/** Two maps (one reducing) and a contraction on whole tensors. */
export const wholeProgram: fc.Arbitrary<Program> = fc
  .record({ m: extent, n: extent, k: extent, first: tree, second: tree, reduce: fc.constantFrom("sum", "max") })
  .map(({ m, n, k, first, second, reduce }) => {
    const b = new ExprBuilder();
    const [M, N, K] = [
      { axis: "m", extent: m },
      { axis: "n", extent: n },
      { axis: "k", extent: k },
    ];
    const x = tensorOf("x", "f32", [M!, K!], "input");
    const w = tensorOf("w", "i8", [N!, K!], "input");
    const xf = tensorOf("x.f", "f32", [M!, K!], "local");
    const acc = tensorOf("acc", "f32", [M!, N!], "local");
    const peak = tensorOf("peak", "f32", [M!], "workspace");
    const y = tensorOf("y", "f32", [M!, N!], "output");
    const whole = (tensor: Tensor): Region => regionOf(b, tensor);
    const leaves = [b.input(0, "f32"), b.cast(b.cast(b.input(1, "i8"), "i32"), "f32"), b.cast(b.symbol("m"), "f32")];
    const last = [b.input(0, "f32"), b.input(1, "f32"), b.cast(b.symbol("n"), "f32")];
    // The map reads one row of w: its first index is constant.
    const row: Region = { tensor: "w", index: [b.constant(0), b.symbol("k")], tail: "exact" };
    const body: Step[] = [
      { kind: "map", inputs: [whole(x), row], to: whole(xf), value: floatOf(b, first, leaves), over: [], domain: [M!, K!], span },
      { kind: "map", inputs: [whole(xf)], to: whole(peak), value: b.op("abs", b.input(0, "f32")), over: ["k"], reduce: reduce as "sum" | "max", domain: [M!, K!], span },
      { kind: "fill", to: whole(acc), value: b.constant(0.5, "f32"), domain: [M!, N!], span },
      { kind: "contract", a: whole(xf), b: whole(w), to: whole(acc), over: ["k"], domain: [M!, N!, K!], span },
      { kind: "map", inputs: [whole(acc), whole(peak)], to: whole(y), value: floatOf(b, second, last), over: [], domain: [M!, N!], span },
    ]; // biome-ignore format: a listing
    const tensors = [x, w, xf, acc, peak, y];
    return { name: "whole", tensors, formats: [], tables: [], rings: [], exprs: b.done(), body };
  });

const mapping = fc.constantFrom<Mapping>(
  { kind: "serial" },
  { kind: "unroll" },
  { kind: "grid", dim: 0 },
  { kind: "grid", dim: 2 },
  { kind: "warp" },
  { kind: "array", unit: "pe", dim: "column" },
);

/** A contraction cut into tiles with masked tails, its operands copied to shared memory through a ring of two roles. */
export const tiledProgram: fc.Arbitrary<Program> = fc
  .record({
    m: extent, n: extent, k: fc.integer({ min: 1, max: 13 }), tm: extent, tn: extent, tk: extent,
    depth: fc.integer({ min: 1, max: 3 }), outer: mapping, inner: mapping, roles: fc.boolean(), launch: fc.boolean(),
  }) // biome-ignore format: sizes
  .map(({ m, n, k, tm, tn, tk, depth, outer, inner, roles, launch }) => {
    const b = new ExprBuilder();
    const dim = (axis: string, size: number): Dim => ({ axis, extent: size });
    const [TM, TN, TK] = [dim("m", tm), dim("n", tn), dim("k", tk)];
    const x = tensorOf("x", "f16", [dim("m", m), dim("k", k)], "input");
    const w = tensorOf("w.q", "i4", [dim("n", n), dim("k", k)], "input");
    const y = tensorOf("y", "f32", [dim("m", m), dim("n", n)], "output");
    const xs: Tensor = { ...tensorOf("xs", "f16", [TM, TK], "local", "shared"), ring: "in" };
    const acc = tensorOf("acc", "f32", [TM, TN], "local", "register");
    const origin = { m: b.symbol("m0"), n: b.symbol("n0"), k: b.symbol("k0") };
    const signal = (what: "acquire" | "commit" | "wait" | "release"): Step => ({
      kind: "signal",
      ring: "in",
      what,
      span,
    });
    const loop = (name: string, size: number, step: number, map: Mapping, body: readonly Step[]): Step => {
      return { kind: "loop", name, extent: size, step, map, body, span };
    };
    const serial: Mapping = { kind: "serial" };
    const load: Step[] = [
      signal("acquire"),
      {
        kind: "copy",
        from: regionOf(b, x, origin, "mask"),
        to: regionOf(b, xs),
        engine: "cpAsync",
        domain: [TM, TK],
        span,
      },
      signal("commit"),
    ];
    const mul: Step[] = [
      signal("wait"),
      {
        kind: "contract",
        a: regionOf(b, xs),
        b: regionOf(b, w, origin, "mask"),
        to: regionOf(b, acc),
        over: ["k"],
        by: "fma",
        domain: [TM, TN, TK],
        span,
      },
      signal("release"),
    ];
    const store: Step = {
      kind: "copy",
      from: regionOf(b, acc),
      to: regionOf(b, y, origin, "mask"),
      domain: [TM, TN],
      span,
    };
    const zero: Step = { kind: "fill", to: regionOf(b, acc), value: b.constant(0, "f32"), domain: [TM, TN], span };
    const inside: readonly Step[] = roles
      ? [
          {
            kind: "roles",
            roles: [
              { name: "load", warps: [4, 1], body: [loop("k0", k, tk, serial, load)] },
              { name: "math", warps: [0, 4], body: [zero, loop("k0", k, tk, { kind: "unroll" }, mul), store] },
            ],
            span,
          },
        ]
      : [zero, loop("k0", k, tk, serial, [...load, ...mul]), store];
    const nest = [loop("m0", m, tm, outer, [loop("n0", n, tn, inner, inside)])];
    const body: readonly Step[] = launch ? [{ kind: "launch", name: "main", body: nest, span }] : nest;
    const rings = [{ id: "in", depth, producer: "load", consumers: ["math"] }];
    return { name: "tiled", tensors: [x, w, y, xs, acc], formats: [], tables: [], rings, exprs: b.done(), body };
  });

/** A format with a table, a block scale and a neighbour's code in its value. */
function pairFormat(block: number, codes: readonly number[]): Format {
  const b = new ExprBuilder();
  const table = { name: "levels", type: "f32" as const, values: codes };
  const i = b.symbol("i", "i32", [0, block - 1]);
  const partner = b.op("sub", b.constant(block - 1), i);
  const code = b.table(table, b.cast(b.input(0, "u2"), "i32"));
  const other = b.cast(b.cast(b.input(2, "u2"), "i32"), "f32");
  const value = b.op("fma", code, b.cast(b.input(1, "f16"), "f32"), other);
  const bits = (count: number, width: number) => ({
    kind: "strided" as const,
    from: { i: count, bit: width },
    to: { address: count * width },
    terms: [
      { from: "i", div: 1, size: count, to: "address", stride: width },
      { from: "bit", div: 1, size: width, to: "address", stride: 1 },
    ],
  });
  return {
    name: "pair",
    block,
    fields: [
      { name: "scale", type: "f16", count: 1, scope: "block", layout: bits(1, 16), span },
      {
        name: "q",
        type: "u2",
        count: block,
        scope: "block",
        layout: { ...bits(block, 2), base: { address: 16 } },
        span,
      },
    ],
    tables: [table],
    exprs: b.done(),
    uses: [
      { field: "q", index: i },
      { field: "scale", index: b.constant(0) },
      { field: "q", index: partner },
    ],
    value,
    recordBits: 16 + 2 * block,
    span,
  };
}

/** A decode of a coded operand. */
export const decodeProgram: fc.Arbitrary<Program> = fc
  .record({
    rows: extent,
    blocks: extent,
    block: fc.integer({ min: 2, max: 4 }),
    codes: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 4, maxLength: 4 }),
    method: fc.option(fc.constantFrom("arithmetic", "table", "unit"), { nil: undefined }),
  })
  .map(({ rows, blocks, block, codes, method }) => {
    const b = new ExprBuilder();
    const [R, K, G] = [
      { axis: "n", extent: rows },
      { axis: "k", extent: blocks * block },
      { axis: "g", extent: blocks },
    ];
    const q = tensorOf("w.q", "u2", [R!, K!], "input");
    const scale = tensorOf("w.scale", "f16", [R!, G!], "input");
    const y = tensorOf("y", "f32", [R!, K!], "output");
    const group = b.op("div", b.symbol("k"), b.constant(block));
    const fields: Region[] = [{ tensor: "w.scale", index: [b.symbol("n"), group], tail: "exact" }, regionOf(b, q)];
    const how = method === undefined ? {} : { method: method as "arithmetic" | "table" | "unit" };
    const body: Step[] = [
      { kind: "decode", format: "pair", fields, to: regionOf(b, y), at: b.symbol("k"), ...how, domain: [R!, K!], span },
    ];
    const origin = (field: string) => ({ operand: "w", format: "pair", field });
    const tensors = [{ ...q, origin: origin("q") }, { ...scale, origin: origin("scale") }, y];
    return {
      name: "decode",
      tensors,
      formats: [pairFormat(block, codes)],
      tables: [],
      rings: [],
      exprs: b.done(),
      body,
    };
  });

/** Any of the programs above. */
export const anyProgram: fc.Arbitrary<Program> = fc.oneof(wholeProgram, tiledProgram, decodeProgram);

/** Any of the programs above, with inputs. */
export const anySample: fc.Arbitrary<Sample> = anyProgram.chain(withInputs);
