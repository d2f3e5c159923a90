/** Walsh–Hadamard rotation of rows before encoding: it spreads outliers over a block (QuIP#, QuaRot, HALO). */
import { internal } from "../../ir/diagnostics.ts";

/** The largest power of two that divides the row length: the default block. */
export function hadamardBlock(columns: number): number {
  let block = 1;
  while (columns % (2 * block) === 0) block *= 2;
  return block;
}

/** Signs ±1 from a seed (xorshift32), for the randomised rotation H · diag(s). */
export function randomSigns(count: number, seed: number): Int8Array {
  let state = seed | 0 || 1;
  return Int8Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state < 0 ? -1 : 1;
  });
}

export interface Rotation {
  /** A power of two that divides the row length. */
  readonly block: number;
  /** One per column; absent: no signs. */
  readonly signs?: Int8Array;
}

/** Rotates every block of every row: x ← H (s · x) / √block, in f64 inside. A rotation is orthogonal. */
export function rotate(values: Float32Array, columns: number, { block, signs }: Rotation): Float32Array {
  checkBlock(values, columns, block);
  const out = new Float32Array(values.length);
  const scratch = new Float64Array(block);
  for (let start = 0; start < values.length; start += block) {
    const column = start % columns;
    for (let i = 0; i < block; i++) scratch[i] = values[start + i]! * (signs?.[column + i] ?? 1);
    transform(scratch);
    out.set(scratch, start);
  }
  return out;
}

/** Undoes `rotate`: the transform is its own inverse, the signs come last. */
export function unrotate(values: Float32Array, columns: number, { block, signs }: Rotation): Float32Array {
  const out = rotate(values, columns, { block });
  return signs === undefined ? out : out.map((v, i) => v * signs[i % columns]!);
}

function checkBlock(values: Float32Array, columns: number, block: number): void {
  const power = block > 0 && Number.isInteger(Math.log2(block));
  if (!power || columns % block !== 0 || values.length % columns !== 0) internal(`blocks of ${block} in ${columns}`);
}

function transform(x: Float64Array): void {
  for (let half = 1; half < x.length; half *= 2)
    for (let start = 0; start < x.length; start += 2 * half)
      for (let i = start; i < start + half; i++) {
        const [a, b] = [x[i]!, x[i + half]!];
        x[i] = a + b;
        x[i + half] = a - b;
      }
  const scale = 1 / Math.sqrt(x.length);
  for (let i = 0; i < x.length; i++) x[i]! *= scale;
}
