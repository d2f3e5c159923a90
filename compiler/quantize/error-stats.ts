/** Errors of a quantized tensor, gathered piece by piece. */

/** Sums over values; plain data, so that pieces of other threads add up. */
export interface ErrorSums {
  readonly signal: number;
  readonly noise: number;
  readonly maxError: number;
  readonly count: number;
}

export const NO_ERRORS: ErrorSums = { signal: 0, noise: 0, maxError: 0, count: 0 };

/** The sums of values and what their codes stand for. */
export function errorsOf(values: Float32Array, decoded: Float32Array): ErrorSums {
  let [signal, noise, maxError] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const error = values[i]! - decoded[i]!;
    signal += values[i]! * values[i]!;
    noise += error * error;
    const size = error < 0 ? -error : error;
    if (size > maxError) maxError = size;
  }
  return { signal, noise, maxError, count: values.length };
}

export function addErrors(a: ErrorSums, b: ErrorSums): ErrorSums {
  return {
    signal: a.signal + b.signal,
    noise: a.noise + b.noise,
    maxError: Math.max(a.maxError, b.maxError),
    count: a.count + b.count,
  };
}

/** 10 · log10(Σ x² / Σ (x − q)²); null where all values are exact. */
export function sqnrDb({ signal, noise }: ErrorSums): number | null {
  return noise === 0 ? null : 10 * Math.log10(signal / noise);
}

/** True where a value is NaN or infinite. */
export function hasNonFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return true;
  return false;
}
