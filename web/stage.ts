/** The timeline's part of the page: overview, ruler, layers, lane names and the canvas, painted from one drawing list. */
import { axisTop, scaleLinear, select } from "d3";
import { countersOf } from "./counters.ts";
import { button, el, fill, icon } from "./dom.ts";
import { drawBands, drawLanes, drawOverview, type Paint } from "./draw.ts";
import {
  type CounterBody,
  type Drawing,
  heightsOf,
  layout,
  type MixBody,
  planRows,
  type Row,
  sumLanes,
} from "./layout.ts";
import type { Model } from "./model.ts";
import { groupName } from "./run.ts";
import type { ViewSpec } from "./view-spec.ts";

export interface Stage {
  readonly root: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly overview: HTMLElement;
  readonly ruler: HTMLElement;
  readonly bands: HTMLCanvasElement;
  readonly scroller: HTMLElement;
  readonly labels: HTMLElement;
  readonly cursor: HTMLElement;
  readonly playhead: HTMLElement;
  readonly measure: HTMLElement;
  readonly tip: HTMLElement;
}

const CHEVRON = "M5 3.5 10 8l-5 4.5";

/** The empty stage. */
export function makeStage(): Stage {
  const canvas = el("canvas", {
    class: "lanes-canvas",
    role: "img",
    "aria-label": "Timeline of all units. The panel beside it says what is selected; ? lists the keys.",
  });
  const labels = el("div", { class: "labels" });
  const cursor = el("div", { class: "cursor", hidden: true }, el("span", { class: "cursor-label" }));
  const playhead = el("div", { class: "playhead", hidden: true, "aria-hidden": "true" });
  const measure = el("div", { class: "measure", hidden: true, role: "status" }, el("div", { class: "measure-words" }));
  const scroller = el(
    "div",
    { class: "lanes", tabindex: 0, role: "group", "aria-label": "Lanes" },
    el("div", { class: "lanes-content" }, labels, canvas),
  );
  const overview = el(
    "div",
    { class: "overview" },
    el("canvas", { "aria-hidden": "true" }),
    el("div", { class: "overview-marks" }),
    el("div", { class: "overview-focus", "aria-hidden": "true" }),
    el("div", { class: "overview-flags", "aria-hidden": "true" }),
    el("div", { class: "overview-window" }),
  );
  const ruler = el("div", { class: "ruler" });
  const bands = el("canvas", { class: "bands", "aria-hidden": "true" });
  const tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
  const root = el(
    "section",
    { class: "stage", "aria-label": "Timeline" },
    el("div", { class: "corner", "aria-hidden": "true" }, ...["all units", "", "layers"].map((t) => el("span", {}, t))),
    el("div", { class: "heads" }, overview, ruler, bands),
    el("div", { class: "body" }, scroller, playhead, measure, cursor),
    tip,
  );
  select(ruler).append("svg").attr("aria-hidden", "true").append("g");
  return { root, canvas, overview, ruler, bands, scroller, labels, cursor, playhead, measure, tip };
}

/** Gives a canvas as many pixels as its box has on the device. */
function fitCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  // States are written as pixels and never read back, but each frame is: keep the pixels where the processor is.
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (context === null) throw new Error("this browser has no 2D canvas");
  return context;
}

/** Styles that stay as they are cost no layout. */
function setStyle(element: HTMLElement, name: "height" | "top" | "left" | "width", value: string): void {
  if (element.style[name] !== value) element.style[name] = value;
}

/** What was drawn last: for hit tests, and to draw no more than changed. */
export interface Shown {
  readonly rows: readonly Row[];
  readonly drawing: Drawing;
  readonly width: number;
}

export const pixelRatioOf = (): number => Math.min(3, Math.max(1, globalThis.devicePixelRatio || 1));

