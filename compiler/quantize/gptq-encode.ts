/** GPTQ for every format with a model: parameters by the format's own rule, codes column by column under a Hessian. */
import type { Format } from "../../ir/format.ts";
import type { FormatEncoder } from "./encoder.ts";
import type { FormatModel } from "./format-model.ts";
import { type ColumnCoder, encodePrepared, type GptqRule, type PreparedHessian } from "./gptq.ts";
import { heldBy, type ParameterValues, splitFields } from "./model-fields.ts";
import { type Run, runsOf } from "./model-runs.ts";
import { nearestIndex, nearestOf } from "./nearest.ts";

/**
 * `base` chooses the parameters. Where all belong to blocks and columns come from left to right, a block is fitted when its
 * first column comes up, to the weights as they are then; otherwise all are fitted to the weights as given.
 */
export function gptqEncoder(
  format: Format,
  model: FormatModel,
  base: FormatEncoder,
  prepared: PreparedHessian,
  rule: GptqRule,
): FormatEncoder {
  const { storage } = model;
  const dynamic = rule.order !== "activation" && storage.parameters.every((p) => p.scope === "block");
  const grids = model.grids.map((byCode) => {
    const codeOf = new Map(byCode.map((v, c) => [v + 0, c] as const).filter(([v]) => Number.isFinite(v)).reverse()); // biome-ignore format: one line
    const grid = [...codeOf.keys()].sort((a, b) => a - b);
    return { nearest: nearestOf(grid), codes: grid.map((v) => codeOf.get(v)!) };
  });
  return {
    ...base,
    rule: "gptq",
    settings: { parameters: base.rule, damping: prepared.damping, order: rule.order ?? "natural", ...base.settings },
    encode(values, columns, stats, firstRow) {
      const blocks = Math.ceil(columns / format.block);
      const rows = values.length / columns;
      const held = dynamic
        ? new Map(storage.parameters.map((p) => [p, new Float64Array(rows * blocks * p.count)]))
        : heldIn(base.encode(values, columns, stats, firstRow));
      const runs = runsOf(format, model, held, columns);
      const perRow = Math.ceil(columns / runs.length);
      const known: Run[] = [];
      const runAt = (row: number, column: number): Run => {
        const n = row * perRow + Math.floor(column / runs.length);
        known[n] ??= runs.at(row, Math.floor(column / runs.length) * runs.length);
        return known[n]!;
      };
      const coder: ColumnCoder = {
        group: format.block,
        fit(own, group) {
          if (!dynamic) return;
          const fields = base.encode(own, own.length, stats);
          for (const p of storage.parameters)
            (held.get(p) as Float64Array).set(Array.from(heldBy(p, fields)), group * p.count);
        },
        code(value, group, column) {
          const { scale, shift, offset, choice } = runAt(Math.floor(group / blocks), column);
          const { nearest, codes } = grids[choice]!;
          return codes[nearestIndex(nearest, (value - offset) / (scale === 0 ? 1 : scale) + shift)]!;
        },
        value(code, group, column) {
          const { scale, shift, offset, choice } = runAt(Math.floor(group / blocks), column);
          return Math.fround(scale * (model.grids[choice]![code]! - shift) + offset);
        },
      };
      const { codes } = encodePrepared(values, columns, prepared, coder, rule);
      return splitFields(storage, format.block, columns, Uint16Array.from(codes), held);
    },
  };
  function heldIn(fields: ReadonlyMap<string, ArrayLike<number>>): ParameterValues {
    return new Map(storage.parameters.map((p) => [p, heldBy(p, fields)]));
  }
}
