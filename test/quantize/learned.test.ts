/** Encoders that search or learn: planes, codebooks, lattice points, trellises, types of a tensor, against their definitions. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { type FieldValues, studyTensor } from "../../compiler/quantize/encoder.ts";
import { decoderOfFormat } from "../../compiler/quantize/format-decode.ts";
import { encoderOfFormat } from "../../compiler/quantize/format-encode.ts";
import { e8pTable } from "../../compiler/quantize/lattice-encode.ts";
import { solvePositive } from "../../compiler/quantize/linear-algebra.ts";
import { codebookOf, nearestVectors } from "../../compiler/quantize/vectors.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { f16Round } from "../../ir/float.ts";
import type { Format } from "../../ir/format.ts";
import { COLUMNS, flat, GOLDEN, INPUT, meanSquare } from "./golden.ts";

const formats = check(stdFiles().map((f) => f.source), new Diagnostics()).formats; // biome-ignore format: one line
const named = (name: string): Format => formats.find((f) => f.name === name)!;

function encode(name: string, values = INPUT, columns = COLUMNS, rule?: string): FieldValues {
  const encoder = encoderOfFormat(named(name), rule === undefined ? {} : { rule })!;
  return encoder.encode(values, columns, studyTensor(encoder, values, columns));
}
const decode = (name: string, fields: FieldValues, columns = COLUMNS) => decoderOfFormat(named(name))(fields, columns);
const trip = (name: string, values = INPUT, columns = COLUMNS, rule?: string) =>
  decode(name, encode(name, values, columns, rule), columns);

function normals(count: number): Float32Array {
  let state = 5;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()));
}

describe("ANT as formats", () => {
  it.each([["ant_int4", "int"], ["ant_flint4", "flint"], ["ant_pot4", "pot"]] as const)("%s: the golden reach and values", (name, type) => {
    const golden = GOLDEN.ant[`w4_${type}_tensor`]!;
    const expected = flat(golden.dequant_over_scale_norm10).map((v) => (v * golden.alpha[0]!) / 10);
    trip(name).forEach((v, i) => {
      // The golden levels have five digits.
      expect(v).toBeCloseTo(expected[i]!, 4);
    });
  }); // biome-ignore format: one declaration
  it("ant4 takes the type of least error", () => {
    const errors = ["ant_int4", "ant_flint4", "ant_pot4", "ant_float4"].map((n) => meanSquare(trip(n), INPUT));
    expect(encode("ant4").get("kind")![0]).toBe(errors.indexOf(Math.min(...errors)));
    expect(meanSquare(trip("ant4"), INPUT)).toBeCloseTo(Math.min(...errors), 12);
  });
});

describe("scales of signs", () => {
  it("absmean: BitNet's ternary numbers, in every packing the same", () => {
    const gamma = Math.fround(INPUT.reduce((sum, v) => sum + Math.abs(v), 0) / INPUT.length);
    const expected = INPUT.map((v) => gamma * Math.max(-1, Math.min(1, Math.round(v / gamma))) + 0);
    for (const name of ["ternary", "ternary_planes", "ternary_base3"]) expect([...trip(name)]).toEqual([...expected]);
  });
  it("absmean of one bit is the least squared error there is", () => {
    const group = INPUT.subarray(0, 128);
    const scale = trip("sign_g128")[0]!;
    const error = (s: number) => group.reduce((sum, v) => sum + (Math.abs(v) - Math.abs(s)) ** 2, 0);
    for (const other of [0.99, 1.01]) expect(error(scale)).toBeLessThan(error(scale * other));
  });
});

describe("planes", () => {
  it.each(["multi_base2_g128", "multi_base3_g128", "dual_binary"])("%s: neither other scales nor other codes are better", (name) => {
    const fields = encode(name);
    const back = decode(name, fields);
    const [numbers] = [...fields.keys()];
    const base = meanSquare(back, INPUT);
    const count = named(name).fields.find((f) => f.name === numbers)!.count;
    for (let e = 0; e < count; e++)
      for (const factor of [0.98, 1.02]) {
        const moved = new Map(fields).set(numbers!, Array.from(fields.get(numbers!)!, (v, i) => (i % count === e ? v * factor : v)));
        expect(meanSquare(decode(name, moved), INPUT)).toBeGreaterThan(base);
      }
    // Every value has the nearest of the values that its block's scales make.
    const block = named(name).block;
    for (let b = 0; b * block < INPUT.length; b++) {
      const own = Array.from({ length: count }, (_, e) => fields.get(numbers!)![b * count + e]!);
      const sums = Array.from({ length: 2 ** count }, (_, c) =>
        own.reduce((s, v, e) => s + v * (name === "dual_binary" ? (c >> e) & 1 : 2 * ((c >> e) & 1) - 1), 0),
      );
      for (let i = b * block; i < (b + 1) * block; i++)
        expect(Math.abs(back[i]! - INPUT[i]!)).toBeLessThanOrEqual(Math.min(...sums.map((s) => Math.abs(s - INPUT[i]!))) + 1e-6);
    }
  }); // biome-ignore format: one declaration
  it("solves small systems", () => {
    const x = solvePositive(Float64Array.of(4, 1, 0, 1, 3, 1, 0, 1, 2), Float64Array.of(6, 10, 8))!;
    expect([...x].map((v) => Math.round(v * 1e9) / 1e9)).toEqual([1, 2, 3]);
    expect(solvePositive(Float64Array.of(1, 2, 2, 1), Float64Array.of(1, 1))).toBeUndefined();
  });
});

describe("codebooks", () => {
  it("beam: a sum of two codebooks beats one of as many bits a value that is a table", () => {
    const values = normals(64 * 256);
    const additive = meanSquare(trip("aqlm_2x8", values, 256), values);
    const scalar = meanSquare(trip("i2_row", values, 256, "mse"), values);
    expect(additive).toBeLessThan(0.6 * scalar);
  });
  it("finds the vectors that made a tensor", () => {
    const book = normals(256 * 8).map(f16Round);
    const values = Float32Array.from({ length: 512 * 8 }, (_, i) => book[(Math.floor(i / 8) % 256) * 8 + (i % 8)]!);
    expect(meanSquare(trip("vptq_8x12", values, 64), values)).toBeLessThan(1e-3);
  });
  it("looks for the nearest vector", () => {
    const book = codebookOf(normals(300 * 4), 4);
    const x = Float32Array.of(0.3, -1, 0.7, 0.1);
    const distances = Array.from({ length: 300 }, (_, c) =>
      x.reduce((s, v, i) => s + (v - book.vectors[c * 4 + i]!) ** 2, 0),
    );
    const order = [...distances.keys()].sort((a, b) => distances[a]! - distances[b]!);
    expect(nearestVectors(book, x, 5).map((n) => n.code)).toEqual(order.slice(0, 5));
    expect(nearestVectors(book, x, 1)[0]!.error).toBeCloseTo(distances[order[0]!]!, 5);
  });
});

describe("E8P", () => {
  const { sizes, odd } = e8pTable();
  it("has 227 magnitudes of squared length up to 10 and 29 of 12, all different", () => {
    const vectors = Array.from({ length: 256 }, (_, q) => [...sizes.subarray(8 * q, 8 * q + 8)]);
    const squares = vectors.map((v) => v.reduce((s, x) => s + x * x, 0));
    expect(squares.filter((s) => s <= 10).length).toBe(227);
    expect(squares.filter((s) => s === 12).length).toBe(29);
    expect(new Set(vectors.map(String)).size).toBe(256);
    for (const [q, v] of vectors.entries()) expect((v.reduce((s, x) => s + x, 0) + odd[q]!) % 2).toBe(0);
  });
  it("gives the nearest of all 65536 points", () => {
    const values = normals(16);
    const fields = encode("lattice_e8", values, 16);
    const back = decode("lattice_e8", fields, 16);
    const scale = fields.get("scale")![0]!;
    for (const b of [0, 1]) {
      let least = Number.POSITIVE_INFINITY;
      for (let q = 0; q < 256; q++)
        for (let s = 0; s < 256; s++) {
          const bits = [0, 1, 2, 3, 4, 5, 6].map((i) => (s >> i) & 1);
          const last = (bits.reduce((a, x) => a + x, 0) + odd[q]!) % 2;
          let error = 0;
          for (let i = 0; i < 8; i++) {
            const size = sizes[8 * q + i]!;
            const point = ((i === 7 ? last : bits[i]!) === 1 ? -size : size) + (s >> 7 === 1 ? 0.25 : -0.25);
            error += (scale * point - values[8 * b + i]!) ** 2;
          }
          least = Math.min(least, error);
        }
      const got = back.subarray(8 * b, 8 * b + 8).reduce((s, v, i) => s + (v - values[8 * b + i]!) ** 2, 0);
      expect(got).toBeCloseTo(least, 6);
    }
  });
});

it("the trellis of two bits comes near the distortion that its paper reports, and no single code is better", () => {
  const values = normals(256);
  const fields = encode("trellis2", values, 256);
  const error = meanSquare(decode("trellis2", fields, 256), values) / meanSquare(values, new Float32Array(256));
  // QTIP, table 1: 0.069 for long Gaussian sequences at 2 bits; scalar codes reach 0.118 at best, and D(R) is 0.0625.
  expect(error).toBeLessThan(0.085);
  const codes = Array.from(fields.get("q")!);
  const base = meanSquare(decode("trellis2", fields, 256), values);
  for (const i of [0, 1, 100, 250, 255])
    for (const q of [0, 1, 2, 3]) {
      const moved = new Map(fields).set("q", codes.with(i, q));
      expect(meanSquare(decode("trellis2", moved, 256), values)).toBeGreaterThanOrEqual(base - 1e-9);
    }
});

it("NUPES takes the exponent of least error", () => {
  const values = normals(512).map((v) => v ** 3);
  const fields = encode("power_grid4", values, 512);
  expect(fields.get("exponent")![0]).toBeGreaterThan(1.5);
  expect(meanSquare(trip("power_grid4", values, 512), values)).toBeLessThan(
    meanSquare(trip("ant_int4", values, 512, "absmax"), values),
  );
});

it("OliVe with E4M3 outliers keeps the pairs' rule: an outlier's partner is zero", () => {
  const values = INPUT.map((v, i) => (i === 10 ? 3 : i === 11 ? 0.1 : v));
  const back = trip("olive_int8_e4m3", values);
  expect(back[11]).toBe(0);
  expect(Math.abs(back[10]! - 3)).toBeLessThan(0.2);
});

it("double quantization codes scales around their mean", () => {
  const values = normals(8192);
  const nested = encode("nf4_double", values, 8192);
  const plain = encode("nf4", values, 8192);
  expect([...Int16Array.from(nested.get("q")!)]).toEqual([...Int16Array.from(plain.get("q")!)]);
  const mean = Array.from(plain.get("absmax")!).reduce((a, b) => a + b, 0) / 128;
  expect(nested.get("mean")![0]).toBeCloseTo(mean, 6);
  const back = decode("nf4_double", nested, 8192);
  expect(meanSquare(back, values)).toBeLessThan(1.02 * meanSquare(decode("nf4", plain, 8192), values));
});

describe("ranges under more than one scale", () => {
  const declare = (text: string): Format => check([{ name: "test.loom", text }], new Diagnostics()).formats[0]!;
  const tripOf = (format: Format, importance?: Float64Array) => {
    const encoder = encoderOfFormat(format, importance && { importance })!;
    const fields = encoder.encode(INPUT, COLUMNS, studyTensor(encoder, INPUT, COLUMNS));
    return { rule: encoder.rule, fields, back: decoderOfFormat(format)(fields, COLUMNS) };
  };

  it("DGQ: integer steps under a channel's scale, never much worse than steps of their own", () => {
    const { rule, back } = tripOf(declare("format d {\n block 64\n row scale: f32\n step: u8\n zero: u4\n q: u4[64]\n value(i) = scale * (step * (q[i] - zero))\n}"));
    const free = tripOf(declare("format e {\n block 64\n scale: f16\n zero: u4\n q: u4[64]\n value(i) = scale * (q[i] - zero)\n}"));
    expect([rule, free.rule]).toEqual(["min-max", "min-max"]);
    expect(meanSquare(back, INPUT)).toBeLessThan(1.1 * meanSquare(free.back, INPUT));
  }); // biome-ignore format: declarations

  it("act-order: the columns that matter most share a group", () => {
    const format = declare("format a {\n block 256\n tensor groups: u16[256]\n row scale: f16[4]\n row zero: u4[4]\n q: u4[256]\n value(i) = {\n let g = min(groups[i], 3)\n scale[g] * (q[i] - zero[g])\n }\n}");
    const importance = Float64Array.from({ length: 256 }, (_, k) => (k * 97) % 256);
    const { rule, fields, back } = tripOf(format, importance);
    expect(rule).toBe("act-order");
    const groups = Array.from(fields.get("groups")!);
    for (const [k, g] of groups.entries()) expect(g).toBe(Math.floor((255 - importance[k]!) / 64));
    for (let row = 0; row < 4; row++)
      for (let k = 0; k < 256; k++) {
        const step = fields.get("scale")![4 * row + groups[k]!]!;
        expect(Math.abs(back[256 * row + k]! - INPUT[256 * row + k]!)).toBeLessThanOrEqual(step * 1.01);
      }
    // Without importance columns keep their places.
    expect(Array.from(tripOf(format).fields.get("groups")!)).toEqual(groups.map((_, k) => Math.floor(k / 64)));
  }); // biome-ignore format: declarations
});
