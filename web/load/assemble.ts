/** From a file's slices to a model: overlapping slices go to lanes of their own, gaps become idle, sums are built. */
import { MAX_DEPTH, MAX_LANES, MAX_SLICES } from "../limits.ts";
import type { LaneInfo, Model, OpInfo, Placement, Segment, SegmentFacts, StateInfo, Times, Track } from "../model.ts";
import { stateNamed } from "../model.ts";
import { blameOf, buildTable, slotMap, timesOf } from "../sums.ts";

/** The columns of a lane before its sums are built. */
export type Columns = Pick<Track, "starts" | "state" | "op" | "culprit">;

export interface DraftSegment extends SegmentFacts {
  readonly cycles: number;
  readonly lanes: readonly Columns[];
  readonly ops: readonly OpInfo[];
}

export type Draft = Omit<Model, "slots" | "segments" | "before" | "states"> & {
  readonly states: readonly string[];
  readonly segments: readonly DraftSegment[];
};

const FAMILY_ORDER = { busy: 0, stall: 1, idle: 2 } as const;

/** Builds all sums. Every lane of every segment accounts for all of the segment's cycles. */
export function finish(draft: Draft): Model {
  const states = draft.states.map(stateNamed);
  const slots = draft.lanes.map((_, lane) => slotsOf(draft.segments, lane, states));
  const segments = draft.segments.map((segment): Segment => {
    const { lanes, ...rest } = segment;
    const tracks = lanes.map((columns, lane): Track => {
      const map = slotMap(slots[lane]!, states.length);
      const table = buildTable(columns, segment.cycles, slots[lane]!.length, map);
      return { ...columns, table, blame: blameOf(columns, segment.cycles) };
    });
    return { ...rest, tracks };
  });
  const before = slots.map((own, lane) => placementSums(segments, draft.placements, lane, own));
  return { ...draft, states, slots, segments, before };
}

function slotsOf(segments: readonly DraftSegment[], lane: number, states: readonly StateInfo[]): readonly number[] {
  const seen = statesSeen(segments.map((segment) => segment.lanes[lane]!));
  return states
    .map((_, code) => code)
    .filter((code) => seen[code] === 1)
    .sort((a, b) => FAMILY_ORDER[states[a]!.family] - FAMILY_ORDER[states[b]!.family] || a - b);
}

/** 1 for each state that occurs. */
export function statesSeen(lanes: readonly Columns[]): Uint8Array {
  const seen = new Uint8Array(256);
  for (const { state } of lanes) for (let i = 0; i < state.length; i++) seen[state[i]!] = 1;
  return seen;
}

function placementSums(
  segments: readonly Segment[],
  placements: readonly Placement[],
  lane: number,
  slots: readonly number[],
): Float64Array {
  const width = slots.length;
  const own = segments.map((segment) => {
    const sums = new Float64Array(width);
    for (const b of segment.tracks[lane]!.blame)
      for (let s = slots.indexOf(b.state); s < width; s++) sums[s]! += b.cycles;
    return sums;
  });
  const result = new Float64Array((placements.length + 1) * width);
  placements.forEach(({ segment }, i) => {
    for (let s = 0; s < width; s++) result[(i + 1) * width + s] = result[i * width + s]! + own[segment]![s]!;
  });
  return result;
}

/** Slices of one lane as a foreign file gives them: any order, gaps and overlaps allowed. */
export interface LooseLane {
  readonly name: string;
  readonly group: string;
  readonly starts: number[];
  readonly ends: number[];
  readonly state: number[];
  readonly op: number[];
  /** Index of the loose lane to blame, -1 for none. */
  readonly culprit: number[];
}

export const looseLane = (name: string, group: string): LooseLane => ({
  name,
  group,
  starts: [],
  ends: [],
  state: [],
  op: [],
  culprit: [],
});

/** Where a loose slice went. */
export interface Place {
  readonly lane: Uint16Array;
  readonly slice: Uint32Array;
}

export interface Packed {
  readonly lanes: readonly LaneInfo[];
  readonly columns: readonly Columns[];
  /** For each loose lane, where each of its slices went. */
  readonly places: readonly Place[];
  /** Slices that found no room within `MAX_DEPTH` lanes. */
  readonly dropped: number;
}

