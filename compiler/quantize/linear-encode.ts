/**
 * Formats whose values are linear in numbers that they store: a table per row (one number a code), sums of scaled planes.
 * Codes and numbers are fitted in turn; for tables that is k-means, for planes alternating multi-bit quantization.
 */
import type { Field, Format } from "../../ir/format.ts";
import { isFloat, isInt } from "../../ir/scalar.ts";
import { type FieldValues, type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import { type Digit, digitOf, digitsOf } from "./format-probe.ts";
import { encodeGobo } from "./gobo.ts";
import { peakOf } from "./groups.ts";
import { fitTable } from "./k-means.ts";
import { solvePositive } from "./linear-algebra.ts";
import { nearestIndex, nearestOf } from "./nearest.ts";

/** value = scale · Σ matrix[code][e] · numbers[e]. */
interface LinearModel {
  readonly digits: readonly Digit[];
  readonly numbers: Field;
  readonly scale: Field | undefined;
  /** By code, then by number. */
  readonly matrix: readonly (readonly number[])[];
  readonly kind: "table" | "signs" | "bits";
}

const MAX_CODES = 256;

/** The model, or undefined where the declaration has another form. */
export function linearModelOf(format: Format): LinearModel | undefined {
  const codes = format.fields.filter((f) => f.scope === "block" && f.count === format.block && isInt(f.type));
  const others = format.fields.filter((f) => !codes.includes(f));
  const [numbers, ...extra] = others.filter((f) => isFloat(f.type) && f.count > 1);
  const [scale, ...more] = others.filter((f) => f !== numbers);
  if (codes.length === 0 || numbers === undefined || extra.length + more.length > 0) return undefined;
  if (scale !== undefined && (!isFloat(scale.type) || scale.scope !== "block")) return undefined;
  const digits = digitsOf(codes);
  const count = digits.reduce((n, d) => n * d.size, 1);
  if (count > MAX_CODES) return undefined;
  const evaluator = new BlockEvaluator(format);
  const evaluate = (code: number, i: number, own: readonly number[], unit: number): number => {
    for (const digit of digits)
      evaluator.fields.set(
        digit.field.name,
        Array.from({ length: format.block }, () => digitOf(digit, code)),
      );
    evaluator.fields.set(numbers.name, own);
    if (scale !== undefined) evaluator.fields.set(scale.name, [unit]);
    return evaluator.value(i);
  };
  const unitVector = (e: number): readonly number[] =>
    Array.from({ length: numbers.count }, (_, n) => (n === e ? 1 : 0));
  const matrix = Array.from({ length: count }, (_, c) => unitVector(0).map((_, e) => evaluate(c, 0, unitVector(e), 1)));
  const own = Array.from({ length: numbers.count }, (_, e) => ((7 * e + 3) % 11) - 4.5);
  const linear = matrix.every((row, c) =>
    [0, format.block - 1].every(
      (i) => Math.abs(evaluate(c, i, own, 2) - (scale === undefined ? 1 : 2) * dot(row, own)) < 1e-9,
    ),
  );
  if (!linear) return undefined;
  const all = matrix.flat();
  const isTable = numbers.count === count && matrix.every((row, c) => row.every((v, e) => v === (e === c ? 1 : 0)));
  const kind = isTable
    ? "table"
    : all.every((v) => Math.abs(v) === 1)
      ? "signs"
      : all.every((v) => v === 0 || v === 1)
        ? "bits"
        : undefined;
  return kind === undefined || (kind !== "table" && scale !== undefined)
    ? undefined
    : { digits, numbers, scale, matrix, kind };
}

const dot = (a: readonly number[], b: ArrayLike<number>): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** What importance columns have: Σ x² over samples of each input (the diagonal of a Hessian). */
export type ColumnWeights = Float64Array | undefined;

/** k-means tables (SqueezeLLM, Kim et al., ICML 2024), or planes by alternating least squares. */
export function linearEncoder(format: Format, model: LinearModel, importance: ColumnWeights): FormatEncoder {
  const { numbers, scale, kind } = model;
  const solve = kind === "table" ? tableFit(model) : planeFit(model);
  const shared = numbers.scope === "tensor";
  const normalised = (values: Float32Array, columns: number): Float32Array => {
    if (scale === undefined) return values;
    const groups = groupsOf({ ...scale, span: format.block }, format.block, values.length, columns);
    const out = values.slice();
    for (let g = 0; g < groups.count; g++) {
      const [start, end] = groups.range(g);
      const unit = storeFloat(scale.type, peakOf(values, start, end));
      for (let i = start; i < end; i++) out[i]! /= unit > 0 ? unit : 1;
    }
    return out;
  };
  const weightsOf = (values: Float32Array, columns: number): Float32Array | undefined => {
    if (importance === undefined && scale === undefined) return undefined;
    const groups = scale && groupsOf({ ...scale, span: format.block }, format.block, values.length, columns);
    const weights = Float32Array.from(values, (_, i) => importance?.[i % columns] ?? 1);
    for (let g = 0; g < (groups?.count ?? 0); g++) {
      const [start, end] = groups!.range(g);
      const unit = peakOf(values, start, end);
      for (let i = start; i < end; i++) weights[i]! *= unit * unit;
    }
    return weights;
  };
  return {
    rule: kind === "table" ? "k-means" : "alternating",
    ...(shared && {
      learn: (rows, columns): FieldValues =>
        new Map([["numbers", solve(normalised(rows, columns), weightsOf(rows, columns))]]),
    }),
    encode(values, columns, { learned }) {
      const own = normalised(values, columns);
      const weights = weightsOf(values, columns);
      const groups = groupsOf({ ...numbers, count: 1, span: format.block }, format.block, values.length, columns);
      const stored = new Float64Array(groups.count * numbers.count);
      const codes = new Uint16Array(values.length);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const found = shared
          ? learned!.get("numbers")!
          : solve(own.subarray(start, end), weights?.subarray(start, end));
        const kept = Float64Array.from(found, (v) => storeFloat(numbers.type, v));
        stored.set(kept, g * numbers.count);
        assign(model, kept, own, start, end, codes);
      }
      const out = new Map<string, ArrayLike<number>>([[numbers.name, stored]]);
      if (scale !== undefined) {
        const blocks = groupsOf({ ...scale, span: format.block }, format.block, values.length, columns);
        out.set(scale.name, Float64Array.from({ length: blocks.count }, (_, g) => storeFloat(scale.type, peakOf(values, ...blocks.range(g))))); // biome-ignore format: one line
      }
      for (const digit of model.digits)
        out.set(
          digit.field.name,
          Int16Array.from(codes, (c) => digitOf(digit, c)),
        );
      return out;
    },
  };
}

