/** npy: NumPy's container of one array (format versions 1 to 3). */
import { type Diagnostics, internal } from "../../ir/diagnostics.ts";
import type { ByteSource } from "./byte-source.ts";
import { ELEMENTS } from "./elements.ts";
import { bytesFor, countOf, reportFile, type TensorFile } from "./tensor-file.ts";

export const NPY_MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;

/** NumPy's limit is this or a question to the user. */
const MAX_HEADER_BYTES = 1 << 20;

const TYPES: Readonly<Record<string, string>> = {
  "|b1": "BOOL",
  "|u1": "U8",
  "|i1": "I8",
  "<u2": "U16",
  "<i2": "I16",
  "<f2": "F16",
  "<u4": "U32",
  "<i4": "I32",
  "<f4": "F32",
  "<u8": "U64",
  "<i8": "I64",
  "<f8": "F64",
};

/** The header is a Python dictionary with exactly these three entries, in any order. */
const ENTRY = /\s*'(descr|fortran_order|shape)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d,\s]*)\))\s*(,|\})/y;

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

function parseHeader(text: string): Header | undefined {
  const found = new Map<string, string>();
  let at = text.indexOf("{") + 1;
  if (at === 0 || text.slice(0, at).trim() !== "{") return undefined;
  for (let closed = false; !closed; ) {
    if (found.size === 3 && /\s*\}/y.test(text.slice(at))) break;
    ENTRY.lastIndex = at;
    const match = ENTRY.exec(text);
    if (match === null || found.has(match[1]!)) return undefined;
    found.set(match[1]!, match[2] ?? match[3] ?? match[4]!);
    at = ENTRY.lastIndex;
    closed = match[5] === "}";
  }
  const [descr, fortran, shape] = ["descr", "fortran_order", "shape"].map((key) => found.get(key));
  if (descr === undefined || (fortran !== "True" && fortran !== "False") || shape === undefined) return undefined;
  const extents = shape.split(",").map((part) => part.trim());
  if (extents.at(-1) === "") extents.pop();
  if (extents.some((e) => !/^\d+$/.test(e))) return undefined;
  return { descr, fortran: fortran === "True", shape: extents.map(Number) };
}

/** Reads the header; the one tensor is called `array`. Reports what is wrong and returns undefined. */
export async function readNpy(source: ByteSource, sink: Diagnostics, file = 0): Promise<TensorFile | undefined> {
  const start = await source.read(0, Math.min(source.size, 12));
  if (start.length < 12)
    return reportFile(sink, "file/truncated", file, 0, source.size, `an npy file has at least 12 bytes`);
  const [major] = [start[6]!];
  if (major < 1 || major > 3)
    return reportFile(sink, "file/unsupported", file, 6, 8, `npy version ${major} is unknown`);
  const view = new DataView(start.buffer, start.byteOffset);
  const prefix = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES) {
    const message = `the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`;
    return reportFile(sink, "file/range", file, 8, prefix, message);
  }
  if (prefix + length > source.size) {
    const message = `the header claims ${length} bytes; the file has ${source.size - prefix} after its length`;
    return reportFile(sink, "file/truncated", file, 8, prefix, message);
  }
  const header = parseHeader(new TextDecoder("latin1").decode(await source.read(prefix, length)));
  if (header === undefined)
    return reportFile(
      sink,
      "file/header",
      file,
      prefix,
      prefix + length,
      "the header is no dictionary of descr, fortran_order and shape",
    );
  return tensorOf(header, prefix, length, source, sink, file);
}

function tensorOf(
  { descr, fortran, shape }: Header,
  prefix: number,
  length: number,
  source: ByteSource,
  sink: Diagnostics,
  file: number,
): TensorFile | undefined {
  const begin = prefix + length;
  const fail = (code: "file/unsupported" | "file/range" | "file/truncated", message: string): undefined =>
    reportFile(sink, code, file, prefix, begin, message);
  const type = ELEMENTS.get(TYPES[descr] ?? "");
  if (type === undefined) return fail("file/unsupported", `arrays of \`${descr}\` are not read`);
  if (fortran && shape.filter((e) => e > 1).length > 1)
    return fail("file/unsupported", "the array is stored in Fortran order; save it with numpy.ascontiguousarray");
  const values = countOf(shape);
  const bytes = values === undefined ? undefined : bytesFor(type, values);
  if (bytes === undefined) return fail("file/range", `an array of shape (${shape.join(", ")}) has too many values`);
  if (bytes !== source.size - begin) {
    const code = bytes > source.size - begin ? "file/truncated" : "file/range";
    return fail(code, `the array needs ${bytes} bytes, the file has ${source.size - begin} for it`);
  }
  const span = { file, start: prefix, end: begin };
  return {
    container: "npy",
    metadata: new Map(),
    tensors: [{ name: "array", type, shape, start: begin, bytes, span }],
  };
}

/** The bytes before the values of an array of F32, F16 or any other plain type. */
export function npyHeader(type: string, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const descr = Object.keys(TYPES).find((d) => TYPES[d] === type) ?? internal(`npy has no ${type}`);
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${extents}), }`;
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const header = new Uint8Array(10 + length).fill(0x20);
  header.set([...NPY_MAGIC, 1, 0, length & 255, length >> 8]);
  header.set(new TextEncoder().encode(dictionary), 10);
  header[header.length - 1] = 0x0a;
  return header;
}
