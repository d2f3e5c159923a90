/** Hardware models: what a machine is made of, as JSON with a unit in every name and a source for every number. */
import type { Diagnostics } from "../ir/diagnostics.ts";
import { type DramSpec, dramSpec } from "./dram-spec.ts";
import { type JsonNode, parseJson } from "./json.ts";
import {
  amount,
  count,
  flag,
  list,
  name,
  number,
  object,
  oneOf,
  optional,
  orUnlimited,
  positive,
  type ReadContext,
  required,
  text,
  variant,
} from "./read.ts";
import { withPart } from "./with-memory.ts";

export type { DramSpec, TimedDram } from "./dram-spec.ts";

export const HARDWARE_SCHEMA = "bitloom.hardware/1";

/** Which operand stays in the array: weights, results (nothing stays but the sums) or activations. */
export type Dataflow = "ws" | "os" | "is";
export const DATAFLOWS = ["ws", "os", "is"] as const satisfies readonly Dataflow[];

/** What a buffer holds, a channel moves and a feeder feeds. */
export type OperandRole = "weight" | "activation" | "result";

/** On-chip buffer. */
export interface SramSpec {
  readonly kind: "sram";
  readonly name: string;
  readonly holds: readonly OperandRole[];
  readonly capacityBytes: number;
  readonly readEnergyPJPerByte: number;
  readonly writeEnergyPJPerByte: number;
  /** Of the whole buffer; absent where nobody says. */
  readonly areaUm2?: number | undefined;
}

/** A channel between the off-chip memory and the buffers. */
export interface DmaSpec {
  readonly kind: "dma";
  readonly name: string;
  readonly moves: OperandRole;
  /** A transfer is cut into requests of this size; channels take turns after each. */
  readonly requestBytes: number;
}

/** The array's border for one operand: shifts rows in, and decodes codes on the way. */
export interface FeederSpec {
  readonly kind: "feeder";
  readonly name: string;
  readonly feeds: "weight" | "activation";
  /** Rows of the stationary operand shifted into the array per cycle. */
  readonly rowsPerCycle: number;
  /** Codes decoded per cycle; plain numbers need no decoding. */
  readonly codesPerCycle: number;
  /** Decoded rows of a streaming operand that wait between decoder and array, in each of two halves. */
  readonly fifoRows: number;
  readonly decodeEnergyPJPerCode: number;
  /** Of all its decoders; absent where nobody says. */
  readonly areaUm2?: number | undefined;
}

/**
 * What overlaps in the array. A fold (one tile of the stationary operand) takes T cycles of streaming, R + C − 2 until
 * its last sum has left, and, where the sums drain over the array's own wires, R more.
 */
export interface OverlapSpec {
  /** Two weight registers a PE: the next fold's stationary operand is shifted in while this one streams. */
  readonly shadowRegisters: boolean;
  /** The next fold's first row enters right behind this one's last. */
  readonly fillOverlapsDrain: boolean;
  /** Output stationary: sums leave over wires of their own while the array computes. */
  readonly separateDrain: boolean;
  /** Cycles of control after each fold. */
  readonly controlCyclesPerFold: number;
}

/** PEs that take weights as terms of a power of two: `lanes` weights at once, one term of each a cycle. */
export interface BitSerialSpec {
  readonly lanes: number;
  /** Cycles for weights of so many bits; others the PEs do not take. */
  readonly terms: readonly { readonly bits: number; readonly cycles: number }[];
  /** Cycles in which the sum of a group is multiplied by its scale, hidden behind the next group. */
  readonly rescaleCycles: number;
  /** PEs of a tile get their operands at once; from tile to tile they move on. */
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Bits of keys and values where a request says nothing: attention runs on the same PEs. */
  readonly keyValueBits: number;
}

/**
 * PEs that join or split with the bits of their operands: a PE multiplies `widestBits` by `widestBits`, or several products
 * of narrower operands, down to `narrowestBits` each, in powers of two.
 */
export interface FusionSpec {
  readonly widestBits: number;
  readonly narrowestBits: number;
  /**
   * What narrow operands make room for. `array`: rows and columns of their own, as where four PEs of 4 bits form one of
   * 8 (OliVe, ANT). `sum`: products of one sum, added in the PE (BitFusion); k lies on the rows.
   */
  readonly spread: "array" | "sum";
}

/** Bits of operands where a request says nothing: what the machine is built for. */
export interface OperandBits {
  readonly weight: number;
  readonly activation: number;
  readonly keyValue: number;
}

