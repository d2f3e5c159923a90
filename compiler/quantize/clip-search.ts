/** Searching the range of a tensor or row: scale = reach · percent / grid maximum, the percentage of least error wins. */
import type { Nearest } from "./nearest.ts";

/** Codes as indices of a grid's values; one scale per row, or one for all. */
export interface SearchCodes {
  readonly indices: Uint16Array;
  /** The reach that won, per row or once, and scale = alpha / grid maximum. */
  readonly alphas: Float32Array;
  readonly scales: Float32Array;
  /** Mean over rows of each row's mean squared error. */
  readonly meanSquaredError: number;
}

export interface Percentages {
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  readonly step: number;
}

/** What the search is about: where a row reaches, how it is encoded, and what a grid index means. */
export interface Search {
  readonly nearest: Nearest;
  /** The grid's maximum: what `alpha` stands for. */
  readonly top: number;
  readonly percentages: Percentages;
  readonly reach: (values: Float32Array) => number;
  /** Writes indices for values / scale and returns the sum of squared errors. */
  readonly encode: (values: Float32Array, scale: number, into: Uint16Array) => number;
}

/** Searches each row of `columns` values by itself; `columns` = length searches the tensor as a whole. */
export function searchClipping(values: Float32Array, columns: number, search: Search): SearchCodes {
  const rows = values.length / columns;
  const out = {
    indices: new Uint16Array(values.length),
    alphas: new Float32Array(rows),
    scales: new Float32Array(rows),
    meanSquaredError: 0,
  };
  const trial = new Uint16Array(columns);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * columns, (row + 1) * columns);
    const reach = Math.fround(search.reach(own));
    let least = Number.POSITIVE_INFINITY;
    for (let percent = search.percentages.from; percent < search.percentages.to; percent += search.percentages.step) {
      const alpha = Math.fround(reach * Math.fround(percent * 0.01));
      const scale = Math.fround(alpha / search.top);
      const error = search.encode(own, scale, trial);
      if (!(error < least)) continue;
      least = error;
      out.alphas[row] = alpha;
      out.scales[row] = scale;
      out.indices.set(trial, row * columns);
    }
    if (least < Number.POSITIVE_INFINITY) out.meanSquaredError += least / columns / rows;
  }
  return out;
}
