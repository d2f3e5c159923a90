/** What formats and operators mean: programs of the front end evaluated against definitions written out here. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram, type TensorValues } from "../../ir/eval/program.ts";
import { bitsPerValue, type Format, scopeBits } from "../../ir/format.ts";
import { compileAddress, enumerate } from "../../ir/layout/apply.ts";
import type { Program } from "../../ir/program.ts";
import { bitsOf, isFloat, rangeOf } from "../../ir/scalar.ts";

function programOf(text: string, op: string, sizes: Readonly<Record<string, number>>): Program {
  const diagnostics = new Diagnostics();
  const module = check([{ name: "test.loom", text }], diagnostics);
  const program = instantiate(module, op, sizes, diagnostics);
  expect(diagnostics.list.filter((d) => d.severity === "error")).toEqual([]);
  return program!;
}

/** A fixed sequence of integers below 2^31 (Lehmer, multiplier 48271). */
function sequence(seed: number): () => number {
  const state = { value: seed };
  return () => {
    state.value = (state.value * 48271) % 2147483647;
    return state.value;
  };
}

/** Inputs that fill every stream: any code, and small multiples of 1/8 for floats (exact in every float type). */
function inputsOf(program: Program, seed: number): Record<string, Float64Array> {
  const next = sequence(seed);
  const inputs: Record<string, Float64Array> = {};
  for (const tensor of program.tensors) {
    if (tensor.role !== "input") continue;
    const count = tensor.shape.reduce((n, e) => n * e, 1);
    const type = tensor.type;
    inputs[tensor.id] = Float64Array.from({ length: count }, () => {
      if (type === "bool" || isFloat(type)) return ((next() % 65) - 32) / 8;
      const [low, high] = rangeOf(type);
      return low + (next() % (high - low + 1));
    });
  }
  return inputs;
}

const evaluate = (program: Program, inputs: TensorValues): TensorValues =>
  evalProgram(program, inputs, { arithmetic: "real" });

/** The library's formats by the names that it declares. */
const std = (() => {
  const diagnostics = new Diagnostics();
  return check(STD_FILES, diagnostics).formats.filter((format) => !format.name.includes("<"));
})();

/** Those whose names say what they mean; test/formats reads the others bit by bit. */
const families = std.filter((format) =>
  /^(f16|bf16|f32|nf4|int4_g128|[iu]\d(_tensor|_row|_g\d+|_planes)?)$/.test(format.name),
);

/** NF4 from its definition: quantiles of the normal distribution, offset 0.9677083 (QLoRA, appendix E; bitsandbytes). */
function normalFloat4(): readonly number[] {
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  // Φ(x) - 1/2 by Simpson's rule, inverted by bisection.
  const half = (x: number): number => {
    const steps = 400;
    const h = x / steps;
    const inner = Array.from({ length: steps - 1 }, (_, i) => (i % 2 === 0 ? 4 : 2) * density((i + 1) * h));
    return (h / 3) * (density(0) + density(x) + inner.reduce((a, b) => a + b, 0));
  };
  const quantile = (p: number): number => {
    const bounds = { low: 0, high: 6 };
    for (let i = 0; i < 60; i++) {
      const middle = (bounds.low + bounds.high) / 2;
      if (half(middle) + 0.5 < p) bounds.low = middle;
      else bounds.high = middle;
    }
    return bounds.low;
  };
  const line = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => quantile(0.9677083 + ((0.5 - 0.9677083) * i) / count));
  const values = [...line(8), 0, ...line(7).map((v) => -v)];
  const top = Math.max(...values.map(Math.abs));
  return values.map((v) => v / top).sort((a, b) => a - b);
}

const NORMAL_FLOAT4 = normalFloat4();

