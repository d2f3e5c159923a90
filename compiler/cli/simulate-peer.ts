/** `bitloom simulate … --depth peer`: a published simulator by its own formulas, on a model, a topology or its own networks. */
import { Diagnostics, NO_SPAN, type Source } from "../../ir/diagnostics.ts";
import {
  mergePeerReports,
  type PeerRequest,
  type PeerResult,
  type PeerWorkload,
  PRESETS,
  type Preset,
  readPeerModel,
  readScalesimConfig,
  readTopology,
  type ScalesimMachine,
  simulatePeer,
} from "../../simulator/peer/index.ts";
import type { Phase } from "../../simulator/workload/layers.ts";
import { nearest } from "../report.ts";
import { readText } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { refuse } from "./request.ts";
import { type Output, putOut, type Section } from "./sections.ts";
import { comparisonSections, firstOf, joules, right, varies } from "./simulate-report.ts";
import { formatBytes, formatCount, formatSeconds } from "./table.ts";
import { EXIT, type Exit, type Terminal, usageError } from "./terminal.ts";

/** What is asked: options as written, the numbers already read. */
export interface PeerPlan {
  readonly preset: string | undefined;
  /** Machines; absent: all that the preset knows by name. */
  readonly hardware: readonly string[] | undefined;
  readonly phases: readonly Phase[];
  readonly batches: readonly number[];
  readonly contexts: readonly number[];
  /** Bits a weight; absent: those that were published. */
  readonly weightBits: readonly number[] | undefined;
  readonly output: Output;
}

interface Inputs {
  readonly sources: Source[];
  readonly sink: Diagnostics;
}

function findPreset(terminal: Terminal, name: string | undefined): Preset | Exit {
  const names = PRESETS.map((p) => p.name);
  if (name === undefined) return usageError(terminal, "say which --preset", `there is ${names.join(", ")}`);
  const preset = PRESETS.find((p) => p.name === name);
  if (preset !== undefined) return preset;
  const meant = nearest(name, names);
  const hint = meant === undefined ? `there is ${names.join(", ")}` : `did you mean \`${meant}\`?`;
  return usageError(terminal, `there is no preset \`${name}\``, hint);
}

/** The file at `path`, put where spans find it, or undefined once the reader has been told why not. */
function open(terminal: Terminal, path: string, { sources }: Inputs): Source | undefined {
  const text = readText(terminal, path);
  if (text === undefined) return undefined;
  const source = { name: path, text };
  sources.push(source);
  return source;
}

/** A network of the preset by name, a topology of SCALE-Sim's (.csv), or a config.json. */
function readWorkload(terminal: Terminal, path: string, preset: Preset, inputs: Inputs): PeerWorkload | Exit {
  if (preset.networks.includes(path)) return { kind: "network", name: path };
  const source = open(terminal, path, inputs);
  if (source === undefined) return EXIT.unreadable;
  const file = inputs.sources.length - 1;
  if (path.toLowerCase().endsWith(".csv")) {
    const layers = readTopology(source.text, file, inputs.sink);
    return layers === undefined ? EXIT.failed : { kind: "layers", name: path, layers };
  }
  const model = readPeerModel(source.text, file, path, inputs.sink);
  return model === undefined ? EXIT.failed : { kind: "model", model };
}

/** Machines by name; one whose name ends in .cfg is a file of SCALE-Sim's. */
function readMachines(
  terminal: Terminal,
  names: readonly string[],
  inputs: Inputs,
): readonly (string | ScalesimMachine)[] | Exit {
  const machines: (string | ScalesimMachine)[] = [];
  for (const name of names) {
    if (!name.toLowerCase().endsWith(".cfg")) {
      machines.push(name);
      continue;
    }
    const source = open(terminal, name, inputs);
    if (source === undefined) return EXIT.unreadable;
    const machine = readScalesimConfig(source.text, inputs.sources.length - 1, inputs.sink);
    if (machine !== undefined) machines.push(machine);
  }
  return machines;
}

