/** Simulates a network on a machine: every product of a pass, one after the other, and their sum. */

import { partsOf, peakMacsPerCycle, secondsOf } from "../hw-models/derive.ts";
import { type Area, areaOf, type EnergyAction, energyTable } from "../hw-models/energy-table.ts";
import type { AcceleratorModel, Dataflow, SystolicSpec } from "../hw-models/schema.ts";
import { type Diagnostics, NO_SPAN } from "../ir/diagnostics.ts";
import { type Format, isPlain } from "../ir/format.ts";
import type { Program } from "../ir/program.ts";
import { type Comparison, compareRuns } from "./comparison.ts";
import {
  type ActionCounts,
  addCounts,
  countsOf,
  type EnergyPJ,
  type EnergyRangePJ,
  energyOf,
  energyRangeOf,
} from "./energy.ts";
import { lanesOf, type Run, tryProgram } from "./engine.ts";
import { addStalls, type Stall } from "./exposure.ts";
import { fitMachine } from "./fit.ts";
import { addTables, NO_CYCLES, type StateTable } from "./states.ts";
import type { Trace } from "./trace.ts";
import { TraceBuilder } from "./trace-builder.ts";
import { codesOf } from "./units/bit-serial.ts";
import {
  type AllocationRule,
  allocator,
  formatOf,
  type LayerFormats,
  meanBits,
  type Storage,
} from "./workload/allocation.ts";
import {
  type ElementwiseOp,
  elementwiseProgram,
  operationsPerElement,
  withElementwise,
} from "./workload/elementwise.ts";
import {
  type Layer,
  type LayerKind,
  layersOfPass,
  type Network,
  networkOf,
  type Phase,
  type ProductShape,
  tokensOf,
  type Workload,
} from "./workload/layers.ts";
import { matmulProgram } from "./workload/matmul.ts";
import { expertsOf } from "./workload/network.ts";

export const SIMULATE_SCHEMA = "bitloom.simulate/1";

/** Cuts a product for a machine: the compiler's `tileMachine`. */
export type Tiler = (
  program: Program,
  machine: AcceleratorModel,
  dataflow: Dataflow,
  sink: Diagnostics,
) => Program | undefined;

export interface SimulateRequest {
  readonly workload: Workload;
  readonly hardware: AcceleratorModel;
  readonly phase: Phase;
  /** Sequences at once. */
  readonly batch: number;
  /** Tokens of each sequence: all of them in prefill, those before the new one in decode. */
  readonly context: number;
  /**
   * How weights are stored: a format, or bits (16: f16; fewer: integers in groups of 128 with an f16 scale). Where
   * nothing is said, as the machine is built for, or 16 bits.
   */
  readonly weights?: Storage;
  /** How keys and values are stored, in the same words. */
  readonly keyValues?: Storage;
  /** How activations are stored before each product, in the same words; results leave as f16. */
  readonly activations?: Storage;
  /** Other formats for some layers: the first line that names a layer decides. */
  readonly allocation?: readonly AllocationRule[];
  /** Experts of a mixture that the pass reaches; absent: as many as its tokens can, evenly loaded. */
  readonly activeExperts?: number;
  /** Replaces the machine's own dataflow. */
  readonly dataflow?: Dataflow;
  /** Also simulate norms, softmax, activation functions and residual sums, on the vector unit (default: products alone). */
  readonly elementwise?: boolean;
  /** Give up with `simulate/limit` once the pass has taken more cycles. */
  readonly maxCycles?: number;
  /** Collect a trace. */
  readonly trace?: boolean;
  /** Simulate products of one shape once (default). Turning it off changes the time it takes, and nothing else. */
  readonly memoise?: boolean;
}

export interface Bytes {
  readonly read: number;
  readonly write: number;
}

