/** The off-chip memory of a machine, as its file describes it: by its bandwidth, or by a part and its timing. */
import { DRAM_PARTS, type DramPart, dramPart } from "./dram-part.ts";
import {
  amount,
  count,
  name,
  number,
  object,
  oneOf,
  optional,
  orUnlimited,
  positive,
  type Reader,
  required,
} from "./read.ts";

/** Channels of a memory part that share one address space: consecutive bursts go round them. */
export interface TimedDram {
  readonly part: DramPart;
  readonly channels: number;
  /** Rows stay open until another one is needed, or are closed after each burst. */
  readonly page: "open" | "closed";
}

/**
 * Off-chip memory: one interface, shared by all channels. A file gives either its bandwidth, latency and energies, or
 * the name of a `part` (or the part itself) and how many of its `channels` there are; the rest then follows from it.
 */
export interface DramSpec {
  readonly kind: "dram";
  readonly name: string;
  /** The banks, rows and refreshes behind the interface; absent: only bandwidth and latency count. */
  readonly timed?: TimedDram | undefined;
  readonly bytesPerCycle: number;
  /** From the end of a read's transfer on the interface to the data lying in the buffer. */
  readonly latencyCycles: number;
  readonly readEnergyPJPerByte: number;
  readonly writeEnergyPJPerByte: number;
}

const rate = orUnlimited(positive);

const plainDram = object<Omit<DramSpec, "timed">>({
  kind: required(oneOf(["dram"])),
  name: required(name),
  bytesPerCycle: required(rate),
  latencyCycles: required(number({ min: 0, integer: true })),
  readEnergyPJPerByte: required(amount),
  writeEnergyPJPerByte: required(amount),
});

/** A part by its name, or written out. */
const partOrName: Reader<DramPart> = (node, path, context) => {
  if (node.kind !== "string") return dramPart(node, path, context);
  const word = oneOf(DRAM_PARTS.map((p) => p.name))(node, path, context);
  return DRAM_PARTS.find((p) => p.name === word);
};

const namedDram = object<{ readonly kind: "dram"; readonly name: string } & TimedDram>({
  kind: required(oneOf(["dram"])),
  name: required(name),
  part: required(partOrName),
  channels: required(count),
  page: optional<"open" | "closed">(oneOf(["open", "closed"]), "open"),
});

/** Reads a memory; rates of a part that follow from the machine's clock are filled in once that is known, by `withPart`. */
export const dramSpec: Reader<DramSpec> = (node, path, context) => {
  if (node.kind !== "object" || !node.members.some((m) => m.key === "part")) return plainDram(node, path, context);
  const found = namedDram(node, path, context);
  if (found === undefined) return undefined;
  const { kind, name: own, ...timed } = found;
  const { readPJPerByte, writePJPerByte } = timed.part.energy;
  return {
    kind,
    name: own,
    timed,
    bytesPerCycle: 0,
    latencyCycles: 0,
    readEnergyPJPerByte: readPJPerByte,
    writeEnergyPJPerByte: writePJPerByte,
  };
};
