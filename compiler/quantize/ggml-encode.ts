/**
 * The rules of ggml's reference quantizers for blocks with one scale (ggml-quants.c, quantize_row_*_ref): codes belong to
 * the scale before it is stored, products are with its reciprocal, all in f32.
 */
import type { Format } from "../../ir/format.ts";
import { type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import type { FormatModel, ScaleField } from "./format-model.ts";
import { firstOf } from "./format-model.ts";
import type { Parameter } from "./format-probe.ts";
import { peakOf } from "./groups.ts";
import { searchTable, signedPeak } from "./k-search.ts";
import { splitFields } from "./model-fields.ts";
import { floorLog2 } from "./mx.ts";
import { nearestIndex, nearestOf, TIES_UP } from "./nearest.ts";
import { ascendingNearest } from "./super-encode.ts";

const f = Math.fround;

/** What a group's scale and offset are, unrounded, and the code of each value; `grid` is the model's. */
interface Group {
  readonly scale: number;
  readonly offset?: number;
  readonly code: (x: number) => number;
}

type GroupRule = (values: Float32Array, start: number, end: number, grid: readonly number[]) => Group;

const clamp = (x: number, most: number): number => Math.min(Math.max(x, 0), most);
/** Half away from zero, as C's roundf. */
const roundAway = (x: number): number => (x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5));
const reciprocal = (x: number): number => (x === 0 ? 0 : f(1 / x));

/** The value of largest magnitude takes the lowest code, which has no positive partner. Q4_0, Q5_0. */
const signedPeakRule: GroupRule = (values, start, end, grid) => {
  const scale = f(signedPeak(values, start, end) / grid[0]!);
  const inverse = reciprocal(scale);
  const middle = f(0.5 - grid[0]!);
  return { scale, code: (x) => clamp(Math.floor(f(f(x * inverse) + middle)), grid.length - 1) };
};

/** From the least to the largest value. Q4_1, Q5_1. */
const rangeRule: GroupRule = (values, start, end, grid) => {
  let [min, max] = [values[start]!, values[start]!];
  for (let i = start; i < end; i++) [min, max] = [Math.min(min, values[i]!), Math.max(max, values[i]!)];
  const scale = f(f(max - min) / (grid.length - 1));
  const inverse = reciprocal(scale);
  return { scale, offset: min, code: (x) => clamp(Math.floor(f(f(f(x - min) * inverse) + 0.5)), grid.length - 1) };
};

/** max|x| takes the largest code whose negative there is too: 127 of Q8_0, 1 of the ternary types. */
const peakRule: GroupRule = (values, start, end, grid) => {
  const scale = f(peakOf(values, start, end) / Math.min(-grid[0]!, grid.at(-1)!));
  const inverse = reciprocal(scale);
  return { scale, code: (x) => clamp(roundAway(f(x * inverse)) - grid[0]!, grid.length - 1) };
};

/** The mean of |x| and the sign. Q1_0. */
const signRule: GroupRule = (values, start, end) => {
  let sum = 0;
  for (let i = start; i < end; i++) sum = f(sum + Math.abs(values[i]!));
  return { scale: f(sum / (end - start)), code: (x) => (x >= 0 ? 1 : 0) };
};

/** IQ4_NL: the table search of IQ4_XS with one scale. */
const tableRule: GroupRule = (values, start, end, grid) => {
  const nearest = ascendingNearest(grid)!;
  const scale = searchTable(values, start, end, nearest);
  const inverse = reciprocal(scale);
  return { scale, code: (x) => nearestIndex(nearest, f(inverse * x)) };
};

const RULES = { "signed-peak": signedPeakRule, range: rangeRule, peak: peakRule, sign: signRule, table: tableRule };

