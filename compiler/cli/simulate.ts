/** `bitloom simulate CONFIG.json`: a language model's forward pass on machines, cycle by cycle or by published formulas. */
import { HARDWARE, hardwareNamed } from "../../hw-models/index.ts";
import { type AcceleratorModel, DATAFLOWS, type Dataflow, validateHardware } from "../../hw-models/schema.ts";
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import { type ChromeOptions, chromeTrace } from "../../simulator/export-chrome.ts";
import { mergeReports, type Simulation, simulate } from "../../simulator/simulate.ts";
import { encodeTrace, type Trace } from "../../simulator/trace.ts";
import { readHuggingFace } from "../../simulator/workload/hugging-face.ts";
import { type Network, PHASES, type Phase } from "../../simulator/workload/layers.ts";
import { tileMachine } from "../passes/tile-machine.ts";
import { nearest } from "../report.ts";
import { type OutputFile, readText, writeFiles } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { refuse } from "./request.ts";
import { isShapeError, parseShape } from "./shape.ts";
import type { PeerPlan } from "./simulate-peer.ts";
import { printRun, printRuns } from "./simulate-report.ts";
import { formatCount, formatSeconds } from "./table.ts";
import { EXIT, type Exit, type Terminal, usageError } from "./terminal.ts";
import { parseWindow, WINDOW_USAGE } from "./view.ts";

const DEPTHS = ["cycle", "pe", "peer"] as const;

export interface SimulateOptions {
  readonly depth?: string;
  readonly preset?: string;
  readonly hw?: string;
  readonly phase?: string;
  readonly batch?: string;
  readonly context?: string;
  readonly weightBits?: string;
  readonly kvBits?: string;
  readonly maxCycles?: string;
  readonly dataflow?: string;
  readonly trace?: string;
  readonly chrome?: string;
  readonly report?: string;
  readonly window?: string;
  readonly json?: boolean;
}

/** One run of the product machines × phases × weight widths. */
interface RunRequest {
  readonly hardware: AcceleratorModel;
  readonly phase: Phase;
  /** Absent: as the machine is built for. */
  readonly weightBits: number | undefined;
}

interface Plan {
  readonly batch: number;
  readonly context: number;
  readonly dataflow: Dataflow | undefined;
  readonly phases: readonly Phase[];
  readonly weightBits: readonly (number | undefined)[];
  readonly keyValueBits: number | undefined;
  readonly maxCycles: number | undefined;
  readonly window: ChromeOptions;
}

/** `kvBits` as it is written on the command line. */
const flagOf = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

const list = (text: string): readonly string[] => text.split(",").map((part) => part.trim());

/** Bits that the simulator has a format for. */
const isStored = (bits: number): boolean => bits === 16 || (Number.isInteger(bits) && bits >= 2 && bits <= 8);

type Sizes = Pick<Plan, "batch" | "context" | "phases">;

/** What is run, whatever the depth, or what is wrong with it. */
function readSizes(terminal: Terminal, options: SimulateOptions): Sizes | Exit {
  const [batch, context] = [Number(options.batch ?? "1"), Number(options.context ?? "2048")];
  for (const [name, value] of [
    ["--batch", batch],
    ["--context", context],
  ] as const)
    if (!Number.isSafeInteger(value) || value < 1) return usageError(terminal, `${name} takes a number from 1 up`);
  const phases = list(options.phase ?? "prefill");
  const badPhase = phases.find((p) => !(PHASES as readonly string[]).includes(p));
  if (badPhase !== undefined)
    return usageError(terminal, `there is no phase \`${badPhase}\``, `there is ${PHASES.join(", ")}`);
  return { batch, context, phases: phases as readonly Phase[] };
}

/** The plan of a published simulator: its options need no file either. */
function readPeerPlan(terminal: Terminal, options: SimulateOptions): PeerPlan | Exit {
  const sizes = readSizes(terminal, options);
  if (typeof sizes === "number") return sizes;
  for (const name of ["dataflow", "kvBits", "maxCycles", "trace", "chrome", "report", "window"] as const)
    if (options[name] !== undefined)
      return usageError(
        terminal,
        `--${flagOf(name)} has no meaning with --depth peer`,
        "a published simulator has its own",
      );
  const weightBits = options.weightBits === undefined ? undefined : list(options.weightBits).map(Number);
  if (weightBits?.some((bits) => !(bits >= 1 && bits <= 16)))
    return usageError(terminal, "--weight-bits takes numbers from 1 to 16, comma-separated, such as 4.5");
  return {
    ...sizes,
    preset: options.preset,
    hardware: options.hw === undefined ? undefined : list(options.hw),
    weightBits,
    json: options.json === true,
  };
}

