/** What follows the pointer: the cursor line, the tip, the status line; and clicks and brushes on the canvas. */
import { type Counter, countersOf, sayCounter } from "./counters.ts";
import { el, fill } from "./dom.ts";
import { bytes, duration, exact, joules, short, unitWord } from "./format.ts";
import { connectInput } from "./input.ts";
import { layerAt } from "./layout.ts";
import { playheadOf } from "./panels/array.ts";
import { sliceTitle } from "./panels/details.ts";
import { amountsIn, quantitiesOf } from "./quantities.ts";
import { groupName } from "./run.ts";
import { type SliceRef, sliceAt } from "./slices.ts";
import { type ViewSpec, windowAround } from "./view-spec.ts";
import { laneUnder, type Place, sliceUnder, timeAt, type Viewer } from "./viewer.ts";

const SNAP_PIXELS = 6;

/** The nearest border of a slice of the lane under the pointer, if it is near; else the nearest cycle. */
function snap(viewer: Viewer, x: number, free: boolean): number {
  const { model, spec, hover, stage } = viewer;
  const whole = Math.min(model.cycles, Math.max(0, Math.round(timeAt(viewer, x))));
  const lane = free || hover === undefined ? undefined : laneUnder(viewer, hover.y);
  const slice = lane === undefined ? undefined : sliceAt(model, lane, Math.floor(timeAt(viewer, x)));
  if (slice === undefined) return whole;
  const near = (spec.to - spec.from) * (SNAP_PIXELS / Math.max(1, stage.canvas.clientWidth));
  if (Math.abs(slice.start - whole) <= near) return slice.start;
  return Math.abs(slice.end - whole) <= near ? slice.end : whole;
}

/** Connects pointer, wheel and touch; returns what tells d3 of views that others have set. */
export function connectPointer(viewer: Viewer): (spec: ViewSpec) => void {
  const { model, stage } = viewer;
  stage.bands.addEventListener("click", (event) => {
    const layer = layerAt(model, timeAt(viewer, event.offsetX));
    const { start, end, name } = layer ?? {};
    if (start === undefined || end === undefined || name === undefined) return;
    viewer.update({ focus: groupName(name), ...windowAround(start, end, model.cycles) }, "push");
  });
  connectRuler(viewer);
  return connectInput(stage, {
    cycles: model.cycles,
    closing: viewer.closing.signal,
    spec: () => viewer.spec,
    setWindow: (from, to) => viewer.update({ from, to }),
    hover: (place) => {
      viewer.hover = place;
      placeCursor(viewer);
    },
    click: (place) => {
      const slice = sliceUnder(viewer, place);
      viewer.update({ selected: slice && { lane: slice.lane, at: slice.start } });
    },
    doubleClick: (place) => {
      const slice = sliceUnder(viewer, place);
      if (slice !== undefined) viewer.update(windowAround(slice.start, slice.end, model.cycles), "push");
    },
    brush: (a, b, done, free) => {
      const from = snap(viewer, Math.min(a, b), free);
      const to = snap(viewer, Math.max(a, b), free);
      if (to > from) viewer.update({ range: { from, to } });
      else if (done) viewer.update({ range: undefined });
    },
    measure: (stretch) => showMeasure(viewer, stretch),
    rangeEdges: () => {
      const { range, from, to } = viewer.spec;
      const pixels = (cycle: number): number => ((cycle - from) / (to - from)) * stage.canvas.clientWidth;
      return range && [pixels(range.from), pixels(range.to)];
    },
    laneHeight: (change) => {
      const row = viewer.shown?.rows.find((r) => r.kind === "lane");
      viewer.update({ laneHeight: Math.min(120, Math.max(6, (row?.height ?? 20) + change)) });
    },
  });
}

/** A press on the ruler, and a drag along it, moves the playhead. */
function connectRuler(viewer: Viewer): void {
  const { ruler } = viewer.stage;
  const set = (event: PointerEvent): void => {
    const at = Math.floor(timeAt(viewer, event.offsetX));
    viewer.update({ playhead: Math.min(viewer.model.cycles - 1, Math.max(0, at)) });
  };
  ruler.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    ruler.setPointerCapture(event.pointerId);
    set(event);
  });
  ruler.addEventListener("pointermove", (event) => {
    if (ruler.hasPointerCapture(event.pointerId)) set(event);
  });
}

/** Puts cursor, tip and status line where the pointer is; without one they say what the window is. */
export function placeCursor(viewer: Viewer): void {
  const { cursor, tip, canvas } = viewer.stage;
  const place = viewer.hover;
  const slice = place && sliceUnder(viewer, place);
  cursor.hidden = place === undefined;
  const counter = place && counterUnder(viewer, place);
  tip.hidden = (slice === undefined && counter === undefined) || !viewer.stage.measure.hidden;
  const time = place && Math.floor(timeAt(viewer, place.x));
  showStatus(viewer, time, slice);
  if (place === undefined || time === undefined) return;
  cursor.style.transform = `translateX(${canvas.offsetLeft + place.x}px)`;
  cursor.firstElementChild!.textContent = exact(time);
  cursor.classList.toggle("left", place.x > canvas.clientWidth - 90);
  if (slice !== undefined) showTip(viewer, slice, place);
  else if (counter !== undefined) showCounter(viewer, counter, place);
}

/** The counter of the row under the pointer. */
function counterUnder(viewer: Viewer, place: Place): Counter | undefined {
  const at = place.y + viewer.stage.scroller.scrollTop;
  const row = viewer.shown?.rows.find((r) => at >= r.y && at < r.y + r.height);
  return row?.kind === "counter" ? countersOf(viewer.model)[row.counter] : undefined;
}

