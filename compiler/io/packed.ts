/** Packed tensors in safetensors files: one stream a field, and a record that says which declaration gives them meaning. */
import { internal } from "../../ir/diagnostics.ts";
import { bitsToF16 } from "../../ir/float.ts";
import type { Field, Format } from "../../ir/format.ts";
import { addressBits } from "../../ir/layout/build.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { packStream, unpackStream } from "../../ir/pack.ts";
import { bitsOf, isInt, isSigned } from "../../ir/scalar.ts";
import { rowMajorLayout, streamLayout } from "../instantiate/stream-layouts.ts";
import { fieldDims, isPerValue } from "../instantiate/terms.ts";
import { halvesOf, packRows, unpackRows } from "./bit-rows.ts";
import type { NewTensor } from "./safetensors.ts";

/** The key of the record in a file's metadata; its value is JSON of a `PackedRecord`. */
export const PACKED_KEY = "bitloom.packed";

/** How well the codes stand for the values that were there. */
export interface ErrorFigures {
  /** 10 · log10(Σ x² / Σ (x − q)²); null where there is no error. */
  readonly sqnrDb: number | null;
  readonly maxError: number;
  /** Part of the values farther than three standard deviations from the mean, before encoding. */
  readonly beyond3Sigma?: number;
}

export interface PackedTensor {
  readonly format: string;
  readonly shape: readonly number[];
  /** The type that the values had. */
  readonly type: string;
  /** The encoder's rule, and what it was given beside the values. */
  readonly rule: string;
  readonly settings?: Readonly<Record<string, number | string>>;
  /** The rotation that was applied before encoding: blocks of a row, signs from a seed (0: none). */
  readonly rotation?: { readonly block: number; readonly seed: number };
  /** A factor a column stands in the tensor `NAME.channels`; decoded values are divided by it. */
  readonly channels?: true;
  /** Values kept whole: their places are in `NAME.outliers.index` (row, column), they in `NAME.outliers.value`. */
  readonly outliers?: number;
  readonly error: ErrorFigures;
}

export interface PackedRecord {
  readonly version: 1;
  /** Text of the declarations, by file. */
  readonly sources: readonly { readonly name: string; readonly text: string }[];
  readonly tensors: Readonly<Record<string, PackedTensor>>;
}

/** Rows of one chunk of a tensor: whole words in every stream, whatever the width of row fields. */
export const ROW_STEP = 32;

/** The layout of a field's stream for `rows` rows, as compiled kernels read it; undefined where it is too irregular. */
export function layoutOf(format: Format, field: Field, rows: number, columns: number): Layout | undefined {
  const dims = [
    { axis: "n", extent: rows },
    { axis: "k", extent: columns },
  ];
  const own = fieldDims(format, field, dims);
  return isPerValue(format, field) ? streamLayout(format, field, own) : rowMajorLayout(own, bitsOf(field.type));
}

/** Bytes of a field's stream; rows after the first n·32 begin at a whole word. */
export function streamBytes(format: Format, field: Field, rows: number, columns: number): number {
  // Streams are proportional to whole chunks, so that a layout of few rows tells the size of all.
  const whole = Math.floor(rows / ROW_STEP);
  const size = (count: number): number => {
    const layout = count === 0 ? undefined : layoutOf(format, field, count, columns);
    return layout === undefined ? 0 : Math.ceil(addressBits(layout) / 32) * 4;
  };
  if (field.scope === "tensor") return size(1);
  return whole * size(ROW_STEP) + size(rows % ROW_STEP);
}

/** Types that safetensors has by themselves. */
const NATIVE: Readonly<Record<string, string>> = {
  f16: "F16",
  bf16: "BF16",
  f32: "F32",
  i8: "I8",
  u8: "U8",
  i16: "I16",
  u16: "U16",
  i32: "I32",
  u32: "U32",
};

/** The tensor that stores a field: with its own type where rows have no padding, otherwise words of 32 bits a row. */
export function fieldTensor(tensor: string, format: Format, field: Field, rows: number, columns: number): NewTensor {
  const name = `${tensor}.${field.name}`;
  const bytes = streamBytes(format, field, rows, columns);
  const native = NATIVE[field.type];
  const shape = fieldDims(format, field, [
    { axis: "n", extent: rows },
    { axis: "k", extent: columns },
  ]).map((d) => d.extent);
  const count = shape.reduce((a, b) => a * b, 1);
  const isPlain =
    native !== undefined && (count * bitsOf(field.type)) / 8 === bytes && isRowMajor(format, field, columns);
  if (isPlain) return { name, type: native, shape };
  return { name, type: "U32", shape: field.scope === "block" ? [rows, bytes / 4 / rows] : [bytes / 4] };
}

