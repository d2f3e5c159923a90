/** The contract of a unit: it is given one work at a time and says what it does in which cycles. */
import type { Work } from "../issue.ts";

/** The unit's own lane. */
export interface Lane {
  /** The unit is in `state` from where the lane stands up to cycle `until`. */
  fill(until: number, state: number): void;
}

/** When the last work passes what, in cycles from the start of the run. */
export interface Times {
  /** The unit can take its next work. */
  next: number;
  /** The operands in buffers have been read: their instances may be given back. */
  operandsFree: number;
  /** What the work held in the array's registers may be replaced. */
  registersFree: number;
  /** The results can be read. */
  visible: number;
}

/**
 * A unit decides only when; values come from the evaluator. A deeper model of a unit, such as one that steps every PE,
 * is another function with this contract.
 */
export interface Unit {
  readonly times: Times;
  /** All cycles that it remembers from one work to the next, counted from the start of the run, so that they can be moved. */
  readonly clocks: readonly Float64Array[];
  /** All else that it remembers, as a number: a unit in the same phase with the same clocks goes on alike. */
  phase(): number;
  /** Takes a work at cycle `now`: fills the lane from there up to `times.next` and sets all times. */
  play(work: Work, now: number, lane: Lane): void;
  /** What the unit itself still does while it has no work, from where the lane stands up to `to` at most: draining. */
  settle(from: number, to: number, lane: Lane): void;
  /** The state of the cycles between the last work's end and its results. */
  readonly tail: number;
}

export function startTimes(): Times {
  return { next: 0, operandsFree: 0, registersFree: 0, visible: 0 };
}

/** Of a unit that remembers nothing. */
export const FORGETFUL = { clocks: [], phase: () => 0 } as const;

/** Sets all times to one: a unit that takes its operands, and has its results, at the end. */
export function setAll(times: Times, at: number): void {
  times.next = at;
  times.operandsFree = at;
  times.registersFree = at;
  times.visible = at;
}
