/** GGUF (versions 2 and 3, little-endian): metadata, tensor infos, then aligned tensors of ggml's types. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { ByteSource } from "./byte-source.ts";
import { ELEMENTS, type StoredType } from "./elements.ts";
import { BLOCK_TYPES, decodeBlocks } from "./gguf-blocks.ts";
import { PACKED_KEY } from "./packed.ts";
import {
  bytesFor,
  checkOverlaps,
  countOf,
  type FileCode,
  type MetadataValue,
  reportFile,
  type TensorFile,
  type TensorInfo,
} from "./tensor-file.ts";

export const GGUF_MAGIC = [0x47, 0x47, 0x55, 0x46] as const;

const FIRST_WINDOW = 1 << 16;
/** Headers with their vocabularies take a few megabytes; what claims more than this is hostile. */
const MAX_HEADER_BYTES = 1 << 28;
/** Tensors, and metadata values. */
const MAX_ENTRIES = 1 << 20;
const MAX_AXES = 4;
const MAX_DEPTH = 4;
const DEFAULT_ALIGNMENT = 32;
/** Longer lists are measured and skipped. */
const MAX_ITEMS = 64;

/** GGUF's value types by number. */
const VALUE_TYPES = [
  "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64",
] as const; // biome-ignore format: a table
type ValueType = (typeof VALUE_TYPES)[number];

const STORED: ReadonlyMap<number, StoredType> = new Map(
  BLOCK_TYPES.map((block) => {
    const { name, valuesPerBlock, bytesPerBlock } = block;
    const decode = (bytes: Uint8Array): Float32Array => decodeBlocks(block, bytes) ?? new Float32Array(0);
    const own = { name, valuesPerBlock, bytesPerBlock, ...(block.decode === undefined ? {} : { decode }) };
    return [block.id, ELEMENTS.get(name) ?? own] as const;
  }),
);

/** A type of GGUF's by name. */
export function ggufTypeNamed(name: string): StoredType | undefined {
  return [...STORED.values()].find((type) => type.name === name);
}

/** Stops reading: the header goes on beyond the window, or is wrong at a place. */
type Stop =
  | { readonly kind: "more" }
  | { readonly kind: "wrong"; readonly code: FileCode; readonly start: number; readonly message: string };

/** A cursor over the part of the header read so far. After a stop every read gives zeros: callers look at `stop` in loops. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly size: number;
  at = 0;
  stop: Stop | undefined;

  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.size = size;
  }

  wrong(code: FileCode, start: number, message: string): void {
    this.stop ??= { kind: "wrong", code, start, message };
  }

  /** Where `length` bytes begin, having moved past them; -1 where there are not so many. */
  take(length: number, what: string): number {
    if (this.stop !== undefined) return -1;
    const start = this.at;
    if (length > this.size - start) this.wrong("file/truncated", start, `the file ends inside ${what}`);
    else if (start + length > this.#bytes.length) this.stop = { kind: "more" };
    if (this.stop !== undefined) return -1;
    this.at += length;
    return start;
  }

  u32(what: string): number {
    const at = this.take(4, what);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  /** A 64-bit count; larger than 2^53 is reported, since no file can hold it. */
  count(what: string): number {
    const at = this.take(8, what);
    if (at < 0) return 0;
    const value = this.#view.getBigUint64(at, true);
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    this.wrong("file/range", at, `${what} is ${value}, more than any file holds`);
    return 0;
  }

  string(what: string): string {
    const length = this.count(`the length of ${what}`);
    const at = this.take(length, what);
    return at < 0 ? "" : new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }

  scalar(type: Exclude<ValueType, "string" | "array">, what: string): number | bigint | boolean {
    const at = this.take(SIZES[type], what);
    if (at < 0) return 0;
    const view = this.#view;
    switch (type) {
      case "u8":
        return view.getUint8(at);
      case "i8":
        return view.getInt8(at);
      case "u16":
        return view.getUint16(at, true);
      case "i16":
        return view.getInt16(at, true);
      case "u32":
        return view.getUint32(at, true);
      case "i32":
        return view.getInt32(at, true);
      case "f32":
        return view.getFloat32(at, true);
      case "bool":
        return view.getUint8(at) !== 0;
      case "u64":
        return view.getBigUint64(at, true);
      case "i64":
        return view.getBigInt64(at, true);
      case "f64":
        return view.getFloat64(at, true);
    }
  }
}

const SIZES = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, u64: 8, i64: 8, f64: 8 } as const;

