/** Walking from a slice to what held it up, and on to what it held up. */
import { culpritSlice } from "./layout.ts";
import type { Model } from "./model.ts";
import { neighbour, type SliceRef, sliceRef, visitSlices } from "./slices.ts";

/** First place of `edges` sorted by `toLane`, `toSlice` that ends in this slice. */
function firstEdgeTo(model: Model, lane: number, index: number): number {
  const { toLane, toSlice } = model.edges!;
  let low = 0;
  let high = toLane.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (toLane[middle]! < lane || (toLane[middle] === lane && toSlice[middle]! < index)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What a slice waited for: a stall's culprit; the producer of a recorded dependency that ended last; else what stalled
 * the slice before it, else the slice before it.
 */
export function cause(model: Model, slice: SliceRef): SliceRef | undefined {
  const direct = culpritSlice(model, slice);
  if (direct !== undefined) return direct;
  let producer: SliceRef | undefined;
  if (model.edges !== undefined) {
    const { fromLane, fromSlice, toLane, toSlice } = model.edges;
    for (
      let e = firstEdgeTo(model, slice.lane, slice.index);
      toLane[e] === slice.lane && toSlice[e] === slice.index;
      e++
    ) {
      const from = sliceRef(model, fromLane[e]!, 0, fromSlice[e]!);
      if (producer === undefined || from.end > producer.end) producer = from;
    }
  }
  if (producer !== undefined) return producer;
  const before = neighbour(model, slice, -1);
  return before === undefined ? undefined : (culpritSlice(model, before) ?? before);
}

/** What a slice held up: the longest stall that names its lane and ends with it; a recorded dependent; else the next slice. */
export function effect(model: Model, slice: SliceRef): SliceRef | undefined {
  let longest: SliceRef | undefined;
  for (const lane of model.lanes.keys()) {
    if (lane === slice.lane) continue;
    visitSlices(model, lane, slice.start, slice.end + 1, (placement, index, start, end, track) => {
      const blamed = track.culprit[index]! - 1 === slice.lane && end > slice.start && end <= slice.end + 1;
      if (blamed && (longest === undefined || end - start > longest.end - longest.start))
        longest = sliceRef(model, lane, placement, index);
      return true;
    });
  }
  return longest ?? dependent(model, slice) ?? neighbour(model, slice, 1);
}

function dependent(model: Model, slice: SliceRef): SliceRef | undefined {
  if (model.edges === undefined) return undefined;
  const { fromLane, fromSlice, toLane, toSlice } = model.edges;
  for (let e = 0; e < fromLane.length; e++)
    if (fromLane[e] === slice.lane && fromSlice[e] === slice.index) return sliceRef(model, toLane[e]!, 0, toSlice[e]!);
  return undefined;
}

/** From a stall through culprits that are stalled themselves to one that is at work, at the stall's last cycle. */
export function chain(model: Model, slice: SliceRef): readonly SliceRef[] {
  const links: SliceRef[] = [slice];
  for (let at = culpritSlice(model, slice); at !== undefined; at = culpritSlice(model, at)) {
    if (links.some((l) => l.lane === at?.lane)) break;
    links.push(at);
    if (model.states[at.state]!.family !== "stall") break;
  }
  return links;
}
