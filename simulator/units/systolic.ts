/** The systolic array: rows × columns of multiply–accumulate units through which operands move one step a cycle. */
import type { SystolicSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";
import { busy, stalled } from "../states.ts";
import type { Played, Spent, Unit } from "./unit.ts";

const CONTRACT = busy("contract");
const DRAIN = stalled("drain");
const CONTROL = stalled("control");

/** What a fold costs besides its T rows of streaming. */
export interface FoldCosts {
  /** From the last row's entry to the last sum's exit: R − 1 down and C − 1 across. */
  readonly skew: number;
  /** Sums that leave over the array's own wires after the last multiplication (output stationary): R. */
  readonly drain: number;
  readonly control: number;
  /** Shifting in the stationary operand: R rows; 0 where nothing is stationary. */
  readonly preload: number;
}

export function foldCosts(spec: SystolicSpec, rowsPerCycle = 1): FoldCosts {
  const stationary = spec.dataflow !== "os";
  return {
    skew: spec.rows + spec.columns - 2,
    drain: stationary || spec.overlap.separateDrain ? 0 : spec.rows,
    control: spec.overlap.controlCyclesPerFold,
    preload: stationary ? Math.ceil(spec.rows / rowsPerCycle) : 0,
  };
}

/**
 * Cycles of one fold with T rows of streaming by itself. With nothing overlapping this is SCALE-Sim's R + C + T − 2 (os)
 * and 2R + C + T − 2 (ws, is) (Samajdar et al., ISPASS 2020); with a shared drain and one cycle of control the
 * 2R + C + T − 1 of its register-transfer model; with five cycles of control STONNE's R + C + T + 3.
 */
export function foldCycles(spec: SystolicSpec, time: number): number {
  const { skew, drain, control, preload } = foldCosts(spec);
  return preload + time + skew + drain + control;
}

/** Cycles of a product on the array alone, its folds one after the other: F folds of equal length. */
export function serialCycles(spec: SystolicSpec, m: number, n: number, k: number): number {
  const [rows, columns, time] = { ws: [k, n, m], os: [m, n, k], is: [k, m, n] }[spec.dataflow] as [
    number,
    number,
    number,
  ];
  const folds = Math.ceil(rows / spec.rows) * Math.ceil(columns / spec.columns);
  return folds * foldCycles(spec, time);
}

export function systolic(spec: SystolicSpec): Unit {
  const costs = foldCosts(spec);
  // While a fold's skew is overlapped, the next one's first row follows its last.
  const gap = (spec.overlap.fillOverlapsDrain ? 0 : costs.skew) + costs.drain;
  let ready = 0;

  /** Cycles in [from, to) in which the array may not take a row: first the drain, then control. */
  const settle = (from: number, to: number): readonly Spent[] => {
    const end = Math.min(to, ready);
    if (from >= end) return [];
    const drained = Math.max(from, Math.min(end, ready - costs.control));
    return [
      { state: DRAIN, cycles: drained - from },
      { state: CONTROL, cycles: end - drained },
    ];
  };

  const play = (work: Work, now: number): Played => {
    if (work.macs === 0) return { spent: [], next: now, operandsFree: now, registersFree: now, visible: now };
    const start = work.foldStart ? Math.max(now, ready) : now;
    const spent = [...settle(now, start), { state: CONTRACT, cycles: work.time }];
    const entered = start + work.time;
    ready = entered + gap + costs.control;
    const visible = entered + costs.skew + costs.drain + costs.control;
    return {
      spent,
      next: entered,
      operandsFree: entered,
      registersFree: spec.overlap.fillOverlapsDrain ? entered : visible,
      visible,
    };
  };
  return { play, settle, tail: DRAIN };
}
