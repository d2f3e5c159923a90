/** Pointer, wheel and touch on the timeline: d3-zoom for zooming and panning, a brush for ranges, clicks for slices. */
import { type D3ZoomEvent, select, type ZoomTransform, zoom, zoomIdentity } from "d3";
import type { Stage } from "./stage.ts";
import { clampWindow, type ViewSpec } from "./view-spec.ts";

export interface InputActions {
  readonly cycles: number;
  /** Aborted when the trace is closed. */
  readonly closing: AbortSignal;
  spec(): ViewSpec;
  /** A new window: the view is drawn, the address follows later. */
  setWindow(from: number, to: number): void;
  /** Pointer over the lanes, in CSS pixels; undefined where it left. */
  hover(place: { readonly x: number; readonly y: number } | undefined): void;
  click(place: { readonly x: number; readonly y: number }): void;
  doubleClick(place: { readonly x: number; readonly y: number }): void;
  /** A range in pixels, while it is drawn and when it is done. */
  brush(from: number, to: number, done: boolean, free: boolean): void;
  laneHeight(change: number): void;
  /** A measurement in pixels while it is drawn; undefined ends it. */
  measure(stretch: { readonly from: number; readonly to: number } | undefined): void;
  /** Borders of the brushed range in pixels. */
  rangeEdges(): readonly [number, number] | undefined;
}

const CLICK_PIXELS = 4;
const EDGE_PIXELS = 5;

/** d3's transform of a window: scale 1 shows the whole run. */
function transformOf(spec: ViewSpec, cycles: number, width: number): ZoomTransform {
  const k = cycles / (spec.to - spec.from);
  return zoomIdentity.translate((-spec.from / cycles) * width * k, 0).scale(k);
}

/** Listens on the stage; returns what tells d3 about windows that others have set. */
export function connectInput(stage: Stage, actions: InputActions): (spec: ViewSpec) => void {
  const { canvas } = stage;
  const target = select<HTMLCanvasElement, unknown>(canvas);
  const width = (): number => Math.max(1, canvas.clientWidth);
  const keys = heldSpace(canvas, actions.closing);
  const behaviour = zoom<HTMLCanvasElement, unknown>()
    .filter((event: MouseEvent | WheelEvent | TouchEvent) => {
      if (event.type === "wheel") return event.ctrlKey || event.metaKey;
      if (event.type === "dblclick") return false;
      return event.type.startsWith("touch") || event.shiftKey || keys.space || (event as MouseEvent).button === 1;
    })
    .wheelDelta((event) => -Math.max(-100, Math.min(100, event.deltaY * (event.deltaMode === 1 ? 30 : 1))) * 0.004)
    .on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
      if (event.sourceEvent === null || event.sourceEvent === undefined) return;
      const { k, x } = event.transform;
      const from = (-x / k / width()) * actions.cycles;
      const window = clampWindow(from, from + actions.cycles / k, actions.cycles);
      actions.setWindow(window.from, window.to);
    });
  // The last factor leaves room above one cycle for rounding; clampWindow is what decides.
  behaviour.scaleExtent([1, Math.max(1, actions.cycles)]);
  target.call(behaviour).on("dblclick.zoom", null);

  const sync = (spec: ViewSpec): void => {
    // Sets the state without an event of its own: d3 keeps it on the element.
    (canvas as HTMLCanvasElement & { __zoom?: ZoomTransform }).__zoom = transformOf(spec, actions.cycles, width());
  };
  connectPointer(canvas, actions, keys);
  connectMeasure(canvas, actions);
  connectWheel(stage, actions);
  connectOverview(stage, actions);
  return sync;
}

/** Is the space bar down? Nothing scrolls meanwhile. */
function heldSpace(canvas: HTMLCanvasElement, signal: AbortSignal): { readonly space: boolean } {
  const keys = { space: false };
  const set = (down: boolean) => (event: KeyboardEvent) => {
    if (event.code !== "Space" || event.target instanceof HTMLButtonElement || event.target instanceof HTMLInputElement)
      return;
    keys.space = down;
    canvas.style.cursor = down ? "grab" : "";
    event.preventDefault();
  };
  canvas.ownerDocument.addEventListener("keydown", set(true), { signal });
  canvas.ownerDocument.addEventListener("keyup", set(false), { signal });
  return keys;
}

