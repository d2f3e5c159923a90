/** The contract of a unit: it is given one work at a time and says what it does in which cycles. */
import type { Work } from "../issue.ts";

/** A run of cycles in one state. */
export interface Spent {
  readonly state: number;
  readonly cycles: number;
}

/** How one work passes through a unit. All times are cycles from the start of the run. */
export interface Played {
  /** States from the moment of asking until `next`, without a gap. */
  readonly spent: readonly Spent[];
  /** The unit can take its next work. */
  readonly next: number;
  /** The operands in buffers have been read: their instances may be given back. */
  readonly operandsFree: number;
  /** What the work held in the array's registers may be replaced. */
  readonly registersFree: number;
  /** The results can be read. */
  readonly visible: number;
}

/**
 * A unit decides only when; values come from the evaluator. A deeper model of a unit, such as one that steps every PE,
 * is another function with this contract.
 */
export interface Unit {
  play(work: Work, now: number): Played;
  /** What the unit itself still does from `from` on while it has no work, up to `to`: draining. */
  settle(from: number, to: number): readonly Spent[];
  /** The state of the cycles between the last work's end and its results. */
  readonly tail: number;
}

export const NOTHING: readonly Spent[] = [];
