/** What is done to a tensor before it is encoded, and undone after it is decoded: rotations, scales of input channels. */
import { type Rotation, randomSigns, rotate, unrotate } from "./hadamard.ts";

/** Plain data, as the metadata of a packed file holds it. */
export interface RotationSettings {
  readonly block: number;
  /** Of the random signs; 0: none. */
  readonly seed: number;
}

export interface Transform {
  readonly rotation?: RotationSettings;
  /** One factor a column: weights are encoded times it. */
  readonly channels?: ArrayLike<number>;
}

function rotationOf({ block, seed }: RotationSettings, columns: number): Rotation {
  return { block, ...(seed !== 0 && { signs: randomSigns(columns, seed) }) };
}

/** First the rotation, then the factors. */
export function applyTransform(values: Float32Array, columns: number, { rotation, channels }: Transform): Float32Array {
  const rotated = rotation === undefined ? values : rotate(values, columns, rotationOf(rotation, columns));
  return channels === undefined ? rotated : rotated.map((v, i) => v * channels[i % columns]!);
}

/** The inverse of `applyTransform`. */
export function undoTransform(values: Float32Array, columns: number, { rotation, channels }: Transform): Float32Array {
  const plain = channels === undefined ? values : values.map((v, i) => v / channels[i % columns]!);
  return rotation === undefined ? plain : unrotate(plain, columns, rotationOf(rotation, columns));
}

/** The Hessian of the inputs of rotated weights: R H Rᵀ. */
export function rotateHessian(hessian: Float64Array, columns: number, rotation: RotationSettings): Float64Array {
  const once = rotateRows(hessian, columns, rotation);
  return transpose(rotateRows(transpose(once, columns), columns, rotation), columns);
}

function rotateRows(matrix: Float64Array, columns: number, rotation: RotationSettings): Float64Array {
  const { block, signs } = rotationOf(rotation, columns);
  const out = matrix.slice();
  for (let start = 0; start < out.length; start += block) {
    const column = start % columns;
    for (let i = 0; i < block; i++) out[start + i]! *= signs?.[column + i] ?? 1;
    for (let half = 1; half < block; half *= 2)
      for (let at = 0; at < block; at += 2 * half)
        for (let i = start + at; i < start + at + half; i++) {
          const [a, b] = [out[i]!, out[i + half]!];
          out[i] = (a + b) * Math.SQRT1_2;
          out[i + half] = (a - b) * Math.SQRT1_2;
        }
  }
  return out;
}

function transpose(matrix: Float64Array, size: number): Float64Array {
  const out = new Float64Array(matrix.length);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) out[j * size + i] = matrix[i * size + j]!;
  return out;
}
