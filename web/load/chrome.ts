/** Reads Chrome's Trace Event Format (JSON): complete, begin/end and name events; ours come back with all that they say. */
import { cleanName, MAX_CYCLES, MAX_LANES } from "../limits.ts";
import { type Edges, type Layer, type Loaded, refuse } from "../model.ts";
import { finish, type LooseLane, looseLane, type Packed, packLanes } from "./assemble.ts";
import { edgesOf, type LooseEdge } from "./edges.ts";
import { isReport, readReport } from "./report.ts";
import { type NameTable, opTable, stateTable } from "./tables.ts";

type Json = Readonly<Record<string, unknown>>;

interface Thread {
  readonly lane: LooseLane;
  readonly pid: string;
  readonly tid: string;
  name: string;
  sort: number;
  /** Open `B` events: start, name, category. */
  readonly open: { readonly start: number; readonly event: Json }[];
  readonly culprits: (string | undefined)[];
}

interface Process {
  name: string;
  sort: number;
}

interface Reading {
  /** Cycles (ours) or nanoseconds a microsecond of the file. */
  readonly scale: number;
  readonly origin: number;
  readonly threads: Map<string, Thread>;
  readonly processes: Map<string, Process>;
  readonly states: NameTable;
  readonly ops: NameTable;
  readonly layers: Layer[];
  readonly flows: Map<string, { readonly thread: string; readonly time: number }>;
  readonly edges: LooseEdge[];
  empty: number;
  counters: number;
}

const STALL_TRACK = " ▸ stall";

/** Parses the text; a missing `]` at the end of an array is no mistake in this format. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/^\s*\[/.test(text.slice(0, 100))) throw error;
    return JSON.parse(`${text.replace(/,?\s*$/, "")}]`);
  }
}

export function readChrome(text: string): Loaded {
  let root: unknown;
  try {
    root = parse(text);
  } catch (error) {
    return refuse(`this is not JSON: ${error instanceof Error ? error.message : ""}`);
  }
  if (isReport(root)) return readReport(root);
  const events = Array.isArray(root) ? root : (root as Json | null)?.traceEvents;
  if (!Array.isArray(events)) return refuse("this JSON has no list of trace events");
  const metadata = ((root as Json).metadata ?? {}) as Json;
  const ours = metadata.cycle_is === "1us";
  const first = ours ? 0 : firstTime(events);
  const reading: Reading = {
    scale: ours ? 1 : 1000,
    origin: first,
    threads: new Map(),
    processes: new Map(),
    states: stateTable(),
    ops: opTable(),
    layers: [],
    flows: new Map(),
    edges: [],
    empty: 0,
    counters: 0,
  };
  for (const [i, event] of events.entries()) {
    if (typeof event !== "object" || event === null) return refuse(`event ${i} is not an object`);
    const wrong = readEvent(reading, event as Json);
    if (wrong !== undefined) return refuse(`event ${i} ${wrong}`);
    if (reading.threads.size > MAX_LANES) return refuse(`it has more than ${MAX_LANES} threads`);
  }
  return build(reading, metadata, ours);
}

const number = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;

function firstTime(events: readonly unknown[]): number {
  let first = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const e = event as Json | null;
    if (e?.ph === "M") continue;
    const time = number(e?.ts);
    if (time < first) first = time;
  }
  return Number.isFinite(first) ? first : 0;
}

function threadOf(reading: Reading, event: Json): Thread {
  const pid = cleanName(String(event.pid ?? 0), "0");
  const tid = cleanName(String(event.tid ?? event.pid ?? 0), "0");
  const key = `${pid}\u0000${tid}`;
  const known = reading.threads.get(key);
  if (known !== undefined) return known;
  const thread: Thread = {
    lane: looseLane("", ""),
    pid,
    tid,
    name: tid,
    sort: Number.NaN,
    open: [],
    culprits: [],
  };
  reading.threads.set(key, thread);
  return thread;
}

/** Takes up one event; says what is wrong with it. */
function readEvent(reading: Reading, event: Json): string | undefined {
  const phase = typeof event.ph === "string" ? event.ph[0] : undefined;
  if (phase === undefined) return Object.keys(event).length === 0 ? undefined : "has no phase";
  switch (phase) {
    case "M":
      return readName(reading, event);
    case "X": {
      const start = timeOf(reading, event.ts);
      const end = start + number(event.dur ?? 0) * reading.scale;
      return addSlice(reading, threadOf(reading, event), event, start, end);
    }
    case "B": {
      const start = timeOf(reading, event.ts);
      if (!isTime(start)) return "has no time that can be shown";
      threadOf(reading, event).open.push({ start, event });
      return undefined;
    }
    case "E": {
      const thread = threadOf(reading, event);
      const begin = thread.open.pop();
      if (begin === undefined) return "ends what did not begin";
      return addSlice(reading, thread, begin.event, begin.start, timeOf(reading, event.ts));
    }
    case "s":
    case "t":
    case "f":
      return readFlow(reading, event, phase);
    case "C":
      reading.counters++;
      return undefined;
    default:
      return undefined;
  }
}

