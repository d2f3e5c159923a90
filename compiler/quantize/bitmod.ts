/** BitMoD (Chen et al., HPCA 2025): FP3 or FP4 whose negative zero is one of four special values, chosen per group. */
import { rint } from "../../ir/float.ts";
import { BITMOD_SPECIALS, bitmodCodes } from "./grids.ts";
import type { GroupRule } from "./groups.ts";

/** Which of the special values a group may use; `er` extends the resolution, `ea` the range (table IV of the paper). */
export type BitmodChoice = "mixed" | "er" | "ea";

/** The published search (algorithm 1): absmax scale, nearest value (midpoints go down), least squared error, first wins. */
export function bitmodRule(bits: 3 | 4, group = 128, choice: BitmodChoice = "mixed"): GroupRule {
  const [first, end] = { mixed: [0, 4], er: [0, 2], ea: [2, 4] }[choice];
  const grids = BITMOD_SPECIALS[bits].slice(first, end).map((special) => bitmodCodes(bits, special));
  return { grids, group, scaleRange: [1e-5, 1e4] };
}

/** Scales of groups as unsigned integers times one number per row. */
export interface TwoLevelScales {
  readonly codes: Uint16Array;
  readonly rows: Float32Array;
}

/**
 * The second level of scales (VS-Quant, Dai et al., MLSys 2021, as BitMoD uses it): row = max scale / (2^bits − 1), code =
 * scale / row to the nearest integer, ties to even. Codes of elements stay those of the unrounded scales.
 */
export function twoLevelScales(scales: Float32Array, perRow: number, bits = 8): TwoLevelScales {
  const top = 2 ** bits - 1;
  const rows = new Float32Array(scales.length / perRow);
  const codes = new Uint16Array(scales.length);
  for (let r = 0; r < rows.length; r++) {
    let peak = 0;
    for (let g = 0; g < perRow; g++) peak = Math.max(peak, scales[r * perRow + g]!);
    const unit = Math.fround(peak / top);
    rows[r] = unit;
    for (let g = 0; g < perRow; g++) {
      const code = Math.fround(scales[r * perRow + g]! / (unit > 0 ? unit : 1));
      codes[r * perRow + g] = Math.min(Math.max(rint(code), 0), top);
    }
  }
  return { codes, rows };
}

/** The scales that two levels stand for. */
export function joinScales({ codes, rows }: TwoLevelScales, perRow: number): Float32Array {
  return Float32Array.from(codes, (code, i) => code * rows[Math.floor(i / perRow)]!);
}
