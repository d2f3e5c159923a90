/** `bitloom simulate --depth pe`: small products stepped PE by PE, against the depth `cycle` and against the evaluator. */
import { fittedTo, partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, Dataflow, SystolicSpec } from "../../hw-models/schema.ts";
import { type Diagnostics, internal, NO_SPAN, type Source } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { isInt, rangeOf } from "../../ir/scalar.ts";
import { datapathOf, formatFor, type PeCase } from "../../simulator/pe/prove.ts";
import {
  isSmallEnough,
  type PeLayerRequest,
  type PeResult,
  type PeSimulation,
  simulatePe,
} from "../../simulator/pe/simulate-pe.ts";
import { SIMULATE_SCHEMA } from "../../simulator/simulate.ts";
import { encodeTrace } from "../../simulator/trace.ts";
import { layersOf, type Network, type Phase, type ProductShape } from "../../simulator/workload/layers.ts";
import { check } from "../check/check.ts";
import { instantiate } from "../instantiate/instantiate.ts";
import { tileMachine } from "../passes/tile-machine.ts";
import { writeFiles } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { refuse } from "./request.ts";
import { formatCount, printTable } from "./table.ts";
import { EXIT, type Exit, type Terminal } from "./terminal.ts";

/** What is stepped. */
export interface PePlan {
  readonly workload: Network;
  readonly machines: readonly AcceleratorModel[];
  readonly phase: Phase;
  readonly batch: number;
  readonly context: number;
  /** Absent: as each machine is built for. */
  readonly weightBits: number | undefined;
  readonly dataflow: Dataflow | undefined;
  readonly trace: string | undefined;
  readonly json: boolean;
}

