/** GPTQ (Frantar et al., ICLR 2023): column after column is rounded, and the columns still to come make up for the error. */
import { internal } from "../../ir/diagnostics.ts";
import { rint } from "../../ir/float.ts";
import { inverseCholesky } from "./linear-algebra.ts";
import { type Nearest, nearestIndex, nearestOf } from "./nearest.ts";
import { encodeUniform, type UniformRule } from "./uniform.ts";

/** How groups of one row are rounded. Groups are numbered row-major; `fit` comes before a group's first `code`. */
export interface ColumnCoder {
  readonly group: number;
  /** Chooses the group's parameters for the values that it holds now. */
  fit(values: Float32Array, group: number): void;
  code(value: number, group: number, column: number): number;
  value(code: number, group: number, column: number): number;
}

export interface GptqRule {
  /** Added to the diagonal, as a part of its mean. */
  readonly damping?: number;
  /**
   * `activation`: columns with the largest diagonal first (act-order); groups then keep their places along the row and are
   * fitted to the weights as given. `natural`: left to right, groups fitted when their first column comes up.
   */
  readonly order?: "natural" | "activation";
}

export interface GptqResult {
  readonly codes: Int16Array;
  /** What the codes stand for. */
  readonly values: Float32Array;
  /** Σ (w − q)² / U[k, k]² / 2: the increase of the layer's error under the damped Hessian, as GPTQ sums it. */
  readonly loss: number;
  /** The damping that made the Hessian positive definite. */
  readonly damping: number;
}

/** Rows that share one pass over the factor of the Hessian, so that it is read from memory once for all of them. */
const ROWS_AT_ONCE = 32;
const DEFAULT_DAMPING = 0.01;
const MAX_DAMPING = 1e6;

/** What a Hessian gives every row: the work that is done once a tensor. */
export interface PreparedHessian {
  /** The order in which columns are rounded, and its Cholesky factor. */
  readonly order: Uint32Array;
  readonly factor: Float64Array;
  readonly dead: Uint8Array;
  readonly damping: number;
}

/** Damps and factors a Hessian (size × size, symmetric). */
export function prepareHessian(hessian: Float64Array, size: number, rule: GptqRule = {}): PreparedHessian {
  const diagonal = Float64Array.from({ length: size }, (_, i) => hessian[i * size + i]!);
  if (hessian.some((v) => !Number.isFinite(v))) internal("a Hessian has only finite numbers");
  const dead = Uint8Array.from(diagonal, (d) => (d === 0 ? 1 : 0));
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  if (rule.order === "activation") order.sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  const mean = diagonal.reduce((sum, d, i) => sum + (dead[i] === 1 ? 1 : d), 0) / size;
  let damping = rule.damping ?? DEFAULT_DAMPING;
  // Few samples leave the matrix singular: damp more until it can be factored.
  for (; damping <= MAX_DAMPING; damping = Math.max(damping * 10, 1e-8)) {
    const h = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) h[i * size + j] = hessian[order[i]! * size + order[j]!]!;
      h[i * size + i]! += damping * mean + dead[order[i]!]!;
    }
    const factor = inverseCholesky(h, size);
    if (factor !== undefined) return { order, factor, dead, damping };
  }
  return internal("a Hessian is positive semidefinite");
}

/** Quantizes a matrix of rows of `columns` weights under the Hessian of its inputs (columns × columns, symmetric). */
export function encodeGptq(
  weights: Float32Array,
  columns: number,
  hessian: Float64Array,
  coder: ColumnCoder,
  rule: GptqRule = {},
): GptqResult {
  return encodePrepared(weights, columns, prepareHessian(hessian, columns, rule), coder, rule);
}

/** The same under a Hessian that was prepared with the same rule. */
export function encodePrepared(
  weights: Float32Array,
  columns: number,
  prepared: PreparedHessian,
  coder: ColumnCoder,
  rule: GptqRule = {},
): GptqResult {
  const codes = new Int16Array(weights.length);
  const values = new Float32Array(weights.length);
  const work = new Float64Array(ROWS_AT_ONCE * columns);
  const rows = weights.length / columns;
  let loss = 0;
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, rows - first);
    loss += encodeRows(weights, columns, first, count, prepared, coder, rule, work, codes, values);
  }
  return { codes, values, loss, damping: prepared.damping };
}

