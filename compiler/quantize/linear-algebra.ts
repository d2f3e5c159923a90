/** The dense linear algebra that second-order quantization needs: Gram matrices and the Cholesky factor of an inverse. */
import { internal } from "../../ir/diagnostics.ts";

/** H = (2 / samples) Σ x xᵀ over rows of activations: the Hessian of ‖Wx − Qx‖² with respect to a row of Q. */
export function hessianOf(activations: Float32Array, columns: number): Float64Array {
  const samples = activations.length / columns;
  const h = new Float64Array(columns * columns);
  for (let s = 0; s < samples; s++) {
    const x = activations.subarray(s * columns, (s + 1) * columns);
    for (let i = 0; i < columns; i++) {
      const scaled = (2 / samples) * x[i]!;
      if (scaled === 0) continue;
      const row = h.subarray(i * columns, (i + 1) * columns);
      for (let j = 0; j < columns; j++) row[j]! += scaled * x[j]!;
    }
  }
  return h;
}

/**
 * The upper triangular U with H⁻¹ = Uᵀ U, or undefined where H is not positive definite. U is the inverse of the upper
 * triangular V with H = V Vᵀ: one factorization from the last column to the first, one triangular inverse.
 */
export function inverseCholesky(h: Float64Array, size: number): Float64Array | undefined {
  if (h.length !== size * size) internal(`${h.length} entries in a matrix of ${size}`);
  const v = upperFactor(h, size);
  if (v === undefined) return undefined;
  const u = new Float64Array(size * size);
  for (let i = size - 1; i >= 0; i--) {
    const into = u.subarray(i * size, (i + 1) * size);
    const inverse = 1 / v[i * size + i]!;
    into[i] = inverse;
    for (let k = i + 1; k < size; k++) {
      const factor = -inverse * v[i * size + k]!;
      if (factor === 0) continue;
      const row = u.subarray(k * size, (k + 1) * size);
      for (let j = k; j < size; j++) into[j]! += factor * row[j]!;
    }
  }
  return u;
}

/** The upper triangular V with H = V Vᵀ. */
function upperFactor(h: Float64Array, size: number): Float64Array | undefined {
  const v = new Float64Array(size * size);
  for (let j = size - 1; j >= 0; j--) {
    const rowJ = v.subarray(j * size, (j + 1) * size);
    for (let i = 0; i <= j; i++) {
      const rowI = v.subarray(i * size, (i + 1) * size);
      let sum = h[i * size + j]!;
      for (let k = j + 1; k < size; k++) sum -= rowI[k]! * rowJ[k]!;
      if (i < j) rowI[j] = sum;
      else if (sum > 0) rowJ[j] = Math.sqrt(sum);
      else return undefined;
    }
    for (let i = 0; i < j; i++) v[i * size + j]! /= rowJ[j]!;
  }
  return v;
}

/** x with A x = b for a small symmetric positive definite A, or undefined where it is not definite. */
export function solvePositive(a: Float64Array, b: Float64Array): Float64Array | undefined {
  const size = b.length;
  const v = upperFactor(a, size);
  if (v === undefined) return undefined;
  const x = Float64Array.from(b);
  // A = V Vᵀ: first V y = b from the last row up, then Vᵀ x = y from the first row down.
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) x[i]! -= v[i * size + k]! * x[k]!;
    x[i]! /= v[i * size + i]!;
  }
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) x[i]! -= v[k * size + i]! * x[k]!;
    x[i]! /= v[i * size + i]!;
  }
  return x.every(Number.isFinite) ? x : undefined;
}