const timeOf = (reading: Reading, value: unknown): number => (number(value) - reading.origin) * reading.scale;
const isTime = (value: number): boolean => value >= 0 && value <= MAX_CYCLES;

function readName(reading: Reading, event: Json): undefined {
  const args = (event.args ?? {}) as Json;
  const pid = cleanName(String(event.pid ?? 0), "0");
  const process = reading.processes.get(pid) ?? { name: `process ${pid}`, sort: Number.NaN };
  reading.processes.set(pid, process);
  if (event.name === "process_name") process.name = cleanName(args.name, process.name);
  if (event.name === "process_sort_index") process.sort = number(args.sort_index);
  if (event.name === "thread_name") threadOf(reading, event).name = cleanName(args.name, "thread");
  if (event.name === "thread_sort_index") threadOf(reading, event).sort = number(args.sort_index);
}

function addSlice(reading: Reading, thread: Thread, event: Json, start: number, end: number): string | undefined {
  if (!isTime(start) || !isTime(end)) return "has no time that can be shown";
  if (end < start) return "ends before it begins";
  const from = Math.round(start);
  const to = Math.round(end);
  if (to === from) {
    reading.empty++;
    return undefined;
  }
  const name = cleanName(event.name, "unnamed");
  const category = typeof event.cat === "string" ? event.cat : "";
  const args = (typeof event.args === "object" && event.args !== null ? event.args : {}) as Json;
  if (category === "layer" && typeof args.layer === "string") {
    reading.layers.push({ name: cleanName(args.layer, name), kind: name, start: from, end: to });
    return undefined;
  }
  const stall = category.split(",").includes("stall") || name.startsWith("stall.");
  const { lane } = thread;
  lane.starts.push(from);
  lane.ends.push(to);
  lane.state.push(reading.states.code(stall ? `stall:${name.replace(/^stall\./, "")}` : `busy:${name}`));
  lane.op.push(reading.ops.code(typeof args.op === "string" && args.op !== "" ? args.op : name));
  thread.culprits.push(typeof args.culprit === "string" ? args.culprit : undefined);
  return undefined;
}

function readFlow(reading: Reading, event: Json, phase: "s" | "t" | "f"): string | undefined {
  const time = timeOf(reading, event.ts);
  if (!isTime(time)) return "has no time that can be shown";
  const thread = threadOf(reading, event);
  const key = `${String(event.cat)}\u0000${String(event.name)}\u0000${String(event.id)}`;
  const here = { thread: `${thread.pid}\u0000${thread.tid}`, time };
  const before = reading.flows.get(key);
  if (phase !== "s" && before !== undefined)
    reading.edges.push({
      from: reading.threads.get(before.thread)!.lane,
      fromTime: before.time,
      to: thread.lane,
      toTime: time,
    });
  reading.flows.set(key, here);
  return undefined;
}

