/** The demonstration: compiles, runs and simulates real things, and shows one screen of what came out. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type NodeDevice, openNodeDevice } from "../backends/hosts/node-webgpu.ts";
import { planWebGpu, runWebGpu } from "../backends/hosts/webgpu.ts";
import { findTarget, TARGETS } from "../backends/index.ts";
import { check } from "../compiler/check/check.ts";
import { type OutputFile, writeFiles } from "../compiler/cli/files.ts";
import { printSections } from "../compiler/cli/sections.ts";
import { sectionsOf } from "../compiler/cli/simulate-report.ts";
import { formatBytes, formatCount, formatSeconds, printTable } from "../compiler/cli/table.ts";
import { EXIT, type Exit, openTerminal, type Terminal } from "../compiler/cli/terminal.ts";
import { type Compiled, compile } from "../compiler/driver.ts";
import { tileMachine } from "../compiler/passes/tile-machine.ts";
import {
  compareOutput,
  consultOracle,
  readOutputs,
  runReference,
  sampleInputs,
  storeInputs,
} from "../compiler/trial.ts";
import { VERSION } from "../compiler/version.ts";
import { hardwareNamed } from "../hw-models/index.ts";
import { Diagnostics, internal } from "../ir/diagnostics.ts";
import { chromeTrace } from "../simulator/export-chrome.ts";
import { mergeReports, type Simulation, simulate } from "../simulator/simulate.ts";
import { readHuggingFace } from "../simulator/workload/hugging-face.ts";

const SOURCE = "examples/quickstart.loom";
const CONFIG = "examples/llama-2-7b.config.json";
const OPS = ["linear_w4a16", "linear_w2a8", "linear_nf4"] as const;
/** A linear layer of Llama-2-7B for 16 tokens; what is run on this machine is smaller, because the oracle is slow. */
const SIZES = { M: 16, N: 4096, K: 4096 };
const SMALL_SIZES = { M: 5, N: 192, K: 512 };
/** Machines with the bits of their weights: FP16, and the three that BitMoD's paper compares. */
const MACHINES = [
  ["fp16-baseline", 16],
  ["ant-fp16", 4],
  ["olive-fp16", 4],
  ["bitmod", 4],
] as const;
const TOKENS = 2048;
/** Cycles of the decode run that the Chrome trace covers: the first products, in a file that opens at once. */
const TRACE_CYCLES = 1_000_000;
const REPORT = "out/llama-2-7b.report.json";
const TRACE = "out/llama-2-7b.decode.trace.json";

const title = (terminal: Terminal, text: string): void => terminal.out(`\n${terminal.style("bold", text)}`);
const sizesText = (sizes: Readonly<Record<string, number>>): string =>
  Object.entries(sizes)
    .map(([name, size]) => `${name}=${size}`)
    .join(" ");

function compileFor(op: string, target: string, sizes: Readonly<Record<string, number>>): Compiled {
  const diagnostics = new Diagnostics();
  const sources = [{ name: SOURCE, text: readFileSync(SOURCE, "utf8") }];
  const compiled = compile({ sources, op, sizes, target }, diagnostics, check(sources, diagnostics));
  return compiled ?? internal(`${op} for ${target}: ${diagnostics.list[0]?.message}`);
}

/** Compiles every operator for every target into out/ and shows what was chosen for the H100. */
function showCompilation(terminal: Terminal): readonly OutputFile[] {
  const start = performance.now();
  const all = OPS.flatMap((op) =>
    TARGETS.map((target) => {
      terminal.progress(`compiling ${op} for ${target.name}`);
      return compileFor(op, target.name, SIZES);
    }),
  );
  const each = (performance.now() - start) / 1000 / all.length;
  const files = all.flatMap((c) => [
    ...c.files.map((f) => ({ path: join("out", c.target.name, f.name), content: f.text })),
    { path: join("out", c.target.name, `${c.name}.report.json`), content: `${JSON.stringify(c.report, null, 2)}\n` },
  ]);
  title(
    terminal,
    `${OPS.length} operators for ${TARGETS.length} targets at ${sizesText(SIZES)}, ${formatSeconds(each)} each`,
  );
  const shown = all.filter((c) => c.target.name === "cuda.sm90a");
  printTable(
    terminal,
    [
      { title: "Operator" },
      { title: "On cuda.sm90a", drop: 2 },
      { title: "Moves", align: "right" },
      { title: "Computes", align: "right", drop: 1 },
      { title: "Floor on an H100" },
    ],
    shown.map(({ report }) => [
      report.op,
      `${report.schedule.strategy}${report.schedule.row === undefined ? "" : ` ${report.schedule.row}`}`,
      formatBytes(report.bytes.read + report.bytes.written),
      `${formatCount(report.operations.count)} ${report.operations.unit}s`,
      report.expected.floorMicroseconds === null
        ? "unknown"
        : `${formatSeconds(report.expected.floorMicroseconds * 1e-6)} (${report.expected.limiter})`,
    ]),
  );
  return files;
}

async function openWebGpu(): Promise<NodeDevice | string> {
  try {
    return await openNodeDevice();
  } catch (error) {
    return (error as Error).message.split("\n")[0]!;
  }
}

