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

  setLast(value: number): void {
    this.#values[this.length - 1] = value;
  }
}

/** Stalls of one lane that wait for the array's lane to come past them. */
interface Waiting {
  readonly starts: Numbers;
  readonly ends: Numbers;
  readonly keys: Numbers;
  next: number;
  /** The first gap of the array that can touch the next stall. */
  gap: number;
}

/**
 * Lays the stalls of all lanes over the gaps of the array's lane. Each lane is filled in the order of time, but lanes run
 * ahead of each other: a stall is kept until the array's lane has passed it.
 */
export class Exposure {
  readonly #names: readonly string[];
  readonly #array: number;
  /** Where the array did not compute: neighbours are one gap. */
  readonly #gapStarts = new Numbers();
  readonly #gapEnds = new Numbers();
  #arrayAt = 0;
  readonly #waiting: readonly Waiting[];
  /** By lane, cause and culprit (0: none). */
  readonly #cycles: Float64Array;
  readonly #exposed: Float64Array;

  /** `array` is the lane that computes; -1: none does, and every stall is exposed. */
  constructor(names: readonly string[], array: number) {
    this.#names = names;
    this.#array = array;
    const keys = names.length * STALL_CAUSES.length * (names.length + 1);
    this.#cycles = new Float64Array(keys);
    this.#exposed = new Float64Array(keys);
    this.#waiting = names.map(() => ({
      starts: new Numbers(),
      ends: new Numbers(),
      keys: new Numbers(),
      next: 0,
      gap: 0,
    }));
  }

  /** The array's lane goes on by so many cycles, computing or not. */
  pass(start: number, cycles: number, computes: boolean): void {
    this.#arrayAt = start + cycles;
    if (computes) return;
    const last = this.#gapEnds.length - 1;
    if (last >= 0 && this.#gapEnds.at(last) === start) {
      this.#gapEnds.setLast(start + cycles);
      return;
    }
    this.#gapStarts.push(start);
    this.#gapEnds.push(start + cycles);
  }

  /** A lane stands still; `cause` is an index into STALL_CAUSES, `culprit` a lane or -1. */
  stall(lane: number, start: number, cycles: number, cause: number, culprit: number): void {
    const key = (lane * STALL_CAUSES.length + cause) * (this.#names.length + 1) + culprit + 1;
    this.#cycles[key]! += cycles;
    if (lane === this.#array || this.#array < 0) {
      this.#exposed[key]! += cycles;
      return;
    }
    const waiting = this.#waiting[lane]!;
    this.#settle(waiting);
    if (start + cycles <= this.#arrayAt && waiting.next === waiting.starts.length) {
      this.#exposed[key]! += this.#overlap(waiting, start, start + cycles);
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

  /** Decides the stalls that the array's lane has passed. */
  #settle(waiting: Waiting): void {
    const { starts, ends, keys } = waiting;
    while (waiting.next < starts.length && ends.at(waiting.next) <= this.#arrayAt) {
      const i = waiting.next++;
      this.#exposed[keys.at(i)]! += this.#overlap(waiting, starts.at(i), ends.at(i));
    }
    if (waiting.next < starts.length || waiting.next === 0) return;
    waiting.next = 0;
    starts.length = 0;
    ends.length = 0;
    keys.length = 0;
  }

  /** Cycles of [start, end) in gaps; stalls of a lane come in the order of time, so the search goes forwards only. */
  #overlap(waiting: Waiting, start: number, end: number): number {
    const count = this.#gapStarts.length;
    while (waiting.gap < count && this.#gapEnds.at(waiting.gap) <= start) waiting.gap++;
    let sum = 0;
    for (let i = waiting.gap; i < count && this.#gapStarts.at(i) < end; i++)
      sum += Math.min(end, this.#gapEnds.at(i)) - Math.max(start, this.#gapStarts.at(i));
    return sum;
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
