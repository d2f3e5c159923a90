/** safetensors: eight bytes with the header's length, the header as JSON, then the tensors without gaps. */

import { describeJson, type JsonMember, type JsonNode, parseJson } from "../../hw-models/json.ts";
import { Diagnostics, internal, type Span } from "../../ir/diagnostics.ts";
import type { ByteSource } from "./byte-source.ts";
import { ELEMENTS } from "./elements.ts";
import {
  bytesFor,
  checkOverlaps,
  countOf,
  type FileCode,
  reportFile,
  type TensorFile,
  type TensorInfo,
} from "./tensor-file.ts";

/** Bytes of the length that stands before the header. */
const PREFIX = 8;
/** The reference implementation takes 100 MB; real headers stay far below this. */
const MAX_HEADER_BYTES = 1 << 24;

/** Where in the file a place of the header's text is. */
type Place = (span: Span) => readonly [start: number, end: number];

/** Header text and what maps its UTF-16 offsets to bytes of the file. */
function placesIn(text: string, bytes: number): Place {
  if (text.length === bytes) return ({ start, end }) => [PREFIX + start, PREFIX + end];
  const encoder = new TextEncoder();
  const byteAt = (offset: number): number => PREFIX + encoder.encode(text.slice(0, offset)).length;
  return ({ start, end }) => [byteAt(start), byteAt(end)];
}

/** Reads the header. Reports what is wrong with it and returns undefined. */
export async function readSafetensors(
  source: ByteSource,
  sink: Diagnostics,
  file = 0,
): Promise<TensorFile | undefined> {
  if (source.size < PREFIX) {
    const message = `a safetensors file begins with 8 bytes of header length; this one has ${source.size}`;
    return reportFile(sink, "file/truncated", file, 0, source.size, message);
  }
  const prefix = await source.read(0, PREFIX);
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    const message = `the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`;
    return reportFile(sink, "file/range", file, 0, PREFIX, message);
  }
  if (length > source.size - PREFIX) {
    const message = `the header claims ${length} bytes; the file has ${source.size - PREFIX} after its length`;
    return reportFile(sink, "file/truncated", file, 0, PREFIX, message);
  }
  const text = utf8(await source.read(PREFIX, length));
  if (text === undefined)
    return reportFile(sink, "file/header", file, PREFIX, PREFIX + length, "the header is not UTF-8 text");
  const place = placesIn(text, length);
  const json = new Diagnostics();
  const root = parseJson(text, file, json);
  if (root === undefined) {
    const { span, message, code } = json.list[0] ?? internal("a parser that gave up says why");
    const [start, end] = place(span);
    return reportFile(sink, code === "json/duplicate" ? "file/duplicate" : "file/header", file, start, end, message);
  }
  return new HeaderReader(sink, file, place, PREFIX + length, source.size).read(root);
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Turns a parsed header into tensors. */
class HeaderReader {
  readonly #sink: Diagnostics;
  readonly #file: number;
  readonly #place: Place;
  /** Where the tensors' bytes begin and end. */
  readonly #begin: number;
  readonly #end: number;

  constructor(sink: Diagnostics, file: number, place: Place, begin: number, end: number) {
    this.#sink = sink;
    this.#file = file;
    this.#place = place;
    this.#begin = begin;
    this.#end = end;
  }

  #fail(code: FileCode, span: Span, message: string): undefined {
    const [start, end] = this.#place(span);
    return reportFile(this.#sink, code, this.#file, start, end, message);
  }

  read(root: JsonNode): TensorFile | undefined {
    if (root.kind !== "object")
      return this.#fail("file/header", root.span, `the header is an object, not ${describeJson(root)}`);
    const metadata = new Map<string, string>();
    const tensors: TensorInfo[] = [];
    for (const member of root.members) {
      const done =
        member.key === "__metadata__" ? this.#metadata(member.value, metadata) : this.#tensor(member, tensors);
      if (!done) return undefined;
    }
    if (!this.#isDense(tensors, root.span)) return undefined;
    return { container: "safetensors", metadata, tensors };
  }

  #metadata(node: JsonNode, into: Map<string, string>): boolean {
    if (node.kind !== "object") {
      this.#fail("file/header", node.span, `\`__metadata__\` is an object of texts, not ${describeJson(node)}`);
      return false;
    }
    for (const { key, value } of node.members) {
      if (value.kind !== "string") {
        this.#fail("file/header", value.span, `metadata \`${key}\` is a text, not ${describeJson(value)}`);
        return false;
      }
      into.set(key, value.value);
    }
    return true;
  }

