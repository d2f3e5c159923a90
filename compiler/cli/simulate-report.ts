/** Simulation results for people: a line a run, machines beside the first; of a single run its layers, stalls, energy and area. */
import type { Comparison } from "../../simulator/comparison.ts";
import type { Figures, SimulateReport, SimulateResult } from "../../simulator/simulate.ts";
import type { StateTable } from "../../simulator/states.ts";
import type { Section } from "./sections.ts";
import { type Column, formatBytes, formatCount, formatSeconds } from "./table.ts";

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const percent = (part: number, whole: number): string => `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;

/** Energy with a prefix that leaves three digits. */
export function joules(picojoules: number): string {
  const steps = ["pJ", "nJ", "µJ", "mJ", "J", "kJ"] as const;
  const step = picojoules <= 0 ? 0 : Math.max(0, Math.min(steps.length - 1, Math.floor(Math.log10(picojoules) / 3)));
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

export const right = (title: string, drop?: number): Column => ({
  title,
  align: "right",
  ...(drop === undefined ? {} : { drop }),
});

/** Whether results differ in something, so that it needs a column. */
export const varies = <T>(results: readonly T[], key: (r: T) => unknown): boolean => new Set(results.map(key)).size > 1;

/** The first run of the same pass of the same workload. */
export function firstOf<T extends Pick<SimulateResult, "workload" | "phase" | "batch" | "context">>(
  results: readonly T[],
  r: T,
): T {
  const same = (o: T): boolean =>
    o.phase === r.phase && o.workload === r.workload && o.batch === r.batch && o.context === r.context;
  return results.find(same) ?? r;
}

const times = (ratio: number): string => `${ratio.toFixed(2)}×`;

/** One line for each run; the speedup is against the first run of the same pass. */
function runsSection(results: readonly SimulateResult[]): Section {
  const shown = (key: keyof SimulateResult): boolean => varies(results, (r) => r[key]);
  const [workloads, batches, contexts] = [shown("workload"), shown("batch"), shown("context")];
  // Bits tell runs of one machine apart, unless two have the same.
  const lines = results.map((r) => [r.workload, r.hardware, r.phase, r.batch, r.context, r.weightBits].join(" "));
  const ambiguous = new Set(lines).size < lines.length;
  const rows = results.map((r) => {
    const { energyPJ, energyRangePJ, timeSeconds } = r.totals;
    return [
      ...(workloads ? [r.workload] : []),
      ambiguous ? r.configuration : r.hardware,
      r.phase,
      ...(batches ? [`${r.batch}`] : []),
      ...(contexts ? [`${r.context}`] : []),
      r.weightBits.toFixed(3).replace(/\.?0+$/, ""),
      formatCount(r.totals.cycles),
      formatSeconds(timeSeconds),
      times(firstOf(results, r).totals.timeSeconds / timeSeconds),
      percent(r.totals.utilisation, 1),
      mainStall(r.totals),
      formatBytes(dramBytes(r.totals)),
      joules(energyPJ.total),
      `${joules(energyRangePJ.minimum.total)} – ${joules(energyRangePJ.maximum.total)}`,
    ];
  });
  return {
    columns: [
      ...(workloads ? [{ title: "Workload" }] : []),
      { title: "Machine" },
      { title: "Phase" },
      ...(batches ? [right("Batch")] : []),
      ...(contexts ? [right("Context")] : []),
      right("Bits"),
      right("Cycles", 3),
      right("Time"),
      right("Speedup"),
      right("Utilisation", 1),
      { title: "Array stalls most on", drop: 2 },
      right("DRAM", 4),
      right("Energy"),
      right("Energy, minimum – maximum", 5),
    ],
    rows,
  };
}

/** Means over workloads, and what becomes of the ranking by energy within the intervals. */
export function comparisonSections(comparison: Comparison | undefined): readonly Section[] {
  if (comparison === undefined) return [];
  const { baseline, means, models } = comparison;
  const ratio = (value: number | null): string => (value === null ? "" : times(value));
  const sections: Section[] = [];
  if (means.some((m) => m.workloads > 1))
    sections.push({
      title: `Against ${baseline}: means over workloads`,
      columns: [
        { title: "Configuration" },
        { title: "Phase" },
        right("Workloads"),
        right("Speedup, arithmetic mean"),
        right("geometric mean"),
        right("Energy ratio, arithmetic mean"),
        right("geometric mean"),
      ],
      rows: means.map((m) => [
        m.configuration,
        m.phase,
        `${m.workloads}`,
        times(m.arithmeticMeanSpeedup),
        times(m.geometricMeanSpeedup),
        ratio(m.arithmeticMeanEnergyRatio),
        ratio(m.geometricMeanEnergyRatio),
      ]),
    });
  const ranked = models.filter((m) => m.energyRanking !== null);
  const [batches, contexts] = [varies(ranked, (m) => m.batch), varies(ranked, (m) => m.context)];
  if (ranked.length > 0)
    sections.push({
      title: `Energy against ${baseline}, and whether the ranking survives the intervals of the tables`,
      columns: [
        { title: "Workload", drop: 2 },
        { title: "Phase" },
        ...(batches ? [right("Batch")] : []),
        ...(contexts ? [right("Context")] : []),
        { title: "Configuration" },
        right("Energy ratio"),
        right("minimum – maximum"),
        { title: "Needs less than the next in every case" },
      ],
      rows: ranked.flatMap((m) =>
        m.energyRanking!.order.map((name, i) => {
          const entry = m.entries.find((e) => e.configuration === name);
          const range = entry?.energyRatioRange;
          const pair = m.energyRanking!.pairs[i];
          return [
            ...[m.workload, m.phase, ...(batches ? [`${m.batch}`] : []), ...(contexts ? [`${m.context}`] : [])],
            ...[name, ratio(entry?.energyRatio ?? null)],
            range === null || range === undefined ? "" : `${times(range.minimum)} – ${times(range.maximum)}`,
            pair === undefined ? "" : pair.survives ? "yes" : "no",
          ];
        }),
      ),
    });
  return sections;
}

/** Layers of one name in all blocks together: "3.q_proj" and "4.q_proj" are one row. */
function layersSection({ layers, totals }: SimulateResult): Section {
  const groups = new Map<string, SimulateResult["layers"][number][]>();
  for (const layer of layers) {
    const name = layer.name.replace(/\b\d+\b/g, "*");
    groups.set(name, [...(groups.get(name) ?? []), layer]);
  }
  const rows = [...groups].map(([name, group]) => {
    const cycles = sum(group.map((l) => l.cycles));
    const used = cycles === 0 ? 0 : sum(group.map((l) => l.utilisation * l.cycles)) / cycles;
    const formats = [...new Set(group.map((l) => l.operandFormat))];
    return [
      name,
      `${group.length}`,
      formats.length > 2 ? `${formats.length} formats` : formats.join(", "),
      formatCount(cycles),
      percent(cycles, totals.cycles),
      formatCount(sum(group.map((l) => l.macs))),
      percent(used, 1),
    ];
  });
  return {
    columns: [
      { title: "Layer" },
      right("Times"),
      { title: "Stored as", drop: 2 },
      right("Cycles"),
      right("Share"),
      right("MACs", 1),
      right("Utilisation"),
    ],
    rows,
  };
}

/** Of every unit: how it spent the run, why it waited, and who kept it waiting most. */
function statesSection({ units, cycles: all }: Figures): Section {
  const largest = (table: Readonly<Record<string, number>>, count: number): string =>
    Object.entries(table)
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, cycles]) => `${name} ${percent(cycles, all)}`)
      .join(", ");
  const rows = Object.entries(units).map(([name, { busy, stall, idle, culprits }]) => [
    name,
    percent(sum(Object.values(busy)), all),
    percent(sum(Object.values(stall)), all),
    percent(idle, all),
    largest(stall, 2),
    largest(culprits, 1),
  ]);
  return {
    columns: [
      { title: "Unit" },
      right("Busy"),
      right("Stalled"),
      right("Idle"),
      { title: "Waits for", drop: 1 },
      { title: "Kept waiting by", drop: 2 },
    ],
    rows,
  };
}

/** Every stall with its culprit: exposed where the array computed nothing meanwhile. */
function stallsSection({ stalls, cycles }: Figures): Section {
  return {
    columns: [
      { title: "Stalled" },
      { title: "Cause" },
      { title: "Kept waiting by" },
      right("Cycles"),
      right("Exposed"),
      right("Hidden"),
      right("Exposed, of all"),
    ],
    rows: [...stalls]
      .sort((a, b) => b.exposedCycles - a.exposedCycles || b.cycles - a.cycles)
      .map((s) => [
        ...[s.unit, s.cause, s.culprit ?? "", formatCount(s.cycles), formatCount(s.exposedCycles)],
        formatCount(s.cycles - s.exposedCycles),
        percent(s.exposedCycles, cycles),
      ]),
  };
}

/** Bytes and accesses of every memory. */
function memoriesSection({ bytes, accesses }: Figures): Section {
  return {
    columns: [
      { title: "Memory" },
      right("Read"),
      right("Written"),
      right("Accesses, reading", 1),
      right("Accesses, writing", 1),
    ],
    rows: Object.entries(bytes).map(([name, { read, write }]) => [
      name,
      formatBytes(read),
      formatBytes(write),
      formatCount(accesses[name]?.read ?? 0),
      formatCount(accesses[name]?.write ?? 0),
    ]),
  };
}

function energySection({ totals, energyTable }: SimulateResult): Section {
  const { actions, energyPJ } = totals;
  return {
    columns: [
      { title: "Unit" },
      { title: "Action" },
      right("Count"),
      right("Energy"),
      right("Minimum"),
      right("Maximum"),
      right("Share"),
      { title: "Source of the number", drop: 1 },
    ],
    rows: energyTable.map((row) => {
      const count = actions[row.component]?.[row.action] ?? 0;
      return [
        ...[row.component, `${row.action} (${row.per})`, formatCount(count), joules(count * row.nominalPJ)],
        ...[joules(count * row.minimumPJ), joules(count * row.maximumPJ)],
        percent(count * row.nominalPJ, energyPJ.total),
        `${row.assumed ? "assumed: " : ""}${row.source}`,
      ];
    }),
  };
}

function areaSection({ area }: SimulateResult): Section {
  const mm2 = (value: number): string => `${value.toPrecision(4)} mm²`;
  const total = area.complete ? "Total" : "Total of what is published";
  return {
    columns: [{ title: "Unit" }, right("Area"), { title: "Source of the number", drop: 1 }],
    rows: [
      ...area.components.map((c) => [
        c.component,
        c.areaMm2 === null ? "not published" : mm2(c.areaMm2),
        c.source === null ? "" : `${c.assumed ? "assumed: " : ""}${c.source}`,
      ]),
      [total, mm2(area.totalMm2), ""],
    ],
  };
}

/** A whole report: runs, comparison, and everything about a run that stands alone. */
export function sectionsOf({ results, comparison }: SimulateReport): readonly Section[] {
  const [only, second] = results;
  const runs = [runsSection(results), ...comparisonSections(comparison)];
  if (only === undefined || second !== undefined) return runs;
  const { totals } = only;
  const details = [
    layersSection(only),
    statesSection(totals),
    stallsSection(totals),
    memoriesSection(totals),
    energySection(only),
  ];
  return [...runs, ...details, areaSection(only)].filter((s) => s.rows.length > 0);
}
