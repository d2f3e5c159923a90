/** Dependencies between slices, bound to where packing put the slices. */
import type { Edges } from "../model.ts";
import type { LooseLane, Packed } from "./assemble.ts";

/** An edge between moments on threads. */
export interface LooseEdge {
  readonly from: LooseLane;
  readonly fromTime: number;
  readonly to: LooseLane;
  readonly toTime: number;
}

/** An edge between moments on loose lanes, by their index. */
export interface TimedEdge {
  readonly from: number;
  readonly fromTime: number;
  readonly to: number;
  readonly toTime: number;
}

/** For one loose lane, its slices in order of their start, for finding the innermost one at a moment. */
function finder(lane: LooseLane): (time: number) => number {
  const order = Uint32Array.from(lane.starts.keys()).sort((a, b) => lane.starts[a]! - lane.starts[b]! || a - b);
  const LOOK_BACK = 64;
  return (time) => {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lane.starts[order[middle]!]! <= time) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0 && i >= low - LOOK_BACK; i--) {
      const slice = order[i]!;
      if (lane.ends[slice]! >= time) return slice;
    }
    return -1;
  };
}

/** Edges between slices; those whose ends lie in no slice are left out. */
export function edgesOf(edges: readonly TimedEdge[], lanes: readonly LooseLane[], packed: Packed): Edges | undefined {
  if (edges.length === 0) return undefined;
  const finders = new Map<number, (time: number) => number>();
  const find = (lane: number, time: number): number => {
    if (lane < 0) return -1;
    const known = finders.get(lane) ?? finder(lanes[lane]!);
    finders.set(lane, known);
    return known(time);
  };
  const pairs = edges.map((e) => [e.from, find(e.from, e.fromTime), e.to, find(e.to, e.toTime)] as const);
  return sortEdges(
    pairs.filter(([, from, , to]) => from >= 0 && to >= 0),
    packed,
  );
}

/** Edges given as (lane, slice) → (lane, slice) of loose lanes, sorted by their end. */
export function sortEdges(pairs: readonly (readonly [number, number, number, number])[], packed: Packed): Edges {
  const placed = pairs.map(([fl, fs, tl, ts]) => {
    const from = packed.places[fl]!;
    const to = packed.places[tl]!;
    return [from.lane[fs]!, from.slice[fs]!, to.lane[ts]!, to.slice[ts]!] as const;
  });
  placed.sort((a, b) => a[2] - b[2] || a[3] - b[3]);
  return {
    fromLane: Uint16Array.from(placed, (p) => p[0]),
    fromSlice: Uint32Array.from(placed, (p) => p[1]),
    toLane: Uint16Array.from(placed, (p) => p[2]),
    toSlice: Uint32Array.from(placed, (p) => p[3]),
  };
}
