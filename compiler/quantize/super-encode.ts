/** Super-blocks: small integer scales (and minima) of sub-blocks under one float, by K-quants' weighted searches. */
import { rint } from "../../ir/float.ts";
import type { Format } from "../../ir/format.ts";
import { type FieldValues, type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import { type FormatModel, firstOf, type ScaleField } from "./format-model.ts";
import type { Parameter } from "./format-probe.ts";
import {
  type AffineSearch,
  descendSymmetric,
  LEAST_PEAK,
  searchAffine,
  searchSymmetric,
  searchTable,
} from "./k-search.ts";
import { splitFields } from "./model-fields.ts";
import { type Nearest, nearestIndex, nearestOf, TIES_UP } from "./nearest.ts";

const f = Math.fround;

/** The steps that ggml tries, by the bits of a code, and whether weights are |x| or √mean(x²) + |x|. */
const AFFINE: Readonly<Record<number, Omit<AffineSearch, "top"> & { readonly sizes: boolean }>> = {
  2: { from: -0.5, steps: 15, absolute: true, sizes: true },
  3: { from: -1, steps: 20, absolute: false, sizes: false },
  4: { from: -1, steps: 20, absolute: false, sizes: false },
  5: { from: -0.5, steps: 15, absolute: false, sizes: false },
};

/** Integers from `first` on whose factors are themselves times one unit; undefined for other factors. */
interface Steps {
  readonly least: number;
  readonly most: number;
  /** What a field holds less what it means. */
  readonly shift: number;
}

function stepsOf({ field, factors }: ScaleField): Steps | undefined {
  if (factors === undefined || factors.some((v, i) => v !== factors[0]! + i)) return undefined;
  return { least: factors[0]!, most: factors.at(-1)!, shift: firstOf(field) - factors[0]! };
}

/** The encoder of super-blocks; undefined for a format that has none. */
export function superEncoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const floats = model.scales.filter((s) => s.factors === undefined);
  const [float] = floats;
  const [coded, ...more] = model.scales.filter((s) => s.factors !== undefined);
  if (floats.length !== 1 || float === undefined || coded === undefined || more.length > 0) return undefined;
  const { bias, zero, selectors, grids, offset } = model;
  const inBlocks = [float.field, coded.field].every((p) => p.scope === "block") && float.field.count === 1;
  const steps = stepsOf(coded);
  if ((!inBlocks || steps === undefined || coded.field.count < 2 || bias) ?? zero ?? selectors[0]) return undefined;
  const grid = grids[0]!;
  if (offset !== undefined) return affineEncoder(format, model, float.field, coded, steps);
  const isSigned = steps.least === -steps.most - 1;
  if (!isSigned) return undefined;
  const top = -grid[0]!;
  const isInteger = grid.every((v, i) => v === grid[0]! + i) && grid.at(-1) === top - 1;
  return isInteger
    ? symmetricEncoder(format, model, float.field, coded.field, steps, top)
    : tableEncoder(format, model, float.field, coded.field, steps);
}

/** value = d · scale · q − dmin · min: Q2_K, Q4_K, Q5_K. */
function affineEncoder(
  format: Format,
  model: FormatModel,
  float: Parameter,
  coded: ScaleField,
  steps: Steps,
): FormatEncoder | undefined {
  const { storage, offset } = model;
  const minSteps = offset?.coded === undefined ? undefined : stepsOf(offset.coded);
  const grid = model.grids[0]!;
  const search = AFFINE[Math.log2(grid.length)];
  const sameSpan = offset?.coded?.field.count === coded.field.count && offset.field.count === 1;
  const plain = grid.every((v, i) => v === i) && steps.least === 0 && minSteps?.least === 0;
  if (!sameSpan || !plain || offset.sign !== -1 || search === undefined || minSteps === undefined) return undefined;
  const top = grid.length - 1;
  const { span, count } = coded.field;
  return {
    rule: "k-search",
    encode(values, columns) {
      const groups = groupsOf(coded.field, format.block, values.length, columns);
      const out = outputs(groups.count, count, values.length);
      const [mins, dmins] = [new Float64Array(groups.count), new Float64Array(groups.count / count)];
      const weights = new Float32Array(span);
      const scratch = new Uint16Array(span);
      const fits = Array.from({ length: count }, () => ({ scale: 0, min: 0 }));
      for (let block = 0; block < out.floats.length; block++) {
        for (let s = 0; s < count; s++) {
          const [start, end] = groups.range(block * count + s);
          if (end === start) continue;
          weigh(values, start, end, search.sizes, weights);
          fits[s] = searchAffine(values, start, end, weights, { ...search, top }, scratch);
          for (let i = start; i < end; i++) out.codes[i] = scratch[i - start]!;
        }
        const scale = quantizeUp(fits.map((x) => x.scale), float, steps.most); // biome-ignore format: one line
        const min = quantizeUp(fits.map((x) => x.min), offset.field, minSteps.most); // biome-ignore format: one line
        [out.floats[block], dmins[block]] = [scale.float, min.float];
        for (let s = 0; s < count; s++) {
          const group = block * count + s;
          out.scales[group] = scale.codes[s]! + steps.shift;
          mins[group] = min.codes[s]! + minSteps.shift;
          const d = f(scale.float * scale.codes[s]!);
          if (d === 0) continue;
          const m = f(min.float * min.codes[s]!);
          const [start, end] = groups.range(group);
          for (let i = start; i < end; i++) out.codes[i] = Math.min(Math.max(rint(f(f(values[i]! + m) / d)), 0), top);
        }
      }
      const held = [[float, out.floats], [coded.field, out.scales], [offset.field, dmins], [offset.coded!.field, mins]] as const; // biome-ignore format: one line
      return splitFields(storage, format.block, columns, out.codes, new Map(held));
    },
  };
}

