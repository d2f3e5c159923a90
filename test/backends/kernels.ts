/** Hand-written kernels that between them use all that the printer can say, with inputs and what they must compute. */
import type { Backend } from "../../backends/syntax.ts";
import { ExprBuilder, type ExprId, type Op, type Table } from "../../ir/expr.ts";
import { f16ToBits } from "../../ir/float.ts";
import type { Buffer, Collective, Kernel, Scope, Stmt, Width } from "../../ir/kernel.ts";
import type { MatrixRow } from "../../ir/rows.ts";
import type { Scalar } from "../../ir/scalar.ts";
import type { Target } from "../../ir/target.ts";
import { KernelBuilder } from "../ir/kernels.ts";

/** What a kernel may depend on. */
export type Shape = Pick<Target, "lanes" | "warps" | "stores">;

/** A kernel with words for its inputs and the words that its outputs must hold. */
export interface Case {
  readonly kernel: Kernel;
  readonly inputs: Readonly<Record<string, Uint32Array>>;
  readonly outputs: Readonly<Record<string, { readonly values: readonly number[]; readonly tolerance: number }>>;
}

/** Reproducible 32-bit words (xorshift). */
export function words(count: number, seed: number): Uint32Array {
  let state = seed * 2654435761 + 1;
  return Uint32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  });
}

/** Short forms for writing kernels by hand. */
function writer() {
  const b = new ExprBuilder();
  const op = (name: Op, ...args: ExprId[]): ExprId => b.op(name, ...args);
  return {
    b,
    op,
    i: (value: number): ExprId => b.constant(value, "i32"),
    u: (value: number): ExprId => b.constant(value, "u32"),
    f: (value: number): ExprId => b.constant(value, "f32"),
    sym: (name: string, type: Scalar): ExprId => b.symbol(name, type),
    read: (to: readonly string[], buffer: string, index: ExprId, when?: ExprId): Stmt => ({
      kind: "read",
      to,
      at: { buffer, index, width: to.length as Width },
      ...(when === undefined ? {} : { when }),
    }),
    write: (buffer: string, index: ExprId, values: readonly ExprId[], when?: ExprId): Stmt => ({
      kind: "write",
      at: { buffer, index, width: values.length as Width },
      values,
      ...(when === undefined ? {} : { when }),
    }),
    let: (name: string, value: ExprId): Stmt => ({ kind: "let", name, value }),
    var: (name: string, value: ExprId): Stmt => ({ kind: "var", name, value }),
    assign: (name: string, value: ExprId): Stmt => ({ kind: "assign", name, value }),
    loop: (name: string, to: number, step: number, body: readonly Stmt[], unroll = false): Stmt => ({
      kind: "for",
      name,
      from: b.constant(0),
      to: b.constant(to),
      step,
      unroll,
      body,
    }),
    when: (cond: ExprId, uniform: Scope | "none", body: readonly Stmt[]): Stmt => {
      return { kind: "if", cond, uniform, then: body, else: [] };
    },
    all: (scope: Scope, what: Collective): Stmt => ({ kind: "collective", scope, what }),
  };
}

type Exchange = Collective & { readonly family: "exchange" };
const exchange = (op: Exchange["op"], to: string, ...args: ExprId[]): Exchange => ({
  family: "exchange",
  op,
  args,
  to,
});

const global = (id: string, type: Scalar, length: number, access: Buffer["access"] = "read"): Buffer => ({
  id,
  type,
  length,
  space: "global",
  access,
  tensor: id,
});

/** How this target stores an f16 result, and the expression that makes one of an f32. */
function output(shape: Shape, b: ExprBuilder): { readonly type: Scalar; readonly of: (value: ExprId) => ExprId } {
  const type = shape.stores.f16 ?? "f16";
  return { type, of: (value) => b.cast(b.cast(value, "f16"), type) };
}

const half = (word: number, index: number): number => halfValue((word >>> (16 * index)) & 0xffff);

function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

