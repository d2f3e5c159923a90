/**
 * Traces, version 1: the state of every unit in every cycle, as columns.
 *
 * A lane is a partition of time, so a slice is stored by its length alone; its start is the sum before it. Layers that
 * ran alike share one *segment*; a layer is a segment and the cycle in which it starts. Slices of a segment lie lane
 * after lane in four columns.
 *
 * File: "BLTR", version (u32), length of the header (u32), header (JSON, padded with spaces so that the columns begin on
 * a multiple of 8), then for each segment its columns `cycles` (u32), `op` (u16, 0 for none, else index + 1), `state`
 * (u8, index in `states`), `culprit` (u8, 0 for none, else lane + 1), each padded to 8 bytes. Little-endian.
 *
 * Behind all of these, for each segment whose header has them: its folds, in columns `cycles` (u32, from the end of the
 * fold before to the cycle after this one's last row entered), `time` (u32, rows that entered), `rows` and `columns`
 * (u16, PEs in use); then for each counter its samples, `cycles` (u32, since the sample before) and `value` (f64, from
 * there on); then, of a run at depth `pe`, the states of its PEs, row after row: `cycles` (u32) and `state` (u8, index in
 * `peStates`) of every run of one state. Readers that do not know them stop before.
 */

import type { AcceleratorModel } from "../hw-models/schema.ts";
import type { Diagnostics, Span } from "../ir/diagnostics.ts";
import { internal } from "../ir/diagnostics.ts";
import { statesAt } from "./pe/record.ts";
import type { Figures, SimulateResult } from "./simulate.ts";
import type { ProductShape } from "./workload/layers.ts";

export const TRACE_VERSION = 1;
const MAGIC = 0x52544c42; // "BLTR"
const PREAMBLE_BYTES = 12;

export interface TraceOp {
  readonly name: string;
  readonly unit: string;
  readonly span: Span;
}

/** One run: `counts[lane]` slices for each lane. */
export interface SegmentHeader {
  readonly cycles: number;
  readonly counts: readonly number[];
  readonly ops: readonly TraceOp[];
  /** What it took, as the report of a layer says it. */
  readonly figures?: Figures;
  /** The second operand's codes as the PEs take them; `group` is null where codes share nothing. */
  readonly codes?: { readonly bits: number; readonly group: number | null };
  readonly folds?: number;
  /** Samples of each counter. */
  readonly samples?: readonly number[];
  /** Depth `pe`: how many runs of one state each PE has, row after row. They fill the segment. */
  readonly peCounts?: readonly number[];
}

/** A quantity over time: bytes that are allocated in a buffer. */
export interface TraceCounter {
  readonly name: string;
  /** Null: unlimited. */
  readonly capacityBytes: number | null;
}

/** What the trace is of: the machine, and all that a report says of a run besides figures. */
export interface TraceRun {
  readonly machine: AcceleratorModel;
  readonly result: Omit<SimulateResult, "totals" | "layers">;
}

export interface TraceLayer {
  readonly name: string;
  readonly kind: string;
  readonly segment: number;
  readonly startCycle: number;
  readonly shape?: ProductShape;
}

export interface TraceHeader {
  readonly version: typeof TRACE_VERSION;
  readonly workload: string;
  readonly hardware: string;
  readonly phase: string;
  readonly clockMHz: number;
  /** Units in the order of their lanes. */
  readonly lanes: readonly string[];
  readonly states: readonly string[];
  readonly segments: readonly SegmentHeader[];
  readonly layers: readonly TraceLayer[];
  readonly counters?: readonly TraceCounter[];
  /** Depth `pe`: states of a PE; a state's code is its place here. */
  readonly peStates?: readonly string[];
  readonly run?: TraceRun;
}

/** The folds of a segment in the order of time. */
export interface FoldColumns {
  readonly cycles: Uint32Array;
  readonly time: Uint32Array;
  readonly rows: Uint16Array;
  readonly columns: Uint16Array;
}

