/**
 * The exact mix of states of any range at any zoom. A lane keeps running sums by state at regular cycles, about sixteen
 * slices apart; the sum before any cycle is the nearest entry and a few slices more, so the mix of a range costs the same
 * whether it spans one cycle or the whole run, and neighbouring pixels share their border: nothing is lost between them.
 */
import type { Blame, Model, Segment, SumTable, Times, Track } from "./model.ts";
import { endOf } from "./model.ts";

const SLICES_PER_ENTRY = 16;

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
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((SLICES_PER_ENTRY * Math.max(1, cycles)) / Math.max(1, count))));
  const entries = Math.floor(cycles / step) + 1;
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
      for (let s = 0; s < slots; s++) sums[entry * slots + s] = running[s]!;
      sums[entry * slots + slot]! += at - start;
    }
    running[slot]! += end - start;
  }
  for (; entry < entries; entry++) {
    slice[entry] = Math.max(0, count - 1);
    for (let s = 0; s < slots; s++) sums[entry * slots + s] = running[s]!;
  }
  return { step, slice, sums };
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

/** Writes the cycles by slot before `time` of a segment's lane into `out[at…]`, added to what `base` holds there. */
function segmentPrefix(
  segment: Segment,
  lane: number,
  slots: number,
  slotOf: Int16Array,
  time: number,
  base: Float64Array,
  baseAt: number,
  out: Float64Array,
  outAt: number,
): void {
  const { table, starts, state } = segment.tracks[lane]!;
  const entry = Math.floor(time / table.step);
  const { sums } = table;
  for (let s = 0, from = entry * slots; s < slots; s++) out[outAt + s] = base[baseAt + s]! + sums[from + s]!;
  let at = entry * table.step;
  for (let i = table.slice[entry]!; at < time; i++) {
    const end = i + 1 < starts.length ? starts[i + 1]! : segment.cycles;
    const until = end < time ? end : time;
    out[outAt + slotOf[state[i]!]!]! += until - at;
    at = until;
  }
}

