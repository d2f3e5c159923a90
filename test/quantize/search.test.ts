/** OliVe, ANT, MX and asymmetric integers against the published quantizers' golden vectors; AdaptivFloat by its rule. */
import { describe, expect, it } from "vitest";
import { decodeAdaptivFloat, encodeAdaptivFloat } from "../../compiler/quantize/adaptiv-float.ts";
import { ANT_TOP, type AntType, encodeAnt } from "../../compiler/quantize/ant.ts";
import { floatGrid, minifloatGrid, OCP } from "../../compiler/quantize/grids.ts";
import { decodeMx, encodeMx, floorLog2 } from "../../compiler/quantize/mx.ts";
import { encodeOlive, OLIVE_BOUNDARY, type OliveType } from "../../compiler/quantize/olive.ts";
import { decodeUniform, encodeUniform } from "../../compiler/quantize/uniform.ts";
import { COLUMNS, flat, GOLDEN, INPUT, meanSquare, relativeError } from "./golden.ts";

/** "w4_ant-int-flint_channel" in parts. */
function caseOf(name: string) {
  const [, bits, types, scope] = /^w(\d)_(?:ant-)?(.*)_(channel|tensor)$/.exec(name)!;
  return { bits: Number(bits), types: types!.split("-"), scope: scope === "channel" ? "row" : "tensor" } as const;
}

describe("OliVe", () => {
  it.each(Object.entries(GOLDEN.olive))("%s: type, scales and every level", (name, golden) => {
    const { bits, types, scope } = caseOf(name);
    const got = encodeOlive(INPUT, COLUMNS, { bits: bits as 4 | 8, types: types as OliveType[], scope });
    expect(got.type).toBe(golden.mode);
    expect(relativeError(got.alphas, golden.alpha)).toBeLessThan(1e-6);
    expect(relativeError(got.scales, golden.scale)).toBeLessThan(1e-6);
    expect(relativeError([got.meanSquaredError], [golden.mse])).toBeLessThan(1e-6);
    const levels = Float32Array.from(got.indices, (n) => got.nearest.values[n]!);
    expect(levels).toEqual(flat(golden.levels));
    expect(levels.filter((v) => Math.abs(v) > OLIVE_BOUNDARY).length).toBe(golden.n_outliers);
  });

  it("leaves the left one of two outliers", () => {
    const values = new Float32Array(512).map((_, i) => Math.sin(i) * 0.01);
    [values[10], values[11]] = [0.4, 0.5];
    const { indices, nearest } = encodeOlive(values, 512, { bits: 4, types: ["int"], scope: "row" });
    expect(nearest.values[indices[10]!]).toBeGreaterThan(OLIVE_BOUNDARY);
    expect(nearest.values[indices[11]!]).toBe(0);
  });
});

describe("ANT", () => {
  it.each(Object.entries(GOLDEN.ant))("%s: type, alphas and every value", (name, golden) => {
    const { bits, types, scope } = caseOf(name);
    const got = encodeAnt(INPUT, COLUMNS, { bits, types: types as AntType[], scope });
    expect(got.type).toBe(golden.mode);
    expect(relativeError(got.alphas, golden.alpha)).toBeLessThan(1e-6);
    expect(
      relativeError(
        got.scales,
        golden.alpha.map((a) => a / ANT_TOP),
      ),
    ).toBeLessThan(1e-6);
    expect(relativeError([got.meanSquaredError], [golden.mse])).toBeLessThan(1e-6);
    // The file holds value / scale to four decimals.
    const rounded = Array.from(got.indices, (n) => Number(got.nearest.values[n]!.toFixed(4)));
    const expected = [...flat(golden.dequant_over_scale_norm10)];
    expect(rounded.filter((v, i) => Math.abs(v - expected[i]!) > 1.01e-4)).toEqual([]);
  });
});

describe("shared exponents", () => {
  it.each([
    ["mx_fp4_g32", floatGrid(4, 2, true)],
    ["mx_fp3_g32", floatGrid(3, 2, true)],
  ] as const)("BitMoD's baseline %s", (name, grid) => {
    const rule = { grid, block: 32, exponent: "fill" } as const;
    expect(decodeMx(encodeMx(INPUT, COLUMNS, rule), COLUMNS, rule)).toEqual(flat(GOLDEN.bitmod_fp32[name]!));
  });

  it("OCP: powers of two, saturation, ties to even", () => {
    const rule = { grid: minifloatGrid(OCP.e2m1), block: 4, exponent: "ocp" } as const;
    const values = Float32Array.of(7, 2.5, 5, -0.25, 0, 0, 0, 0);
    const codes = encodeMx(values, 4, rule);
    expect([...codes.exponents]).toEqual([0, -127]);
    expect([...decodeMx(codes, 4, rule)]).toEqual([6, 2, 4, 0, 0, 0, 0, 0]);
  });

  it("takes logarithms exactly", () => {
    for (let e = -149; e < 128; e++) expect(floorLog2(2 ** e)).toBe(e);
    for (let e = -120; e < 128; e++) expect(floorLog2(2 ** e * (1 - 2 ** -24))).toBe(e - 1);
  });
});