/** Paints lanes, layers and ruler of a view. */
export function paintStage(stage: Stage, model: Model, spec: ViewSpec, paint: Paint, kinds: readonly string[]): Shown {
  const { canvas, scroller, bands } = stage;
  const pixelRatio = pixelRatioOf();
  const width = Math.max(1, bands.clientWidth);
  const height = Math.max(1, scroller.clientHeight);
  const rows = planRows(model, spec, height);
  const content = rows.reduce((bottom, r) => Math.max(bottom, r.y + r.height), 0);
  setStyle(canvas.parentElement!, "height", `${Math.max(content, height)}px`);
  setStyle(canvas, "height", `${height}px`);
  const drawing = layout(model, spec, rows, { width, height, scroll: scroller.scrollTop, pixelRatio });
  drawLanes(fitCanvas(canvas, drawing.width, drawing.height), drawing, paint, pixelRatio);
  if (model.layers.length > 0)
    drawBands(
      fitCanvas(bands, drawing.width, Math.round(bands.clientHeight * pixelRatio)),
      drawing,
      kinds,
      paint.theme,
      pixelRatio,
    );
  paintRuler(stage, spec, drawing, width, pixelRatio);
  placeWindow(stage, model, spec);
  return { rows, drawing, width };
}

function paintRuler(stage: Stage, spec: ViewSpec, drawing: Drawing, width: number, pixelRatio: number): void {
  const scale = scaleLinear().domain([spec.from, spec.to]).range([0, width]);
  const labels = new Map(drawing.ticks.map((t) => [t.time, t.label]));
  const axis = axisTop<number>(scale as never)
    .tickValues(drawing.ticks.filter((t) => t.x / pixelRatio < width - 24).map((t) => t.time))
    .tickFormat((time) => labels.get(Number(time)) ?? "")
    .tickSizeOuter(0)
    .tickSize(5)
    .tickPadding(3);
  const svg = select(stage.ruler).select("svg").attr("width", width).attr("height", 22);
  svg
    .select<SVGGElement>("g")
    .attr("transform", "translate(0,21.5)")
    .call(axis as never);
  // A label at the left border would be cut in two.
  svg
    .selectAll<SVGTextElement, number>("text")
    .attr("text-anchor", (time) => (scale(time) < 24 ? "start" : "middle"))
    .attr("dx", (time) => (scale(time) < 24 ? 2 : 0));
}

function placeWindow(stage: Stage, model: Model, spec: ViewSpec): void {
  const box = stage.overview.querySelector<HTMLElement>(".overview-window")!;
  const whole = spec.from <= 0 && spec.to >= model.cycles;
  box.style.left = `${(100 * spec.from) / model.cycles}%`;
  box.style.width = `${(100 * (spec.to - spec.from)) / model.cycles}%`;
  box.classList.toggle("whole", whole);
}

/** Paints the whole run, all lanes together, and ticks where search found something. */
export function paintOverview(stage: Stage, model: Model, paint: Paint): void {
  const canvas = stage.overview.querySelector("canvas")!;
  const pixelRatio = pixelRatioOf();
  const width = Math.max(1, Math.round(stage.overview.clientWidth * pixelRatio));
  const height = Math.max(1, Math.round(stage.overview.clientHeight * pixelRatio));
  const columns = { from: 0, to: model.cycles, count: width };
  const { states, sums } = sumLanes(model, [...model.lanes.keys()], columns);
  const body: MixBody = { top: 0, height, states, heights: heightsOf(sums, states.length, height) };
  drawOverview(fitCanvas(canvas, width, height), body, paint);
}

export function markOverview(stage: Stage, model: Model, cycles: readonly number[]): void {
  const marks = stage.overview.querySelector(".overview-marks")!;
  const places = new Set(cycles.map((c) => Math.round((1000 * c) / model.cycles)));
  fill(
    marks,
    ...[...places].map((p) => {
      const mark = el("i");
      mark.style.left = `${p / 10}%`;
      return mark;
    }),
  );
}