/** Words that hold pairs of halves between −1 and 1. */
function halves(count: number, seed: number): Uint32Array {
  const random = words(2 * count, seed);
  const bits = (i: number): number => f16ToBits(random[i]! / 2 ** 31 - 1);
  return Uint32Array.from({ length: count }, (_, i) => bits(2 * i) + bits(2 * i + 1) * 65536);
}

/**
 * y[n] = scale[n] · Σ x[k] · (q[n, k] − 8), four-bit codes, one row a warp, four words a lane: vector reads, masked rows,
 * a reduction over the warp.
 */
export function gemv(shape: Shape): Case {
  const { lanes, warps } = shape;
  const [rows, length] = [6, 64 * 32];
  const w = writer();
  const { b, op, i, u, f, sym } = w;
  const group = b.builtin("group", 0, [0, Math.ceil(rows / warps) - 1]);
  const warp = b.builtin("warp", 0, [0, warps - 1]);
  const lane = b.builtin("lane", 0, [0, lanes - 1]);
  const row = b.add(b.mul(group, i(warps)), warp);
  const inside = op("lt", row, i(rows));
  const at = b.symbol("step", "i32", [0, length / 32 - lanes]);
  const place = b.add(at, lane);
  const out = output(shape, b);
  const product = (c: number, j: number): ExprId => {
    const code = op("and", op("shr", sym(`q${c}`, "u32"), u(4 * j)), u(15));
    const weight = b.cast(op("sub", b.cast(code, "i32"), i(8)), "f32");
    return op("mul", op(j % 2 === 0 ? "f16lo" : "f16hi", sym(`x${c}${j >> 1}`, "u32")), weight);
  };
  const quarter = (c: number): readonly Stmt[] => [
    w.read(
      [0, 1, 2, 3].map((j) => `x${c}${j}`),
      "x",
      b.add(b.mul(place, i(16)), i(4 * c)),
    ),
    ...[0, 2, 4, 6].map((j) =>
      w.assign("acc", op("add", op("add", sym("acc", "f32"), product(c, j)), product(c, j + 1))),
    ),
  ];
  const body: Stmt[] = [
    w.let("row", row),
    w.let("inside", inside),
    w.var("acc", f(0)),
    w.loop(
      "step",
      length / 32,
      lanes,
      [
        w.read(
          ["q0", "q1", "q2", "q3"],
          "w.q",
          b.add(b.mul(b.symbol("row", "i32", [0, rows - 1]), i(length / 8)), b.mul(place, i(4))),
          sym("inside", "bool"),
        ),
        ...[0, 1, 2, 3].flatMap(quarter),
      ],
      true,
    ),
    w.all(shape.warps === 1 ? "block" : "warp", exchange("sum", "total", sym("acc", "f32"))),
    w.read(["s"], "w.scale", op("div", sym("row", "i32"), i(2)), sym("inside", "bool")),
    w.let(
      "scale",
      op(
        "select",
        op("eq", op("mod", sym("row", "i32"), i(2)), i(0)),
        op("f16lo", sym("s", "u32")),
        op("f16hi", sym("s", "u32")),
      ),
    ),
    w.write(
      "y",
      sym("row", "i32"),
      [out.of(op("mul", sym("total", "f32"), sym("scale", "f32")))],
      op("and", sym("inside", "bool"), op("eq", lane, i(0))),
    ),
  ];
  const x = halves(length / 2, 1);
  const q = words((rows * length) / 8, 2);
  const scale = halves(rows / 2, 3);
  const values = Array.from({ length: rows }, (_, n) => {
    let sum = 0;
    for (let k = 0; k < length; k++) {
      const code = (q[(n * length + k) >> 3]! >>> (4 * (k % 8))) & 15;
      sum += half(x[k >> 1]!, k % 2) * (code - 8);
    }
    return sum * half(scale[n >> 1]!, n % 2);
  });
  return {
    kernel: {
      name: "gemv",
      lanes,
      warps,
      grid: [Math.ceil(rows / warps), 1, 1],
      buffers: [
        global("x", "u32", x.length),
        global("w.q", "u32", q.length),
        global("w.scale", "u32", scale.length),
        global("y", out.type, rows, "write"),
      ],
      tables: [],
      exprs: b.done(),
      body,
    },
    inputs: { x, "w.q": q, "w.scale": scale },
    outputs: { y: { values, tolerance: 2 ** -9 } },
  };
}

