/** Writes GGUF (version 3): a header of metadata and tensor infos, then aligned tensors whose bytes follow later. */
import { internal } from "../../ir/diagnostics.ts";
import { BLOCK_TYPES, type BlockType } from "./gguf-blocks.ts";
import { bytesFor, countOf } from "./tensor-file.ts";

const ALIGNMENT = 32;
const STRING = 8;
const UINT32 = 4;

export interface NewGgufTensor {
  readonly name: string;
  readonly type: BlockType;
  /** Slowest axis first. */
  readonly shape: readonly number[];
}

export interface GgufPlan {
  readonly header: Uint8Array<ArrayBuffer>;
  readonly starts: readonly number[];
  readonly bytes: readonly number[];
  readonly size: number;
}

/** Metadata that another GGUF file had: its bytes as they stand, how many values they are, the alignment they demand. */
export interface RawMetadata {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly alignment: number;
}

/** Collects little-endian numbers and length-prefixed texts. */
class Bytes {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  u32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.raw(bytes);
  }

  u64(value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return this.raw(bytes);
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  joined(size: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(size);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

/** The type with this name, which GGUF can store. */
export function ggufType(name: string): BlockType | undefined {
  return BLOCK_TYPES.find((t) => t.name === name);
}

/**
 * Lays out a file. `texts` are metadata of our own beside those of `raw`. A header that will be written again when more is
 * known is laid out with room to spare: `headerBytes` is what the first one took.
 */
export function layOutGguf(
  tensors: readonly NewGgufTensor[],
  texts: Readonly<Record<string, string>>,
  raw?: RawMetadata,
  headerBytes = 0,
): GgufPlan {
  const own = Object.entries(texts);
  const unit = raw?.alignment ?? ALIGNMENT;
  const aligned = (n: number): number => Math.ceil(n / unit) * unit;
  const head = new Bytes().raw(new TextEncoder().encode("GGUF")).u32(3).u64(tensors.length);
  // The number of a type and of its rounding rules, which readers ask for.
  const isNew = raw === undefined;
  head.u64(own.length + (raw?.count ?? 0) + (isNew ? 2 : 0));
  if (raw !== undefined) head.raw(raw.bytes);
  else {
    head.text("general.alignment").u32(UINT32).u32(ALIGNMENT);
    head.text("general.quantization_version").u32(UINT32).u32(2);
  }
  const infos = new Bytes();
  const [starts, bytes]: [number[], number[]] = [[], []];
  let at = 0;
  for (const { name, type, shape } of tensors) {
    const { valuesPerBlock, bytesPerBlock } = type;
    const size =
      bytesFor({ name, valuesPerBlock, bytesPerBlock }, countOf(shape) ?? internal(`${shape}`)) ??
      internal(`${name} of ${shape}`);
    infos.text(name).u32(shape.length);
    for (const extent of [...shape].reverse()) infos.u64(extent);
    infos.u32(type.id).u64(at);
    starts.push(at);
    bytes.push(size);
    at = aligned(at + size);
  }
  // The last text takes up the room that a second header leaves.
  const fixed = own.slice(0, -1);
  for (const [key, value] of fixed) head.text(key).u32(STRING).text(value);
  const [key, value] = own.at(-1) ?? internal("metadata of our own");
  const before = head.length + 8 + new TextEncoder().encode(key).length + 4 + 8;
  const wanted = Math.max(before + new TextEncoder().encode(value).length + infos.length, headerBytes);
  const padding = headerBytes === 0 ? 0 : wanted - (before + new TextEncoder().encode(value).length + infos.length);
  head
    .text(key)
    .u32(STRING)
    .text(value + " ".repeat(padding));
  head.raw(infos.joined(infos.length));
  const begin = aligned(head.length);
  return { header: head.joined(begin), starts: starts.map((s) => s + begin), bytes, size: begin + at };
}