function build(reading: Reading, metadata: Json, ours: boolean): Loaded {
  const sorted = sortThreads(reading);
  const { lanes: loose, movedTo } = mergeStalls(reading, sorted);
  const used = loose.filter((l) => l.starts.length > 0);
  let cycles = 0;
  for (const lane of used) for (const end of lane.ends) if (end > cycles) cycles = end;
  for (const { end } of reading.layers) if (end > cycles) cycles = end;
  if (used.length === 0 || cycles === 0) return refuse("it has no slices");
  const moved = used.map((lane) => ({ ...lane, culprit: lane.culprit.map((c) => used.indexOf(loose[c]!)) }));
  const packed = packLanes(moved, cycles, 0);
  if (typeof packed === "string") return refuse(packed);
  const notes: string[] = [];
  if (packed.dropped > 0) notes.push(`${packed.dropped} slices overlap too many others and are left out`);
  if (reading.empty > 0) notes.push(`${reading.empty} slices without duration are left out`);
  if (reading.counters > 0) notes.push(`${reading.counters} counter samples are left out`);
  const open = sorted.reduce((sum, t) => sum + t.open.length, 0);
  if (open > 0) notes.push(`${open} slices never end and are left out`);
  const clock = number(metadata.clock_hz) / 1e6;
  return {
    kind: "model",
    model: finish({
      format: "chrome",
      workload: cleanName(metadata.workload, "Chrome trace"),
      hardware: cleanName(metadata.hardware, ""),
      phase: cleanName(metadata.phase, ""),
      unit: ours ? "cycle" : "ns",
      clockMHz: ours && clock > 0 && Number.isFinite(clock) ? clock : undefined,
      cycles,
      lanes: packed.lanes,
      states: reading.states.names,
      segments: [{ cycles, lanes: packed.columns, ops: reading.ops.names.map((name) => ({ name })) }],
      placements: [{ segment: 0, start: 0 }],
      layers: layersOf(reading.layers),
      edges: edges(reading, used, movedTo, packed),
      buffers: [],
      peStates: [],
      run: undefined,
      notes,
    }),
  };
}

const byNumber = (a: number, b: number): number => (Number.isNaN(a) ? 1e9 : a) - (Number.isNaN(b) ? 1e9 : b);

function sortThreads(reading: Reading): readonly Thread[] {
  const order = [...reading.processes.keys()];
  const place = (t: Thread): number => {
    const sort = reading.processes.get(t.pid)?.sort ?? Number.NaN;
    return Number.isNaN(sort) ? order.indexOf(t.pid) : sort;
  };
  return [...reading.threads.values()].sort(
    (a, b) => place(a) - place(b) || byNumber(a.sort, b.sort) || byNumber(Number(a.tid), Number(b.tid)),
  );
}

interface Merged {
  readonly lanes: readonly LooseLane[];
  /** The lane that took over a thread's slices. */
  readonly movedTo: ReadonlyMap<LooseLane, LooseLane>;
}

/** Lanes of threads; what stands on a unit's stall track goes back to the unit. */
function mergeStalls(reading: Reading, threads: readonly Thread[]): Merged {
  const named = new Map(threads.map((t) => [`${t.pid}\u0000${t.name}`, t]));
  const unitOf = (t: Thread): Thread =>
    (t.name.endsWith(STALL_TRACK) && named.get(`${t.pid}\u0000${t.name.slice(0, -STALL_TRACK.length)}`)) || t;
  const lanes = new Map<Thread, LooseLane>();
  for (const t of threads)
    if (unitOf(t) === t) lanes.set(t, looseLane(t.name, reading.processes.get(t.pid)?.name ?? `process ${t.pid}`));
  const places = new Map([...lanes.keys()].map((t, i) => [t, i]));
  for (const t of threads) {
    const into = lanes.get(unitOf(t))!;
    for (let i = 0; i < t.lane.starts.length; i++) {
      into.starts.push(t.lane.starts[i]!);
      into.ends.push(t.lane.ends[i]!);
      into.state.push(t.lane.state[i]!);
      into.op.push(t.lane.op[i]!);
      const culprit = t.culprits[i];
      into.culprit.push(culprit === undefined ? -1 : (places.get(named.get(`${t.pid}\u0000${culprit}`)!) ?? -1));
    }
  }
  return { lanes: [...lanes.values()], movedTo: new Map(threads.map((t) => [t.lane, lanes.get(unitOf(t))!])) };
}

function edges(
  reading: Reading,
  used: readonly LooseLane[],
  movedTo: Merged["movedTo"],
  packed: Packed,
): Edges | undefined {
  const at = (lane: LooseLane): number => used.indexOf(movedTo.get(lane) ?? lane);
  return edgesOf(
    reading.edges.map((e) => ({ from: at(e.from), fromTime: e.fromTime, to: at(e.to), toTime: e.toTime })),
    used,
    packed,
  );
}

/** Layers in the order of time; those that overlap the one before are left out. */
function layersOf(layers: readonly Layer[]): readonly Layer[] {
  const sorted = [...layers].sort((a, b) => a.start - b.start);
  let end = 0;
  return sorted.filter((layer) => {
    if (layer.start < end) return false;
    end = layer.end;
    return true;
  });
}
