/** GPTQ against the greedy method it is derived from, AWQ, fitted tables, GOBO and rotations against their definitions. */
import { describe, expect, it } from "vitest";
import { awqInputs, awqInputsOfHessian, awqScalesOf, searchAwq } from "../../compiler/quantize/awq.ts";
import { decodeGobo, encodeGobo } from "../../compiler/quantize/gobo.ts";
import { type ColumnCoder, encodeGptq, gridCoder, uniformCoder } from "../../compiler/quantize/gptq.ts";
import { floatGrid } from "../../compiler/quantize/grids.ts";
import { hadamardBlock, randomSigns, rotate, unrotate } from "../../compiler/quantize/hadamard.ts";
import { fitTable } from "../../compiler/quantize/k-means.ts";
import { hessianOf, inverseCholesky } from "../../compiler/quantize/linear-algebra.ts";
import { decodeUniform, encodeUniform } from "../../compiler/quantize/uniform.ts";
import { COLUMNS, INPUT, meanSquare, relativeError } from "./golden.ts";

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}
function normals(count: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()));
}

/** Correlated activations: every channel leans on its neighbour. */
function activations(samples: number, columns: number, seed: number): Float32Array {
  const x = normals(samples * columns, seed);
  for (let i = 1; i < x.length; i++) if (i % columns !== 0) x[i]! += 0.8 * x[i - 1]!;
  return x.map((v, i) => v * (1 + (i % columns === 3 ? 6 : 0)));
}

type Matrix = number[][];
const eye = (n: number): Matrix => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => +(i === j)));

/** Gauss–Jordan, for the oracle. */
function inverse(m: Matrix): Matrix {
  const n = m.length;
  const a = m.map((row, i) => [...row, ...eye(n)[i]!]);
  for (let p = 0; p < n; p++) {
    const best = a.slice(p).reduce((b, row, i) => (Math.abs(row[p]!) > Math.abs(a[b]![p]!) ? i + p : b), p);
    [a[p], a[best]] = [a[best]!, a[p]!];
    const d = a[p]![p]!;
    a[p] = a[p]!.map((v) => v / d);
    for (let r = 0; r < n; r++) if (r !== p) a[r] = a[r]!.map((v, c) => v - a[r]![p]! * a[p]![c]!);
  }
  return a.map((row) => row.slice(n));
}

/** Optimal brain quantization in a given order, by explicit removal of one row and column after the other. */
function brainSurgeon(
  w: readonly number[],
  h: Matrix,
  order: readonly number[],
  round: (w: number, i: number) => number,
) {
  const weights = [...w];
  let left = [...order];
  for (const q of order) {
    const hInverse = inverse(left.map((i) => left.map((j) => h[i]![j]!)));
    const p = left.indexOf(q);
    const rounded = round(weights[q]!, q);
    const error = (weights[q]! - rounded) / hInverse[p]![p]!;
    left.forEach((j, n) => {
      weights[j]! -= error * hInverse[p]![n]!;
    });
    weights[q] = rounded;
    left = left.filter((j) => j !== q);
  }
  return weights;
}

const K = 24;
const X = activations(200, K, 7);
const W = normals(5 * K, 11);
const H = hessianOf(X, K);

/** A coder with one fixed step, so that the oracle needs no fitting. */
const stepCoder = (step: number): ColumnCoder => ({
  group: K,
  fit: () => {},
  code: (w) => Math.round(w / step),
  value: (code) => Math.fround(code * step),
});

