/** The viewer of one trace, put together: stage, panels, pointer, keyboard, search and the address. */
import { carryOut, goToCycle, walk } from "./carry-out.ts";
import { el, fill } from "./dom.ts";
import { paintOf } from "./draw.ts";
import { findingsOf, type Jump, unitLoads } from "./findings.ts";
import { connectKeyboard } from "./keyboard.ts";
import type { Model } from "./model.ts";
import { type DetailActions, showRange, showSlice } from "./panels/details.ts";
import { goToDialog } from "./panels/help.ts";
import { summaryPanel } from "./panels/summary.ts";
import { connectPointer, placeCursor } from "./pointer.ts";
import { NOTHING } from "./search.ts";
import { connectSearch, runSearch } from "./search-box.ts";
import { makeStage, paintLabels, paintOverview, paintStage } from "./stage.ts";
import { fromHash, type ViewSpec, windowAround } from "./view-spec.ts";
import {
  hashOf,
  type Shell,
  select,
  selectedSlice,
  selectLane,
  showLane,
  toggleGroup,
  togglePin,
  type Viewer,
} from "./viewer.ts";

export interface App {
  readonly model: Model;
  /** Draws again, for a new theme. */
  refresh(): void;
  close(): void;
  /** Draws a view now and returns when it is done: for measuring. */
  drawNow(spec: Partial<ViewSpec>): void;
  spec(): ViewSpec;
}

const HASH_DELAY_MS = 200;
const PANEL_DELAY_MS = 30;

/** Parts of the page that are made anew when the view changes. */
interface Panels {
  readonly summary: HTMLElement;
  readonly slice: HTMLElement;
  readonly range: HTMLElement;
  /** Colours of states as CSS classes. */
  readonly sheet: CSSStyleSheet;
  readonly actions: DetailActions;
}

/** Builds the viewer of a model into the shell. */
export function openApp(model: Model, shell: Shell): App {
  const stage = makeStage();
  stage.root.classList.toggle("no-layers", model.layers.length === 0);
  const slice = el("section", { class: "slice-panel", "aria-label": "Selected slice", "aria-live": "polite" });
  const range = el("section", { class: "range-panel", "aria-label": "Totals" });
  const viewer: Viewer = {
    model,
    shell,
    stage,
    details: el("aside", { class: "details", tabindex: 0, "aria-label": "Details" }, slice, range),
    goTo: goToDialog((cycle) => goToCycle(viewer, cycle)),
    kinds: [...new Set(model.layers.map((l) => l.kind))],
    closing: new AbortController(),
    spec: fromHash(shell.address.read(), model.cycles, model.lanes.length),
    paint: paintOf(model.states, shell.theme()),
    shown: undefined,
    hover: undefined,
    found: NOTHING,
    update: () => {},
    schedule: () => {},
    refresh: () => {},
  };
  const loads = unitLoads(model);
  const summary = summaryPanel(model, loads, findingsOf(model, loads), {
    jump: (place) => jump(viewer, place),
    showLane: (lane) => selectLane(viewer, lane),
  });
  const actions: DetailActions = {
    select: (link) => select(viewer, link),
    walk: (to) => walk(viewer, to),
    clearRange: () => viewer.update({ range: undefined }),
    fitRange: () => carryOut(viewer, "fit"),
  };
  const panels: Panels = { summary, slice, range, sheet: new CSSStyleSheet(), actions };
  fill(shell.main, summary, stage.root, viewer.details, viewer.goTo);
  document.adoptedStyleSheets = [panels.sheet];

  const draw = connectDrawing(viewer, panels);
  connectAddress(viewer, panels);
  connectKeyboard(viewer);
  connectSearch(viewer);
  viewer.refresh();
  runSearch(viewer, viewer.spec.query);
  draw();
  return {
    model,
    refresh: () => viewer.refresh(),
    close: () => viewer.closing.abort(),
    drawNow: (spec) => {
      viewer.spec = { ...viewer.spec, ...spec };
      draw();
    },
    spec: () => viewer.spec,
  };
}

