/** Builds units from their specifications: the one place that knows all kinds. */
import { type Parts, partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, DmaSpec, UnitSpec } from "../../hw-models/schema.ts";
import { feeder } from "./feeder.ts";
import { systolic } from "./systolic.ts";
import type { Unit } from "./unit.ts";
import { vector } from "./vector.ts";

/** Who plays a role: a unit with its own clockwork, or a channel that takes turns at the shared memory. */
export type Player =
  | { readonly kind: "unit"; readonly unit: Unit }
  | { readonly kind: "channel"; readonly spec: DmaSpec };

/** The players of a machine by name; memories do not play. */
export function playersOf(machine: AcceleratorModel): ReadonlyMap<string, Player> {
  const parts = partsOf(machine);
  const players = new Map<string, Player>();
  for (const spec of machine.units) {
    const player = playerOf(spec, parts);
    if (player !== undefined) players.set(spec.name, player);
  }
  return players;
}

function playerOf(spec: UnitSpec, parts: Parts): Player | undefined {
  switch (spec.kind) {
    case "dram":
    case "sram":
      return undefined;
    case "dma":
      return { kind: "channel", spec };
    case "feeder":
      return { kind: "unit", unit: feeder(spec, parts.array) };
    case "systolic":
      return { kind: "unit", unit: systolic(spec) };
    case "vector":
      return { kind: "unit", unit: vector(spec) };
  }
}
