/** Which waits cost time: a stalled cycle is exposed where the array does not compute in it, and hidden where it does. */
import { STALL_CAUSES, type StallCause } from "./states.ts";

/** Cycles that a unit stood still for one cause, by whom it waited for. */
export interface Stall {
  readonly unit: string;
  readonly cause: StallCause;
  /** The unit that it waited for; null where the cause names none. */
  readonly culprit: string | null;
  readonly cycles: number;
  /** Of these, cycles in which the array did not compute. */
  readonly exposedCycles: number;
}

/** A list of numbers that grows without boxing them. */
class Numbers {
  #values = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(2 * this.length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  move(by: number): void {
    for (let i = 0; i < this.length; i++) this.#values[i]! += by;
  }
}

/** What the array did in a stretch of time. */
const COMPUTES = 0;
const PAUSES = 1;
/** The same as in the last so many cycles before it, over and over. */
const REPEATS = 2;

/** How many cycles without computing the array's lane has had up to any cycle; repetitions take no room. */
class Gaps {
  readonly #starts = new Numbers();
  readonly #before = new Numbers();
  readonly #kinds = new Numbers();
  readonly #periods = new Numbers();
  end = 0;
  #total = 0;

  pass(cycles: number, computes: boolean): void {
    const kind = computes ? COMPUTES : PAUSES;
    if (this.#kinds.length === 0 || this.#kinds.at(this.#kinds.length - 1) !== kind) this.#open(kind, 0);
    this.end += cycles;
    if (!computes) this.#total += cycles;
  }

  /** The last `period` cycles happen `times` times more. */
  repeat(period: number, times: number): void {
    const each = this.#total - this.upTo(this.end - period);
    this.#open(REPEATS, period);
    this.end += times * period;
    this.#total += times * each;
  }

  #open(kind: number, period: number): void {
    this.#starts.push(this.end);
    this.#before.push(this.#total);
    this.#kinds.push(kind);
    this.#periods.push(period);
  }

  /** Cycles without computing before cycle `at`, which the lane has passed. */
  upTo(at: number): number {
    if (at >= this.end) return this.#total;
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts.at(middle) <= at) low = middle;
      else high = middle - 1;
    }
    const start = this.#starts.at(low);
    const before = this.#before.at(low);
    const kind = this.#kinds.at(low);
    if (kind === COMPUTES) return before;
    if (kind === PAUSES) return before + at - start;
    const period = this.#periods.at(low);
    const turns = Math.floor((at - start) / period);
    const first = this.upTo(start - period);
    return before + turns * (before - first) + this.upTo(at - (turns + 1) * period) - first;
  }
}

/** Stalls of one lane that wait for the array's lane to come past them. */
interface Waiting {
  readonly starts: Numbers;
  readonly ends: Numbers;
  readonly keys: Numbers;
  next: number;
}

/**
 * Lays the stalls of all lanes over the gaps of the array's lane. Each lane is filled in the order of time, but lanes run
 * ahead of each other: a stall is kept until the array's lane has passed it.
 */
export class Exposure {
  readonly #names: readonly string[];
  readonly #array: number;
  readonly #gaps = new Gaps();
  readonly #waiting: readonly Waiting[];
  /** By lane, cause and culprit (0: none). */
  readonly #cycles: Float64Array;
  readonly #exposed: Float64Array;
  /** Numbers of a lane in either of these. */
  readonly laneKeys: number;

  /** `array` is the lane that computes; -1: none does, and every stall is exposed. */
  constructor(names: readonly string[], array: number) {
    this.#names = names;
    this.#array = array;
    this.laneKeys = STALL_CAUSES.length * (names.length + 1);
    this.#cycles = new Float64Array(names.length * this.laneKeys);
    this.#exposed = new Float64Array(names.length * this.laneKeys);
    this.#waiting = names.map(() => ({ starts: new Numbers(), ends: new Numbers(), keys: new Numbers(), next: 0 }));
  }

  /** The array's lane goes on by so many cycles, computing or not. */
  pass(cycles: number, computes: boolean): void {
    this.#gaps.pass(cycles, computes);
  }

