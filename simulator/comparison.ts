/** Machines beside each other: speedups and energy ratios against the first, their means, and whether energies keep their order. */
import type { EnergyAction } from "../hw-models/energy-table.ts";
import type { ActionCounts } from "./energy.ts";

/** One run, as far as it is compared. Runs of one pass of one workload are comparable. */
export interface Comparable {
  readonly workload: string;
  readonly phase: string;
  readonly batch: number;
  readonly context: number;
  /** The machine and its formats: what is compared. */
  readonly configuration: string;
  readonly totals: {
    readonly cycles: number;
    readonly timeSeconds?: number | undefined;
    readonly energyPJ?: { readonly total: number } | undefined;
    readonly actions?: ActionCounts | undefined;
  };
  readonly energyTable?: readonly EnergyAction[] | undefined;
}

export interface ComparisonEntry {
  readonly configuration: string;
  /** Time of the first configuration over this one's; of cycles where a simulator knows no clock. */
  readonly speedup: number;
  /** Energy of the first configuration over this one's; null where one is not known. */
  readonly energyRatio: number | null;
  /** The least and the largest ratio that the intervals of the tables allow. */
  readonly energyRatioRange: { readonly minimum: number; readonly maximum: number } | null;
}

/** Two neighbours in the ranking by energy: the first one needs less nominally. */
export interface RankedPair {
  readonly lower: string;
  readonly higher: string;
  /** Energy of the higher less the lower's, with every number of the tables where this is least. */
  readonly leastDifferencePJ: number;
  readonly survives: boolean;
}

export interface EnergyRanking {
  /** From the least energy to the most, nominally. */
  readonly order: readonly string[];
  /** True where no choice of numbers within the intervals changes the order. */
  readonly survives: boolean;
  readonly pairs: readonly RankedPair[];
}

/** All configurations on one pass of one workload. */
export interface ModelComparison {
  readonly workload: string;
  readonly phase: string;
  readonly batch: number;
  readonly context: number;
  readonly entries: readonly ComparisonEntry[];
  readonly energyRanking: EnergyRanking | null;
}

/** Means over workloads of one phase, batch and context. */
export interface MeanComparison {
  readonly phase: string;
  readonly batch: number;
  readonly context: number;
  readonly configuration: string;
  readonly workloads: number;
  readonly arithmeticMeanSpeedup: number;
  readonly geometricMeanSpeedup: number;
  readonly arithmeticMeanEnergyRatio: number | null;
  readonly geometricMeanEnergyRatio: number | null;
}

export interface Comparison {
  /** The configuration that all ratios are against. */
  readonly baseline: string;
  readonly models: readonly ModelComparison[];
  readonly means: readonly MeanComparison[];
}

/** A number of a table together with what it was measured on: rows with one source are off together, or not at all. */
const sourceKey = (row: EnergyAction): string =>
  JSON.stringify([row.source, row.intervalSource, row.minimumPJ, row.nominalPJ, row.maximumPJ]);

interface Weighted {
  readonly row: EnergyAction;
  readonly countA: number;
  readonly countB: number;
}

/** Counts of both runs by source: what one source prices stands in one place. */
function bySource(a: Comparable, b: Comparable): readonly Weighted[] {
  const found = new Map<string, { row: EnergyAction; countA: number; countB: number }>();
  const add = (run: Comparable, which: "countA" | "countB"): void => {
    for (const row of run.energyTable ?? []) {
      const key = sourceKey(row);
      const entry = found.get(key) ?? { row, countA: 0, countB: 0 };
      entry[which] += run.totals.actions?.[row.component]?.[row.action] ?? 0;
      found.set(key, entry);
    }
  };
  add(a, "countA");
  add(b, "countB");
  return [...found.values()];
}

/** The least of E(b) − E(a) over all numbers within their intervals: linear in each, so each stands at one of its ends. */
export function leastDifferencePJ(a: Comparable, b: Comparable): number {
  return bySource(a, b).reduce((sum, { row, countA, countB }) => {
    const more = countB - countA;
    return sum + more * (more >= 0 ? row.minimumPJ : row.maximumPJ);
  }, 0);
}

/**
 * The least and the largest E(a) / E(b): at an extreme every number stands at one end of its interval, at the upper one
 * where the action weighs more in the numerator than the ratio says (Dinkelbach 1967: a ratio of linear functions).
 */
