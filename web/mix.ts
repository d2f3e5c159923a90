/**
 * The exact mix of states of any range at any zoom. A lane keeps running sums by state at regular cycles, a few slices
 * apart; the sum before any cycle is the nearest entry and a few slices more, so the mix of a range costs the same
 * whether it spans one cycle or the whole run, and neighbouring pixels share their border: nothing is lost between them.
 */
import type { Model, Segment, SumLevel } from "./model.ts";
import { indexAt, placementAt, visitSlices } from "./slices.ts";
import { slotMap } from "./sums.ts";

const slotMaps = new WeakMap<Model, readonly Int16Array[]>();

function slotMapsOf(model: Model): readonly Int16Array[] {
  const known = slotMaps.get(model);
  if (known !== undefined) return known;
  const maps = model.slots.map((states) => slotMap(states, model.states.length));
  slotMaps.set(model, maps);
  return maps;
}

/** Entries that a column must span for its edges to be rounded to entries: they move by a quarter of a pixel at most. */
const ROUNDED_ENTRIES = 2;

/**
 * The level of each segment's table of a lane whose entries are so dense that edges of columns of this many cycles can
 * be rounded to them without being seen, and no denser; undefined where there is none.
 */
function levelsFor(model: Model, lane: number, cycles: number): readonly SumLevel[] | undefined {
  const levels: SumLevel[] = [];
  for (const { tracks } of model.segments) {
    const level = tracks[lane]!.table.levels.findLast((l) => l.step * ROUNDED_ENTRIES <= cycles);
    if (level === undefined) return undefined;
    levels.push(level);
  }
  return levels;
}

