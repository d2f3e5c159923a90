/** Reads our own trace: the simulator's reader takes the file apart, this checks it and puts it into the page's columns. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import {
  decodeTrace,
  type SegmentColumns,
  type SegmentHeader,
  type Trace,
  type TraceHeader,
} from "../../simulator/trace.ts";
import {
  cleanName,
  isCount,
  MAX_CYCLES,
  MAX_LANES,
  MAX_LAYER_UNITS,
  MAX_LAYERS,
  MAX_PES,
  MAX_SLICES,
  MAX_STATES,
} from "../limits.ts";
import {
  type BufferInfo,
  type LaneInfo,
  type Layer,
  type Loaded,
  type PeStates,
  type Placement,
  refuse,
  type SegmentFacts,
  type Times,
} from "../model.ts";
import type { Operation, Run } from "../run.ts";
import { timesOf } from "../sums.ts";
import { type Columns, type DraftSegment, finish, statesSeen } from "./assemble.ts";
import { readOperation, readRun } from "./report.ts";

/** Reads the bytes of a trace file; its columns are used where they lie and changed in place. */
export function readBitloom(bytes: Uint8Array): Loaded {
  const sink = new Diagnostics();
  const trace = decode(bytes, sink);
  if (trace === undefined)
    return refuse(sink.list[0]?.message ?? "this is not a trace that can be read: it is damaged");
  return fromTrace(trace);
}

/** Of all slices, what a first look may take; a quarter of the time is not worth showing twice. */
const FIRST_LOOK_SHARE = 0.25;

/**
 * The first layers of a trace, which are read much sooner than all: for a first look while the rest is read. Undefined
 * where they are most of it, or something is wrong. The bytes stay as they are.
 */
export function firstLook(bytes: Uint8Array): Loaded | undefined {
  const trace = decode(bytes, new Diagnostics());
  if (trace === undefined) return undefined;
  const { header } = trace;
  const slices = header.segments.map(({ counts }) => counts.reduce((sum, c) => sum + c, 0));
  const all = slices.reduce((sum, n) => sum + n, 0);
  let taken = 0;
  let count = 0;
  while (count < slices.length && taken + slices[count]! <= FIRST_LOOK_SHARE * all) taken += slices[count++]!;
  const missing = header.layers.findIndex((l) => !(l?.segment < count));
  if (count === 0 || missing < 1) return undefined;
  const segments = trace.segments.slice(0, count).map(({ cycles, op, state, culprit }) => ({
    cycles: cycles.slice(),
    op: op.slice(),
    state: state.slice(),
    culprit: culprit.slice(),
  }));
  const { counters, peStates, ...rest } = header;
  const part = { ...rest, segments: header.segments.slice(0, count), layers: header.layers.slice(0, missing) };
  const loaded = fromTrace({ header: part, segments });
  return loaded.kind === "model" ? loaded : undefined;
}

function fromTrace(trace: Trace): Loaded {
  const wrong = checkHeader(trace);
  if (wrong !== undefined) return refuse(`this is not a trace that can be read: ${wrong}`);
  return build(trace);
}

/** The reader trusts the header's types; a header of other types makes it throw. */
function decode(bytes: Uint8Array, sink: Diagnostics): Trace | undefined {
  try {
    return decodeTrace(bytes, -1, sink);
  } catch {
    return undefined;
  }
}

