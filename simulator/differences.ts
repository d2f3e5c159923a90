/** Two reports beside each other, aligned by operation: differences of layers that sum to the difference of the totals. */
import type { Bytes, Figures } from "./simulate.ts";

/** What is needed of a result of any depth. */
export interface ComparedFigures {
  readonly cycles: number;
  readonly timeSeconds?: number | undefined;
  readonly energyPJ?: { readonly total: number } | undefined;
  readonly bytes?: Readonly<Record<string, Bytes>> | undefined;
  readonly utilisation?: number | undefined;
  readonly units?: Figures["units"] | undefined;
}

export interface ComparedResult {
  readonly workload: string;
  readonly hardware: string;
  readonly configuration?: string | undefined;
  readonly phase: string;
  readonly batch: number;
  readonly context: number;
  readonly totals: ComparedFigures;
  readonly layers: readonly (ComparedFigures & { readonly name: string })[];
}

/** A number in both; null where only one knows it. `difference` is b less a. */
export interface Difference {
  readonly a: number | null;
  readonly b: number | null;
  readonly difference: number | null;
  /** b over a. */
  readonly ratio: number | null;
}

export const METRICS = ["cycles", "time", "energy", "dram", "utilisation"] as const;
export type Metric = (typeof METRICS)[number];
export type Differences = Readonly<Record<Metric, Difference>>;

export interface LayerDifference extends Differences {
  readonly name: string;
  readonly in: "both" | "a" | "b";
}

export interface PairDifference {
  readonly a: string;
  readonly b: string;
  readonly workload: string;
  readonly phase: string;
  readonly batch: number;
  readonly context: number;
  readonly totals: Differences;
  /**
   * Cycles by what the array did in them, b less a: its states fill every cycle, so these sum to the difference of the
   * cycles. Empty where a report has no states.
   */
  readonly arrayStates: Readonly<Record<string, number>>;
  /** In the order of a, then those that only b has. Their differences of cycles sum to the total's. */
  readonly layers: readonly LayerDifference[];
}

const METRIC: Readonly<Record<Metric, (f: ComparedFigures) => number | undefined>> = {
  cycles: (f) => f.cycles,
  time: (f) => f.timeSeconds,
  energy: (f) => f.energyPJ?.total,
  dram: (f) => (f.bytes?.dram === undefined ? undefined : f.bytes.dram.read + f.bytes.dram.write),
  utilisation: (f) => f.utilisation,
};

/** A layer that is missing takes nothing. */
function differenceOf(a: number | undefined, b: number | undefined, missing: "a" | "b" | undefined): Difference {
  const [left, right] = [missing === "a" ? 0 : (a ?? null), missing === "b" ? 0 : (b ?? null)];
  const known = left !== null && right !== null;
  return {
    a: left,
    b: right,
    difference: known ? right - left : null,
    ratio: known && left !== 0 ? right / left : null,
  };
}

function differencesOf(a: ComparedFigures | undefined, b: ComparedFigures | undefined): Differences {
  const missing = a === undefined ? "a" : b === undefined ? "b" : undefined;
  const of = (metric: Metric): Difference =>
    differenceOf(
      a === undefined ? undefined : METRIC[metric](a),
      b === undefined ? undefined : METRIC[metric](b),
      missing,
    );
  return {
    cycles: of("cycles"),
    time: of("time"),
    energy: of("energy"),
    dram: of("dram"),
    utilisation: of("utilisation"),
  };
}

/** Cycles of the unit that computes, by state. */
function arrayStates({ units }: ComparedFigures): Readonly<Record<string, number>> | undefined {
  const table = Object.values(units ?? {}).find((t) => t.busy.contract !== undefined);
  if (table === undefined) return undefined;
  const named = (kind: string, of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([name, cycles]) => [`${kind}:${name}`, cycles] as const);
  return Object.fromEntries([...named("busy", table.busy), ...named("stall", table.stall), ["idle", table.idle]]);
}