/** Block-wide sum, maximum, any, broadcast, rotation and butterfly, twice: what goes through shared memory. */
export function reductions(shape: Shape): Case {
  const { lanes, warps } = shape;
  const threads = lanes * warps;
  const groups = 3;
  const w = writer();
  const { b, op, i, f, sym } = w;
  const group = b.builtin("group", 0, [0, groups - 1]);
  const thread = b.builtin("thread", 0, [0, threads - 1]);
  const index = b.add(b.mul(group, i(threads)), thread);
  const value = sym("v", "u32");
  const float = sym("real", "f32");
  const integer = sym("whole", "i32");
  const both = (scope: Scope, list: readonly Exchange[]): Stmt[] => list.map((e) => w.all(scope, e));
  const body: Stmt[] = [
    w.read(["v"], "x", index),
    w.let("whole", op("sub", b.cast(op("mod", value, w.u(2001)), "i32"), i(1000))),
    w.let("real", b.cast(integer, "f32")),
    w.var("round", f(0)),
    w.loop("pass", 2, 1, [
      ...both("block", [exchange("sum", "sum", op("add", float, b.cast(sym("pass", "i32"), "f32")))]),
      w.assign("round", op("add", sym("round", "f32"), sym("sum", "f32"))),
    ]),
    ...both("block", [
      exchange("sum", "count", integer),
      exchange("max", "top", float),
      exchange("max", "most", integer),
      exchange("any", "some", op("eq", op("mod", value, w.u(97)), w.u(5))),
      exchange("broadcast", "first", value),
      exchange("shuffleXor", "other", value, i(threads / 2)),
      exchange("shuffleAt", "next", value, op("mod", b.add(thread, i(1)), i(threads))),
      exchange("elect", "chosen"),
    ]),
    w.let("mixed", op("xor", op("xor", sym("first", "u32"), sym("other", "u32")), sym("next", "u32"))),
    w.write("mix", index, [sym("mixed", "u32")]),
    w.when(sym("chosen", "bool"), "none", [
      w.write("ints", b.mul(group, i(4)), [
        sym("count", "i32"),
        sym("most", "i32"),
        op("select", sym("some", "bool"), i(1), i(0)),
        op("neg", sym("count", "i32")),
      ]),
      w.write("floats", b.mul(group, i(2)), [sym("round", "f32"), sym("top", "f32")]),
    ]),
  ];
  const x = words(groups * threads, 4);
  const ints: number[] = [];
  const floats: number[] = [];
  const mix: number[] = [];
  for (let g = 0; g < groups; g++) {
    const part = [...x.subarray(g * threads, (g + 1) * threads)];
    const whole = part.map((v) => (v % 2001) - 1000);
    const sum = whole.reduce((s, v) => s + v, 0);
    ints.push(sum, Math.max(...whole), part.some((v) => v % 97 === 5) ? 1 : 0, -sum);
    floats.push(2 * sum + threads, Math.max(...whole));
    part.forEach((_, t) => {
      mix.push((part[0]! ^ part[t ^ (threads / 2)]! ^ part[(t + 1) % threads]!) >>> 0);
    });
  }
  return {
    kernel: {
      name: "reductions",
      lanes,
      warps,
      grid: [groups, 1, 1],
      buffers: [
        global("x", "u32", x.length),
        global("mix", "u32", x.length, "write"),
        global("ints", "i32", 4 * groups, "write"),
        global("floats", "f32", 2 * groups, "write"),
      ],
      tables: [],
      exprs: b.done(),
      body,
    },
    inputs: { x },
    outputs: {
      mix: { values: mix, tolerance: 0 },
      ints: { values: ints, tolerance: 0 },
      floats: { values: floats, tolerance: 0 },
    },
  };
}

