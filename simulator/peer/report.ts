/** Results of the published simulators, in the shape that every simulation reports. */
import { type Comparison, compareRuns } from "../comparison.ts";
import { type Bytes, type Figures, SIMULATE_SCHEMA, type SimulateResult } from "../simulate.ts";

/** What is reported of a layer and of a whole pass alike. What a simulator does not model is left out. */
export interface PeerFigures
  extends Pick<Figures, "cycles" | "macs" | "bytes">,
    Partial<Pick<Figures, "timeSeconds" | "energyPJ" | "utilisation">> {
  /** Cycles without any wait for memory. */
  readonly computeCycles: number;
  /** cycles − computeCycles. */
  readonly stallCycles: number;
  /** Figures of this simulator alone, under its own names. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface PeerLayerResult extends PeerFigures {
  readonly name: string;
}

export interface PeerResult
  extends Pick<SimulateResult, "workload" | "hardware" | "configuration" | "phase" | "batch" | "context"> {
  readonly depth: "peer";
  readonly preset: string;
  /** Mean stored bits a weight, where the simulator knows of them. */
  readonly weightBits?: number;
  readonly totals: PeerFigures;
  readonly layers: readonly PeerLayerResult[];
}

/** What `--json` prints: the schema of every simulation. */
export interface PeerReport {
  readonly schema: typeof SIMULATE_SCHEMA;
  readonly results: readonly PeerResult[];
  /** Against the first machine; absent where there is only one. */
  readonly comparison?: Comparison | undefined;
}

/** Several runs as one report, compared with the first machine. */
export function mergePeerReports(results: readonly PeerResult[]): PeerReport {
  const comparison = compareRuns(results);
  return { schema: SIMULATE_SCHEMA, results, ...(comparison === undefined ? {} : { comparison }) };
}

/** One run as a report. */
export const reportOf = (result: PeerResult): PeerReport => ({ schema: SIMULATE_SCHEMA, results: [result] });

function addRecords<T>(
  records: readonly Readonly<Record<string, T>>[],
  zero: T,
  add: (a: T, b: T) => T,
): Record<string, T> {
  const sum: Record<string, T> = {};
  for (const record of records)
    for (const [name, value] of Object.entries(record)) sum[name] = add(sum[name] ?? zero, value);
  return sum;
}

const NO_BYTES: Bytes = { read: 0, write: 0 };
const add = (a: number, b: number): number => a + b;

/** The sum of layers that run one after the other; counters named in `sums` are added, others are left out. */
export function sumOfLayers(layers: readonly PeerLayerResult[], sums: readonly string[]): PeerFigures {
  const sum = (value: (layer: PeerLayerResult) => number): number => layers.reduce((s, l) => s + value(l), 0);
  const energies = layers.map((l) => l.energyPJ).filter((e) => e !== undefined);
  const timed = layers.every((l) => l.timeSeconds !== undefined);
  return {
    cycles: sum((l) => l.cycles),
    computeCycles: sum((l) => l.computeCycles),
    stallCycles: sum((l) => l.stallCycles),
    ...(timed ? { timeSeconds: sum((l) => l.timeSeconds ?? 0) } : {}),
    ...(energies.length === layers.length ? { energyPJ: { total: 0, ...addRecords(energies, 0, add) } } : {}),
    macs: sum((l) => l.macs),
    bytes: addRecords(
      layers.map((l) => l.bytes),
      NO_BYTES,
      (a, b) => ({ read: a.read + b.read, write: a.write + b.write }),
    ),
    counters: Object.fromEntries(sums.map((name) => [name, sum((l) => l.counters[name] ?? 0)])),
  };
}
