/** Chrome trace JSON, for Perfetto and chrome://tracing: 1 cycle = 1 µs, one slice at a time per lane. */
import { layerSlices, type Slice, type Trace } from "./trace.ts";

export interface ChromeOptions {
  /** Only slices that begin in [from, to), in cycles. */
  readonly from?: number;
  readonly to?: number;
}

interface ChromeEvent {
  readonly ph: "X" | "M";
  readonly pid: 1;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly name: string;
  readonly cat?: string;
  readonly args: Readonly<Record<string, string | number>>;
}

const LAYER_TID = 1;
/** Lanes are 10 apart; the stalls of a lane stand on the track below it. */
const tidOf = (lane: number): number => 10 * (lane + 1);

/** Bytes that `chromeTrace` would write, to within a few percent: V8 cannot hold more than 512 MB as one string. */
export function estimateChromeBytes(trace: Trace): number {
  const EVENT_BYTES = 150;
  const slices = trace.header.segments.map((s) => s.counts.reduce((sum, c) => sum + c, 0));
  return EVENT_BYTES * trace.header.layers.reduce((sum, l) => sum + 1 + (slices[l.segment] ?? 0), 0);
}

/** The file in pieces, one per layer; joined they are one JSON object. Idle cycles have no slice. */
export function* chromeTrace(trace: Trace, options: ChromeOptions = {}): Generator<string, void> {
  const { header } = trace;
  const metadata = {
    tool: "bitloom",
    workload: header.workload,
    hardware: header.hardware,
    phase: header.phase,
    clock_hz: `${header.clockMHz * 1e6}`,
    cycle_is: "1us",
  };
  yield `{"displayTimeUnit":"ns","metadata":${JSON.stringify(metadata)},"traceEvents":[\n`;
  yield names(trace)
    .map((e) => JSON.stringify(e))
    .join(",\n");
  const { from = 0, to = Number.POSITIVE_INFINITY } = options;
  for (const [index, layer] of header.layers.entries()) {
    const cycles = header.segments[layer.segment]?.cycles ?? 0;
    if (layer.startCycle >= to || layer.startCycle + cycles <= from) continue;
    const events: ChromeEvent[] = [
      {
        ph: "X",
        pid: 1,
        tid: LAYER_TID,
        ts: layer.startCycle,
        dur: cycles,
        name: layer.kind,
        cat: "layer",
        args: { layer: layer.name },
      },
    ];
    for (const lane of header.lanes.keys()) {
      for (const slice of layerSlices(trace, index, lane))
        if (slice.state !== "idle" && slice.start >= from && slice.start < to)
          events.push(eventOf(slice, lane, layer.name));
    }
    events.sort((a, b) => (a.ts ?? 0) - (b.ts ?? 0) || (a.tid ?? 0) - (b.tid ?? 0));
    yield `,\n${events.map((e) => JSON.stringify(e)).join(",\n")}`;
  }
  yield "\n]}\n";
}

function names(trace: Trace): readonly ChromeEvent[] {
  const { header } = trace;
  const track = (tid: number, name: string): readonly ChromeEvent[] => [
    { ph: "M", pid: 1, tid, name: "thread_name", args: { name } },
    { ph: "M", pid: 1, tid, name: "thread_sort_index", args: { sort_index: tid } },
  ];
  return [
    { ph: "M", pid: 1, name: "process_name", args: { name: `${header.hardware} (1 us = 1 cycle)` } },
    ...track(LAYER_TID, "layer"),
    ...header.lanes.flatMap((name, lane) => [
      ...track(tidOf(lane), name),
      ...track(tidOf(lane) + 1, `${name} ▸ stall`),
    ]),
  ];
}

/** Names are kinds alone, so that viewers give one kind one colour; the rest is in `args`. */
function eventOf(slice: Slice, lane: number, layer: string): ChromeEvent {
  const [what, kind = ""] = slice.state.split(":");
  const stall = what === "stall";
  return {
    ph: "X",
    pid: 1,
    tid: tidOf(lane) + (stall ? 1 : 0),
    ts: slice.start,
    dur: slice.cycles,
    name: stall ? `stall.${kind}` : kind,
    cat: stall ? "stall" : "busy",
    args: {
      layer,
      ...(slice.op === undefined ? {} : { op: slice.op.name }),
      ...(slice.culprit === undefined ? {} : { culprit: slice.culprit }),
      cyc: slice.cycles,
    },
  };
}
