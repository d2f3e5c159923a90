/** Nearest values of a grid, fast: a bucket of the number line leads to the first candidate, thresholds decide. */
import { internal } from "../../ir/diagnostics.ts";
import type { Grid } from "./grids.ts";

/** Which neighbour a number exactly between two values goes to. */
export type Tie = (lower: number, upper: number) => "lower" | "upper";

export const TIES_DOWN: Tie = () => "lower";
export const TIES_UP: Tie = () => "upper";

/**
 * A grid made for searching. The index of the nearest value to y is the number of thresholds below y; `start` holds a
 * number of thresholds that are certainly below every y of a bucket, so that few comparisons are left:
 * `let i = start[bucket]; while (y > thresholds[i]) i++`.
 */
export interface Nearest {
  readonly values: Float64Array;
  /** One between each two values, then +∞. */
  readonly thresholds: Float64Array;
  readonly start: Uint16Array;
  /** bucket = (y − low) · perUnit, cut to the buckets there are. */
  readonly low: number;
  readonly perUnit: number;
  /** Where all thresholds are multiples of 1 / perUnit: the index for each ⌈y · perUnit⌉ from `first` on, nothing to compare. */
  readonly cells?: { readonly perUnit: number; readonly first: number; readonly indices: Uint16Array };
}

const MAX_BUCKETS = 4096;
/** Cells have a width of at least this power of two. */
const MAX_CELLS_PER_UNIT = 8;
const F64 = new Float64Array(1);
const F64_BITS = new BigInt64Array(F64.buffer);

/** The largest double below x, so that `y > x` stands for `y >= x`. */
function below(x: number): number {
  if (x === 0) return -Number.MIN_VALUE;
  F64[0] = x;
  F64_BITS[0]! += x > 0 ? -1n : 1n;
  return F64[0];
}

/** Prepares an ascending grid of finite values. */
export function nearestOf(grid: Grid, tie: Tie = TIES_DOWN): Nearest {
  if (grid.length === 0 || grid.length > 65535) internal(`a grid of ${grid.length} values`);
  const between = grid.slice(1).map((upper, i) => {
    const middle = (grid[i]! + upper) / 2;
    return tie(grid[i]!, upper) === "upper" ? below(middle) : middle;
  });
  const low = grid[0]!;
  const span = grid.at(-1)! - low;
  const gap = grid.slice(1).reduce((least, upper, i) => Math.min(least, upper - grid[i]!), span);
  const buckets = span === 0 ? 1 : Math.min(MAX_BUCKETS, Math.ceil((2 * span) / gap));
  const perUnit = span === 0 ? 0 : buckets / span;
  // One bucket of margin: rounding of (y − low) · perUnit must never skip a threshold.
  const start = Uint16Array.from({ length: buckets + 1 }, (_, b) => {
    const edge = low + (b - 1) / (perUnit || 1);
    return span === 0 ? 0 : between.filter((t) => t < edge).length;
  });
  const cells = cellsOf(grid, between);
  return {
    values: Float64Array.from(grid),
    thresholds: Float64Array.of(...between, Number.POSITIVE_INFINITY),
    start,
    low,
    perUnit,
    ...(cells === undefined ? {} : { cells }),
  };
}

/** Between two multiples of 1 / perUnit no threshold lies, so ⌈y · perUnit⌉ decides: t < y exactly where t · perUnit < ⌈y · perUnit⌉. */
function cellsOf(grid: Grid, thresholds: readonly number[]): Nearest["cells"] {
  let perUnit = 1;
  while (perUnit < MAX_CELLS_PER_UNIT && thresholds.some((t) => !Number.isInteger(t * perUnit))) perUnit *= 2;
  const reach = Math.max(-grid[0]!, grid.at(-1)!, 0) * perUnit;
  if (thresholds.some((t) => !Number.isInteger(t * perUnit)) || 2 * reach > MAX_BUCKETS) return undefined;
  const first = -Math.ceil(reach) - 1;
  const indices = Uint16Array.from({ length: -2 * first + 1 }, (_, i) => {
    return thresholds.filter((t) => t * perUnit < first + i).length;
  });
  return { perUnit, first, indices };
}

/** The index of the value nearest to y; NaN gives the lowest. Inner loops repeat these lines with the fields in locals. */
export function nearestIndex(nearest: Nearest, y: number): number {
  const { start, thresholds } = nearest;
  const bucket = (y - nearest.low) * nearest.perUnit;
  let i = start[bucket > 0 ? Math.min(bucket, start.length - 1) | 0 : 0]!;
  while (y > thresholds[i]!) i++;
  return i;
}

/**
 * Indices of the nearest values to w / scale (rounded to f32, as the published code computes it), and the squared error of
 * f32 products against w. A scale of zero stands for a group of zeros.
 */
export function encodeScaled(
  nearest: Nearest,
  values: Float32Array,
  from: number,
  to: number,
  scale: number,
  into: Uint16Array,
): number {
  if (nearest.cells !== undefined) return encodeByCells(nearest.values, nearest.cells, values, from, to, scale, into);
  const { values: grid, thresholds, start, low, perUnit } = nearest;
  const last = start.length - 1;
  const divisor = scale > 0 ? scale : 1;
  let error = 0;
  for (let i = from; i < to; i++) {
    const w = values[i]!;
    const y = Math.fround(w / divisor);
    const bucket = (y - low) * perUnit;
    let n = start[bucket > 0 ? (bucket < last ? bucket | 0 : last) : 0]!;
    while (y > thresholds[n]!) n++;
    into[i - from] = n;
    const difference = Math.fround(Math.fround(grid[n]! * scale) - w);
    error += difference * difference;
  }
  return error;
}

function encodeByCells(
  grid: Float64Array,
  { perUnit, first, indices }: NonNullable<Nearest["cells"]>,
  values: Float32Array,
  from: number,
  to: number,
  scale: number,
  into: Uint16Array,
): number {
  const last = indices.length - 1;
  const divisor = scale > 0 ? scale : 1;
  let error = 0;
  for (let i = from; i < to; i++) {
    const w = values[i]!;
    const cell = Math.ceil(Math.fround(w / divisor) * perUnit) - first;
    const n = indices[cell > 0 ? (cell < last ? cell : last) : 0]!;
    into[i - from] = n;
    const difference = Math.fround(Math.fround(grid[n]! * scale) - w);
    error += difference * difference;
  }
  return error;
}
