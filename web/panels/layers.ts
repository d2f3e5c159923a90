/** The table of operations: sortable by any column, saved as CSV, linked to the timeline and the charts. */
import { csvButton, fileName } from "../charts/save.ts";
import { button, el, fill } from "../dom.ts";
import { bytes, duration, exact, joules, percent, short } from "../format.ts";
import {
  cyclesOf,
  energyOf,
  groupName,
  groupsOf,
  type Operation,
  offChip,
  type Run,
  runTitle,
  trafficOf,
  workerOf,
} from "../run.ts";
import { onChange, type Panel, type PanelContext } from "./panel.ts";
import { groupHere } from "./roofline.ts";

/** One line: an operation, or all blocks' operations of one name. */
export interface LayerRow {
  readonly key: string;
  readonly name: string;
  readonly kind: string;
  readonly times: number;
  readonly start: number;
  readonly end: number;
  readonly cycles: number;
  readonly macs: number | undefined;
  readonly bytes: number | undefined;
  readonly energyPJ: number;
  /** Of the unit that computes: cycles in which it worked. */
  readonly works: number | undefined;
  readonly waits: string;
}

function rowOf(run: Run, worker: string | undefined, name: string, operations: readonly Operation[]): LayerRow {
  const sum = (of: (o: Operation) => number | undefined): number | undefined => {
    let total = 0;
    for (const o of operations) {
      const value = of(o);
      if (value === undefined) return undefined;
      total += value;
    }
    return total;
  };
  const memory = offChip(run);
  const stalls: Record<string, number> = {};
  for (const o of operations)
    for (const [cause, cycles] of Object.entries(o.units[worker ?? ""]?.stall ?? {}))
      stalls[cause] = (stalls[cause] ?? 0) + cycles;
  const [cause, most = 0] = Object.entries(stalls).sort((a, b) => b[1] - a[1])[0] ?? [];
  const cycles = sum((o) => o.cycles) ?? 0;
  const first = operations[0]!;
  return {
    key: groupName(first.name),
    name,
    kind: first.kind,
    times: operations.length,
    start: first.start,
    end: first.start + first.cycles,
    cycles,
    macs: sum((o) => o.macs),
    bytes: sum((o) => trafficOf(o, memory)),
    energyPJ: sum(energyOf) ?? 0,
    works: sum((o) => {
      const table = o.units[worker ?? ""];
      return table && Object.values(table.busy).reduce((a, b) => a + b, 0);
    }),
    waits: cause === undefined ? "" : `${cause} ${percent(most, cycles)}`,
  };
}

export function layerRows(run: Run, grouped: boolean): readonly LayerRow[] {
  const worker = workerOf(run);
  return grouped
    ? groupsOf(run.operations).map((g) => rowOf(run, worker, g.name, g.operations))
    : run.operations.map((o) => rowOf(run, worker, o.name, [o]));
}

interface Column {
  readonly id: string;
  readonly title: string;
  /** What the file calls it, unit and all. */
  readonly csv: string;
  readonly value: (row: LayerRow) => number | string | undefined;
  readonly show: (row: LayerRow, run: Run, all: number) => string;
}

const or = (value: number | undefined, show: (value: number) => string): string =>
  value === undefined ? "–" : show(value);

const COLUMNS: readonly Column[] = [
  { id: "name", title: "operation", csv: "operation", value: (r) => r.name, show: (r) => r.name },
  { id: "kind", title: "kind", csv: "kind", value: (r) => r.kind, show: (r) => r.kind },
  { id: "times", title: "times", csv: "times", value: (r) => r.times, show: (r) => exact(r.times) },
  { id: "cycles", title: "cycles", csv: "cycles", value: (r) => r.cycles, show: (r) => exact(r.cycles) },
  { id: "share", title: "share", csv: "", value: (r) => r.cycles, show: (r, _, all) => percent(r.cycles, all) },
  {
    id: "time",
    title: "time",
    csv: "",
    value: (r) => r.cycles,
    show: (r, run) => duration({ unit: "cycle", clockMHz: run.clockMHz }, r.cycles) ?? "–",
  },
  { id: "macs", title: "MACs", csv: "macs", value: (r) => r.macs, show: (r) => or(r.macs, short) },
  {
    id: "works",
    title: "array works",
    csv: "array_busy_cycles",
    value: (r) => r.works,
    show: (r) => or(r.works, (v) => percent(v, r.cycles)),
  },
  { id: "waits", title: "waits most for", csv: "waits_most_for", value: (r) => r.waits, show: (r) => r.waits || "–" },
  { id: "bytes", title: "off chip", csv: "off_chip_bytes", value: (r) => r.bytes, show: (r) => or(r.bytes, bytes) },
  {
    id: "intensity",
    title: "MACs/B",
    csv: "macs_per_byte",
    value: (r) => (r.macs === undefined || !r.bytes ? undefined : r.macs / r.bytes),
    show: (r) => (r.macs === undefined || !r.bytes ? "–" : short(Number((r.macs / r.bytes).toPrecision(3)))),
  },
  {
    id: "energy",
    title: "energy",
    csv: "energy_pj",
    value: (r) => r.energyPJ,
    show: (r) => (r.energyPJ > 0 ? joules(r.energyPJ) : "–"),
  },
];
const WORDS = new Set(["name", "kind", "waits"]);

