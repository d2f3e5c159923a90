/** AWQ (Lin et al., MLSys 2024): input channels that carry large activations are scaled up before rounding. */

export interface AwqScales {
  /** One per input channel: quantize w · scale, and divide the activations (or the layer before) by it. */
  readonly scales: Float32Array;
  /** The exponent that won: scale = mean|x|^ratio, normalised to √(max · min) = 1. */
  readonly ratio: number;
  /** Mean squared error of the layer's outputs with these scales, and without any. */
  readonly error: number;
  readonly plainError: number;
}

const LEAST = 1e-4;

/** The scales of one exponent from the mean magnitude of each channel. */
export function awqScalesOf(magnitudes: Float64Array, ratio: number): Float32Array {
  const raw = Float64Array.from(magnitudes, (m) => Math.max(m ** ratio, LEAST));
  const [most, least] = raw.reduce(([a, b], v) => [Math.max(a, v), Math.min(b, v)], [0, Number.POSITIVE_INFINITY]);
  const unit = Math.sqrt(most! * least!);
  return Float32Array.from(raw, (v) => v / unit);
}

/**
 * Searches the exponent 0, 1/steps, … below 1 (20 steps in the published code) for the least output error.
 * `roundTrip` is the quantizer: weights in, what they decode to out. Activations are rows of `columns` samples.
 */
export function searchAwqScales(
  weights: Float32Array,
  columns: number,
  activations: Float32Array,
  roundTrip: (weights: Float32Array) => Float32Array,
  steps = 20,
): AwqScales {
  const samples = activations.length / columns;
  const magnitudes = new Float64Array(columns);
  for (let i = 0; i < activations.length; i++) magnitudes[i % columns]! += Math.abs(activations[i]!) / samples;
  let best: Omit<AwqScales, "plainError"> | undefined;
  let plainError = 0;
  for (let step = 0; step < steps; step++) {
    const ratio = step / steps;
    const scales = awqScalesOf(magnitudes, ratio);
    const rounded = roundTrip(weights.map((w, i) => w * scales[i % columns]!));
    const difference = rounded.map((q, i) => q / scales[i % columns]! - weights[i]!);
    const error = outputError(difference, activations, columns);
    if (step === 0) plainError = error;
    if (best === undefined || error < best.error) best = { scales, ratio, error };
  }
  return { ...best!, plainError };
}

/** Mean of (x · dᵀ)² over samples and rows of the difference. */
function outputError(difference: Float32Array, activations: Float32Array, columns: number): number {
  let sum = 0;
  for (let row = 0; row < difference.length; row += columns)
    for (let sample = 0; sample < activations.length; sample += columns) {
      let dot = 0;
      for (let k = 0; k < columns; k++) dot += difference[row + k]! * activations[sample + k]!;
      sum += dot * dot;
    }
  return sum / ((difference.length / columns) * (activations.length / columns));
}