describe("uniform", () => {
  it.each([3, 4])("asymmetric int%i per group", (bits) => {
    const codes = encodeUniform(INPUT, COLUMNS, { bits, group: 128, kind: "asymmetric" });
    expect(decodeUniform(codes, COLUMNS, 128)).toEqual(flat(GOLDEN.bitmod_fp32[`int${bits}_asym_g128`]!));
  });
  it.each([6, 8])("symmetric int%i", (bits) => {
    const [group, name] = bits === 6 ? [128, "int6_sym_g128"] : [COLUMNS, "int8_sym_perchannel"];
    const codes = encodeUniform(INPUT, COLUMNS, { bits, group, kind: "symmetric" });
    expect(decodeUniform(codes, COLUMNS, group)).toEqual(flat(GOLDEN.bitmod_fp32[name]!));
  });
  it.each(["symmetric", "asymmetric"] as const)("clipping finds the best of the ranges it tries: %s", (kind) => {
    const rule = { bits: 3, group: 128, kind } as const;
    const clipped = encodeUniform(INPUT, COLUMNS, { ...rule, clip: { steps: 100, least: 0.2 } });
    const back = decodeUniform(clipped, COLUMNS, 128);
    expect(clipped.squaredError).toBeCloseTo(meanSquare(back, INPUT) * INPUT.length, 9);
    expect(clipped.squaredError).toBeLessThan(encodeUniform(INPUT, COLUMNS, rule).squaredError);
    for (let g = 0; g < 8; g++) {
      const own = [...INPUT.subarray(128 * g, 128 * (g + 1))];
      const errors = Array.from({ length: 81 }, (_, i) => errorWithin(own, kind, 1 - i / 100));
      const got = meanSquare(back.subarray(128 * g, 128 * (g + 1)), own) * 128;
      expect(relativeError([got], [Math.min(...errors)])).toBeLessThan(1e-4);
    }
  });
});

/** A second way to the error of 3-bit codes of a shrunk range, in f64. */
function errorWithin(values: readonly number[], kind: "symmetric" | "asymmetric", factor: number): number {
  const peak = Math.max(...values.map(Math.abs)) * factor;
  const [min, max] =
    kind === "symmetric" ? [-peak, peak] : [Math.min(...values) * factor, Math.max(...values) * factor];
  const step = (max - min) / (kind === "symmetric" ? 6 : 7);
  const zero = kind === "symmetric" ? 3 : Math.max(0, Math.min(7, Math.round(-min / step)));
  const levels = Array.from({ length: kind === "symmetric" ? 7 : 8 }, (_, code) => (code - zero) * step);
  return values.reduce((sum, w) => sum + Math.min(...levels.map((level) => (level - w) ** 2)), 0);
}

describe("AdaptivFloat", () => {
  const type = { bits: 8, exponentBits: 4 };
  // The published function, transcribed in a second way: frexp, clamp, round the mantissa in [1, 2).
  const oracle = (values: Float32Array, bits: number, e: number): number[] => {
    const m = bits - 1 - e;
    const bias = 2 ** (e - 1) - 1 - Math.floor(Math.log2(Math.max(...values.map(Math.abs))));
    const [low, high] = [-(2 ** (e - 1)) + 2 - bias, 2 ** (e - 1) - 1 - bias];
    return [...values].map((x) => {
      const size = Math.min(Math.abs(x), 2 ** high * (2 - 2 ** -m));
      if (size < 2 ** low) return 0;
      const exponent = Math.floor(Math.log2(size));
      const steps = (size / 2 ** exponent) * 2 ** m;
      const even = Math.round(steps / 2) * 2;
      const rounded = Math.abs(steps - Math.floor(steps)) === 0.5 ? even : Math.round(steps);
      return (Math.sign(x) * rounded * 2 ** exponent) / 2 ** m;
    });
  };
  it.each([
    [8, 4],
    [8, 3],
    [6, 3],
    [4, 2],
  ])("%i bits, %i of exponent", (bits, exponentBits) => {
    const codes = encodeAdaptivFloat(INPUT, { bits, exponentBits });
    expect([...decodeAdaptivFloat(codes, { bits, exponentBits })]).toEqual(
      oracle(INPUT, bits, exponentBits).map((v) => (v === 0 ? 0 : Math.fround(v))),
    );
    expect(Math.max(...codes.codes)).toBeLessThan(2 ** bits);
  });
  it("encodes zeros", () => {
    expect(encodeAdaptivFloat(new Float32Array(3), type)).toEqual({ codes: new Uint16Array(3), bias: 0 });
  });
});
