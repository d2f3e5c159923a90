/** The roofline beside words: what bounds an operation or the range, and where its cycles go. */
import { drawRoofline } from "../charts/roofline.ts";
import { fileName } from "../charts/save.ts";
import { styleOf } from "../charts/style.ts";
import { figure } from "../charts/svg.ts";
import { button, el, fill } from "../dom.ts";
import { bytes, exact, percent, short } from "../format.ts";
import { layerAt } from "../layout.ts";
import { rangeTotals } from "../mix.ts";
import type { Model } from "../model.ts";
import { amountsIn, quantitiesOf } from "../quantities.ts";
import { boundOf, type Dot, dotOf, intensityOf, rateOf, roofsOf } from "../roofs.ts";
import { addUp, groupName, groupsOf, type Operation, runTitle, shortNames, workerOf } from "../run.ts";
import { onChange, type Panel, type PanelContext } from "./panel.ts";

/** The brushed range as a dot; the whole run where there is none. */
function rangeDot({ run, model, spec }: PanelContext): Dot | undefined {
  const { range } = spec();
  if (range === undefined || model === undefined) return dotOf("", "the run", run, run.operations);
  const quantities = quantitiesOf(model);
  const amounts = amountsIn(model, quantities, range.from, range.to);
  const amount = (kind: "macs" | "bytes"): number =>
    amounts.reduce((sum, value, i) => sum + (quantities[i]!.kind === kind ? value : 0), 0);
  const [macs, moved] = [amount("macs"), amount("bytes")];
  if (!(macs > 0 && moved > 0)) return undefined;
  return { key: "", name: "range", kind: "", macs, bytes: moved, cycles: range.to - range.from };
}

/** The group of the operation that is selected or under the playhead. */
export function groupHere({ model, spec }: PanelContext): string | undefined {
  const { playhead, selected } = spec();
  const at = playhead ?? selected?.at;
  const layer = at === undefined || model === undefined ? undefined : layerAt(model, at);
  return layer && groupName(layer.name);
}

/** What bounds a dot, in words. */
function verdict(dot: Dot, roofs: ReturnType<typeof roofsOf>): string {
  const bound = boundOf(dot, roofs);
  const [own, other] = bound.by === "memory" ? ["memory", "the array"] : ["the array", "memory"];
  const next = Math.min(dot.macs / roofs.macsPerCycle, dot.bytes / roofs.bytesPerCycle);
  const room = bound.cycles / next;
  const best = dot.cycles / bound.cycles;
  const reached = percent(bound.cycles, dot.cycles);
  const first =
    best < 1.02
      ? `Bound by ${own}, and at that roof: no schedule is faster on this machine.`
      : `Bound by ${own}: it reaches ${reached} of that roof, so on this machine it could be ${best.toPrecision(3)} × as fast.`;
  if (!Number.isFinite(room) || room > 1000) return first;
  return room < 1.1
    ? `${first} Memory and the array are in balance.`
    : `${first} Then ${other} has room for ${room.toPrecision(3)} × more.`;
}

/** Cycles by what the worker did in them. */
type Doing = Readonly<Record<string, number>>;

function doingOf(operations: readonly Operation[], worker: string | undefined): Doing {
  const tables = operations
    .flatMap((o) => (worker === undefined ? [] : [o.units[worker]]))
    .filter((t) => t !== undefined);
  const named = (prefix: string, part: Readonly<Record<string, number>>): Doing =>
    Object.fromEntries(Object.entries(part).map(([name, cycles]) => [`${prefix}: ${name}`, cycles]));
  return addUp(tables.map((t) => ({ ...named("works", t.busy), ...named("waits", t.stall), idle: t.idle })));
}

/** The same of a range of the trace. */
function doingIn(model: Model, worker: string | undefined, from: number, to: number): Doing {
  const lane = model.lanes.findIndex((l) => l.name === worker);
  if (lane < 0) return {};
  const totals = rangeTotals(model, lane, from, to);
  return Object.fromEntries(
    model.states.map(({ family, label }, i) => {
      const name = family === "idle" ? "idle" : `${family === "busy" ? "works" : "waits"}: ${label}`;
      return [name, totals[i]!];
    }),
  );
}