describe("standard formats", () => {
  /** name → value of one element from its fields, in the words of its family. */
  function meaning(name: string): (field: (name: string) => number) => number {
    if (["f16", "bf16", "f32"].includes(name)) return (f) => f("v");
    if (name === "nf4") return (f) => f("absmax") * Math.fround(NORMAL_FLOAT4[f("q")]!);
    if (/^[iu]\d$/.test(name)) return (f) => f("q");
    if (/^u\d_/.test(name)) return (f) => f("scale") * (f("q") - f("zero"));
    return (f) => f("scale") * f("q");
  }

  it.each(families.map((format) => format.name))("%s decodes as its family says", (name) => {
    const rows = 3;
    const columns = 256;
    const text = `op d<M, K>(w: ${name}[M, K]) -> f32[M, K] { y[m, k] = w[m, k] }`;
    const program = programOf(text, "d", { M: rows, K: columns });
    const inputs = inputsOf(program, 7);
    const result = evaluate(program, inputs).y!;
    const format = std.find((f) => f.name === name)!;
    const value = meaning(name);
    for (let m = 0; m < rows; m++)
      for (let k = 0; k < columns; k++) {
        const field = (wanted: string): number => {
          const f = format.fields.find((x) => x.name === wanted)!;
          const values = inputs[`w.${wanted}`] ?? inputs.w!;
          if (f.scope === "tensor") return values[0]!;
          if (f.scope === "row") return values[m]!;
          if (f.count === format.block) return values[m * columns + k]!;
          return values[Math.floor((m * columns + k) / format.block)]!;
        };
        expect(result[m * columns + k]).toBeCloseTo(value(field), name === "nf4" ? 5 : 10);
      }
  });

  it("nf4 is the published table", () => {
    const table = std.find((f) => f.name === "nf4")!.tables[0]!.values;
    const derived = NORMAL_FLOAT4;
    for (const [n, value] of table.entries()) expect(Math.abs(value - derived[n]!)).toBeLessThan(2e-6);
  });

  it("take as many bits per value as their families say", () => {
    const bits = (format: Format): number => bitsPerValue(format, 4096, 4096);
    const of = (name: string): number => bits(std.find((f) => f.name === name)!);
    expect(of("f16")).toBe(16);
    expect(of("int4_g128")).toBe(4 + 16 / 128);
    expect(of("u4_g128")).toBe(4 + (16 + 4) / 128);
    expect(of("nf4")).toBe(4 + 32 / 64);
    expect(of("i2_planes")).toBe(2 + 32 / 4096);
    expect(of("i8_tensor")).toBe(8 + 32 / 4096 / 4096);
    for (const format of std) {
      const match = /^[iu](\d)_g(\d+)$/.exec(format.name);
      if (match === null) continue;
      const [n, group] = [Number(match[1]), Number(match[2])];
      expect(bits(format)).toBe(n + (16 + (format.name.startsWith("u") ? n : 0)) / group);
    }
  });

  it("are these", async () => {
    const lines = std.map((format) => {
      const fields = format.fields.map(
        (f) => `${f.scope === "block" ? "" : `${f.scope} `}${f.name}: ${f.type}${f.count > 1 ? `[${f.count}]` : ""}`,
      );
      const bits = bitsPerValue(format, 4096, 4096);
      const encodes = format.encoder === undefined ? "" : "  encodes";
      return `${format.name.padEnd(16)}  block ${String(format.block).padEnd(4)}  ${bits.toFixed(3).padStart(6)} bits  ${fields.join(", ")}${encodes}`;
    });
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("expected/std-formats.txt");
  });

  it.each(families.map((format) => format.name))("%s gives every bit of every stream its own place", (name) => {
    const program = programOf(`op d<M, K>(w: ${name}[M, K]) -> f32[M, K] { y[m, k] = w[m, k] }`, "d", { M: 3, K: 256 });
    for (const tensor of program.tensors) {
      if (tensor.layout === undefined) continue;
      const addresses = enumerate(tensor.layout);
      const elements = tensor.shape.reduce((n, e) => n * e, 1);
      expect(addresses.length).toBe(elements * bitsOf(tensor.type));
      expect(new Set(addresses).size).toBe(addresses.length);
    }
  });
});

