/** QLoRA's double quantization (Dettmers et al., NeurIPS 2023): scales of small blocks as codes around the tensor's mean. */
import type { Format } from "../../ir/format.ts";
import { type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import { type FormatModel, firstOf } from "./format-model.ts";
import { peakOf } from "./groups.ts";
import { splitFields } from "./model-fields.ts";
import { nearestIndex, nearestOf } from "./nearest.ts";

/**
 * value = (table[absmax] · scale + mean) · grid[code]: the largest magnitude of each small block less the tensor's mean of
 * them, in units of the largest such difference of a block. Codes of values belong to the magnitudes before they are coded.
 */
export function doubleAbsmaxEncoder(format: Format, model: FormatModel): FormatEncoder | undefined {
  const { bias, storage } = model;
  const float = model.scales.find((s) => s.factors === undefined)?.field;
  const coded = model.scales.find((s) => s.factors !== undefined);
  if (bias?.scope !== "tensor" || float === undefined || coded === undefined || model.scales.length > 2)
    return undefined;
  if (float.scope !== "block" || float.count !== 1 || coded.field.scope !== "block" || model.grids.length > 1)
    return undefined;
  const { field, factors = new Float64Array(0) } = coded;
  const codeOf = new Map(model.grids[0]!.map((v, code) => [v + 0, code] as const).reverse());
  const grid = [...codeOf.keys()].sort((a, b) => a - b);
  const nearest = nearestOf(grid);
  const top = Math.max(...grid.map(Math.abs));
  const order = [...factors.keys()].sort((a, b) => factors[a]! - factors[b]!);
  const table = nearestOf(order.map((i) => factors[i]!)); // biome-ignore format: one line
  const reach = Math.max(...factors.map(Math.abs));
  const wantedOf = (values: Float32Array, columns: number): Float64Array => {
    const groups = groupsOf(field, format.block, values.length, columns);
    return Float64Array.from({ length: groups.count }, (_, g) => {
      const [start, end] = groups.range(g);
      return start === end ? Number.NaN : peakOf(values, start, end) / top;
    });
  };
  return {
    rule: "double-absmax",
    sums(values, columns) {
      const real = wantedOf(values, columns).filter((v) => !Number.isNaN(v));
      return [real.reduce((a, b) => a + b, 0), real.length];
    },
    encode(values, columns, stats) {
      const [sum, count] = stats.sums!;
      const mean = storeFloat(bias.type, sum! / count!);
      const groups = groupsOf(field, format.block, values.length, columns);
      const wanted = wantedOf(values, columns);
      const differences = wanted.map((w) => (Number.isNaN(w) ? 0 : Math.fround(w - mean)));
      const scales = Float64Array.from({ length: groups.count / field.count }, (_, b) => {
        const own = differences.subarray(b * field.count, (b + 1) * field.count);
        return storeFloat(float.type, own.reduce((m, d) => Math.max(m, Math.abs(d)), 0) / reach);
      });
      const coded = differences.map((d, g) => {
        const scale = scales[Math.floor(g / field.count)]!;
        return firstOf(field) + order[nearestIndex(table, scale > 0 ? d / scale : 0)]!;
      });
      const codes = new Uint16Array(values.length);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const divisor = wanted[g]! > 0 ? wanted[g]! : 1;
        for (let i = start; i < end; i++)
          codes[i] = codeOf.get(grid[nearestIndex(nearest, Math.fround(values[i]! / divisor))]!)!;
      }
      const held = new Map<typeof field, ArrayLike<number>>([[bias, [mean]], [float, scales], [field, coded]]); // biome-ignore format: one line
      return splitFields(storage, format.block, columns, codes, held);
    },
  };
}
