/** `bitloom simulate WORKLOAD…`: passes of networks on machines, cycle by cycle or by published formulas. */
import { DRAM_PARTS } from "../../hw-models/dram-part.ts";
import { HARDWARE, hardwareNamed } from "../../hw-models/index.ts";
import { validateHardware } from "../../hw-models/schema.ts";
import { withMemory } from "../../hw-models/with-memory.ts";
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import {
  mergeReports,
  type SimulateReport,
  type SimulateRequest,
  type Simulation,
  simulate,
} from "../../simulator/simulate.ts";
import type { AllocationRule } from "../../simulator/workload/allocation.ts";
import { tileMachine } from "../passes/tile-machine.ts";
import { nearest } from "../report.ts";
import { readAllocation } from "./allocation-table.ts";
import { readSources } from "./check.ts";
import { type OutputFile, readText, writeFiles } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { refuse } from "./request.ts";
import { type Output, putOut } from "./sections.ts";
import { type FormatSources, formatSources, splitList } from "./simulate-formats.ts";
import type { PeerPlan } from "./simulate-peer.ts";
import {
  type Plan,
  type PlannedMachine,
  readPlan,
  readSizes,
  requestsOf,
  type SimulateOptions,
} from "./simulate-plan.ts";
import { sectionsOf } from "./simulate-report.ts";
import { runAll, threadsFor } from "./simulate-threads.ts";
import { type FoundWorkload, readWorkload } from "./simulate-workloads.ts";
import { formatCount, formatSeconds } from "./table.ts";
import { EXIT, type Exit, type Terminal, usageError } from "./terminal.ts";
import { TRACE_OPTIONS, traceFiles } from "./trace-files.ts";

const DEPTHS = ["cycle", "pe", "peer"] as const;

/** `kvBits` as it is written on the command line. */
const flagOf = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** The plan of a published simulator: its options need no file either. */
function readPeerPlan(terminal: Terminal, options: SimulateOptions): PeerPlan | Exit {
  const sizes = readSizes(terminal, options);
  if (typeof sizes === "number") return sizes;
  const none = [
    "dataflow",
    "kv",
    "activations",
    "weights",
    "loom",
    "allocation",
    "experts",
    "threads",
    "maxCycles",
    "elementwise",
  ] as const;
  for (const name of [...none, ...TRACE_OPTIONS, "kvBits", "report", "window"] as const)
    if (options[name] !== undefined)
      return usageError(
        terminal,
        `--${flagOf(name)} has no meaning with --depth peer`,
        "a published simulator has its own",
      );
  const weightBits = options.weightBits === undefined ? undefined : splitList(options.weightBits).map(Number);
  if (weightBits?.some((bits) => !(bits >= 1 && bits <= 16)))
    return usageError(terminal, "--weight-bits takes numbers from 1 to 16, comma-separated, such as 4.5");
  return {
    ...sizes,
    preset: options.preset,
    hardware: options.hw === undefined ? undefined : splitList(options.hw),
    weightBits,
    output: outputOf(options),
  };
}

function outputOf({ json, csv, markdown }: SimulateOptions): Output {
  return json ? "json" : csv ? "csv" : markdown ? "markdown" : "text";
}

/** What a command needs while it reads its inputs. */
interface Inputs {
  readonly sources: Source[];
  readonly diagnostics: Diagnostics;
  readonly formats: FormatSources;
}

/**
 * Machines by name or file, each with a memory by its timing behind a `+` (`+ddr4-3200x2`: two channels) and weights of
 * its own behind an `@`; mistakes in files go to `diagnostics`, whose
 * spans index `sources`.
 */
function readMachines(
  terminal: Terminal,
  names: readonly string[],
  { sources, diagnostics, formats }: Inputs,
): readonly PlannedMachine[] | Exit {
  const machines: PlannedMachine[] = [];
  for (const whole of names) {
    const [, name = whole, part, channels, own] =
      /^(.*?)(?:\+([a-z0-9-]+?)(?:x([1-9]\d{0,3}))?)?(?:@([^@/]+))?$/.exec(whole) ?? [];
    const isFile = name.endsWith(".json") || name.includes("/");
    const text = isFile ? readText(terminal, name) : undefined;
    if (isFile && text === undefined) return EXIT.unreadable;
    if (text !== undefined) sources.push({ name, text });
    const model = text === undefined ? hardwareNamed(name) : validateHardware(text, sources.length - 1, diagnostics);
    if (model === undefined && text !== undefined) continue;
    if (model?.kind !== "accelerator") return noMachine(terminal, name, model !== undefined);
    const memory = part === undefined ? undefined : DRAM_PARTS.find((p) => p.name === part);
    if (part !== undefined && memory === undefined)
      return usageError(
        terminal,
        `there is no memory part \`${part}\``,
        `there is ${DRAM_PARTS.map((p) => p.name).join(", ")}`,
      );
    const hardware = memory === undefined ? model : withMemory(model, memory, Number(channels ?? memory.channels));
    const found = own === undefined ? undefined : formats.lookUp(own, `--hw ${name}@`);
    if (found !== undefined && "exit" in found) return found.exit;
    machines.push({ hardware, weights: found?.storage });
  }
  return machines;
}

