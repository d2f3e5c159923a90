/** Reports as text: tables of totals, of every unit's states, and of layers by kind. */

import type { Figures, LayerResult, SimulateResult } from "./simulate.ts";
import { sumUnits } from "./simulate.ts";
import { STALL_CAUSES, type StateTable } from "./states.ts";

type Row = readonly string[];

/** Rows below a header, columns padded; the first column to the left, the others to the right. */
function table(header: Row, rows: readonly Row[]): string {
  const widths = header.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]?.length ?? 0)));
  const line = (row: Row): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((w) => "─".repeat(w))), ...rows.map(line)].join("\n");
}

const UNITS = ["", "k", "M", "G", "T", "P", "E"] as const;

/** A quantity in three digits with a decimal prefix: `1.19 G`. */
export function scaled(value: number): string {
  const power = value === 0 ? 0 : Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.abs(value)) / 3)));
  const digits = value / 1000 ** power;
  const text = digits >= 100 ? digits.toFixed(0) : digits >= 10 ? digits.toFixed(1) : digits.toFixed(2);
  return `${text} ${UNITS[power]}`.trimEnd();
}

const percent = (part: number, whole: number): string => (whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`);
const grouped = (value: number): string => value.toLocaleString("en-US").replaceAll(",", " ");

function time(seconds: number): string {
  if (seconds >= 1) return `${seconds.toPrecision(4)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toPrecision(4)} ms` : `${(seconds * 1e6).toPrecision(4)} µs`;
}

function joules(energyPJ: number): string {
  if (energyPJ === 0) return "–";
  const energy = energyPJ * 1e-12;
  return energy >= 1 ? `${energy.toPrecision(4)} J` : `${(energy * 1e3).toPrecision(4)} mJ`;
}

/** One run in full: what it was, totals, memories and energy, states of units, layers by kind. */
export function formatResult(result: SimulateResult): string {
  const { totals } = result;
  const head = `${result.workload} · ${result.phase}, batch ${result.batch}, context ${result.context} · ${result.hardware} (${result.dataflow})`;
  const stored = `weights ${result.weightFormat} (${result.weightBits.toFixed(2)} bit), keys and values ${result.keyValueFormat}`;
  return [
    head,
    stored,
    "",
    totalsTable(totals),
    "",
    memoryTable(totals),
    "",
    statesTable(totals),
    "",
    kindsTable(result.layers),
    "",
  ].join("\n");
}

/** Several runs side by side, the first as the measure of speed and energy. */
export function formatComparison(results: readonly SimulateResult[]): string {
  const first = results[0]?.totals;
  const rows = results.map((r): Row => {
    const { totals } = r;
    return [
      r.hardware,
      r.phase,
      r.weightFormat,
      grouped(totals.cycles),
      time(totals.timeSeconds),
      percent(totals.utilisation, 1),
      joules(totals.energyPJ.total),
      first === undefined ? "" : `${(first.timeSeconds / totals.timeSeconds).toFixed(2)}×`,
      first === undefined ? "" : `${(first.energyPJ.total / totals.energyPJ.total).toFixed(2)}×`,
    ];
  });
  return table(
    ["machine", "phase", "weights", "cycles", "time", "utilisation", "energy", "speed", "less energy"],
    rows,
  );
}

function totalsTable(totals: Figures): string {
  const rows: readonly Row[] = [
    ["cycles", grouped(totals.cycles)],
    ["time", time(totals.timeSeconds)],
    ["multiply–accumulates", scaled(totals.macs)],
    ["utilisation of the array", percent(totals.utilisation, 1)],
    ["energy", joules(totals.energyPJ.total)],
  ];
  return table(["total", ""], rows);
}

function memoryTable(totals: Figures): string {
  const { total, ...parts } = totals.energyPJ;
  const names = Object.keys(parts);
  const rows = names.map((name): Row => {
    const bytes = totals.bytes[name];
    const energy = parts[name] ?? 0;
    const [read, write] = bytes === undefined ? ["", ""] : [`${scaled(bytes.read)}B`, `${scaled(bytes.write)}B`];
    return [name, read, write, joules(energy), percent(energy, total)];
  });
  return table(["energy by unit", "read", "written", "energy", "share"], rows);
}

const busyOf = (states: StateTable): number => Object.values(states.busy).reduce((sum, c) => sum + c, 0);

/** Units in rows; the share of cycles that each spent busy, idle and in every stall that occurred. */
function statesTable(totals: Figures): string {
  const tables = Object.entries(totals.units);
  const causes = STALL_CAUSES.filter((cause) => tables.some(([, t]) => (t.stall[cause] ?? 0) > 0));
  const rows = tables.map(([name, t]): Row => {
    const worst = Object.entries(t.culprits).sort((a, b) => b[1] - a[1])[0];
    return [
      name,
      percent(busyOf(t), totals.cycles),
      ...causes.map((cause) => ((t.stall[cause] ?? 0) === 0 ? "" : percent(t.stall[cause] ?? 0, totals.cycles))),
      percent(t.idle, totals.cycles),
      worst === undefined ? "" : `${worst[0]} ${percent(worst[1], totals.cycles)}`,
    ];
  });
  return table(["share of cycles", "busy", ...causes, "idle", "most blamed"], rows);
}

function kindsTable(layers: readonly LayerResult[]): string {
  const kinds = [...new Set(layers.map((l) => l.kind))];
  const all = layers.reduce((sum, l) => sum + l.cycles, 0);
  const rows = kinds.map((kind): Row => {
    const mine = layers.filter((l) => l.kind === kind);
    const cycles = mine.reduce((sum, l) => sum + l.cycles, 0);
    const macs = mine.reduce((sum, l) => sum + l.macs, 0);
    const energy = mine.reduce((sum, l) => sum + l.energyPJ.total, 0);
    return [
      kind,
      `${mine.length}`,
      grouped(cycles),
      percent(cycles, all),
      scaled(macs),
      joules(energy),
      limiter(mine, cycles),
    ];
  });
  return table(["layers", "products", "cycles", "share", "MACs", "energy", "busiest unit"], rows);
}

/** The unit that was busy for most of the time, and for how much. */
function limiter(layers: readonly LayerResult[], cycles: number): string {
  const [name, states] = Object.entries(sumUnits(layers)).sort((a, b) => busyOf(b[1]) - busyOf(a[1]))[0] ?? [];
  return name === undefined || states === undefined ? "" : `${name} ${percent(busyOf(states), cycles)}`;
}
