/** From a model and a view to a list of what to draw: pure, in device pixels; only draw.ts knows a canvas. */
import { scaleLinear } from "d3";
import { countersOf } from "./counters.ts";
import { duration, exact, short } from "./format.ts";
import { type Columns, mixColumns, stackColumns } from "./mix.ts";
import type { Model } from "./model.ts";
import type { Meaning } from "./palette.ts";
import { countSlices, type SliceRef, sliceAt, visitSlices } from "./slices.ts";
import type { ViewSpec } from "./view-spec.ts";

/** The timeline's part of the page in CSS pixels, and how many device pixels one has. */
export interface Viewport {
  readonly width: number;
  readonly height: number;
  readonly scroll: number;
  readonly pixelRatio: number;
}

/** A line of the timeline in CSS pixels from the top of its content. */
export type Row =
  | {
      readonly kind: "group";
      readonly name: string;
      readonly lanes: readonly number[];
      readonly folded: boolean;
      readonly y: number;
      readonly height: number;
    }
  | {
      readonly kind: "counter";
      /** Index in the model's counters. */
      readonly counter: number;
      readonly y: number;
      readonly height: number;
    }
  | {
      readonly kind: "lane";
      readonly lane: number;
      readonly pinned: boolean;
      readonly y: number;
      readonly height: number;
    };

export const GROUP_HEIGHT = 20;
const LANE_HEIGHTS = { min: 16, max: 44 } as const;
const MIN_COUNTER_HEIGHT = 26;
export const COUNTERS = "Counters";

/** All rows from top to bottom: pinned lanes, then group after group, then counters. */
export function planRows(model: Model, spec: ViewSpec, height: number): readonly Row[] {
  const groups = new Map<string, number[]>();
  model.lanes.forEach(({ group }, lane) => {
    const lanes = groups.get(group) ?? [];
    lanes.push(lane);
    groups.set(group, lanes);
  });
  const open = [...groups].filter(([name]) => !spec.folded.includes(name));
  const lines = spec.pinned.length + open.reduce((sum, [, lanes]) => sum + lanes.length, 0) + groups.size - open.length;
  const room = Math.floor((height - open.length * GROUP_HEIGHT) / Math.max(1, lines));
  const lane = spec.laneHeight > 0 ? spec.laneHeight : Math.min(LANE_HEIGHTS.max, Math.max(LANE_HEIGHTS.min, room));
  const rows: Row[] = [];
  let y = 0;
  const add = (row: Row): void => {
    rows.push(row);
    y += row.height;
  };
  for (const pinned of spec.pinned) add({ kind: "lane", lane: pinned, pinned: true, y, height: lane });
  for (const [name, lanes] of groups) {
    const folded = spec.folded.includes(name);
    add({ kind: "group", name, lanes, folded, y, height: folded ? Math.max(lane, GROUP_HEIGHT) : GROUP_HEIGHT });
    if (!folded) for (const l of lanes) add({ kind: "lane", lane: l, pinned: false, y, height: lane });
  }
  const counters = countersOf(model);
  if (counters.length === 0) return rows;
  const folded = spec.folded.includes(COUNTERS);
  add({ kind: "group", name: COUNTERS, lanes: [], folded, y, height: GROUP_HEIGHT });
  const counterHeight = Math.max(lane, MIN_COUNTER_HEIGHT);
  if (!folded) for (const counter of counters.keys()) add({ kind: "counter", counter, y, height: counterHeight });
  return rows;
}

/** The stacked states of a row: for each pixel column, how many pixels each of `states` has, from the bottom up. */
export interface MixBody {
  readonly top: number;
  readonly height: number;
  readonly states: readonly number[];
  /** Column after column, one value for each state; a column sums to `height`. */
  readonly heights: Uint8Array;
}

/** A counter's parts stacked, like states. */
export interface CounterBody {
  readonly counter: number;
  readonly top: number;
  readonly height: number;
  /** Column after column, one value for each part; what is free of the height is above them. */
  readonly heights: Uint8Array;
  readonly colours: readonly Meaning[];
  /** What the whole height stands for. */
  readonly scale: string;
}

/** One slice wide enough to be seen as such. */
export interface Box {
  readonly x: number;
  readonly width: number;
  readonly top: number;
  readonly height: number;
  readonly state: number;
  readonly label: string;
}

