/** A run as charts see it: its operations in order, each with what it took. The trace of a run is a `Model`. */
import type { AcceleratorModel } from "../hw-models/schema.ts";

export interface Bytes {
  readonly read: number;
  readonly write: number;
}

/** Cycles of one unit by what it did; they sum to the length of the operation. */
export interface UnitCycles {
  readonly busy: Readonly<Record<string, number>>;
  readonly stall: Readonly<Record<string, number>>;
  readonly idle: number;
}

/** One product of matrices, or whatever the file calls a layer. */
export interface Operation {
  readonly name: string;
  readonly kind: string;
  readonly start: number;
  readonly cycles: number;
  /** Empty where the file has no energy; picojoules by component. */
  readonly energyPJ: Readonly<Record<string, number>>;
  /** Between what the energy may lie, picojoules; undefined where the file gives no interval. */
  readonly energyRangePJ?: readonly [least: number, most: number] | undefined;
  /** Undefined where the file does not say. */
  readonly macs: number | undefined;
  /** By memory. */
  readonly bytes: Readonly<Record<string, Bytes>>;
  readonly units: Readonly<Record<string, UnitCycles>>;
}

export interface Run {
  readonly workload: string;
  readonly hardware: string;
  readonly phase: string;
  /** What else tells this run from others: weights, batch, context. */
  readonly details: readonly string[];
  readonly clockMHz: number | undefined;
  readonly machine: AcceleratorModel | undefined;
  /** Undefined where the file says nothing of area. */
  readonly area: Area | undefined;
  readonly operations: readonly Operation[];
}

/** What a machine covers, as far as somebody published it. */
export interface Area {
  /** Square micrometres by component. */
  readonly parts: Readonly<Record<string, number>>;
  /** Components whose area nobody published. */
  readonly unknown: readonly string[];
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

export const cyclesOf = (run: Run): number => sum(run.operations.map((o) => o.cycles));
export const energyOf = (operation: Operation): number => sum(Object.values(operation.energyPJ));

/** Between what the energy of some operations may lie; undefined where one of them has no interval. */
export function energyRangeOf(operations: readonly Operation[]): readonly [number, number] | undefined {
  let [least, most] = [0, 0];
  for (const { energyRangePJ } of operations) {
    if (energyRangePJ === undefined) return undefined;
    least += energyRangePJ[0];
    most += energyRangePJ[1];
  }
  return [least, most];
}

/** Seconds that so many cycles of the run take; undefined where it has no clock. */
export const secondsOf = (run: Pick<Run, "clockMHz">, cycles: number): number | undefined =>
  run.clockMHz === undefined ? undefined : cycles / (run.clockMHz * 1e6);

/** The off-chip memory: the machine's, or the one of that name. */
export function offChip(run: Run): string | undefined {
  const unit = run.machine?.units.find((u) => u.kind === "dram");
  return unit?.name ?? (run.operations.some((o) => o.bytes.dram !== undefined) ? "dram" : undefined);
}

/** Bytes that crossed the memory's interface. */
export function trafficOf(operation: Operation, memory: string | undefined): number | undefined {
  const bytes = memory === undefined ? undefined : operation.bytes[memory];
  return bytes === undefined ? undefined : bytes.read + bytes.write;
}

/** The unit whose time the run is for: the one that contracts most, else the busiest. */
export function workerOf(run: Run): string | undefined {
  const contracted = new Map<string, number>();
  for (const { units } of run.operations)
    for (const [name, { busy }] of Object.entries(units)) {
      const works = (busy.contract ?? 0) * 1e6 + sum(Object.values(busy));
      contracted.set(name, (contracted.get(name) ?? 0) + works);
    }
  return [...contracted].sort((a, b) => b[1] - a[1])[0]?.[0];
}

/** Names of operations of all blocks together: `3.q_proj` and `4.q_proj` are `*.q_proj`. */
export const groupName = (name: string): string => name.replace(/\b\d+\b/g, "*");

/** A group's name as it is shown: without what all names begin with. */
export function shortNames(names: readonly string[]): (name: string) => string {
  const parts = names.map((n) => n.split("."));
  let common = 0;
  const first = parts.find((p) => p.length > 1) ?? [];
  const nested = parts.filter((p) => p.length > 1);
  while (nested.every((p) => p.length > common + 1 && p[common] === first[common]) && common < first.length - 1)
    common++;
  return (name) => {
    const own = name.split(".");
    return own.length > common + 1 && own.slice(0, common).join(".") === first.slice(0, common).join(".")
      ? own.slice(common).join(".")
      : name;
  };
}

/** Operations with one name, in the order in which they occur first. */
export interface Group {
  readonly name: string;
  readonly kind: string;
  readonly operations: readonly Operation[];
}

export function groupsOf(operations: readonly Operation[]): readonly Group[] {
  const groups = new Map<string, Operation[]>();
  for (const operation of operations) {
    const name = groupName(operation.name);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [operation]);
    else group.push(operation);
  }
  return [...groups].map(([name, own]) => ({ name, kind: own[0]!.kind, operations: own }));
}

/** A line that tells runs apart. */
export const runTitle = (run: Run): string =>
  [run.workload, run.phase, run.hardware, ...run.details].filter((s) => s !== "").join(" · ");

/** For each run the parts of its title that not all share; what is the same for all is left out. */
export function distinctTitles(runs: readonly Run[]): readonly string[] {
  const parts = runs.map((r) => [r.hardware, ...r.details, r.phase, r.workload]);
  const keep = (i: number): boolean => new Set(parts.map((p) => p[i] ?? "")).size > 1;
  return parts.map((own, n) => {
    const words = own.filter((word, i) => word !== "" && keep(i));
    return words.length > 0 ? words.join(" · ") : (own[0] ?? "") || `run ${n + 1}`;
  });
}

/** The sum of records by key. */
export function addUp<K extends string>(
  records: Iterable<Readonly<Record<K, number>>>,
): Readonly<Record<string, number>> {
  const totals: Record<string, number> = {};
  for (const record of records)
    for (const [key, value] of Object.entries<number>(record)) totals[key] = (totals[key] ?? 0) + value;
  return totals;
}