export interface CounterColumns {
  readonly cycles: Uint32Array;
  readonly value: Float64Array;
}

export interface SegmentColumns {
  readonly cycles: Uint32Array;
  readonly op: Uint16Array;
  readonly state: Uint8Array;
  readonly culprit: Uint8Array;
  readonly folds?: FoldColumns;
  readonly counters?: readonly CounterColumns[];
  readonly pes?: { readonly cycles: Uint32Array; readonly state: Uint8Array };
}

export interface Trace {
  readonly header: TraceHeader;
  readonly segments: readonly SegmentColumns[];
}

/** One slice of a lane, put in its place. */
export interface Slice {
  readonly layer: number;
  readonly start: number;
  readonly cycles: number;
  readonly state: string;
  readonly op: TraceOp | undefined;
  readonly culprit: string | undefined;
}

/** Slices of one lane in the order of time, over all layers. */
export function* slicesOf(trace: Trace, lane: number): Generator<Slice, void> {
  for (const index of trace.header.layers.keys()) yield* layerSlices(trace, index, lane);
}

/** Slices of one lane within one layer. */
export function* layerSlices(trace: Trace, layer: number, lane: number): Generator<Slice, void> {
  const { header } = trace;
  const { segment, startCycle } = header.layers[layer] ?? internal(`no layer ${layer}`);
  const { counts, ops } = header.segments[segment] ?? internal(`no segment ${segment}`);
  const columns = trace.segments[segment]!;
  const first = counts.slice(0, lane).reduce((sum, c) => sum + c, 0);
  let start = startCycle;
  for (let i = first; i < first + (counts[lane] ?? 0); i++) {
    const cycles = columns.cycles[i]!;
    yield {
      layer,
      start,
      cycles,
      state: header.states[columns.state[i]!] ?? internal(`no state ${columns.state[i]}`),
      op: ops[columns.op[i]! - 1],
      culprit: header.lanes[columns.culprit[i]! - 1],
    };
    start += cycles;
  }
}

/** The states of all PEs in one cycle of a segment that was stepped, row after row: codes of `peStates`. */
export function peStatesAt(trace: Trace, segment: number, cycle: number): Uint8Array | undefined {
  const counts = trace.header.segments[segment]?.peCounts;
  const pes = trace.segments[segment]?.pes;
  return counts === undefined || pes === undefined ? undefined : statesAt({ counts, ...pes }, cycle);
}

const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const COLUMNS = ["cycles", "op", "state", "culprit"] as const;

/** All columns of a file in their order; missing ones have no length. */
function columnsOf(trace: Trace): readonly ArrayBufferView[] {
  const main = trace.segments.flatMap((s) => COLUMNS.map((name) => s[name]));
  const more = trace.segments.flatMap(({ folds, counters = [], pes }) => [
    ...(folds === undefined ? [] : [folds.cycles, folds.time, folds.rows, folds.columns]),
    ...counters.flatMap((c) => [c.cycles, c.value]),
    ...(pes === undefined ? [] : [pes.cycles, pes.state]),
  ]);
  return [...main, ...more];
}

/** JSON knows no infinity: a rate or capacity without a limit is written as hardware models write it. */
const finite = (_: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? "unlimited" : value);

const unlimited = (key: string, value: unknown): unknown =>
  value === "unlimited" && /(Cycle|Bytes)$/.test(key) ? Number.POSITIVE_INFINITY : value;

/** The bytes of a trace file. */
export function encodeTrace(trace: Trace): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(trace.header, finite));
  const headerBytes = padded(PREAMBLE_BYTES + text.length) - PREAMBLE_BYTES;
  const columns = columnsOf(trace);
  const size = columns.reduce((sum, c) => sum + padded(c.byteLength), PREAMBLE_BYTES + headerBytes);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, TRACE_VERSION, true);
  view.setUint32(8, headerBytes, true);
  file.fill(0x20, PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes);
  file.set(text, PREAMBLE_BYTES);
  let at = PREAMBLE_BYTES + headerBytes;
  for (const column of columns) {
    file.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += padded(column.byteLength);
  }
  return file;
}

