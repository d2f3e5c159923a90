/** Tables fitted to the values: weighted k-means on the line, per row or per tensor (SqueezeLLM, Deep Compression). */

export interface FittedTable {
  /** Ascending. */
  readonly centroids: Float32Array;
  readonly codes: Uint8Array;
  /** Weighted sum of squared errors. */
  readonly squaredError: number;
}

export interface KMeansOptions {
  /** Importance of each value (SqueezeLLM: the Fisher information); 1 where absent. */
  readonly weights?: Float32Array;
  readonly iterations?: number;
}

const DEFAULT_ITERATIONS = 300;

/**
 * Lloyd's iteration from equally populated clusters. On the line clusters are ranges of the sorted values, so a step costs
 * one search a boundary over prefix sums, and the result does not depend on chance.
 */
export function fitTable(values: Float32Array, entries: number, options: KMeansOptions = {}): FittedTable {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const sorted = Float64Array.from(order, (i) => values[i]!);
  const sums = prefixSums(sorted, order, options.weights);
  let bounds = Uint32Array.from({ length: entries + 1 }, (_, c) => Math.floor((c * values.length) / entries));
  let centroids = centroidsOf(sorted, sums, bounds);
  for (let step = 0; step < (options.iterations ?? DEFAULT_ITERATIONS); step++) {
    const next = boundsOf(sorted, centroids);
    if (next.every((b, i) => b === bounds[i])) break;
    bounds = next;
    centroids = centroidsOf(sorted, sums, bounds, centroids);
  }
  const table = Float32Array.from(centroids);
  const codes = new Uint8Array(values.length);
  let squaredError = 0;
  const final = boundsOf(sorted, table);
  for (let c = 0; c < entries; c++)
    for (let i = final[c]!; i < final[c + 1]!; i++) {
      codes[order[i]!] = c;
      squaredError += (options.weights?.[order[i]!] ?? 1) * (sorted[i]! - table[c]!) ** 2;
    }
  return { centroids: table, codes, squaredError };
}

interface Sums {
  readonly weight: Float64Array;
  readonly moment: Float64Array;
}

function prefixSums(sorted: Float64Array, order: Uint32Array, weights: Float32Array | undefined): Sums {
  const weight = new Float64Array(sorted.length + 1);
  const moment = new Float64Array(sorted.length + 1);
  for (let i = 0; i < sorted.length; i++) {
    const w = weights?.[order[i]!] ?? 1;
    weight[i + 1] = weight[i]! + w;
    moment[i + 1] = moment[i]! + w * sorted[i]!;
  }
  return { weight, moment };
}

/** Weighted means of the ranges; an empty range keeps its old centroid (or its boundary value). */
function centroidsOf(sorted: Float64Array, sums: Sums, bounds: Uint32Array, old?: Float64Array): Float64Array {
  return Float64Array.from({ length: bounds.length - 1 }, (_, c) => {
    const [from, to] = [bounds[c]!, bounds[c + 1]!];
    const weight = sums.weight[to]! - sums.weight[from]!;
    if (weight > 0) return (sums.moment[to]! - sums.moment[from]!) / weight;
    return old?.[c] ?? sorted[Math.min(from, sorted.length - 1)] ?? 0;
  });
}

/** Where the nearest centroid changes: the first value above each midpoint. */
function boundsOf(sorted: Float64Array, centroids: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const bounds = new Uint32Array(centroids.length + 1);
  bounds[centroids.length] = sorted.length;
  for (let c = 1; c < centroids.length; c++) {
    const middle = (centroids[c - 1]! + centroids[c]!) / 2;
    let [low, high] = [bounds[c - 1]!, sorted.length];
    while (low < high) {
      const at = (low + high) >>> 1;
      if (sorted[at]! > middle) high = at;
      else low = at + 1;
    }
    bounds[c] = low;
  }
  return bounds;
}
