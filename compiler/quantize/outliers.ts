/** Values that are kept whole beside the codes: GOBO's, and any beyond some standard deviations. */

/** Values at least `reach` away from the mean. */
export interface OutlierReach {
  readonly mean: number;
  readonly reach: number;
}

/** `gobo`: log-likelihood of at most −4 under the tensor's normal distribution; `sigma`: beyond so many deviations. */
export type OutlierRule = { readonly kind: "gobo" } | { readonly kind: "sigma"; readonly deviations: number };

const GOBO_LOG_LIKELIHOOD = -4;

/** What `parseOutlierRule` reads, in words. */
export const OUTLIER_HINT = "gobo, or a number of standard deviations such as 4sigma";

/** Reads `gobo` or a number of deviations such as `3sigma`; undefined for anything else. */
export function parseOutlierRule(text: string): OutlierRule | undefined {
  if (text === "gobo") return { kind: "gobo" };
  const match = /^(\d+(?:\.\d+)?)sigma$/.exec(text);
  const deviations = match === null ? 0 : Number(match[1]);
  return deviations > 0 ? { kind: "sigma", deviations } : undefined;
}

/**
 * Where a tensor's outliers begin. GOBO (Zadeh et al., MICRO 2020): −½ ln(2πσ²) − (x − μ)² / 2σ² ≤ −4, σ with n; a
 * distribution so wide that even its middle is that improbable has only outliers, as the formula says.
 */
export function outlierReach(rule: OutlierRule, moments: Moments): OutlierReach {
  const { mean, variance } = normalOf(moments);
  if (variance === 0) return { mean, reach: Number.POSITIVE_INFINITY };
  if (rule.kind === "sigma") return { mean, reach: rule.deviations * Math.sqrt(variance) };
  const constant = -0.5 * Math.log(2 * Math.PI * variance);
  return { mean, reach: Math.sqrt(Math.max(0, 2 * variance * (constant - GOBO_LOG_LIKELIHOOD))) };
}

export function isOutlier({ mean, reach }: OutlierReach, value: number): boolean {
  return Math.abs(value - mean) >= reach;
}

/** Σ x, Σ x² and how many. */
export interface Moments {
  readonly sum: number;
  readonly squares: number;
  readonly count: number;
}

export function momentsOf(values: Float32Array): Moments {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! * values[i]!;
  }
  return { sum, squares, count: values.length };
}

export function addMoments(a: Moments, b: Moments): Moments {
  return { sum: a.sum + b.sum, squares: a.squares + b.squares, count: a.count + b.count };
}

/** Mean and variance (over n) of the values. */
export function normalOf({ sum, squares, count }: Moments): { readonly mean: number; readonly variance: number } {
  const mean = sum / count;
  return { mean, variance: Math.max(0, squares / count - mean * mean) };
}

/** How many of the values are outliers. */
export function countOutliers(reach: OutlierReach, values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (isOutlier(reach, values[i]!)) count++;
  return count;
}