/** One of these rules for a block with one float scale, and an offset where the rule has one. */
export function ggmlEncoder(format: Format, model: FormatModel, name: keyof typeof RULES): FormatEncoder | undefined {
  const [scale, second] = model.scales;
  const { offset } = model;
  if (scale?.factors !== undefined || scale === undefined || second !== undefined || model.selectors.length > 0)
    return undefined;
  if ((offset === undefined) !== (name !== "range") || offset?.coded !== undefined || offset?.sign === -1)
    return undefined;
  if (model.zero !== undefined || model.bias !== undefined) return undefined;
  const grid = model.grids[0]!;
  const needsSteps = name !== "table";
  if (needsSteps && grid.some((v, i) => v !== grid[0]! + i * (grid[1]! - grid[0]!))) return undefined;
  if (!needsSteps && ascendingNearest(grid) === undefined) return undefined;
  const rule = RULES[name];
  return {
    rule: name === "table" ? "table-search" : `ggml-${name}`,
    encode(values, columns) {
      const groups = groupsOf(scale.field, format.block, values.length, columns);
      const codes = new Uint16Array(values.length);
      const scales = new Float64Array(groups.count);
      const offsets = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const group = rule(values, start, end, grid);
        scales[g] = storeFloat(scale.field.type, group.scale);
        offsets[g] = group.offset === undefined ? 0 : storeFloat(offset!.field.type, group.offset);
        for (let i = start; i < end; i++) codes[i] = group.code(values[i]!);
      }
      const held = new Map<Parameter, Float64Array>([[scale.field, scales]]);
      if (offset !== undefined) held.set(offset.field, offsets);
      return splitFields(model.storage, format.block, columns, codes, held);
    },
  };
}

/**
 * Blocks of E2M1 under one coded scale: MXFP4 by the OCP rule, NVFP4 (without a tensor's scale) by max|x| / 6 rounded to
 * UE4M3. Of two equally near values the one with the smaller code wins, which is the smaller magnitude.
 */
export function ggmlFp4Encoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const [scale, second] = model.scales;
  if (scale?.factors === undefined || second !== undefined || model.offset !== undefined || model.selectors.length > 0)
    return undefined;
  const grid = model.grids[0]!;
  const top = Math.max(...grid);
  const codeOf = new Map<number, number>();
  for (const [code, v] of grid.entries()) if (!codeOf.has(v + 0)) codeOf.set(v + 0, code);
  const values = [...codeOf.keys()].sort((a, b) => a - b);
  const nearest = nearestOf(values, (lower) => (lower >= 0 ? "lower" : "upper"));
  const codes = values.map((v) => codeOf.get(v)!);
  const pick = scalePicker(scale, top);
  return {
    rule: "absmax",
    encode(x, columns) {
      const groups = groupsOf(scale.field, format.block, x.length, columns);
      const out = new Uint16Array(x.length);
      const scales = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const n = pick(peakOf(x, start, end));
        scales[g] = firstOf(scale.field) + n;
        const factor = scale.factors![n]!;
        for (let i = start; i < end; i++) out[i] = codes[nearestIndex(nearest, factor > 0 ? x[i]! / factor : 0)]!;
      }
      return splitFields(model.storage, format.block, columns, out, new Map([[scale.field, scales]]));
    },
  };
}

/** The index of the factor for a largest magnitude: ⌊log2⌋ for powers of two, else the nearest, half up. */
function scalePicker({ factors }: ScaleField, top: number): (peak: number) => number {
  const usable = [...factors!.keys()].filter((i) => factors![i]! > 0);
  const order = [...new Map(usable.map((i) => [factors![i]!, i]).reverse() as [number, number][])].sort(
    (a, b) => a[0] - b[0],
  );
  const powers = order.every(([v]) => 2 ** floorLog2(v) === v);
  const zero = factors!.indexOf(0);
  const nearest = nearestOf([...(zero < 0 ? [] : [0]), ...order.map(([v]) => v)], TIES_UP);
  const indices = [...(zero < 0 ? [] : [zero]), ...order.map(([, i]) => i)];
  return (peak) => {
    if (!(peak > 0)) return indices[0]!;
    const aim = powers ? 2 ** (floorLog2(peak) - floorLog2(top)) : f(peak / top);
    const n = indices[nearestIndex(nearest, aim)]!;
    // Below UE4M3's least normal number, code 8, the reference does not round up to it.
    return !powers && n === 8 && aim < factors![8]! ? 7 : n;
  };
}