/** What is reported of a layer and of a whole pass alike. */
export interface Figures {
  readonly cycles: number;
  readonly timeSeconds: number;
  /** Nominal: `actions` times the machine's table. */
  readonly energyPJ: EnergyPJ;
  readonly energyRangePJ: EnergyRangePJ;
  /** By component: how often it did what. */
  readonly actions: ActionCounts;
  readonly macs: number;
  /** By memory. */
  readonly bytes: Readonly<Record<string, Bytes>>;
  /** By memory: stored elements (codes, scales, numbers) read and written, one access each. */
  readonly accesses: Readonly<Record<string, Bytes>>;
  /** Multiply–accumulates done, of those that the array could have done in these cycles. */
  readonly utilisation: number;
  /** By unit: cycles by state; they sum to `cycles`. */
  readonly units: Readonly<Record<string, StateTable>>;
  /** By unit, cause and culprit, and how much of it cost time; for each unit and cause they sum to `units`. */
  readonly stalls: readonly Stall[];
}

export interface LayerResult extends Figures {
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: ProductShape;
  /** Formats of its second operand and of its activations. */
  readonly operandFormat: string;
  readonly activationFormat: string;
  readonly startCycle: number;
  /** No product, but this for each of m rows of n elements. */
  readonly elementwise?: ElementwiseOp;
}

export interface SimulateResult {
  readonly workload: string;
  readonly hardware: string;
  /** The machine and its formats, in words that tell it from the others of a report. */
  readonly configuration: string;
  readonly phase: Phase;
  readonly batch: number;
  readonly context: number;
  readonly dataflow: Dataflow;
  /** Stored bits per weight, scales included, averaged over the weights of the network. */
  readonly weightBits: number;
  readonly keyValueBits: number;
  /** The format of most layers; an allocation table may give some another one. */
  readonly weightFormat: string;
  readonly keyValueFormat: string;
  readonly activationFormat: string;
  /** Experts of a mixture that the pass reached, and those that there are; absent where there is no mixture. */
  readonly experts?: { readonly active: number; readonly count: number; readonly perToken: number };
  /** What each action costs, as minimum, nominal and maximum, with the source of each. */
  readonly energyTable: readonly EnergyAction[];
  readonly area: Area;
  readonly totals: Figures;
  readonly layers: readonly LayerResult[];
}

/** What `--json` prints. */
export interface SimulateReport {
  readonly schema: typeof SIMULATE_SCHEMA;
  readonly results: readonly SimulateResult[];
  /** Against the first configuration; absent where there is only one. */
  readonly comparison?: Comparison | undefined;
}

export interface Simulation {
  readonly report: SimulateReport;
  readonly trace: Trace | undefined;
}

interface Measured {
  readonly figures: Figures;
  readonly segment: number;
}

/**
 * Simulates one pass. Products run one after the other, each from a cold start: nothing is prefetched across them.
 * Mistakes in the request are `simulate/request`; a product that does not fit is `simulate/capacity` with its layer.
 */