/** Where the worker's cycles went, the most first. */
function cycleList(doing: Doing, worker: string | undefined): HTMLElement {
  const parts = Object.entries(doing)
    .filter(([, cycles]) => cycles > 0)
    .sort((a, b) => b[1] - a[1]);
  if (parts.length === 0) return el("div");
  const all = parts.reduce((sum, [, cycles]) => sum + cycles, 0);
  const rows = parts.map(([name, cycles]) =>
    el(
      "tr",
      {},
      el("td", {}, name),
      el("td", { class: "number" }, exact(cycles)),
      el("td", { class: "number share" }, percent(cycles, all)),
    ),
  );
  return el("table", { class: "totals" }, el("caption", {}, `Cycles of ${worker}`), el("tbody", {}, ...rows));
}

/** The panel. */
export function rooflinePanel(context: PanelContext): Panel {
  const { run } = context;
  const chart = figure(
    "Roofline",
    () => fileName(`roofline ${runTitle(run)}`),
    () => styleOf(context.theme()).ground,
  );
  const words = el("div", { class: "roofline-words", "aria-live": "polite" });
  const root = el("div", { class: "deck-roofline" }, chart.root, words);
  const groups = groupsOf(run.operations);
  const short_ = shortNames(groups.map((g) => g.name));
  const dots = groups.flatMap((g) => dotOf(g.name, short_(g.name), run, g.operations) ?? []);
  const roofs = run.machine && roofsOf(run.machine);
  const worker = workerOf(run);

  const pick = (key: string): void => {
    const { focus } = context.spec();
    context.update({ focus: focus === key ? "" : key });
  };
  const drawWords = (): void => {
    const { focus } = context.spec();
    const group = groups.find((g) => g.name === focus);
    const dot = group === undefined ? rangeDot(context) : dots.find((d) => d.key === focus);
    const title =
      group === undefined ? (context.spec().range === undefined ? "The whole run" : "The range") : short_(focus);
    const first = group?.operations[0];
    const { range } = context.spec();
    const { model } = context;
    const doing =
      group === undefined && range !== undefined && model !== undefined
        ? doingIn(model, worker, range.from, range.to)
        : doingOf(group?.operations ?? run.operations, worker);
    fill(
      words,
      el("h2", {}, title),
      ...(dot === undefined
        ? []
        : [
            el(
              "p",
              {},
              `${intensityOf(dot).toPrecision(3)} multiply–accumulates a byte, ${short(Number(rateOf(dot).toPrecision(4)))} a cycle; ${bytes(dot.bytes)} off chip.`,
            ),
            ...(roofs === undefined ? [] : [el("p", {}, verdict(dot, roofs))]),
          ]),
      ...(first === undefined
        ? [el("p", { class: "quiet" }, "Choose an operation for where its cycles go; brush the timeline and + moves.")]
        : [
            el(
              "div",
              { class: "buttons" },
              button({ class: "quiet-button" }, `show the first of ${group?.operations.length ?? 0}`, () =>
                context.show(first.start, first.start + first.cycles),
              ),
              button({ class: "quiet-button" }, "clear", () => context.update({ focus: "" })),
            ),
          ]),
      cycleList(doing, worker),
    );
  };
  const draw = (): void => {
    if (dots.length === 0) {
      fill(chart.body, el("p", { class: "quiet" }, "This file does not say what was computed and moved."));
      return;
    }
    const { focus } = context.spec();
    const data = { run, roofs, dots, range: rangeDot(context), focus, here: groupHere(context), pick };
    const { clientWidth, clientHeight } = chart.body;
    drawRoofline(chart.body, data, styleOf(context.theme()), clientWidth, Math.max(220, clientHeight));
    drawWords();
  };
  const redraw = onChange(draw);
  return {
    root,
    draw: () => {
      const { focus, range } = context.spec();
      redraw(
        context.theme(),
        focus,
        range?.from,
        range?.to,
        groupHere(context),
        chart.body.clientWidth,
        chart.body.clientHeight,
      );
    },
  };
}
