/** Every layer of ANT's simulator that is known, against our search. */
import { describe, expect, it } from "vitest";
import { type AntLayer, type AntResult, runAnt } from "../../simulator/peer/ant.ts";
import { type LanguageNetworkName, languageNetwork } from "../../simulator/peer/data/ant-language-networks.ts";
import type { AntMachineName, ForkMachineName, PublishedMachineName } from "../../simulator/peer/data/ant-machines.ts";
import { type AntNetworkName, antNetwork } from "../../simulator/peer/data/ant-networks.ts";
import { type Row, readTable } from "./csv.ts";

const rows = readTable("ant/layers.csv");
const machineOf = (name: string): PublishedMachineName => name.toLowerCase() as PublishedMachineName;

const layerOf = (row: Row): AntLayer => ({
  kernel: Number(row.K),
  output: Number(row.O),
  inputChannels: Number(row.IC),
  outputChannels: Number(row.OC),
  batch: Number(row.B),
  bits: Number(row.prec),
});

const known = new Map<string, AntResult>();
function runAntOnce(layer: AntLayer, machine: AntMachineName): AntResult {
  const { kernel, output, inputChannels, outputChannels, batch, bits } = layer;
  const key = [machine, kernel, output, inputChannels, outputChannels, batch, bits].join(" ");
  const found = known.get(key) ?? runAnt(layer, machine)!;
  known.set(key, found);
  return found;
}

describe("ant, layers", () => {
  const groups = [...new Set(rows.map((row) => `${row.acc} ${row.net}`))];
  it.each(groups)("%s", (group) => {
    for (const row of rows.filter((r) => `${r.acc} ${r.net}` === group)) {
      const at = `${group} layer ${row.layer}`;
      const { cost, energyNJ } = runAntOnce(layerOf(row), machineOf(row.acc!));
      expect(
        {
          cycles: cost.cycles,
          compute_cycles: cost.computeCycles,
          stall_cycles: cost.stallCycles,
          dram_read_bits: cost.dramReadBits,
          dram_write_bits: cost.dramWriteBits,
        },
        at,
      ).toEqual({
        cycles: Number(row.cycles),
        compute_cycles: Number(row.compute_cycles),
        stall_cycles: Number(row.stall_cycles),
        dram_read_bits: Number(row.dram_read_bits),
        dram_write_bits: Number(row.dram_write_bits),
      });
      for (const part of ["static", "dram", "sram", "core"] as const)
        expect(energyNJ[part] / Number(row[`${part}_nJ`]), `${at} ${part}`).toBeCloseTo(1, 9);
    }
  });
});

function expectTotals(row: Row, layers: readonly AntResult[]): void {
  const sum = (value: (layer: AntResult) => number): number => layers.reduce((s, l) => s + value(l), 0);
  expect(sum((l) => l.cost.cycles)).toBe(Number(row.total_cycles));
  expect(sum((l) => l.cost.stallCycles)).toBe(Number(row.stall_cycles));
  expect(sum((l) => l.cost.dramReadBits)).toBe(Number(row.dram_read_bits));
  expect(sum((l) => l.cost.dramWriteBits)).toBe(Number(row.dram_write_bits));
  for (const part of ["static", "dram", "sram", "core"] as const)
    expect(sum((l) => l.energyNJ[part]) / Number(row[`${part}_nJ`]), part).toBeCloseTo(1, 7);
}

const totals = readTable("ant/totals.csv").map((row) => ({ name: `${row.accelerator} ${row.network}`, row }));
const isOfAnt = (row: Row): boolean => row.source_sim!.startsWith("ANT");

describe("ant, totals of all eight networks on six machines", () => {
  it.each(totals.filter(({ row }) => isOfAnt(row)))("$name", ({ row }) => {
    const machine = machineOf(row.accelerator!);
    const layers = antNetwork(row.network as AntNetworkName, machine);
    expectTotals(
      row,
      layers.map((layer) => runAntOnce({ ...layer, batch: layer.rows * Number(row.batch) }, machine)),
    );
  });
});

describe("ant, totals of language models on the machines of its fork", () => {
  it.each(totals.filter(({ row }) => !isOfAnt(row)))("$name", ({ row }) => {
    const machine = `${row.accelerator}-${row.array_NxM}` as ForkMachineName;
    const layers = languageNetwork(row.network as LanguageNetworkName, machine);
    expectTotals(
      row,
      layers.map((layer) => runAntOnce({ ...layer, batch: layer.rows }, machine)),
    );
  });
});
