/** Perfetto's own format: a stream of protobuf packets. 1 cycle = 1 µs; one track a unit, one below it for its stalls. */
import type { Slice, Trace } from "./trace.ts";
import { traceEvents, type Window } from "./trace-events.ts";

/** Bytes are given out in pieces of about this length. */
const PIECE = 1 << 16;
const NS_PER_CYCLE = 1000;

/** Writes protobuf's wire format: https://protobuf.dev/programming-guides/encoding. */
class Wire {
  #bytes = new Uint8Array(256);
  length = 0;

  #push(byte: number): void {
    if (this.length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.length++] = byte;
  }

  /** An unsigned number below 2^53. */
  #number(value: number): void {
    let left = value;
    while (left >= 0x80) {
      this.#push((left % 0x80) + 0x80);
      left = Math.floor(left / 0x80);
    }
    this.#push(left);
  }

  varint(field: number, value: number): this {
    this.#number(field * 8);
    this.#number(value);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#number(field * 8 + 2);
    this.#number(value.length);
    for (const byte of value) this.#push(byte);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, inner: Wire): this {
    return this.bytes(field, inner.done());
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/** Field numbers of protos/perfetto/trace: those that are written here. */
const TRACE = { packet: 1 } as const;
const PACKET = { timestamp: 8, sequence: 10, event: 11, interned: 12, flags: 13, track: 60 } as const;
const TRACK = { uuid: 1, name: 2, process: 3, parent: 5, ordering: 11, rank: 12, merging: 15 } as const;
const EVENT = { categories: 3, annotations: 4, type: 9, name: 10, track: 11 } as const;
const INTERNED = { categories: 1, names: 2, annotationNames: 3, texts: 29 } as const;
const ANNOTATION = { name: 1, uint: 3, text: 17 } as const;

const SEQUENCE = 1;
const EXPLICIT = 3;
const NEVER_MERGED = 2;
const BEGIN = 1;
const END = 2;
const CLEARED = 1;
const NEEDS_INTERNED = 2;

const PROCESS = 1;
const LAYERS = 2;
/** A lane's track; the stalls of a lane have the next number. */
const trackOf = (lane: number): number => 10 * (lane + 1);

type Table = "categories" | "names" | "annotationNames" | "texts";

/** Texts that are written once and named by a number from then on. */
class Interned {
  readonly #known: Readonly<Record<Table, Map<string, number>>> = {
    categories: new Map(),
    names: new Map(),
    annotationNames: new Map(),
    texts: new Map(),
  };
  #fresh: Wire | undefined;

  id(table: Table, text: string): number {
    const known = this.#known[table];
    const found = known.get(text);
    if (found !== undefined) return found;
    known.set(text, known.size + 1);
    this.#fresh ??= new Wire();
    this.#fresh.message(INTERNED[table], new Wire().varint(1, known.size).text(2, text));
    return known.size;
  }

  /** What has become known since the last packet. */
  take(): Wire | undefined {
    const fresh = this.#fresh;
    this.#fresh = undefined;
    return fresh;
  }
}

function track(uuid: number, name: string, parent: number, rank: number): Wire {
  const descriptor = new Wire().varint(TRACK.uuid, uuid).text(TRACK.name, name).varint(TRACK.parent, parent);
  return descriptor.varint(TRACK.rank, rank).varint(TRACK.merging, NEVER_MERGED);
}

/** All tracks: the machine as a process, its layers, its units and their stalls, in this order. */
function* tracks({ header }: Trace): Generator<Wire, void> {
  const title = `${header.workload}, ${header.phase} on ${header.hardware} (1 us = 1 cycle)`;
  const process = new Wire().varint(1, 1).text(6, title);
  yield new Wire().varint(TRACK.uuid, PROCESS).message(TRACK.process, process).varint(TRACK.ordering, EXPLICIT);
  yield track(LAYERS, "layer", PROCESS, 0);
  for (const [lane, name] of header.lanes.entries()) {
    yield track(trackOf(lane), name, PROCESS, 2 * lane + 1);
    yield track(trackOf(lane) + 1, `${name} ▸ stall`, PROCESS, 2 * lane + 2);
  }
}

/** The file in pieces; joined they are one `perfetto.protos.Trace`. */
export function* perfettoTrace(trace: Trace, window: Window = {}): Generator<Uint8Array, void> {
  const interned = new Interned();
  let piece = new Wire();
  let flags = CLEARED + NEEDS_INTERNED;
  const packet = (fill: (packet: Wire) => void): void => {
    const inner = new Wire();
    fill(inner);
    const fresh = interned.take();
    if (fresh !== undefined) inner.message(PACKET.interned, fresh);
    inner.varint(PACKET.sequence, SEQUENCE).varint(PACKET.flags, flags);
    flags = NEEDS_INTERNED;
    piece.message(TRACE.packet, inner);
  };
  for (const descriptor of tracks(trace)) packet((p) => p.message(PACKET.track, descriptor));
  for (const { kind, cycle, lane, slice } of traceEvents(trace, window)) {
    const event = new Wire()
      .varint(EVENT.type, kind === "begin" ? BEGIN : END)
      .varint(EVENT.track, uuidOf(lane, slice));
    if (kind === "begin") describe(event, trace, slice, interned);
    packet((p) => p.varint(PACKET.timestamp, cycle * NS_PER_CYCLE).message(PACKET.event, event));
    if (piece.length < PIECE) continue;
    yield piece.done();
    piece = new Wire();
  }
  yield piece.done();
}

const uuidOf = (lane: number, { state }: Slice): number =>
  lane < 0 ? LAYERS : trackOf(lane) + (state.startsWith("stall:") ? 1 : 0);

/** Names are kinds alone, so that viewers give one kind one colour; the rest is in annotations. */
function describe(event: Wire, trace: Trace, slice: Slice, interned: Interned): void {
  const [what = "", kind = ""] = slice.state.split(":");
  event.varint(EVENT.name, interned.id("names", what === "stall" ? slice.state.replace(":", ".") : kind));
  event.varint(EVENT.categories, interned.id("categories", what));
  const text = (name: string, value: string | undefined): void => {
    if (value === undefined) return;
    const note = new Wire().varint(ANNOTATION.name, interned.id("annotationNames", name));
    event.message(EVENT.annotations, note.varint(ANNOTATION.text, interned.id("texts", value)));
  };
  text("layer", trace.header.layers[slice.layer]?.name);
  text("op", slice.op?.name);
  text("culprit", slice.culprit);
  const cycles = new Wire().varint(ANNOTATION.name, interned.id("annotationNames", "cycles"));
  event.message(EVENT.annotations, cycles.varint(ANNOTATION.uint, slice.cycles));
}
