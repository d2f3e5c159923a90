/** The panel beside the timeline: the selected slice with its chain of causes, and exact totals of a range. */
import { button, el, fill } from "../dom.ts";
import { bytes, duration, exact, joules, percent, short, unitWord } from "../format.ts";
import { layerAt } from "../layout.ts";
import { rangeBlame, rangeTotals } from "../mix.ts";
import type { Model } from "../model.ts";
import { amountsIn, quantitiesOf } from "../quantities.ts";
import type { SliceRef } from "../slices.ts";
import { chain } from "../walk.ts";

export interface DetailActions {
  select(slice: SliceRef): void;
  walk(to: "cause" | "effect"): void;
  clearRange(): void;
  fitRange(): void;
}

/** What a slice is called in a sentence. */
export function sliceTitle(model: Model, slice: SliceRef): string {
  const state = model.states[slice.state]!;
  if (state.family === "idle") return "idle";
  const op = opOf(model, slice);
  if (state.family === "stall") return `stalled: ${state.label}`;
  return op ?? state.label;
}

export function opOf(model: Model, slice: SliceRef): string | undefined {
  return model.segments[model.placements[slice.placement]!.segment]!.ops[slice.op]?.name;
}

/** The slice's panel; nothing is selected: how to begin. */
export function showSlice(panel: HTMLElement, model: Model, slice: SliceRef | undefined, actions: DetailActions): void {
  if (slice === undefined) {
    const hint = "Click a slice for its cause and culprit; drag over the lanes for exact totals; ? for all keys.";
    fill(panel, el("h2", {}, "Slice"), el("p", { class: "quiet" }, hint));
    return;
  }
  const cycles = slice.end - slice.start;
  const state = model.states[slice.state]!;
  const layer = layerAt(model, slice.start);
  const op = opOf(model, slice);
  const time = duration(model, cycles);
  const rows: (readonly [string, Node | string])[] = [
    ["unit", model.lanes[slice.lane]!.name],
    ["from", exact(slice.start)],
    ["to", exact(slice.end)],
    [model.unit === "ns" ? "lasts" : "cycles", time === undefined ? exact(cycles) : `${exact(cycles)}  (${time})`],
  ];
  if (layer !== undefined) rows.push(["layer", layer.name]);
  if (op !== undefined && state.family === "stall") rows.push(["for op", op]);
  if (slice.culprit >= 0) rows.push(["culprit", model.lanes[slice.culprit]!.name]);
  const links = chain(model, slice);
  fill(
    panel,
    el(
      "h2",
      {},
      el("span", { class: `mark swatch-${slice.state}${state.family === "stall" ? " hatched" : ""}` }),
      sliceTitle(model, slice),
    ),
    el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    ...(links.length > 1 ? [causes(model, links, actions)] : []),
    el(
      "div",
      { class: "buttons" },
      button({ class: "quiet-button", title: "What this waited for" }, "[ cause", () => actions.walk("cause")),
      button({ class: "quiet-button", title: "What waited for this" }, "effect ]", () => actions.walk("effect")),
    ),
  );
}

/** From the stall to the unit that was at work when it ended. */
function causes(model: Model, links: readonly SliceRef[], actions: DetailActions): HTMLElement {
  const list = el("ol", { class: "chain" });
  for (const link of links.slice(1)) {
    const item = button({ class: "chain-link" }, el("span", { class: `mark swatch-${link.state}` }), () =>
      actions.select(link),
    );
    item.append(
      el("b", {}, model.lanes[link.lane]!.name),
      el("span", {}, ` ${sliceTitle(model, link)}, ${exact(link.end - link.start)} ${unitWord(model, 2)}`),
    );
    list.append(el("li", {}, item));
  }
  return el("div", {}, el("h3", {}, "because"), list);
}

/** Exact totals of a range: cycles by unit and state, then by cause and culprit. */
export function showRange(
  panel: HTMLElement,
  model: Model,
  range: { readonly from: number; readonly to: number } | undefined,
  actions: DetailActions,
): void {
  const from = range?.from ?? 0;
  const to = range?.to ?? model.cycles;
  const cycles = to - from;
  const time = duration(model, cycles);
  const title = range === undefined ? "Whole run" : "Range";
  fill(
    panel,
    el(
      "h2",
      {},
      title,
      el(
        "span",
        { class: "quiet" },
        ` ${exact(cycles)} ${unitWord(model, cycles)}${time === undefined ? "" : `, ${time}`}`,
      ),
    ),
    ...(range === undefined
      ? []
      : [
          el("p", { class: "quiet mono" }, `${exact(from)} … ${exact(to)}`),
          el(
            "div",
            { class: "buttons" },
            button({ class: "quiet-button" }, "fit", () => actions.fitRange()),
            button({ class: "quiet-button" }, "clear", () => actions.clearRange()),
          ),
        ]),
    amountsTable(model, from, to),
    totalsTable(model, from, to),
    blameTable(model, from, to),
  );
}

