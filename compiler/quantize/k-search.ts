/**
 * The weighted searches of K-quants (ggml, ggml-quants.c, described there as make_qkx2_quants, make_qx_quants and
 * make_q3_quants): each tries a few step widths around the range's own, solves weighted least squares for the scale that
 * suits the rounded codes best, and keeps the pair of least weighted error. All sums are of f32 in the order of the values,
 * as the scalar reference has them.
 */
import { rint } from "../../ir/float.ts";
import { type Nearest, nearestIndex } from "./nearest.ts";

const f = Math.fround;
/** Groups whose magnitudes stay below this are zeros. */
export const LEAST_PEAK = f(1e-15);
const TENTH = f(0.1);

const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);

/** How step widths are tried: (top + from + step/10) / range for `steps` + 1 steps. */
export interface AffineSearch {
  /** The largest code. */
  readonly top: number;
  readonly from: number;
  readonly steps: number;
  /** Σ w·|error| in place of Σ w·error². */
  readonly absolute: boolean;
}

export interface AffineFit {
  scale: number;
  /** What is subtracted: values are scale · code − min, min ≥ 0. */
  min: number;
}

/** Codes 0 … top for value = scale · code − min; writes them to `codes` from 0 on. `weights` are those of the group. */
export function searchAffine(
  x: Float32Array,
  start: number,
  end: number,
  weights: Float32Array,
  { top, from, steps, absolute }: AffineSearch,
  codes: Uint16Array,
): AffineFit {
  const n = end - start;
  let [low, high] = [x[start]!, x[start]!];
  let sumW = weights[0]!;
  let sumX = f(sumW * x[start]!);
  for (let i = 1; i < n; i++) {
    const v = x[start + i]!;
    if (v < low) low = v;
    if (v > high) high = v;
    sumW = f(sumW + weights[i]!);
    sumX = f(sumX + f(weights[i]! * v));
  }
  if (low > 0) low = 0;
  codes.fill(0, 0, n);
  if (low === high) return { scale: 0, min: -low };
  const trial = new Uint16Array(n);
  const errorOf = (own: Uint16Array, scale: number, min: number): number => {
    let error = 0;
    for (let i = 0; i < n; i++) {
      const difference = f(f(f(scale * own[i]!) + min) - x[start + i]!);
      error = f(error + f(weights[i]! * (absolute ? Math.abs(difference) : f(difference * difference))));
    }
    return error;
  };
  const first = f(top / f(high - low));
  for (let i = 0; i < n; i++) codes[i] = clamp(rint(f(first * f(x[start + i]! - low))), 0, top);
  let scale = f(1 / first);
  let min = low;
  let least = errorOf(codes, scale, min);
  for (let step = 0; step <= steps; step++) {
    // From the minimum found so far: the reference goes on from there.
    const inverse = f(f(f(from + f(TENTH * step)) + top) / f(high - min));
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < n; i++) {
      const v = x[start + i]!;
      const l = clamp(rint(f(inverse * f(v - min))), 0, top);
      trial[i] = l;
      const wl = f(weights[i]! * l);
      sumL = f(sumL + wl);
      sumL2 = f(sumL2 + f(wl * l));
      sumXL = f(sumXL + f(wl * v));
    }
    const determinant = f(f(sumW * sumL2) - f(sumL * sumL));
    if (!(determinant > 0)) continue;
    let ownScale = f(f(f(sumW * sumXL) - f(sumX * sumL)) / determinant);
    let ownMin = f(f(f(sumL2 * sumX) - f(sumL * sumXL)) / determinant);
    if (ownMin > 0) [ownMin, ownScale] = [0, f(sumXL / sumL2)];
    const error = errorOf(trial, ownScale, ownMin);
    if (!(error < least)) continue;
    codes.set(trial);
    [least, scale, min] = [error, ownScale, ownMin];
  }
  return { scale, min: -min };
}

/** The value of largest magnitude, with its sign; the first of equals. */
export function signedPeak(x: Float32Array, start: number, end: number): number {
  let [peak, size] = [0, 0];
  for (let i = start; i < end; i++) {
    const own = Math.abs(x[i]!);
    if (own > size) [size, peak] = [own, x[i]!];
  }
  return peak;
}

