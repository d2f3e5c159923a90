/** The totals of BitFusion's published sweep against our transcription of its search. */
import { describe, expect, it } from "vitest";
import { type BitfusionResult, runBitfusion } from "../../simulator/peer/bitfusion.ts";
import { BITFUSION_MACHINES, BITFUSION_NETWORKS } from "../../simulator/peer/data/bitfusion-networks.ts";
import { readTable } from "./csv.ts";

const rows = readTable("ant/bitfusion-published-totals.csv");

describe("bitfusion", () => {
  it.each(rows.map((row) => ({ name: `${row.network} ${row.N}x${row.M} at ${row.bw_bits_per_cycle}`, row })))(
    "$name",
    ({ row }) => {
      const machine = BITFUSION_MACHINES[`${row.N}x${row.M}-${row.bw_bits_per_cycle}`]!;
      const layers = BITFUSION_NETWORKS[row.network!]!.map((l) => runBitfusion(l, machine, Number(row.batch))!);
      const sum = (value: (layer: BitfusionResult) => number) => layers.reduce((s, l) => s + value(l), 0);
      const ours = {
        layers: layers.length,
        Cycles: sum((l) => l.cost.cycles),
        Memory_wait_cycles: sum((l) => l.cost.stallCycles),
        WBUF_Read_bits: sum((l) => l.cost.weightReadBits),
        WBUF_Write_bits: sum((l) => l.cost.weightWriteBits),
        OBUF_Read_bits: sum((l) => l.cost.outputReadBits),
        OBUF_Write_bits: sum((l) => l.cost.outputWriteBits),
        IBUF_Read_bits: sum((l) => l.cost.activationReadBits),
        IBUF_Write_bits: sum((l) => l.cost.activationWriteBits),
        DRAM_Read_bits: sum((l) => l.cost.dramReadBits),
        DRAM_Write_bits: sum((l) => l.cost.dramWriteBits),
      };
      expect(ours).toEqual(Object.fromEntries(Object.keys(ours).map((name) => [name, Number(row[name])])));
    },
  );
});
