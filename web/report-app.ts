/** Runs without a trace: the panels alone, over the whole page. */
import { makeDeck } from "./deck.ts";
import { fill } from "./dom.ts";
import type { PanelContext } from "./panels/panel.ts";
import { cyclesOf } from "./run.ts";
import { fromHash, toHash, type ViewSpec } from "./view-spec.ts";
import type { OpenRuns, Shell } from "./viewer.ts";

export interface ReportApp {
  refresh(): void;
  close(): void;
}

/** Builds the panels of runs into the shell. */
export function openReport({ runs, current }: OpenRuns, shell: Shell): ReportApp {
  const run = runs[current]!;
  const cycles = Math.max(1, cyclesOf(run));
  const closing = new AbortController();
  const state: { spec: ViewSpec; frame: number } = {
    spec: { ...fromHash(shell.address.read(), cycles, 0), run: current, summary: true },
    frame: 0,
  };
  const schedule = (): void => {
    if (state.frame !== 0) return;
    state.frame = requestAnimationFrame(() => {
      state.frame = 0;
      if (!closing.signal.aborted) deck.draw();
    });
  };
  const context: PanelContext = {
    runs,
    current,
    run,
    model: undefined,
    spec: () => state.spec,
    theme: () => shell.theme(),
    update: (change, kind = "replace") => {
      state.spec = { ...state.spec, ...change, summary: true };
      shell.address.write(`#${toHash(state.spec, cycles)}`, kind);
      schedule();
    },
    show: () => {},
    addRuns: shell.addRuns,
  };
  const deck = makeDeck(context, undefined);
  shell.main.classList.add("only-deck");
  fill(shell.main, deck.root);
  const observer = new ResizeObserver(schedule);
  observer.observe(deck.root);
  globalThis.addEventListener(
    "popstate",
    () => {
      state.spec = { ...fromHash(shell.address.read(), cycles, 0), run: current, summary: true };
      schedule();
    },
    { signal: closing.signal },
  );
  fill(shell.status, "A report without a trace: charts and tables only.");
  schedule();
  return {
    refresh: schedule,
    close: () => {
      closing.abort();
      observer.disconnect();
    },
  };
}
