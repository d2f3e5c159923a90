/** What systems of several parts share: outlier lists, chosen columns, thin factors, integers of rows and groups. */
import { f16Round } from "../../ir/float.ts";
import type { Matrix } from "./data.ts";
import { matrix, peakOf, roundEven } from "./pack.ts";

/** A matrix of the columns given, in their order; a column that does not exist is 0. */
export function takeColumns({ rows, columns, values }: Matrix, chosen: readonly number[]): Matrix {
  const at = (n: number, c: number): number => (chosen[c]! < columns ? values[n * columns + chosen[c]!]! : 0);
  return { rows, columns: chosen.length, values: Float32Array.from(matrix(rows, chosen.length, at)) };
}

/** A matrix with some of its columns 0. */
export function withoutColumns(m: Matrix, dropped: ReadonlySet<number>): Matrix {
  return { ...m, values: m.values.map((v, i) => (dropped.has(i % m.columns) ? 0 : v)) };
}

/** Columns by the size of the activations that they multiply, largest first. */
export function columnsBySize(x: Matrix): readonly number[] {
  const size = (k: number): number => {
    let sum = 0;
    for (let m = 0; m < x.rows; m++) sum += x.values[m * x.columns + k]! ** 2;
    return sum;
  };
  return [...Array(x.columns).keys()].sort((a, b) => size(b) - size(a) || a - b);
}

/** What a matrix means whose columns stand for columns of a wider one, 0 elsewhere. */
export function spread(
  values: ArrayLike<number>,
  rows: number,
  chosen: readonly number[],
  columns: number,
): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let n = 0; n < rows; n++)
    chosen.forEach((k, c) => {
      if (k < columns) out[n * columns + k]! += values[n * chosen.length + c]!;
    });
  return out;
}

/** The largest values of each row in lists of equal length, f16; and the matrix without them. */
export interface Outliers {
  readonly columns: Float64Array;
  readonly values: Float64Array;
  readonly rest: Matrix;
  /** What the lists mean. */
  readonly weights: Float64Array;
}

/** Rows keep at most `count` values beyond `sigmas` standard deviations; lists are padded with a column that does not exist. */
export function listOutliers(w: Matrix, count: number, sigmas: number): Outliers {
  const { rows, columns } = w;
  const deviation = Math.sqrt(w.values.reduce((sum, v) => sum + v * v, 0) / w.values.length);
  const listed = new Float64Array(rows * count).fill(columns);
  const kept = new Float64Array(rows * count);
  const weights = new Float64Array(rows * columns);
  const rest = Float32Array.from(w.values);
  for (let n = 0; n < rows; n++) {
    const order = [...Array(columns).keys()].sort(
      (a, b) => Math.abs(w.values[n * columns + b]!) - Math.abs(w.values[n * columns + a]!),
    );
    order.slice(0, count).forEach((k, j) => {
      const v = w.values[n * columns + k]!;
      if (Math.abs(v) <= sigmas * deviation) return;
      listed[n * count + j] = k;
      kept[n * count + j] = f16Round(v);
      weights[n * columns + k] = f16Round(v);
      rest[n * columns + k] = 0;
    });
  }
  return { columns: listed, values: kept, rest: { rows, columns, values: rest }, weights };
}

/** Symmetric integers with a scale for each `group` of a row (the row itself where that is its length). */
export interface Integers {
  readonly scale: Float64Array;
  readonly q: Float64Array;
  readonly weights: Float64Array;
}

export function integers({ rows, columns, values }: Matrix, bits: number, group = columns, store = f16Round): Integers {
  const top = 2 ** (bits - 1) - 1;
  const scale = Float64Array.from({ length: (rows * columns) / group }, (_, g) =>
    store(peakOf(values, g * group, group) / top),
  );
  const code = (i: number): number => {
    const s = scale[Math.floor(i / group)]!;
    return s === 0 ? 0 : Math.max(-top - 1, Math.min(top, roundEven(values[i]! / s)));
  };
  const q = Float64Array.from({ length: values.length }, (_, i) => code(i));
  return { scale, q, weights: q.map((c, i) => c * scale[Math.floor(i / group)]!) };
}

/** The thin factors of a matrix: rows of `right` are directions, `left` how much of each a row has (orthogonal iteration). */
export function thinFactors(
  { rows, columns, values }: Matrix,
  rank: number,
): { left: Float64Array; right: Float64Array } {
  let right: Float64Array = matrix(rank, columns, (r, k) => Math.sin(1 + 7 * r + k * (r + 2)));
  let left: Float64Array = new Float64Array(rows * rank);
  for (let round = 0; round < 12; round++) {
    right = orthonormal(right, rank, columns);
    left = matrix(rows, rank, (n, r) => dot(values, n * columns, right, r * columns, columns));
    right = matrix(rank, columns, (r, k) => {
      let sum = 0;
      for (let n = 0; n < rows; n++) sum += values[n * columns + k]! * left[n * rank + r]!;
      return sum;
    });
  }
  right = orthonormal(right, rank, columns).map(f16Round);
  left = matrix(rows, rank, (n, r) => f16Round(dot(values, n * columns, right, r * columns, columns)));
  return { left, right };
}

function dot(a: ArrayLike<number>, ia: number, b: ArrayLike<number>, ib: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[ia + i]! * b[ib + i]!;
  return sum;
}

function orthonormal(m: Float64Array, rows: number, columns: number): Float64Array<ArrayBuffer> {
  const out = Float64Array.from(m);
  for (let r = 0; r < rows; r++) {
    for (let s = 0; s < r; s++) {
      const along = dot(out, r * columns, out, s * columns, columns);
      for (let k = 0; k < columns; k++) out[r * columns + k]! -= along * out[s * columns + k]!;
    }
    const length = Math.sqrt(dot(out, r * columns, out, r * columns, columns));
    for (let k = 0; k < columns; k++) out[r * columns + k]! /= length;
  }
  return out;
}

/** The product of thin factors. */
export function product(
  left: Float64Array,
  right: Float64Array,
  rows: number,
  columns: number,
  rank: number,
): Float64Array {
  return matrix(rows, columns, (n, k) => {
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += left[n * rank + r]! * right[r * columns + k]!;
    return sum;
  });
}

/** Sylvester's Hadamard matrix: the sign of (i, j) is the parity of the bits that both have. */
export function hadamard(size: number): Float64Array {
  return matrix(size, size, (i, j) => {
    let both = i & j;
    let sign = 1;
    for (; both > 0; both &= both - 1) sign = -sign;
    return sign;
  });
}

/** Groups quantized dynamically: code · scale with the scale as stored in f16, the codes those of the exact one. */
export function dynamicGroups({ rows, columns, values }: Matrix, bits: number, group: number): Float64Array {
  const top = 2 ** (bits - 1) - 1;
  return matrix(rows, columns, (m, k) => {
    const i = m * columns + k;
    const peak = peakOf(values, i - (k % group), group) || 1;
    return roundEven((values[i]! * top) / peak) * f16Round(peak / top);
  });
}
