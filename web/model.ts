/** A trace as the page holds it: units' states over time in columns, whatever file it came from. */
import type { Run } from "./run.ts";

/** What a unit's state means; `name` is what the file calls it, such as `stall:dram-latency`. */
export interface StateInfo {
  readonly name: string;
  readonly family: "busy" | "stall" | "idle";
  /** The name without its family: `dram-latency`. */
  readonly label: string;
}

export interface LaneInfo {
  readonly name: string;
  readonly group: string;
}

/** A named stretch of the run. Layers do not overlap and are in the order of time. */
export interface Layer {
  readonly name: string;
  readonly kind: string;
  readonly start: number;
  readonly end: number;
}

/** Where a segment stands in the run. Placements follow each other without a gap from cycle 0 to the end. */
export interface Placement {
  readonly segment: number;
  readonly start: number;
}

export type Times = Uint32Array | Float64Array;

/** How long a lane spent in one state because of one culprit, and the longest slice of that kind. */
export interface Blame {
  readonly state: number;
  /** Lane, or -1 where nobody is named. */
  readonly culprit: number;
  readonly cycles: number;
  readonly longestStart: number;
  readonly longestCycles: number;
}

/** Sums over a lane at regular cycles: they make the mix of any range a difference of two places. */
export interface SumLevel {
  /** Cycles between two entries, a power of two; the last entry stands at the end. */
  readonly step: number;
  /** Entry after entry: for each slot, cycles before the entry spent in the states up to it. */
  readonly sums: Times;
}

export interface SumTable {
  /** The slice that holds the cycle of an entry of the finest level. */
  readonly slice: Uint32Array;
  /** The finest level, and coarser ones whose entries are some of the finer one's. */
  readonly levels: readonly SumLevel[];
}

/** One lane of one segment: slice i lasts from `starts[i]` to the next start, or to the segment's end. */
export interface Track {
  readonly starts: Times;
  readonly state: Uint8Array;
  /** Index in the segment's `ops` + 1; 0 for none. */
  readonly op: Uint16Array | Uint32Array;
  /** Lane + 1; 0 for none. */
  readonly culprit: Uint8Array | Uint16Array;
  readonly table: SumTable;
  readonly blame: readonly Blame[];
}

export interface OpInfo {
  readonly name: string;
  /** Offsets in the `.loom` source; undefined where the compiler made the op. */
  readonly span?: { readonly file: number; readonly start: number; readonly end: number };
}

/** The folds of the array in the order of time. */
export interface Folds {
  /** The cycle after the last row entered. */
  readonly end: Times;
  /** Rows that entered. */
  readonly time: Uint32Array;
  /** PEs in use, down and across. */
  readonly rows: Uint16Array;
  readonly columns: Uint16Array;
}

/** A quantity over time: sample i holds from `at[i]` on. */
export interface Samples {
  readonly at: Times;
  readonly value: Float64Array;
}

/** The states of all PEs of a stepped segment, row after row. */
export interface PeStates {
  /** Runs of PE i are those from `first[i]` up to `first[i + 1]`. */
  readonly first: Uint32Array;
  /** The cycle after each run, from the PE's cycle 0. */
  readonly end: Uint32Array;
  /** Index in the model's `peStates`. */
  readonly state: Uint8Array;
}

/** What a segment knows besides states; each part is missing where the file does not have it. */
export interface SegmentFacts {
  readonly folds?: Folds | undefined;
  /** For each of the model's buffers. */
  readonly samples?: readonly Samples[] | undefined;
  /** Bits of a weight's code and how many share a scale (undefined: none), as bit-serial PEs take them. */
  readonly codes?: { readonly bits: number; readonly group: number | undefined } | undefined;
  /** Depth `pe` only. */
  readonly pes?: PeStates | undefined;
}

/** Cycles that ran once and may stand in several places of the run. */
export interface Segment extends SegmentFacts {
  readonly cycles: number;
  readonly tracks: readonly Track[];
  readonly ops: readonly OpInfo[];
}

/** A buffer whose allocated bytes are known over time. */
export interface BufferInfo {
  readonly name: string;
  /** Undefined: unlimited. */
  readonly capacityBytes: number | undefined;
}

/** "Slice `from` must end before slice `to` begins", by lane and index in the only segment; sorted by `to`. */
export interface Edges {
  readonly fromLane: Uint16Array;
  readonly fromSlice: Uint32Array;
  readonly toLane: Uint16Array;
  readonly toSlice: Uint32Array;
}

export interface Model {
  readonly format: "bitloom" | "chrome" | "kanata";
  readonly workload: string;
  readonly hardware: string;
  readonly phase: string;
  /** Time is counted in whole units of this. */
  readonly unit: "cycle" | "ns";
  readonly clockMHz: number | undefined;
  /** End of the run. */
  readonly cycles: number;
  readonly lanes: readonly LaneInfo[];
  readonly states: readonly StateInfo[];
  /** For each lane the states that it is ever in (codes, busy before stalled before idle). A state's place is its slot. */
  readonly slots: readonly (readonly number[])[];
  readonly segments: readonly Segment[];
  readonly placements: readonly Placement[];
  /** For each lane, cycles before each placement and at the end spent in the states up to each slot. */
  readonly before: readonly Float64Array[];
  readonly layers: readonly Layer[];
  readonly edges: Edges | undefined;
  readonly buffers: readonly BufferInfo[];
  /** What a PE's states are called; none where no PE was stepped. */
  readonly peStates: readonly string[];
  /** What the layers took; undefined where the file has states alone. */
  readonly run: Run | undefined;
  /** What the reader of the file should know: things left out or changed. */
  readonly notes: readonly string[];
}

/** A trace, runs without one, or in words why the file cannot be shown. */
export type Loaded =
  | { readonly kind: "model"; readonly model: Model }
  | { readonly kind: "runs"; readonly runs: readonly Run[] }
  | { readonly kind: "error"; readonly message: string };

export const refuse = (message: string): Loaded => ({ kind: "error", message });

/** The state that a name stands for: `idle`, `stall:…`, and everything else is work. */
export function stateNamed(name: string): StateInfo {
  if (name === "idle") return { name, family: "idle", label: "idle" };
  const colon = name.indexOf(":");
  const label = name.slice(colon + 1);
  return { name, family: name.startsWith("stall:") ? "stall" : "busy", label: label === "" ? name : label };
}

export function endOf(track: Track, slice: number, cycles: number): number {
  return slice + 1 < track.starts.length ? track.starts[slice + 1]! : cycles;
}