/** The nearest of the values that the numbers make; returns the squared error. */
function assign(
  { matrix }: LinearModel,
  numbers: ArrayLike<number>,
  values: Float32Array,
  start: number,
  end: number,
  codes: Uint16Array,
): number {
  const codeOf = new Map(matrix.map((row, c) => [dot(row, numbers) + 0, c] as const).reverse());
  const grid = [...codeOf.keys()].sort((a, b) => a - b);
  const nearest = nearestOf(grid);
  const order = grid.map((v) => codeOf.get(v)!);
  let error = 0;
  for (let i = start; i < end; i++) {
    const n = nearestIndex(nearest, values[i]!);
    codes[i] = order[n]!;
    error += (grid[n]! - values[i]!) ** 2;
  }
  return error;
}

type Fit = (values: Float32Array, weights: Float32Array | undefined) => ArrayLike<number>;

const tableFit =
  ({ numbers }: LinearModel): Fit =>
  (values, weights) =>
    fitTable(values, numbers.count, weights && { weights }).centroids;

const ROUNDS = 15;

/**
 * Scales of planes in turn with codes (Xu et al., "Alternating multi-bit quantization", ICLR 2018; LUT-GEMM). Signs begin
 * with the greedy residual: each plane the signs of what is left, its scale their mean size. Bits begin as DB-LLM's split of
 * two-bit integers does: 2s and −s (Chen et al., arXiv:2402.11960), for several s.
 */
