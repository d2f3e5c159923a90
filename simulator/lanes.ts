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

/** Keeps nothing: the only recorder with which repetitions may be skipped. */
export const NULL_RECORDER: Recorder = { slice: () => {} };

/** What lanes had booked at one moment. */
export interface LaneMark {
  readonly lanes: readonly number[];
  readonly booked: Float64Array;
}

export interface Lanes {
  readonly names: readonly string[];
  /** How far a lane is filled. */
  at(lane: number): number;
  /** Fills a lane from where it stands up to `until`. */
  fill(lane: number, until: number, state: number, op?: number, culprit?: number): void;
  /** Fills a lane with the same pieces over and over. */
  repeat(lane: number, pieces: readonly Piece[], times: number): void;
  /** A place for marks of these lanes; the array's comes last. */
  newMark(lanes: readonly number[]): LaneMark;
  /** Remembers what its lanes have booked. */
  mark(mark: LaneMark): void;
  /** What the lanes of a mark have done since, which took each `period` cycles, they do `times` times more. */
  again(mark: LaneMark, period: number, times: number): void;
  /** Writes the stalls of a lane of which nobody knows yet whether they are hidden; returns how many numbers. */
  writeWaiting(lane: number, base: number, into: Float64Array, at: number): number;
  /** Ends all lanes with idle cycles and returns their tables; every one accounts for exactly `cycles`. */
  close(cycles: number): LaneTables;
}

export interface LaneTables {
  readonly units: Readonly<Record<string, StateTable>>;
  readonly stalls: readonly Stall[];
}

const CONTRACT = busy("contract");

/** Place of a lane's first state in its ledger; before it stands how far the lane is filled. */
const FIRST_STATE = 1;
const FIRST_CULPRIT = FIRST_STATE + STATES.length;

/** `array`: the lane whose computing hides what others wait for; -1 for none. */
export function makeLanes(names: readonly string[], recorder: Recorder, array: number): Lanes {
  const exposure = new Exposure(names, array);
  const ledgers = names.map(() => new Float64Array(FIRST_CULPRIT + names.length));
  const ledgerSize = FIRST_CULPRIT + names.length;
  const markSize = ledgerSize + 2 * exposure.laneKeys;

  const overlay = (lane: number, start: number, length: number, state: number, culprit: number): void => {
    if (lane === array) exposure.pass(length, state === CONTRACT);
    const cause = causeOf(state);
    if (cause >= 0) exposure.stall(lane, start, length, cause, culprit);
  };

  const fill = (lane: number, until: number, state: number, op = -1, culprit = -1): void => {
    const ledger = ledgers[lane]!;
    const length = until - ledger[0]!;
    if (length === 0) return;
    if (!(length > 0)) internal(`${names[lane]} would be in two states before cycle ${ledger[0]}`);
    overlay(lane, until - length, length, state, culprit);
    ledger[0] = until;
    ledger[FIRST_STATE + state]! += length;
    if (culprit >= 0) ledger[FIRST_CULPRIT + culprit]! += length;
    recorder.slice(lane, length, state, op, culprit);
  };

  const repeat = (lane: number, pieces: readonly Piece[], times: number): void => {
    const ledger = ledgers[lane]!;
    let at = ledger[0]!;
    if (lane === array || pieces.some((p) => p.cycles > 0 && causeOf(p.state) >= 0))
      for (let i = 0; i < times; i++)
        for (const p of pieces) {
          overlay(lane, at, p.cycles, p.state, p.culprit);
          at += p.cycles;
        }
    for (const { cycles: length, state, culprit } of pieces) {
      ledger[0]! += times * length;
      ledger[FIRST_STATE + state]! += times * length;
      if (culprit >= 0) ledger[FIRST_CULPRIT + culprit]! += times * length;
    }
    if (recorder === NULL_RECORDER) return;
    for (let i = 0; i < times; i++)
      for (const p of pieces) if (p.cycles > 0) recorder.slice(lane, p.cycles, p.state, p.op, p.culprit);
  };

  const mark = ({ lanes, booked }: LaneMark): void => {
    lanes.forEach((lane, i) => {
      booked.set(ledgers[lane]!, i * markSize);
      exposure.mark(lane, booked, i * markSize + ledgerSize);
    });
  };

  const again = ({ lanes, booked }: LaneMark, period: number, times: number): void => {
    if (period === 0) return;
    // What the others have booked is laid over the array's gaps as they were.
    if (lanes.includes(array) && lanes.at(-1) !== array) internal("the array's lane does not come last");
    for (const [i, lane] of lanes.entries()) {
      const ledger = ledgers[lane]!;
      const at = i * markSize;
      if (ledger[0]! - booked[at]! !== period) internal(`${names[lane]} did not take ${period} cycles`);
      exposure.repeat(lane, booked, at + ledgerSize, period, times);
      for (let j = 0; j < ledgerSize; j++) ledger[j]! += times * (ledger[j]! - booked[at + j]!);
    }
  };

  const close = (end: number): LaneTables => {
    const tables: Record<string, StateTable> = {};
    names.forEach((name, lane) => {
      fill(lane, end, IDLE);
      const ledger = ledgers[lane]!;
      const culprits: Record<string, number> = {};
      names.forEach((culprit, i) => {
        const value = ledger[FIRST_CULPRIT + i]!;
        if (value > 0) culprits[culprit] = value;
      });
      const table = tableOf(ledger.subarray(FIRST_STATE, FIRST_CULPRIT), culprits);
      if (totalOf(table) !== end) internal(`the states of ${name} sum to ${totalOf(table)} of ${end} cycles`);
      tables[name] = table;
    });
    return { units: tables, stalls: exposure.close() };
  };
  return {
    names,
    at: (lane) => ledgers[lane]![0]!,
    fill,
    repeat,
    newMark: (lanes) => ({ lanes, booked: new Float64Array(lanes.length * markSize) }),
    mark,
    again,
    writeWaiting: (lane, base, into, at) => exposure.writeWaiting(lane, base, into, at),
    close,
  };
}