export interface ArrayShape {
  readonly rows: number;
  readonly columns: number;
}

/** A systolic array of rows × columns multiply–accumulate units. */
export interface SystolicSpec extends ArrayShape {
  readonly kind: "systolic";
  readonly name: string;
  readonly dataflow: Dataflow;
  readonly overlap: OverlapSpec;
  /** Of a PE in a cycle in which it works: one multiplication and addition, or one term of each lane. */
  readonly macEnergyPJ: number;
  /** Of one PE with its registers; absent where nobody says. */
  readonly peAreaUm2?: number | undefined;
  /** The same PEs in another shape while single tokens are decoded; absent: one shape. */
  readonly decodeShape?: ArrayShape | undefined;
  /** Absent: a PE multiplies and adds once a cycle, whatever the bits. */
  readonly bitSerial?: BitSerialSpec | undefined;
  readonly fusion?: FusionSpec | undefined;
  /** Codes that mean something in pairs, decoded at the borders to exponent and integer (OliVe). */
  readonly pairCodes?: boolean | undefined;
  /** Absent: 16 bits each. */
  readonly operandBits?: OperandBits | undefined;
  /** So many arrays stand side by side, take the same rows and have columns of their own; absent: one. */
  readonly arrays?: number | undefined;
}

/** Element-wise unit behind the array: conversion of sums to the output's type, scales. */
export interface VectorSpec {
  readonly kind: "vector";
  readonly name: string;
  readonly elementsPerCycle: number;
  /** Exponentials, roots and quotients a cycle; absent: they are as fast as other operations. */
  readonly specialPerCycle?: number | undefined;
  readonly energyPJPerElement: number;
  /** Of the whole unit; absent where nobody says. */
  readonly areaUm2?: number | undefined;
}

export type UnitSpec = DramSpec | SramSpec | DmaSpec | FeederSpec | SystolicSpec | VectorSpec;

/** How far a number may be off: it lies between so many times and so many times what the field says. */
export interface Interval {
  readonly lowFactor: number;
  readonly highFactor: number;
  readonly cite: string;
  readonly assumed: boolean;
}

/** Where a number comes from. `field` is a path with unit names (`units.pe.rows`); a part may be `*`. */
export interface SourceNote {
  readonly field: string;
  readonly cite: string;
  /** True where nobody published it: `cite` is then the reason for the choice. */
  readonly assumed: boolean;
  /** Of energies; absent: what `energy-table.ts` assumes. */
  readonly interval?: Interval | undefined;
}

export interface AcceleratorModel {
  readonly schema: typeof HARDWARE_SCHEMA;
  readonly kind: "accelerator";
  readonly name: string;
  readonly about: string;
  readonly clockMHz: number;
  readonly units: readonly UnitSpec[];
  readonly sources: readonly SourceNote[];
}

/** Operations per second of one kind of arithmetic: a multiply–add counts two. */
export interface PeakRate {
  /** What is multiplied: `f16` `bf16` `e4m3` `i8` `b1`; for b1 the operation is and.popc. */
  readonly type: string;
  readonly unit: "matrix" | "lane";
  readonly opsPerSecond: number;
  /** Published by the maker, or measured by us. */
  readonly evidence: "published" | "measured";
}

/** A GPU as compile reports need it: peak rates and sizes. */
export interface GpuModel {
  readonly schema: typeof HARDWARE_SCHEMA;
  readonly kind: "gpu";
  readonly name: string;
  readonly about: string;
  /** The target architectures whose code runs on it: `cuda.sm90a`. */
  readonly targets: readonly string[];
  readonly memoryBytesPerSecond: number;
  readonly measuredReadBytesPerSecond: number | null;
  readonly multiprocessors: number;
  readonly sharedBytesPerBlock: number;
  readonly registersPerMultiprocessor: number;
  readonly peaks: readonly PeakRate[];
  readonly sources: readonly SourceNote[];
}

export type HardwareModel = AcceleratorModel | GpuModel;

const interval = object<Interval>({
  lowFactor: required(number({ min: 0, max: 1 })),
  highFactor: required(number({ min: 1 })),
  cite: required(text),
  assumed: optional(flag, false),
});
const note = object<SourceNote>({
  field: required(text),
  cite: required(text),
  assumed: optional(flag, false),
  interval: optional<Interval | undefined>(interval, undefined),
});
const area = optional<number | undefined>(amount, undefined);
const rate = orUnlimited(positive);
const operands = ["weight", "activation", "result"] as const;