/** d[m, n] = Σ popc(a & b): a 16 × 8 tile over 512 bits through the row m16n8k256, fragments from memory. */
export function binaryMatrix(): Case {
  const [m, n, chunks] = [16, 8, 2];
  const wordsPerRow = 8 * chunks;
  const w = writer();
  const { b, i, sym } = w;
  const row = "mma.m16n8k256.b1";
  const names = (letter: string, count: number): string[] => Array.from({ length: count }, (_, r) => `${letter}${r}`);
  const fragment = (
    operand: "a" | "b" | "d",
    dir: "load" | "store",
    buffer: string,
    index: ExprId,
    stride: number,
  ): Stmt =>
    w.all("warp", {
      family: "fragment",
      row,
      operand,
      dir,
      at: { buffer, index, width: 1 },
      stride: i(stride),
      regs: names(operand, operand === "b" ? 2 : 4),
    });
  const chunk = b.symbol("chunk", "i32", [0, wordsPerRow - 8]);
  const body: Stmt[] = [
    ...names("d", 4).map((name) => w.var(name, i(0))),
    w.loop("chunk", wordsPerRow, 8, [
      fragment("a", "load", "a", chunk, wordsPerRow),
      fragment("b", "load", "b", chunk, wordsPerRow),
      w.all("warp", {
        family: "matrix",
        row,
        a: names("a", 4).map((name) => sym(name, "u32")),
        b: names("b", 2).map((name) => sym(name, "u32")),
        d: names("d", 4),
      }),
    ]),
    fragment("d", "store", "d", i(0), n),
  ];
  const a = words(m * wordsPerRow, 5);
  const bits = words(n * wordsPerRow, 6);
  const popc = (x: number): number => (x >>> 0).toString(2).split("1").length - 1;
  const values = Array.from({ length: m * n }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < wordsPerRow; k++)
      sum += popc(a[Math.floor(at / n) * wordsPerRow + k]! & bits[(at % n) * wordsPerRow + k]!);
    return sum;
  });
  return {
    kernel: {
      name: "binary_matrix",
      lanes: 32,
      warps: 1,
      grid: [1, 1, 1],
      buffers: [global("a", "u32", a.length), global("b", "u32", bits.length), global("d", "i32", m * n, "write")],
      tables: [],
      exprs: b.done(),
      body,
    },
    inputs: { a, b: bits },
    outputs: { d: { values, tolerance: 0 } },
  };
}

/**
 * codes[m, bit] = one word of 32 codes' bits, where code = round(127 · x / max|x|): absmax quantization of rows of 32
 * values into bit planes, one row a warp of 32, by ballots.
 */