function checkHeader({ header }: Trace): string | undefined {
  const { lanes, states, segments, layers } = header;
  if (lanes.length === 0 || lanes.length > MAX_LANES) return `it has ${lanes.length} lanes`;
  if (states.length === 0 || states.length > MAX_STATES) return `it has ${states.length} states`;
  if (!states.every((s) => typeof s === "string")) return "a state has no name";
  if (!states.includes("idle")) return "it has no idle state";
  if (layers.length === 0 || layers.length > MAX_LAYERS) return `it has ${layers.length} layers`;
  if (layers.length * lanes.length > MAX_LAYER_UNITS)
    return `it has ${layers.length} layers of ${lanes.length} units; their product may be ${MAX_LAYER_UNITS}`;
  for (const segment of segments) {
    if (!isCount(segment?.cycles)) return "a segment has no length";
    const { counts } = segment;
    if (!Array.isArray(counts) || counts.length !== lanes.length || !counts.every(isCount))
      return "a segment does not say how many slices its lanes have";
    if (!Array.isArray(segment.ops)) return "a segment has no list of ops";
    if (counts.reduce((sum, c) => sum + c, 0) > MAX_SLICES) return "a segment has too many slices";
    const { folds = 0, samples = [] } = segment;
    if (!isCount(folds) || !Array.isArray(samples) || !samples.every(isCount))
      return "a segment does not say how many folds and samples it has";
  }
  let at = 0;
  for (const layer of layers) {
    const segment = segments[layer?.segment];
    if (segment === undefined) return "a layer names a segment that is not there";
    if (layer.startCycle !== at) return "its layers do not follow each other";
    at += segment.cycles;
  }
  return at > MAX_CYCLES || at === 0 ? `it lasts ${at} cycles` : undefined;
}

function build({ header, segments }: Trace): Loaded {
  const { states } = header;
  const drafts: DraftSegment[] = [];
  for (const [i, columns] of segments.entries()) {
    const draft = splitLanes(header.segments[i]!, columns, header.lanes.length, states.length);
    if (typeof draft === "string") return refuse(`this is not a trace that can be read: ${draft}`);
    drafts.push({ ...draft, ...factsOf(header.segments[i]!, columns) });
  }
  const placements = header.layers.map((l): Placement => ({ segment: l.segment, start: l.startCycle }));
  const layers = header.layers.map((l): Layer => {
    const end = l.startCycle + header.segments[l.segment]!.cycles;
    return { name: cleanName(l.name, "layer"), kind: cleanName(l.kind, "layer"), start: l.startCycle, end };
  });
  const names = header.lanes.map((name, lane) => cleanName(name, `unit ${lane}`));
  const groups = groupsOf(drafts, names, states);
  const lanes = names.map((name, lane): LaneInfo => ({ name, group: groups[lane]! }));
  const clock = header.clockMHz;
  return {
    kind: "model",
    model: finish({
      format: "bitloom",
      workload: cleanName(header.workload, "run"),
      hardware: cleanName(header.hardware, ""),
      phase: cleanName(header.phase, ""),
      unit: "cycle",
      clockMHz: Number.isFinite(clock) && clock > 0 ? clock : undefined,
      cycles: layers.at(-1)!.end,
      lanes,
      states: states.map((s) => cleanName(s, "state")),
      segments: drafts,
      placements: placements.filter((p) => drafts[p.segment]!.cycles > 0),
      layers: layers.filter((l) => l.end > l.start),
      edges: undefined,
      buffers: buffersOf(header),
      peStates: (Array.isArray(header.peStates) ? header.peStates : [])
        .slice(0, MAX_STATES)
        .map((s) => cleanName(s, "state")),
      run: runOf(header),
      notes: [],
    }),
  };
}

/** Lengths become starts in place; the file says only lengths, so a lane of another sum than its segment is an error. */
function splitLanes(
  header: SegmentHeader,
  columns: SegmentColumns,
  lanes: number,
  states: number,
): DraftSegment | string {
  const starts = header.cycles < 2 ** 32 ? columns.cycles : timesOf(columns.cycles.length, header.cycles);
  const result: Columns[] = [];
  let first = 0;
  for (const count of header.counts) {
    let at = 0;
    for (let i = first; i < first + count; i++) {
      const cycles = columns.cycles[i]!;
      starts[i] = at;
      at += cycles;
      if (columns.state[i]! >= states) return `it uses state ${columns.state[i]}, and there are ${states}`;
      if (columns.culprit[i]! > lanes) return `it blames unit ${columns.culprit[i]! - 1}, and there are ${lanes}`;
      if (columns.op[i]! > header.ops.length) return `it names op ${columns.op[i]! - 1} of ${header.ops.length}`;
    }
    if (at !== header.cycles) return `a unit has ${at} cycles where its segment has ${header.cycles}`;
    const end = first + count;
    result.push({
      starts: starts.subarray(first, end),
      state: columns.state.subarray(first, end),
      op: columns.op.subarray(first, end),
      culprit: columns.culprit.subarray(first, end),
    });
    first = end;
  }
  const ops = header.ops.map((op) => ({
    name: cleanName(op?.name, "op"),
    ...(op?.span !== undefined && isCount(op.span.file) ? { span: op.span } : {}),
  }));
  return { cycles: header.cycles, lanes: result, ops };
}