function isRowMajor(format: Format, field: Field, columns: number): boolean {
  if (!isPerValue(format, field)) return true;
  const plain = rowMajorLayout(
    [
      { axis: "n", extent: 1 },
      { axis: "k", extent: columns },
    ],
    bitsOf(field.type),
  );
  return JSON.stringify(layoutOf(format, field, 1, columns)) === JSON.stringify(plain);
}

const viewOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** A field's stream as rows of elements; instances of row fields stand in one row. */
function rowsOf(
  format: Format,
  field: Field,
  rows: number,
  columns: number,
): { readonly count: number; readonly length: number } {
  const extents = fieldDims(format, field, [
    { axis: "n", extent: rows },
    { axis: "k", extent: columns },
  ]).map((d) => d.extent);
  const length = extents.at(-1) ?? 1;
  return { count: extents.reduce((a, b) => a * b, 1) / length, length };
}

/** The bytes of a field for some rows of a tensor; a multiple of `ROW_STEP` of them, or the last ones. */
export function packField(
  format: Format,
  field: Field,
  values: ArrayLike<number>,
  rows: number,
  columns: number,
): Uint8Array {
  const { count, length } = rowsOf(format, field, rows, columns);
  if (isInt(field.type) && isRowMajor(format, field, columns))
    return viewOf(packRows(values, bitsOf(field.type), count, length));
  const isPlain = count * length === values.length && (length * bitsOf(field.type)) % 32 === 0;
  if (isPlain && isRowMajor(format, field, columns)) {
    const floats = Float32Array.from(values);
    if (field.type === "f32") return new Uint8Array(floats.buffer);
    if (field.type === "f16") return new Uint8Array(halvesOf(floats).buffer);
  }
  const layout = layoutOf(format, field, rows, columns) ?? internal(`no layout for ${field.name}`);
  return viewOf(packStream(values, field.type, layout));
}

/** What `packField` was given. */
export function unpackField(
  format: Format,
  field: Field,
  bytes: Uint8Array,
  rows: number,
  columns: number,
): Float64Array | Int32Array {
  // The readers' bytes may begin anywhere; words must not.
  const words = new Uint32Array(bytes.slice().buffer);
  const { count, length } = rowsOf(format, field, rows, columns);
  if ((length * bitsOf(field.type)) % 32 === 0 && isRowMajor(format, field, columns)) {
    if (field.type === "f32") return Float64Array.from(new Float32Array(words.buffer));
    if (field.type === "f16") return Float64Array.from(new Uint16Array(words.buffer), bitsToF16);
  }
  if (isInt(field.type) && bitsOf(field.type) < 32 && isRowMajor(format, field, columns))
    return unpackRows(words, bitsOf(field.type), isSigned(field.type), count, length);
  const layout = layoutOf(format, field, rows, columns) ?? internal(`no layout for ${field.name}`);
  return unpackStream(words, field.type, layout);
}

/** True where every field has a layout at this row length. */
export function canPack(format: Format, columns: number): boolean {
  return format.fields.every((field) => layoutOf(format, field, ROW_STEP, columns) !== undefined);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string";

/** Blocks of a power of two that fit in a row, and a seed: nothing else can be undone. */
const isRotation = (value: unknown): boolean =>
  isObject(value) &&
  typeof value.block === "number" &&
  Number.isInteger(Math.log2(value.block)) &&
  value.block >= 1 &&
  Number.isInteger(value.seed);

/** Reads a record, or says what is wrong with it. */
export function parseRecord(text: string): PackedRecord | { readonly wrong: string } {
  const parsed = ((): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  })();
  if (!isObject(parsed)) return { wrong: "it is no JSON object" };
  if (parsed.version !== 1) return { wrong: `version ${String(parsed.version)} is unknown` };
  const sources = parsed.sources;
  if (!Array.isArray(sources) || !sources.every((s) => isObject(s) && isText(s.name) && isText(s.text)))
    return { wrong: "`sources` is a list of names and texts" };
  if (!isObject(parsed.tensors)) return { wrong: "`tensors` is an object" };
  for (const [name, tensor] of Object.entries(parsed.tensors)) {
    const sound =
      isObject(tensor) &&
      isText(tensor.format) &&
      isText(tensor.type) &&
      isText(tensor.rule) &&
      Array.isArray(tensor.shape) &&
      tensor.shape.every((e) => Number.isSafeInteger(e) && e > 0) &&
      (tensor.rotation === undefined || isRotation(tensor.rotation)) &&
      (tensor.channels === undefined || tensor.channels === true) &&
      (tensor.outliers === undefined || (Number.isSafeInteger(tensor.outliers) && Number(tensor.outliers) >= 0)) &&
      isObject(tensor.error) &&
      typeof tensor.error.maxError === "number" &&
      (tensor.error.sqnrDb === null || typeof tensor.error.sqnrDb === "number");
    if (!sound) return { wrong: `the entry of tensor \`${name}\` is incomplete` };
  }
  return parsed as unknown as PackedRecord;
}