  /** A lane stands still; `cause` is an index into STALL_CAUSES, `culprit` a lane or -1. */
  stall(lane: number, start: number, cycles: number, cause: number, culprit: number): void {
    const key = lane * this.laneKeys + cause * (this.#names.length + 1) + culprit + 1;
    this.#cycles[key]! += cycles;
    if (lane === this.#array || this.#array < 0) {
      this.#exposed[key]! += cycles;
      return;
    }
    const waiting = this.#waiting[lane]!;
    this.#settle(waiting);
    if (start + cycles <= this.#gaps.end && waiting.next === waiting.starts.length) {
      this.#exposed[key]! += this.#gaps.upTo(start + cycles) - this.#gaps.upTo(start);
      return;
    }
    waiting.starts.push(start);
    waiting.ends.push(start + cycles);
    waiting.keys.push(key);
  }

  /** Everything, in the order of lanes and causes; the lanes must be filled to their ends. */
  close(): readonly Stall[] {
    for (const waiting of this.#waiting) this.#settle(waiting);
    const stalls: Stall[] = [];
    const culprits = this.#names.length + 1;
    this.#cycles.forEach((cycles, key) => {
      if (cycles === 0) return;
      const at = Math.floor(key / culprits);
      stalls.push({
        unit: this.#names[Math.floor(at / STALL_CAUSES.length)]!,
        cause: STALL_CAUSES[at % STALL_CAUSES.length]!,
        culprit: this.#names[(key % culprits) - 1] ?? null,
        cycles,
        exposedCycles: this.#exposed[key]!,
      });
    });
    return stalls;
  }

  // Repetition: all that a lane has booked since a mark, so many times more.

  /** Copies what has been booked for a lane to `into` from `at` on: twice `laneKeys` numbers. */
  mark(lane: number, into: Float64Array, at: number): void {
    this.#settle(this.#waiting[lane]!);
    const from = lane * this.laneKeys;
    into.set(this.#cycles.subarray(from, from + this.laneKeys), at);
    into.set(this.#exposed.subarray(from, from + this.laneKeys), at + this.laneKeys);
  }

  /** Books again, `times` times, what a lane has booked since its mark `period` cycles ago. */
  repeat(lane: number, marked: Float64Array, at: number, period: number, times: number): void {
    this.#settle(this.#waiting[lane]!);
    const from = lane * this.laneKeys;
    for (let i = 0; i < this.laneKeys; i++) {
      this.#cycles[from + i]! += times * (this.#cycles[from + i]! - marked[at + i]!);
      this.#exposed[from + i]! += times * (this.#exposed[from + i]! - marked[at + this.laneKeys + i]!);
    }
    const { starts, ends } = this.#waiting[lane]!;
    starts.move(times * period);
    ends.move(times * period);
    if (lane === this.#array) this.#gaps.repeat(period, times);
  }

  /** Writes a lane's waiting stalls, relative to `base`, and returns how many numbers that takes: too many are not written. */
  writeWaiting(lane: number, base: number, into: Float64Array, at: number): number {
    const waiting = this.#waiting[lane]!;
    this.#settle(waiting);
    const { starts, ends, keys, next } = waiting;
    const count = starts.length - next;
    if (at + 1 + 3 * count > into.length) return into.length;
    into[at++] = count;
    for (let i = next; i < starts.length; i++) {
      into[at++] = starts.at(i) - base;
      into[at++] = ends.at(i) - base;
      into[at++] = keys.at(i);
    }
    return 1 + 3 * count;
  }

  /** Decides the stalls that the array's lane has passed. */
  #settle(waiting: Waiting): void {
    const { starts, ends, keys } = waiting;
    while (waiting.next < starts.length && ends.at(waiting.next) <= this.#gaps.end) {
      const i = waiting.next++;
      this.#exposed[keys.at(i)]! += this.#gaps.upTo(ends.at(i)) - this.#gaps.upTo(starts.at(i));
    }
    if (waiting.next < starts.length || waiting.next === 0) return;
    waiting.next = 0;
    starts.length = 0;
    ends.length = 0;
    keys.length = 0;
  }
}

/** The sums of stalls by unit, cause and culprit, in the order in which they first come. */
export function addStalls(parts: readonly (readonly Stall[])[]): readonly Stall[] {
  const sums = new Map<string, Stall>();
  for (const part of parts)
    for (const stall of part) {
      const key = `${stall.unit} ${stall.cause} ${stall.culprit}`;
      const sum = sums.get(key);
      sums.set(
        key,
        sum === undefined
          ? stall
          : {
              ...sum,
              cycles: sum.cycles + stall.cycles,
              exposedCycles: sum.exposedCycles + stall.exposedCycles,
            },
      );
    }
  return [...sums.values()];
}
