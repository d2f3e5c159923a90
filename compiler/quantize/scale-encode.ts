/** Scales from the values of each group, in one level or two, for every grid that a format declares. */
import type { Format } from "../../ir/format.ts";
import { type IntType, rangeOf } from "../../ir/scalar.ts";
import { bitmodRule } from "./bitmod.ts";
import { type FieldValues, type FormatEncoder, groupsOf, statsOf, storeFloat, type TensorStats } from "./encoder.ts";
import { type FormatModel, firstOf, type ScaleField, zeroStep } from "./format-model.ts";
import type { Parameter } from "./format-probe.ts";
import { groupEncoder, peakOf } from "./groups.ts";
import { splitFields } from "./model-fields.ts";
import { floorLog2 } from "./mx.ts";
import { encodeScaled, type Nearest, nearestOf, type Tie } from "./nearest.ts";

/**
 * Where a scale comes from: `absmax` puts max|x| on the grid's peak; `absmean` makes it the mean of |x| (signs: XNOR-Net,
 * Rastegari et al., ECCV 2016; ternary: BitNet b1.58, arXiv:2402.17764); `mse` shrinks the reach of absmax to the part of
 * least squared error.
 */
export type ScaleRule = "absmax" | "absmean" | "mse";

/** `mse` tries these parts of max|x|: 1, 63/64, … down to 3/8; the larger wins ties. */
const SHRINKS = Array.from({ length: 41 }, (_, i) => 1 - i / 64);

/** A model with its grids ready to search. */
interface Prepared {
  readonly model: FormatModel;
  readonly grids: readonly { readonly nearest: Nearest; readonly codes: Uint16Array; readonly peak: number }[];
}

/** Ties go to the even code, as IEEE 754 and every integer rounding has it. */
const evenCode = (byValue: ReadonlyMap<number, number>): Tie => (lower) =>
  (byValue.get(lower) ?? 0) % 2 === 0 ? "lower" : "upper"; // biome-ignore format: one rule

function prepare(model: FormatModel): Prepared {
  const grids = model.grids.map((byCode) => {
    const codeOf = new Map<number, number>();
    for (const [i, value] of byCode.entries())
      if (Number.isFinite(value) && !codeOf.has(value + 0)) codeOf.set(value + 0, i);
    const grid = [...codeOf.keys()].sort((a, b) => a - b);
    const peak = Math.max(-grid[0]!, grid.at(-1)!);
    return { nearest: nearestOf(grid, evenCode(codeOf)), codes: Uint16Array.from(grid, (v) => codeOf.get(v)!), peak };
  });
  return { model, grids };
}

/** The scales of a model that these rules can choose: at most one float and one coded, and no bias. */
export interface TwoScales {
  readonly float: ScaleField | undefined;
  readonly coded: ScaleField | undefined;
}

/** The one or two scales of a model; undefined where there are more, or another structure. */
export function twoScalesOf({ scales, bias }: FormatModel): TwoScales | undefined {
  const floats = scales.filter((s) => s.factors === undefined);
  const coded = scales.filter((s) => s.factors !== undefined);
  if (floats.length > 1 || coded.length > 1 || bias !== undefined) return undefined;
  if (coded[0] !== undefined && floats[0] !== undefined && coded[0].field.scope !== "block") return undefined;
  return { float: floats[0], coded: coded[0] };
}

const sharesGroups = (a: Parameter, b: Parameter | undefined): boolean =>
  b === undefined ? a.scope === "block" && a.count === 1 : a.scope === b.scope && a.count === b.count;

