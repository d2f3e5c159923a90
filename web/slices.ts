/** Finding slices by time: of a cycle, of a range, beside one another. */
import { endOf, type Model, type Segment, type Track } from "./model.ts";

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

/** The slice of a track that holds a cycle of its segment. */
export function indexAt(segment: Segment, track: Track, local: number): number {
  const { table, starts } = track;
  const { step } = table.levels[0]!;
  let i = table.slice[Math.min(Math.floor(local / step), table.slice.length - 1)]!;
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