/** One line for each run; the speedup is against the first run of the same pass, in time where there is a clock. */
function runsSection(results: readonly PeerResult[]): Section {
  const [workloads, batches, contexts] = (["workload", "batch", "context"] as const).map((key) =>
    varies(results, (r) => r[key]),
  );
  const rows = results.map((r) => {
    const { totals } = r;
    const first = firstOf(results, r).totals;
    const speedup =
      totals.timeSeconds === undefined || first.timeSeconds === undefined
        ? first.cycles / totals.cycles
        : first.timeSeconds / totals.timeSeconds;
    const { dram } = totals.bytes;
    return [
      ...(workloads ? [r.workload] : []),
      r.hardware,
      r.phase,
      ...(batches ? [`${r.batch}`] : []),
      ...(contexts ? [`${r.context}`] : []),
      r.weightBits === undefined ? "" : r.weightBits.toFixed(4).replace(/\.?0+$/, ""),
      `${totals.cycles}`,
      totals.timeSeconds === undefined ? "" : formatSeconds(totals.timeSeconds),
      `${speedup.toFixed(3)}×`,
      `${((100 * totals.computeCycles) / totals.cycles).toFixed(1)} %`,
      formatCount(totals.macs),
      dram === undefined ? "" : formatBytes(dram.read + dram.write),
      totals.energyPJ === undefined ? "" : joules(totals.energyPJ.total),
    ];
  });
  return {
    columns: [
      ...(workloads ? [{ title: "Workload" }] : []),
      { title: "Machine" },
      { title: "Phase" },
      ...(batches ? [right("Batch")] : []),
      ...(contexts ? [right("Context")] : []),
      right("Bits"),
      right("Cycles"),
      right("Time", 2),
      right("Speedup"),
      right("Computing", 1),
      right("MACs", 4),
      right("DRAM", 3),
      right("Energy"),
    ],
    rows,
  };
}

/** Machines that nobody named are all that can: those without this network are left out. */
function knowsNetwork(preset: Preset, hardware: string | ScalesimMachine, workload: PeerWorkload): boolean {
  if (workload.kind !== "network") return true;
  const trial = new Diagnostics();
  preset.run({ preset: preset.name, hardware, workload, phase: "prefill", batch: 1, context: 1 }, trial, NO_SPAN);
  return !trial.list.some((d) => d.code === "peer/network");
}

/** Runs one preset on workloads × sizes × machines × phases × weight bits. */
export async function runPeer(terminal: Terminal, paths: readonly string[], plan: PeerPlan): Promise<Exit> {
  const preset = findPreset(terminal, plan.preset);
  if (typeof preset === "number") return preset;
  const inputs: Inputs = { sources: [], sink: new Diagnostics() };
  const { sources, sink } = inputs;
  const json = plan.output === "json";
  const workloads: PeerWorkload[] = [];
  for (const path of paths) {
    const workload = readWorkload(terminal, path, preset, inputs);
    if (workload === EXIT.unreadable) return workload;
    if (typeof workload === "object") workloads.push(workload);
  }
  const named = plan.hardware ?? preset.hardware.filter((name) => /^[a-z0-9-]+$/.test(name));
  const machines = readMachines(terminal, named, inputs);
  if (typeof machines === "number") return machines;
  if (sink.failed) return refuse(terminal, "simulate", sink, sources, json);
  const results: PeerResult[] = [];
  for (const request of requestsOf(plan, preset, workloads, machines)) {
    const report = simulatePeer(request, sink);
    if (report === undefined) return refuse(terminal, "simulate", sink, sources, json);
    results.push(...report.results);
  }
  sayDiagnostics(terminal, sink.list, sources);
  const report = mergePeerReports(results);
  putOut(terminal, plan.output, report, () => [runsSection(results), ...comparisonSections(report.comparison)]);
  return EXIT.ok;
}

function requestsOf(
  plan: PeerPlan,
  preset: Preset,
  workloads: readonly PeerWorkload[],
  machines: readonly (string | ScalesimMachine)[],
): readonly PeerRequest[] {
  const requests: PeerRequest[] = [];
  for (const workload of workloads) {
    const able = plan.hardware === undefined ? machines.filter((m) => knowsNetwork(preset, m, workload)) : machines;
    for (const batch of plan.batches)
      for (const context of plan.contexts)
        for (const hardware of able)
          for (const phase of plan.phases)
            for (const bits of plan.weightBits ?? [undefined]) {
              const request = { preset: preset.name, hardware, workload, phase, batch, context };
              requests.push(bits === undefined ? request : { ...request, weightBits: bits });
            }
  }
  return requests;
}
