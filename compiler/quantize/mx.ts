/** Shared exponents: the OCP MX rule, and the variant that BitMoD's comparison uses. */
import type { Grid } from "./grids.ts";
import { peakOf } from "./groups.ts";
import { nearestIndex, nearestOf, type Tie } from "./nearest.ts";

/** Indices into the grid by value, and the binary exponent of each block. */
export interface MxCodes {
  readonly indices: Uint16Array;
  readonly exponents: Int16Array;
}

export interface MxRule {
  /** The element type's values in its own units. */
  readonly grid: Grid;
  readonly block: number;
  /**
   * `ocp`: 2^(⌊log2 max|x|⌋ − emax) with emax the exponent of the largest element (OCP MX 1.0, section 6.3), elements
   * beyond the largest saturate. `fill`: 2^⌊log2 max|x|⌋ · 2 / largest, so that nothing saturates (BitMoD's MX baseline).
   */
  readonly exponent: "ocp" | "fill";
}

const ties: Record<MxRule["exponent"], (grid: Grid) => Tie> = {
  // Ties go to the value whose code, and so whose mantissa's last bit, is even.
  ocp: (grid) => {
    const sizes = [...new Set(grid.map(Math.abs))].sort((a, b) => a - b);
    return (lower) => (sizes.indexOf(Math.abs(lower)) % 2 === 0 ? "lower" : "upper");
  },
  fill: () => () => "lower",
};

/** ⌊log2 x⌋ for finite x > 0, exactly. */
export function floorLog2(x: number): number {
  const guess = Math.floor(Math.log2(x));
  return 2 ** guess > x ? guess - 1 : 2 ** (guess + 1) <= x ? guess + 1 : guess;
}

/** E8M0 scales reach from 2^−127 to 2^127. */
const E8M0_MAX = 127;

/** The factor between stored elements and values of a block with this exponent. */
export function mxScale({ grid, exponent }: MxRule, shared: number): number {
  return exponent === "ocp" ? 2 ** shared : (2 ** shared * 2) / grid.at(-1)!;
}

/** Encodes rows of `columns` values in blocks along the row; a block of zeros takes the least exponent. */
export function encodeMx(values: Float32Array, columns: number, rule: MxRule): MxCodes {
  const { grid, block, exponent } = rule;
  const perRow = Math.ceil(columns / block);
  const exponents = new Int16Array((values.length / columns) * perRow);
  const indices = new Uint16Array(values.length);
  const nearest = nearestOf(grid, ties[exponent](grid));
  const emax = exponent === "ocp" ? floorLog2(grid.at(-1)!) : 0;
  for (let n = 0; n < exponents.length; n++) {
    const start = Math.floor(n / perRow) * columns + (n % perRow) * block;
    const end = Math.min(start + block, (Math.floor(n / perRow) + 1) * columns);
    const peak = peakOf(values, start, end);
    const shared = peak > 0 ? floorLog2(peak) - emax : -E8M0_MAX;
    exponents[n] = Math.min(Math.max(shared, -E8M0_MAX), E8M0_MAX);
    const factor = mxScale(rule, exponents[n]!);
    for (let i = start; i < end; i++) indices[i] = nearestIndex(nearest, values[i]! / factor);
  }
  return { indices, exponents };
}

/** The values that the codes stand for. */
export function decodeMx({ indices, exponents }: MxCodes, columns: number, rule: MxRule): Float32Array {
  const perRow = Math.ceil(columns / rule.block);
  return Float32Array.from(indices, (index, i) => {
    const n = Math.floor(i / columns) * perRow + Math.floor((i % columns) / rule.block);
    return rule.grid[index]! * mxScale(rule, exponents[n]!);
  });
}