export function simulate(request: SimulateRequest, tile: Tiler, sink: Diagnostics): Simulation | undefined {
  const network = networkOf(request.workload);
  if (!checkRequest(request, network, sink)) return undefined;
  const machine = arrangedFor(request);
  const base = baseFormats(request, machine);
  const formatsFor = allocator(base, request.allocation ?? []);
  const builder = request.trace === true ? new TraceBuilder() : undefined;
  const known = new Map<string, Measured>();
  const layers: LayerResult[] = [];
  const products = layersOfPass(network, request);
  const asked = request.elementwise === true ? withElementwise(products, network) : products;
  let startCycle = 0;
  for (const layer of asked) {
    const formats = formatsFor(layer);
    const key = JSON.stringify([layer.shape, layer.elementwise, keyOf(formats.operand), keyOf(formats.activation)]);
    const reuse = request.memoise === false ? undefined : known.get(key);
    const measured = reuse ?? measure(layer, formats, machine, tile, builder, sink);
    if (measured === undefined) return undefined;
    known.set(key, measured);
    const { name, kind, shape } = layer;
    builder?.layer({ name, kind, shape, segment: measured.segment, startCycle });
    const [operandFormat, activationFormat] =
      layer.elementwise === undefined ? [formats.operand.name, formats.activation.name] : ["f16", "f16"];
    const stored = { operandFormat, activationFormat };
    const what = layer.elementwise === undefined ? {} : { elementwise: layer.elementwise };
    layers.push({ name, kind, shape, ...stored, startCycle, ...what, ...measured.figures });
    startCycle += measured.figures.cycles;
    if (startCycle > (request.maxCycles ?? Number.POSITIVE_INFINITY)) {
      reportLimit(layers, asked.length, startCycle, request, sink);
      return undefined;
    }
  }
  const { phase, batch } = request;
  const about = {
    workload: network.name,
    hardware: machine.name,
    configuration: configurationOf(request, machine, base),
    phase,
    batch,
    context: request.context,
    dataflow: partsOf(machine).array.dataflow,
    weightBits: meanBits(products, formatsFor, "weight"),
    keyValueBits: meanBits(products, formatsFor, "keyValue"),
    weightFormat: base.weight.name,
    keyValueFormat: base.keyValue.name,
    activationFormat: base.activation.name,
    ...reachedExperts(network, request),
    energyTable: energyTable(machine),
    area: areaOf(machine),
  };
  const result: SimulateResult = { ...about, totals: sumFigures(layers, machine), layers };
  const trace = builder?.done({ machine, result: about });
  return { report: { schema: SIMULATE_SCHEMA, results: [result] }, trace };
}

/** Says how far a pass came before its limit, and what its last layer's units did most. */
function reportLimit(
  layers: readonly LayerResult[],
  asked: number,
  cycles: number,
  { hardware, phase, maxCycles }: SimulateRequest,
  sink: Diagnostics,
): void {
  const last = layers.at(-1);
  const most = (table: StateTable): string => {
    const states = [
      ...Object.entries(table.busy).map(([name, n]) => [`busy:${name}`, n] as const),
      ...Object.entries(table.stall).map(([name, n]) => [`stall:${name}`, n] as const),
      ["idle", table.idle] as const,
    ];
    const [name, count] = states.reduce((a, b) => (b[1] > a[1] ? b : a));
    return `${name} ${count}`;
  };
  sink.error(
    "simulate/limit",
    NO_SPAN,
    `${phase} on ${hardware.name} was given up in ${last?.name}, layer ${layers.length} of ${asked}: ${cycles} cycles are more than ${maxCycles}`,
    Object.entries(last?.units ?? {}).map(([unit, table]) => ({
      message: `${unit} in that layer of ${last?.cycles} cycles, mostly ${most(table)}`,
    })),
  );
}

/** What layers share where they share a program: formats of one name are one format. */
const keyOf = (format: Format): string => `${format.name} ${format.recordBits}`;

function baseFormats(request: SimulateRequest, machine: AcceleratorModel) {
  const { bitSerial, operandBits } = partsOf(machine).array;
  return {
    weight: formatOf(request.weights ?? operandBits?.weight ?? 16),
    activation: formatOf(request.activations ?? operandBits?.activation ?? 16),
    keyValue: formatOf(request.keyValues ?? bitSerial?.keyValueBits ?? operandBits?.keyValue ?? 16),
  };
}

/** The machine's name and every choice that is not the machine's own. */
function configurationOf(
  request: SimulateRequest,
  machine: AcceleratorModel,
  { weight, activation, keyValue }: ReturnType<typeof baseFormats>,
): string {
  const own = request.hardware.units.find((u) => u.kind === "systolic");
  const { dataflow } = partsOf(machine).array;
  return [
    machine.name,
    weight.name,
    ...(request.allocation === undefined ? [] : ["allocated"]),
    ...(request.activations === undefined || isPlainHalf(activation) ? [] : [`x ${activation.name}`]),
    ...(request.keyValues === undefined ? [] : [`kv ${keyValue.name}`]),
    ...(own?.kind === "systolic" && own.dataflow === dataflow ? [] : [dataflow]),
  ].join(" ");
}

const isPlainHalf = (format: Format): boolean => isPlain(format) && format.name === "f16";

