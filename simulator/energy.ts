/** Energy: what units did, times what it costs in the machine's table. Dynamic energy only; nobody publishes the rest. */
import { partsOf } from "../hw-models/derive.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import type { Actions } from "./engine.ts";

/** Picojoules by component, and their sum as `total`. */
export type EnergyPJ = Readonly<Record<string, number>> & { readonly total: number };

/** Energy of a run by unit: the array, the feeders' decoders, the vector unit, every buffer, the off-chip memory. */
export function energyOf(machine: AcceleratorModel, actions: Actions): EnergyPJ {
  const { array, vector } = partsOf(machine);
  const parts: Record<string, number> = {
    [array.name]: actions.peCycles * array.macEnergyPJ,
    [vector.name]: actions.mapped * vector.energyPJPerElement,
  };
  for (const unit of machine.units) {
    if (unit.kind === "feeder") parts[unit.name] = (actions.codes[unit.name] ?? 0) * unit.decodeEnergyPJPerCode;
    if (unit.kind !== "dram" && unit.kind !== "sram") continue;
    const { readBytes, writeBytes } = actions.memory[unit.name] ?? { readBytes: 0, writeBytes: 0 };
    parts[unit.name] = readBytes * unit.readEnergyPJPerByte + writeBytes * unit.writeEnergyPJPerByte;
  }
  return { ...parts, total: Object.values(parts).reduce((sum, e) => sum + e, 0) };
}

/** Component-wise sum. */
export function addEnergy(a: EnergyPJ, b: EnergyPJ): EnergyPJ {
  const sum: Record<string, number> & { total: number } = { ...a, total: a.total };
  for (const [name, value] of Object.entries(b)) sum[name] = name in a ? (a[name] ?? 0) + value : value;
  return sum;
}
