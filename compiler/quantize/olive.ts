/** OliVe (Guo et al., ISCA 2023): outliers take the place of their neighbour, the victim, which becomes zero. */
import { type Percentages, type Search, type SearchCodes, searchClipping } from "./clip-search.ts";
import { abfloatGrid, flintGrid, type Grid, intGrid } from "./grids.ts";
import { type Nearest, nearestOf } from "./nearest.ts";

export type OliveType = "int" | "flint";

/** Magnitudes above this are outliers; the published code scales every set of normal values to it. */
export const OLIVE_BOUNDARY = 32;

/** Normal values in code units: int4 in steps of 4, flint4 of 2, int8 of 1/4. */
export function oliveNormals(type: OliveType, bits: 4 | 8): Grid {
  if (type === "flint") return flintGrid(bits, true).map((v) => v * 2);
  return intGrid(bits, "symmetric").map((v) => v * 2 ** (6 - bits));
}

/** Outlier values in code units: E2M1 (4 bits) or, as the published code has it, E2M5 (8 bits). */
export function oliveOutliers(bits: 4 | 8): Grid {
  const mantissaBits = bits - 3;
  return abfloatGrid({ exponentBits: 2, mantissaBits, bias: 5 - mantissaBits, signed: true });
}

export interface OliveRule {
  readonly bits: 4 | 8;
  /** Candidates; the least summed error wins, the first of equals. Above 6 bits only `int` is tried. */
  readonly types: readonly OliveType[];
  readonly scope: "row" | "tensor";
  /** Reach in percent of 3σ; the published scripts use 75 … 249 for language models. */
  readonly percentages?: Percentages;
}

export interface OliveCodes extends SearchCodes {
  readonly type: OliveType;
  /** Normal and outlier values in one ascending grid; `indices` refer to it. */
  readonly nearest: Nearest;
}

const LANGUAGE_MODELS: Percentages = { from: 75, to: 250, step: 2 };

/** Encodes a tensor. Pairs are neighbours (2k, 2k + 1) of the row-major order; an odd row length pairs across rows. */
export function encodeOlive(values: Float32Array, columns: number, rule: OliveRule): OliveCodes {
  const types = rule.bits > 6 ? (["int"] as const) : rule.types;
  const length = rule.scope === "row" ? columns : values.length;
  const results = types.map((type) => {
    const search = oliveSearch(type, rule.bits, rule.percentages);
    return { type, nearest: search.nearest, ...searchClipping(values, length, search) };
  });
  return results.reduce((best, next) => (next.meanSquaredError < best.meanSquaredError ? next : best));
}

/** The search of one type: its grid, its range, and how pairs of codes are made. */
function oliveSearch(type: OliveType, bits: 4 | 8, percentages: Percentages = LANGUAGE_MODELS): Search {
  return pairSearch(oliveNormals(type, bits), oliveOutliers(bits), OLIVE_BOUNDARY, percentages);
}

/** The same for any normal values and outliers; magnitudes above the boundary are outliers. */
export function pairSearch(
  normals: Grid,
  outlierValues: Grid,
  boundary: number,
  percentages: Percentages = LANGUAGE_MODELS,
): Search {
  const outliers = new Set(outlierValues);
  const grid = [...normals, ...outliers].sort((a, b) => a - b);
  // Of two equally near values the later in (normals, outliers) wins: an outlier before a normal, then the larger.
  const nearest = nearestOf(grid, (lower, upper) => (outliers.has(lower) && !outliers.has(upper) ? "lower" : "upper"));
  return { nearest, top: normals.at(-1)!, percentages, reach: threeSigma, encode: pairEncoder(nearest, boundary) };
}

/** The farther end of mean ± 3σ (σ with n − 1). */
export function threeSigma(values: Float32Array): number {
  let sum = 0;
  for (const v of values) sum += v;
  const mean = sum / values.length;
  let squares = 0;
  for (const v of values) squares += (v - mean) ** 2;
  const sigma = Math.sqrt(squares / Math.max(1, values.length - 1));
  return Math.max(Math.abs(mean + 3 * sigma), Math.abs(mean - 3 * sigma));
}

/** Nearest values, then the neighbour of an outlier becomes zero; of two outliers the left one stays. */
function pairEncoder(nearest: Nearest, boundary: number): Search["encode"] {
  const { values: grid, thresholds, start, low, perUnit } = nearest;
  const last = start.length - 1;
  const zero = grid.indexOf(0);
  const isOutlier = Uint8Array.from(grid, (v) => (Math.abs(v) > boundary ? 1 : 0));
  return (values, scale, into) => {
    const divisor = scale > 0 ? scale : 1;
    let error = 0;
    for (let i = 0; i < values.length; i++) {
      const y = Math.fround(values[i]! / divisor);
      const bucket = (y - low) * perUnit;
      let n = start[bucket > 0 ? (bucket < last ? bucket | 0 : last) : 0]!;
      while (y > thresholds[n]!) n++;
      into[i] = n;
    }
    for (let i = 0; i + 1 < values.length; i += 2) {
      if (isOutlier[into[i]!] === 1) into[i + 1] = zero;
      else if (isOutlier[into[i + 1]!] === 1) into[i] = zero;
    }
    for (let i = 0; i < values.length; i++) {
      const difference = Math.fround(Math.fround(grid[into[i]!]! * scale) - values[i]!);
      error += difference * difference;
    }
    return error;
  };
}
