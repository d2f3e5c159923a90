/** BitMoD's published cycles and energies, and those of its revised simulator, against our transcription of its formulas. */
import { describe, expect, it } from "vitest";
import { Diagnostics, NO_SPAN } from "../../ir/diagnostics.ts";
import { type BitmodResult, runBitmod } from "../../simulator/peer/bitmod.ts";
import {
  type BitmodAccelerator,
  type BitmodVersion,
  KNOWN_MODELS,
  publishedWeightBits,
} from "../../simulator/peer/data/language-models.ts";
import type { Phase } from "../../simulator/peer/workload.ts";
import { type Row, readTable } from "./csv.ts";

const accelerators: Readonly<Record<string, BitmodAccelerator>> = {
  "FP16-baseline/-": "fp16-baseline",
  "ANT/lossy": "ant",
  "OliVe/lossy": "olive",
  "BitMoD/lossless": "bitmod-lossless",
  "BitMoD/lossy": "bitmod-lossy",
};

const phaseOf = (row: Row): Phase => (row.mode!.startsWith("disc") ? "prefill" : "decode");
const acceleratorOf = (row: Row): BitmodAccelerator => accelerators[`${row.accelerator}/${row.config}`]!;
const nameOf = (row: Row): string =>
  `${acceleratorOf(row)} ${row.model} ${phaseOf(row)} batch ${row.batch} context ${row.ctx}`;

function run(
  version: BitmodVersion,
  accelerator: BitmodAccelerator,
  modelId: string,
  phase: Phase,
  batch: number,
  context: number,
): BitmodResult {
  const model = KNOWN_MODELS.find((m) => m.id === modelId)!;
  const weightBits = publishedWeightBits(version, accelerator, model)![phase];
  const diagnostics = new Diagnostics();
  const request = { version, accelerator, workload: model.shape, phase, batch, context, weightBits };
  const result = runBitmod(request, diagnostics, NO_SPAN);
  expect(diagnostics.list).toEqual([]);
  return result!;
}

const runRow = (row: Row): BitmodResult =>
  run(
    row.sim_version as BitmodVersion,
    acceleratorOf(row),
    row.model!,
    phaseOf(row),
    Number(row.batch),
    Number(row.ctx),
  );

function cyclesOf(result: BitmodResult): Readonly<Record<string, number>> {
  const sum = (kind: "linear" | "attention", value: "computeCycles" | "dramCycles"): number =>
    result.layers.filter((l) => l.kind === kind).reduce((s, l) => s + l[value], 0);
  return {
    compute_cycles_sum: result.totals.computeCycles,
    "total_cycles(sum of per-layer max(compute,dram))": result.totals.cycles,
    compute_cycles_linear: sum("linear", "computeCycles"),
    compute_cycles_attn: sum("attention", "computeCycles"),
    dram_cycles_linear: sum("linear", "dramCycles"),
    dram_cycles_attn: sum("attention", "dramCycles"),
    layers_memory_bound: result.layers.filter((l) => l.dramCycles > l.computeCycles).length,
    layers: result.layers.length,
  };
}

const microjoules = (result: BitmodResult): Readonly<Record<string, number>> => ({
  pe_energy_uJ: result.totals.energyPJ.pe / 1e6,
  sram_rd_uJ: result.totals.energyPJ.sramRead / 1e6,
  sram_wr_uJ: result.totals.energyPJ.sramWrite / 1e6,
  dram_uJ: result.totals.energyPJ.dram / 1e6,
  onchip_uJ: (result.totals.energyPJ.total - result.totals.energyPJ.dram) / 1e6,
  total_uJ: result.totals.energyPJ.total / 1e6,
});

function expectRow(row: Row): void {
  const result = runRow(row);
  const cycles = cyclesOf(result);
  expect(cycles).toEqual(Object.fromEntries(Object.keys(cycles).map((name) => [name, Number(row[name])])));
  for (const [name, ours] of Object.entries(microjoules(result))) {
    expect(Math.abs(ours / Number(row[name]) - 1), `${name}: ${ours} for ${row[name]}`).toBeLessThan(1e-5);
  }
}

describe("bitmod-v1", () => {
  const rows = readTable("bitmod/published-v1.csv");

  it("has the 60 published configurations", () => {
    expect(rows.length).toBe(60);
    expect(new Set(rows.map(nameOf)).size).toBe(60);
  });

  it.each(rows.map((row) => ({ name: nameOf(row), row })))("$name", ({ row }) => {
    expectRow(row);
    const result = runRow(row);
    expect(result.totals.cycles).toBe(Number(row.published_total_cycles));
    // The notebook prints whole microjoules.
    expect(Math.abs(result.totals.energyPJ.total / 1e6 - Number(row.published_total_uJ))).toBeLessThanOrEqual(1);
  });
});

describe("bitmod-v2", () => {
  const rows = readTable("bitmod/revised-v2.csv");
  it.each(rows.map((row) => ({ name: nameOf(row), row })))("$name", ({ row }) => expectRow(row));
});
