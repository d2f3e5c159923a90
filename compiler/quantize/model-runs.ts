/** What parameters mean for runs of values that share all of them. */
import { internal } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { type FormatModel, factorOf, offsetOf, zeroStep } from "./format-model.ts";
import type { Parameter } from "./format-probe.ts";
import type { ParameterValues } from "./model-fields.ts";

/** value = scale · (grid[code] − shift) + offset, with the grid of the choice. */
export interface Run {
  readonly scale: number;
  readonly shift: number;
  readonly offset: number;
  readonly choice: number;
}

export interface Runs {
  /** Values of a run; the last one of a row may be shorter. */
  readonly length: number;
  /** The run that begins at a column of a row. */
  readonly at: (row: number, column: number) => Run;
}

/** The runs of rows of `columns` values whose parameters hold these values. */
export function runsOf(format: Format, model: FormatModel, held: ParameterValues, columns: number): Runs {
  const { scales, bias, selectors, zero, storage } = model;
  const step = zero === undefined ? 0 : zeroStep(model);
  const choiceOf = new Map(model.choices.map((choice, n) => [choice.join(), n]));
  const spans = storage.parameters.filter((p) => p.scope === "block").map((p) => p.span);
  // Without parameters a block, a row is one run.
  const length = spans.length === 0 ? columns : Math.min(...spans);
  if (spans.some((s) => s % length !== 0)) internal(`parameters of ${format.name} overlap`);
  const perRow = Math.ceil(columns / format.block);
  return {
    length,
    at(row, column) {
      const block = Math.floor(column / format.block);
      const within = column - block * format.block;
      const at = (p: Parameter): number => {
        const own = held.get(p)!;
        if (p.scope !== "block") return own[p.scope === "tensor" ? 0 : row]!;
        return own[(row * perRow + block) * p.count + Math.floor(within / p.span)]!;
      };
      let scale = 1;
      for (const s of scales) scale *= factorOf(s, at(s.field));
      if (bias !== undefined) scale += at(bias);
      const choice = selectors.length === 0 ? 0 : choiceOf.get(selectors.map(at).join());
      return {
        scale,
        shift: zero === undefined ? 0 : at(zero) * step,
        offset: offsetOf(model, at),
        choice: choice ?? internal("a selector outside its type"),
      };
    },
  };
}