export interface Band {
  readonly x: number;
  readonly width: number;
  readonly label: string;
  /** Names a colour: bands of one kind look alike; empty where several layers share the band. */
  readonly kind: string;
}

export interface Tick {
  readonly x: number;
  readonly time: number;
  readonly label: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly mixes: readonly MixBody[];
  readonly counters: readonly CounterBody[];
  readonly boxes: readonly Box[];
  /** Layers in view. */
  readonly bands: readonly Band[];
  readonly ticks: readonly Tick[];
  readonly range: { readonly x: number; readonly width: number } | undefined;
  readonly selected:
    | { readonly x: number; readonly width: number; readonly top: number; readonly height: number }
    | undefined;
  /** From the culprit to what it holds up. */
  readonly arrow: { readonly from: Point; readonly to: Point } | undefined;
}

const MAX_BOXES = 12_000;
const MIN_BOX_PIXELS = 3;
const CHARACTER_PIXELS = 6.1;

/** Pixels of a time, in device pixels. */
export function scaleOf(spec: Pick<ViewSpec, "from" | "to">, width: number): (time: number) => number {
  const { from, to } = spec;
  return (time) => ((time - from) / (to - from)) * width;
}

/** Everything that is visible of a view. */
export function layout(model: Model, spec: ViewSpec, rows: readonly Row[], viewport: Viewport): Drawing {
  const { pixelRatio, scroll } = viewport;
  const width = Math.max(1, Math.round(viewport.width * pixelRatio));
  const height = Math.max(1, Math.round(viewport.height * pixelRatio));
  const x = scaleOf(spec, width);
  const visible = rows.filter((r) => r.y + r.height > scroll && r.y < scroll + viewport.height);
  const columns: Columns = { from: spec.from, to: spec.to, count: width };
  const place = (row: Row): { readonly top: number; readonly height: number } => {
    const top = Math.round((row.y - scroll) * pixelRatio) + 1;
    const bottom = Math.round((row.y + row.height - scroll) * pixelRatio) - 1;
    return { top, height: Math.min(255, Math.max(1, bottom - top)) };
  };
  const shown = visible.flatMap((r) =>
    r.kind === "lane" || (r.kind === "group" && r.folded && r.lanes.length > 0) ? [r] : [],
  );
  const mixes = shown.map((row): MixBody => {
    const { top, height: h } = place(row);
    return row.kind === "lane"
      ? laneMix(model, row.lane, columns, top, h)
      : groupMix(model, row.lanes, columns, top, h);
  });
  const counters = visible
    .filter((r) => r.kind === "counter")
    .map((row): CounterBody => counterBody(model, row.counter, columns, place(row)));
  const lanes = visible.filter((r) => r.kind === "lane");
  const limit = Math.min(width / 3, MAX_BOXES / Math.max(1, lanes.length));
  const boxes: Box[] = [];
  for (const row of lanes) {
    const { top, height: h } = place(row);
    if (countSlices(model, row.lane, spec.from, spec.to, limit) <= limit)
      addBoxes(model, spec, row.lane, x, pixelRatio, top, h, boxes);
  }
  return {
    width,
    height,
    mixes,
    counters,
    boxes,
    bands: bandsOf(model, spec, x, pixelRatio),
    ticks: ticksOf(model, spec, width, pixelRatio),
    range: spec.range && { x: x(spec.range.from), width: x(spec.range.to) - x(spec.range.from) },
    ...selection(model, spec, rows, place, x),
  };
}

/** Counters are as fine as every second pixel: their edges cost more than those of states. */
const COUNTER_PIXELS = 2;

function counterBody(
  model: Model,
  index: number,
  { from, to, count }: Columns,
  { top, height }: { readonly top: number; readonly height: number },
): CounterBody {
  const counter = countersOf(model)[index]!;
  const coarse = Math.ceil(count / COUNTER_PIXELS);
  const end = from + ((to - from) * coarse * COUNTER_PIXELS) / count;
  const { values, most } = counter.columns({ from, to: end, count: coarse });
  const parts = counter.colours.length;
  const heights = new Uint8Array(count * parts);
  for (let c = 0; c < count; c++) {
    const at = Math.floor(c / COUNTER_PIXELS) * parts;
    let sum = 0;
    let last = 0;
    for (let p = 0; p < parts; p++) {
      sum += values[at + p]!;
      const border = Math.min(height, Math.round((sum / most) * height));
      heights[c * parts + p] = border - last;
      last = border;
    }
  }
  return { counter: index, top, height, heights, colours: counter.colours, scale: counter.format(most) };
}