/** Reads a trace file; `trace/format` where it is none, is of another version or ends too early. */
export function decodeTrace(bytes: Uint8Array, file: number, sink: Diagnostics): Trace | undefined {
  const refuse = (why: string): undefined => {
    sink.error("trace/format", { file, start: 0, end: 0 }, `this is not a trace that can be read: ${why}`);
    return undefined;
  };
  if (bytes.length < PREAMBLE_BYTES) return refuse("it is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return refuse("it does not begin with BLTR");
  if (view.getUint32(4, true) !== TRACE_VERSION)
    return refuse(`its version is ${view.getUint32(4, true)}, and this program reads version ${TRACE_VERSION}`);
  const headerEnd = PREAMBLE_BYTES + view.getUint32(8, true);
  if (headerEnd > bytes.length) return refuse("its header is cut off");
  const header = parseHeader(new TextDecoder().decode(bytes.subarray(PREAMBLE_BYTES, headerEnd)));
  if (header === undefined) return refuse("its header is damaged");
  // Columns are viewed in place, which needs a buffer aligned as the file is.
  const { buffer, byteOffset } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  let at = headerEnd;
  const take = (count: number, width: number): number => {
    const offset = byteOffset + at;
    at += padded(count * width);
    return at <= bytes.length ? offset : Number.NaN;
  };
  const u32 = (count: number): Uint32Array => new Uint32Array(buffer, fits(take(count, 4)), count);
  const u16 = (count: number): Uint16Array => new Uint16Array(buffer, fits(take(count, 2)), count);
  const u8 = (count: number): Uint8Array => new Uint8Array(buffer, fits(take(count, 1)), count);
  const f64 = (count: number): Float64Array => new Float64Array(buffer, fits(take(count, 8)), count);
  try {
    const main = header.segments.map(({ counts }) => {
      const slices = counts.reduce((sum, c) => sum + c, 0);
      return { cycles: u32(slices), op: u16(slices), state: u8(slices), culprit: u8(slices) };
    });
    const segments = main.map((columns, i): SegmentColumns => {
      const { folds, samples, peCounts } = header.segments[i]!;
      const runs = peCounts?.reduce((sum, c) => sum + c, 0);
      return {
        ...columns,
        ...(folds === undefined
          ? {}
          : { folds: { cycles: u32(folds), time: u32(folds), rows: u16(folds), columns: u16(folds) } }),
        ...(samples === undefined ? {} : { counters: samples.map((n) => ({ cycles: u32(n), value: f64(n) })) }),
        ...(runs === undefined ? {} : { pes: { cycles: u32(runs), state: u8(runs) } }),
      };
    });
    return { header, segments };
  } catch (error) {
    if (error instanceof RangeError) return refuse("its columns are cut off");
    throw error;
  }
}

/** The offset of a column that lies within the file. */
function fits(offset: number): number {
  if (Number.isNaN(offset)) throw new RangeError("cut off");
  return offset;
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const areCounts = (value: unknown): boolean => Array.isArray(value) && value.every(isCount);

/** A header whose columns can be found: everything else in it is for its readers to judge. */
function parseHeader(text: string): TraceHeader | undefined {
  try {
    const header = JSON.parse(text, unlimited) as TraceHeader;
    const whole = [header.lanes, header.states, header.segments, header.layers].every(Array.isArray);
    const counted = header.segments.every(
      ({ counts, folds = 0, samples = [] }) => areCounts(counts) && isCount(folds) && areCounts(samples),
    );
    return whole && counted ? header : undefined;
  } catch {
    return undefined;
  }
}
