/** The systolic array at depth `pe`: every register of every PE in every cycle, with values. It proves the depth `cycle`. */
import type { SystolicSpec } from "../../hw-models/schema.ts";
import { internal } from "../../ir/diagnostics.ts";
import { type Datapath, stepOutputStationary } from "./output-stationary.ts";
import { PeRecorder, type PeRuns } from "./record.ts";
import { stepStationary } from "./stationary.ts";

/** What the array is built like. */
export type PeArray = Pick<SystolicSpec, "rows" | "columns" | "dataflow" | "overlap">;

/** y[m, n] = Σ_k x[m, k] · w[n, k], all row-major. */
export interface PeProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly x: Float64Array;
  readonly w: Float64Array;
}

export interface PeRun {
  readonly cycles: number;
  /** PEs times cycles that were stepped. */
  readonly peCycles: number;
  readonly y: Float64Array;
  /** What each PE did, where it was asked for. */
  readonly pes?: PeRuns;
}

/**
 * Whether registers can carry the overlap. A fold that follows at once needs a second register for what stays in a PE
 * and, output stationary, wires for the sums; and what stays is loaded while nothing else keeps the fold back.
 */
export function isSteppable({ dataflow, overlap }: PeArray): boolean {
  if (!overlap.fillOverlapsDrain) return true;
  if (dataflow === "os") return overlap.separateDrain;
  return overlap.shadowRegisters && overlap.controlCyclesPerFold === 0;
}

/** Steps a product through the array. Cycles are counted: folds begin when registers are seen to be empty or loaded. */
export function stepArray(
  array: PeArray,
  { m, n, k, x, w }: PeProduct,
  withStates = false,
  datapath?: Datapath,
): PeRun {
  if (!isSteppable(array)) internal("registers cannot carry this overlap");
  if (datapath !== undefined && array.dataflow !== "os") internal("a datapath of its own keeps its sums");
  const y = new Float64Array(m * n);
  const pes = array.rows * array.columns;
  const recorder = withStates ? new PeRecorder(pes) : undefined;
  const step = (): number => {
    switch (array.dataflow) {
      case "os":
        return stepOutputStationary(array, { m, n, k, x, w }, y, recorder, datapath);
      case "ws":
        return stepStationary(
          array,
          { kept: w, stream: x, columns: n, time: m, k },
          y,
          { column: 1, time: n },
          recorder,
        );
      case "is":
        return stepStationary(
          array,
          { kept: x, stream: w, columns: m, time: n, k },
          y,
          { column: n, time: 1 },
          recorder,
        );
    }
  };
  const cycles = step();
  const run = { cycles, peCycles: cycles * pes, y };
  return recorder === undefined ? run : { ...run, pes: recorder.done(cycles) };
}
