/** GOBO (Zadeh et al., MICRO 2020): a dictionary for the values that fit a normal distribution, the others kept whole. */

export interface GoboCodes {
  /** Dictionary index of each value; 0 for outliers, whose value is in the list. */
  readonly codes: Uint8Array;
  readonly centroids: Float32Array;
  /** Linear indices in ascending order, and the values kept in full precision. */
  readonly outlierIndices: Uint32Array;
  readonly outlierValues: Float32Array;
}

export interface GoboRule {
  readonly bits: number;
  /** Outliers have at most this log-likelihood under the tensor's normal distribution. */
  readonly logLikelihood?: number;
  /** Steps that move values to their nearest centroid and centroids to their mean, while Σ|w − c| falls. */
  readonly refinements?: number;
}

const DEFAULT_LOG_LIKELIHOOD = -4;

/** Encodes a tensor: equally populated bins of the values that are no outliers, a bin's mean as centroid. */
export function encodeGobo(values: Float32Array, rule: GoboRule): GoboCodes {
  const isOutlier = outlierTest(values, rule.logLikelihood ?? DEFAULT_LOG_LIKELIHOOD);
  const indices = Uint32Array.from(values, (_, i) => i);
  const outlierIndices = indices.filter((i) => isOutlier(values[i]!));
  const kept = indices.filter((i) => !isOutlier(values[i]!)).sort((a, b) => values[a]! - values[b]!);
  const bins = 2 ** rule.bits;
  const assigned = Uint8Array.from(kept, (_, n) => Math.min(bins - 1, Math.floor((n * bins) / kept.length)));
  let [centroids, assignment] = [meansOf(values, kept, assigned, bins), assigned];
  let distance = absoluteError(values, kept, assignment, centroids);
  for (let step = 0; step < (rule.refinements ?? 0); step++) {
    const next = Uint8Array.from(kept, (i) => nearestOf(values[i]!, centroids));
    const means = meansOf(values, kept, next, bins, centroids);
    const moved = absoluteError(values, kept, next, means);
    if (!(moved < distance)) break;
    [centroids, assignment, distance] = [means, next, moved];
  }
  const codes = new Uint8Array(values.length);
  for (const [n, i] of kept.entries()) codes[i] = assignment[n]!;
  return { codes, centroids, outlierIndices, outlierValues: Float32Array.from(outlierIndices, (i) => values[i]!) };
}

/** True for values whose density under the normal distribution of all values is too small. */
function outlierTest(values: Float32Array, limit: number): (value: number) => boolean {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  if (variance === 0) return () => false;
  const constant = -0.5 * Math.log(2 * Math.PI * variance);
  return (v) => constant - (v - mean) ** 2 / (2 * variance) <= limit;
}

function meansOf(
  values: Float32Array,
  kept: Uint32Array,
  assignment: Uint8Array,
  bins: number,
  old: Float32Array = new Float32Array(bins),
): Float32Array {
  const sums = new Float64Array(bins);
  const counts = new Uint32Array(bins);
  for (let n = 0; n < kept.length; n++) {
    sums[assignment[n]!]! += values[kept[n]!]!;
    counts[assignment[n]!]!++;
  }
  return Float32Array.from(sums, (sum, c) => (counts[c] === 0 ? old[c]! : sum / counts[c]!));
}

function absoluteError(values: Float32Array, kept: Uint32Array, assignment: Uint8Array, centroids: Float32Array) {
  let sum = 0;
  for (let n = 0; n < kept.length; n++) sum += Math.abs(values[kept[n]!]! - centroids[assignment[n]!]!);
  return sum;
}

function nearestOf(value: number, centroids: Float32Array): number {
  let best = 0;
  for (let c = 1; c < centroids.length; c++)
    if (Math.abs(value - centroids[c]!) < Math.abs(value - centroids[best]!)) best = c;
  return best;
}

/** The values that the codes stand for; outliers as they were. */
export function decodeGobo({ codes, centroids, outlierIndices, outlierValues }: GoboCodes): Float32Array {
  const values = Float32Array.from(codes, (code) => centroids[code]!);
  for (let n = 0; n < outlierIndices.length; n++) values[outlierIndices[n]!] = outlierValues[n]!;
  return values;
}