/** Energy by component, bytes and multiply–accumulates of a range; of the whole run they are the report's. */
function amountsTable(model: Model, from: number, to: number): HTMLElement {
  const quantities = quantitiesOf(model);
  if (quantities.length === 0) return el("div");
  const amounts = amountsIn(model, quantities, from, to);
  const spent = quantities.flatMap((q, i) => (q.kind === "energy" ? [{ name: q.name, pJ: amounts[i]! }] : []));
  const all = spent.reduce((sum, s) => sum + s.pJ, 0);
  const row = (name: string, value: string, share = ""): HTMLElement =>
    el("tr", {}, el("td", {}, name), el("td", { class: "number" }, value), el("td", { class: "number share" }, share));
  const rows = quantities.flatMap((q, i) => {
    if (q.kind === "bytes") return [row(`${q.name}, bytes moved`, bytes(amounts[i]!))];
    return q.kind === "macs" ? [row("multiply–accumulates", short(Math.round(amounts[i]!)))] : [];
  });
  const parts = spent
    .filter((s) => s.pJ > 0)
    .sort((a, b) => b.pJ - a.pJ)
    .map(({ name, pJ }) => row(`energy, ${name}`, joules(pJ), percent(pJ, all)));
  const total = spent.length === 0 ? [] : [row("energy", joules(all))];
  return el(
    "table",
    { class: "totals amounts" },
    el("caption", {}, "Amounts"),
    el("tbody", {}, ...rows, ...total, ...parts),
  );
}

const MAX_ROWS = 200;

/** Each unit's cycles by state; a row sums to the length of the range. */
function totalsTable(model: Model, from: number, to: number): HTMLElement {
  const body = el("tbody");
  const cycles = to - from;
  for (const lane of [...model.lanes.keys()].slice(0, MAX_ROWS)) {
    const totals = rangeTotals(model, lane, from, to);
    const own = model.slots[lane]!.filter((s) => totals[s]! > 0);
    own.forEach((state, i) => {
      const name = i === 0 ? [el("th", { scope: "rowgroup", rowspan: own.length }, model.lanes[lane]!.name)] : [];
      const mark = el("span", { class: `mark swatch-${state}` });
      const label = el("td", {}, mark, model.states[state]!.label);
      const value = el("td", { class: "number" }, exact(totals[state]!));
      const share = el("td", { class: "number share" }, percent(totals[state]!, cycles));
      body.append(el("tr", { class: i === 0 ? "first" : undefined }, ...name, label, value, share));
    });
  }
  const head = el("tr", {}, ...columns(["unit", "state", model.unit === "ns" ? "ns" : "cycles", "share"]));
  return el("table", { class: "totals" }, el("caption", {}, "Totals by unit and state"), el("thead", {}, head), body);
}

const columns = (names: readonly string[]): readonly HTMLElement[] =>
  names.map((name, i) => el("th", { scope: "col", class: i > 1 ? "number" : undefined }, name));

/** Who stalled whom, the most first. */
function blameTable(model: Model, from: number, to: number): HTMLElement {
  const rows = model.lanes
    .flatMap((_, lane) => (lane < MAX_ROWS ? rangeBlame(model, lane, from, to).map((b) => ({ lane, ...b })) : []))
    .filter((b) => model.states[b.state]!.family === "stall")
    .sort((a, b) => b.cycles - a.cycles)
    .slice(0, 40);
  if (rows.length === 0) return el("div");
  const body = el("tbody");
  for (const { lane, state, culprit, cycles } of rows)
    body.append(
      el(
        "tr",
        {},
        el("th", { scope: "row" }, model.lanes[lane]!.name),
        el("td", {}, el("span", { class: `mark swatch-${state}` }), model.states[state]!.label),
        el("td", {}, model.lanes[culprit]?.name ?? "–"),
        el("td", { class: "number" }, exact(cycles)),
      ),
    );
  const head = el("tr", {}, ...["unit", "cause", "culprit"].map((n) => el("th", { scope: "col" }, n)));
  head.append(el("th", { scope: "col", class: "number" }, model.unit === "ns" ? "ns" : "cycles"));
  return el(
    "table",
    { class: "totals" },
    el("caption", {}, "Stalls by cause and culprit"),
    el("thead", {}, head),
    body,
  );
}
