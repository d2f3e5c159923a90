/** Products that others measured on a TPU v3, on the machine `tpu-v3`: its one calibrated number is the memory's latency. */
import { partsOf } from "../../hw-models/derive.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { runProgram } from "../engine.ts";
import type { Tiler } from "../simulate.ts";
import { matmulProgram, plainFormat } from "../workload/matmul.ts";
import { type EvidenceGroup, type EvidenceRow, OPEN, relative } from "./row.ts";

/** M = N = K, and cycles: PyTorchSim's artifact, baseline_cycle.csv. */
const MEASURED: readonly (readonly [size: number, cycles: number])[] = [
  [256, 3101],
  [512, 9490],
  [1024, 47099],
  [2048, 317435],
];

/** Mean absolute errors on these four, from the same table: SCALE-Sim v3; and PyTorchSim's own over all its workloads. */
const SCALESIM_MEAN_PERCENT = 30.7;
const PYTORCHSIM_MEAN_PERCENT = 11.5;

/** Products within this of the measurement agree: the machine has no compiler, host or second core. */
const WITHIN = 0.05;

function machineWith(latencyCycles: number | undefined): AcceleratorModel {
  const machine = hardwareNamed("tpu-v3");
  if (machine?.kind !== "accelerator") return internal("no machine tpu-v3");
  const latency = latencyCycles ?? partsOf(machine).dram.latencyCycles;
  return {
    ...machine,
    units: machine.units.map((u) => (u.kind === "dram" ? { ...u, latencyCycles: latency } : u)),
  };
}

function cyclesOf(size: number, machine: AcceleratorModel, tile: Tiler): number {
  const operands = { activation: "f16", weight: plainFormat("f16"), output: "f16" } as const;
  const program = matmulProgram({ name: `gemm-${size}`, batch: 1, m: size, n: size, k: size, ...operands });
  const tiled = tile(program, machine, "ws", new Diagnostics()) ?? internal(`${size} does not fit`);
  return runProgram(tiled, machine).cycles;
}

/** Mean of |ours / measured − 1| in percent, over the products that are not left out. */
function meanErrorPercent(machine: AcceleratorModel, tile: Tiler, without?: number): number {
  const kept = MEASURED.filter(([size]) => size !== without);
  const sum = kept.reduce((s, [size, cycles]) => s + Math.abs(cyclesOf(size, machine, tile) / cycles - 1), 0);
  return (100 * sum) / kept.length;
}

/** The latency that fits the smallest product alone: what the others then show is not calibrated. */
const FITS_SMALLEST = 906;

/** Four products, and the mean absolute error with the latency calibrated on all, on one, and left at nothing. */
export function tpuEvidence(tile: Tiler): EvidenceGroup {
  const calibrated = machineWith(undefined);
  const mean = (claim: string, published: number, ours: number, note: string): EvidenceRow => ({
    ...{ claim: `mean absolute error, %: ${claim}`, published, ours, agreement: OPEN, note },
  });
  const beside = "published: SCALE-Sim v3 on the same four products; nothing has to agree, less is better";
  return {
    name: "tpu-v3",
    title: "Products on a TPU v3 core, depth cycle, machine tpu-v3",
    source: "PyTorchSim artifact, baseline_cycle.csv: cycles measured on the device",
    rows: [
      ...MEASURED.map(
        ([size, cycles]): EvidenceRow => ({
          claim: `${size}×${size}×${size}: cycles`,
          published: cycles,
          ours: cyclesOf(size, calibrated, tile),
          agreement: relative(WITHIN),
        }),
      ),
      mean("latency calibrated on all four", SCALESIM_MEAN_PERCENT, meanErrorPercent(calibrated, tile), beside),
      mean(
        "on the three larger ones, latency calibrated on the smallest",
        SCALESIM_MEAN_PERCENT,
        meanErrorPercent(machineWith(FITS_SMALLEST), tile, 256),
        beside,
      ),
      mean("nothing calibrated, no latency", SCALESIM_MEAN_PERCENT, meanErrorPercent(machineWith(0), tile), beside),
      mean(
        "beside PyTorchSim over all its workloads",
        PYTORCHSIM_MEAN_PERCENT,
        meanErrorPercent(calibrated, tile),
        "published: PyTorchSim's own, over more workloads than these four, of which its share is not published",
      ),
    ],
  };
}