function buffersOf({ counters }: TraceHeader): readonly BufferInfo[] {
  return (Array.isArray(counters) ? counters : []).map((c) => ({
    name: cleanName(c?.name, "buffer"),
    capacityBytes: isCount(c?.capacityBytes) ? c.capacityBytes : undefined,
  }));
}

/** Lengths become times; what makes no sense is left out, for the states are there without it. */
function factsOf(header: SegmentHeader, { folds, counters, pes }: SegmentColumns): SegmentFacts {
  const { bits, group } = header.codes ?? {};
  return {
    folds: folds && { ...folds, end: running(folds.cycles, header.cycles) },
    samples: counters?.map(({ cycles, value }) => ({ at: running(cycles, header.cycles), value })),
    codes: isCount(bits) && bits > 0 ? { bits, group: isCount(group) && group > 0 ? group : undefined } : undefined,
    pes: pesOf(header, pes),
  };
}

/** Runs of PEs with their ends in place of their lengths; undefined where those of a PE do not fill the segment. */
function pesOf({ cycles, peCounts }: SegmentHeader, pes: SegmentColumns["pes"]): PeStates | undefined {
  if (pes === undefined || peCounts === undefined || peCounts.length > MAX_PES) return undefined;
  const first = new Uint32Array(peCounts.length + 1);
  const end = pes.cycles;
  for (const [pe, count] of peCounts.entries()) {
    let at = 0;
    for (let i = first[pe]!; i < first[pe]! + count; i++) {
      at += end[i]!;
      end[i] = at;
    }
    if (at !== cycles) return undefined;
    first[pe + 1] = first[pe]! + count;
  }
  return { first, end, state: pes.state };
}

/** The sums of lengths, none beyond `most`. */
function running(lengths: Uint32Array, most: number): Times {
  const times = timesOf(lengths.length, most);
  let at = 0;
  lengths.forEach((length, i) => {
    at = Math.min(most, at + length);
    times[i] = at;
  });
  return times;
}

/** What the layers took, where every segment says it. */
function runOf(header: TraceHeader): Run | undefined {
  if (header.run === undefined) return undefined;
  const operations: Operation[] = [];
  for (const { name, kind, segment, startCycle } of header.layers) {
    const figures = header.segments[segment]!.figures;
    const operation = figures && readOperation({ ...figures, name, kind }, startCycle);
    if (operation === undefined || operation.cycles !== header.segments[segment]!.cycles) return undefined;
    operations.push(operation);
  }
  return readRun(header.run?.result, header.run?.machine, operations);
}

/** Units that do the same kind of work stand together. */
const GROUPS: readonly (readonly [group: string, busy: RegExp])[] = [
  ["Compute", /^busy:(contract|map)$/],
  ["Feeders", /^busy:(feed|decode)$/],
  ["Memory", /^busy:(load|store|read|write)$/],
];

/** The group of each unit; one that never works joins the unit whose name begins alike. */
function groupsOf(
  segments: readonly DraftSegment[],
  names: readonly string[],
  states: readonly string[],
): readonly string[] {
  const own = names.map((_, lane) => {
    const seen = statesSeen(segments.map((segment) => segment.lanes[lane]!));
    return GROUPS.find(([, busy]) => states.some((name, code) => seen[code] === 1 && busy.test(name)))?.[0];
  });
  const stem = (name: string): string => name.split("-", 1)[0]!;
  return names.map((name, lane) => {
    const alike = names.findIndex((other, i) => own[i] !== undefined && stem(other) === stem(name));
    return own[lane] ?? own[alike] ?? "Other";
  });
}