function laneMix(model: Model, lane: number, columns: Columns, top: number, height: number): MixBody {
  return { top, height, states: model.slots[lane]!, heights: stackColumns(model, lane, columns, height) };
}

/** The sum of several lanes: its share of a state is the lanes' mean. */
function groupMix(model: Model, lanes: readonly number[], columns: Columns, top: number, height: number): MixBody {
  const { states, sums } = sumLanes(model, lanes, columns);
  return { top, height, states, heights: heightsOf(sums, states.length, height) };
}

/** Cycles by column and state of several lanes together. */
export function sumLanes(
  model: Model,
  lanes: readonly number[],
  columns: Columns,
): { readonly states: readonly number[]; readonly sums: Float64Array } {
  const order = (state: number): number => ["busy", "stall", "idle"].indexOf(model.states[state]!.family);
  const used = new Set(lanes.flatMap((lane) => model.slots[lane]!));
  const states = [...used].sort((a, b) => order(a) - order(b) || a - b);
  const sums = new Float64Array(columns.count * states.length);
  for (const lane of lanes) {
    const own = model.slots[lane]!;
    const mix = mixColumns(model, lane, columns, false);
    const to = own.map((state) => states.indexOf(state));
    for (let c = 0; c < columns.count; c++)
      for (let s = 0; s < own.length; s++) sums[c * states.length + to[s]!]! += mix[c * own.length + s]!;
  }
  return { states, sums };
}

/** Sums as pixels: borders between states are rounded, not heights, so that a column fills its row. */
export function heightsOf(sums: Float64Array, states: number, height: number): Uint8Array {
  const heights = new Uint8Array(sums.length);
  for (let c = 0; c < sums.length; c += states) {
    let total = 0;
    for (let s = 0; s < states; s++) total += sums[c + s]!;
    const scale = total > 0 ? height / total : 0;
    let sum = 0;
    let last = 0;
    for (let s = 0; s < states; s++) {
      sum += sums[c + s]!;
      const border = Math.min(height, (sum * scale + 0.5) | 0);
      heights[c + s] = border - last;
      last = border;
    }
  }
  return heights;
}

/** Adds the slices of a lane that are some pixels wide. */
function addBoxes(
  model: Model,
  spec: ViewSpec,
  lane: number,
  x: (time: number) => number,
  pixelRatio: number,
  top: number,
  height: number,
  boxes: Box[],
): void {
  visitSlices(model, lane, spec.from, spec.to, (placement, index, start, end, track) => {
    const from = Math.round(x(Math.max(start, spec.from)));
    const to = Math.round(x(Math.min(end, spec.to)));
    if (to - from < MIN_BOX_PIXELS * pixelRatio) return true;
    const state = track.state[index]!;
    if (model.states[state]!.family === "idle") return true;
    const characters = Math.floor(((to - from) / pixelRatio - 8) / CHARACTER_PIXELS);
    const label = characters < 3 ? "" : shorten(labelOf(model, lane, placement, index), characters);
    boxes.push({ x: from, width: to - from, top, height, state, label });
    return true;
  });
}

const shorten = (text: string, characters: number): string =>
  text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;

/** A dotted name without its first parts, where it would be cut otherwise: its last parts tell most. */
function shortenPath(name: string, characters: number): string {
  let rest = name;
  while (rest.length > characters && rest.includes(".")) rest = rest.slice(rest.indexOf(".") + 1);
  return shorten(rest, characters);
}

/** What a slice is called: work by its op, a stall by its cause and culprit. */
function labelOf(model: Model, lane: number, placement: number, index: number): string {
  const segment = model.segments[model.placements[placement]!.segment]!;
  const track = segment.tracks[lane]!;
  const state = model.states[track.state[index]!]!;
  const culprit = model.lanes[track.culprit[index]! - 1];
  if (state.family === "stall") return culprit === undefined ? state.label : `${state.label} ← ${culprit.name}`;
  return segment.ops[track.op[index]! - 1]?.name ?? state.label;
}