interface Packing {
  readonly depthOf: Int8Array;
  readonly order: Uint32Array;
  readonly depth: number;
}

/** First fit: each slice goes to the first lane that is free when it starts; enclosing slices come before enclosed. */
function pack(lane: LooseLane): Packing {
  const { starts, ends } = lane;
  const order = Uint32Array.from(starts.keys());
  let sorted = true;
  for (let i = 1; i < starts.length && sorted; i++)
    sorted = starts[i]! > starts[i - 1]! || (starts[i] === starts[i - 1] && ends[i]! <= ends[i - 1]!);
  if (!sorted) order.sort((a, b) => starts[a]! - starts[b]! || ends[b]! - ends[a]! || a - b);
  const depthOf = new Int8Array(starts.length).fill(-1);
  const free: number[] = [];
  for (const i of order) {
    let depth = 0;
    while (depth < free.length && free[depth]! > starts[i]!) depth++;
    if (depth === MAX_DEPTH) continue;
    free[depth] = ends[i]!;
    depthOf[i] = depth;
  }
  return { depthOf, order, depth: Math.max(1, free.length) };
}

/** Lanes without overlaps and without gaps, or why there cannot be any. `idle` is the code of the idle state. */
export function packLanes(loose: readonly LooseLane[], cycles: number, idle: number): Packed | string {
  const slices = loose.reduce((sum, l) => sum + l.starts.length, 0);
  if (slices > MAX_SLICES) return `it has ${slices} slices; ${MAX_SLICES} can be shown`;
  const packings = loose.map(pack);
  const total = packings.reduce((sum, p) => sum + p.depth, 0);
  if (total > MAX_LANES) return `it needs ${total} lanes; ${MAX_LANES} can be shown`;
  const firstLane: number[] = [];
  packings.reduce((at, p) => {
    firstLane.push(at);
    return at + p.depth;
  }, 0);
  const lanes: LaneInfo[] = [];
  const columns: Columns[] = [];
  const places = loose.map(
    ({ starts }): Place => ({ lane: new Uint16Array(starts.length), slice: new Uint32Array(starts.length) }),
  );
  let dropped = 0;
  for (const [index, lane] of loose.entries()) {
    const { depthOf, order, depth } = packings[index]!;
    for (const d of depthOf) if (d < 0) dropped++;
    for (let d = 0; d < depth; d++) {
      lanes.push({ name: depth === 1 ? lane.name : `${lane.name}.${d}`, group: lane.group });
      columns.push(fillGaps(lane, order, depthOf, d, cycles, idle, firstLane, places[index]!, lanes.length - 1));
    }
  }
  return { lanes, columns, places, dropped };
}

function fillGaps(
  lane: LooseLane,
  order: Uint32Array,
  depthOf: Int8Array,
  depth: number,
  cycles: number,
  idle: number,
  firstLane: readonly number[],
  place: Place,
  laneIndex: number,
): Columns {
  let at = 0;
  let count = 0;
  for (const i of order) {
    if (depthOf[i] !== depth) continue;
    count += lane.starts[i]! > at ? 2 : 1;
    at = lane.ends[i]!;
  }
  if (at < cycles) count++;
  const starts: Times = timesOf(count, cycles);
  const state = new Uint8Array(count);
  const op = new Uint32Array(count);
  const culprit = new Uint16Array(count);
  let next = 0;
  at = 0;
  const gap = (until: number): void => {
    if (until <= at) return;
    starts[next] = at;
    state[next++] = idle;
  };
  for (const i of order) {
    if (depthOf[i] !== depth) continue;
    gap(lane.starts[i]!);
    place.lane[i] = laneIndex;
    place.slice[i] = next;
    starts[next] = lane.starts[i]!;
    state[next] = lane.state[i]!;
    op[next] = lane.op[i]! + 1;
    culprit[next++] = (firstLane[lane.culprit[i]!] ?? -1) + 1;
    at = lane.ends[i]!;
  }
  gap(cycles);
  return { starts, state, op, culprit };
}
