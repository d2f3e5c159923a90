/** Small machines for tests: every limit can be lifted, every overlap chosen. */
import type { AcceleratorModel, Dataflow, OverlapSpec } from "../../hw-models/schema.ts";

export interface MachineChoice {
  readonly rows: number;
  readonly columns: number;
  readonly dataflow: Dataflow;
  readonly overlap?: Partial<OverlapSpec>;
  readonly capacityBytes?: number;
  readonly bytesPerCycle?: number;
  readonly latencyCycles?: number;
  readonly requestBytes?: number;
  readonly codesPerCycle?: number;
  readonly fifoRows?: number;
  readonly elementsPerCycle?: number;
}

/** SCALE-Sim's assumptions: nothing overlaps but the output-stationary drain. */
export const SERIAL: OverlapSpec = {
  shadowRegisters: false,
  fillOverlapsDrain: false,
  separateDrain: true,
  controlCyclesPerFold: 0,
};

/** Memory, decoders and the vector unit take no time unless a choice limits them. */
export function machineWith(choice: MachineChoice): AcceleratorModel {
  const free = Number.POSITIVE_INFINITY;
  const energy = { readEnergyPJPerByte: 1, writeEnergyPJPerByte: 2 };
  const buffer = (name: string, holds: "weight" | "activation" | "result") =>
    ({ kind: "sram", name, holds: [holds], capacityBytes: choice.capacityBytes ?? free, ...energy }) as const;
  const channel = (name: string, moves: "weight" | "activation" | "result") =>
    ({ kind: "dma", name, moves, requestBytes: choice.requestBytes ?? 2 ** 40 }) as const;
  const feeder = (name: string, feeds: "weight" | "activation") =>
    ({
      kind: "feeder",
      name,
      feeds,
      rowsPerCycle: 1,
      codesPerCycle: choice.codesPerCycle ?? free,
      fifoRows: choice.fifoRows ?? 8,
      decodeEnergyPJPerCode: 0.5,
    }) as const;
  return {
    schema: "bitloom.hardware/1",
    kind: "accelerator",
    name: "test",
    about: "a machine for a test",
    clockMHz: 1000,
    units: [
      {
        kind: "dram",
        name: "dram",
        bytesPerCycle: choice.bytesPerCycle ?? free,
        latencyCycles: choice.latencyCycles ?? 0,
        readEnergyPJPerByte: 100,
        writeEnergyPJPerByte: 200,
      },
      buffer("wbuf", "weight"),
      buffer("ibuf", "activation"),
      buffer("obuf", "result"),
      channel("dma-w", "weight"),
      channel("dma-i", "activation"),
      channel("dma-o", "result"),
      feeder("feed-w", "weight"),
      feeder("feed-i", "activation"),
      {
        kind: "systolic",
        name: "pe",
        rows: choice.rows,
        columns: choice.columns,
        dataflow: choice.dataflow,
        overlap: { ...SERIAL, ...choice.overlap },
        macEnergyPJ: 10,
      },
      { kind: "vector", name: "vec", elementsPerCycle: choice.elementsPerCycle ?? free, energyPJPerElement: 3 },
    ],
    sources: [],
  };
}
