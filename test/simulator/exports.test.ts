/** Kanata and Perfetto files of real traces, read by parsers that are not ours: they hold every slice, once and in order. */
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { kanataTrace } from "../../simulator/export-kanata.ts";
import { perfettoTrace } from "../../simulator/export-perfetto.ts";
import { simulate } from "../../simulator/simulate.ts";
import { slicesOf, type Trace } from "../../simulator/trace.ts";
import { machineWith } from "./machines.ts";

const trace: Trace = simulate(
  {
    workload: {
      ...{ name: "tiny", hidden: 32, feedForward: 40, blocks: 1, heads: 2, keyValueHeads: 1, headSize: 16 },
      vocabulary: 40,
    },
    hardware: machineWith({
      ...{ rows: 8, columns: 8, dataflow: "ws", overlap: { shadowRegisters: true }, capacityBytes: 4096 },
      ...{ bytesPerCycle: 16, latencyCycles: 20, requestBytes: 64, codesPerCycle: 8, elementsPerCycle: 8 },
    }),
    ...{ phase: "prefill", batch: 1, context: 12, weights: 4, trace: true },
  },
  tileMachine,
  new Diagnostics(),
)!.trace!;

interface Seen {
  readonly start: number;
  readonly cycles: number;
  readonly state: string;
  readonly layer: string;
  readonly culprit: string | undefined;
}

/** What must be in a file, lane by lane. */
const expected = (window = [0, Number.POSITIVE_INFINITY]): readonly (readonly Seen[])[] =>
  trace.header.lanes.map((_, lane) =>
    [...slicesOf(trace, lane)]
      .filter((s) => s.state !== "idle" && s.start >= window[0]! && s.start < window[1]!)
      .map(({ start, cycles, state, culprit, layer }) => ({
        ...{ start, cycles, state, culprit, layer: trace.header.layers[layer]!.name },
      })),
  );

/** The messages of protos/perfetto/trace that a reader of slices needs, with Perfetto's own names and numbers. */
const PROTO = `syntax = "proto2";
message Trace { repeated TracePacket packet = 1; }
message TracePacket {
  optional uint64 timestamp = 8; optional uint32 trusted_packet_sequence_id = 10; optional TrackEvent track_event = 11;
  optional InternedData interned_data = 12; optional uint32 sequence_flags = 13; optional TrackDescriptor track_descriptor = 60;
}
message ProcessDescriptor { optional int32 pid = 1; optional string process_name = 6; }
message TrackDescriptor {
  enum ChildTracksOrdering { UNKNOWN = 0; LEXICOGRAPHIC = 1; CHRONOLOGICAL = 2; EXPLICIT = 3; }
  enum SiblingMergeBehavior { UNSPECIFIED = 0; BY_TRACK_NAME = 1; NONE = 2; BY_KEY = 3; }
  optional uint64 uuid = 1; optional string name = 2; optional ProcessDescriptor process = 3; optional uint64 parent_uuid = 5;
  optional ChildTracksOrdering child_ordering = 11; optional int32 sibling_order_rank = 12;
  optional SiblingMergeBehavior sibling_merge_behavior = 15;
}
message TrackEvent {
  enum Type { TYPE_UNSPECIFIED = 0; TYPE_SLICE_BEGIN = 1; TYPE_SLICE_END = 2; TYPE_INSTANT = 3; TYPE_COUNTER = 4; }
  repeated uint64 category_iids = 3; repeated DebugAnnotation debug_annotations = 4; optional Type type = 9;
  optional uint64 name_iid = 10; optional uint64 track_uuid = 11;
}
message DebugAnnotation { optional uint64 name_iid = 1; optional uint64 uint_value = 3; optional uint64 string_value_iid = 17; }
message InternedString { optional uint64 iid = 1; optional bytes str = 2; }
message Named { optional uint64 iid = 1; optional string name = 2; }
message InternedData {
  repeated Named event_categories = 1; repeated Named event_names = 2; repeated Named debug_annotation_names = 3;
  repeated InternedString debug_annotation_string_values = 29;
}`;

