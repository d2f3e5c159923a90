/** Ranges of whole tensors (or rows) by search: ANT's choice of a type and its reach, and NUPES' exponent. */
import type { Format } from "../../ir/format.ts";
import { ANT_TOP } from "./ant.ts";
import { searchClipping } from "./clip-search.ts";
import { type FieldValues, type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import type { FormatModel } from "./format-model.ts";
import type { Parameter } from "./format-probe.ts";
import { peakOf } from "./groups.ts";
import { splitFields } from "./model-fields.ts";
import { encodeScaled, type Nearest, nearestOf, TIES_UP } from "./nearest.ts";

/** A grid in ANT's scale, where its largest value is 10, and the code of each of its values. */
interface AntGrid {
  readonly nearest: Nearest;
  readonly codes: readonly number[];
  /** Declared value = value in ANT's scale / factor. */
  readonly factor: number;
}

function antGridOf(byCode: readonly number[]): AntGrid {
  const codeOf = new Map(byCode.map((v, code) => [v + 0, code] as const).filter(([v]) => Number.isFinite(v)).reverse()); // biome-ignore format: one line
  const grid = [...codeOf.keys()].sort((a, b) => a - b);
  const factor = ANT_TOP / grid.at(-1)!;
  const scaled = grid.map((v) => Math.fround((v / grid.at(-1)!) * ANT_TOP));
  return { nearest: nearestOf(scaled, TIES_UP), codes: grid.map((v) => codeOf.get(v)!), factor };
}

/**
 * ANT (Guo et al., MICRO 2022): for every grid that the tensor may choose the reach of least squared error, 75 … 149 % of
 * max|x| (from 95 % above 6 bits); then the grid of least error, the first of equals. Of one grid: its reach.
 */
export function antEncoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const [scale, second] = model.scales;
  const { selectors, storage } = model;
  const scope = scale?.field.scope;
  if (scale === undefined || scale.factors !== undefined || second !== undefined || scope === "block") return undefined;
  if (model.zero ?? model.offset ?? model.bias ?? selectors.some((s) => s.scope !== scope)) return undefined;
  const bits = Math.log2(model.grids[0]!.length);
  const grids = model.grids.map(antGridOf);
  const choose = (values: Float32Array): { readonly choice: number; readonly scale: number } => {
    const found = grids.map(({ nearest }) =>
      searchClipping(values, values.length, {
        nearest,
        top: ANT_TOP,
        percentages: { from: bits > 6 ? 95 : 75, to: 150, step: 1 },
        reach: (x) => peakOf(x, 0, x.length),
        encode: (x, s, into) => encodeScaled(nearest, x, 0, x.length, s, into),
      }),
    );
    const choice = found.reduce((best, f, n) => (f.meanSquaredError < found[best]!.meanSquaredError ? n : best), 0);
    return { choice, scale: found[choice]!.scales[0]! };
  };
  return {
    rule: "ant",
    ...(scope === "tensor" && {
      learn(rows): FieldValues {
        const found = choose(rows);
        return new Map([["choice", [found.choice]], ["scale", [found.scale]]]); // biome-ignore format: one line
      },
    }),
    encode(values, columns, { learned }) {
      const groups = groupsOf(scale.field, format.block, values.length, columns);
      const codes = new Uint16Array(values.length);
      const scales = new Float64Array(groups.count);
      const choices = new Uint8Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const own =
          learned === undefined
            ? choose(values.subarray(start, end))
            : { choice: learned.get("choice")![0]!, scale: learned.get("scale")![0]! };
        const grid = grids[own.choice]!;
        const into = new Uint16Array(end - start);
        encodeScaled(grid.nearest, values, start, end, own.scale, into);
        for (let i = start; i < end; i++) codes[i] = grid.codes[into[i - start]!]!;
        scales[g] = storeFloat(scale.field.type, own.scale * grid.factor);
        choices[g] = own.choice;
      }
      const chosen = selectors.map((s, n) => [s, Array.from(choices, (c) => model.choices[c]![n]!)] as const);
      return splitFields(
        storage,
        format.block,
        columns,
        codes,
        new Map<Parameter, ArrayLike<number>>([[scale.field, scales], ...chosen]),
      );
    },
  };
}

/** NUPES' exponents: the code's magnitude to a power between a half (finer at the ends) and three (finer around zero). */
const EXPONENTS = Array.from({ length: 26 }, (_, i) => 0.5 + i / 10);

/**
 * NUPES (Yvinec et al., arXiv:2308.05600): one exponent for the tensor, the one of least squared error under absmax. For
 * declarations with a scale and a float that shapes the grid.
 */
export function shapeEncoder(format: Format): FormatEncoder | undefined {
  const [code, ...more] = format.fields.filter((f) => f.scope === "block" && f.count === format.block);
  const [scale, shape, ...others] = format.fields.filter((f) => f !== code);
  if (code === undefined || scale === undefined || shape === undefined || more.length + others.length > 0)
    return undefined;
  if (format.block !== 1 || scale.scope !== "tensor" || shape.scope !== "tensor" || !/^[iu]\d$/.test(code.type))
    return undefined;
  if (!scale.type.startsWith("f") || !shape.type.startsWith("f")) return undefined;
  const bits = Number(code.type.slice(1));
  const low = code.type.startsWith("i") ? -(2 ** (bits - 1)) : 0;
  const evaluator = new BlockEvaluator(format);
  const gridOf = (exponent: number, unit: number): readonly number[] => {
    evaluator.fields.set(scale.name, [unit]).set(shape.name, [exponent]);
    return Array.from({ length: 2 ** bits }, (_, c) => {
      evaluator.fields.set(code.name, [low + c]);
      return evaluator.value(0);
    });
  };
  const isShaped = [1, 2].every((e) => gridOf(e, 3).every((v, i) => Math.abs(v - 3 * gridOf(e, 1)[i]!) < 1e-9));
  if (!isShaped || gridOf(1, 1).every((v, i) => v === gridOf(2, 1)[i])) return undefined;
  const tables = EXPONENTS.map((exponent) => {
    const values = gridOf(Math.fround(exponent), 1);
    const codeOf = new Map(values.map((v, c) => [v, low + c] as const).reverse());
    const grid = [...codeOf.keys()].sort((a, b) => a - b);
    const nearest = nearestOf(grid);
    return {
      exponent,
      nearest,
      codes: grid.map((v) => codeOf.get(v)!),
      top: Math.min(-grid[0]! || grid.at(-1)!, grid.at(-1)!),
    };
  });
  return {
    rule: "nupes",
    learn(rows, _, stats) {
      const into = new Uint16Array(rows.length);
      const errors = tables.map((t) => encodeScaled(t.nearest, rows, 0, rows.length, stats.peak / t.top, into));
      return new Map([["table", [errors.indexOf(Math.min(...errors))]]]);
    },
    encode(values, _, stats) {
      const table = tables[stats.learned!.get("table")![0]!]!;
      const unit = storeFloat(scale.type, stats.peak / table.top);
      const into = new Uint16Array(values.length);
      encodeScaled(table.nearest, values, 0, values.length, unit, into);
      return new Map<string, ArrayLike<number>>([
        [code.name, Int16Array.from(into, (n) => table.codes[n]!)],
        [scale.name, [unit]],
        [shape.name, [storeFloat(shape.type, table.exponent)]],
      ]);
    },
  };
}