function reachedExperts(network: Network, request: SimulateRequest): Pick<SimulateResult, "experts"> {
  const experts = expertsOf(network);
  if (experts === undefined) return {};
  const routed = request.batch * tokensOf(network, request) * experts.perToken;
  const active = Math.min(request.activeExperts ?? experts.count, experts.count, routed);
  return { experts: { active, ...experts } };
}

/** Several runs as one report, compared with the first. */
export function mergeReports(reports: readonly SimulateReport[]): SimulateReport {
  const results = reports.flatMap((r) => r.results);
  const comparison = compareRuns(results);
  return { schema: SIMULATE_SCHEMA, results, ...(comparison === undefined ? {} : { comparison }) };
}

function checkRequest(request: SimulateRequest, network: Network, sink: Diagnostics): boolean {
  const before = sink.list.length;
  const wrong = (message: string, note?: string): void =>
    sink.error("simulate/request", NO_SPAN, message, note === undefined ? [] : [{ message: note }]);
  for (const name of ["batch", "context"] as const) {
    const value = request[name];
    if (!Number.isSafeInteger(value) || value < 1) wrong(`the ${name} must be an integer of at least 1, not ${value}`);
  }
  const stored = [request, ...(request.allocation ?? [])].flatMap((r) => [
    ["weights", r.weights] as const,
    ["keys and values", r.keyValues] as const,
    ["activations", r.activations] as const,
  ]);
  for (const [name, value] of stored) {
    if (typeof value !== "number" || value === 16 || (Number.isSafeInteger(value) && value >= 2 && value <= 8))
      continue;
    wrong(`${name} have 2 to 8 or 16 bits, not ${value}`);
  }
  if (network.pass !== "decoder" && request.phase === "decode")
    wrong(`${network.name} decodes no tokens one by one`, "its whole pass is called prefill");
  const experts = expertsOf(network);
  const { activeExperts } = request;
  if (activeExperts !== undefined && experts === undefined) wrong(`${network.name} has no experts`);
  const most = experts?.count ?? Number.POSITIVE_INFINITY;
  const least = experts?.perToken ?? 1;
  if (
    activeExperts !== undefined &&
    !(Number.isSafeInteger(activeExperts) && activeExperts >= least && activeExperts <= most)
  )
    wrong(`${least} to ${most} experts can be reached, not ${activeExperts}`);
  return sink.list.length === before;
}

/** The machine with the dataflow that is asked for and, where it has two, its array in the phase's shape. */
function arrangedFor({ hardware, dataflow, phase }: SimulateRequest): AcceleratorModel {
  const arranged = (array: SystolicSpec): SystolicSpec => ({
    ...array,
    ...(phase === "decode" ? array.decodeShape : {}),
    dataflow: dataflow ?? array.dataflow,
  });
  return { ...hardware, units: hardware.units.map((u) => (u.kind === "systolic" ? arranged(u) : u)) };
}

function measure(
  layer: Layer,
  { operand: weight, activation }: LayerFormats,
  machine: AcceleratorModel,
  tile: Tiler,
  builder: TraceBuilder | undefined,
  sink: Diagnostics,
): Measured | undefined {
  if (layer.elementwise !== undefined) return measureElementwise(layer, layer.elementwise, machine, builder, sink);
  const fitted = fitMachine(layer.name, machine, codesOf(weight).bits, codesOf(activation).bits, sink);
  if (fitted === undefined) return undefined;
  const program = matmulProgram({ name: layer.name, ...layer.shape, activation, weight, output: "f16" });
  const tiled = tile(program, fitted, partsOf(fitted).array.dataflow, sink);
  if (tiled === undefined) return undefined;
  const segment = builder?.segment(fitted, lanesOf(fitted));
  const run = tryProgram(tiled, fitted, sink, segment?.recorder);
  if (run === undefined) return undefined;
  const figures = figuresOf(run, machine);
  const { cycles, ops } = run;
  if (segment !== undefined) builder?.endSegment(segment.id, { cycles, ops, program: tiled, figures });
  return { figures, segment: segment?.id ?? -1 };
}