function planeFit(model: LinearModel): Fit {
  const { matrix, kind } = model;
  const count = model.numbers.count;
  return (values, weights) => {
    const codes = new Uint16Array(values.length);
    let best: ArrayLike<number> = new Float64Array(count);
    let least = Number.POSITIVE_INFINITY;
    for (const start of kind === "signs" ? [greedy(values, count)] : doubleStarts(values, count)) {
      let numbers: Float64Array = start;
      for (let round = 0; round < ROUNDS; round++) {
        const error = assign(model, numbers, values, 0, values.length, codes);
        const improved = error < least;
        if (improved) [best, least] = [numbers, error];
        if (round > 0 && !improved) break;
        const next = leastSquares(matrix, codes, values, weights, count);
        if (next === undefined) break;
        numbers = next;
      }
    }
    return best;
  };
}

function greedy(values: Float32Array, count: number): Float64Array {
  const left = Float64Array.from(values);
  return Float64Array.from({ length: count }, () => {
    const scale = left.reduce((sum, v) => sum + Math.abs(v), 0) / Math.max(left.length, 1);
    for (let i = 0; i < left.length; i++) left[i]! -= left[i]! >= 0 ? scale : -scale;
    return scale;
  });
}

function doubleStarts(values: Float32Array, count: number): readonly Float64Array[] {
  const peak = peakOf(values, 0, values.length);
  return [0.25, 0.35, 0.5, 0.65].flatMap((part) =>
    [1, -1].map((sign) =>
      Float64Array.from({ length: count }, (_, e) => sign * part * peak * (e === 0 ? 2 : e === 1 ? -1 : 1 / e)),
    ),
  );
}

/** The numbers of least (weighted) squared error for these codes; undefined where they are not determined. */
function leastSquares(
  matrix: readonly (readonly number[])[],
  codes: Uint16Array,
  values: Float32Array,
  weights: Float32Array | undefined,
  count: number,
): Float64Array | undefined {
  const gram = new Float64Array(count * count);
  const right = new Float64Array(count);
  const weight = new Float64Array(matrix.length);
  const moment = new Float64Array(matrix.length);
  for (let i = 0; i < values.length; i++) {
    const w = weights?.[i] ?? 1;
    weight[codes[i]!]! += w;
    moment[codes[i]!]! += w * values[i]!;
  }
  for (const [c, row] of matrix.entries())
    for (let a = 0; a < count; a++) {
      right[a]! += row[a]! * moment[c]!;
      for (let b = 0; b < count; b++) gram[a * count + b]! += row[a]! * row[b]! * weight[c]!;
    }
  return solvePositive(gram, right);
}

/** Steps of GOBO's refinement at most. */
const GOBO_STEPS = 50;

/** GOBO's dictionary for a table of the tensor. Outliers are not its matter: they are kept beside any format. */
export function goboEncoder(format: Format): FormatEncoder | undefined {
  const model = linearModelOf(format);
  if (model?.kind !== "table" || model.numbers.scope !== "tensor" || model.scale !== undefined) return undefined;
  const bits = Math.log2(model.numbers.count);
  const base = linearEncoder(format, model, undefined);
  return {
    ...base,
    rule: "gobo",
    learn: (rows) =>
      new Map([
        [
          "numbers",
          encodeGobo(rows, { bits, logLikelihood: Number.NEGATIVE_INFINITY, refinements: GOBO_STEPS }).centroids,
        ],
      ]),
  };
}