/** Scales by a rule where every parameter of a group is chosen at once; undefined for a model of another structure. */
export function scaleEncoder(format: Format, model: FormatModel, rule: ScaleRule): FormatEncoder | undefined {
  const scales = twoScalesOf(model);
  const inner = (scales?.coded ?? scales?.float)?.field;
  const parameters = [
    ...model.selectors,
    ...(model.zero ? [model.zero] : []),
    ...(model.offset ? [model.offset.field] : []),
  ];
  if (scales === undefined || parameters.some((p) => !sharesGroups(p, inner))) return undefined;
  const prepared = prepare(model);
  if (model.zero !== undefined || model.offset !== undefined) {
    const { float } = scales;
    if (scales.coded !== undefined || float === undefined || model.selectors.length > 0) return undefined;
    if (model.offset?.coded !== undefined || rule === "absmean") return undefined;
    return rangeEncoder(format, prepared, float.field, rule === "mse");
  }
  if (model.selectors.length > 0 && (inner?.scope === "tensor" || rule !== "absmax")) return undefined;
  if (inner === undefined && rule !== "absmax") return undefined;
  const bitmod = isBitmod(model);
  return {
    rule: bitmod ? "bitmod" : model.selectors.length > 0 ? "grids" : rule,
    ...(rule === "absmean" && { sums: (values) => [sumOfSizes(values, 0, values.length), values.length] }),
    ...(rule === "mse" &&
      inner?.scope === "tensor" && {
        learn: (rows) => new Map([["reach", [bestReach(prepared, rows, 0, rows.length)]]]),
      }),
    encode: (values, columns, stats) =>
      encodeScales(format, prepared, scales, { bitmod, rule }, values, columns, stats),
  };
}

function sumOfSizes(values: Float32Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.abs(values[i]!);
  return sum;
}

/** The scale of least squared error among the shrunken ones. */
function bestReach({ grids }: Prepared, values: Float32Array, start: number, end: number): number {
  const { nearest, peak: top } = grids[0]!;
  const peak = peakOf(values, start, end);
  const scratch = new Uint16Array(end - start);
  let [best, least] = [peak / top, Number.POSITIVE_INFINITY];
  for (const shrink of SHRINKS) {
    const error = encodeScaled(nearest, values, start, end, (peak / top) * shrink, scratch);
    if (error < least) [best, least] = [(peak / top) * shrink, error];
  }
  return best;
}

/** True where the grids are BitMoD's, in its order of search, up to a factor. */
function isBitmod({ grids }: FormatModel): boolean {
  return ([3, 4] as const).some((bits) => {
    const rule = bitmodRule(bits).grids;
    const factor = grids[0]![1]! / rule[0]![1]!;
    return (
      grids.length === rule.length &&
      grids.every((g, n) => g.length === rule[n]!.length && g.every((v, i) => v === rule[n]![i]! * factor))
    );
  });
}

interface Wish {
  readonly bitmod: boolean;
  readonly rule: ScaleRule;
}

/** The scale that a group should have, before it is stored. */
function wantedScale(
  prepared: Prepared,
  { rule }: Wish,
  whole: boolean,
  values: Float32Array,
  [start, end]: readonly [number, number],
  stats: TensorStats,
): number {
  const top = prepared.grids[0]!.peak;
  if (rule === "absmax") return (whole ? stats.peak : peakOf(values, start, end)) / top;
  if (rule === "mse") return whole ? stats.learned!.get("reach")![0]! : bestReach(prepared, values, start, end);
  const [sum, count] = whole ? stats.sums! : [sumOfSizes(values, start, end), end - start];
  // A grid of ±1 or −1, 0, 1 in units of its peak.
  return count === 0 ? 0 : sum! / count! / top;
}

