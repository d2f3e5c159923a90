/** Bit-serial PEs (BitMoD, HPCA 2025): several weights at once, one term of each a cycle; each group of weights is rescaled. */
import type { BitSerialSpec } from "../../hw-models/schema.ts";
import { internal } from "../../ir/diagnostics.ts";
import { type Format, isPlain } from "../../ir/format.ts";
import { isTileOp, type Program, type Step, type TileOp } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";

/** How the second operand of a product is stored, as far as PEs see it. */
export interface WeightCodes {
  /** Bits of a code. */
  readonly bits: number;
  /** Codes that share what they are rescaled by; Infinity where nothing is shared. */
  readonly group: number;
}

/** The codes of a format: all fields that each value has its own of. */
export function codesOf(format: Format): WeightCodes {
  const own = format.fields.filter((f) => f.scope === "block" && f.count === format.block);
  const bits = own.reduce((sum, f) => sum + bitsOf(f.type), 0);
  return { bits, group: isPlain(format) ? Number.POSITIVE_INFINITY : format.block };
}

/** The codes of the second operand of a machine program's product. */
export function weightCodes(program: Program): WeightCodes {
  const ops = program.body.flatMap((step) => (step.kind === "roles" ? step.roles.flatMap((r) => opsIn(r.body)) : []));
  const contract = ops.find((op) => op.kind === "contract") ?? internal(`${program.name} contracts nothing`);
  const decode = ops.find((op) => op.kind === "decode" && op.to.tensor === contract.b.tensor);
  if (decode?.kind === "decode")
    return codesOf(program.formats.find((f) => f.name === decode.format) ?? internal(`no format ${decode.format}`));
  const type = program.tensors.find((t) => t.id === contract.b.tensor)?.type ?? internal(`no ${contract.b.tensor}`);
  return { bits: bitsOf(type), group: Number.POSITIVE_INFINITY };
}

function opsIn(body: readonly Step[]): readonly TileOp[] {
  return body.flatMap((step) => (isTileOp(step) ? [step] : step.kind === "loop" ? opsIn(step.body) : []));
}

/** What a fold of these codes costs. */
export interface SerialTiming {
  /** Cycles in which the array takes `time` rows, stalls for rescaling included. */
  readonly stream: (time: number) => number;
  /** From the last row's entry to the last sum: hops between tiles, and the rescaling of the last group. */
  readonly skew: number;
}

/**
 * A group's sum is rescaled one bit of the scale a cycle, while the next group streams; where that takes longer than the
 * group, the PE waits. Operands are broadcast within a tile of PEs and move on to the next tile after their terms.
 */
export function serialTiming(
  spec: BitSerialSpec,
  rows: number,
  columns: number,
  { bits, group }: WeightCodes,
): SerialTiming {
  const terms =
    spec.terms.find((t) => t.bits === bits)?.cycles ?? internal(`bit-serial PEs take no weights of ${bits} bits`);
  const perGroup = Math.ceil(group / spec.lanes) * terms;
  const wait = Math.max(0, spec.rescaleCycles - perGroup);
  const hops = Math.ceil(rows / spec.tileRows) + Math.ceil(columns / spec.tileColumns) - 2;
  return {
    stream: (time) => Math.ceil(time / spec.lanes) * terms + (wait === 0 ? 0 : Math.ceil(time / group) * wait),
    skew: hops * terms + spec.rescaleCycles,
  };
}
