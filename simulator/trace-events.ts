/** The slices of all lanes of a trace as one stream of begins and ends in the order of time, for exporters. */
import { internal } from "../ir/diagnostics.ts";
import { layerSlices, type Slice, type Trace } from "./trace.ts";

/** Which cycles an export covers. */
export interface Window {
  /** Only slices that begin in [from, to), in cycles. */
  readonly from?: number;
  readonly to?: number;
}

/** A slice begins or ends; `lane` is -1 for a layer as a whole. */
export interface TraceEvent {
  readonly kind: "begin" | "end";
  readonly cycle: number;
  readonly lane: number;
  readonly slice: Slice;
}

/** One lane within a layer: the slice that comes next, or is open. */
interface Cursor {
  readonly lane: number;
  readonly slices: Iterator<Slice, void>;
  slice: Slice | undefined;
  open: boolean;
}

/** A layer as a slice of its own: its state is its kind. */
function layerSlice(trace: Trace, layer: number): Slice {
  const { startCycle, segment, kind } = trace.header.layers[layer] ?? internal(`no layer ${layer}`);
  const cycles = trace.header.segments[segment]?.cycles ?? 0;
  return { layer, start: startCycle, cycles, state: `layer:${kind}`, op: undefined, culprit: undefined };
}

const nextEvent = ({ slice, open }: Cursor): number =>
  slice === undefined ? Number.POSITIVE_INFINITY : slice.start + (open ? slice.cycles : 0);

/**
 * Begins and ends in the order of time; at one cycle ends come first, then layers, then lanes in their order. Idle cycles
 * are left out. Lanes are walked side by side, so a trace of any length takes no memory of its own.
 */
export function* traceEvents(
  trace: Trace,
  { from = 0, to = Number.POSITIVE_INFINITY }: Window = {},
): Generator<TraceEvent, void> {
  for (const [index, layer] of trace.header.layers.entries()) {
    const cycles = trace.header.segments[layer.segment]?.cycles ?? 0;
    if (layer.startCycle >= to || layer.startCycle + cycles <= from || cycles === 0) continue;
    const whole = layerSlice(trace, index);
    yield { kind: "begin", cycle: whole.start, lane: -1, slice: whole };
    const shown = (s: Slice): boolean => s.state !== "idle" && s.start >= from && s.start < to;
    const advance = (cursor: Cursor): void => {
      cursor.open = false;
      do cursor.slice = cursor.slices.next().value ?? undefined;
      while (cursor.slice !== undefined && !shown(cursor.slice));
    };
    const cursors = trace.header.lanes.map((_, lane): Cursor => {
      const cursor = { lane, slices: layerSlices(trace, index, lane), slice: undefined, open: false };
      advance(cursor);
      return cursor;
    });
    for (;;) {
      const first = earliest(cursors);
      if (first?.slice === undefined) break;
      const { lane, slice, open } = first;
      yield { kind: open ? "end" : "begin", cycle: nextEvent(first), lane, slice };
      if (open) advance(first);
      else first.open = true;
    }
    yield { kind: "end", cycle: whole.start + cycles, lane: -1, slice: whole };
  }
}

/** The cursor with the next event; an end before a begin of the same cycle. */
function earliest(cursors: readonly Cursor[]): Cursor | undefined {
  let best: Cursor | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const cursor of cursors) {
    const cycle = nextEvent(cursor);
    if (cycle > least || cursor.slice === undefined) continue;
    if (cycle === least && (best === undefined || best.open || !cursor.open)) continue;
    best = cursor;
    least = cycle;
  }
  return best;
}
