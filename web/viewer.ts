/** The viewer's state and how it changes: one view at a time, drawn at most once a frame, kept in the address. */
import type { CommandId } from "./commands.ts";
import type { Deck } from "./deck.ts";
import type { Paint } from "./draw.ts";
import type { Model } from "./model.ts";
import type { Theme } from "./palette.ts";
import type { Run } from "./run.ts";
import type { Found } from "./search.ts";
import { type SliceRef, sliceAt } from "./slices.ts";
import type { Shown, Stage } from "./stage.ts";
import { toHash, type ViewSpec, windowAround } from "./view-spec.ts";

/** Where the view is kept between visits: the page's address, or a place of whoever shows the viewer. */
export interface Address {
  read(): string;
  /** `push`: a step that can be taken back. */
  write(hash: string, kind: "replace" | "push"): void;
}

/** The page's own address. */
export const PAGE_ADDRESS: Address = {
  read: () => location.hash,
  write(hash, kind) {
    if (kind === "push") history.pushState(null, "", hash);
    else if (location.hash !== hash) history.replaceState(null, "", hash);
  },
};

/** Parts of the page that belong to no trace. */
export interface Shell {
  readonly main: HTMLElement;
  readonly status: HTMLElement;
  readonly search: HTMLInputElement;
  readonly searchCount: HTMLElement;
  /** Keys that go down in here are the viewer's: all of them where it has the page to itself. */
  readonly keys: EventTarget;
  readonly address: Address;
  theme(): Theme;
  command(id: CommandId): void;
  /** Asks for files to put beside those that are open; undefined where there is one run only. */
  readonly addRuns?: () => void;
}

/** The runs that are open, and which of them is looked at. */
export interface OpenRuns {
  readonly runs: readonly Run[];
  readonly current: number;
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A viewer of one trace; its fields change, everything else is made from them. */
export interface Viewer {
  readonly model: Model;
  readonly shell: Shell;
  readonly stage: Stage;
  readonly details: HTMLElement;
  readonly goTo: HTMLDialogElement;
  /** The panels above the timeline. */
  deck: Deck | undefined;
  /** Kinds of layers in the order of their colours. */
  readonly kinds: readonly string[];
  /** Aborted when the trace is closed: everything that listens hears it. */
  readonly closing: AbortController;
  spec: ViewSpec;
  paint: Paint;
  shown: Shown | undefined;
  hover: Place | undefined;
  found: Found;
  /** Changes the view; `push` makes a step that the browser's Back takes back. */
  update(change: Partial<ViewSpec>, history?: "replace" | "push"): void;
  /** Draws in the next frame. */
  schedule(): void;
  /** Everything anew: for another theme or size. */
  refresh(): void;
}

/** The cycle under a place of the canvas. */
export function timeAt(viewer: Viewer, x: number): number {
  const { from, to } = viewer.spec;
  return from + (x / Math.max(1, viewer.stage.canvas.clientWidth)) * (to - from);
}

/** The cycle under the pointer, else of the selection where it is in view, else the window's middle. */
export function cursorTime(viewer: Viewer): number {
  if (viewer.hover !== undefined) return timeAt(viewer, viewer.hover.x);
  const { from, to, selected } = viewer.spec;
  return selected !== undefined && selected.at >= from && selected.at < to ? selected.at : (from + to) / 2;
}

export function laneUnder(viewer: Viewer, y: number): number | undefined {
  const at = y + viewer.stage.scroller.scrollTop;
  const row = viewer.shown?.rows.find((r) => at >= r.y && at < r.y + r.height);
  return row?.kind === "lane" ? row.lane : undefined;
}

export function sliceUnder(viewer: Viewer, place: Place): SliceRef | undefined {
  const lane = laneUnder(viewer, place.y);
  return lane === undefined ? undefined : sliceAt(viewer.model, lane, Math.floor(timeAt(viewer, place.x)));
}

export function selectedSlice(viewer: Viewer): SliceRef | undefined {
  const { selected } = viewer.spec;
  return selected && sliceAt(viewer.model, selected.lane, selected.at);
}

/** Selects a slice; moves and zooms where it could not be seen. */
export function select(viewer: Viewer, slice: SliceRef): void {
  const { from, to } = viewer.spec;
  const length = slice.end - slice.start;
  const away = slice.end <= from || slice.start >= to;
  const tiny = length * 400 < to - from;
  const selected = { lane: slice.lane, at: slice.start };
  if (away || tiny) {
    const room = Math.max(length, Math.min(to - from, 60 * length) / 2);
    viewer.update({ selected, ...windowAround(slice.start - room, slice.end + room, viewer.model.cycles) }, "push");
  } else viewer.update({ selected });
  showLane(viewer, slice.lane);
}

export function toggleGroup(viewer: Viewer, name: string): void {
  const { folded } = viewer.spec;
  viewer.update({ folded: folded.includes(name) ? folded.filter((n) => n !== name) : [...folded, name] });
}

export function togglePin(viewer: Viewer, lane: number): void {
  const { pinned } = viewer.spec;
  viewer.update({ pinned: pinned.includes(lane) ? pinned.filter((l) => l !== lane) : [...pinned, lane] });
}

/** Opens a lane's group and scrolls to the lane. */
export function showLane(viewer: Viewer, lane: number): void {
  const { group } = viewer.model.lanes[lane]!;
  if (viewer.spec.folded.includes(group) && !viewer.spec.pinned.includes(lane)) toggleGroup(viewer, group);
  requestAnimationFrame(() => {
    const row = viewer.shown?.rows.find((r) => r.kind === "lane" && r.lane === lane);
    const { scroller } = viewer.stage;
    if (row === undefined) return;
    if (row.y < scroller.scrollTop || row.y + row.height > scroller.scrollTop + scroller.clientHeight)
      scroller.scrollTop = row.y - scroller.clientHeight / 2;
  });
}

/** Selects what a lane does at the cursor. */
export function selectLane(viewer: Viewer, lane: number): void {
  const at = Math.min(viewer.model.cycles - 1, Math.max(0, Math.floor(cursorTime(viewer))));
  const slice = sliceAt(viewer.model, lane, at);
  if (slice !== undefined) viewer.update({ selected: { lane, at: slice.start < viewer.spec.from ? at : slice.start } });
  showLane(viewer, lane);
}

export const hashOf = (viewer: Viewer): string => `#${toHash(viewer.spec, viewer.model.cycles)}`;