/** Scales by the rule, the grid by least error; then scales are stored, and codes taken for the scales as stored. */
function encodeScales(
  format: Format,
  prepared: Prepared,
  scales: TwoScales,
  wish: Wish,
  values: Float32Array,
  columns: number,
  stats: TensorStats,
): FieldValues {
  const { model, grids } = prepared;
  const inner = scales.coded ?? scales.float;
  const whole = inner?.field.scope === "tensor";
  const groups = groupsOf(inner?.field, format.block, values.length, columns);
  const [, size] = groups.range(0);
  const first =
    inner === undefined || whole || model.grids.length === 1
      ? undefined
      : groupEncoder({
          grids: model.grids,
          group: size,
          ...(wish.bitmod ? { scaleRange: [1e-5, 1e4] as const } : { tie: () => "lower" as const }),
        })(values, columns);
  const wanted = new Float64Array(groups.count);
  for (let g = 0; g < groups.count; g++)
    wanted[g] =
      inner === undefined
        ? 1
        : (first?.scales[g] ?? wantedScale(prepared, wish, whole, values, groups.range(g), stats));
  const stored = storeScales(scales, grids[0]!.peak, wanted, values.length / columns, stats);
  const codes = new Uint16Array(values.length);
  const scratch = new Uint16Array(Math.max(size, 1));
  for (let g = 0; g < groups.count; g++) {
    const [start, end] = groups.range(g);
    const { nearest, codes: codeOf } = grids[first?.choices[g] ?? 0]!;
    // BitMoD's codes are those of the scales before they are stored.
    if (wish.bitmod) for (let i = start; i < end; i++) codes[i] = first!.codes[i]!;
    else {
      encodeScaled(nearest, values, start, end, stored.effective[g]!, scratch);
      for (let i = start; i < end; i++) codes[i] = codeOf[scratch[i - start]!]!;
    }
  }
  const held = new Map<Parameter, ArrayLike<number>>(stored.held);
  for (const [n, selector] of model.selectors.entries())
    held.set(
      selector,
      Float64Array.from({ length: groups.count }, (_, g) => model.choices[first?.choices[g] ?? 0]![n]!),
    );
  return splitFields(model.storage, format.block, columns, codes, held);
}

interface StoredScales {
  readonly held: readonly (readonly [Parameter, Float64Array])[];
  /** The scale that each group's codes multiply. */
  readonly effective: Float64Array;
}

/** Wanted scales as the fields store them: floats rounded, codes under an outer scale where there is one. */
export function storeScales(
  { float, coded }: TwoScales,
  gridPeak: number,
  wanted: Float64Array,
  rows: number,
  stats: TensorStats,
): StoredScales {
  if (coded === undefined && float === undefined) return { held: [], effective: wanted };
  if (coded === undefined) {
    const effective = wanted.map((s) => storeFloat(float!.field.type, s));
    return { held: [[float!.field, effective]], effective };
  }
  const first = firstOf(coded.field);
  const factors = coded.factors!;
  const top = factors.reduce((most, f) => (Number.isFinite(f) ? Math.max(most, f) : most), 0);
  const pick = codePicker(factors, gridPeak);
  // The outer scale makes the largest inner one the largest code (VS-Quant; NVFP4).
  const perRow = wanted.length / rows;
  const whole = float?.field.scope === "tensor";
  const perOuter = whole ? wanted.length : float?.field.scope === "row" ? perRow : coded.field.count;
  const outer = Float64Array.from({ length: float === undefined ? 0 : wanted.length / perOuter }, (_, n) => {
    const own = wanted.subarray(n * perOuter, (n + 1) * perOuter);
    const peak = whole ? stats.peak / gridPeak : own.reduce((a, b) => Math.max(a, b), 0);
    return storeFloat(float!.field.type, peak / top);
  });
  const effective = new Float64Array(wanted.length);
  const codes = wanted.map((s, g) => {
    const unit = float === undefined ? 1 : outer[Math.floor(g / perOuter)]!;
    const code = pick(unit > 0 ? s / unit : 0);
    effective[g] = factors[code]! * unit;
    return first + code;
  });
  const own = [coded.field, codes] as const;
  return { held: float === undefined ? [own] : [own, [float.field, outer]], effective };
}

/**
 * The index of the factor that stands for a wanted scale: for powers of two the OCP rule, ⌊log2 max|x|⌋ less the exponent of
 * the grid's largest value; otherwise the nearest.
 */
function codePicker(factors: Float64Array, gridPeak: number): (wanted: number) => number {
  const order = [...factors.keys()].filter((i) => Number.isFinite(factors[i]!) && factors[i]! >= 0);
  order.sort((a, b) => factors[a]! - factors[b]!);
  const nearest = nearestOf(
    order.map((i) => factors[i]!),
    evenCode(new Map(order.map((i) => [factors[i]!, i]))),
  );
  const powers = order.every((i) => factors[i]! > 0 && 2 ** floorLog2(factors[i]!) === factors[i]!);
  const emax = floorLog2(gridPeak);
  return (wanted) => {
    const aim = powers && wanted > 0 ? 2 ** (floorLog2(wanted * gridPeak) - emax) : wanted;
    const { thresholds } = nearest;
    let n = 0;
    while (aim > thresholds[n]!) n++;
    return order[n]!;
  };
}

