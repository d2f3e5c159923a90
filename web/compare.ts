/** Two runs beside each other: operations aligned by name, and the steps that lead from one total to the other. */
import { groupName, type Operation, offChip, type Run, secondsOf, workerOf } from "./run.ts";
import type { Metric, StepBy } from "./view-spec.ts";

/** Operations of two runs that are one and the same; one side is missing where only the other has it. */
export interface Pair {
  readonly name: string;
  readonly a: Operation | undefined;
  readonly b: Operation | undefined;
}

/** The n-th operation of a name in one run is the n-th of that name in the other, whenever and wherever it ran. */
export function align(a: Run, b: Run): readonly Pair[] {
  const waiting = new Map<string, Operation[]>();
  for (const operation of b.operations) {
    const list = waiting.get(operation.name);
    if (list === undefined) waiting.set(operation.name, [operation]);
    else list.push(operation);
  }
  for (const list of waiting.values()) list.reverse();
  const pairs: Pair[] = a.operations.map((o) => ({ name: o.name, a: o, b: waiting.get(o.name)?.pop() }));
  const left = new Set([...waiting.values()].flat());
  for (const operation of b.operations)
    if (left.has(operation)) pairs.push({ name: operation.name, a: undefined, b: operation });
  return pairs;
}

/** What part of a total is on each side. */
export interface StepValue {
  readonly name: string;
  readonly a: number;
  readonly b: number;
}

/** Steps that make sense for a metric. */
export const STEPS_OF: Readonly<Record<Metric, readonly StepBy[]>> = {
  cycles: ["operation", "kind", "cause"],
  time: ["operation", "kind", "cause"],
  energy: ["operation", "kind", "component"],
  bytes: ["operation", "kind", "component"],
};

type Parts = Readonly<Record<string, number>>;

/** An operation's amount, in parts that sum to it: named by what the steps are by. */
function partsOf(run: Run, operation: Operation, metric: Metric, by: StepBy): Parts {
  const own = metric === "bytes" ? trafficParts(run, operation) : metric === "energy" ? operation.energyPJ : undefined;
  const name = by === "kind" ? operation.kind : groupName(operation.name);
  if (own !== undefined)
    return by === "component" ? own : { [name]: Object.values(own).reduce((sum, v) => sum + v, 0) };
  const scale = metric === "time" ? (secondsOf(run, 1) ?? Number.NaN) : 1;
  if (by !== "cause") return { [name]: operation.cycles * scale };
  return causes(operation, workerOf(run), scale);
}

function trafficParts(run: Run, operation: Operation): Parts {
  const bytes = operation.bytes[offChip(run) ?? ""];
  return bytes === undefined ? {} : { read: bytes.read, written: bytes.write };
}

/** The cycles of an operation by what the unit that computes did in them. */
function causes(operation: Operation, worker: string | undefined, scale: number): Parts {
  const table = operation.units[worker ?? ""];
  if (table === undefined) return { "not told": operation.cycles * scale };
  const parts: Record<string, number> = {};
  for (const [kind, cycles] of Object.entries(table.busy)) parts[`works: ${kind}`] = cycles * scale;
  for (const [cause, cycles] of Object.entries(table.stall)) parts[`waits: ${cause}`] = cycles * scale;
  if (table.idle > 0) parts.idle = table.idle * scale;
  return parts;
}

/** The steps from a to b; they sum to the totals of both. What only one run has is a step of its own. */
export function stepsOf(a: Run, b: Run, metric: Metric, by: StepBy): readonly StepValue[] {
  const steps = new Map<string, { a: number; b: number }>();
  const add = (name: string, side: "a" | "b", value: number): void => {
    const step = steps.get(name) ?? { a: 0, b: 0 };
    step[side] += value;
    steps.set(name, step);
  };
  for (const pair of align(a, b))
    for (const [side, run] of [
      ["a", a],
      ["b", b],
    ] as const) {
      const operation = pair[side];
      if (operation === undefined) continue;
      for (const [name, value] of Object.entries(partsOf(run, operation, metric, by))) add(name, side, value);
    }
  return [...steps].map(([name, values]) => ({ name, ...values }));
}

