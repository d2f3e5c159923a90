/** Ranges with zero points where more than one scale is stored: two-level integers (DGQ), groups by order of activation. */
import type { Field, Format } from "../../ir/format.ts";
import { type IntType, isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import { type FormatModel, zeroStep } from "./format-model.ts";
import type { ColumnWeights } from "./linear-encode.ts";
import { splitFields } from "./model-fields.ts";
import { storeScales, twoScalesOf } from "./scale-encode.ts";

/** The range of some values, widened to contain zero: a zero point is an integer of limited size. */
function rangeWithZero(values: Float32Array, at: Iterable<number>): readonly [min: number, max: number] {
  let [min, max] = [0, 0];
  for (const i of at) {
    if (values[i]! < min) min = values[i]!;
    if (values[i]! > max) max = values[i]!;
  }
  return [min, max];
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

function* between(start: number, end: number): Iterable<number> {
  for (let i = start; i < end; i++) yield i;
}

/**
 * Dual-grained integers (Zhang et al., "DGQ", arXiv:2310.04836): the scale of each group from its range, coded under the
 * outer scale that makes the largest one the largest code; zero points and codes belong to the scale as stored.
 */
export function twoLevelRangeEncoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const scales = twoScalesOf(model);
  const { zero, offset, selectors, storage } = model;
  if (scales?.coded === undefined || scales.float === undefined || scales.float.field.scope === "tensor")
    return undefined;
  if (zero === undefined || offset !== undefined || selectors.length > 0) return undefined;
  const grid = model.grids[0]!;
  const step = zeroStep(model);
  const inner = scales.coded.field;
  const regular = step > 0 && grid.every((v, i) => v === grid[0]! + i * step);
  if (!regular || zero.scope !== inner.scope || zero.count !== inner.count) return undefined;
  const top = grid.length - 1;
  const [leastZero, mostZero] = rangeOf(zero.type as IntType);
  return {
    rule: "min-max",
    encode(values, columns, stats) {
      const groups = groupsOf(inner, format.block, values.length, columns);
      const ranges = Array.from({ length: groups.count }, (_, g) => rangeWithZero(values, between(...groups.range(g))));
      const wanted = Float64Array.from(ranges, ([min, max]) => (max - min) / (step * top));
      const stored = storeScales(scales, 1, wanted, values.length / columns, stats);
      const codes = new Uint16Array(values.length);
      const zeros = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const unit = stored.effective[g]! > 0 ? stored.effective[g]! * step : 1;
        zeros[g] = clamp(Math.round(grid[0]! / step - ranges[g]![0] / unit), leastZero, mostZero);
        const [start, end] = groups.range(g);
        for (let i = start; i < end; i++)
          codes[i] = clamp(Math.round(values[i]! / unit + zeros[g]! - grid[0]! / step), 0, top);
      }
      return splitFields(storage, format.block, columns, codes, new Map([...stored.held, [zero, zeros] as const]));
    },
  };
}

interface ActOrder {
  readonly groups: Field;
  readonly scale: Field;
  readonly zero: Field;
  readonly codes: Field;
}

function actOrderOf(format: Format): ActOrder | undefined {
  const groups = format.fields.find((f) => f.scope === "tensor" && isInt(f.type) && f.count === format.block);
  const codes = format.fields.find((f) => f.scope === "block" && isInt(f.type) && f.count === format.block);
  const scale = format.fields.find((f) => f.scope === "row" && isFloat(f.type) && f.count > 1);
  const zero = format.fields.find((f) => f.scope === "row" && isInt(f.type) && f.count === scale?.count);
  if (groups === undefined || codes === undefined || scale === undefined || zero === undefined) return undefined;
  if (format.fields.length !== 4 || format.block < 2 || format.block % scale.count !== 0) return undefined;
  const evaluator = new BlockEvaluator(format);
  const own = Array.from({ length: format.block }, (_, i) => (i * 7 + 3) % scale.count);
  const q = Array.from({ length: format.block }, (_, i) => (i * 5) % 2 ** Math.min(4, Number(codes.type.slice(1))));
  const s = Array.from({ length: scale.count }, (_, g) => g + 2);
  const z = Array.from({ length: scale.count }, (_, g) => g % 2);
  evaluator.fields.set(groups.name, own).set(codes.name, q).set(scale.name, s).set(zero.name, z);
  const holds = [0, 1, format.block - 1].every((i) => evaluator.value(i) === s[own[i]!]! * (q[i]! - z[own[i]!]!));
  return holds ? { groups, scale, zero, codes } : undefined;
}

/**
 * Groups by order of activation (GPTQ, Frantar et al., ICLR 2023, `desc_act`): the columns that matter most share a group;
 * without importance columns keep their places. Each group of a row takes its range.
 */
export function actOrderEncoder(format: Format, importance: ColumnWeights): FormatEncoder | undefined {
  const fields = actOrderOf(format);
  if (fields === undefined) return undefined;
  const { groups, scale, zero, codes } = fields;
  const size = format.block / scale.count;
  const order = Array.from({ length: format.block }, (_, k) => k);
  if (importance?.length === format.block) order.sort((a, b) => importance[b]! - importance[a]! || a - b);
  const groupOf = new Uint16Array(format.block);
  for (const [rank, k] of order.entries()) groupOf[k] = Math.floor(rank / size);
  const [low, high] = rangeOf(codes.type as IntType);
  const [leastZero, mostZero] = rangeOf(zero.type as IntType);
  return {
    rule: "act-order",
    encode(values, columns) {
      const rows = values.length / columns;
      const out = {
        codes: new Int16Array(values.length),
        scales: new Float64Array(rows * scale.count),
        zeros: new Float64Array(rows * scale.count),
      };
      const members = Array.from({ length: scale.count }, (_, g) =>
        [...between(0, columns)].filter((k) => groupOf[k % format.block] === g),
      );
      for (let row = 0; row < rows; row++)
        for (const [g, own] of members.entries()) {
          const [min, max] = rangeWithZero(values, own.map((k) => row * columns + k)); // biome-ignore format: one line
          const stored = storeFloat(scale.type, (max - min) / (high - low));
          const unit = stored > 0 ? stored : 1;
          const point = clamp(Math.round(low - min / unit), leastZero, mostZero);
          out.scales[row * scale.count + g] = stored;
          out.zeros[row * scale.count + g] = point;
          for (const k of own)
            out.codes[row * columns + k] = clamp(Math.round(values[row * columns + k]! / unit) + point, low, high);
        }
      return new Map<string, ArrayLike<number>>([[groups.name, groupOf], [scale.name, out.scales], [zero.name, out.zeros], [codes.name, out.codes]]); // biome-ignore format: one line
    },
  };
}