const unit = variant<UnitSpec>({
  dram: dramSpec,
  sram: object<SramSpec>({
    kind: required(oneOf(["sram"])),
    name: required(name),
    holds: required(list(oneOf(operands), 1)),
    capacityBytes: required(orUnlimited(count)),
    readEnergyPJPerByte: required(amount),
    writeEnergyPJPerByte: required(amount),
    areaUm2: area,
  }),
  dma: object<DmaSpec>({
    kind: required(oneOf(["dma"])),
    name: required(name),
    moves: required(oneOf(operands)),
    requestBytes: required(count),
  }),
  feeder: object<FeederSpec>({
    kind: required(oneOf(["feeder"])),
    name: required(name),
    feeds: required(oneOf(["weight", "activation"])),
    rowsPerCycle: required(count),
    codesPerCycle: required(rate),
    fifoRows: required(count),
    decodeEnergyPJPerCode: required(amount),
    areaUm2: area,
  }),
  systolic: object<SystolicSpec>({
    kind: required(oneOf(["systolic"])),
    name: required(name),
    rows: required(count),
    columns: required(count),
    dataflow: required(oneOf(DATAFLOWS)),
    overlap: required(
      object<OverlapSpec>({
        shadowRegisters: required(flag),
        fillOverlapsDrain: required(flag),
        separateDrain: required(flag),
        controlCyclesPerFold: required(number({ min: 0, integer: true })),
      }),
    ),
    macEnergyPJ: required(amount),
    peAreaUm2: area,
    decodeShape: optional<ArrayShape | undefined>(
      object<ArrayShape>({ rows: required(count), columns: required(count) }),
      undefined,
    ),
    bitSerial: optional<BitSerialSpec | undefined>(
      object<BitSerialSpec>({
        lanes: required(count),
        terms: required(
          list(object<BitSerialSpec["terms"][number]>({ bits: required(count), cycles: required(count) }), 1),
        ),
        rescaleCycles: required(number({ min: 0, integer: true })),
        tileRows: required(count),
        tileColumns: required(count),
        keyValueBits: required(count),
      }),
      undefined,
    ),
    fusion: optional<FusionSpec | undefined>(
      object<FusionSpec>({
        widestBits: required(count),
        narrowestBits: required(count),
        spread: required(oneOf(["array", "sum"])),
      }),
      undefined,
    ),
    pairCodes: optional<boolean | undefined>(flag, undefined),
    operandBits: optional<OperandBits | undefined>(
      object<OperandBits>({ weight: required(count), activation: required(count), keyValue: required(count) }),
      undefined,
    ),
    arrays: optional<number | undefined>(count, undefined),
  }),
  vector: object<VectorSpec>({
    kind: required(oneOf(["vector"])),
    name: required(name),
    elementsPerCycle: required(rate),
    specialPerCycle: optional<number | undefined>(positive, undefined),
    energyPJPerElement: required(amount),
    areaUm2: area,
  }),
});

const model = variant<HardwareModel>({
  accelerator: object<AcceleratorModel>({
    schema: required(oneOf([HARDWARE_SCHEMA])),
    kind: required(oneOf(["accelerator"])),
    name: required(name),
    about: required(text),
    clockMHz: required(positive),
    units: required(list(unit)),
    sources: required(list(note)),
  }),
  gpu: object<GpuModel>({
    schema: required(oneOf([HARDWARE_SCHEMA])),
    kind: required(oneOf(["gpu"])),
    name: required(name),
    about: required(text),
    targets: required(list(text, 1)),
    memoryBytesPerSecond: required(positive),
    measuredReadBytesPerSecond: optional<number | null>(positive, null),
    multiprocessors: required(count),
    sharedBytesPerBlock: required(count),
    registersPerMultiprocessor: required(count),
    peaks: required(
      list(
        object<PeakRate>({
          type: required(text),
          unit: required(oneOf(["matrix", "lane"])),
          opsPerSecond: required(positive),
          evidence: required(oneOf(["published", "measured"])),
        }),
        1,
      ),
    ),
    sources: required(list(note)),
  }),
});

/**
 * Reads a hardware model. Mistakes are reported with their JSON path and place: `json/*`, `hardware/type`, `/range`,
 * `/missing`, `/unknown-field`, `/missing-unit`, `/duplicate-unit`; a number without a source is the warning
 * `hardware/source`.
 */
