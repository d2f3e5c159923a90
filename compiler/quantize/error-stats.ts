/** Errors of a quantized tensor, gathered piece by piece. */

/** Sums over the values seen so far. */
export class ErrorStats {
  #signal = 0;
  #noise = 0;
  #maxError = 0;
  #count = 0;

  /** Counts values and what their codes stand for. */
  add(values: Float32Array, decoded: Float32Array): void {
    let [signal, noise, worst] = [0, 0, this.#maxError];
    for (let i = 0; i < values.length; i++) {
      const error = values[i]! - decoded[i]!;
      signal += values[i]! * values[i]!;
      noise += error * error;
      const size = error < 0 ? -error : error;
      if (size > worst) worst = size;
    }
    this.#signal += signal;
    this.#noise += noise;
    this.#maxError = worst;
    this.#count += values.length;
  }

  /** 10 · log10(Σ x² / Σ (x − q)²); null where all values are exact. */
  get sqnrDb(): number | null {
    return this.#noise === 0 ? null : 10 * Math.log10(this.#signal / this.#noise);
  }

  get maxError(): number {
    return this.#maxError;
  }

  get meanSquaredError(): number {
    return this.#count === 0 ? 0 : this.#noise / this.#count;
  }
}

/** True where a value is NaN or infinite. */
export function hasNonFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return true;
  return false;
}