/** A drag with the right button measures; a press without a drag keeps the browser's menu. */
function connectMeasure(canvas: HTMLCanvasElement, actions: InputActions): void {
  const drag: { start: number | undefined; moved: boolean } = { start: undefined, moved: false };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 2) return;
    canvas.setPointerCapture(event.pointerId);
    drag.start = event.offsetX;
    drag.moved = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag.start === undefined) return;
    if (Math.abs(event.offsetX - drag.start) >= CLICK_PIXELS) drag.moved = true;
    if (drag.moved) actions.measure({ from: drag.start, to: event.offsetX });
  });
  canvas.addEventListener("pointerup", () => {
    if (drag.start !== undefined) actions.measure(undefined);
    drag.start = undefined;
  });
  canvas.addEventListener("contextmenu", (event) => {
    if (drag.moved || drag.start !== undefined) event.preventDefault();
  });
}

const placeOf = (event: MouseEvent): { readonly x: number; readonly y: number } => ({
  x: event.offsetX,
  y: event.offsetY,
});

function connectPointer(canvas: HTMLCanvasElement, actions: InputActions, keys: { readonly space: boolean }): void {
  /** The border of the range that is not under the pointer, where the other one is. */
  const anchor = (x: number): number | undefined => {
    const [a, b] = actions.rangeEdges() ?? [];
    if (a === undefined || b === undefined) return undefined;
    if (Math.abs(x - b) <= EDGE_PIXELS) return a;
    return Math.abs(x - a) <= EDGE_PIXELS ? b : undefined;
  };
  const drag: { start: number | undefined; moved: boolean } = { start: undefined, moved: false };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.shiftKey || keys.space || event.pointerType === "touch") return;
    canvas.setPointerCapture(event.pointerId);
    const edge = anchor(event.offsetX);
    drag.start = edge ?? event.offsetX;
    drag.moved = edge !== undefined;
  });
  canvas.addEventListener("pointermove", (event) => {
    actions.hover(placeOf(event));
    if (drag.start === undefined) {
      if (!keys.space) canvas.style.cursor = anchor(event.offsetX) === undefined ? "" : "ew-resize";
      return;
    }
    if (Math.abs(event.offsetX - drag.start) >= CLICK_PIXELS) drag.moved = true;
    if (drag.moved) actions.brush(drag.start, event.offsetX, false, event.altKey);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag.start !== undefined && drag.moved) actions.brush(drag.start, event.offsetX, true, event.altKey);
    drag.start = undefined;
  });
  canvas.addEventListener("pointercancel", () => {
    drag.start = undefined;
  });
  canvas.addEventListener("pointerleave", () => actions.hover(undefined));
  canvas.addEventListener("click", (event) => {
    if (!drag.moved && !event.shiftKey) actions.click(placeOf(event));
    drag.moved = false;
  });
  canvas.addEventListener("dblclick", (event) => actions.doubleClick(placeOf(event)));
}

/** Wheels that d3 leaves alone: sideways pans, Alt sets the height of lanes; over the ruler every wheel zooms. */
function connectWheel(stage: Stage, actions: InputActions): void {
  const pan = (pixels: number): void => {
    const { from, to } = actions.spec();
    const cycles = (pixels / Math.max(1, stage.canvas.clientWidth)) * (to - from);
    const window = clampWindow(from + cycles, to + cycles, actions.cycles);
    actions.setWindow(window.from, window.to);
  };
  stage.scroller.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || event.metaKey) return;
      const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
      if (event.altKey) {
        event.preventDefault();
        actions.laneHeight(event.deltaY > 0 ? -2 : 2);
      } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        event.preventDefault();
        pan(sideways);
      }
    },
    { passive: false },
  );
  for (const head of [stage.ruler, stage.overview, stage.bands])
    head.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { from, to } = actions.spec();
        const share = event.offsetX / Math.max(1, head.clientWidth);
        const at = head === stage.overview ? share * actions.cycles : from + share * (to - from);
        const factor = Math.exp(Math.max(-100, Math.min(100, event.deltaY)) * 0.003);
        const length = (to - from) * factor;
        const inside = Math.min(1, Math.max(0, (at - from) / (to - from)));
        const window = clampWindow(at - inside * length, at - inside * length + length, actions.cycles);
        actions.setWindow(window.from, window.to);
      },
      { passive: false },
    );
}

/** A press on the overview centres the window there and drags it. */
function connectOverview(stage: Stage, actions: InputActions): void {
  const { overview } = stage;
  const move = (event: PointerEvent): void => {
    const box = overview.getBoundingClientRect();
    const at = ((event.clientX - box.left) / Math.max(1, box.width)) * actions.cycles;
    const { from, to } = actions.spec();
    const window = clampWindow(at - (to - from) / 2, at + (to - from) / 2, actions.cycles);
    actions.setWindow(window.from, window.to);
  };
  overview.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    overview.setPointerCapture(event.pointerId);
    move(event);
  });
  overview.addEventListener("pointermove", (event) => {
    if (overview.hasPointerCapture(event.pointerId)) move(event);
  });
}