export function quantize(): Case {
  const [rows, lanes, planes] = [5, 32, 8];
  const w = writer();
  const { b, op, i, u, f, sym } = w;
  const group = b.builtin("group", 0, [0, rows - 1]);
  const lane = b.builtin("lane", 0, [0, lanes - 1]);
  const word = b.add(b.mul(group, i(lanes / 2)), op("div", lane, i(2)));
  const code = b.cast(
    b.bits(b.cast(op("roundQuotient", op("mul", sym("x", "f32"), f(127)), sym("m", "f32")), "i32"), "u32"),
    "u32",
  );
  const body: Stmt[] = [
    w.read(["pair"], "x", word),
    w.let(
      "x",
      op(
        "select",
        op("eq", op("mod", lane, i(2)), i(0)),
        op("f16lo", sym("pair", "u32")),
        op("f16hi", sym("pair", "u32")),
      ),
    ),
    w.all("warp", exchange("max", "top", op("abs", sym("x", "f32")))),
    w.let("m", op("select", op("eq", sym("top", "f32"), f(0)), f(1), sym("top", "f32"))),
    w.let("code", code),
    ...Array.from({ length: planes }, (_, bit) =>
      w.all(
        "warp",
        exchange("ballot", `plane${bit}`, op("ne", op("and", op("shr", sym("code", "u32"), u(bit)), u(1)), u(0))),
      ),
    ),
    w.when(op("eq", lane, i(0)), "none", [
      ...[0, 4].map((first) =>
        w.write(
          "codes",
          b.add(b.mul(group, i(planes)), i(first)),
          [0, 1, 2, 3].map((bit) => sym(`plane${first + bit}`, "u32")),
        ),
      ),
      w.write("scale", group, [op("div", sym("m", "f32"), f(127))]),
    ]),
  ];
  const x = halves((rows * lanes) / 2, 7);
  x.fill(0, lanes / 2, lanes); // a row of zeros: the divisor is then 1
  const codes: number[] = [];
  const scales: number[] = [];
  for (let m = 0; m < rows; m++) {
    const row = Array.from({ length: lanes }, (_, k) => half(x[(m * lanes + k) >> 1]!, k % 2));
    const top = Math.max(...row.map(Math.abs)) || 1;
    const quantized = row.map((v) => roundEven((v * 127) / top));
    for (let bit = 0; bit < planes; bit++)
      codes.push(quantized.reduce((plane, c, k) => plane + ((c >> bit) & 1) * 2 ** k, 0));
    scales.push(top / 127);
  }
  return {
    kernel: {
      name: "quantize",
      lanes,
      warps: 1,
      grid: [rows, 1, 1],
      buffers: [
        global("x", "u32", x.length),
        global("codes", "u32", rows * planes, "write"),
        global("scale", "f32", rows, "write"),
      ],
      tables: [],
      exprs: b.done(),
      body,
    },
    inputs: { x },
    outputs: { codes: { values: codes, tolerance: 0 }, scale: { values: scales, tolerance: 2 ** -20 } },
  };
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const NF4: Table = {
  name: "nf4",
  type: "f32",
  // QLoRA (Dettmers et al. 2023), appendix E.
  values: [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
};

/** Table lookup, byte products, shifts of every sort, float functions, casts, atomics: one value a thread. */
export function scalars(shape: Shape): Case {
  const { lanes, warps } = shape;
  const threads = lanes * warps;
  const w = writer();
  const { b, op, i, u, f, sym } = w;
  const thread = b.builtin("thread", 0, [0, threads - 1]);
  const v = sym("v", "u32");
  const signed = b.cast(v, "i32");
  const entry = b.table(NF4, op("and", op("shr", v, u(4)), u(15)));
  const count = op("and", b.cast(thread, "u32"), u(63));
  const shifted = op("add", op("shl", v, count), b.cast(op("shr", signed, b.cast(count, "i32")), "u32"));
  const parts = op("dot4", v, op("xor", v, u(0x80ff017f)), op("sub", i(5), op("popc", v)));
  const real = b.cast(op("sub", op("mod", signed, i(1000)), i(3)), "f32");
  const mixed = op(
    "fma",
    op("floor", op("div", real, f(4))),
    op("rint", op("mul", real, f(0.5))),
    op(
      "min",
      op("max", op("neg", real), f(-7.5)),
      op("sub", op("ceil", op("mul", real, f(0.25))), op("sub", real, f(-1))),
    ),
  );
  const flag = op(
    "or",
    op("and", op("lt", real, f(0)), op("not", op("gt", real, f(-300)))),
    op("eq", op("mod", v, u(3)), u(0)),
  );
  // Not a constant, so that it is computed where the kernel runs.
  const hundred = b.cast(op("add", op("and", signed, i(0)), i(100)), "f32");
  const out = output(shape, b);
  const body: Stmt[] = [
    w.read(["v"], "x", thread),
    w.write("picked", thread, [entry]),
    w.write("shifted", thread, [op("not", shifted)]),
    w.write("dots", thread, [parts]),
    w.write("mixed", thread, [op("select", flag, mixed, op("sqrt", op("abs", real)))]),
    w.write("halved", thread, [out.of(op("mul", b.bits(op("and", v, u(0x8fffffff)), "f32"), op("exp2", hundred)))]),
    { kind: "atomicAdd", at: { buffer: "total", index: i(0), width: 1 }, values: [op("and", v, u(255))] },
  ];
  const x = words(threads, 8);
  const reals = [...x].map((word) => ((word | 0) % 1000) - 3);
  const byte = (word: number, index: number): number => (word << (24 - 8 * index)) >> 24;
  const popc = (word: number): number => word.toString(2).split("1").length - 1;
  return {
    kernel: {
      name: "scalars",
      lanes,
      warps,
      grid: [1, 1, 1],
      buffers: [
        global("x", "u32", threads),
        global("picked", "f32", threads, "write"),
        global("shifted", "u32", threads, "write"),
        global("dots", "i32", threads, "write"),
        global("mixed", "f32", threads, "write"),
        global("halved", out.type, threads, "write"),
        global("total", "u32", 1, "readWrite"),
      ],
      tables: [NF4],
      exprs: b.done(),
      body,
    },
    inputs: { x },
    outputs: {
      picked: { values: [...x].map((word) => NF4.values[(word >>> 4) & 15]!), tolerance: 2 ** -23 },
      shifted: {
        values: [...x].map((word, t) => ~((word << (t & 31)) + ((word | 0) >> (t & 31))) >>> 0),
        tolerance: 0,
      },
      dots: {
        values: [...x].map(
          (word) => [0, 1, 2, 3].reduce((s, j) => s + byte(word, j) * byte(word ^ 0x80ff017f, j), 0) + 5 - popc(word),
        ),
        tolerance: 0,
      },
      mixed: {
        values: reals.map((r, t) => {
          const mix = Math.floor(r / 4) * roundEven(r / 2) + Math.min(Math.max(-r, -7.5), Math.ceil(r / 4) - (r + 1));
          return (r < 0 && !(r > -300)) || x[t]! % 3 === 0 ? mix : Math.sqrt(Math.abs(r));
        }),
        tolerance: 2 ** -20,
      },
      halved: {
        values: [...x].map((word) => {
          const view = new DataView(new ArrayBuffer(4));
          view.setUint32(0, word & 0x8fffffff);
          return view.getFloat32(0) * 2 ** 100;
        }),
        tolerance: 2 ** -11,
      },
      total: { values: [[...x].reduce((s, word) => s + (word & 255), 0)], tolerance: 0 },
    },
  };
}

/** KernelBuilder's kernels, with a tensor for every global buffer. */
function withTensors(kernel: Kernel): Kernel {
  return { ...kernel, buffers: kernel.buffers.map((b) => (b.space === "global" ? { ...b, tensor: b.id } : b)) };
}

/** out[t] = Σ of four words of each tile, brought by cp.async in two stages: groups, drains, masked copies. */
export function pipelined(): Case {
  const [tiles, threads] = [5, 64];
  const tile = 4 * threads;
  const b = new KernelBuilder({ name: "pipelined", lanes: 32, warps: 2 });
  b.input("x", "u32", tiles * tile);
  b.output("out", "u32", threads);
  b.shared("stage", "u32", 2 * tile);
  const chunk = b.at(b.int(0), [b.thread(), 4]);
  const fill = (t: ExprId): void => {
    const slot = b.op("mod", t, b.int(2));
    const to = b.access("stage", b.at(chunk, [slot, tile]), 4);
    b.cpAsync(b.access("x", b.at(chunk, [t, tile]), 4), to, 16, b.op("lt", t, b.int(tiles)));
    b.sync("commit", "warp");
  };
  const sum = b.var(b.e.constant(0, "u32"), "sum");
  fill(b.int(0));
  fill(b.int(1));
  b.for(b.int(0), b.int(tiles), 1, (t) => {
    b.sync("drain", "warp", { count: b.int(1) });
    b.barrier();
    const other = b.op("xor", b.thread(), b.int(threads - 1));
    const at = b.at(b.int(0), [other, 4], [b.op("mod", t, b.int(2)), tile]);
    for (const part of b.readVector("stage", at, 4)) b.assign(sum, b.e.add(sum, part));
    b.barrier();
    fill(b.e.add(t, b.int(2)));
  });
  b.sync("drain", "warp", { count: b.int(0) });
  b.write("out", b.thread(), sum);
  const x = words(tiles * tile, 9);
  const values = Array.from({ length: threads }, (_, t) => {
    let total = 0;
    for (let k = 0; k < tiles; k++)
      for (let i = 0; i < 4; i++) total = (total + x[k * tile + 4 * (threads - 1 - t) + i]!) >>> 0;
    return total;
  });
  return { kernel: withTensors(b.done()), inputs: { x }, outputs: { out: { values, tolerance: 0 } } };
}

/** Warp 0 hands tiles to warp 1 through one shared tile: bulk copies and mbarriers. */
export function handOver(): Case {
  const tiles = 3;
  const b = new KernelBuilder({ name: "hand_over", lanes: 32, warps: 2 });
  b.input("x", "u32", tiles * 64);
  b.output("out", "u32", 32);
  b.shared("tile", "u32", 64);
  b.shared("bars", "u64", 2);
  const [full, empty] = [b.access("bars", b.int(0)), b.access("bars", b.int(1))];
  const producer = b.op("eq", b.warp(), b.int(0));
  b.if(producer, "warp", () => {
    for (const at of [full, empty]) b.sync("init", "warp", { at, count: b.int(1) });
  });
  b.sync("fence", "warp", { proxy: "async" });
  b.barrier();
  const sum = b.var(b.e.constant(0, "u32"), "sum");
  b.if(
    producer,
    "warp",
    () => {
      b.for(b.int(0), b.int(tiles), 1, (t) => {
        b.sync("wait", "warp", { at: empty, count: b.op("mod", b.e.add(t, b.int(1)), b.int(2)) });
        b.sync("expect", "warp", { at: full, count: b.int(256) });
        const one = b.exchange("elect", "warp", "bool");
        const from = b.access("x", b.at(b.int(0), [t, 64]));
        b.transfer("bulk", from, b.access("tile", b.int(0)), 256, { kind: "mbarrier", at: full }, one);
        b.sync("arrive", "warp", { at: full });
      });
    },
    () => {
      b.for(b.int(0), b.int(tiles), 1, (t) => {
        b.sync("wait", "warp", { at: full, count: b.op("mod", t, b.int(2)) });
        for (const half of [0, 32]) b.assign(sum, b.e.add(sum, b.read("tile", b.e.add(b.lane(), b.int(half)))));
        b.sync("arrive", "warp", { at: empty });
      });
      b.write("out", b.lane(), sum);
    },
  );
  const x = words(tiles * 64, 10);
  const values = Array.from({ length: 32 }, (_, lane) => {
    let total = 0;
    for (let t = 0; t < tiles; t++) for (const i of [lane, lane + 32]) total = (total + x[64 * t + i]!) >>> 0;
    return total;
  });
  return { kernel: withTensors(b.done()), inputs: { x }, outputs: { out: { values, tolerance: 0 } } };
}

/** One multiplication by each matrix row of the target, with registers that hold small numbers of the lane. */
export function rowProbe(row: MatrixRow): Kernel {
  const b = new KernelBuilder({ name: `probe_${row.id.replaceAll(".", "_")}`, lanes: 32, warps: 1 });
  b.output("d", row.d.type, 32 * row.d.regs);
  const zero = b.e.constant(0, row.d.type);
  const d = Array.from({ length: row.d.regs }, (_, i) => {
    b.var(zero, `d${i}`);
    return `d${i}`;
  });
  const regs = (count: number): ExprId[] =>
    Array.from({ length: count }, (_, i) => b.op("add", b.e.cast(b.lane(), "u32"), b.e.constant(i, "u32")));
  b.collective("warp", { family: "matrix", row: row.id, a: regs(row.a.regs), b: regs(row.b.regs), d });
  d.forEach((name, i) => {
    b.write("d", b.at(b.int(i), [b.lane(), row.d.regs]), b.e.symbol(name, row.d.type));
  });
  return withTensors(b.done());
}

/** All kernels that this target can run. */
export function cases(target: Backend): readonly Case[] {
  const rows = new Set(target.rows.filter((r) => r.support === "native").map((r) => r.row));
  const { transfer } = target.syntax;
  return [
    gemv(target),
    reductions(target),
    scalars(target),
    ...(target.lanes >= 32 ? [quantize()] : []),
    ...(rows.has("mma.m16n8k256.b1") ? [binaryMatrix()] : []),
    ...("cpAsync" in transfer ? [pipelined()] : []),
    ...("bulk" in transfer ? [handOver()] : []),
  ];
}
