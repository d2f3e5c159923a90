/** Integer codes by rounding to nearest: absmax (symmetric), min–max (asymmetric), and a search for the clipping with least error. */
import { rint } from "../../ir/float.ts";
import { peakOf } from "./groups.ts";

/** Codes by value; per group a scale and, for unsigned codes, a zero point: value = scale · (code − zero). */
export interface UniformCodes {
  readonly codes: Int16Array;
  readonly scales: Float32Array;
  readonly zeros: Uint16Array;
  readonly squaredError: number;
}

export interface UniformRule {
  readonly bits: number;
  readonly group: number;
  /**
   * `symmetric`: codes ±(2^(bits−1) − 1), scale max|x| / top. `asymmetric`: codes 0 … 2^bits − 1, scale (max − min) / top,
   * zero = round(−min / scale). Ties round to even.
   */
  readonly kind: "symmetric" | "asymmetric";
  /**
   * Shrinks the range by every factor 1, 1 − 1/steps, … down to `least` and keeps that of least squared error (GPTQ and
   * AWQ search so, with different steps); the larger range wins ties.
   */
  readonly clip?: { readonly steps: number; readonly least: number };
}

/** Encodes rows of `columns` values in groups; the last group of a row may be shorter. */
export function encodeUniform(values: Float32Array, columns: number, rule: UniformRule): UniformCodes {
  const perRow = Math.ceil(columns / rule.group);
  const groups = (values.length / columns) * perRow;
  const out = {
    codes: new Int16Array(values.length),
    scales: new Float32Array(groups),
    zeros: new Uint16Array(groups),
    squaredError: 0,
  };
  const shrinks = shrinksOf(rule);
  const best = new Int16Array(rule.group);
  const trial: Trial = { codes: new Int16Array(rule.group), scale: 0, zero: 0, error: 0 };
  for (let n = 0; n < groups; n++) {
    const start = Math.floor(n / perRow) * columns + (n % perRow) * rule.group;
    const end = Math.min(start + rule.group, (Math.floor(n / perRow) + 1) * columns);
    const range = rangeOfGroup(values, start, end, rule.kind);
    let least = Number.POSITIVE_INFINITY;
    for (const shrink of shrinks) {
      tryRange(values, start, end, range.min * shrink, range.max * shrink, rule, trial);
      if (!(trial.error < least) && shrink < 1) continue;
      least = trial.error;
      best.set(trial.codes);
      out.scales[n] = trial.scale;
      out.zeros[n] = trial.zero;
    }
    out.codes.set(best.subarray(0, end - start), start);
    out.squaredError += least;
  }
  return out;
}

function shrinksOf({ clip }: UniformRule): readonly number[] {
  if (clip === undefined) return [1];
  const count = Math.floor((1 - clip.least) * clip.steps) + 1;
  return Array.from({ length: count }, (_, i) => 1 - i / clip.steps);
}

function rangeOfGroup(values: Float32Array, start: number, end: number, kind: UniformRule["kind"]) {
  if (kind === "symmetric") {
    const peak = peakOf(values, start, end);
    return { min: -peak, max: peak };
  }
  // The published quantizers do not widen the range to contain zero; a clamped zero point does what it can.
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = start; i < end; i++) {
    min = Math.min(min, values[i]!);
    max = Math.max(max, values[i]!);
  }
  return { min, max };
}

interface Trial {
  readonly codes: Int16Array;
  scale: number;
  zero: number;
  error: number;
}

function tryRange(
  values: Float32Array,
  start: number,
  end: number,
  min: number,
  max: number,
  { bits, kind }: UniformRule,
  into: Trial,
): void {
  const signed = kind === "symmetric";
  const top = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const low = signed ? -top : 0;
  const scale = signed ? Math.fround(max / top) : Math.fround(Math.fround(max - min) / top);
  const divisor = scale > 0 ? scale : 1;
  const zero = signed ? 0 : Math.min(Math.max(rint(Math.fround(-min / divisor)), 0), top);
  let error = 0;
  for (let i = start; i < end; i++) {
    const w = values[i]!;
    const code = Math.min(Math.max(rint(Math.fround(w / divisor)) + zero, low), top);
    into.codes[i - start] = code;
    const difference = Math.fround(Math.fround((code - zero) * scale) - w);
    error += difference * difference;
  }
  into.scale = scale;
  into.zero = zero;
  into.error = error;
}

/** The values that the codes stand for, in f32. */
export function decodeUniform(encoded: UniformCodes, columns: number, group: number): Float32Array {
  const perRow = Math.ceil(columns / group);
  return Float32Array.from(encoded.codes, (code, i) => {
    const n = Math.floor(i / columns) * perRow + Math.floor((i % columns) / group);
    return (code - encoded.zeros[n]!) * encoded.scales[n]!;
  });
}