export function validateHardware(source: string, file: number, sink: Diagnostics): HardwareModel | undefined {
  const root = parseJson(source, file, sink);
  if (root === undefined) return undefined;
  const context: ReadContext = { sink, area: "hardware" };
  const found = model(root, "", context);
  if (found === undefined) return undefined;
  const whole = found.kind === "gpu" ? found : withPart(found);
  reportUnsourced(root, whole, sink);
  if (whole.kind === "gpu") return whole;
  return checkUnits(whole, root, sink) ? whole : undefined;
}

function member(node: JsonNode, key: string): JsonNode | undefined {
  return node.kind === "object" ? node.members.find((m) => m.key === key)?.value : undefined;
}

/** What every machine must have for the simulator to run a product of matrices on it. */
const NEEDED: readonly { readonly what: string; readonly has: (unit: UnitSpec) => boolean }[] = [
  { what: "one `dram`", has: (u) => u.kind === "dram" },
  { what: "one `systolic` array", has: (u) => u.kind === "systolic" },
  { what: "one `vector` unit", has: (u) => u.kind === "vector" },
  ...operands.map((o) => ({
    what: `one \`sram\` that holds "${o}"`,
    has: (u: UnitSpec) => u.kind === "sram" && u.holds.includes(o),
  })),
  ...operands.map((o) => ({
    what: `one \`dma\` that moves "${o}"`,
    has: (u: UnitSpec) => u.kind === "dma" && u.moves === o,
  })),
  ...(["weight", "activation"] as const).map((o) => ({
    what: `one \`feeder\` that feeds "${o}"`,
    has: (u: UnitSpec) => u.kind === "feeder" && u.feeds === o,
  })),
];

function checkUnits(found: AcceleratorModel, root: JsonNode, sink: Diagnostics): boolean {
  const before = sink.list.length;
  const units = member(root, "units") ?? root;
  const nodeOf = (i: number): JsonNode => (units.kind === "array" ? (units.items[i] ?? units) : units);
  found.units.forEach((u, i) => {
    const first = found.units.findIndex((v) => v.name === u.name);
    if (first === i) return;
    sink.error(
      "hardware/duplicate-unit",
      (member(nodeOf(i), "name") ?? nodeOf(i)).span,
      `\`units[${i}].name\`: "${u.name}" is taken`,
      [{ message: "the other one", span: (member(nodeOf(first), "name") ?? nodeOf(first)).span }],
    );
  });
  for (const { what, has } of NEEDED) {
    const matching = found.units.flatMap((u, i) => (has(u) ? [i] : []));
    const extra = matching[1];
    if (matching.length === 0) sink.error("hardware/missing-unit", units.span, `\`units\` needs ${what}`);
    else if (extra !== undefined)
      sink.error(
        "hardware/duplicate-unit",
        nodeOf(extra).span,
        `\`units[${extra}]\`: \`units\` takes ${what}, and has it already`,
      );
  }
  return sink.list.length === before;
}

/** Paths of all numbers of a model, with unit names for indices: `units.pe.rows`. */
export function numericFields(found: HardwareModel): readonly string[] {
  const walk = (value: unknown, path: readonly string[]): readonly string[] => {
    if (typeof value === "number") return [path.join(".")];
    if (Array.isArray(value)) return value.flatMap((item: unknown, i) => walk(item, [...path, nameOf(item) ?? `${i}`]));
    if (typeof value === "object" && value !== null)
      return Object.entries(value).flatMap(([key, item]) => walk(item, [...path, key]));
    return [];
  };
  return walk({ ...found, sources: [] }, []);
}

function nameOf(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null) return undefined;
  if ("name" in item && typeof item.name === "string") return item.name;
  if ("type" in item && "evidence" in item) return `${String(item.type)}-${String(item.evidence)}`;
  return undefined;
}

/** The source of a number, if the model names one. */
export function sourceOf(found: HardwareModel, field: string): SourceNote | undefined {
  const parts = field.split(".");
  return found.sources.find((s) => {
    const pattern = s.field.split(".");
    return pattern.length === parts.length && pattern.every((p, i) => p === "*" || p === parts[i]);
  });
}

function reportUnsourced(root: JsonNode, found: HardwareModel, sink: Diagnostics): void {
  const at = member(root, "sources") ?? root;
  for (const field of numericFields(found)) {
    if (sourceOf(found, field) === undefined)
      sink.warn("hardware/source", at.span, `\`${field}\` has no source`, [
        { message: `add { "field": "${field}", "cite": … }, with "assumed": true where it is a choice` },
      ]);
  }
}
