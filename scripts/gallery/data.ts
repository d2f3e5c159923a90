/** What every system of the gallery is measured on: seeded heavy-tailed weights and activations with outlier channels. */

/** Numbers row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/** A generator of uniform numbers in [0, 1) (mulberry32). */
export function uniform(seed: number): () => number {
  const state = Uint32Array.of(seed);
  return () => {
    state[0] = state[0]! + 0x6d2b79f5;
    let t = Math.imul(state[0]! ^ (state[0]! >>> 15), 1 | state[0]!);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Student's t with four degrees of freedom, in units of 0.02: tails as heavy as those of trained weights. */
export function heavyTailed(rows: number, columns: number, seed: number): Matrix {
  const next = uniform(seed);
  const sample = (): number => {
    const chi = [0, 0, 0, 0].reduce((sum) => sum + normal(next) ** 2, 0);
    return (0.02 * normal(next)) / Math.sqrt(chi / 4);
  };
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, sample) };
}

/** Activations on a grid of 1/64, so that sums and products before a quantization are exact in f32; one channel in 61 is large. */
export function activations(rows: number, columns: number, seed: number): Matrix {
  const next = uniform(seed);
  const values = Float32Array.from({ length: rows * columns }, (_, i) => {
    const size = (i % columns) % 61 === 7 ? 8 : 1;
    return Math.round(Math.max(-3, Math.min(3, normal(next))) * size * 64) / 64;
  });
  return { rows, columns, values };
}

/** Y = X · Wᵀ in f64. */
export function multiply(x: ArrayLike<number>, w: ArrayLike<number>, m: number, n: number, k: number): Float64Array {
  const y = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += x[i * k + c]! * w[j * k + c]!;
      y[i * n + j] = sum;
    }
  return y;
}
