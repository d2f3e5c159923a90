/** Collects a trace while layers are simulated. */
import type { AcceleratorModel, SramSpec } from "../hw-models/schema.ts";
import { internal } from "../ir/diagnostics.ts";
import type { Program } from "../ir/program.ts";
import type { OpInfo } from "./issue.ts";
import type { Recorder } from "./lanes.ts";
import { bytesOf } from "./memory/sram.ts";
import { PE_STATES, type PeRuns } from "./pe/record.ts";
import type { Figures } from "./simulate.ts";
import { STATES } from "./states.ts";
import {
  type CounterColumns,
  type SegmentColumns,
  type SegmentHeader,
  TRACE_VERSION,
  type Trace,
  type TraceHeader,
  type TraceLayer,
  type TraceRun,
} from "./trace.ts";
import { contracts, weightCodes } from "./units/bit-serial.ts";

const MAX_CYCLES = 2 ** 32 - 1;

interface OpenLane {
  readonly cycles: number[];
  readonly op: number[];
  readonly state: number[];
  readonly culprit: number[];
}

interface OpenFolds {
  readonly cycles: number[];
  readonly time: number[];
  readonly rows: number[];
  readonly columns: number[];
  end: number;
}

interface RingEvent {
  readonly ring: string;
  readonly cycle: number;
  readonly change: 1 | -1;
}

interface OpenSegment {
  readonly lanes: readonly OpenLane[];
  readonly folds: OpenFolds;
  readonly events: RingEvent[];
  counters: readonly CounterColumns[];
  pes: PeRuns | undefined;
  header: SegmentHeader | undefined;
}

/** A run as its segment keeps it. */
export interface SegmentFacts {
  readonly cycles: number;
  readonly ops: readonly OpInfo[];
  readonly program: Program;
  readonly figures: Figures;
  /** Depth `pe`: what each PE did. */
  readonly pes?: PeRuns | undefined;
}

/** Takes the states, folds and buffers of every segment, then the layers in their order. */
export class TraceBuilder {
  readonly #segments: OpenSegment[] = [];
  readonly #layers: TraceLayer[] = [];
  #lanes: readonly string[] = [];
  #buffers: readonly SramSpec[] = [];

  /** Begins a segment; the recorder takes the states of its run. */
  segment(machine: AcceleratorModel, lanes: readonly string[]): { readonly id: number; readonly recorder: Recorder } {
    if (lanes.length > 254) internal(`${lanes.length} lanes do not fit a trace`);
    this.#lanes = lanes;
    this.#buffers = machine.units.flatMap((u) => (u.kind === "sram" ? [u] : []));
    const open = lanes.map((): OpenLane => ({ cycles: [], op: [], state: [], culprit: [] }));
    const folds: OpenFolds = { cycles: [], time: [], rows: [], columns: [], end: 0 };
    const events: RingEvent[] = [];
    this.#segments.push({ lanes: open, folds, events, counters: [], pes: undefined, header: undefined });
    return {
      id: this.#segments.length - 1,
      recorder: {
        slice: (lane, cycles, state, op, culprit) => append(open[lane]!, cycles, state, op + 1, culprit + 1),
        fold: (end, time, rows, columns, goesOn) => appendFold(folds, end, time, rows, columns, goesOn),
        instance: (ring, cycle, change) => events.push({ ring, cycle, change }),
      },
    };
  }

  endSegment(id: number, { cycles, ops, program, figures, pes }: SegmentFacts): void {
    const segment = this.#segments[id] ?? internal(`no segment ${id}`);
    const { bits, group } = contracts(program) ? weightCodes(program) : { bits: 16, group: Number.POSITIVE_INFINITY };
    segment.counters = this.#buffers.map(({ name }) => occupancy(name, program, segment.events));
    segment.events.length = 0;
    segment.pes = pes;
    segment.header = {
      cycles,
      counts: segment.lanes.map((l) => l.cycles.length),
      ops: ops.map(({ name, unit, span }) => ({ name, unit, span })),
      figures,
      codes: { bits, group: Number.isFinite(group) ? group : null },
      folds: segment.folds.cycles.length,
      samples: segment.counters.map((c) => c.cycles.length),
      ...(pes === undefined ? {} : { peCounts: pes.counts }),
    };
  }

  layer(layer: TraceLayer): void {
    this.#layers.push(layer);
  }

  /** The trace of a run on a machine. */
  done(run: TraceRun): Trace {
    const columns = this.#segments.map(({ lanes, folds, counters, pes }): SegmentColumns => {
      const flat = (column: keyof OpenLane): number[] => lanes.flatMap((l) => l[column]);
      return {
        cycles: Uint32Array.from(flat("cycles")),
        op: Uint16Array.from(flat("op")),
        state: Uint8Array.from(flat("state")),
        culprit: Uint8Array.from(flat("culprit")),
        folds: {
          cycles: Uint32Array.from(folds.cycles),
          time: Uint32Array.from(folds.time),
          rows: Uint16Array.from(folds.rows),
          columns: Uint16Array.from(folds.columns),
        },
        counters,
        ...(pes === undefined ? {} : { pes: { cycles: pes.cycles, state: pes.state } }),
      };
    });
    const headers = this.#segments.map((s) => s.header ?? internal("a segment was not ended"));
    const header: TraceHeader = {
      version: TRACE_VERSION,
      workload: run.result.workload,
      hardware: run.result.hardware,
      phase: run.result.phase,
      clockMHz: run.machine.clockMHz,
      lanes: this.#lanes,
      states: STATES,
      segments: headers,
      layers: this.#layers,
      counters: this.#buffers.map(({ name, capacityBytes }) => ({
        name,
        capacityBytes: Number.isFinite(capacityBytes) ? capacityBytes : null,
      })),
      ...(this.#segments.some((s) => s.pes !== undefined) ? { peStates: PE_STATES } : {}),
      run,
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

/** Adds a fold, or to the last one. */
function appendFold(folds: OpenFolds, end: number, time: number, rows: number, columns: number, goesOn: boolean): void {
  const last = folds.cycles.length - 1;
  const cycles = end - folds.end;
  folds.end = end;
  if (goesOn && last >= 0) {
    folds.cycles[last]! += cycles;
    folds.time[last]! += time;
    return;
  }
  folds.cycles.push(cycles);
  folds.time.push(time);
  folds.rows.push(rows);
  folds.columns.push(columns);
}

/** Bytes that are allocated in a buffer, over time: tensors without a ring always, others by the instance. */
function occupancy(buffer: string, program: Program, events: readonly RingEvent[]): CounterColumns {
  const own = program.tensors.filter((t) => t.place === `unit:${buffer}`);
  const bytes = new Map<string, number>();
  let held = 0;
  for (const tensor of own) {
    if (tensor.ring === undefined) held += bytesOf(tensor);
    else bytes.set(tensor.ring, (bytes.get(tensor.ring) ?? 0) + bytesOf(tensor));
  }
  const changes = events.filter((e) => bytes.has(e.ring)).sort((a, b) => a.cycle - b.cycle || a.change - b.change);
  const times: number[] = [0];
  const values: number[] = [held];
  for (const { ring, cycle, change } of changes) {
    held += change * (bytes.get(ring) ?? 0);
    if (times.at(-1) === cycle) values[values.length - 1] = held;
    else {
      times.push(cycle);
      values.push(held);
    }
  }
  return {
    cycles: Uint32Array.from(times, (t, i) => t - (times[i - 1] ?? 0)),
    value: Float64Array.from(values),
  };
}