/** Where operations in focus ran, and the marks that the reader set. */
export function paintFlags(stage: Stage, model: Model, { focus, marks }: ViewSpec): void {
  const key = JSON.stringify([focus, marks]);
  const strip = stage.overview.querySelector<HTMLElement>(".overview-focus")!;
  if (strip.dataset.key === key) return;
  strip.dataset.key = key;
  const at = (element: HTMLElement, from: number, to?: number): HTMLElement => {
    element.style.left = `${(100 * from) / model.cycles}%`;
    if (to !== undefined) element.style.width = `${(100 * (to - from)) / model.cycles}%`;
    return element;
  };
  const own = focus === "" ? [] : model.layers.filter((l) => groupName(l.name) === focus);
  fill(strip, ...own.slice(0, MAX_FOCUS).map(({ start, end }) => at(el("i"), start, end)));
  const flags = Object.entries(marks).map(([digit, cycle]) => at(el("b", {}, digit), cycle));
  fill(stage.overview.querySelector(".overview-flags")!, ...flags);
}

const MAX_FOCUS = 2000;

export interface LabelActions {
  toggleGroup(name: string): void;
  togglePin(lane: number): void;
  selectLane(lane: number): void;
}

/** Names of lanes and groups beside the canvas, as buttons; only what changed is made anew. */
export function paintLabels(
  stage: Stage,
  model: Model,
  rows: readonly Row[],
  selected: number | undefined,
  counters: readonly CounterBody[],
  actions: LabelActions,
): void {
  const key = rows.map(rowKey).join("|");
  const focused = document.activeElement?.getAttribute("data-row");
  if (stage.labels.dataset.key !== key) {
    stage.labels.dataset.key = key;
    fill(stage.labels, ...rows.map((row, i) => labelOf(model, row, i, actions)));
    if (focused !== null && focused !== undefined)
      stage.labels.querySelector<HTMLElement>(`[data-row="${CSS.escape(focused)}"]`)?.focus();
  }
  rows.forEach((row, i) => {
    const label = stage.labels.children[i] as HTMLElement;
    setStyle(label, "top", `${row.y}px`);
    setStyle(label, "height", `${row.height}px`);
    label.classList.toggle("selected", row.kind === "lane" && row.lane === selected);
    if (row.kind !== "counter") return;
    const scale = counters.find((c) => c.counter === row.counter)?.scale ?? "";
    if (label.lastElementChild!.textContent !== scale) label.lastElementChild!.textContent = scale;
  });
}

function rowKey(row: Row): string {
  switch (row.kind) {
    case "group":
      return `${row.name}${row.folded}`;
    case "lane":
      return `${row.lane}${row.pinned}`;
    case "counter":
      return `c${row.counter}`;
  }
}

function labelOf(model: Model, row: Row, index: number, actions: LabelActions): HTMLElement {
  if (row.kind === "group") {
    const mark = icon(CHEVRON);
    const toggle = button(
      { class: "group-name", "aria-expanded": row.folded ? "false" : "true", "data-row": `g${row.name}` },
      mark,
      () => actions.toggleGroup(row.name),
    );
    const count = row.lanes.length > 0 ? row.lanes.length : countersOf(model).length;
    toggle.append(row.name, el("span", { class: "count" }, String(count)));
    return el("div", { class: `label group${row.folded ? " folded" : ""}` }, toggle);
  }
  if (row.kind === "counter") {
    const { name, about } = countersOf(model)[row.counter]!;
    return el(
      "div",
      { class: "label counter-label", title: about },
      el("span", { class: "counter-name" }, name),
      el("span", { class: "counter-scale", title: "The top of the scale" }),
    );
  }
  const { name } = model.lanes[row.lane]!;
  const pick = button({ class: "lane-name", title: name, "data-row": `l${index}` }, name, () =>
    actions.selectLane(row.lane),
  );
  const pin = button(
    {
      class: "pin",
      "aria-label": `${row.pinned ? "Unpin" : "Pin"} ${name}`,
      "aria-pressed": row.pinned ? "true" : "false",
    },
    icon("M6 2h4l-.5 4 2 2.5h-7l2-2.5zM8 8.5V14"),
    () => actions.togglePin(row.lane),
  );
  return el("div", { class: `label lane${row.pinned ? " pinned" : ""}` }, pick, pin);
}