/** Runs the operators on WebGPU, or in the kernel evaluator where there is none, and compares with the oracle. */
async function showRuns(terminal: Terminal): Promise<boolean> {
  const device = await openWebGpu();
  const target = typeof device !== "string" && device.features.has("subgroups") ? "wgsl.p2" : "wgsl.p0";
  const rows: string[][] = [];
  let matches = true;
  for (const op of OPS) {
    terminal.progress(`running ${op}`);
    const compiled = compileFor(op, target, SMALL_SIZES);
    const inputs = sampleInputs(compiled.source, 1);
    const plan = planWebGpu(compiled, findTarget(target)!);
    const types = new Map(plan.tensors.map((t) => [t.id, t.type]));
    const outputs =
      typeof device === "string"
        ? runReference(compiled, inputs)
        : readOutputs(
            compiled.program,
            await runWebGpu(device.device, plan, storeInputs(compiled.program, inputs)),
            (id) => types.get(id)!,
          );
    terminal.progress(`asking the oracle about ${op}`);
    const oracle = consultOracle(compiled.source, inputs);
    const [id = ""] = Object.keys(outputs);
    const { accumulator } = compiled.report;
    const c = compareOutput(outputs[id]!, oracle.values[id]!, oracle.magnitudes[id]!, accumulator);
    if (c.outside > 0) matches = false;
    rows.push([
      op,
      c.outside === 0 ? terminal.style("green", "yes") : terminal.style("red", `${c.outside} differ`),
      `${c.elements}`,
      accumulator.exactSum ? "exact" : accumulator.type,
      c.maxError.toExponential(1),
      `${(100 * c.maxOfBound).toFixed(0)} %`,
    ]);
  }
  const where =
    typeof device === "string" ? `in the kernel evaluator (no WebGPU: ${device})` : `on ${device.description}`;
  if (typeof device !== "string") await device.close();
  title(terminal, `The same operators as ${target} ${where}, against the oracle, at ${sizesText(SMALL_SIZES)}`);
  printTable(
    terminal,
    [
      { title: "Operator" },
      { title: "Matches" },
      { title: "Elements", align: "right" },
      { title: "Sum" },
      { title: "Largest error", align: "right" },
      { title: "Of its bound", align: "right" },
    ],
    rows,
  );
  return matches;
}

/** Simulates Llama-2-7B; the files are the reports and the trace of decoding on BitMoD. */
function showSimulation(terminal: Terminal): readonly OutputFile[] {
  const sink = new Diagnostics();
  const workload = readHuggingFace(readFileSync(CONFIG, "utf8"), 0, "Llama-2-7B", sink);
  if (workload === undefined) internal(`cannot read ${CONFIG}`);
  const runs: Simulation[] = [];
  const start = performance.now();
  for (const phase of ["prefill", "decode"] as const) {
    for (const [machine, weights] of MACHINES) {
      terminal.progress(`simulating ${phase} on ${machine}`);
      const hardware = hardwareNamed(machine);
      if (hardware?.kind !== "accelerator") internal(`no machine ${machine}`);
      const trace = phase === "decode" && machine === MACHINES.at(-1)![0];
      const run = simulate({ workload, hardware, phase, batch: 1, context: TOKENS, weights, trace }, tileMachine, sink);
      runs.push(run ?? internal(`${phase}: ${sink.list[0]?.message}`));
    }
  }
  const results = runs.flatMap((r) => r.report.results);
  const cycles = results.reduce((sum, r) => sum + r.totals.cycles, 0);
  const seconds = (performance.now() - start) / 1000;
  title(
    terminal,
    `${workload.name}, ${TOKENS} tokens, ${formatCount(cycles)} cycles simulated in ${formatSeconds(seconds)}`,
  );
  printSections(terminal, sectionsOf(mergeReports(runs.map((r) => r.report))));
  const trace = runs.at(-1)?.trace ?? internal("no trace");
  return [
    {
      path: REPORT,
      content: `${JSON.stringify(
        runs.map((r) => r.report),
        null,
        2,
      )}\n`,
    },
    { path: TRACE, content: chromeTrace(trace, { from: 0, to: TRACE_CYCLES }) },
  ];
}

/** Shows everything and writes the files; the exit code of the demonstration. */
export async function demonstrate(): Promise<Exit> {
  const terminal = openTerminal(process.stdout, process.stderr, process.env);
  terminal.out(`${terminal.style("bold", "Bitloom")} ${VERSION}`);
  const files = [...showCompilation(terminal)];
  const matches = await showRuns(terminal);
  files.push(...showSimulation(terminal));
  terminal.progress("writing files");
  const exit = writeFiles(terminal, files);
  if (exit !== EXIT.ok) return exit;
  title(terminal, "Files");
  const list = [
    ["out/<target>/", `sources, launchers and reports: ${files.length - 2} files for ${TARGETS.length} targets`],
    [REPORT, "every layer: cycles, stalls by cause, bytes, energy"],
    [TRACE, `the first ${formatCount(TRACE_CYCLES)} cycles of decoding on BitMoD, for Perfetto`],
  ] as const;
  for (const [path, what] of list) terminal.out(`${path.padEnd(TRACE.length)}  ${what}`);
  terminal.out(`\nLook at the trace: ${terminal.style("cyan", `node dist/compiler/cli.js view ${TRACE}`)}`);
  return matches ? EXIT.ok : EXIT.failed;
}
