/** The panels above the timeline: one is open at a time, a tab each. */
import { button, el, fill } from "./dom.ts";
import { type ArrayPanel, arrayPanel } from "./panels/array.ts";
import { comparePanel } from "./panels/compare.ts";
import { energyPanel } from "./panels/energy.ts";
import { layersPanel } from "./panels/layers.ts";
import type { Panel, PanelContext } from "./panels/panel.ts";
import { rooflinePanel } from "./panels/roofline.ts";
import { PANELS, type PanelId } from "./view-spec.ts";

export interface Deck {
  readonly root: HTMLElement;
  readonly array: ArrayPanel;
  /** Draws the open panel, and opens the one that the view names. */
  draw(): void;
}

const TITLES: Readonly<Record<PanelId, string>> = {
  overview: "Overview",
  array: "Array",
  energy: "Energy",
  roofline: "Roofline",
  layers: "Layers",
  compare: "Compare",
};

/** The deck of a run; `overview` is undefined where there is no trace to give one of. */
export function makeDeck(context: PanelContext, overview: HTMLElement | undefined): Deck {
  const array = arrayPanel(context);
  const panels: Readonly<Partial<Record<PanelId, Panel>>> = {
    ...(overview === undefined ? {} : { overview: { root: overview, draw: () => {} }, array }),
    energy: energyPanel(context),
    roofline: rooflinePanel(context),
    layers: layersPanel(context),
    compare: comparePanel(context),
  };
  const ids = PANELS.filter((id) => panels[id] !== undefined);
  const openId = (): PanelId => (ids.includes(context.spec().panel) ? context.spec().panel : ids[0]!);
  const body = el("div", { class: "deck-body", role: "tabpanel" });
  const tabs = new Map(ids.map((id) => [id, tabOf(context, id)]));
  const bar = el("div", { class: "tabs", role: "tablist", "aria-label": "Panels" }, ...tabs.values());
  bar.addEventListener("keydown", (event) => moveTab(event, ids, openId(), context, tabs));
  const fold = button(
    { class: "fold", title: "Show or hide the panel (I)", "aria-label": "Show or hide the panel" },
    "",
    () => context.update({ summary: !context.spec().summary }),
  );
  const root = el("section", { class: "deck", "aria-label": "Panels" });
  root.append(el("div", { class: "deck-head" }, bar, fold), body);
  const handle = overview === undefined ? undefined : splitter(body, () => context.update({}));
  if (handle !== undefined) root.append(handle);
  const shown: { id: PanelId | undefined } = { id: undefined };

  const draw = (): void => {
    const { summary } = context.spec();
    const id = openId();
    for (const [tab, element] of tabs) {
      const selected = tab === id && summary;
      element.setAttribute("aria-selected", String(selected));
      element.tabIndex = tab === id ? 0 : -1;
    }
    body.hidden = !summary;
    if (handle !== undefined) handle.hidden = !summary;
    fold.textContent = summary ? "hide" : "show";
    body.setAttribute("aria-label", TITLES[id]);
    if (shown.id !== id) {
      shown.id = id;
      body.dataset.panel = id;
      if (id !== "array") array.stop();
      fill(body, panels[id]!.root);
    }
    if (summary) panels[id]!.draw();
  };
  return { root, array, draw };
}

function tabOf(context: PanelContext, id: PanelId): HTMLButtonElement {
  const count = id === "compare" && context.runs.length > 1 ? ` ${context.runs.length}` : "";
  return button({ role: "tab", class: "tab", "data-tab": id }, `${TITLES[id]}${count}`, () =>
    context.update({ panel: id, summary: true }),
  );
}

function moveTab(
  event: KeyboardEvent,
  ids: readonly PanelId[],
  open: PanelId,
  context: PanelContext,
  tabs: ReadonlyMap<PanelId, HTMLElement>,
): void {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const next = ids[(ids.indexOf(open) + by + ids.length) % ids.length]!;
  context.update({ panel: next, summary: true });
  tabs.get(next)?.focus();
}

const MIN_HEIGHT = 120;
const MAX_HEIGHT = 2000;
const KEY_STEP = 24;

/** A border that is dragged, or moved with arrow keys, to give the panel more or less room. */
function splitter(body: HTMLElement, changed: () => void): HTMLElement {
  const handle = el("div", {
    class: "splitter",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": "Height of the panel",
    "aria-valuemin": MIN_HEIGHT,
    "aria-valuemax": MAX_HEIGHT,
    "aria-valuenow": MIN_HEIGHT,
  });
  const resize = (height: number): void => {
    const most = Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, innerHeight - 260));
    const pixels = Math.round(Math.min(most, Math.max(MIN_HEIGHT, height)));
    body.style.setProperty("--deck-height", `${pixels}px`);
    handle.setAttribute("aria-valuenow", String(pixels));
    body.classList.add("sized");
    changed();
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) resize(event.clientY - body.getBoundingClientRect().top);
  });
  handle.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    event.stopPropagation();
    resize(body.clientHeight + (event.key === "ArrowDown" ? KEY_STEP : -KEY_STEP));
  });
  return handle;
}