/** Pseudo-random integers below a bound: the operands of a run are always the same. */
function seeded(seed: number): (below: number) => number {
  const state = Uint32Array.of(seed);
  return (below) => {
    state[0] = Math.imul(state[0]! ^ (state[0]! >>> 15), 2246822519) + 2654435769;
    return Math.floor((((state[0]! ^ (state[0]! >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

/** Every code; numbers with all digits of an f16, and scales with few, so that sums are exact in any order. */
function values(tensor: Tensor, pairs: boolean, below: (n: number) => number): Float64Array {
  const length = tensor.shape.reduce((size, extent) => size * extent, 1);
  const of = (value: () => number): Float64Array => Float64Array.from({ length }, value);
  if (!isInt(tensor.type)) {
    const isScale = tensor.origin !== undefined && tensor.origin.field !== "value";
    return isScale ? of(() => (1 + below(63)) / 64) : of(() => (below(4095) - 2047) * 2 ** (below(5) - 8));
  }
  const [low, high] = rangeOf(tensor.type);
  const codes = of(() => low + below(high - low + 1));
  // One pair in eight has an outlier: the code of its victim is the lowest integer's.
  if (pairs) for (let i = 0; i < length; i += 2) if (below(8) === 0) codes[i + below(2)] = (high + 1) / 2;
  return codes;
}

function instantiated(text: string, op: string, sizes: Readonly<Record<string, number>>, sink: Diagnostics) {
  return instantiate(check([{ name: "pe.loom", text }], sink), op, sizes, sink);
}

/** What a format's own decoder makes of stored fields. */
function decoded(
  format: string,
  operand: "x" | "w",
  rows: number,
  k: number,
  inputs: PeCase["inputs"],
  sink: Diagnostics,
) {
  if (format === "f16") return inputs[operand] ?? internal(`no ${operand}`);
  const text = `op decode<N, K>(${operand}: ${format}[N, K]) -> f32[N, K] { y[n, k] = ${operand}[n, k] }`;
  const program = instantiated(text, "decode", { N: rows, K: k }, sink);
  if (program === undefined) return undefined;
  const own = Object.fromEntries(
    program.tensors.flatMap((t) => (inputs[t.id] === undefined ? [] : [[t.id, inputs[t.id]!]])),
  );
  return evalProgram(program, own, { arithmetic: "real", roundOutputs: false }).y;
}

interface Formats {
  readonly weight: string;
  readonly weightBits: number;
  readonly activation: string;
}

/** A product in the language, with seeded operands; undefined after an error. */
function caseOf(
  { m, n, k }: ProductShape,
  array: SystolicSpec,
  formats: Formats,
  sink: Diagnostics,
): PeCase | undefined {
  const { weight, weightBits, activation } = formats;
  const text = `op product<M, N, K>(x: ${activation}[M, K], w: ${weight}[N, K]) -> f32[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}`;
  const program: Program | undefined = instantiated(text, "product", { M: m, N: n, K: k }, sink);
  if (program === undefined || sink.failed) return undefined;
  const below = seeded(m + 31 * n + 997 * k);
  const pairs = datapathOf(array) === "pairs";
  const inputs = Object.fromEntries(
    program.tensors.filter((t) => t.role === "input").map((t) => [t.id, values(t, pairs, below)]),
  );
  const plain = datapathOf(array) === "multiply";
  const none = new Float64Array(0);
  const x = plain || activation === "f16" ? decoded(activation, "x", m, k, inputs, sink) : none;
  const w = plain ? decoded(weight, "w", n, k, inputs, sink) : none;
  if (x === undefined || w === undefined) return undefined;
  const named = { weightFormat: weight, weightBits, activationFormat: activation };
  return { m, n, k, ...named, program, inputs, x, w };
}

/** The machine for the operands that are asked for, and their formats; undefined after `simulate/format`. */
function forOperands(machine: AcceleratorModel, plan: PePlan, sink: Diagnostics) {
  const { array } = partsOf(machine);
  const shape = plan.phase === "decode" ? array.decodeShape : undefined;
  const arranged = { ...array, ...shape, dataflow: plan.dataflow ?? array.dataflow };
  const kind = datapathOf(array);
  const weightBits = plan.weightBits ?? array.operandBits?.weight ?? (kind === "bit-serial" ? 4 : 16);
  const activationBits = array.operandBits?.activation ?? 16;
  const [weight, activation] = [formatFor(kind, weightBits, "weight"), formatFor(kind, activationBits, "activation")];
  const fitted = fittedTo(arranged, weightBits, activationBits);
  const keepsSums = kind === "multiply" || arranged.dataflow === "os";
  if (weight === undefined || activation === undefined || fitted === undefined || !keepsSums) {
    const what = keepsSums ? `weights of ${weightBits} bits` : `dataflow ${arranged.dataflow}`;
    sink.error("simulate/format", NO_SPAN, `${array.name} of ${machine.name} does not take ${what} at depth pe`);
    return undefined;
  }
  const units = machine.units.map((u) => (u.kind === "systolic" ? fitted : u));
  return { machine: { ...machine, units }, formats: { weight, weightBits, activation } };
}

function runOne(machine: AcceleratorModel, plan: PePlan, sink: Diagnostics): PeSimulation | undefined {
  const fitted = forOperands(machine, plan, sink);
  if (fitted === undefined) return undefined;
  const { array } = partsOf(fitted.machine);
  const layers: PeLayerRequest[] = [];
  for (const { name, kind, shape } of layersOf(plan.workload, plan.phase, plan.batch, plan.context)) {
    if (!isSmallEnough(name, shape, sink)) return undefined;
    const same = layers.find((l) => JSON.stringify(l.shape) === JSON.stringify(shape));
    const product = same?.product ?? caseOf(shape, array, fitted.formats, sink);
    if (product === undefined) return undefined;
    layers.push({ name, kind, shape, product });
  }
  const { workload, phase, batch, context } = plan;
  const about = { workload: workload.name, phase, batch, context, weightBits: fitted.formats.weightBits };
  return simulatePe({ machine: fitted.machine, about, layers, trace: plan.trace !== undefined }, tileMachine, sink);
}

function printResult(terminal: Terminal, { hardware, layers, totals, weightFormat, activationFormat }: PeResult): void {
  terminal.out(terminal.style("bold", `${hardware}: ${weightFormat} by ${activationFormat}`));
  const share = (part: number, { peCycles, states }: PeResult["totals"]["pe"]): string => {
    const all = Object.values(states).reduce((sum, s) => sum + s, 0);
    return peCycles === 0 || all === 0 ? "–" : `${((100 * part) / all).toFixed(1)} %`;
  };
  const right = (title: string) => ({ title, align: "right" }) as const;
  printTable(
    terminal,
    [
      { title: "Product" },
      right("Cycles"),
      right("Depth cycle"),
      right("PE-cycles"),
      right("Multiply"),
      right("Padding"),
      right("Rescale"),
      right("Idle"),
      right("Values"),
      right("Wrong"),
    ],
    layers.map(({ name, shape, pe }) => [
      `${name} ${shape.m}×${shape.n}×${shape.k}`,
      `${pe.steppedCycles}`,
      `${pe.cycleDepthCycles}`,
      formatCount(pe.peCycles),
      share(pe.states.multiply, pe),
      share(pe.states.padding, pe),
      share(pe.states.rescale, pe),
      share(pe.states.idle + pe.states.drain, pe),
      `${pe.values}`,
      `${pe.wrongValues}`,
    ]),
  );
  const { steppedCycles, cycleDepthCycles, values: count, wrongValues } = totals.pe;
  const cycles = steppedCycles === cycleDepthCycles ? "those of depth cycle" : `depth cycle says ${cycleDepthCycles}`;
  const right2 = wrongValues === 0 ? "bit for bit the evaluator's" : `${wrongValues} of them are not the evaluator's`;
  terminal.out(`${steppedCycles} cycles: ${cycles}. ${count} values: ${right2}.`);
}

/** The command at depth `pe`; exit 1 where it proves the other depth wrong. */
export function runPe(terminal: Terminal, plan: PePlan, sources: readonly Source[], sink: Diagnostics): Exit {
  const found: PeSimulation[] = [];
  for (const machine of plan.machines) {
    terminal.progress(`stepping every PE of ${machine.name}`);
    const start = performance.now();
    const simulation = runOne(machine, plan, sink);
    if (simulation === undefined || sink.failed) return refuse(terminal, "simulate", sink, sources, plan.json);
    const seconds = (performance.now() - start) / 1000;
    terminal.say(`${formatCount(simulation.result.totals.pe.peCycles)} PE-cycles in ${seconds.toFixed(2)} s`);
    found.push(simulation);
  }
  sayDiagnostics(terminal, sink.list, sources);
  const files = found.flatMap(({ trace }) =>
    plan.trace === undefined || trace === undefined ? [] : [{ path: plan.trace, content: encodeTrace(trace) }],
  );
  const exit = writeFiles(terminal, files);
  if (exit !== EXIT.ok) return exit;
  const results = found.map((s) => s.result);
  if (plan.json) terminal.out(JSON.stringify({ schema: SIMULATE_SCHEMA, results }, null, 2));
  else for (const result of results) printResult(terminal, result);
  for (const file of files) terminal.say(`wrote ${file.path}`);
  return found.every((s) => s.proven) ? EXIT.ok : EXIT.failed;
}
