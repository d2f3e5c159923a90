/**
 * Times depth `cycle`: language models on every machine, and SCALE-Sim's topologies on arrays as it has them.
 * `npx esbuild bench/cycle.ts --bundle --platform=node --format=esm --outfile=out/cycle.mjs && node out/cycle.mjs [FOLDER]`;
 * FOLDER holds topologies of SCALE-Sim's. Each row runs in a process of its own, so that its memory is its own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { tileMachine } from "../compiler/passes/tile-machine.ts";
import { ACCELERATORS } from "../hw-models/index.ts";
import type { AcceleratorModel, Dataflow } from "../hw-models/schema.ts";
import { Diagnostics } from "../ir/diagnostics.ts";
import { runProgram } from "../simulator/engine.ts";
import { idealMachine } from "../simulator/evidence/ideal-machine.ts";
import { readTopology } from "../simulator/peer/scalesim-topology.ts";
import { gemmOf } from "../simulator/peer/workload.ts";
import { simulate } from "../simulator/simulate.ts";
import { layersOf, type Transformer } from "../simulator/workload/layers.ts";
import { matmulProgram, plainFormat } from "../simulator/workload/matmul.ts";

const LLAMA_2_7B: Transformer = {
  name: "Llama-2-7B",
  hidden: 4096,
  feedForward: 11008,
  blocks: 32,
  heads: 32,
  keyValueHeads: 32,
  headSize: 128,
  vocabulary: 32000,
};
const LLAMA_3_70B: Transformer = {
  name: "Llama-3-70B",
  hidden: 8192,
  feedForward: 28672,
  blocks: 80,
  heads: 64,
  keyValueHeads: 8,
  headSize: 128,
  vocabulary: 128256,
};
const MODELS = [LLAMA_2_7B, LLAMA_3_70B];
const CONTEXT = 2048;
const RUNS = 5;

/** One row: what is run, and cycles that it takes. */
interface Measured {
  readonly cycles: number;
  readonly cpuSeconds: readonly number[];
  readonly peakMB: number;
}

/** Prefill and one decode step; bits that a machine does not take are left out. */
function language(model: Transformer, machine: AcceleratorModel, bits: number): number | undefined {
  let cycles = 0;
  for (const phase of ["prefill", "decode"] as const) {
    const request = { workload: model, hardware: machine, phase, batch: 1, context: CONTEXT, weights: bits };
    const result = simulate(request, tileMachine, new Diagnostics())?.report.results[0];
    if (result === undefined) return undefined;
    cycles += result.totals.cycles;
  }
  return cycles;
}

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly count: number;
}

/** The products of a topology, or of a decode block of Llama-2-7B, which SCALE-Sim cannot finish in 14 GB. */
function productsOf(source: string): readonly Product[] {
  if (source === "llama-block")
    return layersOf(LLAMA_2_7B, "decode", 1, CONTEXT)
      .slice(0, 9)
      .map(({ shape: { batch, ...shape } }) => ({ ...shape, count: batch }));
  const form = basename(source).startsWith("GEMM") ? "gemm" : "conv";
  const layers = readTopology(readFileSync(source, "utf8"), 0, new Diagnostics(), form) ?? [];
  return layers.map(gemmOf);
}

/** All products of a list on an array of which only folds take time: SCALE-Sim's own case. */
function products(list: readonly Product[], size: number, dataflow: Dataflow): number {
  const machine = idealMachine({ rows: size, columns: size, dataflow, overlap: {} });
  const weight = plainFormat("f16");
  let cycles = 0;
  for (const { count, ...shape } of list) {
    const program = matmulProgram({ name: "p", batch: 1, ...shape, activation: "f16", weight, output: "f16" });
    const tiled = tileMachine(program, machine, dataflow, new Diagnostics());
    if (tiled !== undefined) cycles += count * runProgram(tiled, machine).cycles;
  }
  return cycles;
}

function measure(name: string): Measured | undefined {
  const [kind, what = "", where = "", how = ""] = name.split("|");
  const once = (): number | undefined => {
    if (kind === "topology") return products(productsOf(what), Number(where), how as Dataflow);
    const model = MODELS.find((m) => m.name === what)!;
    return language(model, ACCELERATORS.find((m) => m.name === where)!, Number(how));
  };
  const cpuSeconds: number[] = [];
  let cycles: number | undefined;
  for (let i = 0; i < RUNS; i++) {
    // Processor time, because others may share the core.
    const start = process.cpuUsage();
    cycles = once();
    const { user, system } = process.cpuUsage(start);
    cpuSeconds.push((user + system) / 1e6);
  }
  if (cycles === undefined) return undefined;
  return { cycles, cpuSeconds, peakMB: process.resourceUsage().maxRSS / 1024 };
}

function rowsOf(folder: string | undefined): readonly string[] {
  const models = MODELS.flatMap((model) =>
    ACCELERATORS.flatMap((machine) => [16, 4].map((bits) => `model|${model.name}|${machine.name}|${bits}`)),
  );
  const files = folder === undefined || !existsSync(folder) ? [] : readdirSync(folder).map((f) => join(folder, f));
  const topologies = [...files, "llama-block"].flatMap((file) =>
    [32, 128].flatMap((size) => ["os", "ws", "is"].map((dataflow) => `topology|${file}|${size}|${dataflow}`)),
  );
  return [...models, ...topologies];
}

const [first, row] = process.argv.slice(2);
if (first === "--row") {
  console.log(JSON.stringify(measure(row ?? "") ?? null));
} else {
  console.log(`${process.version} ${process.arch}; CPU seconds, the first run of a process and the median of ${RUNS}`);
  console.log("| what | where | cycles | first | median | peak MB |\n|---|---|---|---|---|---|");
  for (const name of rowsOf(first)) {
    const { stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--row", name], {
      encoding: "utf8",
    });
    const measured = JSON.parse(stdout) as Measured | null;
    if (measured === null) continue;
    const [, what = "", where, how] = name.split("|");
    const sorted = measured.cpuSeconds.toSorted((a, b) => a - b);
    const figures = [measured.cpuSeconds[0]!, sorted[RUNS >> 1]!].map((s) => s.toFixed(3)).join(" | ");
    console.log(
      `| ${basename(what)} | ${where}, ${how} | ${measured.cycles} | ${figures} | ${measured.peakMB.toFixed(0)} |`,
    );
  }
}
