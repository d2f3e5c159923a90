/** What all containers of tensors have in common: names, types, shapes and places of tensors, and how values are read. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import type { ByteSource } from "./byte-source.ts";
import type { StoredType } from "./elements.ts";

/** One tensor of a file. */
export interface TensorInfo {
  readonly name: string;
  readonly type: StoredType;
  /** Slowest axis first, as in PyTorch; empty for a single number. */
  readonly shape: readonly number[];
  /** Bytes in the file. */
  readonly start: number;
  readonly bytes: number;
  /** Bytes of the header that describe it. */
  readonly span: Span;
}

/** A value of a file's metadata; `list` stands for arrays, of which only short ones carry their items. */
export type MetadataValue =
  | string
  | number
  | bigint
  | boolean
  | { readonly kind: "list"; readonly of: string; readonly length: number; readonly items?: readonly MetadataValue[] };

export interface TensorFile {
  readonly container: "safetensors" | "gguf" | "npy";
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: readonly TensorInfo[];
  /** GGUF: the bytes of its metadata, how many values they are, and the alignment of its tensors. */
  readonly raw?: { readonly start: number; readonly end: number; readonly count: number; readonly alignment: number };
}

/** Codes of what can be wrong with a file. Spans count bytes. */
export type FileCode =
  | "file/unknown"
  | "file/truncated"
  | "file/header"
  | "file/range"
  | "file/overlap"
  | "file/unsupported"
  | "file/duplicate"
  | "file/packed"
  | "file/not-finite"
  | "file/rule"
  | "file/calibration";

/** Reports a mistake at bytes start … end of a file. */
export function reportFile(
  sink: Diagnostics,
  code: FileCode,
  file: number,
  start: number,
  end: number,
  message: string,
): undefined {
  sink.error(code, { file, start, end }, message);
}

/** Largest count or size that arithmetic on numbers keeps exact. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/** Values of a shape, or undefined where there are more than can be counted. */
export function countOf(shape: readonly number[]): number | undefined {
  // A zero makes any shape empty, however large its other extents.
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0 || extent > LARGEST / count) return undefined;
    count *= extent;
  }
  return count;
}

/** Bytes that values of a type take, or undefined where they are no whole number of blocks or too many. */
export function bytesFor(type: StoredType, values: number): number | undefined {
  const blocks = values / type.valuesPerBlock;
  if (!Number.isInteger(blocks) || blocks > LARGEST / type.bytesPerBlock) return undefined;
  return blocks * type.bytesPerBlock;
}

/** Reports tensors that share bytes; true where none do. */
export function checkOverlaps(tensors: readonly TensorInfo[], sink: Diagnostics): boolean {
  const sorted = tensors.filter((t) => t.bytes > 0).sort((a, b) => a.start - b.start);
  for (const [i, tensor] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next === undefined || tensor.start + tensor.bytes <= next.start) continue;
    const message = `tensors \`${tensor.name}\` and \`${next.name}\` share bytes from ${next.start} on`;
    sink.error("file/overlap", next.span, message, [{ message: `\`${tensor.name}\` is here`, span: tensor.span }]);
    return false;
  }
  return true;
}

/** Length of the last axis: what formats call a row. */
export function rowLength(shape: readonly number[]): number {
  return shape.at(-1) ?? 1;
}

/** Rows of a tensor: everything but the last axis. */
export function rowCount(shape: readonly number[]): number {
  return countOf(shape.slice(0, -1)) ?? 0;
}

/** True where values of the tensor can be read. */
export function isReadable(tensor: TensorInfo): boolean {
  return tensor.type.decode !== undefined;
}

/** Values `first` … `first + count` of a readable tensor in row-major order; both must fall on blocks of its type. */
export async function readValues(
  source: ByteSource,
  tensor: TensorInfo,
  first: number,
  count: number,
): Promise<Float32Array> {
  const { valuesPerBlock, bytesPerBlock, decode } = tensor.type;
  const start = tensor.start + (first / valuesPerBlock) * bytesPerBlock;
  const bytes = await source.read(start, (count / valuesPerBlock) * bytesPerBlock);
  return decode?.(bytes) ?? new Float32Array(count);
}