/** The plan of a simulation cycle by cycle, as far as options say it. */
function readPlan(terminal: Terminal, options: SimulateOptions): Plan | Exit {
  const sizes = readSizes(terminal, options);
  if (typeof sizes === "number") return sizes;
  if (options.preset !== undefined) return usageError(terminal, "--preset goes with --depth peer");
  const weightBits = options.weightBits === undefined ? [undefined] : list(options.weightBits).map(Number);
  if (weightBits.some((bits) => bits !== undefined && !isStored(bits)))
    return usageError(terminal, "--weight-bits takes 16 or 2 to 8, comma-separated");
  const keyValueBits = options.kvBits === undefined ? undefined : Number(options.kvBits);
  if (keyValueBits !== undefined && !isStored(keyValueBits))
    return usageError(terminal, "--kv-bits takes 16 or 2 to 8");
  const { dataflow } = options;
  if (dataflow !== undefined && !(DATAFLOWS as readonly string[]).includes(dataflow))
    return usageError(terminal, `there is no dataflow \`${dataflow}\``, `there is ${DATAFLOWS.join(", ")}`);
  const maxCycles = options.maxCycles === undefined ? undefined : Number(options.maxCycles);
  if (maxCycles !== undefined && !(Number.isSafeInteger(maxCycles) && maxCycles >= 1))
    return usageError(terminal, "--max-cycles takes a number from 1 up");
  const window = parseWindow(options.window);
  if (window === undefined) return usageError(terminal, WINDOW_USAGE, "for example --window 0:1000000");
  return { ...sizes, window, keyValueBits, maxCycles, dataflow: dataflow as Dataflow | undefined, weightBits };
}

/** Machines by name or file; mistakes in files go to `diagnostics`, whose spans index `sources`. */
function readMachines(
  terminal: Terminal,
  names: readonly string[],
  sources: Source[],
  diagnostics: Diagnostics,
): readonly AcceleratorModel[] | Exit {
  const machines: AcceleratorModel[] = [];
  const known = HARDWARE.filter((m) => m.kind === "accelerator").map((m) => m.name);
  for (const name of names) {
    const isFile = name.endsWith(".json") || name.includes("/");
    const text = isFile ? readText(terminal, name) : undefined;
    if (isFile && text === undefined) return EXIT.unreadable;
    if (text !== undefined) sources.push({ name, text });
    const model = text === undefined ? hardwareNamed(name) : validateHardware(text, sources.length - 1, diagnostics);
    if (model === undefined && text !== undefined) continue;
    if (model?.kind === "accelerator") {
      machines.push(model);
      continue;
    }
    const meant = nearest(name, known);
    const hint =
      meant === undefined ? `there is ${known.join(", ")}; a path ends in .json` : `did you mean \`${meant}\`?`;
    const what = model === undefined ? `there is no hardware model \`${name}\`` : `\`${name}\` is no accelerator`;
    return usageError(terminal, what, hint);
  }
  return machines;
}

function traceFiles(options: SimulateOptions, trace: Trace | undefined, window: ChromeOptions): readonly OutputFile[] {
  if (trace === undefined) return [];
  const files: OutputFile[] = [];
  if (options.trace !== undefined) files.push({ path: options.trace, content: encodeTrace(trace) });
  if (options.chrome !== undefined) files.push({ path: options.chrome, content: chromeTrace(trace, window) });
  return files;
}

function runAll(
  terminal: Terminal,
  workload: Network,
  plan: Plan,
  requests: readonly RunRequest[],
  withTrace: boolean,
  diagnostics: Diagnostics,
): readonly Simulation[] {
  const { batch, context, dataflow, maxCycles } = plan;
  const simulations: Simulation[] = [];
  for (const { hardware, phase, weightBits } of requests) {
    terminal.progress(
      `simulating ${phase} on ${hardware.name}${weightBits === undefined ? "" : ` with ${weightBits}-bit weights`}`,
    );
    const start = performance.now();
    const keyValues = plan.keyValueBits === undefined ? {} : { keyValues: plan.keyValueBits };
    const weights = weightBits === undefined ? {} : { weights: weightBits };
    const limit = maxCycles === undefined ? {} : { maxCycles };
    const sizes = { workload, hardware, phase, batch, context, trace: withTrace };
    const base = { ...sizes, ...weights, ...keyValues, ...limit };
    const simulation = simulate(dataflow === undefined ? base : { ...base, dataflow }, tileMachine, diagnostics);
    if (simulation === undefined) break;
    simulations.push(simulation);
    const { cycles } = simulation.report.results[0]!.totals;
    const seconds = (performance.now() - start) / 1000;
    terminal.say(
      `${formatCount(cycles)} cycles in ${formatSeconds(seconds)}: ${formatCount(cycles / seconds)} cycles/s`,
    );
  }
  return simulations;
}

/** `M=16,N=16,K=256` as a network of one product; undefined where it is none. */
function productOf(text: string): Network | undefined {
  const shape = text.includes("=") ? parseShape(text) : { error: "no sizes" };
  if (isShapeError(shape)) return undefined;
  const { M: m, N: n, K: k, ...others } = shape;
  if (m === undefined || n === undefined || k === undefined || Object.keys(others).length > 0) return undefined;
  return {
    name: text,
    family: "product",
    pass: "fixed",
    stages: [{ kind: "product", name: "product", role: "feed-forward", batch: 1, m, n, k, bias: false }],
    otherParameters: { embeddings: 0, vectors: 0 },
  };
}

