/** What is summed once when a trace is read: running sums by state, and cycles by culprit, of every lane. */
import type { Blame, SumLevel, SumTable, Times, Track } from "./model.ts";

/** Entries make frames fast and cost memory: short lanes have twice as many. */
const SLICES_PER_ENTRY = { short: 4, long: 8 } as const;
const LONG_LANE = 40_000;

/** An array for times up to `cycles`: exact to 2^53. */
export const timesOf = (length: number, cycles: number): Times =>
  cycles < 2 ** 32 ? new Uint32Array(length) : new Float64Array(length);

/** Builds a lane's table. `slotOf[state]` is the state's place among the lane's `slots`. */
export function buildTable(
  track: Pick<Track, "starts" | "state">,
  cycles: number,
  slots: number,
  slotOf: Int16Array,
): SumTable {
  const { starts, state } = track;
  const count = starts.length;
  const slicesPerEntry = count > LONG_LANE ? SLICES_PER_ENTRY.long : SLICES_PER_ENTRY.short;
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((slicesPerEntry * Math.max(1, cycles)) / Math.max(1, count))));
  // The last entry stands at the end, however far it is from the one before.
  const entries = Math.floor(cycles / step) + 2;
  const slice = new Uint32Array(entries);
  const sums = timesOf(entries * slots, cycles);
  const running = new Float64Array(slots);
  let entry = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    const end = i + 1 < count ? starts[i + 1]! : cycles;
    const slot = slotOf[state[i]!]!;
    for (; at < end; entry++, at += step) {
      slice[entry] = i;
      for (let s = 0; s < slots; s++) sums[entry * slots + s] = running[s]! + (s < slot ? 0 : at - start);
    }
    for (let s = slot; s < slots; s++) running[s]! += end - start;
  }
  for (; entry < entries; entry++) {
    slice[entry] = Math.max(0, count - 1);
    for (let s = 0; s < slots; s++) sums[entry * slots + s] = running[s]!;
  }
  return { slice, levels: buildLevels({ step, sums }, slots, cycles) };
}

const LEVEL_FACTOR = 4;
const MIN_LEVEL_ENTRIES = 1024;

/** The level and coarser copies of it: entries that are far apart in one are neighbours in memory in another. */
function buildLevels(finest: SumLevel, slots: number, cycles: number): readonly SumLevel[] {
  const levels = [finest];
  for (let fine = finest; fine.sums.length > MIN_LEVEL_ENTRIES * slots; ) {
    const step = fine.step * LEVEL_FACTOR;
    const entries = Math.floor(cycles / step) + 2;
    const sums = timesOf(entries * slots, cycles);
    for (let e = 0; e < entries - 1; e++)
      for (let s = 0; s < slots; s++) sums[e * slots + s] = fine.sums[e * LEVEL_FACTOR * slots + s]!;
    for (let s = 0; s < slots; s++) sums[(entries - 1) * slots + s] = fine.sums[fine.sums.length - slots + s]!;
    fine = { step, sums };
    levels.push(fine);
  }
  return levels;
}

/** Cycles by state and culprit of one lane, and the longest slice of each pair; culprits only where a unit stalls. */
export function blameOf(track: Omit<Track, "table" | "blame">, cycles: number): readonly Blame[] {
  const { starts, state, culprit } = track;
  const found = new Map<number, { cycles: number; longestStart: number; longestCycles: number }>();
  let lastKey = -1;
  let last = { cycles: 0, longestStart: 0, longestCycles: 0 };
  for (let i = 0; i < starts.length; i++) {
    const key = state[i]! + 256 * culprit[i]!;
    if (key !== lastKey) {
      const known = found.get(key);
      last = known ?? { cycles: 0, longestStart: 0, longestCycles: 0 };
      if (known === undefined) found.set(key, last);
      lastKey = key;
    }
    const start = starts[i]!;
    const length = (i + 1 < starts.length ? starts[i + 1]! : cycles) - start;
    last.cycles += length;
    if (length > last.longestCycles) {
      last.longestCycles = length;
      last.longestStart = start;
    }
  }
  return [...found].map(([key, sums]) => ({ state: key % 256, culprit: Math.floor(key / 256) - 1, ...sums }));
}

/** For each state code its place among `states`, -1 where it is none of them. */
export function slotMap(states: readonly number[], count: number): Int16Array {
  const map = new Int16Array(Math.max(256, count)).fill(-1);
  states.forEach((state, slot) => {
    map[state] = slot;
  });
  return map;
}
