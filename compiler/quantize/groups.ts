/** Groups along the last axis with a scale each and a choice of grids: BitMoD's search, and every single-grid rule. */
import { internal } from "../../ir/diagnostics.ts";
import type { Grid } from "./grids.ts";
import { encodeScaled, type Nearest, nearestOf, TIES_DOWN, type Tie } from "./nearest.ts";

/** Candidate grids of a group in the order in which they are tried. */
export interface GroupRule {
  /** Values of each grid by stored code; a code may repeat a value, NaN marks a code that is never chosen. */
  readonly grids: readonly (readonly number[])[];
  /** Values per group; the last group of a row may be shorter. */
  readonly group: number;
  readonly tie?: Tie;
  /** The published code of BitMoD keeps scales within 1e-5 … 1e4. */
  readonly scaleRange?: readonly [min: number, max: number];
}

/** Codes by value, scales and chosen grids by group, all row-major. */
export interface GroupCodes {
  readonly codes: Uint16Array;
  readonly scales: Float32Array;
  readonly choices: Uint8Array;
  /** Sum of the squared errors of all values. */
  readonly squaredError: number;
}

/** A grid ready to search, with the code of each of its values. */
interface Candidate {
  readonly nearest: Nearest;
  readonly codes: Uint16Array;
  readonly peak: number;
}

function candidateOf(byCode: readonly number[], tie: Tie): Candidate {
  const codeOf = new Map<number, number>();
  // The first code of a value wins: positive zero comes before negative zero.
  for (const [code, value] of byCode.entries())
    if (!Number.isNaN(value) && !codeOf.has(value === 0 ? 0 : value)) codeOf.set(value === 0 ? 0 : value, code);
  const grid: Grid = [...codeOf.keys()].sort((a, b) => a - b);
  const peak = Math.max(-grid[0]!, grid.at(-1)!);
  return { nearest: nearestOf(grid, tie), codes: Uint16Array.from(grid, (v) => codeOf.get(v)!), peak };
}

/** Encodes rows one after the other; the same rule, prepared once, serves any number of tensors. */
export function groupEncoder(rule: GroupRule): (values: Float32Array, columns: number) => GroupCodes {
  const candidates = rule.grids.map((grid) => candidateOf(grid, rule.tie ?? TIES_DOWN));
  const scratch = new Scratch(rule.group);
  return (values, columns) => {
    if (columns === 0 || values.length % columns !== 0) internal(`${values.length} values in rows of ${columns}`);
    const rows = values.length / columns;
    const perRow = Math.ceil(columns / rule.group);
    const out = {
      codes: new Uint16Array(values.length),
      scales: new Float32Array(rows * perRow),
      choices: new Uint8Array(rows * perRow),
      squaredError: 0,
    };
    for (let row = 0; row < rows; row++)
      for (let g = 0; g < perRow; g++) {
        const start = row * columns + g * rule.group;
        const end = Math.min(start + rule.group, (row + 1) * columns);
        out.squaredError += scratch.encode(candidates, rule, values, start, end, out, row * perRow + g);
      }
    return out;
  };
}

/** Largest magnitude of values[start … end). */
export function peakOf(values: Float32Array, start: number, end: number): number {
  let peak = 0;
  for (let i = start; i < end; i++) {
    const size = Math.abs(values[i]!);
    if (size > peak) peak = size;
  }
  return peak;
}

/** Room for one group: the indices of the best grid so far and of the one being tried. */
class Scratch {
  #best: Uint16Array;
  #trial: Uint16Array;

  constructor(group: number) {
    this.#best = new Uint16Array(group);
    this.#trial = new Uint16Array(group);
  }

  /** Tries every candidate on values[start … end), strictly smaller error wins, and stores the best; returns its error. */
  encode(
    candidates: readonly Candidate[],
    rule: GroupRule,
    values: Float32Array,
    start: number,
    end: number,
    out: GroupCodes,
    group: number,
  ): number {
    const peak = peakOf(values, start, end);
    const [low, high] = rule.scaleRange ?? [0, Number.POSITIVE_INFINITY];
    let bestError = Number.POSITIVE_INFINITY;
    let best = 0;
    let bestScale = 0;
    for (let c = 0; c < candidates.length; c++) {
      const { nearest, peak: top } = candidates[c]!;
      const scale = Math.fround(Math.min(Math.max(Math.fround(peak / top), low), high));
      const error = encodeScaled(nearest, values, start, end, scale, this.#trial);
      if (!(error < bestError) && c > 0) continue;
      [bestError, best, bestScale] = [error, c, scale];
      [this.#best, this.#trial] = [this.#trial, this.#best];
    }
    const { codes } = candidates[best]!;
    for (let i = start; i < end; i++) out.codes[i] = codes[this.#best[i - start]!]!;
    out.scales[group] = bestScale;
    out.choices[group] = best;
    return bestError;
  }
}

/** The values that codes stand for: grid value times scale, rounded to f32. */
export function decodeGroups(rule: GroupRule, encoded: GroupCodes, columns: number): Float32Array {
  const perRow = Math.ceil(columns / rule.group);
  return Float32Array.from(encoded.codes, (code, i) => {
    const group = Math.floor(i / columns) * perRow + Math.floor((i % columns) / rule.group);
    return rule.grids[encoded.choices[group]!]![code]! * encoded.scales[group]!;
  });
}
