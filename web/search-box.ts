/** The search field: finds while it is typed in, marks the overview, and goes from hit to hit with Enter. */
import { exact } from "./format.ts";
import { parseQuery, search } from "./search.ts";
import { markOverview } from "./stage.ts";
import { select, type Viewer } from "./viewer.ts";

const TYPING_MS = 120;
const MAX_MARKS = 400;

/** Searches the whole trace and shows how much was found. */
export function runSearch(viewer: Viewer, query: string): void {
  const { model, shell, stage } = viewer;
  viewer.found = search(model, parseQuery(query));
  shell.searchCount.textContent = query.trim() === "" ? "" : `${exact(viewer.found.count)} found`;
  markOverview(stage, model, viewer.found.marks(MAX_MARKS));
}

/** Listens until the trace is closed. */
export function connectSearch(viewer: Viewer): void {
  const { search: field } = viewer.shell;
  const { signal } = viewer.closing;
  const typed: { timer: ReturnType<typeof setTimeout> | undefined } = { timer: undefined };
  const apply = (): void => {
    clearTimeout(typed.timer);
    runSearch(viewer, field.value);
    viewer.update({ query: field.value });
  };
  field.value = viewer.spec.query;
  field.addEventListener(
    "input",
    () => {
      clearTimeout(typed.timer);
      typed.timer = setTimeout(apply, TYPING_MS);
    },
    { signal },
  );
  field.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape") viewer.stage.scroller.focus();
      if (event.key !== "Enter") return;
      if (viewer.spec.query !== field.value) apply();
      const hit = viewer.found.step(viewer.spec.selected, event.shiftKey ? -1 : 1);
      if (hit !== undefined) select(viewer, hit);
    },
    { signal },
  );
}
