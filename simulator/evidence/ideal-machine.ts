/** A machine of which only the array takes time: what closed forms of arrays describe. */
import type { AcceleratorModel, Dataflow, OperandRole, OverlapSpec, UnitSpec } from "../../hw-models/schema.ts";

export interface IdealArray {
  readonly rows: number;
  readonly columns: number;
  readonly dataflow: Dataflow;
  readonly overlap: Partial<OverlapSpec>;
}

const FREE = Number.POSITIVE_INFINITY;
const NO_ENERGY = { readEnergyPJPerByte: 0, writeEnergyPJPerByte: 0 } as const;

const moved = (role: OperandRole): readonly UnitSpec[] => [
  { kind: "sram", name: `${role}-buffer`, holds: [role], capacityBytes: FREE, ...NO_ENERGY },
  { kind: "dma", name: `${role}-channel`, moves: role, requestBytes: FREE },
];

const fed = (role: "weight" | "activation"): UnitSpec => ({
  kind: "feeder",
  name: `${role}-feeder`,
  feeds: role,
  rowsPerCycle: 1,
  codesPerCycle: FREE,
  fifoRows: 8,
  decodeEnergyPJPerCode: 0,
});

/** Memory, decoders and the vector unit take no time; nothing overlaps unless `overlap` says so. */
export function idealMachine({ rows, columns, dataflow, overlap }: IdealArray): AcceleratorModel {
  const none = { shadowRegisters: false, fillOverlapsDrain: false, separateDrain: true, controlCyclesPerFold: 0 };
  return {
    schema: "bitloom.hardware/1",
    kind: "accelerator",
    name: `ideal-${dataflow}-${rows}x${columns}`,
    about: "An array by itself",
    clockMHz: 1000,
    units: [
      { kind: "dram", name: "dram", bytesPerCycle: FREE, latencyCycles: 0, ...NO_ENERGY },
      ...moved("weight"),
      ...moved("activation"),
      ...moved("result"),
      fed("weight"),
      fed("activation"),
      { kind: "systolic", name: "pe", rows, columns, dataflow, overlap: { ...none, ...overlap }, macEnergyPJ: 0 },
      { kind: "vector", name: "vec", elementsPerCycle: FREE, energyPJPerElement: 0 },
    ],
    sources: [],
  };
}
