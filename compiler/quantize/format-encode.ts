/** Brings rows of values into a declared format: by the encoder it declares, or by the rule that its model calls for. */
import { roundQuotient } from "../../ir/eval/scalar.ts";
import { bf16Round, f16Round } from "../../ir/float.ts";
import { type Field, type Format, isPlain } from "../../ir/format.ts";
import { type IntType, isFloat, rangeOf, type Scalar } from "../../ir/scalar.ts";
import { bitmodRule } from "./bitmod.ts";
import { type FormatModel, modelOf, type ScaleField, zeroStep } from "./format-model.ts";
import { groupEncoder, peakOf } from "./groups.ts";
import { floorLog2 } from "./mx.ts";
import { encodeScaled, type Nearest, nearestOf, type Tie } from "./nearest.ts";
import { pairEncoderOf } from "./pair-encode.ts";

/** What fields hold, by name: instances row by row, several elements of an instance side by side. */
export type FieldValues = ReadonlyMap<string, ArrayLike<number>>;

/** What must be known of a whole tensor before its first rows are encoded. */
export interface TensorStats {
  readonly peak: number;
  readonly min: number;
  readonly max: number;
}

export interface FormatEncoder {
  /** The rule in words, for people and for the file's metadata. */
  readonly rule: string;
  /** True where rows cannot be encoded without all the others. */
  readonly wholeTensor: boolean;
  encode(values: Float32Array, columns: number, stats: TensorStats): FieldValues;
}

/** The encoder of a format, or undefined where no rule is known for it. */
export function encoderOfFormat(format: Format): FormatEncoder | undefined {
  if (format.encoder !== undefined) return absmaxEncoder(format, format.encoder);
  if (isPlain(format) && isFloat(format.fields[0]!.type)) return roundingEncoder(format.fields[0]!);
  const model = modelOf(format);
  if (model !== undefined) return modelEncoder(format, model);
  return pairEncoderOf(format);
}

/** Statistics of values; joined over pieces of a tensor with `joinStats`. */
export function statsOf(values: Float32Array): TensorStats {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return { min, max, peak: Math.max(-min, max, 0) };
}

/** Statistics of two pieces together. */
export function joinStats(a: TensorStats, b: TensorStats): TensorStats {
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), peak: Math.max(a.peak, b.peak) };
}

/** Ranges of the values that share one instance of a scope. */
interface Groups {
  readonly count: number;
  readonly range: (group: number) => readonly [start: number, end: number];
}

function groupsOf(scope: Field["scope"], block: number, length: number, columns: number): Groups {
  if (scope === "tensor") return { count: 1, range: () => [0, length] };
  const size = scope === "row" ? columns : block;
  const perRow = Math.ceil(columns / size);
  return {
    count: (length / columns) * perRow,
    range: (group) => {
      const row = Math.floor(group / perRow);
      const start = row * columns + (group % perRow) * size;
      return [start, Math.min(start + size, (row + 1) * columns)];
    },
  };
}

/** The largest finite values; a larger scale is cut to it, so that no code decodes to infinity. */
const LARGEST: Readonly<Record<string, number>> = {
  f16: 65504,
  bf16: 3.3895313892515355e38,
  f32: 3.4028234663852886e38,
};

/** A scale as its field stores it. */
function store(type: Scalar, value: number): number {
  const most = LARGEST[type] ?? Number.POSITIVE_INFINITY;
  const cut = Math.min(Math.max(value, -most), most);
  return type === "f16" ? f16Round(cut) : type === "bf16" ? bf16Round(cut) : Math.fround(cut);
}

/** `encode absmax`: scale = max|x| / top, code = x · top / max|x| to the nearest integer in real arithmetic, ties to even. */
function absmaxEncoder(format: Format, names: { readonly scale: string; readonly code: string }): FormatEncoder {
  const scaleField = format.fields.find((f) => f.name === names.scale)!;
  const top = rangeOf(format.fields.find((f) => f.name === names.code)!.type as IntType)[1];
  return {
    rule: "absmax",
    wholeTensor: false,
    encode(values, columns, stats) {
      const groups = groupsOf(scaleField.scope, format.block, values.length, columns);
      const codes = new Int16Array(values.length);
      const scales = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const peak = scaleField.scope === "tensor" ? stats.peak : peakOf(values, start, end);
        scales[g] = store(scaleField.type, peak / top);
        const divisor = peak > 0 ? peak : 1;
        for (let i = start; i < end; i++) codes[i] = roundQuotient(values[i]! * top, divisor);
      }
      return new Map<string, ArrayLike<number>>([
        [names.code, codes],
        [names.scale, scales],
      ]);
    },
  };
}

