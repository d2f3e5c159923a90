/** Builds units from their specifications: the one place that knows all kinds. */
import { type Parts, partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, DmaSpec, SystolicSpec, UnitSpec } from "../../hw-models/schema.ts";
import type { Program } from "../../ir/program.ts";
import { contracts, serialClock, weightCodes } from "./bit-serial.ts";
import { feeder } from "./feeder.ts";
import { systolic } from "./systolic.ts";
import type { Unit } from "./unit.ts";
import { vector } from "./vector.ts";

/** Who plays a role: a unit with its own clockwork, or a channel that takes turns at the shared memory. */
export type Player =
  | { readonly kind: "unit"; readonly unit: Unit }
  | { readonly kind: "channel"; readonly spec: DmaSpec };

/** The players of a machine by name, for one program; memories do not play. */
export function playersOf(machine: AcceleratorModel, program: Program): ReadonlyMap<string, Player> {
  const parts = partsOf(machine);
  const players = new Map<string, Player>();
  for (const spec of machine.units) {
    const player = playerOf(spec, parts, program);
    if (player !== undefined) players.set(spec.name, player);
  }
  return players;
}

function playerOf(spec: UnitSpec, parts: Parts, program: Program): Player | undefined {
  switch (spec.kind) {
    case "dram":
    case "sram":
      return undefined;
    case "dma":
      return { kind: "channel", spec };
    case "feeder":
      return { kind: "unit", unit: feeder(spec, parts.array) };
    case "systolic":
      return { kind: "unit", unit: arrayOf(spec, program) };
    case "vector":
      return { kind: "unit", unit: vector(spec) };
  }
}

function arrayOf(spec: SystolicSpec, program: Program): Unit {
  const { bitSerial, rows, columns } = spec;
  if (bitSerial === undefined || !contracts(program)) return systolic(spec);
  return systolic(spec, serialClock(bitSerial, rows, columns, weightCodes(program)));
}