function encodeRows(
  weights: Float32Array,
  columns: number,
  first: number,
  count: number,
  { order, factor, dead }: PreparedHessian,
  coder: ColumnCoder,
  rule: GptqRule,
  work: Float64Array,
  codes: Int16Array,
  values: Float32Array,
): number {
  const perRow = Math.ceil(columns / coder.group);
  for (let r = 0; r < count; r++)
    for (let k = 0; k < columns; k++) {
      const column = order[k]!;
      work[r * columns + k] = dead[column] === 1 ? 0 : weights[(first + r) * columns + column]!;
    }
  const fitGroup = (r: number, g: number): void => {
    const [start, end] = [g * coder.group, Math.min((g + 1) * coder.group, columns)];
    const row = first + r;
    const source =
      rule.order === "activation" ? weights.subarray(row * columns + start, row * columns + end) : undefined;
    coder.fit(source ?? Float32Array.from(work.subarray(r * columns + start, r * columns + end)), row * perRow + g);
  };
  if (rule.order === "activation") for (let r = 0; r < count; r++) for (let g = 0; g < perRow; g++) fitGroup(r, g);
  let loss = 0;
  for (let k = 0; k < columns; k++) {
    const column = order[k]!;
    const group = Math.floor(column / coder.group);
    const pivot = factor[k * columns + k]!;
    for (let r = 0; r < count; r++) {
      if (rule.order !== "activation" && column % coder.group === 0) fitGroup(r, group);
      const n = (first + r) * perRow + group;
      const w = work[r * columns + k]!;
      const at = (first + r) * columns + column;
      codes[at] = coder.code(w, n, column);
      const q = coder.value(codes[at]!, n, column);
      values[at] = q;
      const error = (w - q) / pivot;
      loss += (error * error) / 2;
      if (error === 0) continue;
      const base = r * columns;
      for (let j = k + 1; j < columns; j++) work[base + j]! -= error * factor[k * columns + j]!;
    }
  }
  return loss;
}

/** Integer codes with a scale (and zero point) per group; keeps the scales that it fitted. */
export function uniformCoder(rule: UniformRule, rows: number, columns: number) {
  const groups = rows * Math.ceil(columns / rule.group);
  const scales = new Float32Array(groups);
  const zeros = new Uint16Array(groups);
  const top = rule.kind === "symmetric" ? 2 ** (rule.bits - 1) - 1 : 2 ** rule.bits - 1;
  const low = rule.kind === "symmetric" ? -top : 0;
  const coder: ColumnCoder = {
    group: rule.group,
    fit(values, n) {
      const fitted = encodeUniform(values, values.length, { ...rule, group: values.length });
      scales[n] = fitted.scales[0]!;
      zeros[n] = fitted.zeros[0]!;
    },
    code: (value, n) => Math.min(Math.max(rint(value / (scales[n]! || 1)) + zeros[n]!, low), top),
    value: (code, n) => Math.fround((code - zeros[n]!) * scales[n]!),
  };
  return { coder, scales, zeros };
}

/** Any grid with an absmax scale per group; codes are indices of the ascending grid. */
export function gridCoder(grid: readonly number[], group: number, rows: number, columns: number) {
  const scales = new Float32Array(rows * Math.ceil(columns / group));
  const nearest: Nearest = nearestOf(grid);
  const peak = Math.max(-grid[0]!, grid.at(-1)!);
  const coder: ColumnCoder = {
    group,
    fit(values, n) {
      scales[n] = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / peak;
    },
    code: (value, n) => nearestIndex(nearest, value / (scales[n]! || 1)),
    value: (code, n) => Math.fround(grid[code]! * scales[n]!),
  };
  return { coder, scales };
}