/** The last placement that begins at or before `time`. */
export function placementAt(model: Model, time: number): number {
  const { placements } = model;
  let low = 0;
  let high = placements.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (placements[middle]!.start <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

const slotMaps = new WeakMap<Model, readonly Int16Array[]>();

function slotMapsOf(model: Model): readonly Int16Array[] {
  const known = slotMaps.get(model);
  if (known !== undefined) return known;
  const maps = model.slots.map((states) => slotMap(states, model.states.length));
  slotMaps.set(model, maps);
  return maps;
}

/** For each state code its place among `states`, -1 where it is none of them. */
export function slotMap(states: readonly number[], count: number): Int16Array {
  const map = new Int16Array(Math.max(256, count)).fill(-1);
  states.forEach((state, slot) => {
    map[state] = slot;
  });
  return map;
}

/**
 * Cycles by slot between consecutive `edges` (times in order, clipped to the run): column after column, `slots` values
 * each. Sums of columns are sums of ranges: exact as long as edges are whole cycles, and never off between columns.
 */
export function mixColumns(model: Model, lane: number, edges: Float64Array, out?: Float64Array): Float64Array {
  const slots = model.slots[lane]!.length;
  const columns = edges.length - 1;
  const result = out ?? new Float64Array(columns * slots);
  const slotOf = slotMapsOf(model)[lane]!;
  const before = model.before[lane]!;
  const { placements, segments, cycles } = model;
  const rows = [new Float64Array(slots), new Float64Array(slots)] as const;
  let placement = placementAt(model, Math.max(0, edges[0]!));
  for (let i = 0; i <= columns; i++) {
    const time = Math.min(Math.max(edges[i]!, 0), cycles);
    while (placement + 1 < placements.length && placements[placement + 1]!.start <= time) placement++;
    const { segment, start } = placements[placement]!;
    const now = rows[i & 1]!;
    segmentPrefix(segments[segment]!, lane, slots, slotOf, time - start, before, placement * slots, now, 0);
    if (i === 0) continue;
    const last = rows[(i - 1) & 1]!;
    for (let s = 0, to = (i - 1) * slots; s < slots; s++) result[to + s] = now[s]! - last[s]!;
  }
  return result;
}

/** Cycles by state code of a lane in [from, to). */
export function rangeTotals(model: Model, lane: number, from: number, to: number): Float64Array {
  const totals = new Float64Array(model.states.length);
  if (!(to > from)) return totals;
  const sums = mixColumns(model, lane, Float64Array.of(from, to));
  model.slots[lane]!.forEach((state, slot) => {
    totals[state] = sums[slot]!;
  });
  return totals;
}

/** A slice in its place. */
export interface SliceRef {
  readonly lane: number;
  readonly placement: number;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly state: number;
  /** Lane, or -1. */
  readonly culprit: number;
  /** Index in the segment's ops, or -1. */
  readonly op: number;
}

function indexAt(segment: Segment, track: Track, local: number): number {
  const { table, starts } = track;
  let i = table.slice[Math.min(Math.floor(local / table.step), table.slice.length - 1)]!;
  while (i + 1 < starts.length && starts[i + 1]! <= local) i++;
  return local >= segment.cycles ? starts.length - 1 : i;
}

export function sliceRef(model: Model, lane: number, placement: number, index: number): SliceRef {
  const { segment: id, start: offset } = model.placements[placement]!;
  const segment = model.segments[id]!;
  const track = segment.tracks[lane]!;
  return {
    lane,
    placement,
    index,
    start: offset + track.starts[index]!,
    end: offset + endOf(track, index, segment.cycles),
    state: track.state[index]!,
    culprit: track.culprit[index]! - 1,
    op: track.op[index]! - 1,
  };
}

/** The slice of a lane that holds a cycle; undefined outside the run. */
export function sliceAt(model: Model, lane: number, time: number): SliceRef | undefined {
  if (!(time >= 0 && time < model.cycles) || model.lanes[lane] === undefined) return undefined;
  const placement = placementAt(model, time);
  const { segment: id, start } = model.placements[placement]!;
  const segment = model.segments[id]!;
  const track = segment.tracks[lane]!;
  return track.starts.length === 0
    ? undefined
    : sliceRef(model, lane, placement, indexAt(segment, track, time - start));
}

/** The slice before (-1) or after (1) another on its lane. */
export function neighbour(model: Model, slice: SliceRef, direction: 1 | -1): SliceRef | undefined {
  return sliceAt(model, slice.lane, direction === 1 ? slice.end : slice.start - 1);
}

/** Slices of a lane that have a part in [from, to); counting stops once there are more than `limit`. */
export function countSlices(
  model: Model,
  lane: number,
  from: number,
  to: number,
  limit = Number.POSITIVE_INFINITY,
): number {
  const first = Math.max(0, from);
  const last = Math.min(model.cycles, to);
  if (!(last > first)) return 0;
  let count = 0;
  for (let p = placementAt(model, first); p < model.placements.length && count <= limit; p++) {
    const { segment: id, start } = model.placements[p]!;
    if (start >= last) break;
    const segment = model.segments[id]!;
    const track = segment.tracks[lane]!;
    const a = start >= first ? 0 : indexAt(segment, track, first - start);
    const whole = start + segment.cycles <= last;
    const b = whole ? track.starts.length - 1 : indexAt(segment, track, Math.max(0, last - start - 1e-9));
    count += b - a + 1;
  }
  return count;
}

/** Calls `visit` for each slice of a lane that has a part in [from, to), in the order of time, until it returns false. */
export function visitSlices(
  model: Model,
  lane: number,
  from: number,
  to: number,
  visit: (placement: number, index: number, start: number, end: number, track: Track) => boolean,
): void {
  const first = Math.max(0, from);
  const last = Math.min(model.cycles, to);
  if (!(last > first)) return;
  for (let p = placementAt(model, first); p < model.placements.length; p++) {
    const { segment: id, start: offset } = model.placements[p]!;
    if (offset >= last) return;
    const segment = model.segments[id]!;
    const track = segment.tracks[lane]!;
    let i = offset >= first ? 0 : indexAt(segment, track, first - offset);
    for (; i < track.starts.length; i++) {
      const start = offset + track.starts[i]!;
      if (start >= last) return;
      if (!visit(p, i, start, offset + endOf(track, i, segment.cycles), track)) return;
    }
  }
}

/** Cycles of a lane in [from, to) by state and culprit, the most first. Whole placements come from their segment's sums. */
export function rangeBlame(
  model: Model,
  lane: number,
  from: number,
  to: number,
): readonly { readonly state: number; readonly culprit: number; readonly cycles: number }[] {
  const sums = new Map<number, number>();
  const add = (state: number, culprit: number, cycles: number): void => {
    const key = state + 256 * (culprit + 1);
    sums.set(key, (sums.get(key) ?? 0) + cycles);
  };
  const first = Math.max(0, from);
  const last = Math.min(model.cycles, to);
  for (let p = placementAt(model, first); p < model.placements.length && last > first; p++) {
    const { segment: id, start } = model.placements[p]!;
    if (start >= last) break;
    const segment = model.segments[id]!;
    const end = start + segment.cycles;
    if (start >= first && end <= last) {
      for (const b of segment.tracks[lane]!.blame) add(b.state, b.culprit, b.cycles);
    } else {
      visitSlices(model, lane, Math.max(first, start), Math.min(last, end), (_p, i, s, e, track) => {
        add(track.state[i]!, track.culprit[i]! - 1, Math.min(e, last) - Math.max(s, first));
        return true;
      });
    }
  }
  return [...sums]
    .map(([key, cycles]) => ({ state: key % 256, culprit: Math.floor(key / 256) - 1, cycles }))
    .sort((a, b) => b.cycles - a.cycles);
}