function roundingEncoder(field: Field): FormatEncoder {
  return {
    rule: `rounding to ${field.type}`,
    wholeTensor: false,
    encode: (values) => new Map([[field.name, values]]),
  };
}

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

function modelEncoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const floats = model.scales.filter((s) => s.factors === undefined);
  const coded = model.scales.filter((s) => s.factors !== undefined);
  if (floats.length > 1 || coded.length > 1) return undefined;
  const parameters = [
    ...model.selectors,
    ...(model.zero ? [model.zero] : []),
    ...(model.offset ? [model.offset.field] : []),
  ];
  const inner = coded[0]?.field ?? floats[0]?.field;
  // Every parameter of a group is chosen at once, so all must have the group's scope.
  if (parameters.some((f) => f.scope !== (inner?.scope ?? "block"))) return undefined;
  if (coded[0] !== undefined && floats[0] !== undefined && coded[0].field.scope !== "block") return undefined;
  const prepared = prepare(model);
  if (model.zero !== undefined || model.offset !== undefined) {
    if (coded.length > 0 || floats.length !== 1 || model.selectors.length > 0) return undefined;
    return rangeEncoder(format, prepared, floats[0]!.field);
  }
  if (model.selectors.length > 0 && inner?.scope === "tensor") return undefined;
  const bitmod = isBitmod(model);
  return {
    rule: bitmod ? "bitmod" : model.selectors.length > 0 ? "absmax, grid of least squared error" : "absmax",
    wholeTensor: false,
    encode: (values, columns, stats) => encodeScales(format, prepared, bitmod, values, columns, stats),
  };
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

/** Scales from max|x|, the grid by least error; then scales are stored, and codes taken for the scales as stored. */
function encodeScales(
  format: Format,
  { model, grids }: Prepared,
  bitmod: boolean,
  values: Float32Array,
  columns: number,
  stats: TensorStats,
): FieldValues {
  const float = model.scales.find((s) => s.factors === undefined);
  const coded = model.scales.find((s) => s.factors !== undefined);
  const inner = coded ?? float;
  const scope = inner?.field.scope ?? "block";
  const groups = groupsOf(scope, format.block, values.length, columns);
  const size = scope === "block" ? format.block : scope === "row" ? columns : values.length;
  const length = scope === "tensor" ? values.length : columns;
  const first =
    inner === undefined || scope === "tensor" || model.grids.length === 1
      ? undefined
      : groupEncoder({
          grids: model.grids,
          group: size,
          ...(bitmod ? { scaleRange: [1e-5, 1e4] as const } : { tie: () => "lower" as const }),
        })(values, length);
  const wanted = new Float64Array(groups.count);
  for (let g = 0; g < groups.count; g++) {
    const [start, end] = groups.range(g);
    const peak = scope === "tensor" ? stats.peak : peakOf(values, start, end);
    wanted[g] = inner === undefined ? 1 : (first?.scales[g] ?? peak / grids[0]!.peak);
  }
  const stored = storeScales({ float, coded }, grids[0]!.peak, wanted, values.length / columns, stats);
  const codes = new Uint16Array(values.length);
  const scratch = new Uint16Array(size);
  for (let g = 0; g < groups.count; g++) {
    const [start, end] = groups.range(g);
    const { nearest, codes: codeOf } = grids[first?.choices[g] ?? 0]!;
    // BitMoD's codes are those of the scales before they are stored.
    if (bitmod) for (let i = start; i < end; i++) codes[i] = first!.codes[i]!;
    else {
      encodeScaled(nearest, values, start, end, stored.effective[g]!, scratch);
      for (let i = start; i < end; i++) codes[i] = codeOf[scratch[i - start]!]!;
    }
  }
  const out = new Map<string, ArrayLike<number>>([...digitsOf(model, codes), ...stored.fields]);
  for (const [n, selector] of model.selectors.entries())
    out.set(
      selector.name,
      Float64Array.from({ length: groups.count }, (_, g) => model.choices[first?.choices[g] ?? 0]![n]!),
    );
  return out;
}

/** The fields that make up the codes. */
function digitsOf(
  { codes: digits }: FormatModel,
  codes: Uint16Array,
): readonly (readonly [string, ArrayLike<number>])[] {
  return digits.map((digit) => {
    const { first, size, stride } = digit;
    const own = new Int16Array(codes.length);
    for (let i = 0; i < codes.length; i++) own[i] = first + (Math.floor(codes[i]! / stride) % size);
    return [digit.field.name, own] as const;
  });
}

