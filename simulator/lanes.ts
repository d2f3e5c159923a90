/** Lanes: one per unit, filled with states from cycle 0 to the end without a gap, and checked to be so. */
import { internal } from "../ir/diagnostics.ts";
import { Exposure, type Stall } from "./exposure.ts";
import { busy, causeOf, IDLE, STATES, type StateTable, tableOf, totalOf } from "./states.ts";

/** Receives the states of lanes; consecutive calls for a lane are consecutive in time. */
export interface Recorder {
  /** `op`: index of the op, -1 for none. `culprit`: lane of the unit to blame, -1 for none. */
  slice(lane: number, cycles: number, state: number, op: number, culprit: number): void;
  /** A fold, or a part of one that goes on, has entered the array: `time` rows, the last before cycle `end`. */
  fold?(end: number, time: number, rows: number, columns: number, goesOn: boolean): void;
  /** A ring has taken (+1) or freed (-1) an instance of its tensors. */
  instance?(ring: string, cycle: number, change: 1 | -1): void;
}

/** A run of cycles of a lane in one state. */
export interface Piece {
  readonly cycles: number;
  readonly state: number;
  readonly op: number;
  readonly culprit: number;
}

export const NULL_RECORDER: Recorder = { slice: () => {} };

export interface Lanes {
  readonly names: readonly string[];
  /** How far a lane is filled. */
  at(lane: number): number;
  /** Fills a lane from where it stands up to `until`. */
  fill(lane: number, until: number, state: number, op?: number, culprit?: number): void;
  /** Fills a lane with the same pieces over and over. */
  repeat(lane: number, pieces: readonly Piece[], times: number): void;
  /** Ends all lanes with idle cycles and returns their tables; every one accounts for exactly `cycles`. */
  close(cycles: number): LaneTables;
}

export interface LaneTables {
  readonly units: Readonly<Record<string, StateTable>>;
  readonly stalls: readonly Stall[];
}

const CONTRACT = busy("contract");

/** `array`: the lane whose computing hides what others wait for; -1 for none. */
export function makeLanes(names: readonly string[], recorder: Recorder, array: number): Lanes {
  const exposure = new Exposure(names, array);
  const filled = new Float64Array(names.length);
  const cycles = names.map(() => new Float64Array(STATES.length));
  const blamed = names.map(() => new Float64Array(names.length));

  const overlay = (lane: number, start: number, length: number, state: number, culprit: number): void => {
    if (lane === array) exposure.pass(start, length, state === CONTRACT);
    const cause = causeOf(state);
    if (cause >= 0) exposure.stall(lane, start, length, cause, culprit);
  };

  const fill = (lane: number, until: number, state: number, op = -1, culprit = -1): void => {
    const length = until - filled[lane]!;
    if (length === 0) return;
    if (!(length > 0)) internal(`${names[lane]} would be in two states before cycle ${filled[lane]}`);
    overlay(lane, until - length, length, state, culprit);
    filled[lane] = until;
    cycles[lane]![state]! += length;
    if (culprit >= 0) blamed[lane]![culprit]! += length;
    recorder.slice(lane, length, state, op, culprit);
  };

  const repeat = (lane: number, pieces: readonly Piece[], times: number): void => {
    let at = filled[lane]!;
    for (let i = 0; i < times; i++)
      for (const p of pieces) {
        overlay(lane, at, p.cycles, p.state, p.culprit);
        at += p.cycles;
      }
    for (const { cycles: length, state, culprit } of pieces) {
      filled[lane]! += times * length;
      cycles[lane]![state]! += times * length;
      if (culprit >= 0) blamed[lane]![culprit]! += times * length;
    }
    if (recorder === NULL_RECORDER) return;
    for (let i = 0; i < times; i++)
      for (const p of pieces) if (p.cycles > 0) recorder.slice(lane, p.cycles, p.state, p.op, p.culprit);
  };

  const close = (end: number): LaneTables => {
    const tables: Record<string, StateTable> = {};
    names.forEach((name, lane) => {
      fill(lane, end, IDLE);
      const culprits: Record<string, number> = {};
      blamed[lane]!.forEach((value, i) => {
        if (value > 0) culprits[names[i]!] = value;
      });
      const table = tableOf(cycles[lane]!, culprits);
      if (totalOf(table) !== end) internal(`the states of ${name} sum to ${totalOf(table)} of ${end} cycles`);
      tables[name] = table;
    });
    return { units: tables, stalls: exposure.close() };
  };
  return { names, at: (lane) => filled[lane]!, fill, repeat, close };
}
