/** Quantities that follow from a hardware model; files never store them. */
import { internal } from "../ir/diagnostics.ts";
import type {
  AcceleratorModel,
  ArrayShape,
  DmaSpec,
  DramSpec,
  FeederSpec,
  FusionSpec,
  GpuModel,
  OperandRole,
  PeakRate,
  SramSpec,
  SystolicSpec,
  UnitSpec,
  VectorSpec,
} from "./schema.ts";

/** The units of a checked machine, by what they do. */
export interface Parts {
  readonly dram: DramSpec;
  readonly array: SystolicSpec;
  readonly vector: VectorSpec;
  readonly buffers: Readonly<Record<OperandRole, SramSpec>>;
  readonly channels: Readonly<Record<OperandRole, DmaSpec>>;
  readonly feeders: Readonly<Record<"weight" | "activation", FeederSpec>>;
}

export function partsOf(machine: AcceleratorModel): Parts {
  const one = <T extends UnitSpec>(is: (unit: UnitSpec) => unit is T, what: string): T =>
    machine.units.find(is) ?? internal(`${machine.name} has no ${what}: it was not validated`);
  const buffer = (role: OperandRole): SramSpec =>
    one((u): u is SramSpec => u.kind === "sram" && u.holds.includes(role), `buffer for ${role}`);
  const channel = (role: OperandRole): DmaSpec =>
    one((u): u is DmaSpec => u.kind === "dma" && u.moves === role, `channel for ${role}`);
  const feeder = (role: "weight" | "activation"): FeederSpec =>
    one((u): u is FeederSpec => u.kind === "feeder" && u.feeds === role, `feeder for ${role}`);
  return {
    dram: one((u): u is DramSpec => u.kind === "dram", "dram"),
    array: one((u): u is SystolicSpec => u.kind === "systolic", "array"),
    vector: one((u): u is VectorSpec => u.kind === "vector", "vector unit"),
    buffers: { weight: buffer("weight"), activation: buffer("activation"), result: buffer("result") },
    channels: { weight: channel("weight"), activation: channel("activation"), result: channel("result") },
    feeders: { weight: feeder("weight"), activation: feeder("activation") },
  };
}

/** Operands of so many bits that a PE multiplies side by side, for each of the widest; undefined where it takes none. */
function sideBySide({ widestBits, narrowestBits }: FusionSpec, bits: number): number | undefined {
  const parts = Math.floor(widestBits / Math.max(bits, narrowestBits));
  return parts < 1 ? undefined : 2 ** Math.floor(Math.log2(parts));
}

/** Products of operands of these bits that a PE carries out at once; undefined where it takes none such. */
export function productsPerPe(
  { fusion }: SystolicSpec,
  weightBits: number,
  activationBits: number,
): number | undefined {
  if (fusion === undefined) return 1;
  const [weights, activations] = [sideBySide(fusion, weightBits), sideBySide(fusion, activationBits)];
  return weights === undefined || activations === undefined ? undefined : weights * activations;
}

/** The array as it is while it multiplies operands of these bits: more rows and columns where they are narrow. */
export function fittedTo(array: SystolicSpec, weightBits: number, activationBits: number): SystolicSpec | undefined {
  const { fusion, rows, columns, dataflow } = array;
  if (fusion === undefined) return array;
  const [weights, activations] = [sideBySide(fusion, weightBits), sideBySide(fusion, activationBits)];
  if (weights === undefined || activations === undefined) return undefined;
  if (fusion.spread === "sum") return { ...array, rows: rows * weights * activations };
  // Output stationary, activations lie on the rows; in the others k does, and what moves along it is the streaming operand.
  const [onRows, onColumns] = dataflow === "is" ? [weights, activations] : [activations, weights];
  return { ...array, rows: rows * onRows, columns: columns * onColumns };
}

/** Rows and columns of a fold: those of all arrays that stand side by side. */
export function foldShape({ rows, columns, arrays = 1 }: SystolicSpec): ArrayShape {
  return { rows, columns: columns * arrays };
}

/** Multiply–accumulates per cycle with every PE busy, on the operands of which a PE takes most. */
export function peakMacsPerCycle(machine: AcceleratorModel): number {
  const { array } = partsOf(machine);
  const { bitSerial, fusion, arrays = 1 } = array;
  const perPe = bitSerial === undefined ? 1 : bitSerial.lanes / Math.min(...bitSerial.terms.map((t) => t.cycles));
  const joined = fusion === undefined ? 1 : (productsPerPe(array, fusion.narrowestBits, fusion.narrowestBits) ?? 1);
  return arrays * array.rows * array.columns * perPe * joined;
}

/** Cycles of a PE for one multiplication by a weight of so many bits; undefined where the PEs do not take it. */
export function cyclesPerMac({ bitSerial }: SystolicSpec, bits: number): number | undefined {
  if (bitSerial === undefined) return 1;
  const cycles = bitSerial.terms.find((t) => t.bits === bits)?.cycles;
  return cycles === undefined ? undefined : cycles / bitSerial.lanes;
}

/** Cycles from the last row's entry into the array to its last sum: hops, and rescaling where PEs are bit-serial. */
export function skewCycles({ rows, columns, bitSerial }: SystolicSpec, bits: number): number {
  if (bitSerial === undefined) return rows + columns - 2;
  const { tileRows, tileColumns, terms, rescaleCycles } = bitSerial;
  const hops = Math.ceil(rows / tileRows) + Math.ceil(columns / tileColumns) - 2;
  return hops * (terms.find((t) => t.bits === bits)?.cycles ?? 1) + rescaleCycles;
}

export function peakMacsPerSecond(machine: AcceleratorModel): number {
  return peakMacsPerCycle(machine) * machine.clockMHz * 1e6;
}

export function dramBytesPerSecond(machine: AcceleratorModel): number {
  return partsOf(machine).dram.bytesPerCycle * machine.clockMHz * 1e6;
}

/** Seconds that a number of cycles takes. */
export function secondsOf(machine: AcceleratorModel, cycles: number): number {
  return cycles / (machine.clockMHz * 1e6);
}

/** The peak rate for a type on a unit; what was measured goes before what was published. */
export function peakOf(gpu: GpuModel, type: string, unit: PeakRate["unit"]): PeakRate | undefined {
  const rates = gpu.peaks.filter((p) => p.type === type && p.unit === unit);
  return rates.find((p) => p.evidence === "measured") ?? rates[0];
}