/** Rows in the order of a column; `-cycles` falls. What has no value comes last. */
export function sorted(rows: readonly LayerRow[], sort: string): readonly LayerRow[] {
  const falling = sort.startsWith("-");
  const column = COLUMNS.find((c) => c.id === sort.replace(/^-/, ""));
  if (column === undefined) return rows;
  const compare = (a: number | string | undefined, b: number | string | undefined): number => {
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
    const order = typeof a === "string" ? a.localeCompare(String(b), "en", { numeric: true }) : a - Number(b);
    return falling ? -order : order;
  };
  return rows
    .map((row, i) => ({ row, i }))
    .sort((a, b) => compare(column.value(a.row), column.value(b.row)) || a.i - b.i)
    .map(({ row }) => row);
}

const MAX_SHOWN = 2000;

/** The panel. */
export function layersPanel(context: PanelContext): Panel {
  const { run } = context;
  const all = cyclesOf(run);
  const state = { grouped: run.operations.length > 40 };
  const rows = (): readonly LayerRow[] => sorted(layerRows(run, state.grouped), context.spec().sort);
  const csv = csvButton(
    () => fileName(`layers ${runTitle(run)}`),
    () => {
      const columns = COLUMNS.filter((c) => c.csv !== "");
      return [columns.map((c) => c.csv), ...rows().map((r) => columns.map((c) => c.value(r) ?? ""))];
    },
  );
  const toggle = button({ class: "quiet-button" }, "", () => {
    state.grouped = !state.grouped;
    context.update({});
  });
  const head = el("div", { class: "panel-head" }, el("b", {}, "Operations"), toggle, csv);
  const body = el("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Operations" });
  const root = el("div", { class: "deck-layers" }, head, body);
  const redraw = onChange(() => {
    toggle.textContent = state.grouped ? "one by one" : "blocks together";
    toggle.setAttribute("aria-pressed", String(state.grouped));
    fill(body, tableOf(context, rows().slice(0, MAX_SHOWN), all));
  });
  return {
    root,
    draw: () => {
      const { sort, focus } = context.spec();
      redraw(sort, focus, state.grouped, groupHere(context));
    },
  };
}

function tableOf(context: PanelContext, rows: readonly LayerRow[], all: number): HTMLElement {
  const { sort, focus } = context.spec();
  const here = groupHere(context);
  const heads = COLUMNS.map(({ id, title }) => {
    const state = sort === id ? "ascending" : sort === `-${id}` ? "descending" : undefined;
    const mark = state === undefined ? "" : state === "ascending" ? " ↑" : " ↓";
    // Numbers are looked at from the largest down, names from A on; a third click is the order of the run.
    const [first, second] = WORDS.has(id) ? [id, `-${id}`] : [`-${id}`, id];
    const next = sort === first ? second : sort === second ? "" : first;
    const sorter = button({}, `${title}${mark}`, () => context.update({ sort: next }));
    return el("th", { scope: "col", class: WORDS.has(id) ? undefined : "number", "aria-sort": state }, sorter);
  });
  const lines = rows.map((row) => {
    const cells = COLUMNS.slice(1).map((c) =>
      el("td", { class: WORDS.has(c.id) ? undefined : "number" }, c.show(row, context.run, all)),
    );
    const open = button({ title: row.name }, row.name, () => {
      context.update({ focus: row.key });
      context.show(row.start, row.end);
    });
    const marks = [row.key === focus ? "focused" : "", row.key === here ? "here" : ""].join(" ").trim();
    return el("tr", { class: marks === "" ? undefined : marks }, el("th", { scope: "row" }, open), ...cells);
  });
  return el("table", { class: "layers" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines));
}