interface StoredScales {
  readonly fields: readonly (readonly [name: string, values: Float64Array])[];
  /** The scale that each group's codes multiply. */
  readonly effective: Float64Array;
}

function storeScales(
  { float, coded }: { readonly float: ScaleField | undefined; readonly coded: ScaleField | undefined },
  gridPeak: number,
  wanted: Float64Array,
  rows: number,
  stats: TensorStats,
): StoredScales {
  if (coded === undefined && float === undefined) return { fields: [], effective: wanted };
  if (coded === undefined) {
    const effective = wanted.map((s) => store(float!.field.type, s));
    return { fields: [[float!.field.name, effective]], effective };
  }
  const first = isFloat(coded.field.type) ? 0 : rangeOf(coded.field.type as IntType)[0];
  const factors = coded.factors!;
  const top = factors.reduce((most, f) => (Number.isFinite(f) ? Math.max(most, f) : most), 0);
  const pick = codePicker(factors, gridPeak);
  // The outer scale makes the largest inner one the largest code (VS-Quant; NVFP4).
  const outerCount = float === undefined ? 0 : float.field.scope === "tensor" ? 1 : rows;
  const perOuter = float?.field.scope === "tensor" ? wanted.length : wanted.length / rows;
  const outer = Float64Array.from({ length: outerCount }, (_, n) => {
    const own = wanted.subarray(n * perOuter, (n + 1) * perOuter);
    const peak = float!.field.scope === "tensor" ? stats.peak / gridPeak : own.reduce((a, b) => Math.max(a, b), 0);
    return store(float!.field.type, peak / top);
  });
  const effective = new Float64Array(wanted.length);
  const codes = wanted.map((s, g) => {
    const unit = float === undefined ? 1 : outer[Math.floor(g / perOuter)]!;
    const code = pick(unit > 0 ? s / unit : 0);
    effective[g] = factors[code]! * unit;
    return first + code;
  });
  const own = [coded.field.name, codes] as const;
  return { fields: float === undefined ? [own] : [own, [float.field.name, outer]], effective };
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
function rangeEncoder(format: Format, { model, grids }: Prepared, scale: Field): FormatEncoder | undefined {
  const grid = model.grids[0]!;
  const step = model.zero === undefined ? 0 : zeroStep(model);
  const [low, high] = [Math.min(...grid), Math.max(...grid)];
  if (model.zero !== undefined && !(step > 0 && grid.every((v, i) => v === grid[0]! + i * step))) return undefined;
  return {
    rule: model.zero === undefined ? "min-max with offset" : "min-max with zero point",
    wholeTensor: false,
    encode(values, columns, stats) {
      const groups = groupsOf(scale.scope, format.block, values.length, columns);
      const codes = new Uint16Array(values.length);
      const scales = new Float64Array(groups.count);
      const seconds = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const own = scale.scope === "tensor" ? stats : statsOf(values.subarray(start, end));
        // A zero point is an integer of limited size, so the range must contain zero.
        const [min, max] = model.zero === undefined ? [own.min, own.max] : [Math.min(own.min, 0), Math.max(own.max, 0)];
        const stored = store(scale.type, (max - min) / (high - low));
        scales[g] = stored;
        const divisor = stored > 0 ? stored : 1;
        const shift = secondOf(model, min, low, stored, divisor, step);
        seconds[g] = shift.stored;
        for (let i = start; i < end; i++) {
          const target = (values[i]! - shift.offset) / divisor + shift.zero;
          codes[i] = nearestCode(grids[0]!, target);
        }
      }
      const second = (model.zero ?? model.offset!.field).name;
      return new Map<string, ArrayLike<number>>([...digitsOf(model, codes), [scale.name, scales], [second, seconds]]);
    },
  };
}

function secondOf(model: FormatModel, min: number, low: number, scale: number, divisor: number, step: number) {
  if (model.zero !== undefined) {
    const [least, most] = rangeOf(model.zero.type as IntType);
    const stored = Math.min(Math.max(Math.round((low - min / divisor) / step), least), most);
    return { stored, offset: 0, zero: stored * step };
  }
  const { field, sign } = model.offset!;
  const stored = store(field.type, sign * (min - low * scale));
  return { stored, offset: sign * stored, zero: 0 };
}

function nearestCode({ nearest, codes }: Prepared["grids"][number], target: number): number {
  const { thresholds, start, low, perUnit } = nearest;
  const bucket = (target - low) * perUnit;
  let n = start[bucket > 0 ? Math.min(bucket, start.length - 1) | 0 : 0]!;
  while (target > thresholds[n]!) n++;
  return codes[n]!;
}
