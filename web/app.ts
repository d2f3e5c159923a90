/** The viewer of one trace, put together: stage, panels, pointer, keyboard, search and the address. */
import { carryOut, goToCycle, walk } from "./carry-out.ts";
import { cellSwatches } from "./charts/array.ts";
import { makeDeck } from "./deck.ts";
import { el, fill } from "./dom.ts";
import { type Paint, paintOf } from "./draw.ts";
import { runOf } from "./entries.ts";
import { findingsOf, type Jump, unitLoads } from "./findings.ts";
import { connectKeyboard } from "./keyboard.ts";
import type { Model } from "./model.ts";
import { type DetailActions, showRange, showSlice } from "./panels/details.ts";
import { goToDialog } from "./panels/help.ts";
import type { PanelContext } from "./panels/panel.ts";
import { summaryPanel } from "./panels/summary.ts";
import { connectPointer, placeCursor, placePlayhead } from "./pointer.ts";
import { NOTHING } from "./search.ts";
import { connectSearch, runSearch } from "./search-box.ts";
import { makeStage, paintFlags, paintLabels, paintOverview, paintStage } from "./stage.ts";
import { fromHash, type ViewSpec, windowAround } from "./view-spec.ts";
import {
  hashOf,
  type OpenRuns,
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

/** Colours of states, and of the array's cells, as classes. */
function swatches({ colours, theme }: Paint): string {
  const cells = cellSwatches(theme);
  return [...colours.map((c, i) => [String(i), c] as const), ...cells]
    .map(([name, colour]) => `.swatch-${name}{background-color:${colour}}`)
    .join("");
}

const HASH_DELAY_MS = 200;
const PANEL_DELAY_MS = 30;

/** Parts of the page that are made anew when the view changes. */
interface Panels {
  readonly slice: HTMLElement;
  readonly range: HTMLElement;
  /** Colours of states as CSS classes. */
  readonly sheet: CSSStyleSheet;
  readonly actions: DetailActions;
}

/** Builds the viewer of a model into the shell. */
export function openApp(model: Model, shell: Shell, open: OpenRuns = { runs: [runOf(model)], current: 0 }): App {
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
    deck: undefined,
    spec: { ...fromHash(shell.address.read(), model.cycles, model.lanes.length), run: open.current },
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
  const panels: Panels = { slice, range, sheet: new CSSStyleSheet(), actions };
  const deck = makeDeck(contextOf(viewer, open), summary);
  viewer.deck = deck;
  fill(shell.main, deck.root, stage.root, viewer.details, viewer.goTo);
  shell.main.classList.remove("only-deck");
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
    close: () => {
      deck.array.stop();
      viewer.closing.abort();
    },
    drawNow: (spec) => {
      viewer.spec = { ...viewer.spec, ...spec };
      draw();
    },
    spec: () => viewer.spec,
  };
}

/** What the panels know of the viewer, and may do with it. */
function contextOf(viewer: Viewer, { runs, current }: OpenRuns): PanelContext {
  const { model, shell } = viewer;
  return {
    runs,
    current,
    run: runs[current]!,
    model,
    spec: () => viewer.spec,
    theme: () => shell.theme(),
    update: (change, history) => viewer.update(change, history),
    show: (from, to) => viewer.update({ range: { from, to }, ...windowAround(from, to, model.cycles) }, "push"),
    addRuns: shell.addRuns,
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
    paintLabels(stage, model, viewer.shown.rows, viewer.spec.selected?.lane, viewer.shown.drawing.counters, labels);
    sync(viewer.spec);
    placeCursor(viewer);
    placePlayhead(viewer);
    paintFlags(stage, model, viewer.spec);
    viewer.deck?.draw();
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
    panels.sheet.replaceSync(swatches(viewer.paint));
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
      const { run } = viewer.spec;
      viewer.spec = { ...fromHash(address.read(), viewer.model.cycles, viewer.model.lanes.length), run };
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