describe("layouts from bit offsets", () => {
  const stream = (fields: string, value: string, block: number, K: number): ReturnType<typeof compileAddress> => {
    const text = `format f { block ${block} ${fields} value(i) = ${value} }\nop d<M, K>(w: f[M, K]) -> f32[M, K] { y[m, k] = w[m, k] }`;
    const tensor = programOf(text, "d", { M: 2, K }).tensors.find((t) => t.id === "w.q")!;
    return compileAddress(tensor.layout!, ["m", "k", "bit"]);
  };

  it("follows GGUF's nibble order in blocks", () => {
    // ggml's q4_0: byte j of a block holds value j in its low and value j + 16 in its high nibble.
    const address = stream("d: f16 q: u4[32] @ 16 + 8 * (i % 16) + 4 * (i / 16)", "d * (q[i] - 8)", 32, 96);
    for (let m = 0; m < 2; m++)
      for (let k = 0; k < 96; k++)
        for (let bit = 0; bit < 4; bit++) {
          const [block, i] = [Math.floor(k / 32), k % 32];
          const byte = m * 48 + block * 16 + (i % 16);
          expect(address(m, k, bit)).toBe(8 * byte + (i < 16 ? bit : 4 + bit));
        }
  });

  it("keeps planes together", () => {
    const address = stream("q: i3[64] @ i + 64 * bit", "q[i]", 64, 128);
    for (let m = 0; m < 2; m++)
      for (let k = 0; k < 128; k++)
        for (let bit = 0; bit < 3; bit++)
          expect(address(m, k, bit)).toBe(m * 384 + Math.floor(k / 64) * 192 + bit * 64 + (k % 64));
  });

  // Each offset once as it is written and once as arithmetic here; quasi-affine or not must make no difference.
  const offsets: readonly (readonly [string, number, (i: number) => number])[] = [
    ["4 * (15 - i)", 16, (i) => 4 * (15 - i)],
    ["4 * (i % 10 / 4 * 4 + i % 10 % 4 + 12 * (i / 10))", 20, (i) => 4 * (Math.trunc((i % 10) / 4) * 4 + ((i % 10) % 4) + 12 * Math.trunc(i / 10))],
    ["4 * (i ^ 5)", 16, (i) => 4 * (i ^ 5)],
    ["(i & 3) << 4 | (i >> 2) << 2", 16, (i) => ((i & 3) << 4) | ((i >> 2) << 2)],
    ["((i & 7) << 3) + ((i >> 3) << 2)", 16, (i) => ((i & 7) << 3) + ((i >> 3) << 2)],
    ["4 * (i % 5) + 20 * (i / 5)", 15, (i) => 4 * (i % 5) + 20 * Math.trunc(i / 5)],
    ["4 * (i / 2 % 3 + 3 * (i % 2) + 6 * (i / 6))", 12, (i) => 4 * ((Math.trunc(i / 2) % 3) + 3 * (i % 2) + 6 * Math.trunc(i / 6))],
  ]; // biome-ignore format: a table

  it.each(offsets)("@ %s", (offset, block, place) => {
    const distinct = new Set(Array.from({ length: block }, (_, i) => place(i)));
    expect(distinct.size === block).toBe(true);
    const address = stream(`q: u4[${block}] @ ${offset}`, "q[i]", block, 2 * block);
    const first = Math.min(...distinct);
    const span = Math.max(...distinct) + 4 - first;
    const pitch = Math.ceil((2 * span) / 32) * 32;
    for (let m = 0; m < 2; m++)
      for (let k = 0; k < 2 * block; k++)
        for (let bit = 0; bit < 4; bit++)
          expect(address(m, k, bit)).toBe(m * pitch + Math.floor(k / block) * span + place(k % block) - first + bit);
  });
});

