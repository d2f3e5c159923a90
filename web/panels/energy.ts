/** Energy by operation and component, and the area of the machines, as stacked bars. */
import { type BarRow, drawBars } from "../charts/bars.ts";
import { fileName } from "../charts/save.ts";
import { componentColours, styleOf } from "../charts/style.ts";
import { figure } from "../charts/svg.ts";
import { button, el, fill } from "../dom.ts";
import { area, joules } from "../format.ts";
import { addUp, distinctTitles, energyOf, energyRangeOf, groupsOf, type Run, runTitle, shortNames } from "../run.ts";
import { onChange, type Panel, type PanelContext } from "./panel.ts";

const MAX_ROWS = 16;

const mapOf = (record: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(record));

/** The whole run, then its operations, those that take most first; runs that are open beside it come before. */
export function energyRows(runs: readonly Run[], current: number): readonly BarRow[] {
  const run = runs[current]!;
  const titles = distinctTitles(runs);
  const whole = runs.map((r, i): BarRow => {
    const parts = addUp(r.operations.map((o) => o.energyPJ));
    const total = Object.values(parts).reduce((a, b) => a + b, 0);
    const name = runs.length > 1 ? titles[i]! : "the whole run";
    const range = energyRangeOf(r.operations);
    return { key: "", name, parts: mapOf(parts), total: joules(total), strong: i === current, range };
  });
  const groups = groupsOf(run.operations)
    .map((g) => ({ ...g, total: g.operations.reduce((sum, o) => sum + energyOf(o), 0) }))
    .sort((a, b) => b.total - a.total);
  const short = shortNames(groups.map((g) => g.name));
  const rows = groups.slice(0, MAX_ROWS).map(
    (g): BarRow => ({
      key: g.name,
      name: `${short(g.name)}${g.operations.length > 1 ? ` × ${g.operations.length}` : ""}`,
      parts: mapOf(addUp(g.operations.map((o) => o.energyPJ))),
      total: joules(g.total),
      range: energyRangeOf(g.operations),
    }),
  );
  return groups.length > 1 ? [...whole, ...rows] : whole;
}

/** One row a machine. */
function areaRows(runs: readonly Run[]): readonly BarRow[] {
  const machines = new Map(runs.flatMap((r) => (r.area === undefined ? [] : [[r.hardware, r.area] as const])));
  return [...machines].map(([name, { parts, unknown }]): BarRow => {
    const total = Object.values(parts).reduce((a, b) => a + b, 0);
    const more = unknown.length === 0 ? "" : " +";
    return { key: "", name, parts: mapOf(parts), total: `${area(total)}${more}` };
  });
}

/** What the bars leave out, in words. */
function areaNote(runs: readonly Run[]): string {
  const unknown = [...new Set(runs.flatMap((r) => r.area?.unknown ?? []))];
  return unknown.length === 0 ? "" : `Nobody published the area of ${unknown.join(", ")}: + stands for them.`;
}

/** The panel. */
export function energyPanel(context: PanelContext): Panel {
  const { runs, current, run } = context;
  const ground = (): string => styleOf(context.theme()).ground;
  const energy = figure("Energy", () => fileName(`energy ${runTitle(run)}`), ground);
  const areas = figure("Area", () => fileName(`area ${run.hardware}`), ground);
  const root = el("div", { class: "deck-energy" }, energy.root, areas.root);
  const shares = { on: false };
  const toggle = button({ class: "quiet-button", "aria-pressed": "false" }, "shares", () => {
    shares.on = !shares.on;
    toggle.setAttribute("aria-pressed", String(shares.on));
    context.update({});
  });
  energy.tools.append(toggle);
  const rows = energyRows(runs, current);
  const components = [...new Set(rows.flatMap((r) => [...r.parts.keys()]))];
  const covered = areaRows(runs);

  const drawEnergy = (): void => {
    if (components.length === 0) {
      fill(energy.body, el("p", { class: "quiet" }, "This file says nothing of energy."));
      return;
    }
    const style = styleOf(context.theme());
    const { focus } = context.spec();
    const chart = {
      words: `Energy by component: ${rows.map((r) => `${r.name} ${r.total}`).join("; ")}`,
      components,
      colours: componentColours(components, run.machine, context.theme()),
      rows,
      shares: shares.on,
      format: joules,
      focus,
      pick: (key: string) => context.update({ focus: key === context.spec().focus ? "" : key }),
    };
    drawBars(energy.body, chart, style, energy.body.clientWidth, energy.body.clientHeight);
  };
  const drawArea = (): void => {
    if (covered.length === 0) {
      const why =
        run.machine === undefined ? "This file does not hold its machine." : "The machine's model has no areas.";
      fill(areas.body, el("p", { class: "quiet" }, why));
      return;
    }
    const parts = [...new Set(covered.flatMap((r) => [...r.parts.keys()]))];
    const chart = {
      words: `Area by component: ${covered.map((r) => `${r.name} ${r.total}`).join("; ")}`,
      components: parts,
      colours: componentColours(parts, run.machine, context.theme()),
      rows: covered,
      shares: false,
      format: area,
      focus: "",
    };
    drawBars(areas.body, chart, styleOf(context.theme()), areas.body.clientWidth, areas.body.clientHeight);
    const note = areaNote(runs);
    if (note !== "") areas.body.append(el("p", { class: "quiet" }, note));
  };
  const redraw = onChange(() => {
    drawEnergy();
    drawArea();
  });
  return {
    root,
    draw: () =>
      redraw(
        context.theme(),
        shares.on,
        context.spec().focus,
        energy.body.clientWidth,
        energy.body.clientHeight,
        areas.body.clientWidth,
      ),
  };
}
