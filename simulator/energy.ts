/** Energy: what units did, times what it costs in the machine's table. Dynamic energy only; nobody publishes the rest. */
import { partsOf } from "../hw-models/derive.ts";
import type { ActionKind, EnergyAction } from "../hw-models/energy-table.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import type { Actions } from "./actions.ts";

/** Picojoules by component, and their sum as `total`. */
export type EnergyPJ = Readonly<Record<string, number>> & { readonly total: number };

/** The energy with every number of the table at its lower end, and at its upper end. */
export interface EnergyRangePJ {
  readonly minimum: EnergyPJ;
  readonly maximum: EnergyPJ;
}

/** By component: how often each of its actions happened; bytes count as single bytes. */
export type ActionCounts = Readonly<Record<string, Readonly<Partial<Record<ActionKind, number>>>>>;

/** The counts of a run, for every unit that a machine's table prices. */
export function countsOf(machine: AcceleratorModel, actions: Actions): ActionCounts {
  const { array, vector } = partsOf(machine);
  const counts: Record<string, Partial<Record<ActionKind, number>>> = {
    [array.name]: { work: actions.peCycles },
    [vector.name]: { map: actions.mapped },
  };
  for (const unit of machine.units) {
    if (unit.kind === "feeder") counts[unit.name] = { decode: actions.codes[unit.name] ?? 0 };
    if (unit.kind !== "dram" && unit.kind !== "sram") continue;
    const { readBytes, writeBytes } = actions.memory[unit.name] ?? { readBytes: 0, writeBytes: 0 };
    counts[unit.name] = { read: readBytes, write: writeBytes };
    if (unit.kind === "dram" && unit.timed !== undefined)
      counts[unit.name] = { ...counts[unit.name], activate: actions.dram.activates, refresh: actions.dram.refreshes };
  }
  return counts;
}

/** The sum of counts. */
export function addCounts(parts: readonly ActionCounts[]): ActionCounts {
  const sums: Record<string, Partial<Record<ActionKind, number>>> = {};
  for (const part of parts)
    for (const [component, counts] of Object.entries(part)) {
      sums[component] ??= {};
      const sum = sums[component];
      for (const [action, count] of Object.entries(counts) as readonly [ActionKind, number][])
        sum[action] = (sum[action] ?? 0) + count;
    }
  return sums;
}

/** Energy by component at one end of the table, or in its middle. */
export function energyOf(
  table: readonly EnergyAction[],
  counts: ActionCounts,
  which: "minimumPJ" | "nominalPJ" | "maximumPJ" = "nominalPJ",
): EnergyPJ {
  const parts: Record<string, number> = {};
  for (const row of table)
    parts[row.component] = (parts[row.component] ?? 0) + (counts[row.component]?.[row.action] ?? 0) * row[which];
  return { ...parts, total: Object.values(parts).reduce((sum, e) => sum + e, 0) };
}

/** Energy at both ends of the table. */
export function energyRangeOf(table: readonly EnergyAction[], counts: ActionCounts): EnergyRangePJ {
  return { minimum: energyOf(table, counts, "minimumPJ"), maximum: energyOf(table, counts, "maximumPJ") };
}