export function energyRatioRange(
  a: Comparable,
  b: Comparable,
): { readonly minimum: number; readonly maximum: number } | null {
  const weights = bySource(a, b);
  const extreme = (sign: 1 | -1): number => {
    let ratio = a.totals.energyPJ!.total / b.totals.energyPJ!.total;
    for (let round = 0; round < 64; round++) {
      let [top, bottom] = [0, 0];
      for (const { row, countA, countB } of weights) {
        const price = sign * (countA - ratio * countB) >= 0 ? row.maximumPJ : row.minimumPJ;
        top += countA * price;
        bottom += countB * price;
      }
      const next = top / bottom;
      if (!(sign * (next - ratio) > 1e-12 * ratio)) return sign * (next - ratio) > 0 ? next : ratio;
      ratio = next;
    }
    return ratio;
  };
  const known = [a, b].every((r) => r.energyTable !== undefined && (r.totals.energyPJ?.total ?? 0) > 0);
  return known ? { minimum: extreme(-1), maximum: extreme(1) } : null;
}

function ranking(runs: readonly Comparable[]): EnergyRanking | null {
  if (runs.length < 2 || runs.some((r) => r.totals.energyPJ === undefined || r.energyTable === undefined)) return null;
  const sorted = [...runs].sort((x, y) => x.totals.energyPJ!.total - y.totals.energyPJ!.total);
  const pairs = sorted.slice(1).map((higher, i): RankedPair => {
    const lower = sorted[i]!;
    const least = leastDifferencePJ(lower, higher);
    const names = { lower: lower.configuration, higher: higher.configuration };
    return { ...names, leastDifferencePJ: least, survives: least > 0 };
  });
  return { order: sorted.map((r) => r.configuration), survives: pairs.every((p) => p.survives), pairs };
}

function entryOf(first: Comparable, run: Comparable): ComparisonEntry {
  const [a, b] = [first.totals, run.totals];
  const timed = a.timeSeconds !== undefined && b.timeSeconds !== undefined;
  const known = a.energyPJ !== undefined && b.energyPJ !== undefined && b.energyPJ.total > 0;
  return {
    configuration: run.configuration,
    speedup: timed ? a.timeSeconds! / b.timeSeconds! : a.cycles / b.cycles,
    energyRatio: known ? a.energyPJ!.total / b.energyPJ!.total : null,
    energyRatioRange: energyRatioRange(first, run),
  };
}

const arithmeticMean = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0) / values.length;
const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((s, v) => s + Math.log(v), 0) / values.length);

const passOf = (r: Pick<Comparable, "phase" | "batch" | "context">): string => `${r.phase} ${r.batch} ${r.context}`;

function grouped<T>(items: readonly T[], key: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return [...groups.values()];
}

function meansOf(models: readonly ModelComparison[]): readonly MeanComparison[] {
  return grouped(models, passOf).flatMap((same) => {
    const { phase, batch, context } = same[0]!;
    const entries = same.flatMap((m) => m.entries);
    return grouped(entries, (e) => e.configuration).map((of): MeanComparison => {
      const speedups = of.map((e) => e.speedup);
      const ratios = of.map((e) => e.energyRatio).filter((r) => r !== null);
      const whole = ratios.length === of.length;
      return {
        phase,
        batch,
        context,
        configuration: of[0]!.configuration,
        workloads: of.length,
        arithmeticMeanSpeedup: arithmeticMean(speedups),
        geometricMeanSpeedup: geometricMean(speedups),
        arithmeticMeanEnergyRatio: whole ? arithmeticMean(ratios) : null,
        geometricMeanEnergyRatio: whole ? geometricMean(ratios) : null,
      };
    });
  });
}

/** Compares runs with the first configuration on the same pass; undefined where there is only one configuration. */
export function compareRuns(runs: readonly Comparable[]): Comparison | undefined {
  const baseline = runs[0]?.configuration;
  if (baseline === undefined || runs.every((r) => r.configuration === baseline)) return undefined;
  const models = grouped(runs, (r) => `${r.workload} ${passOf(r)}`).flatMap((same): readonly ModelComparison[] => {
    const first = same.find((r) => r.configuration === baseline);
    if (first === undefined) return [];
    const { workload, phase, batch, context } = first;
    const entries = same.map((run) => entryOf(first, run));
    return [{ workload, phase, batch, context, entries, energyRanking: ranking(same) }];
  });
  return { baseline, models, means: meansOf(models) };
}
