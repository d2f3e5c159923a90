/** The tab "Simulate": the operator, or a model with its weights, on any machine, and the trace in the viewer. */
import { ACCELERATORS } from "../../hw-models/index.ts";
import { type App, openApp } from "../app.ts";
import { button, el, fill } from "../dom.ts";
import type { Shell } from "../viewer.ts";
import { type Errand, startErrand } from "./client.ts";
import type { Page, Panel } from "./page.ts";
import type { SimulateOutcome } from "./protocol.ts";

const WORKLOADS = [
  ["op", "this operator"],
  ["prefill", "Llama-2-7B, prefill of 2048"],
  ["decode", "Llama-2-7B, decode at 2048"],
] as const;

const OWN = "own";

export interface SimulatePanel extends Panel {
  /** Draws the open trace again, for a new theme. */
  refresh(): void;
}

function summary({
  cycles,
  microseconds,
  utilisation,
  energyMicrojoules,
  milliseconds,
  machine,
  workload,
}: SimulateOutcome): HTMLElement {
  const time = microseconds < 1000 ? `${microseconds.toFixed(2)} µs` : `${(microseconds / 1000).toFixed(3)} ms`;
  const energy =
    energyMicrojoules < 1000 ? `${energyMicrojoules.toFixed(2)} µJ` : `${(energyMicrojoules / 1000).toFixed(2)} mJ`;
  const facts: (readonly [string, string])[] = [
    ["cycles", cycles.toLocaleString("en-GB").replaceAll(",", " ")],
    ["time", time],
    ["array busy", `${(utilisation * 100).toFixed(1)} %`],
    ["energy", energy],
    ["simulated in", `${milliseconds.toFixed(0)} ms`],
  ];
  return el(
    "div",
    { class: "sim-summary" },
    el("b", {}, workload),
    el("span", { class: "machine" }, machine),
    el("dl", { class: "facts" }, ...facts.map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v)))),
  );
}

export function makeSimulatePanel(page: Page): SimulatePanel {
  const state: { errand: Errand | undefined; app: App | undefined } = { errand: undefined, app: undefined };
  const machine = el("select", { "aria-label": "Machine" });
  const picker = el("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    "aria-label": "Hardware model",
  });
  const workload = el(
    "select",
    { "aria-label": "Workload" },
    ...WORKLOADS.map(([value, title]) => el("option", { value }, title)),
  );
  const said = el("div", { class: "sim-said", "aria-live": "polite" });
  const search = el("input", {
    type: "search",
    placeholder: "Search  /",
    "aria-label": "Search the trace",
    autocomplete: "off",
  });
  const searchCount = el("output", { class: "search-count", "aria-live": "polite" });
  const frame = el("div", { class: "viewer", tabindex: -1 });
  const status = el("div", { class: "status" });
  const go = button({ class: "primary" }, "Simulate", () => start());
  const stop = button({ class: "tool" }, "Cancel", () => {
    state.errand?.cancel();
    finish();
    fill(said, el("span", { class: "quiet" }, "Cancelled."));
  });
  stop.hidden = true;
  const finder = el("div", { class: "search" }, search, searchCount);
  finder.hidden = true;
  const view = { hash: "" };
  const root = el(
    "div",
    { class: "simulate-panel" },
    el("div", { class: "run-head" }, workload, el("span", { class: "quiet" }, "on"), machine, go, stop, finder, picker),
    said,
    frame,
    status,
  );
  const shell: Shell = {
    main: frame,
    status,
    search,
    searchCount,
    keys: root,
    address: {
      read: () => view.hash,
      write(hash) {
        view.hash = hash;
      },
    },
    theme: () => page.theme,
    command: () => {},
  };

  machine.addEventListener("change", () => {
    if (machine.value === OWN) picker.click();
    else page.update({ simulate: { ...page.state.simulate, machine: machine.value } });
  });
  picker.addEventListener("change", () => {
    const [file] = picker.files ?? [];
    picker.value = "";
    void file?.text().then((text) => page.update({ simulate: { ...page.state.simulate, machine: text } }));
  });
  picker.addEventListener("cancel", () => showMachine());
  workload.addEventListener("change", () =>
    page.update({ simulate: { ...page.state.simulate, workload: workload.value } }),
  );

  const finish = (): void => {
    state.errand = undefined;
    stop.hidden = true;
    go.disabled = false;
  };
  const showMachine = (): void => {
    const { machine: chosen } = page.state.simulate;
    const own = chosen.trimStart().startsWith("{");
    fill(
      machine,
      ...ACCELERATORS.map((m) => el("option", { value: m.name, title: m.about }, m.name)),
      ...(own ? [el("option", { value: "given" }, "your machine")] : []),
      el("option", { value: OWN }, "a machine of your own…"),
    );
    machine.value = own ? "given" : chosen;
  };
  const start = (): void => {
    const { text, op, sizes, simulate } = page.state;
    const job = { text, op, sizes, targets: [] };
    go.disabled = true;
    stop.hidden = false;
    fill(said, el("span", { class: "quiet" }, "Simulating…"));
    const errand = startErrand({ kind: "simulate", job, ...simulate });
    state.errand = errand;
    errand.outcome.then(
      (outcome) => {
        finish();
        if (outcome.kind !== "simulated") return;
        fill(said, summary(outcome));
        state.app?.close();
        view.hash = "";
        finder.hidden = false;
        state.app = openApp(outcome.model, shell);
      },
      (error: Error) => {
        finish();
        fill(said, el("p", { class: "bad", role: "alert" }, error.message));
      },
    );
  };

  fill(said, el("span", { class: "quiet" }, "Runs cycle by cycle in a worker; the trace opens below."));
  return {
    root,
    refresh: () => state.app?.refresh(),
    show() {
      showMachine();
      workload.value = page.state.simulate.workload;
    },
  };
}