/** The amount of a whole run; NaN where the file does not say. */
export function totalOf(run: Run, metric: Metric): number {
  let total = 0;
  for (const operation of run.operations)
    for (const value of Object.values(partsOf(run, operation, metric, "operation"))) total += value;
  return total;
}

/** The largest steps in falling order, and the rest as one. */
export function largest(steps: readonly StepValue[], most: number): readonly StepValue[] {
  const changed = steps.filter((s) => s.a !== s.b).sort((x, y) => Math.abs(y.b - y.a) - Math.abs(x.b - x.a));
  if (changed.length <= most) return changed;
  const rest = changed.slice(most - 1);
  const sum = (side: "a" | "b"): number => rest.reduce((total, s) => total + s[side], 0);
  return [...changed.slice(0, most - 1), { name: `${rest.length} others`, a: sum("a"), b: sum("b") }];
}

/** One machine in one picture of a model. */
export interface Multiple {
  readonly run: number;
  /** What tells it from others in its picture. */
  readonly series: string;
  /** Times as fast as the baseline; undefined where a file has no clock. */
  readonly speedup: number | undefined;
  /** Energy of the baseline's. */
  readonly energy: number | undefined;
}

export interface Facet {
  readonly name: string;
  readonly multiples: readonly Multiple[];
}

/** For each model and phase all runs against the one that is the baseline's machine, else the first. */
export function facetsOf(runs: readonly Run[], baseline: number): readonly Facet[] {
  const series = seriesOf(runs);
  const facets = new Map<string, number[]>();
  runs.forEach((run, i) => {
    const name = facetName(run);
    facets.set(name, [...(facets.get(name) ?? []), i]);
  });
  return [...facets].map(([name, members]) => {
    const base = members.find((i) => series[i] === series[baseline]) ?? members[0]!;
    const ratio = (metric: Metric, i: number): number | undefined => {
      const [of, own] = [totalOf(runs[base]!, metric), totalOf(runs[i]!, metric)];
      return of > 0 && own > 0 ? own / of : undefined;
    };
    const multiples = members.map((i): Multiple => {
      const time = ratio("time", i);
      return {
        run: i,
        series: series[i]!,
        speedup: time === undefined ? undefined : 1 / time,
        energy: ratio("energy", i),
      };
    });
    return { name, multiples };
  });
}

const facetName = (run: Run): string => [run.workload, run.phase].filter((s) => s !== "").join(" · ");

/** Machine and details of each run, without what all runs of its picture share. */
function seriesOf(runs: readonly Run[]): readonly string[] {
  return runs.map((run) => {
    const beside = runs.filter((r) => facetName(r) === facetName(run));
    const own = run.details.filter((d) => !beside.every((r) => r.details.includes(d)));
    return [run.hardware, ...own].filter((s) => s !== "").join(" · ");
  });
}

/** The geometric mean over facets of each series that all of them have; undefined with fewer than two. */
export function meanFacet(facets: readonly Facet[]): Facet | undefined {
  if (facets.length < 2) return undefined;
  const names = facets[0]!.multiples.map((m) => m.series);
  const means = [...new Set(names)].flatMap((series) => {
    const all = facets.map((f) => f.multiples.find((m) => m.series === series));
    if (all.some((m) => m === undefined)) return [];
    const mean = (of: "speedup" | "energy"): number | undefined => {
      const values = all.map((m) => m![of]);
      if (values.some((v) => v === undefined)) return undefined;
      return Math.exp(values.reduce((sum: number, v) => sum + Math.log(v!), 0) / values.length);
    };
    return [{ run: all[0]!.run, series, speedup: mean("speedup"), energy: mean("energy") }];
  });
  return means.length === 0 ? undefined : { name: "geometric mean", multiples: means };
}
