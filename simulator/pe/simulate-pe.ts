/** Depth `pe` of a workload: every product stepped PE by PE, with what proves it, as a report and a trace. */
import { partsOf } from "../../hw-models/derive.ts";
import { areaOf, energyTable } from "../../hw-models/energy-table.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { type Diagnostics, NO_SPAN } from "../../ir/diagnostics.ts";
import { lanesOf } from "../engine.ts";
import { type Figures, figuresOf, type LayerResult, type SimulateResult, sumFigures, type Tiler } from "../simulate.ts";
import type { Trace } from "../trace.ts";
import { TraceBuilder } from "../trace-builder.ts";
import type { LayerKind, ProductShape } from "../workload/layers.ts";
import { arrayAlone, engineCycles, type PeCase, proveProduct, whyNotSteppable } from "./prove.ts";
import { type PE_STATES, tallyOf } from "./record.ts";

/** Products beyond this many multiply–accumulates, and runs beyond this many PE-cycles, take too long to step and to evaluate. */
export const MAX_MACS = 2 ** 22;
export const MAX_PE_CYCLES = 2 ** 28;

/** What depth `pe` adds to a layer's figures, which are those of the depth `cycle` on the array alone. */
export interface PeFigures {
  /** Cycles that were stepped, and those of the depth `cycle`. */
  readonly steppedCycles: number;
  readonly cycleDepthCycles: number;
  readonly peCycles: number;
  /** PE-cycles by state. */
  readonly states: Readonly<Record<(typeof PE_STATES)[number], number>>;
  /** Results, and those that are not bit for bit what the evaluator says. */
  readonly values: number;
  readonly wrongValues: number;
}

export interface PeLayer extends LayerResult {
  readonly pe: PeFigures;
}

export interface PeResult extends Omit<SimulateResult, "layers" | "totals"> {
  readonly depth: "pe";
  readonly totals: Figures & { readonly pe: PeFigures };
  readonly layers: readonly PeLayer[];
}

/** A product of the workload: `shape.batch` of them are alike, and one is stepped. */
export interface PeLayerRequest {
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: ProductShape;
  readonly product: PeCase;
}

export interface PeRequest {
  /** The machine as it is for these operands, with its dataflow. */
  readonly machine: AcceleratorModel;
  readonly about: Pick<SimulateResult, "workload" | "phase" | "batch" | "context" | "weightBits">;
  readonly layers: readonly PeLayerRequest[];
  readonly trace: boolean;
}

export interface PeSimulation {
  readonly result: PeResult;
  readonly trace: Trace | undefined;
  /** The stepped cycles are those of the depth `cycle`, and all values those of the evaluator. */
  readonly proven: boolean;
}

/** Whether a product is small enough; reports `simulate/request` with the limit and what to do where it is not. */
export function isSmallEnough(
  name: string,
  { m, n, k }: Pick<ProductShape, "m" | "n" | "k">,
  sink: Diagnostics,
): boolean {
  if (m * n * k <= MAX_MACS) return true;
  sink.error(
    "simulate/request",
    NO_SPAN,
    `${name} multiplies ${m * n * k} times, and depth pe steps products of up to ${MAX_MACS}`,
    [{ message: "take --depth cycle, which it proves, or a smaller shape, such as M=64,N=64,K=256" }],
  );
  return false;
}

