/** What units did in a run, as counts: energy is these times a table. */
import { cyclesPerMac, productsPerPe } from "../hw-models/derive.ts";
import type { SystolicSpec } from "../hw-models/schema.ts";
import { internal } from "../ir/diagnostics.ts";
import type { Program } from "../ir/program.ts";
import type { Work } from "./issue.ts";
import type { DramCounts } from "./memory/dram.ts";
import type { Access } from "./memory/sram.ts";
import { activationCodes, contracts, weightCodes } from "./units/bit-serial.ts";

export interface Actions {
  readonly macs: number;
  /** Cycles of PEs that worked: as many as `macs`, or terms of bit-serial PEs. */
  readonly peCycles: number;
  /** Codes decoded, by feeder. */
  readonly codes: Readonly<Record<string, number>>;
  /** Values mapped by the vector unit. */
  readonly mapped: number;
  /** By memory: the off-chip memory and every buffer. */
  readonly memory: Readonly<Record<string, Access>>;
  /** Rows opened and refreshes done off chip, where they are modelled. */
  readonly dram: DramCounts;
}

/** Names of the units that count. */
export interface Counting {
  readonly dram: string;
  readonly memories: readonly string[];
  readonly feeders: readonly string[];
}

/** Sums of all works, each done so often; a place that is no memory is a register or a FIFO, whose energy is its unit's. */
export function countWorks(
  works: readonly Work[],
  done: readonly number[],
  names: Counting,
): Omit<Actions, "peCycles" | "dram"> {
  const memory: Record<string, { -readonly [K in keyof Access]: Access[K] }> = {};
  for (const name of names.memories) memory[name] = { readBytes: 0, writeBytes: 0, readElements: 0, writeElements: 0 };
  const codes: Record<string, number> = {};
  for (const name of names.feeders) codes[name] = 0;
  let macs = 0;
  let mapped = 0;
  for (const work of works) {
    const times = done[work.id] ?? 0;
    macs += times * work.macs;
    if (work.op.kind === "decode") codes[work.op.unit] = (codes[work.op.unit] ?? 0) + times * work.elements;
    if (work.op.kind === "map") mapped += times * work.elements;
    if (work.op.kind === "copy") checkCopy(work);
    for (const { place, ...moved } of work.traffic) {
      const access = memory[place === "global" ? names.dram : place.slice("unit:".length)];
      if (access === undefined) continue;
      for (const key of Object.keys(access) as (keyof Access)[]) access[key] += times * moved[key];
    }
  }
  return { macs, codes, mapped, memory };
}

/** A copy puts down as many bytes as it takes up. */
function checkCopy(work: Work): void {
  const read = work.traffic.reduce((sum, t) => sum + t.readBytes, 0);
  const written = work.traffic.reduce((sum, t) => sum + t.writeBytes, 0);
  if (read !== written) internal(`${work.op.name} reads ${read} bytes and writes ${written}`);
}

/** Cycles of a PE for one product of a program's operands: less than one where it carries out several. */
export function peCyclesPerMac(array: SystolicSpec, program: Program): number {
  if (!contracts(program)) return 0;
  const [weight, activation] = [weightCodes(program), activationCodes(program)];
  const cycles = cyclesPerMac(array, weight.bits);
  const products = productsPerPe(array, weight.bits, activation.bits);
  if (cycles === undefined || products === undefined) internal("codes that no PE takes");
  return cycles / products;
}