function valueType(cursor: Cursor, what: string): ValueType | undefined {
  const start = cursor.at;
  const id = cursor.u32(`the type of ${what}`);
  if (cursor.stop === undefined && VALUE_TYPES[id] === undefined)
    cursor.wrong("file/unsupported", start, `${what} has the unknown type ${id}`);
  return cursor.stop === undefined ? VALUE_TYPES[id] : undefined;
}

function readValue(cursor: Cursor, type: ValueType, what: string, depth: number): MetadataValue {
  if (type === "string") return cursor.string(what);
  if (type !== "array") return cursor.scalar(type, what);
  const start = cursor.at;
  const of = valueType(cursor, `the items of ${what}`);
  const length = cursor.count(`the length of ${what}`);
  if (of === undefined) return 0;
  if (depth >= MAX_DEPTH) cursor.wrong("file/range", start, `${what} is nested more than ${MAX_DEPTH} deep`);
  if (of !== "string" && of !== "array" && length > MAX_ITEMS) {
    if (length > Number.MAX_SAFE_INTEGER / 8) cursor.wrong("file/range", start, `${what} has ${length} items`);
    cursor.take(length * SIZES[of], what);
    return { kind: "list", of, length };
  }
  const items: MetadataValue[] = [];
  for (let i = 0; i < length && cursor.stop === undefined; i++) {
    const item = readValue(cursor, of, what, depth + 1);
    if (length <= MAX_ITEMS) items.push(item);
  }
  return { kind: "list", of, length, ...(length <= MAX_ITEMS ? { items } : {}) };
}

/** A tensor info as stored: its offset counts from the first tensor's place. */
type RawTensor = Omit<TensorInfo, "span"> & { readonly end: number; readonly from: number };

interface Header {
  readonly metadata: Map<string, MetadataValue>;
  readonly tensors: readonly RawTensor[];
  readonly raw: NonNullable<TensorFile["raw"]>;
  /** Where the tensors' bytes begin. */
  readonly begin: number;
}

function readHeader(cursor: Cursor): Header {
  const metadata = new Map<string, MetadataValue>();
  const tensors: RawTensor[] = [];
  cursor.take(4, "the magic number");
  const version = cursor.u32("the version");
  if (cursor.stop === undefined && version !== 2 && version !== 3) {
    const swapped = version >= 0x02000000 && version % 0x01000000 === 0;
    const what = swapped ? "the file is big-endian, which is not read" : `GGUF version ${version} is not read`;
    cursor.wrong("file/unsupported", 4, what);
  }
  const tensorCount = cursor.count("the number of tensors");
  const valueCount = cursor.count("the number of metadata values");
  if (Math.max(tensorCount, valueCount) > MAX_ENTRIES) {
    const message = `the header claims ${tensorCount} tensors and ${valueCount} values; at most ${MAX_ENTRIES} are allowed`;
    cursor.wrong("file/range", 8, message);
  }
  const rawStart = cursor.at;
  let last = { key: "", start: rawStart };
  for (let i = 0; i < valueCount && cursor.stop === undefined; i++) {
    const start = cursor.at;
    const key = cursor.string("a metadata key");
    last = { key, start };
    if (metadata.has(key)) cursor.wrong("file/duplicate", start, `metadata \`${key}\` stands twice`);
    const type = valueType(cursor, `metadata \`${key}\``);
    if (type !== undefined) metadata.set(key, readValue(cursor, type, `metadata \`${key}\``, 0));
  }
  // Our own record, which writers put last, is written anew.
  const isOurs = last.key === PACKED_KEY;
  const rawEnd = isOurs ? last.start : cursor.at;
  for (let i = 0; i < tensorCount && cursor.stop === undefined; i++) {
    const tensor = readTensor(cursor);
    if (tensor !== undefined) tensors.push(tensor);
  }
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== "number" || !Number.isInteger(Math.log2(alignment)) || alignment < 1)
    cursor.wrong("file/header", 0, `the alignment ${String(alignment)} is no power of two`);
  const unit = typeof alignment === "number" ? alignment : 1;
  const raw = { start: rawStart, end: rawEnd, count: valueCount - (isOurs ? 1 : 0), alignment: unit };
  return { metadata, tensors, raw, begin: Math.ceil(cursor.at / unit) * unit };
}

