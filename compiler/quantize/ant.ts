/** ANT (Guo et al., MICRO 2022): per tensor, the number type and the clipping of least squared error. */

import { type Search, type SearchCodes, searchClipping } from "./clip-search.ts";
import { flintGrid, floatGrid, type Grid, intGrid, potGrid } from "./grids.ts";
import { peakOf } from "./groups.ts";
import { encodeScaled, type Nearest, nearestOf, TIES_UP } from "./nearest.ts";

export type AntType = "int" | "pot" | "flint" | "float";

/** Grids are scaled so that their largest value is this (the published code's convention). */
export const ANT_TOP = 10;

/** The values of a type in ANT's scale, in f32; 4-bit `float` has three exponent bits and equals `pot`. */
export function antGrid(type: AntType, bits: number, signed = true): Grid {
  const grid = {
    int: () => intGrid(bits, signed ? "signed" : "unsigned"),
    pot: () => potGrid(bits, signed),
    flint: () => flintGrid(bits, signed),
    float: () => floatGrid(bits, Math.min(3, signed ? bits - 1 : bits), signed),
  }[type]();
  const top = grid.at(-1)!;
  return grid.map((v) => Math.fround((v / top) * ANT_TOP));
}

export interface AntRule {
  readonly bits: number;
  /** Candidates in order; the least summed error wins, the first of equals. Above 6 bits only `int` is tried. */
  readonly types: readonly AntType[];
  readonly scope: "row" | "tensor";
  readonly signed?: boolean;
}

export interface AntCodes extends SearchCodes {
  readonly type: AntType;
  readonly nearest: Nearest;
}

/** Encodes a tensor: alpha from 75 % (95 % above 6 bits) to 149 % of max|x|, by row or for all. */
export function encodeAnt(values: Float32Array, columns: number, rule: AntRule): AntCodes {
  const types = rule.bits > 6 ? (["int"] as const) : rule.types;
  const length = rule.scope === "row" ? columns : values.length;
  const results = types.map((type) => {
    const nearest = nearestOf(antGrid(type, rule.bits, rule.signed), TIES_UP);
    return { type, nearest, ...searchClipping(values, length, antSearch(nearest, rule.bits)) };
  });
  return results.reduce((best, next) => (next.meanSquaredError < best.meanSquaredError ? next : best));
}

function antSearch(nearest: Nearest, bits: number): Search {
  return {
    nearest,
    top: ANT_TOP,
    percentages: { from: bits > 6 ? 95 : 75, to: 150, step: 1 },
    reach: (values) => peakOf(values, 0, values.length),
    encode: (values, scale, into) => encodeScaled(nearest, values, 0, values.length, scale, into),
  };
}
