/** Bit-serial PEs (BitMoD, HPCA 2025): several weights at once, one term of each a cycle; each group of weights is rescaled. */
import type { BitSerialSpec } from "../../hw-models/schema.ts";
import { internal } from "../../ir/diagnostics.ts";
import { type Format, isPlain } from "../../ir/format.ts";
import { isTileOp, type Program, type Step, type TileOp } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { busy, stalled } from "../states.ts";
import type { Lane } from "./unit.ts";

const CONTRACT = busy("contract");
const RESCALE = stalled("rescale");

/** How an operand of a product is stored, as far as PEs see it. */
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

/** Whether a machine program multiplies anything; one that does not works on elements alone. */
export function contracts(program: Program): boolean {
  const roles = program.body.flatMap((step) => (step.kind === "roles" ? step.roles : []));
  return roles.some((r) => opsIn(r.body).some((op) => op.kind === "contract"));
}

/** The codes of the second operand of a machine program's product. */
export const weightCodes = (program: Program): WeightCodes => operandCodes(program, "b");

/** The codes of the first operand of a machine program's product. */
export const activationCodes = (program: Program): WeightCodes => operandCodes(program, "a");

function operandCodes(program: Program, side: "a" | "b"): WeightCodes {
  const ops = program.body.flatMap((step) => (step.kind === "roles" ? step.roles.flatMap((r) => opsIn(r.body)) : []));
  const contract = ops.find((op) => op.kind === "contract") ?? internal(`${program.name} contracts nothing`);
  const { tensor } = contract[side];
  const decode = ops.find((op) => op.kind === "decode" && op.to.tensor === tensor);
  if (decode?.kind === "decode")
    return codesOf(program.formats.find((f) => f.name === decode.format) ?? internal(`no format ${decode.format}`));
  const type = program.tensors.find((t) => t.id === tensor)?.type ?? internal(`no ${tensor}`);
  return { bits: bitsOf(type), group: Number.POSITIVE_INFINITY };
}

function opsIn(body: readonly Step[]): readonly TileOp[] {
  return body.flatMap((step) => (isTileOp(step) ? [step] : step.kind === "loop" ? opsIn(step.body) : []));
}

/** The clock of bit-serial PEs: when rows have entered, and when their groups have been rescaled. */
export interface SerialClock {
  /** Rows enter from `start` on, the first of a fold or further ones; the cycle in which all have. Fills the lane. */
  enter(start: number, time: number, foldStart: boolean, lane: Lane): number;
  /** The cycle in which the corner's PEs have rescaled the last group that entered. */
  rescaled(): number;
  /** When the last row entered, and when the rescaling registers are free: as `Unit.clocks`. */
  readonly clocks: Float64Array;
  /** Where in a group the next row falls: as `Unit.phase`. */
  phase(): number;
  /** Hops from the corner to the last tile of PEs, in cycles. */
  readonly skew: number;
  /** From one tile of PEs to the next. */
  readonly hopCycles: number;
}

/** Cycles that a weight of so many bits takes in the PEs. */
export function termsOf(spec: BitSerialSpec, bits: number): number {
  return spec.terms.find((t) => t.bits === bits)?.cycles ?? internal(`bit-serial PEs take no weights of ${bits} bits`);
}

/**
 * A group's sum is rescaled one bit of the scale a cycle, while the next group streams; a group whose sum is complete
 * before the rescaling of the one before it has ended makes the PE wait. Operands are broadcast within a tile of PEs
 * and move on to the next tile after their terms.
 */
export function serialClock(
  spec: BitSerialSpec,
  rows: number,
  columns: number,
  { bits, group }: WeightCodes,
): SerialClock {
  const terms = termsOf(spec, bits);
  const perGroup = Math.ceil(group / spec.lanes) * terms;
  const hops = Math.ceil(rows / spec.tileRows) + Math.ceil(columns / spec.tileColumns) - 2;
  const clocks = new Float64Array(2);
  const [ENTERED, FREE] = [0, 1];
  /** Rows of the fold that have entered. */
  let position = 0;
  let began = false;

  /** Cycles from the start of a fold to the entry of so many rows, waits left out. */
  const streamed = (count: number): number =>
    count < group
      ? Math.ceil(count / spec.lanes) * terms
      : Math.floor(count / group) * perGroup + Math.ceil((count % group) / spec.lanes) * terms;

  /** The group whose sum is complete hands it over: when it can. */
  const handOver = (complete: number): number => {
    const at = Math.max(complete, clocks[FREE]!);
    clocks[FREE] = at + spec.rescaleCycles;
    return at;
  };

  /** Groups that take longer than their rescaling follow each other without waiting. */
  const enterSmoothly = (start: number, end: number, lane: Lane): number => {
    const until = start + streamed(end) - streamed(position);
    const boundary = Math.floor((end - 1) / group) * group;
    if (boundary > position) clocks[FREE] = start + streamed(boundary) - streamed(position) + spec.rescaleCycles;
    lane.fill(until, CONTRACT);
    return until;
  };

  const enterByGroups = (start: number, end: number, lane: Lane): number => {
    let now = start;
    for (let at = position; at < end; ) {
      if (at > position && at % group === 0) {
        now = handOver(now);
        lane.fill(now, RESCALE);
      }
      const next = Math.min(end, (Math.floor(at / group) + 1) * group);
      now += streamed(next) - streamed(at);
      lane.fill(now, CONTRACT);
      at = next;
    }
    return now;
  };

  return {
    clocks,
    phase: () => (position === 0 ? 0 : 1 + (position % (Number.isFinite(group) ? group : spec.lanes))),
    skew: hops * terms,
    hopCycles: terms,
    enter(start, time, foldStart, lane) {
      if (foldStart) position = 0;
      const handsOver = began && (foldStart || (position > 0 && position % group === 0));
      // The last group may have been complete for a while when operands were late.
      const from = handsOver ? Math.max(start, handOver(clocks[ENTERED]!)) : start;
      lane.fill(from, RESCALE);
      began = true;
      const end = position + time;
      const entered = perGroup < spec.rescaleCycles ? enterByGroups(from, end, lane) : enterSmoothly(from, end, lane);
      clocks[ENTERED] = entered;
      // Registers that are free before the next sum is complete are as good as free now.
      clocks[FREE] = Math.max(entered, clocks[FREE]!);
      position = end;
      return entered;
    },
    rescaled: () => clocks[FREE]! + spec.rescaleCycles,
  };
}