function readTensor(cursor: Cursor): RawTensor | undefined {
  const from = cursor.at;
  const name = cursor.string("a tensor's name");
  const axes = cursor.u32(`the number of axes of \`${name}\``);
  if (axes > MAX_AXES) cursor.wrong("file/range", from, `tensor \`${name}\` has ${axes} axes; GGUF has at most 4`);
  const shape: number[] = [];
  for (let i = 0; i < axes && cursor.stop === undefined; i++) shape.unshift(cursor.count(`an extent of \`${name}\``));
  const id = cursor.u32(`the type of \`${name}\``);
  const start = cursor.count(`the offset of \`${name}\``);
  if (cursor.stop !== undefined) return undefined;
  const type = STORED.get(id);
  if (type === undefined) {
    cursor.wrong("file/unsupported", from, `tensor \`${name}\` has the unknown type ${id}`);
    return undefined;
  }
  const values = countOf(shape);
  const rows = (shape.at(-1) ?? 1) % type.valuesPerBlock === 0;
  const bytes = values === undefined || !rows ? undefined : bytesFor(type, values);
  if (bytes === undefined) {
    const why = rows ? "has too many values" : `does not have rows of whole ${type.valuesPerBlock}-value blocks`;
    cursor.wrong("file/range", from, `tensor \`${name}\` of shape [${shape.join(", ")}] and type ${type.name} ${why}`);
    return undefined;
  }
  return { name, type, shape, start, bytes, from, end: cursor.at };
}

/** Reads metadata and tensor infos, a growing piece of the file at a time. Reports what is wrong and returns undefined. */
export async function readGguf(source: ByteSource, sink: Diagnostics, file = 0): Promise<TensorFile | undefined> {
  for (let window = FIRST_WINDOW; ; window *= 4) {
    const cursor = new Cursor(await source.read(0, Math.min(window, source.size)), source.size);
    const header = readHeader(cursor);
    const { stop } = cursor;
    if (stop === undefined) return finish(header, source.size, sink, file);
    if (stop.kind === "wrong") return reportFile(sink, stop.code, file, stop.start, cursor.at, stop.message);
    if (window >= MAX_HEADER_BYTES) {
      const message = `the header is longer than ${MAX_HEADER_BYTES} bytes`;
      return reportFile(sink, "file/range", file, 0, MAX_HEADER_BYTES, message);
    }
  }
}

function finish(header: Header, size: number, sink: Diagnostics, file: number): TensorFile | undefined {
  const tensors: TensorInfo[] = [];
  const names = new Set<string>();
  for (const { from, end, ...tensor } of header.tensors) {
    const start = header.begin + tensor.start;
    if (start > size || tensor.bytes > size - start) {
      const message = `tensor \`${tensor.name}\` ends at byte ${start + tensor.bytes}, the file at byte ${size}`;
      return reportFile(sink, "file/truncated", file, from, end, message);
    }
    if (names.has(tensor.name))
      return reportFile(sink, "file/duplicate", file, from, end, `tensor \`${tensor.name}\` stands twice`);
    names.add(tensor.name);
    tensors.push({ ...tensor, start, span: { file, start: from, end } });
  }
  if (!checkOverlaps(tensors, sink)) return undefined;
  return { container: "gguf", metadata: header.metadata, tensors, raw: header.raw };
}