/** Codes −top … top − 1 for value = scale · code, weights x²: nineteen step widths around −top / peak. */
export function searchSymmetric(x: Float32Array, start: number, end: number, top: number, codes: Int16Array): number {
  const peak = signedPeak(x, start, end);
  const n = end - start;
  codes.fill(-top, 0, n);
  if (Math.abs(peak) < LEAST_PEAK) return 0;
  let [scale, best, chosen] = [0, 0, f(-top / peak)];
  for (const step of STEPS) {
    const inverse = step === 0 ? f(-top / peak) : f(-f(top + f(TENTH * step)) / peak);
    let [sumLX, sumL2] = [0, 0];
    for (let i = 0; i < n; i++) {
      const v = x[start + i]!;
      const l = clamp(rint(f(inverse * v)), -top, top - 1);
      const w = f(v * v);
      sumLX = f(sumLX + f(f(w * v) * l));
      sumL2 = f(sumL2 + f(f(w * l) * l));
    }
    const better = step === 0 || (sumL2 > 0 && f(sumLX * sumLX) > f(best * sumL2));
    if (!better) continue;
    scale = sumL2 === 0 ? 0 : f(sumLX / sumL2);
    best = f(scale * sumLX);
    chosen = inverse;
  }
  for (let i = 0; i < n; i++) codes[i] = clamp(rint(f(chosen * x[start + i]!)), -top, top - 1);
  return scale;
}

/** The range's own step first, then −9 … 9 tenths without 0. */
const STEPS = [0, ...Array.from({ length: 19 }, (_, i) => i - 9).filter((s) => s !== 0)];
const ROUNDS = 5;

/** The same for few codes, by moving one code after the other while the fit gets better, at most five rounds. */
export function descendSymmetric(x: Float32Array, start: number, end: number, top: number, codes: Int16Array): number {
  const peak = signedPeak(x, start, end);
  const n = end - start;
  codes.fill(-top, 0, n);
  if (Math.abs(peak) < LEAST_PEAK) return 0;
  const inverse = f(-top / peak);
  let [sumLX, sumL2] = [0, 0];
  for (let i = 0; i < n; i++) {
    const v = x[start + i]!;
    const l = clamp(rint(f(inverse * v)), -top, top - 1);
    codes[i] = l;
    const w = f(v * v);
    sumLX = f(sumLX + f(f(w * v) * l));
    sumL2 = f(sumL2 + f(f(w * l) * l));
  }
  for (let round = 0; round < ROUNDS; round++) {
    let changed = false;
    for (let i = 0; i < n; i++) {
      const v = x[start + i]!;
      const w = f(v * v);
      const wx = f(w * v);
      let lx = f(sumLX - f(wx * codes[i]!));
      if (!(lx > 0)) continue;
      let l2 = f(sumL2 - f(f(w * codes[i]!) * codes[i]!));
      const l = clamp(rint(f(f(v * l2) / lx)), -top, top - 1);
      if (l === codes[i]) continue;
      lx = f(lx + f(wx * l));
      l2 = f(l2 + f(f(w * l) * l));
      if (!(l2 > 0 && f(f(lx * lx) * sumL2) > f(f(sumLX * sumLX) * l2))) continue;
      codes[i] = l;
      [sumLX, sumL2, changed] = [lx, l2, true];
    }
    if (!changed) break;
  }
  return sumL2 > 0 ? f(sumLX / sumL2) : 0;
}

/** Fifteen scales around peak / (lowest value of the table), weights x²; for tables that are not symmetric (IQ4). */
export function searchTable(x: Float32Array, start: number, end: number, table: Nearest): number {
  const peak = signedPeak(x, start, end);
  if (Math.abs(peak) < LEAST_PEAK) return 0;
  const grid = table.values;
  const lowest = grid[0]!;
  const solve = (inverse: number): readonly [number, number] => {
    let [sumQX, sumQ2] = [0, 0];
    for (let i = start; i < end; i++) {
      const v = x[i]!;
      const q = grid[nearestIndex(table, f(inverse * v))]!;
      const wq = f(f(v * v) * q);
      sumQX = f(sumQX + f(wq * v));
      sumQ2 = f(sumQ2 + f(wq * q));
    }
    return [sumQX, sumQ2];
  };
  const [sumQX, sumQ2] = solve(f(1 / f(-peak / lowest)));
  let scale = sumQ2 > 0 ? f(sumQX / sumQ2) : 0;
  let best = f(scale * sumQX);
  for (let step = -7; step <= 7; step++) {
    const [qx, q2] = solve(f((step + lowest) / peak));
    if (!(q2 > 0 && f(qx * qx) > f(best * q2))) continue;
    scale = f(qx / q2);
    best = f(scale * qx);
  }
  return scale;
}