function outputs(groups: number, count: number, values: number) {
  return {
    codes: new Uint16Array(values),
    scales: new Float64Array(groups),
    floats: new Float64Array(groups / count),
  };
}

function weigh(x: Float32Array, start: number, end: number, sizes: boolean, weights: Float32Array): void {
  let squares = 0;
  for (let i = start; i < end; i++) squares = f(squares + f(x[i]! * x[i]!));
  const average = sizes ? 0 : f(Math.sqrt(f(squares / (end - start))));
  for (let i = start; i < end; i++) weights[i - start] = f(average + Math.abs(x[i]!));
}

/** Numbers ≥ 0 as codes up to `top` times one float: the largest becomes the largest code. */
function quantizeUp(
  numbers: readonly number[],
  float: Parameter,
  top: number,
): { readonly float: number; readonly codes: readonly number[] } {
  const most = numbers.reduce((a, b) => Math.max(a, b), 0);
  const inverse = most > 0 ? f(top / most) : 0;
  const codes = numbers.map((v) => Math.min(Math.max(rint(f(inverse * v)), 0), top));
  return { float: storeFloat(float.type, f(most / top)), codes };
}

/** Where scales have a sign: the scale of largest magnitude takes the lowest code. */
function signedScales(numbers: Float32Array): { readonly peak: number; readonly isZero: boolean } {
  let [peak, size] = [0, 0];
  for (const v of numbers) if (Math.abs(v) > size) [size, peak] = [Math.abs(v), v];
  return { peak, isZero: size < LEAST_PEAK };
}

type Search = (values: Float32Array, start: number, end: number, into: Int16Array) => number;

/** value = d · scale · q with signed scales and codes −top … top − 1: Q3_K, Q6_K. */
function symmetricEncoder(
  format: Format,
  model: FormatModel,
  float: Parameter,
  coded: Parameter,
  steps: Steps,
  top: number,
): FormatEncoder {
  const search: Search = (x, start, end, into) =>
    top <= 4 ? descendSymmetric(x, start, end, top, into) : searchSymmetric(x, start, end, top, into);
  const { span, count } = coded;
  return {
    rule: "k-search",
    encode(values, columns): FieldValues {
      const groups = groupsOf(coded, format.block, values.length, columns);
      const out = outputs(groups.count, count, values.length);
      const scratch = new Int16Array(span);
      const scales = new Float32Array(count);
      for (let block = 0; block < out.floats.length; block++) {
        scales.fill(0);
        for (let s = 0; s < count; s++) {
          const [start, end] = groups.range(block * count + s);
          if (end === start) continue;
          scales[s] = search(values, start, end, scratch);
          for (let i = start; i < end; i++) out.codes[i] = scratch[i - start]! + top;
        }
        const { peak, isZero } = signedScales(scales);
        const inverse = isZero ? 0 : f(steps.least / peak);
        const d = isZero ? 0 : storeFloat(float.type, f(1 / inverse));
        out.floats[block] = d;
        for (let s = 0; s < count; s++) {
          const group = block * count + s;
          const code = Math.min(Math.max(rint(f(inverse * scales[s]!)), steps.least), steps.most);
          // A block of zeros is all zeros.
          out.scales[group] = isZero ? 0 : code + steps.shift;
          const step = f(d * code);
          if (step === 0) continue;
          const [start, end] = groups.range(group);
          for (let i = start; i < end; i++)
            out.codes[i] = Math.min(Math.max(rint(f(values[i]! / step)), -top), top - 1) + top;
        }
      }
      const held = [
        [float, out.floats],
        [coded, out.scales],
      ] as const;
      return splitFields(model.storage, format.block, columns, out.codes, new Map(held));
    },
  };
}

/** A grid ascending with codes in its order, ties up. */
export function ascendingNearest(grid: readonly number[]): Nearest | undefined {
  return grid.every((v, i) => i === 0 || v > grid[i - 1]!) ? nearestOf(grid, TIES_UP) : undefined;
}

/** value = d · scale · table[q] with signed scales: IQ4_XS. Codes are those of the scales before d is stored. */
function tableEncoder(
  format: Format,
  model: FormatModel,
  float: Parameter,
  coded: Parameter,
  steps: Steps,
): FormatEncoder | undefined {
  const nearest = ascendingNearest(model.grids[0]!);
  if (nearest === undefined) return undefined;
  const { count } = coded;
  return {
    rule: "k-search",
    encode(values, columns) {
      const groups = groupsOf(coded, format.block, values.length, columns);
      const out = outputs(groups.count, count, values.length);
      const scales = new Float32Array(count);
      for (let block = 0; block < out.floats.length; block++) {
        for (let s = 0; s < count; s++) {
          const [start, end] = groups.range(block * count + s);
          scales[s] = end === start ? 0 : searchTable(values, start, end, nearest);
        }
        const { peak } = signedScales(scales);
        const d = f(-peak / -steps.least);
        const inverse = d === 0 ? 0 : f(1 / d);
        out.floats[block] = storeFloat(float.type, d);
        for (let s = 0; s < count; s++) {
          const group = block * count + s;
          const code = Math.min(Math.max(rint(f(inverse * scales[s]!)), steps.least), steps.most);
          out.scales[group] = code + steps.shift;
          const step = f(d * code);
          const ownInverse = step === 0 ? 0 : f(1 / step);
          const [start, end] = groups.range(group);
          for (let i = start; i < end; i++) out.codes[i] = nearestIndex(nearest, f(ownInverse * values[i]!));
        }
      }
      return splitFields(model.storage, format.block, columns, out.codes, new Map([[float, out.floats], [coded, out.scales]])); // biome-ignore format: one line
    },
  };
}
