/** The systolic array: rows × columns of multiply–accumulate units through which operands move one step a cycle. */
import type { SystolicSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";
import { busy, stalled } from "../states.ts";
import type { SerialClock } from "./bit-serial.ts";
import { type Lane, setAll, startTimes, type Unit } from "./unit.ts";

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

/** The array; `serial` says how long rows take where PEs are bit-serial. */
export function systolic(spec: SystolicSpec, serial?: SerialClock): Unit {
  const costs = foldCosts(spec);
  const times = startTimes();
  const { fillOverlapsDrain } = spec.overlap;
  /** From then on the first row of a new fold may enter. */
  const ready = new Float64Array(1);

  /** Cycles in which the array may not take a row: first the drain, then control. */
  const settle = (from: number, to: number, lane: Lane): void => {
    const end = ready[0]!;
    if (from >= end) return;
    const drained = end - costs.control;
    if (from < drained) lane.fill(Math.min(to, drained), DRAIN);
    if (to > drained) lane.fill(Math.min(to, end), CONTROL);
  };

  const enter = (start: number, work: Work, lane: Lane): number => {
    if (serial !== undefined) return serial.enter(start, work.time, work.foldStart, lane);
    lane.fill(start + work.time, CONTRACT);
    return start + work.time;
  };

  const play = (work: Work, now: number, lane: Lane): void => {
    if (work.macs === 0) {
      setAll(times, now);
      return;
    }
    const start = work.foldStart ? Math.max(now, ready[0]!) : now;
    if (start > now) settle(now, start, lane);
    const entered = enter(start, work, lane);
    const left = serial === undefined ? entered + costs.skew : serial.rescaled() + serial.skew;
    // While a fold's skew is overlapped, the next one's first row follows its last.
    ready[0] = (fillOverlapsDrain ? entered : left) + costs.drain + costs.control;
    times.next = entered;
    times.operandsFree = entered;
    times.visible = left + costs.drain + costs.control;
    times.registersFree = fillOverlapsDrain ? entered : times.visible;
  };
  const clocks = serial === undefined ? [ready] : [ready, serial.clocks];
  return { times, clocks, phase: () => serial?.phase() ?? 0, play, settle, tail: DRAIN };
}