/** Goes where a finding points. */
function jump(viewer: Viewer, place: Jump): void {
  const selected = place.at < 0 ? undefined : { lane: place.lane, at: place.at };
  viewer.update({ selected, ...windowAround(place.from, place.to, viewer.model.cycles) }, "push");
  showLane(viewer, place.lane);
  viewer.stage.scroller.focus({ preventScroll: true });
}

/** Lets the viewer draw itself: at once (returned), in the next frame, or everything anew. */
function connectDrawing(viewer: Viewer, panels: Panels): () => void {
  const { model, stage, shell, closing } = viewer;
  const sync = connectPointer(viewer);
  const labels = {
    toggleGroup: (name: string) => toggleGroup(viewer, name),
    togglePin: (lane: number) => togglePin(viewer, lane),
    selectLane: (lane: number) => selectLane(viewer, lane),
  };
  const draw = (): void => {
    viewer.shown = paintStage(stage, model, viewer.spec, viewer.paint, viewer.kinds);
    paintLabels(stage, model, viewer.shown.rows, viewer.spec.selected?.lane, labels);
    sync(viewer.spec);
    placeCursor(viewer);
  };
  const pending = { frame: 0 };
  viewer.schedule = () => {
    if (pending.frame !== 0) return;
    pending.frame = requestAnimationFrame(() => {
      pending.frame = 0;
      if (!closing.signal.aborted) draw();
    });
  };
  viewer.refresh = () => {
    viewer.paint = paintOf(model.states, shell.theme());
    panels.sheet.replaceSync(viewer.paint.colours.map((c, i) => `.swatch-${i}{background-color:${c}}`).join(""));
    panels.summary.hidden = !viewer.spec.summary;
    paintOverview(stage, model, viewer.paint);
    viewer.schedule();
  };
  const observer = new ResizeObserver(() => {
    paintOverview(stage, model, viewer.paint);
    viewer.schedule();
  });
  observer.observe(stage.root);
  closing.signal.addEventListener("abort", () => observer.disconnect());
  stage.scroller.addEventListener("scroll", viewer.schedule, { signal: closing.signal });
  return draw;
}

/** Changes of the view: panels follow at once, the address a little later; Back and Forward come in here. */
function connectAddress(viewer: Viewer, panels: Panels): void {
  const { address } = viewer.shell;
  const timers: { hash?: ReturnType<typeof setTimeout>; panel?: ReturnType<typeof setTimeout> } = {};
  const showPanels = (): void => {
    showSlice(panels.slice, viewer.model, selectedSlice(viewer), panels.actions);
    clearTimeout(timers.panel);
    timers.panel = setTimeout(
      () => showRange(panels.range, viewer.model, viewer.spec.range, panels.actions),
      PANEL_DELAY_MS,
    );
  };
  const writeHash = (): void => {
    clearTimeout(timers.hash);
    address.write(hashOf(viewer), "replace");
  };
  viewer.update = (change, kind = "replace") => {
    if (kind === "push") {
      writeHash();
      address.write(hashOf(viewer), "push");
    }
    const before = viewer.spec;
    viewer.spec = { ...before, ...change };
    if (before.selected !== viewer.spec.selected || before.range !== viewer.spec.range) showPanels();
    if (before.summary !== viewer.spec.summary) viewer.refresh();
    clearTimeout(timers.hash);
    timers.hash = setTimeout(writeHash, HASH_DELAY_MS);
    viewer.schedule();
  };
  globalThis.addEventListener(
    "popstate",
    () => {
      clearTimeout(timers.hash);
      viewer.spec = fromHash(address.read(), viewer.model.cycles, viewer.model.lanes.length);
      viewer.shell.search.value = viewer.spec.query;
      runSearch(viewer, viewer.spec.query);
      showPanels();
      viewer.refresh();
    },
    { signal: viewer.closing.signal },
  );
  viewer.closing.signal.addEventListener("abort", () => {
    clearTimeout(timers.hash);
    clearTimeout(timers.panel);
  });
  showPanels();
}
