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
 */
import type { Diagnostics, Span } from "../ir/diagnostics.ts";
import { internal } from "../ir/diagnostics.ts";
import type { OpInfo } from "./issue.ts";
import type { Recorder } from "./lanes.ts";
import { STATES } from "./states.ts";

export const TRACE_VERSION = 1;
const MAGIC = 0x52544c42; // "BLTR"
const PREAMBLE_BYTES = 12;
const MAX_CYCLES = 2 ** 32 - 1;

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
}

export interface TraceLayer {
  readonly name: string;
  readonly kind: string;
  readonly segment: number;
  readonly startCycle: number;
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
}

export interface SegmentColumns {
  readonly cycles: Uint32Array;
  readonly op: Uint16Array;
  readonly state: Uint8Array;
  readonly culprit: Uint8Array;
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

interface OpenLane {
  readonly cycles: number[];
  readonly op: number[];
  readonly state: number[];
  readonly culprit: number[];
}

interface OpenSegment {
  readonly lanes: readonly OpenLane[];
  header: SegmentHeader | undefined;
}

/** Collects a trace while layers are simulated. */
export class TraceBuilder {
  readonly #segments: OpenSegment[] = [];
  readonly #layers: TraceLayer[] = [];
  #lanes: readonly string[] = [];

  /** Begins a segment; the recorder takes the states of its run. */
  segment(lanes: readonly string[]): { readonly id: number; readonly recorder: Recorder } {
    if (lanes.length > 254) internal(`${lanes.length} lanes do not fit a trace`);
    this.#lanes = lanes;
    const open = lanes.map((): OpenLane => ({ cycles: [], op: [], state: [], culprit: [] }));
    this.#segments.push({ lanes: open, header: undefined });
    return {
      id: this.#segments.length - 1,
      recorder: {
        slice: (lane, cycles, state, op, culprit) => append(open[lane]!, cycles, state, op + 1, culprit + 1),
      },
    };
  }

  endSegment(id: number, cycles: number, ops: readonly OpInfo[]): void {
    const segment = this.#segments[id] ?? internal(`no segment ${id}`);
    segment.header = {
      cycles,
      counts: segment.lanes.map((l) => l.cycles.length),
      ops: ops.map(({ name, unit, span }) => ({ name, unit, span })),
    };
  }

  layer(name: string, kind: string, segment: number, startCycle: number): void {
    this.#layers.push({ name, kind, segment, startCycle });
  }

  done(about: Pick<TraceHeader, "workload" | "hardware" | "phase" | "clockMHz">): Trace {
    const columns = this.#segments.map(({ lanes }): SegmentColumns => {
      const flat = (column: keyof OpenLane): number[] => lanes.flatMap((l) => l[column]);
      return {
        cycles: Uint32Array.from(flat("cycles")),
        op: Uint16Array.from(flat("op")),
        state: Uint8Array.from(flat("state")),
        culprit: Uint8Array.from(flat("culprit")),
      };
    });
    const headers = this.#segments.map((s) => s.header ?? internal("a segment was not ended"));
    const header: TraceHeader = {
      version: TRACE_VERSION,
      ...about,
      lanes: this.#lanes,
      states: STATES,
      segments: headers,
      layers: this.#layers,
    };
    return { header, segments: columns };
  }
}

/** Adds cycles to a lane; equal neighbours become one slice. */
function append(lane: OpenLane, cycles: number, state: number, op: number, culprit: number): void {
  const last = lane.cycles.length - 1;
  const same = last >= 0 && lane.state[last] === state && lane.op[last] === op && lane.culprit[last] === culprit;
  let left = cycles;
  if (same) {
    const room = Math.min(left, MAX_CYCLES - lane.cycles[last]!);
    lane.cycles[last]! += room;
    left -= room;
  }
  for (; left > 0; left -= Math.min(left, MAX_CYCLES)) {
    lane.cycles.push(Math.min(left, MAX_CYCLES));
    lane.op.push(op);
    lane.state.push(state);
    lane.culprit.push(culprit);
  }
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

const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const COLUMNS = ["cycles", "op", "state", "culprit"] as const;
const WIDTHS = { cycles: 4, op: 2, state: 1, culprit: 1 } as const;

/** The bytes of a trace file. */
export function encodeTrace(trace: Trace): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(trace.header));
  const headerBytes = padded(PREAMBLE_BYTES + text.length) - PREAMBLE_BYTES;
  const size = trace.segments.reduce(
    (sum, s) => sum + COLUMNS.reduce((bytes, c) => bytes + padded(s[c].byteLength), 0),
    PREAMBLE_BYTES + headerBytes,
  );
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, TRACE_VERSION, true);
  view.setUint32(8, headerBytes, true);
  file.fill(0x20, PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes);
  file.set(text, PREAMBLE_BYTES);
  let at = PREAMBLE_BYTES + headerBytes;
  for (const segment of trace.segments) {
    for (const name of COLUMNS) {
      const column = segment[name];
      file.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
      at += padded(column.byteLength);
    }
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
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  let at = headerEnd;
  const segments: SegmentColumns[] = [];
  for (const { counts } of header.segments) {
    const slices = counts.reduce((sum, c) => sum + c, 0);
    const offsets = COLUMNS.map((name) => {
      const offset = at;
      at += padded(slices * WIDTHS[name]);
      return aligned.byteOffset + offset;
    });
    if (at > bytes.length) return refuse("its columns are cut off");
    const [cycles, op, state, culprit] = offsets as [number, number, number, number];
    const { buffer } = aligned;
    segments.push({
      cycles: new Uint32Array(buffer, cycles, slices),
      op: new Uint16Array(buffer, op, slices),
      state: new Uint8Array(buffer, state, slices),
      culprit: new Uint8Array(buffer, culprit, slices),
    });
  }
  return { header, segments };
}

function parseHeader(text: string): TraceHeader | undefined {
  try {
    const header = JSON.parse(text) as Partial<TraceHeader>;
    const whole = [header.lanes, header.states, header.segments, header.layers].every(Array.isArray);
    return whole ? (header as TraceHeader) : undefined;
  } catch {
    return undefined;
  }
}