describe("GPTQ", () => {
  it("has a factor U with Uᵀ U = H⁻¹", () => {
    const u = inverseCholesky(H, K)!;
    const expected = inverse(Array.from({ length: K }, (_, i) => [...H.subarray(i * K, (i + 1) * K)])).flat();
    const got = expected.map((_, n) => {
      const [i, j] = [Math.floor(n / K), n % K];
      return Array.from({ length: K }, (_, k) => u[k * K + i]! * u[k * K + j]!).reduce((a, b) => a + b);
    });
    expect(Math.max(...got.map((v, i) => Math.abs(v - expected[i]!)))).toBeLessThan(1e-9);
    expect(u.every((v, n) => n % K >= Math.floor(n / K) || v === 0)).toBe(true);
    expect(inverseCholesky(new Float64Array(4), 2)).toBeUndefined();
  });

  it.each(["natural", "activation"] as const)("equals explicit optimal brain quantization, %s order", (order) => {
    const damping = 0.01;
    const mean = Array.from({ length: K }, (_, i) => H[i * K + i]!).reduce((a, b) => a + b) / K;
    const damped = Array.from({ length: K }, (_, i) =>
      Array.from({ length: K }, (_, j) => H[i * K + j]! + (i === j ? damping * mean : 0)),
    );
    const columns = Array.from({ length: K }, (_, i) => i);
    if (order === "activation") columns.sort((a, b) => H[b * K + b]! - H[a * K + a]!);
    const got = encodeGptq(W, K, H, stepCoder(0.5), { order, damping });
    for (let row = 0; row < 5; row++) {
      const own = [...W.subarray(row * K, (row + 1) * K)];
      const expected = brainSurgeon(own, damped, columns, (w) => Math.round(w / 0.5) * 0.5);
      expect([...got.values.subarray(row * K, (row + 1) * K)]).toEqual(expected.map((v) => v + 0));
    }
    expect(got.damping).toBe(damping);
  });

  const layerError = (q: Float32Array): number => {
    let sum = 0;
    for (let row = 0; row < 5; row++)
      for (let s = 0; s < 200; s++) {
        let dot = 0;
        for (let k = 0; k < K; k++) dot += (q[row * K + k]! - W[row * K + k]!) * X[s * K + k]!;
        sum += dot * dot;
      }
    return sum;
  };

  it.each(["natural", "activation"] as const)(
    "halves the layer's error of rounding, groups of 8, %s order",
    (order) => {
      const rule = { bits: 3, group: 8, kind: "asymmetric" } as const;
      const { coder, scales, zeros } = uniformCoder(rule, 5, K);
      const { codes, values } = encodeGptq(W, K, H, coder, { order });
      expect(layerError(values)).toBeLessThan(0.5 * layerError(decodeUniform(encodeUniform(W, K, rule), K, 8)));
      expect(values).toEqual(decodeUniform({ codes, scales, zeros, squaredError: 0 }, K, 8));
    },
  );

  it("rounds to any grid", () => {
    const grid = floatGrid(4, 2, true);
    const { coder, scales } = gridCoder(grid, 8, 5, K);
    const { codes, values } = encodeGptq(W, K, H, coder);
    codes.forEach((code, i) => {
      expect(values[i]).toBe(Math.fround(grid[code]! * scales[Math.floor(i / 8)]!));
    });
  });

  it("clears dead columns and damps singular Hessians until they work", () => {
    const few = hessianOf(
      activations(2, K, 3).map((v, i) => (i % K === 5 ? 0 : v)),
      K,
    );
    const { values, damping } = encodeGptq(W, K, few, stepCoder(0.25), { damping: 0 });
    expect(damping).toBeGreaterThan(0);
    expect(Array.from({ length: 5 }, (_, row) => values[row * K + 5])).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("AWQ", () => {
  it("normalises scales to a geometric middle of one", () => {
    const scales = awqScalesOf(Float64Array.of(0.1, 4, 2, 0), 0.5);
    expect(Math.max(...scales) * Math.min(...scales)).toBeCloseTo(1, 6);
    expect(scales[1]! / scales[2]!).toBeCloseTo(Math.SQRT2, 6);
  });
  it("protects the loud channel, and by an exponent that nothing beats", () => {
    const roundTrip = (w: Float32Array) =>
      decodeUniform(encodeUniform(w, K, { bits: 3, group: 8, kind: "asymmetric" }), K, 8);
    const found = searchAwq(W, K, awqInputs(X, K), roundTrip);
    // The Hessian says the same of the outputs: its error is the samples' own.
    const difference = W.map((w, i) => (i % 7) / 100 + w / 50);
    expect(awqInputsOfHessian(H, K).errorOf(difference)).toBeCloseTo(awqInputs(X, K).errorOf(difference), 5);
    expect(found.error).toBeLessThan(0.9 * found.plainError);
    expect(found.ratio).toBeGreaterThan(0);
    expect(found.scales.indexOf(Math.max(...found.scales))).toBe(3);
  });
});

describe("fitted tables", () => {
  it("finds clusters that are there", () => {
    const values = Float32Array.from({ length: 400 }, (_, i) => [-3, 0, 1, 7][i % 4]! + 0.01 * Math.sin(i));
    const { centroids, codes } = fitTable(values, 4);
    expect([...centroids].map(Math.round)).toEqual([-3, 0, 1, 7]);
    expect([...codes.subarray(0, 4)]).toEqual([0, 1, 2, 3]);
  });
  it("ends where every value has its nearest centroid and every centroid is its values' weighted mean", () => {
    const weights = Float32Array.from(INPUT, (v) => 1 + 100 * Math.abs(v));
    const { centroids, codes, squaredError } = fitTable(INPUT, 8, { weights });
    const distances = (v: number) => [...centroids].map((c) => Math.abs(c - v));
    for (const [i, code] of codes.entries()) {
      const all = distances(INPUT[i]!);
      expect(all[code]).toBe(Math.min(...all));
    }
    for (let c = 0; c < 8; c++) {
      const own = [...INPUT.keys()].filter((i) => codes[i] === c);
      const total = own.reduce((sum, i) => sum + weights[i]!, 0);
      expect(centroids[c]).toBeCloseTo(own.reduce((sum, i) => sum + weights[i]! * INPUT[i]!, 0) / total, 6);
    }
    const error = INPUT.reduce((sum, v, i) => sum + weights[i]! * Math.min(...distances(v)) ** 2, 0);
    expect(relativeError([squaredError], [error])).toBeLessThan(1e-6);
    expect(error).toBeLessThan(fitTable(INPUT, 8, { weights, iterations: 0 }).squaredError);
  });
  it("takes fewer values than entries", () => {
    const { centroids, codes } = fitTable(Float32Array.of(2, 1), 4);
    expect([...codes].map((c) => centroids[c])).toEqual([2, 1]);
  });
});

describe("GOBO", () => {
  const tensor = normals(4000, 5).map((v, i) => (i % 1000 === 17 ? 40 : 0.5 * v));
  it("keeps what is improbable under a normal distribution", () => {
    const mean = tensor.reduce((a, b) => a + b) / tensor.length;
    const sigma = Math.sqrt(meanSquare(tensor, new Float32Array(tensor.length).fill(mean)));
    const density = (v: number) => Math.exp(-((v - mean) ** 2) / (2 * sigma ** 2)) / (sigma * Math.sqrt(2 * Math.PI));
    const expected = [...tensor.keys()].filter((i) => density(tensor[i]!) <= Math.exp(-4));
    const codes = encodeGobo(tensor, { bits: 3 });
    expect([...codes.outlierIndices]).toEqual(expected);
    expect(expected).toContain(17);
    expect(decodeGobo(codes)[17]).toBe(40);
  });
  it("fills its bins equally, with their means", () => {
    const { codes, centroids, outlierIndices } = encodeGobo(tensor, { bits: 3 });
    const kept = [...tensor.keys()].filter((i) => !outlierIndices.includes(i));
    const counts = Array.from({ length: 8 }, (_, c) => kept.filter((i) => codes[i] === c).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    const own = kept.filter((i) => codes[i] === 2).map((i) => tensor[i]!);
    expect(centroids[2]).toBeCloseTo(own.reduce((a, b) => a + b) / own.length, 6);
  });
  it("refines by absolute error", () => {
    const error = (refinements: number) =>
      decodeGobo(encodeGobo(tensor, { bits: 3, refinements })).reduce((sum, v, i) => sum + Math.abs(v - tensor[i]!), 0);
    expect(error(20)).toBeLessThan(error(0));
  });
});

describe("Hadamard rotation", () => {
  it("is the matrix with entries (−1)^popc(i & j) / √n", () => {
    const x = normals(16, 2);
    const expected = Array.from(
      x,
      (_, i) =>
        x.reduce((sum, v, j) => sum + v * (-1) ** [...(i & j).toString(2)].filter((b) => b === "1").length, 0) / 4,
    );
    expect(relativeError(rotate(x, 16, { block: 16 }), expected)).toBeLessThan(1e-5);
  });
  it("is undone exactly up to rounding, with and without signs", () => {
    for (const signs of [undefined, randomSigns(COLUMNS, 9)]) {
      const rotation = { block: 64, ...(signs && { signs }) };
      const back = unrotate(rotate(INPUT, COLUMNS, rotation), COLUMNS, rotation);
      expect(Math.max(...back.map((v, i) => Math.abs(v - INPUT[i]!)))).toBeLessThan(1e-6);
    }
    expect(randomSigns(64, 9).filter((s) => s < 0).length).toBeGreaterThan(10);
  });
  it("lowers the error of four bits on a tensor with outliers", () => {
    const rule = { bits: 4, group: 128, kind: "symmetric" } as const;
    const trip = (w: Float32Array) => decodeUniform(encodeUniform(w, COLUMNS, rule), COLUMNS, 128);
    const rotation = { block: hadamardBlock(COLUMNS) };
    expect(rotation.block).toBe(256);
    const rotated = unrotate(trip(rotate(INPUT, COLUMNS, rotation)), COLUMNS, rotation);
    expect(meanSquare(rotated, INPUT)).toBeLessThan(meanSquare(trip(INPUT), INPUT));
  });
});