/** Codes of runs that were given up. */
const ABORTED: ReadonlySet<string> = new Set(["simulate/limit"]);

interface SteppedRun {
  readonly workload: Network;
  readonly machines: readonly AcceleratorModel[];
  readonly plan: Plan;
  readonly options: SimulateOptions;
  readonly sources: readonly Source[];
  readonly diagnostics: Diagnostics;
}

/** The same request at depth `pe`. */
async function steppedRun(terminal: Terminal, run: SteppedRun): Promise<Exit> {
  const { workload, machines, plan, options, sources, diagnostics } = run;
  const [phase, second] = plan.phases;
  if (phase === undefined || second !== undefined || (options.weightBits !== undefined && plan.weightBits.length > 1))
    return usageError(terminal, "depth pe steps one --phase and one --weight-bits");
  for (const name of ["kvBits", "maxCycles", "chrome", "window"] as const)
    if (options[name] !== undefined)
      return usageError(
        terminal,
        `--${flagOf(name)} has no meaning with --depth pe`,
        "it steps the array by itself, with --weight-bits; --trace writes a trace",
      );
  if (options.trace !== undefined && machines.length > 1)
    return usageError(terminal, "a trace is of one run: give one --hw");
  const { runPe } = await import("./simulate-pe.ts");
  const { batch, context, dataflow } = plan;
  const weightBits = options.weightBits === undefined ? undefined : plan.weightBits[0];
  const { trace, json } = options;
  const sized = { workload, machines, phase, batch, context, weightBits, dataflow, trace, json: json === true };
  return runPe(terminal, sized, sources, diagnostics);
}

export async function run(terminal: Terminal, [path = ""]: readonly string[], options: SimulateOptions): Promise<Exit> {
  const depth = options.depth ?? "cycle";
  if (!(DEPTHS as readonly string[]).includes(depth))
    return usageError(terminal, `there is no depth \`${depth}\``, `there is ${DEPTHS.join(", ")}`);
  if (depth === "peer") {
    const peer = readPeerPlan(terminal, options);
    if (typeof peer === "number") return peer;
    const { runPeer } = await import("./simulate-peer.ts");
    return runPeer(terminal, path, peer);
  }
  const plan = readPlan(terminal, options);
  if (typeof plan === "number") return plan;
  const inline = productOf(path);
  const text = inline === undefined ? readText(terminal, path) : path;
  if (text === undefined) return EXIT.unreadable;
  const sources: Source[] = [{ name: path, text }];
  const diagnostics = new Diagnostics();
  const machines = readMachines(terminal, list(options.hw ?? "systolic-128"), sources, diagnostics);
  if (typeof machines === "number") return machines;
  const workload = inline ?? readHuggingFace(text, 0, path, diagnostics);
  if (diagnostics.failed || workload === undefined)
    return refuse(terminal, "simulate", diagnostics, sources, options.json);
  if (depth === "pe") return steppedRun(terminal, { workload, machines, plan, options, sources, diagnostics });
  const requests = machines.flatMap((hardware) =>
    plan.phases.flatMap((phase) => plan.weightBits.map((weightBits) => ({ hardware, phase, weightBits }))),
  );
  const ofOneRun = options.trace !== undefined || options.chrome !== undefined;
  if (ofOneRun && requests.length > 1)
    return usageError(terminal, "a trace is of one run: give one --hw, --phase and --weight-bits");
  const withTrace = ofOneRun || options.report !== undefined;
  const simulations = runAll(terminal, workload, plan, requests, withTrace, diagnostics);
  if (diagnostics.failed) {
    refuse(terminal, "simulate", diagnostics, sources, options.json);
    return diagnostics.list.some((d) => ABORTED.has(d.code)) ? EXIT.aborted : EXIT.failed;
  }
  sayDiagnostics(terminal, diagnostics.list, sources);
  const files = [...simulations.flatMap((s) => traceFiles(options, s.trace, plan.window))];
  if (options.report !== undefined) {
    const { reportPage } = await import("./report-page.ts");
    const page = reportPage(terminal, options.report, simulations, machines);
    if (page === undefined) return EXIT.failed;
    files.push(page);
  }
  const exit = writeFiles(terminal, files);
  if (exit !== EXIT.ok) return exit;
  const report = mergeReports(simulations.map((s) => s.report));
  if (options.json) terminal.out(JSON.stringify(report, null, 2));
  else {
    printRuns(terminal, report.results);
    if (report.results.length === 1) printRun(terminal, report.results[0]!);
  }
  for (const file of files) {
    terminal.say(`wrote ${file.path}`);
    if (file.path === options.chrome) terminal.say(`look at it: bitloom view ${file.path}`);
  }
  return EXIT.ok;
}
