/** Machines with memories by their timing: what follows from a part and the machine's clock, and the sources of both. */
import { type DramPart, type DramSource, peakBytesPerSecond } from "./dram-part.ts";
import type { DramSpec, TimedDram } from "./dram-spec.ts";

/** What a machine must say of itself to be given a memory. */
interface Machine {
  readonly name: string;
  readonly clockMHz: number;
  readonly units: readonly { readonly kind: string; readonly name: string }[];
  readonly sources: readonly DramSource[];
}

const isDram = (unit: Machine["units"][number]): unit is DramSpec => unit.kind === "dram";

/** The machine with what follows from its memory's part and its own clock, and the part's sources before its own. */
export function withPart<M extends Machine>(machine: M): M {
  const old = machine.units.find(isDram);
  if (old?.timed === undefined) return machine;
  const { part, channels } = old.timed;
  const { clockMHz } = machine;
  const { RCDRD, CL } = part.timing;
  const filled: DramSpec = {
    ...old,
    bytesPerCycle: peakBytesPerSecond(part, channels) / (clockMHz * 1e6),
    latencyCycles: Math.ceil(((RCDRD + CL + part.burstClocks) * clockMHz) / part.clockMHz),
  };
  const isChannels = (source: DramSource): boolean => source.field === `units.${old.name}.channels`;
  return {
    ...machine,
    units: machine.units.map((u) => (u === old ? filled : u)),
    sources: [
      ...notesOf(old.name, old.timed, machine.sources.find(isChannels)),
      ...machine.sources.filter((s) => !isChannels(s)),
    ],
  };
}

/** The sources of a memory's numbers, under their names in the machine. */
function notesOf(name: string, { part, channels }: TimedDram, chosen: DramSource | undefined): readonly DramSource[] {
  const at = `units.${name}`;
  const follows = `follows from ${channels} channels of ${part.name} at this machine's clock`;
  const named = (field: string, note: DramSource | undefined): readonly DramSource[] =>
    note === undefined ? [] : [{ ...note, field: `${at}.${field}`, cite: `${part.name}: ${note.cite}` }];
  const of = (field: string): DramSource | undefined => part.sources.find((s) => s.field === field);
  return [
    ...part.sources.flatMap((note) => named(`timed.part.${note.field}`, note)),
    ...named("readEnergyPJPerByte", of("energy.readPJPerByte")),
    ...named("writeEnergyPJPerByte", of("energy.writePJPerByte")),
    { field: `${at}.bytesPerCycle`, cite: follows, assumed: false },
    { field: `${at}.latencyCycles`, cite: `${follows}: RCDRD + CL + a burst`, assumed: false },
    ...(chosen === undefined ? [] : [{ ...chosen, field: `${at}.timed.channels` }]),
  ];
}

/** The machine with another memory, so many channels of a part, which its name then says: `bitmod+ddr4-3200x2`. */
export function withMemory<M extends Machine>(
  machine: M,
  part: DramPart,
  channels: number,
  page: TimedDram["page"] = "open",
): M {
  const old = machine.units.find(isDram);
  const name = old?.name ?? "dram";
  const at = `units.${name}.`;
  const { readPJPerByte, writePJPerByte } = part.energy;
  const memory: DramSpec = {
    kind: "dram",
    name,
    timed: { part, channels, page },
    bytesPerCycle: 0,
    latencyCycles: 0,
    readEnergyPJPerByte: readPJPerByte,
    writeEnergyPJPerByte: writePJPerByte,
  };
  const chosen: DramSource = { field: `${at}channels`, cite: "as asked for", assumed: true };
  return withPart({
    ...machine,
    name: `${machine.name}+${part.name}x${channels}`,
    units: machine.units.map((u) => (u === old ? memory : u)),
    sources: [...machine.sources.filter((s) => !s.field.startsWith(at)), chosen],
  });
}
