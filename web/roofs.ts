/** What bounds a machine, and where operations stand below it. */
import { cyclesPerMac, dramBytesPerSecond, partsOf, peakMacsPerCycle } from "../hw-models/derive.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import { type Operation, offChip, type Run, trafficOf } from "./run.ts";

/** What bounds a machine: bytes through its off-chip interface, and multiply–accumulates, both a cycle. */
export interface Roofs {
  readonly bytesPerCycle: number;
  readonly macsPerCycle: number;
  /** Lower ceilings: what weights of other widths can reach. */
  readonly ceilings: readonly { readonly name: string; readonly macsPerCycle: number }[];
}

export function roofsOf(machine: AcceleratorModel): Roofs {
  const { array } = partsOf(machine);
  const peak = peakMacsPerCycle(machine);
  const ceilings = (array.bitSerial?.terms ?? []).flatMap(({ bits }) => {
    const cycles = cyclesPerMac(array, bits);
    const macsPerCycle = cycles === undefined ? peak : (array.rows * array.columns) / cycles;
    return macsPerCycle < peak ? [{ name: `${bits}-bit weights`, macsPerCycle }] : [];
  });
  const distinct = ceilings.filter((c, i) => ceilings.findIndex((d) => d.macsPerCycle === c.macsPerCycle) === i);
  return {
    bytesPerCycle: dramBytesPerSecond(machine) / (machine.clockMHz * 1e6),
    macsPerCycle: peak,
    ceilings: distinct,
  };
}

/** Something that ran: operations, or a range of the run. */
export interface Dot {
  readonly key: string;
  readonly name: string;
  readonly kind: string;
  readonly macs: number;
  readonly bytes: number;
  readonly cycles: number;
}

/** Sums operations to one dot; undefined where they do not say what they computed and moved. */
export function dotOf(key: string, name: string, run: Run, operations: readonly Operation[]): Dot | undefined {
  const memory = offChip(run);
  let [macs, bytes, cycles] = [0, 0, 0];
  for (const operation of operations) {
    const traffic = trafficOf(operation, memory);
    if (operation.macs === undefined || traffic === undefined) return undefined;
    macs += operation.macs;
    bytes += traffic;
    cycles += operation.cycles;
  }
  return macs > 0 && bytes > 0 && cycles > 0
    ? { key, name, kind: operations[0]!.kind, macs, bytes, cycles }
    : undefined;
}

export const intensityOf = (dot: Dot): number => dot.macs / dot.bytes;
export const rateOf = (dot: Dot): number => dot.macs / dot.cycles;

/** The least cycles that the roofs allow, and which of them asks for so many. */
export function boundOf(dot: Dot, roofs: Roofs): { readonly by: "memory" | "compute"; readonly cycles: number } {
  const memory = dot.bytes / roofs.bytesPerCycle;
  const compute = dot.macs / roofs.macsPerCycle;
  return memory > compute ? { by: "memory", cycles: memory } : { by: "compute", cycles: compute };
}