/** Min–max rules: an integer zero point (value = scale · (code − zero)) or a float offset (value = scale · code + offset). */
function rangeEncoder(
  format: Format,
  { model, grids }: Prepared,
  scale: Parameter,
  search: boolean,
): FormatEncoder | undefined {
  const grid = model.grids[0]!;
  const step = model.zero === undefined ? 0 : zeroStep(model);
  const [low, high] = [Math.min(...grid), Math.max(...grid)];
  if (model.zero !== undefined && !(step > 0 && grid.every((v, i) => v === grid[0]! + i * step))) return undefined;
  if (search && scale.scope === "tensor") return undefined;
  const round = (
    values: Float32Array,
    start: number,
    end: number,
    { divisor, offset, zero, scale: s }: Affine,
    codes: Uint16Array,
  ): number => {
    let error = 0;
    for (let i = start; i < end; i++) {
      const code = nearestCode(grids[0]!, (values[i]! - offset) / divisor + zero);
      codes[i] = code;
      error += (s * (grid[code]! - zero) + offset - values[i]!) ** 2;
    }
    return error;
  };
  return {
    rule: search ? "mse" : "min-max",
    encode(values, columns, stats) {
      const groups = groupsOf(scale, format.block, values.length, columns);
      const codes = new Uint16Array(values.length);
      const scales = new Float64Array(groups.count);
      const seconds = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const own = scale.scope === "tensor" ? stats : end > start ? statsOf(values.subarray(start, end)) : EMPTY;
        // A zero point is an integer of limited size, so the range must contain zero.
        const [min, max] = model.zero === undefined ? [own.min, own.max] : [Math.min(own.min, 0), Math.max(own.max, 0)];
        let best: Affine | undefined;
        let least = Number.POSITIVE_INFINITY;
        for (const shrink of search ? SHRINKS : [1]) {
          const affine = affineOf(model, scale, min * shrink, max * shrink, low, high, step);
          const error = round(values, start, end, affine, codes);
          if (best === undefined || error < least) [best, least] = [affine, error];
        }
        if (search) round(values, start, end, best!, codes);
        scales[g] = best!.scale;
        seconds[g] = best!.stored;
      }
      const second = model.zero ?? model.offset!.field;
      return splitFields(model.storage, format.block, columns, codes, new Map([[scale, scales], [second, seconds]])); // biome-ignore format: one line
    },
  };
}

const EMPTY: TensorStats = { min: 0, max: 0, peak: 0 };

/** A scale and what goes with it, as stored. */
interface Affine {
  readonly scale: number;
  readonly divisor: number;
  /** What the second field holds, and what it means: a float offset, or a zero point in steps of the grid. */
  readonly stored: number;
  readonly offset: number;
  readonly zero: number;
}

function affineOf(
  model: FormatModel,
  scale: Parameter,
  min: number,
  max: number,
  low: number,
  high: number,
  step: number,
): Affine {
  const stored = storeFloat(scale.type, (max - min) / (high - low));
  const divisor = stored > 0 ? stored : 1;
  if (model.zero !== undefined) {
    const [least, most] = rangeOf(model.zero.type as IntType);
    const zero = Math.min(Math.max(Math.round((low - min / divisor) / step), least), most);
    return { scale: stored, divisor, stored: zero, offset: 0, zero: zero * step };
  }
  const { field, sign } = model.offset!;
  const offset = storeFloat(field.type, sign * (min - low * stored));
  return { scale: stored, divisor, stored: offset, offset: sign * offset, zero: 0 };
}

function nearestCode({ nearest, codes }: Prepared["grids"][number], target: number): number {
  const { thresholds, start, low, perUnit } = nearest;
  const bucket = (target - low) * perUnit;
  let n = start[bucket > 0 ? Math.min(bucket, start.length - 1) | 0 : 0]!;
  while (target > thresholds[n]!) n++;
  return codes[n]!;
}
