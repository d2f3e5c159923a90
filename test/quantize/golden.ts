/** The golden vectors: one seeded 4 × 256 tensor and what the published quantizers make of it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../meta/sources.ts";

type Matrix = readonly (readonly number[])[];

export interface SearchGolden {
  readonly mode: string;
  readonly alpha: readonly number[];
  readonly mse: number;
}

interface Golden {
  readonly input_fp16: Matrix;
  readonly bitmod_fp32: Readonly<Record<string, Matrix>>;
  readonly bitmod_selection_fp32: Readonly<
    Record<
      "3" | "4",
      { readonly chosen: readonly (readonly string[])[]; readonly mse: Readonly<Record<string, Matrix>> }
    >
  >;
  readonly olive: Readonly<
    Record<
      string,
      SearchGolden & { readonly scale: readonly number[]; readonly levels: Matrix; readonly n_outliers: number }
    >
  >;
  readonly ant: Readonly<Record<string, SearchGolden & { readonly dequant_over_scale_norm10: Matrix }>>;
}

/** From public quantizer sources on torch 1.13 (CPU); the file's own note says how. */
export const GOLDEN = JSON.parse(readFileSync(join(ROOT, "test/data/formats/quantizer-golden.json"), "utf8")) as Golden;

/** A golden matrix in one piece; the published integer types keep the sign of zero, codes do not. */
export function flat(matrix: Matrix): Float32Array {
  return Float32Array.from(matrix.flat(), (v) => (v === 0 ? 0 : v));
}

export const COLUMNS = 256;
export const INPUT = flat(GOLDEN.input_fp16);

/** Mean of squared differences. */
export function meanSquare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}

/** Largest difference relative to the larger magnitude of the two. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) {
    const size = Math.max(Math.abs(a[i]!), Math.abs(b[i]!));
    if (size > 0) worst = Math.max(worst, Math.abs(a[i]! - b[i]!) / size);
  }
  return worst;
}