interface Packet {
  readonly timestamp?: number;
  readonly trustedPacketSequenceId: number;
  readonly sequenceFlags: number;
  readonly trackDescriptor?: { readonly uuid: number; readonly name?: string; readonly parentUuid?: number };
  readonly trackEvent?: {
    readonly type: string;
    readonly trackUuid: number;
    readonly nameIid?: number;
    readonly debugAnnotations?: readonly {
      readonly nameIid: number;
      readonly uintValue?: number;
      readonly stringValueIid?: number;
    }[];
  };
  readonly internedData?: Readonly<
    Record<string, readonly { readonly iid: number; readonly name?: string; readonly str?: string }[]>
  >;
}

function packetsOf(pieces: Iterable<Uint8Array>): readonly Packet[] {
  const type = protobuf.parse(PROTO).root.lookupType("Trace");
  const decoded = type.decode(Buffer.concat([...pieces]));
  expect(type.verify(decoded)).toBeNull();
  return type.toObject(decoded, { longs: Number, enums: String, bytes: String }).packet as Packet[];
}

/** For what is checked of every line of a file: much faster than `expect`. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

describe("Perfetto", () => {
  it.each([[undefined], [[100, 600]]] as const)("holds every slice of every lane, window %j", (window) => {
    const packets = packetsOf(perfettoTrace(trace, window === undefined ? {} : { from: window[0], to: window[1] }));
    const [first] = packets;
    expect([first?.sequenceFlags, new Set(packets.map((p) => p.trustedPacketSequenceId))]).toEqual([3, new Set([1])]);
    const tracks = new Map(
      packets.flatMap((p) => (p.trackDescriptor ? [[p.trackDescriptor.uuid, p.trackDescriptor]] : [])),
    );
    const known: Record<string, Map<number, string>> = {};
    const open = new Map<number, { readonly at: number; readonly seen: Omit<Seen, "cycles"> }>();
    const seen = new Map<string, Seen[]>();
    let last = 0;
    for (const { trackEvent, internedData, timestamp = 0 } of packets) {
      for (const [table, entries] of Object.entries(internedData ?? {}))
        for (const { iid, name, str } of entries) {
          known[table] ??= new Map();
          known[table].set(iid, name ?? Buffer.from(str ?? "", "base64").toString());
        }
      if (trackEvent === undefined) continue;
      must(timestamp >= last, "packets in the order of time");
      last = timestamp;
      const { type, trackUuid, nameIid = 0, debugAnnotations = [] } = trackEvent;
      const name = tracks.get(trackUuid)!.name!;
      if (type === "TYPE_SLICE_BEGIN") {
        must(!open.has(trackUuid), "one slice at a time");
        const notes = new Map(
          debugAnnotations.map((a) => [
            known.debugAnnotationNames!.get(a.nameIid),
            a.uintValue ?? known.debugAnnotationStringValues!.get(a.stringValueIid!),
          ]),
        );
        const kind = known.eventNames!.get(nameIid)!;
        const state = kind.startsWith("stall.") ? kind.replace(".", ":") : `busy:${kind}`;
        const layer = String(notes.get("layer"));
        const culprit = notes.get("culprit") as string | undefined;
        open.set(trackUuid, { at: timestamp, seen: { start: timestamp / 1000, state, layer, culprit } });
        continue;
      }
      must(type === "TYPE_SLICE_END", type);
      const begun = open.get(trackUuid)!;
      open.delete(trackUuid);
      const lane = name.replace(" ▸ stall", "");
      must(name.endsWith("stall") === begun.seen.state.startsWith("stall:"), "stalls have their own track");
      const list = seen.get(lane) ?? [];
      seen.set(lane, list);
      list.push({ ...begun.seen, cycles: (timestamp - begun.at) / 1000 });
    }
    expect(open.size).toBe(0);
    trace.header.lanes.forEach((name, lane) => {
      const sorted = (seen.get(name) ?? []).sort((a, b) => a.start - b.start);
      expect(sorted).toEqual(expected(window === undefined ? undefined : [...window])[lane]);
    });
    if (window === undefined) expect(seen.get("layer")?.length).toBe(trace.header.layers.length);
  });
});

interface Row {
  readonly thread: number;
  label: string;
  readonly open: Map<string, { readonly stage: string; readonly start: number }>;
  retired: boolean;
}

/** Kanata 0004 as its documentation defines it, strictly; stages as slices. */
function readLog(text: string) {
  const lines = text.split("\n");
  expect(lines.slice(0, 2)).toEqual(["Kanata\t0004", "C=\t0"]);
  expect(lines.pop()).toBe("");
  const rows: Row[] = [];
  const stages: { lane: number; slot: string; stage: string; start: number; end: number }[] = [];
  const arrows: [consumer: number, producer: number][] = [];
  let now = 0;
  const retired: number[] = [];
  const row = (id: string | undefined): Row => {
    const found = rows[Number(id)]!;
    must(!found.retired, "a row that is not retired");
    return found;
  };
  const close = (r: Row, slot: string, stage?: string): void => {
    const begun = r.open.get(slot);
    if (begun === undefined) return;
    must(stage === undefined || stage === begun.stage, "stages end by their names");
    stages.push({ lane: r.thread, slot, stage: begun.stage, start: begun.start, end: now });
    r.open.delete(slot);
  };
  for (const line of lines.slice(2)) {
    const [command, a, b, c] = line.split("\t");
    if (command === "C") {
      must(Number(a) > 0, "time goes forwards");
      now += Number(a);
    } else if (command === "I") {
      must(Number(a) === rows.length, "dense numbers");
      rows.push({ thread: Number(c), label: "", open: new Map(), retired: false });
    } else if (command === "L") {
      if (b === "0") row(a).label += c;
    } else if (command === "S") {
      close(row(a), b!);
      row(a).open.set(b!, { stage: c!, start: now });
    } else if (command === "E") close(row(a), b!, c);
    else if (command === "W") {
      must(!row(a).retired && Number(b) < Number(a) && c === "0", "arrows come from before");
      arrows.push([Number(a), Number(b)]);
    } else {
      must(command === "R", `${command}`);
      const r = row(a);
      for (const slot of [...r.open.keys()]) close(r, slot);
      r.retired = true;
      retired.push(Number(b));
    }
  }
  expect(rows.every((r) => r.retired)).toBe(true);
  expect(retired).toEqual(retired.map((_, i) => i));
  return { rows, stages, arrows };
}

describe("Kanata", () => {
  it.each([[undefined], [[100, 600]]] as const)("holds every slice as a stage, window %j", (window) => {
    const text = [...kanataTrace(trace, window === undefined ? {} : { from: window[0], to: window[1] })].join("");
    const { rows, stages, arrows } = readLog(text);
    trace.header.lanes.forEach((name, lane) => {
      const found = stages
        .filter((s) => s.lane === lane)
        .map(({ slot, stage, start, end }) => ({
          state: slot === "1" ? stage.replace("stl.", "stall:") : stage.replace("X", "busy:"),
          ...{ start: start - 1, cycles: end - start },
        }))
        .sort((a, b) => a.start - b.start);
      const wanted = expected(window === undefined ? undefined : [...window])[lane]!;
      expect(found).toEqual(wanted.map(({ state, start, cycles }) => ({ state, start, cycles })));
      expect(rows.filter((r) => r.thread === lane && !r.label.startsWith(name))).toEqual([]);
    });
    // Arrows come from the unit that a row waited for.
    expect(arrows.length).toBeGreaterThan(window === undefined ? 20 : 2);
    expect(arrows.filter(([consumer, producer]) => rows[consumer]!.thread === rows[producer]!.thread)).toEqual([]);
  });
});
