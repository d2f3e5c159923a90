/** Simulation results for people: one line a run; of a single run also its layers, stalls and energy. */
import type { Figures, SimulateResult } from "../../simulator/simulate.ts";
import type { StateTable } from "../../simulator/states.ts";
import { type Column, formatBytes, formatCount, formatSeconds, printTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

/** Energy with a prefix that leaves three digits. */
export function joules(picojoules: number): string {
  const steps = ["pJ", "nJ", "µJ", "mJ", "J", "kJ"] as const;
  const step = picojoules <= 0 ? 0 : Math.min(steps.length - 1, Math.floor(Math.log10(picojoules) / 3));
  return `${(picojoules / 1000 ** step).toPrecision(3)} ${steps[step]}`;
}

function dramBytes(figures: Figures): number {
  const dram = figures.bytes.dram;
  return dram === undefined ? 0 : dram.read + dram.write;
}

/** The unit that computes: the one with contracting cycles. */
function arrayOf(figures: Figures): readonly [name: string, states: StateTable] | undefined {
  return Object.entries(figures.units).find(([, states]) => states.busy.contract !== undefined);
}

/** Why the array waited longest, in the words of the report. */
function mainStall(figures: Figures): string {
  const array = arrayOf(figures)?.[1];
  const [cause, cycles = 0] = Object.entries(array?.stall ?? {}).sort(([, a], [, b]) => b - a)[0] ?? [];
  return cause === undefined ? "none" : `${cause} ${percent(cycles, figures.cycles)}`;
}

const right = (title: string, drop?: number): Column => ({
  title,
  align: "right",
  ...(drop === undefined ? {} : { drop }),
});

/** One line for each run; the speedup is against the first run of the same phase. */
export function printRuns(terminal: Terminal, results: readonly SimulateResult[]): void {
  const rows = results.map((r) => {
    const first = results.find((other) => other.phase === r.phase)!;
    const bits = r.weightBits.toFixed(3).replace(/\.?0+$/, "");
    return [
      r.hardware,
      r.phase,
      bits,
      formatCount(r.totals.cycles),
      formatSeconds(r.totals.timeSeconds),
      `${(first.totals.timeSeconds / r.totals.timeSeconds).toFixed(2)}×`,
      percent(r.totals.utilisation, 1),
      mainStall(r.totals),
      formatBytes(dramBytes(r.totals)),
      joules(r.totals.energyPJ.total),
    ];
  });
  printTable(
    terminal,
    [
      { title: "Machine" },
      { title: "Phase" },
      right("Bits"),
      right("Cycles", 3),
      right("Time"),
      right("Speedup"),
      right("Utilisation", 1),
      { title: "Array stalls most on", drop: 2 },
      right("DRAM", 4),
      right("Energy"),
    ],
    rows,
  );
}

/** Layers of one name in all blocks together: "3.q_proj" and "4.q_proj" are one row. */
function layerRows({ layers, totals }: SimulateResult): readonly (readonly string[])[] {
  const groups = new Map<string, SimulateResult["layers"][number][]>();
  for (const layer of layers) {
    const name = layer.name.replace(/\b\d+\b/g, "*");
    groups.set(name, [...(groups.get(name) ?? []), layer]);
  }
  return [...groups].map(([name, group]) => {
    const cycles = sum(group.map((l) => l.cycles));
    const macs = sum(group.map((l) => l.macs));
    const used = sum(group.map((l) => l.utilisation * l.cycles)) / cycles;
    return [
      name,
      `${group.length}`,
      formatCount(cycles),
      percent(cycles, totals.cycles),
      formatCount(macs),
      percent(used, 1),
    ];
  });
}

/** Of every unit: how it spent the run, why it waited, and who kept it waiting most. */
function stateRows({ units, cycles: all }: Figures): readonly (readonly string[])[] {
  const largest = (table: Readonly<Record<string, number>>, count: number): string =>
    Object.entries(table)
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, cycles]) => `${name} ${percent(cycles, all)}`)
      .join(", ");
  return Object.entries(units).map(([name, { busy, stall, idle, culprits }]) => [
    name,
    percent(sum(Object.values(busy)), all),
    percent(sum(Object.values(stall)), all),
    percent(idle, all),
    largest(stall, 2),
    largest(culprits, 1),
  ]);
}

function energyRows({ energyPJ, bytes }: Figures): readonly (readonly string[])[] {
  const parts = Object.entries(energyPJ).filter(([name]) => name !== "total");
  return parts.map(([name, energy]) => {
    const moved = bytes[name];
    const [read, written] = moved === undefined ? ["", ""] : [formatBytes(moved.read), formatBytes(moved.write)];
    return [name, read, written, joules(energy), percent(energy, energyPJ.total)];
  });
}

/** Layers, the states of every unit, and traffic and energy by component. */
export function printRun(terminal: Terminal, result: SimulateResult): void {
  terminal.out("");
  printTable(
    terminal,
    [{ title: "Layer" }, right("Times"), right("Cycles"), right("Share"), right("MACs", 1), right("Utilisation")],
    layerRows(result),
  );
  terminal.out("");
  printTable(
    terminal,
    [
      { title: "Unit" },
      right("Busy"),
      right("Stalled"),
      right("Idle"),
      { title: "Waits for", drop: 1 },
      { title: "Kept waiting by", drop: 2 },
    ],
    stateRows(result.totals),
  );
  terminal.out("");
  printTable(
    terminal,
    [{ title: "Unit" }, right("Read", 1), right("Written", 1), right("Energy"), right("Share")],
    energyRows(result.totals),
  );
}