  #tensor({ key, keySpan, value }: JsonMember, into: TensorInfo[]): boolean {
    const fields = new Map(value.kind === "object" ? value.members.map((m) => [m.key, m.value]) : []);
    const dtype = fields.get("dtype");
    const shape = this.#numbers(fields.get("shape"));
    const offsets = this.#numbers(fields.get("data_offsets"));
    if (dtype?.kind !== "string" || shape === undefined || offsets?.length !== 2) {
      const message = `tensor \`${key}\` needs a \`dtype\`, a \`shape\` of whole numbers and two \`data_offsets\``;
      this.#fail("file/header", value.span, message);
      return false;
    }
    const type = ELEMENTS.get(dtype.value);
    if (type === undefined) {
      this.#fail("file/unsupported", dtype.span, `tensor \`${key}\` has the unknown type \`${dtype.value}\``);
      return false;
    }
    const values = countOf(shape);
    const bytes = values === undefined ? undefined : bytesFor(type, values);
    if (bytes === undefined) {
      this.#fail("file/range", value.span, `tensor \`${key}\` of shape [${shape.join(", ")}] has too many values`);
      return false;
    }
    const [from, to] = offsets as [number, number];
    if (to < from || to - from !== bytes) {
      const message = `tensor \`${key}\` needs ${bytes} bytes, its offsets [${from}, ${to}] are ${to - from} apart`;
      this.#fail("file/range", value.span, message);
      return false;
    }
    if (to > this.#end - this.#begin) {
      const message = `tensor \`${key}\` ends at byte ${this.#begin + to}, the file at byte ${this.#end}`;
      this.#fail("file/truncated", value.span, message);
      return false;
    }
    const [start] = this.#place(keySpan);
    const [, end] = this.#place(value.span);
    into.push({ name: key, type, shape, start: this.#begin + from, bytes, span: { file: this.#file, start, end } });
    return true;
  }

  #numbers(node: JsonNode | undefined): readonly number[] | undefined {
    if (node?.kind !== "array") return undefined;
    const values = node.items.map((item) => (item.kind === "number" ? item.value : Number.NaN));
    return values.every((v) => Number.isSafeInteger(v) && v >= 0) ? values : undefined;
  }

  /** The format allows neither overlaps nor bytes that belong to no tensor. */
  #isDense(tensors: readonly TensorInfo[], span: Span): boolean {
    if (!checkOverlaps(tensors, this.#sink)) return false;
    const used = tensors.reduce((sum, t) => sum + t.bytes, 0);
    if (used === this.#end - this.#begin) return true;
    const unused = this.#end - this.#begin - used;
    this.#fail("file/range", span, `${unused} bytes of the file belong to no tensor`);
    return false;
  }
}

/** A tensor to be written: its bytes follow later, at the place that `layOutSafetensors` gives it. */
export interface NewTensor {
  readonly name: string;
  /** A key of `ELEMENTS`. */
  readonly type: string;
  readonly shape: readonly number[];
}

export interface SafetensorsPlan {
  /** Length prefix and header: the first bytes of the file. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** Where each tensor begins in the file, in the order given. */
  readonly starts: readonly number[];
  readonly bytes: readonly number[];
  /** Size of the whole file. */
  readonly size: number;
}

/**
 * Lays out a file: tensors in the order given, header padded so that they begin at a multiple of 8. A header that will be
 * written again when more is known is laid out with room to spare: `headerBytes` is what the first one took.
 */
export function layOutSafetensors(
  tensors: readonly NewTensor[],
  metadata: Readonly<Record<string, string>> = {},
  headerBytes = 0,
): SafetensorsPlan {
  const entries: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) entries.__metadata__ = metadata;
  const starts: number[] = [];
  const bytes: number[] = [];
  let at = 0;
  for (const { name, type, shape } of tensors) {
    const size = bytesFor(ELEMENTS.get(type) ?? internal(`no type ${type}`), countOf(shape) ?? internal(`${shape}`));
    if (size === undefined || name === "__metadata__" || Object.hasOwn(entries, name)) internal(`tensor ${name}`);
    entries[name] = { dtype: type, shape, data_offsets: [at, at + size] };
    starts.push(at);
    bytes.push(size);
    at += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(entries));
  const length = Math.max(Math.ceil(text.length / 8) * 8, headerBytes - PREFIX);
  const header = new Uint8Array(PREFIX + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, PREFIX);
  return { header, starts: starts.map((s) => s + header.length), bytes, size: header.length + at };
}