function noMachine(terminal: Terminal, name: string, exists: boolean): Exit {
  const known = HARDWARE.filter((m) => m.kind === "accelerator").map((m) => m.name);
  const meant = nearest(name, known);
  const hint =
    meant === undefined ? `there is ${known.join(", ")}; a path ends in .json` : `did you mean \`${meant}\`?`;
  const what = exists ? `\`${name}\` is no accelerator` : `there is no hardware model \`${name}\``;
  return usageError(terminal, what, hint);
}

/** All runs; on one thread where a trace is collected. */
async function runRequests(
  terminal: Terminal,
  requests: readonly SimulateRequest[],
  threads: number,
  diagnostics: Diagnostics,
): Promise<readonly Simulation[]> {
  const start = performance.now();
  let runs = 0;
  let cycles = 0;
  const say = (last: string): void => {
    const seconds = (performance.now() - start) / 1000;
    const left = runs === 0 ? "" : `, ${formatSeconds((seconds / runs) * (requests.length - runs))} left`;
    terminal.progress(`${last}: ${runs} of ${requests.length} runs, ${formatCount(cycles / seconds)} cycles/s${left}`);
  };
  const [first] = requests;
  if (first !== undefined) say(`simulating ${first.phase} on ${first.hardware.name}`);
  const done = (request: SimulateRequest, report: SimulateReport): void => {
    runs++;
    cycles += report.results.reduce((sum, r) => sum + r.totals.cycles, 0);
    say(`simulated ${request.phase} on ${request.hardware.name}`);
  };
  const simulations =
    first?.trace === true
      ? traced(requests, diagnostics, done)
      : (await runAll(requests, threads, diagnostics, done)).map((report) => ({ report, trace: undefined }));
  const seconds = (performance.now() - start) / 1000;
  const on = threads > 1 && requests.length > 1 ? ` on ${threads} threads` : "";
  if (!diagnostics.failed)
    terminal.say(
      `${formatCount(cycles)} cycles in ${formatSeconds(seconds)}${on}: ${formatCount(cycles / seconds)} cycles/s`,
    );
  return simulations;
}

/** Runs that collect traces, one after the other: traces stay in this thread. */
function traced(
  requests: readonly SimulateRequest[],
  diagnostics: Diagnostics,
  done: (request: SimulateRequest, report: SimulateReport) => void,
): readonly Simulation[] {
  const simulations: Simulation[] = [];
  for (const request of requests) {
    const simulation = simulate(request, tileMachine, diagnostics);
    if (simulation === undefined) break;
    simulations.push(simulation);
    done(request, simulation.report);
  }
  return simulations;
}

/** Everything that a run reads, or how the command ends. */
async function readInputs(
  terminal: Terminal,
  paths: readonly string[],
  options: SimulateOptions,
  inputs: Inputs,
): Promise<
  | {
      readonly machines: readonly PlannedMachine[];
      readonly workloads: readonly FoundWorkload[];
      readonly allocation: readonly AllocationRule[];
    }
  | Exit
> {
  const { sources, diagnostics, formats } = inputs;
  const json = options.json === true;
  const workloads: FoundWorkload[] = [];
  for (const path of paths) {
    const found = await readWorkload(terminal, path, formats, sources, diagnostics, json);
    if ("exit" in found && found.exit !== EXIT.failed) return found.exit;
    if ("network" in found) workloads.push(found);
  }
  const machines = readMachines(terminal, splitList(options.hw ?? "systolic-128"), inputs);
  if (typeof machines === "number") return machines;
  const allocation =
    options.allocation === undefined
      ? []
      : readAllocation(
          terminal,
          options.allocation,
          formats,
          workloads.map((w) => w.network),
          sources,
          diagnostics,
        );
  if (typeof allocation === "number" && !diagnostics.failed) return allocation;
  if (diagnostics.failed || typeof allocation === "number")
    return refuse(terminal, "simulate", diagnostics, sources, json);
  return { machines, workloads, allocation };
}

/** Codes of runs that were given up. */
const ABORTED: ReadonlySet<string> = new Set(["simulate/limit"]);

