/** The states of every PE in every cycle, kept as runs: what a trace of depth `pe` holds. */
import { internal } from "../../ir/diagnostics.ts";

/** States of one PE in one cycle; a state's code is its place here. */
export const PE_STATES = [
  /** No operand is in it. */
  "idle",
  /** It multiplies and adds what the product asks for. */
  "multiply",
  /** Operands pass through it that lie beyond the product's edge. */
  "padding",
  /** Its group's sum is complete and waits until the one before it has been rescaled (bit-serial PEs). */
  "rescale",
  /** Sums pass through it on their way out of the array. */
  "drain",
] as const;

export const PE_IDLE = 0;
export const PE_MULTIPLY = 1;
export const PE_PADDING = 2;
export const PE_RESCALE = 3;
export const PE_DRAIN = 4;

/** Runs of one state, PE after PE; `counts` says how many runs each PE has. The runs of a PE fill its time. */
export interface PeRuns {
  readonly counts: readonly number[];
  readonly cycles: Uint32Array;
  readonly state: Uint8Array;
}

/** Takes the states of all PEs, once a cycle. */
export class PeRecorder {
  readonly states: Uint8Array;
  readonly #last: Uint8Array;
  readonly #since: Uint32Array;
  readonly #cycles: readonly number[][];
  readonly #state: readonly number[][];
  #now = 0;

  constructor(pes: number) {
    this.states = new Uint8Array(pes);
    this.#last = new Uint8Array(pes);
    this.#since = new Uint32Array(pes);
    this.#cycles = Array.from({ length: pes }, () => []);
    this.#state = Array.from({ length: pes }, () => []);
  }

  /** Ends a cycle in which the PEs were in `states`. */
  step(): void {
    const now = this.#now++;
    for (let pe = 0; pe < this.states.length; pe++) {
      const state = this.states[pe]!;
      if (state === this.#last[pe]) continue;
      this.#close(pe, now);
      this.#last[pe] = state;
    }
  }

  #close(pe: number, now: number): void {
    const cycles = now - this.#since[pe]!;
    this.#since[pe] = now;
    if (cycles === 0) return;
    this.#cycles[pe]!.push(cycles);
    this.#state[pe]!.push(this.#last[pe]!);
  }

  /** All runs, idle from the last cycle on up to the run's end. */
  done(end: number): PeRuns {
    if (end < this.#now) internal(`PEs were stepped for ${this.#now} of ${end} cycles`);
    this.states.fill(PE_IDLE);
    if (end > this.#now) this.step();
    for (let pe = 0; pe < this.states.length; pe++) this.#close(pe, end);
    return {
      counts: this.#cycles.map((c) => c.length),
      cycles: Uint32Array.from(this.#cycles.flat()),
      state: Uint8Array.from(this.#state.flat()),
    };
  }
}

/** PE-cycles by state. */
export function tallyOf({ cycles, state }: PeRuns): Readonly<Record<(typeof PE_STATES)[number], number>> {
  const tally = { idle: 0, multiply: 0, padding: 0, rescale: 0, drain: 0 };
  cycles.forEach((count, i) => {
    tally[PE_STATES[state[i]!]!] += count;
  });
  return tally;
}

/** The states of all PEs in one cycle, row after row. */
export function statesAt({ counts, cycles, state }: PeRuns, cycle: number): Uint8Array {
  const out = new Uint8Array(counts.length);
  let first = 0;
  counts.forEach((count, pe) => {
    let [at, end] = [first, cycles[first] ?? 0];
    while (end <= cycle && at + 1 < first + count) end += cycles[++at]!;
    out[pe] = state[at] ?? PE_IDLE;
    first += count;
  });
  return out;
}
