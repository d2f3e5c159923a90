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

/** What AWQ must know of a layer's inputs: mean |x| of each channel, and the output error of a difference of weights. */
export interface AwqInputs {
  readonly magnitudes: Float64Array;
  readonly errorOf: (difference: Float32Array) => number;
}

/**
 * Searches the exponent 0, 1/steps, … below 1 (20 steps in the published code) for the least output error.
 * `roundTrip` is the quantizer: weights in, what they decode to out.
 */
export function searchAwq(
  weights: Float32Array,
  columns: number,
  { magnitudes, errorOf }: AwqInputs,
  roundTrip: (weights: Float32Array) => Float32Array,
  steps = 20,
): AwqScales {
  let best: Omit<AwqScales, "plainError"> | undefined;
  let plainError = 0;
  for (let step = 0; step < steps; step++) {
    const ratio = step / steps;
    const scales = awqScalesOf(magnitudes, ratio);
    const rounded = roundTrip(weights.map((w, i) => w * scales[i % columns]!));
    const error = errorOf(rounded.map((q, i) => q / scales[i % columns]! - weights[i]!));
    if (step === 0) plainError = error;
    if (best === undefined || error < best.error) best = { scales, ratio, error };
  }
  return { ...best!, plainError };
}

/** What rows of `columns` activations say of a layer's inputs. */
export function awqInputs(activations: Float32Array, columns: number): AwqInputs {
  const samples = activations.length / columns;
  const magnitudes = new Float64Array(columns);
  for (let i = 0; i < activations.length; i++) magnitudes[i % columns]! += Math.abs(activations[i]!) / samples;
  return { magnitudes, errorOf: (difference) => outputError(difference, activations, columns) };
}

/** The same from a Hessian: √(½ diag H), the root mean square, stands for the mean magnitude. */
export function awqInputsOfHessian(hessian: Float64Array, columns: number): AwqInputs {
  return {
    magnitudes: Float64Array.from({ length: columns }, (_, k) => Math.sqrt(hessian[k * columns + k]! / 2)),
    errorOf(difference) {
      let sum = 0;
      for (let row = 0; row < difference.length; row += columns)
        for (let i = 0; i < columns; i++) {
          const d = difference[row + i]!;
          if (d === 0) continue;
          let dot = 0;
          for (let j = 0; j < columns; j++) dot += hessian[i * columns + j]! * difference[row + j]!;
          sum += d * dot;
        }
      return sum / 2 / (difference.length / columns);
    },
  };
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