/** A layer on the vector unit: an operation takes as long as so many elements, and costs their energy. */
function measureElementwise(
  layer: Layer,
  op: ElementwiseOp,
  machine: AcceleratorModel,
  builder: TraceBuilder | undefined,
  sink: Diagnostics,
): Measured | undefined {
  const { vector } = partsOf(machine);
  const operations = operationsPerElement(op, layer.shape.n, vector);
  const slower = { ...vector, elementsPerCycle: vector.elementsPerCycle / operations };
  const fitted = { ...machine, units: machine.units.map((u) => (u.kind === "vector" ? slower : u)) };
  const program = elementwiseProgram(layer, op, machine, sink);
  if (program === undefined) return undefined;
  const segment = builder?.segment(fitted, lanesOf(fitted));
  const run = tryProgram(program, fitted, sink, segment?.recorder);
  if (run === undefined) return undefined;
  const actions = { ...run.actions, mapped: run.actions.mapped * operations };
  const figures = figuresOf({ ...run, actions }, machine);
  const { cycles, ops } = run;
  if (segment !== undefined) builder?.endSegment(segment.id, { cycles, ops, program, figures });
  return { figures, segment: segment?.id ?? -1 };
}

/** The figures of one machine program's run. */
export function figuresOf(run: Run, machine: AcceleratorModel): Figures {
  const bytes: Record<string, Bytes> = {};
  const accesses: Record<string, Bytes> = {};
  for (const [name, access] of Object.entries(run.actions.memory)) {
    bytes[name] = { read: access.readBytes, write: access.writeBytes };
    accesses[name] = { read: access.readElements, write: access.writeElements };
  }
  const table = energyTable(machine);
  const actions = countsOf(machine, run.actions);
  return {
    cycles: run.cycles,
    timeSeconds: secondsOf(machine, run.cycles),
    energyPJ: energyOf(table, actions),
    energyRangePJ: energyRangeOf(table, actions),
    actions,
    macs: run.actions.macs,
    bytes,
    accesses,
    utilisation: run.cycles === 0 ? 0 : run.actions.macs / (run.cycles * peakMacsPerCycle(machine)),
    units: run.units,
    stalls: run.stalls,
  };
}

/** Sums by memory. */
function addBytes(parts: readonly Readonly<Record<string, Bytes>>[]): Readonly<Record<string, Bytes>> {
  const sums: Record<string, Bytes> = {};
  for (const part of parts)
    for (const [name, b] of Object.entries(part)) {
      const sum = sums[name] ?? { read: 0, write: 0 };
      sums[name] = { read: sum.read + b.read, write: sum.write + b.write };
    }
  return sums;
}

/** The sum of what ran one after the other. */
export function sumFigures(parts: readonly Figures[], machine: AcceleratorModel): Figures {
  const cycles = parts.reduce((sum, p) => sum + p.cycles, 0);
  const macs = parts.reduce((sum, p) => sum + p.macs, 0);
  const table = energyTable(machine);
  const actions = addCounts(parts.map((p) => p.actions));
  return {
    cycles,
    timeSeconds: secondsOf(machine, cycles),
    energyPJ: energyOf(table, actions),
    energyRangePJ: energyRangeOf(table, actions),
    actions,
    macs,
    bytes: addBytes(parts.map((p) => p.bytes)),
    accesses: addBytes(parts.map((p) => p.accesses)),
    utilisation: cycles === 0 ? 0 : macs / (cycles * peakMacsPerCycle(machine)),
    units: sumUnits(parts),
    stalls: addStalls(parts.map((p) => p.stalls)),
  };
}

/** State tables by unit, summed. */
export function sumUnits(parts: readonly Figures[]): Readonly<Record<string, StateTable>> {
  const units: Record<string, StateTable> = {};
  for (const part of parts)
    for (const [name, table] of Object.entries(part.units)) units[name] = addTables(units[name] ?? NO_CYCLES, table);
  return units;
}