/** Steps all products; `simulate/request` or `simulate/format` where one is too large or the array cannot be stepped. */
export function simulatePe(request: PeRequest, tile: Tiler, sink: Diagnostics): PeSimulation | undefined {
  const { machine } = request;
  const alone = arrayAlone(machine);
  const { array } = partsOf(machine);
  const why = whyNotSteppable(machine);
  if (why !== undefined) {
    sink.error("simulate/format", NO_SPAN, `${array.name} of ${machine.name} cannot be stepped: ${why}`, [
      { message: "--depth cycle simulates it" },
    ]);
    return undefined;
  }
  const builder = request.trace ? new TraceBuilder() : undefined;
  const layers: PeLayer[] = [];
  let startCycle = 0;
  for (const { name, kind, shape, product } of request.layers) {
    if (!isSmallEnough(name, product, sink) || !fewCycles(name, machine, product, tile, sink)) return undefined;
    const segment = builder?.segment(alone, lanesOf(alone));
    const { run, engine, program, wrongValues } = proveProduct(machine, product, tile, {
      withStates: true,
      recorder: segment?.recorder,
    });
    const figures = figuresOf(engine, alone);
    const facts = { cycles: engine.cycles, ops: engine.ops, program, figures, pes: run.pes };
    if (segment !== undefined) builder?.endSegment(segment.id, facts);
    const states = run.pes === undefined ? NO_STATES : tallyOf(run.pes);
    const pe = {
      ...{ steppedCycles: run.cycles, cycleDepthCycles: engine.cycles, peCycles: run.peCycles, states },
      ...{ values: product.m * product.n, wrongValues },
    };
    const stored = { operandFormat: product.weightFormat, activationFormat: product.activationFormat };
    for (let i = 0; i < shape.batch; i++) {
      const one = shape.batch === 1 ? name : `${name}[${i}]`;
      const each = { ...shape, batch: 1 };
      builder?.layer({ name: one, kind, shape: each, segment: segment?.id ?? 0, startCycle });
      layers.push({ name: one, kind, shape: each, ...stored, startCycle, ...figures, pe });
      startCycle += engine.cycles;
    }
  }
  const head = headOf(request, layers);
  const pe = sumPe(layers);
  const result: PeResult = { depth: "pe", ...head, totals: { ...sumFigures(layers, alone), pe }, layers };
  const proven = pe.wrongValues === 0 && layers.every((l) => l.pe.steppedCycles === l.pe.cycleDepthCycles);
  return { result, trace: builder?.done({ machine: alone, result: head }), proven };
}

const NO_STATES: PeFigures["states"] = { idle: 0, multiply: 0, padding: 0, rescale: 0, drain: 0 };

/** Whether stepping ends soon: by the cycles that the depth `cycle` expects. */
function fewCycles(name: string, machine: AcceleratorModel, product: PeCase, tile: Tiler, sink: Diagnostics): boolean {
  const { array } = partsOf(machine);
  const peCycles = engineCycles(machine, product, tile) * array.rows * array.columns * (array.arrays ?? 1);
  if (peCycles <= MAX_PE_CYCLES) return true;
  sink.error(
    "simulate/request",
    NO_SPAN,
    `${name} keeps ${array.name} of ${machine.name} busy for ${peCycles} PE-cycles, and depth pe steps up to ${MAX_PE_CYCLES}`,
    [{ message: "take --depth cycle, which it proves, a smaller shape, or a machine with fewer PEs" }],
  );
  return false;
}

function headOf({ machine, about }: PeRequest, layers: readonly PeLayer[]): Omit<SimulateResult, "layers" | "totals"> {
  const [first] = layers;
  const [weightFormat, activationFormat] = [first?.operandFormat ?? "", first?.activationFormat ?? ""];
  return {
    ...about,
    hardware: machine.name,
    configuration: `${machine.name} ${weightFormat}`,
    dataflow: partsOf(machine).array.dataflow,
    keyValueBits: about.weightBits,
    weightFormat,
    keyValueFormat: weightFormat,
    activationFormat,
    energyTable: energyTable(machine),
    area: areaOf(machine),
  };
}

function sumPe(layers: readonly PeLayer[]): PeFigures {
  const sum = (pick: (pe: PeFigures) => number): number => layers.reduce((total, l) => total + pick(l.pe), 0);
  return {
    steppedCycles: sum((p) => p.steppedCycles),
    cycleDepthCycles: sum((p) => p.cycleDepthCycles),
    peCycles: sum((p) => p.peCycles),
    states: {
      idle: sum((p) => p.states.idle),
      multiply: sum((p) => p.states.multiply),
      padding: sum((p) => p.states.padding),
      rescale: sum((p) => p.states.rescale),
      drain: sum((p) => p.states.drain),
    },
    values: sum((p) => p.values),
    wrongValues: sum((p) => p.wrongValues),
  };
}