/** Columns of one length that cover [from, to). */
export interface Columns {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

const edgeOf = ({ from, to, count }: Columns, i: number): number =>
  i === count ? to : from + (i * (to - from)) / count;

/**
 * Cycles by slot in columns: column after column, `slots` values each. Columns outside the run hold nothing. Sums of
 * columns are sums of ranges: neighbours share their border. `exact` looks at slices even where nobody could see it.
 */
export function mixColumns(model: Model, lane: number, columns: Columns, exact: boolean): Float64Array {
  const slots = model.slots[lane]!.length;
  const { placements, segments, cycles } = model;
  const levels = exact ? undefined : levelsFor(model, lane, (columns.to - columns.from) / columns.count);
  const slotOf = slotMapsOf(model)[lane]!;
  const before = model.before[lane]!;
  const mix = new Float64Array(columns.count * slots);
  const rows = [new Float64Array(slots), new Float64Array(slots)] as const;
  let placement = placementAt(model, Math.max(0, columns.from));
  for (let i = 0; i <= columns.count; i++) {
    const time = Math.min(Math.max(edgeOf(columns, i), 0), cycles);
    while (placement + 1 < placements.length && placements[placement + 1]!.start <= time) placement++;
    const { segment: id, start } = placements[placement]!;
    const now = rows[i & 1]!;
    const last = rows[(i - 1) & 1]!;
    sumsAt(segments[id]!, lane, time - start, levels?.[id], slotOf, now);
    for (let s = 0, b = placement * slots; s < slots; s++) now[s]! += before[b + s]! - (s > 0 ? before[b + s - 1]! : 0);
    for (let s = 0, to = (i - 1) * slots; i > 0 && s < slots; s++) mix[to + s] = now[s]! - last[s]!;
  }
  return mix;
}

/** Writes the cycles by slot before a time of a segment's lane, or before the nearest entry of a level of its table. */
function sumsAt(
  segment: Segment,
  lane: number,
  time: number,
  rounded: SumLevel | undefined,
  slotOf: Int16Array,
  out: Float64Array,
): void {
  const { table, starts, state } = segment.tracks[lane]!;
  const slots = out.length;
  const { step, sums } = rounded ?? table.levels[0]!;
  const entry = Math.floor(time / step + (rounded === undefined ? 0 : 0.5));
  let below = 0;
  for (let s = 0; s < slots; s++) {
    const sum = sums[entry * slots + s]!;
    out[s] = sum - below;
    below = sum;
  }
  if (rounded !== undefined) return;
  let at = entry * step;
  for (let i = table.slice[entry]!; at < time; i++) {
    const end = i + 1 < starts.length ? starts[i + 1]! : segment.cycles;
    const until = end < time ? end : time;
    out[slotOf[state[i]!]!]! += until - at;
    at = until;
  }
}

/**
 * The states of columns as pixels: for each column one height for each slot, `height` in all, all zero outside the run.
 * Borders between states are rounded, not heights: each is off by half a pixel, and a column is full.
 */
export function stackColumns(model: Model, lane: number, columns: Columns, height: number): Uint8Array {
  const levels = levelsFor(model, lane, (columns.to - columns.from) / columns.count);
  return levels === undefined
    ? stackWalked(model, lane, columns, height)
    : stackRounded(model, lane, columns, height, levels);
}

/** Takes differences of the table's entries nearest to the edges: no slice is looked at, every cycle is in one column. */
function stackRounded(
  model: Model,
  lane: number,
  columns: Columns,
  height: number,
  levels: readonly SumLevel[],
): Uint8Array {
  const slots = model.slots[lane]!.length;
  const before = model.before[lane]!;
  const { placements, cycles } = model;
  const heights = new Uint8Array(columns.count * slots);
  let placement = placementAt(model, Math.max(0, columns.from));
  // The edge before, where a column begins.
  let earlier = levels[placements[placement]!.segment]!.sums;
  let base = 0;
  let baseBefore = placement * slots;
  for (let i = 0; i <= columns.count; i++) {
    const time = Math.min(Math.max(edgeOf(columns, i), 0), cycles);
    while (placement + 1 < placements.length && placements[placement + 1]!.start <= time) placement++;
    const { segment: id, start } = placements[placement]!;
    const { step, sums } = levels[id]!;
    const now = Math.floor((time - start) / step + 0.5) * slots;
    const nowBefore = placement * slots;
    if (i > 0) {
      const moved = nowBefore !== baseBefore;
      const top = slots - 1;
      const whole =
        sums[now + top]! - earlier[base + top]! + (moved ? before[nowBefore + top]! - before[baseBefore + top]! : 0);
      const scale = whole > 0 ? height / whole : 0;
      let last = 0;
      for (let s = 0, at = (i - 1) * slots; s < slots; s++) {
        let sum = sums[now + s]! - earlier[base + s]!;
        if (moved) sum += before[nowBefore + s]! - before[baseBefore + s]!;
        const border = (sum * scale + 0.5) | 0;
        heights[at + s] = border - last;
        last = border;
      }
    }
    earlier = sums;
    base = now;
    baseBefore = nowBefore;
  }
  return heights;
}

/** Lays slice after slice over the columns: for those that hold few. */
function stackWalked(model: Model, lane: number, columns: Columns, height: number): Uint8Array {
  const slots = model.slots[lane]!.length;
  const heights = new Uint8Array(columns.count * slots);
  const sums = new Float64Array(slots);
  const { placements, segments, cycles } = model;
  const walk: Walk = { column: 0, at: Math.min(Math.max(columns.from, 0), cycles) };
  for (let p = placementAt(model, walk.at); p < placements.length && walk.column < columns.count; p++) {
    const { segment: id, start } = placements[p]!;
    walkSegment(segments[id]!, lane, start, slotMapsOf(model)[lane]!, columns, height, walk, sums, heights);
  }
  if (walk.column < columns.count && sums.some((s) => s > 0)) stackSums(sums, columns, height, walk.column, heights);
  return heights;
}

/** How far columns are filled: the column, and the time within it. */
interface Walk {
  column: number;
  at: number;
}

/** Fills columns up to the end of a segment; what belongs to a column that goes on is left in `sums`. */
function walkSegment(
  segment: Segment,
  lane: number,
  offset: number,
  slotOf: Int16Array,
  columns: Columns,
  height: number,
  walk: Walk,
  sums: Float64Array,
  heights: Uint8Array,
): void {
  const track = segment.tracks[lane]!;
  const { starts, state } = track;
  const { from, count } = columns;
  const slots = sums.length;
  const count1 = starts.length - 1;
  const width = (columns.to - from) / count;
  let { column, at } = walk;
  let right = edgeOf(columns, column + 1);
  let open = at > from + column * width;
  for (let i = indexAt(segment, track, at - offset); i <= count1; i++) {
    const end = offset + (i < count1 ? starts[i + 1]! : segment.cycles);
    const slot = slotOf[state[i]!]!;
    while (end >= right) {
      if (open) {
        sums[slot]! += right - at;
        stackSums(sums, columns, height, column, heights);
        open = false;
      } else heights[column * slots + slot] = height;
      at = right;
      if (++column === count) {
        walk.column = column;
        return;
      }
      right = column + 1 === count ? columns.to : from + (column + 1) * width;
    }
    if (end > at) {
      sums[slot]! += end - at;
      open = true;
      at = end;
    }
  }
  walk.column = column;
  walk.at = at;
}

/** Turns a column's sums into heights, and clears them. */
function stackSums(sums: Float64Array, columns: Columns, height: number, column: number, heights: Uint8Array): void {
  const scale = (height * columns.count) / (columns.to - columns.from);
  let sum = 0;
  let last = 0;
  for (let s = 0, to = column * sums.length; s < sums.length; s++) {
    const value = sums[s]!;
    if (value === 0) continue;
    sum += value;
    sums[s] = 0;
    const border = Math.min(height, (sum * scale + 0.5) | 0);
    heights[to + s] = border - last;
    last = border;
  }
}

/** Cycles by slot of a lane within a placement's first `local` cycles, written to `out`. */
export function mixWithin(model: Model, lane: number, placement: number, local: number, out: Float64Array): void {
  const segment = model.segments[model.placements[placement]!.segment]!;
  sumsAt(segment, lane, Math.min(segment.cycles, Math.max(0, local)), undefined, slotMapsOf(model)[lane]!, out);
}

/** Cycles by state code of a lane in [from, to). */
export function rangeTotals(model: Model, lane: number, from: number, to: number): Float64Array {
  const totals = new Float64Array(model.states.length);
  if (!(to > from)) return totals;
  const sums = mixColumns(model, lane, { from, to, count: 1 }, true);
  model.slots[lane]!.forEach((state, slot) => {
    totals[state] = sums[slot]!;
  });
  return totals;
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