/** The same request at depth `pe`. */
async function steppedRun(
  terminal: Terminal,
  read: { readonly machines: readonly PlannedMachine[]; readonly workloads: readonly FoundWorkload[] },
  plan: Plan,
  options: SimulateOptions,
  { sources, diagnostics }: Inputs,
): Promise<Exit> {
  const lists = [plan.phases, plan.weights, plan.batches, plan.contexts, plan.dataflows, read.workloads];
  const [[phase], [weights], [batch], [context], [dataflow]] = [
    plan.phases,
    plan.weights,
    plan.batches,
    plan.contexts,
    plan.dataflows,
  ];
  const workload = read.workloads[0]?.network;
  const one = lists.every((l) => l.length === 1) && (weights === undefined || typeof weights === "number");
  if (!one || phase === undefined || batch === undefined || context === undefined || workload === undefined)
    return usageError(terminal, "depth pe steps one workload, --phase, --batch, --context and --weight-bits");
  const none = [
    "kv",
    "activations",
    "allocation",
    "experts",
    "csv",
    "markdown",
    "chrome",
    "kanata",
    "perfetto",
  ] as const;
  for (const name of [...none, "kvBits", "maxCycles", "elementwise", "report", "window"] as const)
    if (options[name] !== undefined)
      return usageError(
        terminal,
        `--${flagOf(name)} has no meaning with --depth pe`,
        "it steps the array by itself, with --weight-bits; --trace writes a trace",
      );
  if (options.trace !== undefined && read.machines.length > 1)
    return usageError(terminal, "a trace is of one run: give one --hw");
  const { runPe } = await import("./simulate-pe.ts");
  const machines = read.machines.map((m) => m.hardware);
  const { trace } = options;
  const weightBits = typeof weights === "number" ? weights : undefined;
  const sized = { workload, machines, phase, batch, context, weightBits, dataflow, trace, json: options.json === true };
  return runPe(terminal, sized, sources, diagnostics);
}

export async function run(terminal: Terminal, paths: readonly string[], options: SimulateOptions): Promise<Exit> {
  const depth = options.depth ?? "cycle";
  if (!(DEPTHS as readonly string[]).includes(depth))
    return usageError(terminal, `there is no depth \`${depth}\``, `there is ${DEPTHS.join(", ")}`);
  if (depth === "peer") {
    const peer = readPeerPlan(terminal, options);
    if (typeof peer === "number") return peer;
    const { runPeer } = await import("./simulate-peer.ts");
    return runPeer(terminal, paths, peer);
  }
  const loom = options.loom === undefined ? [] : readSources(terminal, splitList(options.loom));
  if (loom === undefined) return EXIT.unreadable;
  const formats = formatSources(terminal, loom);
  const plan = readPlan(terminal, options, formats);
  if (typeof plan === "number") return plan;
  const inputs: Inputs = { sources: [], diagnostics: new Diagnostics(), formats };
  const read = await readInputs(terminal, paths, options, inputs);
  if (typeof read === "number") return read;
  if (depth === "pe") return steppedRun(terminal, read, plan, options, inputs);
  const ofOneRun = TRACE_OPTIONS.some((name) => options[name] !== undefined);
  const withTrace = ofOneRun || options.report !== undefined;
  const requests = requestsOf(plan, read.workloads, read.machines, read.allocation, withTrace);
  if (ofOneRun && requests.length > 1)
    return usageError(terminal, "a trace is of one run: give one --hw, --phase and --weight-bits");
  return cycleRuns(terminal, requests, plan, read.machines, options, inputs);
}

/** Runs everything, writes the files, and puts the report out. */
async function cycleRuns(
  terminal: Terminal,
  requests: readonly SimulateRequest[],
  plan: Plan,
  machines: readonly PlannedMachine[],
  options: SimulateOptions,
  { sources, diagnostics }: Inputs,
): Promise<Exit> {
  const threads = Math.min(plan.threads ?? threadsFor(requests.length), Math.max(1, requests.length));
  const simulations = await runRequests(terminal, requests, threads, diagnostics);
  if (diagnostics.failed) {
    refuse(terminal, "simulate", diagnostics, sources, options.json);
    return diagnostics.list.some((d) => ABORTED.has(d.code)) ? EXIT.aborted : EXIT.failed;
  }
  sayDiagnostics(terminal, diagnostics.list, sources);
  const [first] = simulations;
  const files = first?.trace === undefined ? [] : [...traceFiles(options, first.trace, plan.window)];
  if (options.report !== undefined) {
    const { reportPage } = await import("./report-page.ts");
    const page = reportPage(
      terminal,
      options.report,
      simulations,
      machines.map((m) => m.hardware),
    );
    if (page === undefined) return EXIT.failed;
    files.push(page);
  }
  const exit = writeFiles(terminal, files);
  if (exit !== EXIT.ok) return exit;
  const report = mergeReports(simulations.map((s) => s.report));
  putOut(terminal, outputOf(options), report, () => sectionsOf(report));
  sayWritten(terminal, files, options);
  return EXIT.ok;
}

function sayWritten(terminal: Terminal, files: readonly OutputFile[], options: SimulateOptions): void {
  for (const file of files) {
    terminal.say(`wrote ${file.path}`);
    if (file.path === options.chrome || file.path === options.kanata)
      terminal.say(`look at it: bitloom view ${file.path}`);
  }
}
