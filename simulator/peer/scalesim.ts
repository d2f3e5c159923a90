/** SCALE-Sim in closed form: compute cycles, utilisation and SRAM accesses of one product, without stepping cycles. */
import { internal } from "../../ir/diagnostics.ts";
import type { GemmLayer } from "./workload.ts";

/** What stays in the array: results, weights or activations. */
export type ScalesimDataflow = "os" | "ws" | "is";
export const SCALESIM_DATAFLOWS = ["os", "ws", "is"] as const satisfies readonly ScalesimDataflow[];

/** Which of SCALE-Sim's two lines: they differ in stalls, and in where a configuration's bandwidth is read from. */
export type ScalesimVersion = "v2" | "v3";

export interface ScalesimArray {
  readonly dataflow: ScalesimDataflow;
  readonly rows: number;
  readonly columns: number;
}

/** A product as the array runs it: `folds` tiles of rows × columns, each taking `foldCycles` one after the other. */
export interface ScalesimFolds {
  /** Extents along the array's rows, its columns and time. */
  readonly rowExtent: number;
  readonly columnExtent: number;
  readonly timeExtent: number;
  readonly rowFolds: number;
  readonly columnFolds: number;
  readonly foldCycles: number;
}

export interface ScalesimCompute {
  /** As printed: the index of the last cycle, which is one less than their count. */
  readonly computeCycles: number;
  readonly macs: number;
  /** Share of the array that the folds cover. */
  readonly mappingEfficiency: number;
  /** Mean over folds, as printed: for ws and is the skew of the columns counts twice. */
  readonly computeUtilisation: number;
  readonly ifmapReads: number;
  readonly filterReads: number;
  /** As printed: for os each fold adds rows + columns that are not written; partial sums' reads are never counted. */
  readonly ofmapWrites: number;
}

type Dims = Pick<GemmLayer, "m" | "n" | "k">;

/** How a product falls on the array (SCALE-Sim v2 and v3, `compute/systolic_compute_*.py`). */
export function foldsOf({ m, n, k }: Dims, { dataflow, rows, columns }: ScalesimArray): ScalesimFolds {
  const [rowExtent, columnExtent, timeExtent] = extentsOf(dataflow, m, n, k);
  const fill = dataflow === "os" ? 0 : rows;
  return {
    rowExtent,
    columnExtent,
    timeExtent,
    rowFolds: Math.ceil(rowExtent / rows),
    columnFolds: Math.ceil(columnExtent / columns),
    foldCycles: fill + rows + columns + timeExtent - 2,
  };
}

function extentsOf(dataflow: ScalesimDataflow, m: number, n: number, k: number): readonly [number, number, number] {
  switch (dataflow) {
    case "os":
      return [m, n, k];
    case "ws":
      return [k, n, m];
    case "is":
      return [k, m, n];
  }
}

/** One product (its `count` aside) without stalls: SCALE-Sim's CALC mode. */
export function scalesimCompute(layer: Dims, array: ScalesimArray): ScalesimCompute {
  const { m, n, k } = layer;
  const { dataflow, rows, columns } = array;
  const fold = foldsOf(layer, array);
  const folds = fold.rowFolds * fold.columnFolds;
  const covered = fold.rowExtent * fold.columnExtent;
  const utilisationCycles = dataflow === "os" ? fold.foldCycles : fold.foldCycles + columns - 1;
  const macs = m * n * k;
  return {
    computeCycles: folds * fold.foldCycles - 1,
    macs,
    mappingEfficiency: covered / (folds * rows * columns),
    computeUtilisation: macs / (folds * rows * columns * utilisationCycles),
    ...accessesOf(layer, dataflow, fold, folds * (rows + columns)),
  };
}

function accessesOf(
  { m, n, k }: Dims,
  dataflow: ScalesimDataflow,
  { rowFolds, columnFolds }: ScalesimFolds,
  surplus: number,
): Pick<ScalesimCompute, "ifmapReads" | "filterReads" | "ofmapWrites"> {
  switch (dataflow) {
    case "os":
      return { ifmapReads: columnFolds * m * k, filterReads: rowFolds * k * n, ofmapWrites: m * n + surplus };
    case "ws":
      return { ifmapReads: columnFolds * m * k, filterReads: k * n, ofmapWrites: rowFolds * m * n };
    case "is":
      return { ifmapReads: k * m, filterReads: columnFolds * k * n, ofmapWrites: rowFolds * m * n };
  }
}

/** Multiply–accumulates done, of those that the array could have done: SCALE-Sim's overall utilisation. */
export function overallUtilisation(macs: number, totalCycles: number, { rows, columns }: ScalesimArray): number {
  if (totalCycles < 0) internal(`${totalCycles} cycles`);
  return macs / (totalCycles * rows * columns);
}
