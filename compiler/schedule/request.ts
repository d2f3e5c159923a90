/** From a `schedule … for …` in the source to what `choose` must respect. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { Target } from "../../ir/target.ts";
import type { CheckedOp, Schedule as Written } from "../check/module.ts";
import { report } from "../report.ts";
import type { ScheduleRequest } from "./schedule.ts";

const STRATEGIES = { fma: "fma", mma: "mma", bitplanes: "popc" } as const;

/** The axis that a tile statement names, as a part of the result: its last axis, another of its axes, or a reduced one. */
function partOf(op: CheckedOp, axis: string): "n" | "m" | "k" {
  const last = op.statements.at(-1);
  const result = last?.kind === "assign" ? last.axes : [];
  return axis === result.at(-1) ? "n" : result.includes(axis) ? "m" : "k";
}

/** Undefined after reporting something that this target cannot do. Tiles are those of a block of lanes. */
export function requestOf(
  written: Written,
  op: CheckedOp,
  target: Target,
  diagnostics: Diagnostics,
): ScheduleRequest | undefined {
  let request: ScheduleRequest = {};
  if (written.contract !== undefined) {
    const by = written.contract.by;
    if (by === "dot4" || by === "lut") {
      report(diagnostics, "schedule/no-strategy", written.contract.span, `${target.name} has no strategy \`${by}\``, [
        { message: "contractions are done with fma, bitplanes or mma" },
      ]);
      return undefined;
    }
    request = { ...request, strategy: STRATEGIES[by] };
  }
  if (written.row !== undefined) {
    const { id, emulated } = written.row;
    request = { ...request, strategy: "mma", row: id, ...(emulated ? { emulated } : {}) };
  }
  if (written.stages !== undefined) request = { ...request, stages: written.stages.count };
  for (const tile of written.tiles) {
    const part = partOf(op, tile.axis);
    const over = part === "n" ? target.warps : part === "k" ? target.lanes : 1;
    const mma = request.strategy === "mma";
    if (tile.size % over !== 0 || (part === "k" && mma)) {
      const message =
        part === "k" && mma
          ? "a matrix row fixes this tile"
          : `a tile of ${tile.axis} is shared by ${over} ${part === "n" ? "warps" : "lanes"}`;
      report(diagnostics, "schedule/tile", tile.span, `tile ${tile.axis} ${tile.size} does not fit`, [{ message }]);
      return undefined;
    }
    const size = tile.size / over;
    request = { ...request, ...(part === "n" ? { tileN: size } : part === "m" ? { tileM: size } : { chunk: size }) };
  }
  return request;
}