function bandsOf(model: Model, spec: ViewSpec, x: (time: number) => number, pixelRatio: number): readonly Band[] {
  const { layers } = model;
  const bands: Band[] = [];
  let i = firstLayer(model, spec.from);
  while (i < layers.length && layers[i]!.start < spec.to) {
    const first = layers[i]!;
    const from = x(Math.max(first.start, spec.from));
    let count = 0;
    // Layers thinner than two pixels share a band.
    let to = from;
    while (i < layers.length && layers[i]!.start < spec.to && (count === 0 || to - from < 2 * pixelRatio)) {
      to = x(Math.min(layers[i]!.end, spec.to));
      count++;
      i++;
    }
    const characters = Math.floor(((to - from) / pixelRatio - 8) / CHARACTER_PIXELS);
    const name = count === 1 ? shortenPath(first.name, Math.max(1, characters)) : "";
    bands.push({ x: from, width: to - from, label: characters < 3 ? "" : name, kind: count === 1 ? first.kind : "" });
  }
  return bands;
}

function firstLayer(model: Model, time: number): number {
  let low = 0;
  let high = model.layers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (model.layers[middle]!.end <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The layer that holds a cycle. */
export function layerAt(model: Model, time: number): Model["layers"][number] | undefined {
  const layer = model.layers[firstLayer(model, time)];
  return layer !== undefined && layer.start <= time ? layer : undefined;
}

function ticksOf(model: Model, spec: ViewSpec, width: number, pixelRatio: number): readonly Tick[] {
  const x = scaleOf(spec, width);
  const scale = scaleLinear().domain([spec.from, spec.to]);
  const times = scale.ticks(Math.max(2, Math.floor(width / pixelRatio / 120))).filter((t) => Number.isInteger(t));
  const step = (times[1] ?? spec.to) - (times[0] ?? spec.from);
  return times.map((time) => ({ x: x(time), time, label: tickLabel(model, time, step) }));
}

/** Whole cycles while they can be told apart; large round numbers with a prefix; nanoseconds as times. */
function tickLabel(model: Model, time: number, step: number): string {
  if (model.unit === "ns") return time === 0 ? "0" : step >= 1e3 ? (duration(model, time) ?? "") : exact(time);
  const digits = step >= 1e6 ? 1e6 : step >= 1e3 && time >= 1e6 ? 1e3 : 1;
  if (digits === 1e6) return time === 0 ? "0" : `${exact(time / 1e6)} M`;
  if (digits === 1e3) return `${exact(time / 1e3)} k`;
  return time >= 1e15 ? short(time) : exact(time);
}

function selection(
  model: Model,
  spec: ViewSpec,
  rows: readonly Row[],
  place: (row: Row) => { readonly top: number; readonly height: number },
  x: (time: number) => number,
): Pick<Drawing, "selected" | "arrow"> {
  const none = { selected: undefined, arrow: undefined };
  if (spec.selected === undefined) return none;
  const slice = sliceAt(model, spec.selected.lane, spec.selected.at);
  const box = slice && boxOf(slice, rows, place, x);
  if (slice === undefined || box === undefined) return none;
  const culprit = culpritSlice(model, slice);
  const from = culprit && boxOf(culprit, rows, place, x);
  if (culprit === undefined || from === undefined) return { selected: box, arrow: undefined };
  const at = x(Math.min(slice.end, culprit.end));
  return {
    selected: box,
    arrow: {
      from: { x: at, y: from.top + (from.top < box.top ? from.height : 0) },
      to: { x: x(slice.end), y: box.top + (from.top < box.top ? 0 : box.height) },
    },
  };
}

function boxOf(
  slice: SliceRef,
  rows: readonly Row[],
  place: (row: Row) => { readonly top: number; readonly height: number },
  x: (time: number) => number,
): Drawing["selected"] {
  const row = rows.find((r) => r.kind === "lane" && r.lane === slice.lane);
  return row && { x: x(slice.start), width: x(slice.end) - x(slice.start), ...place(row) };
}

/** What the culprit of a stall did in the stall's last cycle: when that ended, the stall ended. */
export function culpritSlice(model: Model, slice: SliceRef): SliceRef | undefined {
  return slice.culprit < 0 ? undefined : sliceAt(model, slice.culprit, slice.end - 1);
}