/** What a counter is under the pointer: the mean over the pixel, or over the range where the pointer is in it. */
function showCounter(viewer: Viewer, counter: Counter, place: Place): void {
  const { spec, model, stage } = viewer;
  const at = timeAt(viewer, place.x);
  const pixel = Math.max(1, (spec.to - spec.from) / Math.max(1, stage.canvas.clientWidth));
  const { range } = spec;
  const inRange = range !== undefined && at >= range.from && at < range.to;
  const [from, to] = inRange
    ? [range.from, range.to]
    : [Math.floor(at), Math.min(model.cycles, Math.floor(at) + pixel)];
  const [first = "", ...parts] = sayCounter(counter, from, to);
  const where = inRange
    ? "mean of the range"
    : pixel > 1
      ? `mean of ${exact(Math.round(pixel))} ${unitWord(model, 2)}`
      : "";
  fill(
    stage.tip,
    el("b", {}, first),
    ...parts.slice(0, 8).map((p) => el("span", {}, p)),
    ...(where === "" ? [] : [el("span", {}, where)]),
  );
  placeTip(viewer, place);
}

/** Shows how long a stretch is, and what it took, for as long as the button is down. */
function showMeasure(viewer: Viewer, stretch: { readonly from: number; readonly to: number } | undefined): void {
  const { stage, model } = viewer;
  const { measure, canvas } = stage;
  measure.hidden = stretch === undefined;
  if (stretch === undefined) return;
  const left = Math.min(stretch.from, stretch.to);
  const right = Math.max(stretch.from, stretch.to);
  const [from, to] = [snap(viewer, left, false), snap(viewer, right, false)];
  const pixels = (cycle: number): number =>
    ((cycle - viewer.spec.from) / (viewer.spec.to - viewer.spec.from)) * canvas.clientWidth;
  measure.style.left = `${canvas.offsetLeft + pixels(from)}px`;
  measure.style.width = `${Math.max(1, pixels(to) - pixels(from))}px`;
  const time = model.unit === "ns" ? undefined : duration(model, to - from);
  const quantities = quantitiesOf(model);
  const amounts = amountsIn(model, quantities, from, to);
  const sum = (kind: "energy" | "bytes" | "macs"): number | undefined => {
    const own = amounts.filter((_, i) => quantities[i]!.kind === kind);
    return own.length === 0 ? undefined : own.reduce((a, b) => a + b, 0);
  };
  const [energy, moved, macs] = [sum("energy"), sum("bytes"), sum("macs")];
  fill(
    measure.firstElementChild!,
    el("b", {}, `${exact(to - from)} ${unitWord(model, to - from)}`),
    ...(time === undefined ? [] : [el("span", {}, time)]),
    ...(macs === undefined ? [] : [el("span", {}, `${short(Math.round(macs))} MACs`)]),
    ...(moved === undefined ? [] : [el("span", {}, bytes(moved))]),
    ...(energy === undefined ? [] : [el("span", {}, joules(energy))]),
  );
}

/** Puts the line of the cycle that the array is shown at. */
export function placePlayhead({ stage, spec, model }: Viewer): void {
  const { playhead, canvas } = stage;
  const { from, to } = spec;
  const shown = spec.summary && spec.panel === "array";
  const at = playheadOf({ spec: () => spec }, model.cycles) + 0.5;
  playhead.hidden = !shown || at < from || at > to;
  playhead.style.transform = `translateX(${canvas.offsetLeft + ((at - from) / (to - from)) * canvas.clientWidth}px)`;
}

function showTip(viewer: Viewer, slice: SliceRef, place: Place): void {
  const { model, stage } = viewer;
  const cycles = slice.end - slice.start;
  const time = duration(model, cycles);
  const culprit = model.lanes[slice.culprit]?.name;
  const length = `${exact(cycles)} ${unitWord(model, cycles)}${time === undefined || model.unit === "ns" ? "" : ` · ${time}`}`;
  fill(
    stage.tip,
    el("b", {}, el("span", { class: `mark swatch-${slice.state}` }), sliceTitle(model, slice)),
    el("span", {}, length),
    ...(culprit === undefined ? [] : [el("span", {}, `culprit: ${culprit}`)]),
  );
  placeTip(viewer, place);
}

function placeTip({ stage }: Viewer, place: Place): void {
  const box = stage.root.getBoundingClientRect();
  const canvas = stage.canvas.getBoundingClientRect();
  const left = canvas.left - box.left + place.x + 14;
  const top = canvas.top - box.top + place.y + 18;
  const x = Math.min(left, box.width - stage.tip.offsetWidth - 8);
  const y = top + stage.tip.offsetHeight > box.height ? top - stage.tip.offsetHeight - 30 : top;
  stage.tip.style.transform = `translate(${x}px, ${y}px)`;
}

function showStatus({ model, spec, shell }: Viewer, time: number | undefined, slice: SliceRef | undefined): void {
  const span = spec.to - spec.from;
  const length = model.unit === "ns" ? undefined : duration(model, span);
  const size = span < 100 ? Math.round(span * 10) / 10 : Math.round(span);
  const parts = [`window ${exact(size)} ${unitWord(model, span)}${length === undefined ? "" : ` · ${length}`}`];
  const layer = time === undefined ? undefined : layerAt(model, time);
  if (time !== undefined) parts.unshift(`${model.unit === "ns" ? "ns" : "cycle"} ${exact(time)}`);
  if (layer !== undefined) parts.push(layer.name);
  if (slice !== undefined) parts.push(model.lanes[slice.lane]!.name);
  fill(shell.status, ...parts.map((p) => el("span", {}, p)));
}