describe("operators", () => {
  it("multiplies matrices", () => {
    const text = "op f<M, N, K>(x: f16[M, K], w: f16[N, K]) -> f32[M, N] { y[m, n] = sum k { x[m, k] * w[n, k] } }";
    const [M, N, K] = [3, 5, 7];
    const program = programOf(text, "f", { M, N, K });
    const inputs = inputsOf(program, 3);
    const y = evaluate(program, inputs).y!;
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        const terms = Array.from({ length: K }, (_, k) => inputs.x![m * K + k]! * inputs.w![n * K + k]!);
        expect(y[m * N + n]).toBe(terms.reduce((a, b) => a + b, 0));
      }
  });

  it("maps around, inside and between sums", () => {
    const text = `op f<M, K>(x: f32[M, K], w: f32[M, K], b: f32[4]) -> f32[M] {
      let t[m] = sum k { max(x[m, k], 0) * w[m, k] - 1 }
      y[m] = (t[m] > 0 ? t[m] : -t[m] / 2) + sum k { sum j { x[m, k] * w[m, j] } } + b[3] + select(b[0] < b[1], 1, 2)
    }`;
    const [M, K] = [4, 6];
    const program = programOf(text, "f", { M, K });
    const inputs = inputsOf(program, 11);
    const y = evaluate(program, inputs).y!;
    const row = (a: Float64Array, m: number): number[] => [...a.slice(m * K, (m + 1) * K)];
    for (let m = 0; m < M; m++) {
      const [x, w, b] = [row(inputs.x!, m), row(inputs.w!, m), inputs.b!];
      const t = x.reduce((sum, v, k) => sum + Math.max(v, 0) * w[k]! - 1, 0);
      const total = (values: number[]): number => values.reduce((a, c) => a + c, 0);
      const expected = (t > 0 ? t : -t / 2) + total(x) * total(w) + b[3]! + (b[0]! < b[1]! ? 1 : 2);
      expect(y[m]).toBeCloseTo(expected, 9);
    }
  });

  it("quantizes by absmax, per row and per block", () => {
    for (const [name, group, qmax] of [
      ["i8_row", 128, 127],
      ["i4_g32", 32, 7],
      ["i8_planes", 128, 127],
      ["i3_tensor", 256, 3],
    ] as const) {
      // biome-ignore format: a table
      const text = `op f<M, K>(x: f32[M, K]) -> f32[M, K] { let q = quantize(x, ${name}) y[m, k] = q[m, k] }`;
      const [M, K] = [2, 128];
      const program = programOf(text, "f", { M, K });
      const inputs = inputsOf(program, 5);
      const result = evaluate(program, inputs);
      for (let at = 0; at < M * K; at++) {
        const from = Math.floor(at / group) * group;
        const top = Math.max(...[...inputs.x!.slice(from, from + group)].map(Math.abs));
        expect(Math.abs(result["q.q"]![at]! - (inputs.x![at]! * qmax) / top)).toBeLessThanOrEqual(0.5 + 1e-12);
        expect(Math.abs(result.y![at]! - inputs.x![at]!)).toBeLessThanOrEqual(top / qmax / 2 + top * 1e-3);
      }
    }
  });

  it("shares a value that is used twice, and reads pair partners", () => {
    // OliVe's victim: a code of 8 says that the partner is an outlier and this value is 0.
    const text = `format pairs { block 2 tensor: f32 q: u4[2]
      value(i) = q[i] == 8 ? 0 : tensor * (q[1 - i] == 8 ? 10 * q[i] : q[i]) }
    op f<M, K>(w: pairs[M, K]) -> f32[M, K] { y[m, k] = w[m, k] + w[m, k] }`;
    const program = programOf(text, "f", { M: 1, K: 6 });
    expect(program.body.filter((s) => s.kind === "decode")).toHaveLength(1);
    const y = evaluate(program, { "w.tensor": Float64Array.of(0.5), "w.q": Float64Array.of(3, 4, 8, 5, 6, 8) }).y!;
    expect([...y]).toEqual([3, 4, 0, 50, 60, 0]);
  });

  it("reads sub-block scales", () => {
    const text = `format sub { block 8 s: u4[2] q: u4[8] value(i) = s[i / 4] * q[i] }
    op f<M, K>(w: sub[M, K]) -> f32[M, K] { y[m, k] = w[m, k] }`;
    const program = programOf(text, "f", { M: 1, K: 16 });
    const q = Float64Array.from({ length: 16 }, (_, k) => k);
    const y = evaluate(program, { "w.s": Float64Array.of(1, 2, 3, 4), "w.q": q }).y!;
    expect([...y]).toEqual(Array.from({ length: 16 }, (_, k) => k * (Math.floor(k / 4) + 1)));
  });

  it("reads row fields of several elements", () => {
    const text = `format f { block 4 row s: f32[3] tensor t: f32[2] q: u4[4] value(i) = s[i % 3] * q[i] + t[i / 2] }
    op f<M, K>(w: f[M, K]) -> f32[M, K] { y[m, k] = w[m, k] }`;
    const program = programOf(text, "f", { M: 2, K: 8 });
    const [s, t] = [Float64Array.of(1, 2, 3, 4, 5, 6), Float64Array.of(0.25, 0.5)];
    const q = Float64Array.from({ length: 16 }, (_, at) => at);
    const y = evaluate(program, { "w.s": s, "w.t": t, "w.q": q }).y!;
    const expected = [...q].map((code, at) => {
      const i = at % 4;
      return s[3 * Math.floor(at / 8) + (i % 3)]! * code + t[Math.floor(i / 2)]!;
    });
    expect([...y]).toEqual(expected);
  });

  it("spreads row and tensor fields over the values they serve", () => {
    const format = std.find((f) => f.name === "i8_row")!;
    expect(scopeBits(format, "row")).toBe(32);
    expect(format.recordBits).toBe(8);
  });
});
