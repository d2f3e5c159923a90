/** The first screen: facts of the run, each unit's share of it by state, and the findings in words. */
import { button, el } from "../dom.ts";
import type { Finding, Jump, UnitLoad } from "../findings.ts";
import { limiterOf, limits } from "../findings.ts";
import { duration, exact, percent, short, unitWord } from "../format.ts";
import type { Model } from "../model.ts";
import { cyclesOf, type Run } from "../run.ts";

export interface SummaryActions {
  jump(place: Jump): void;
  showLane(lane: number): void;
}

const MANY_UNITS = 24;

/** The units' bars and the findings; colours are set through CSS variables named by state. */
export function summaryPanel(
  model: Model,
  loads: readonly UnitLoad[],
  findings: readonly Finding[],
  actions: SummaryActions,
): HTMLElement {
  return el(
    "section",
    { class: "summary", "aria-label": "Summary" },
    el("div", { class: "summary-bars" }, el("h2", {}, "Units"), bars(model, loads, actions), legend(model)),
    el("div", { class: "summary-findings" }, el("h2", {}, "Findings"), findingList(findings, actions), notes(model)),
  );
}

/** Facts of the run for the title line. */
export function facts(model: Model): readonly (readonly [name: string, value: string, title: string])[] {
  const time = duration(model, model.cycles);
  const slices = model.placements.reduce(
    (sum, p) => sum + model.segments[p.segment]!.tracks.reduce((n, t) => n + t.starts.length, 0),
    0,
  );
  const list: (readonly [string, string, string])[] = [];
  if (model.unit === "cycle") list.push(["cycles", short(model.cycles), `${exact(model.cycles)} cycles`]);
  if (time !== undefined) {
    const clock = model.clockMHz === undefined ? "" : ` at ${exact(model.clockMHz)} MHz`;
    list.push(["time", time, `${time}${clock}`]);
  }
  list.push(["slices", short(slices), `${exact(slices)} slices`]);
  if (model.layers.length > 0)
    list.push(["layers", exact(model.layers.length), `${exact(model.layers.length)} layers`]);
  return list;
}

/** Facts of a run without a trace. */
export function reportFacts(run: Run): readonly (readonly [name: string, value: string, title: string])[] {
  const cycles = cyclesOf(run);
  const time = duration({ unit: "cycle", clockMHz: run.clockMHz }, cycles);
  return [
    ["cycles", short(cycles), `${exact(cycles)} cycles`],
    ...(time === undefined ? [] : [["time", time, time] as const]),
    ["layers", exact(run.operations.length), `${exact(run.operations.length)} layers`],
  ];
}

function bars(model: Model, loads: readonly UnitLoad[], actions: SummaryActions): HTMLElement {
  const limiter = limiterOf(loads);
  const shown = loads.length > MANY_UNITS ? [...loads].sort((a, b) => b.busy - a.busy).slice(0, MANY_UNITS) : loads;
  const list = el("ul", { class: "bars" });
  for (const load of shown) list.append(el("li", {}, bar(model, load, load.lane === limiter.lane, actions)));
  if (shown.length < loads.length)
    list.append(el("li", { class: "quiet" }, `the busiest ${MANY_UNITS} of ${loads.length} units`));
  return list;
}

/** What the colours mean: of all states that occur. */
function legend(model: Model): HTMLElement {
  const used = new Set(model.slots.flat());
  const codes = [...model.states.keys()].filter((code) => used.has(code));
  const part = (family: "busy" | "stall", title: string): readonly HTMLElement[] => {
    const own = codes.filter((code) => model.states[code]!.family === family);
    if (own.length === 0) return [];
    const hatch = family === "stall" ? " hatched" : "";
    const items = own.map((code) =>
      el("li", {}, el("span", { class: `mark swatch-${code}${hatch}` }), model.states[code]!.label),
    );
    return [el("ul", { class: "legend", "aria-label": title }, el("li", { class: "quiet" }, title), ...items)];
  };
  return el("div", { class: "legends" }, ...part("busy", "works"), ...part("stall", "waits"));
}

function bar(model: Model, load: UnitLoad, isLimiter: boolean, actions: SummaryActions): HTMLElement {
  const name = model.lanes[load.lane]!.name;
  const track = el("span", { class: "bar-track" });
  const words: string[] = [];
  for (const state of model.slots[load.lane]!) {
    const cycles = load.totals[state]!;
    if (cycles === 0) continue;
    const { label, family } = model.states[state]!;
    const text = `${family === "stall" ? "stalled, " : ""}${label} ${percent(cycles, model.cycles)}`;
    words.push(text);
    if (family === "idle") continue;
    const part = el("span", {
      class: `bar-part swatch-${state}${family === "stall" ? " hatched" : ""}`,
      title: `${name}: ${text}, ${exact(cycles)} ${unitWord(model, cycles)}`,
    });
    part.style.width = `${(100 * cycles) / model.cycles}%`;
    track.append(part);
  }
  const element = button(
    { class: "bar", "aria-label": `${name}: ${words.join("; ")}${isLimiter ? "; the busiest unit" : ""}` },
    el("span", { class: "bar-name" }, name),
    () => actions.showLane(load.lane),
  );
  element.append(track, el("span", { class: "bar-value" }, percent(load.busy, model.cycles)));
  const word = limits(model, load) ? "limiter" : "busiest";
  element.append(isLimiter ? el("span", { class: "limiter" }, word) : el("span", {}));
  return element;
}

function findingList(findings: readonly Finding[], actions: SummaryActions): HTMLElement {
  const list = el("ol", { class: "findings" });
  for (const finding of findings) {
    const { jump } = finding;
    const mark = el("span", { class: `mark swatch-${finding.state}`, "aria-hidden": "true" });
    const text = el("span", { class: "finding-text" }, finding.text);
    if (jump === undefined) {
      list.append(el("li", {}, el("div", { class: "finding" }, mark, text)));
    } else {
      const item = button({ class: "finding" }, mark, () => actions.jump(jump));
      item.append(text, el("span", { class: "go", "aria-hidden": "true" }, "show →"));
      list.append(el("li", {}, item));
    }
  }
  return list;
}

function notes(model: Model): HTMLElement {
  return el("div", {}, ...model.notes.map((note) => el("p", { class: "quiet" }, `Note: ${note}.`)));
}