function stateDifferences(a: ComparedFigures, b: ComparedFigures): Readonly<Record<string, number>> {
  const [left, right] = [arrayStates(a), arrayStates(b)];
  if (left === undefined || right === undefined) return {};
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return Object.fromEntries(names.map((name) => [name, (right[name] ?? 0) - (left[name] ?? 0)]));
}

const nameOf = (r: ComparedResult): string => r.configuration ?? r.hardware;

/** Compares two results operation by operation. */
export function compareResults(a: ComparedResult, b: ComparedResult): PairDifference {
  const other = new Map(b.layers.map((l) => [l.name, l]));
  const own = new Set(a.layers.map((l) => l.name));
  const { workload, phase, batch, context } = b;
  return {
    ...{ a: nameOf(a), b: nameOf(b), workload, phase, batch, context },
    totals: differencesOf(a.totals, b.totals),
    arrayStates: stateDifferences(a.totals, b.totals),
    layers: [
      ...a.layers.map((l): LayerDifference => {
        const match = other.get(l.name);
        return { name: l.name, in: match === undefined ? "a" : "both", ...differencesOf(l, match) };
      }),
      ...b.layers
        .filter((l) => !own.has(l.name))
        .map((l): LayerDifference => ({ name: l.name, in: "b", ...differencesOf(undefined, l) })),
    ],
  };
}

/**
 * Aligns the results of two reports: the same pass of the same workload on the same configuration; where there is none,
 * the one at the same place of those left. Results without a partner are left out, and returned by name.
 */
export function compareReports(
  a: readonly ComparedResult[],
  b: readonly ComparedResult[],
): { readonly pairs: readonly PairDifference[]; readonly alone: readonly string[] } {
  const pass = (r: ComparedResult): string => [r.workload, r.phase, r.batch, r.context].join(" ");
  const left = [...a];
  const right = [...b];
  const pairs: PairDifference[] = [];
  const align = (same: (x: ComparedResult, y: ComparedResult) => boolean): void => {
    for (let i = 0; i < left.length; ) {
      const at = right.findIndex((y) => same(left[i]!, y));
      if (at < 0) {
        i++;
        continue;
      }
      pairs.push(compareResults(left[i]!, right[at]!));
      left.splice(i, 1);
      right.splice(at, 1);
    }
  };
  align((x, y) => pass(x) === pass(y) && nameOf(x) === nameOf(y));
  align((x, y) => pass(x) === pass(y));
  align(() => left.length === 1 && right.length === 1);
  return { pairs, alone: [...left, ...right].map((r) => `${nameOf(r)}, ${pass(r)}`) };
}

/** One limit of `--fail-on`: the metric of b may not lie so far above (or below) a's. */
export interface Limit {
  readonly text: string;
  readonly metric: Metric;
  readonly sense: ">" | "<";
  /** A share of a's value where `relative`, else in the metric's own unit. */
  readonly amount: number;
  readonly relative: boolean;
}

/** Reads `cycles>+2%`, `energy>0`, `utilisation<-0.05`; undefined where the text is none. */
export function parseLimit(text: string): Limit | undefined {
  const match = /^\s*(\w+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%?)\s*$/i.exec(text);
  const metric = METRICS.find((m) => m === match?.[1]);
  if (match === null || metric === undefined) return undefined;
  const relative = match[4] === "%";
  const amount = Number(match[3]) / (relative ? 100 : 1);
  return { text: text.trim(), metric, sense: match[2] as ">" | "<", amount, relative };
}

/** Whether a limit is breached; a metric that one of the two does not know breaches nothing. */
export function breaches({ metric, sense, amount, relative }: Limit, totals: Differences): boolean {
  const { a, difference } = totals[metric];
  if (a === null || difference === null) return false;
  const bound = relative ? amount * a : amount;
  return sense === ">" ? difference > bound : difference < bound;
}
