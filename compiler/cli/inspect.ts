/** `bitloom inspect FILE`: tensors, formats, the layout of a block, and how well codes stand for values. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { FLOATING } from "../io/elements.ts";
import { PACKED_KEY, type PackedTensor, parseRecord } from "../io/packed.ts";
import {
  countOf,
  isReadable,
  type MetadataValue,
  readValues,
  rowLength,
  type TensorFile,
  type TensorInfo,
} from "../io/tensor-file.ts";
import { addErrors, type ErrorSums, errorsOf, NO_ERRORS, sqnrDb as sqnrOf } from "../quantize/error-stats.ts";
import { formatNamed } from "../quantize/named.ts";
import { blockCaption, blockPicture } from "./block-picture.ts";
import { eachPiece, type PackedView, packedViews, partsOf } from "./dequantize.ts";
import { formatShare, formatSqnr } from "./quantize-report.ts";
import { formatBytes, printTable, withoutControls } from "./table.ts";
import { globMatcher, type OpenTensors, refuseFile, withTensors } from "./tensor-files.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface InspectOptions {
  readonly tensors?: string;
  readonly against?: string;
  readonly stats?: boolean;
  readonly json?: boolean;
}

/** What there is to say about one tensor; errors for packed ones, statistics where asked for. */
interface Row {
  readonly name: string;
  readonly format: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly bitsPerValue: number;
  readonly sqnrDb?: number | null;
  readonly maxError?: number;
  readonly rule?: string;
  /** Part of the values farther than three standard deviations from the mean. */
  readonly beyond3Sigma?: number;
  readonly stats?: ValueStats;
}

interface ValueStats {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  /** Part of the values farther than three standard deviations from the mean. */
  readonly outliers: number;
}

/** Hands all values of a tensor to `use`, piece by piece; false where there is something that is no number. */
type EachPiece = (use: (values: Float32Array) => void) => Promise<boolean>;

const PIECE_VALUES = 1 << 22;

function plainPieces({ source }: OpenTensors, tensor: TensorInfo): EachPiece {
  const values = countOf(tensor.shape) ?? 0;
  return async (use) => {
    for (let done = 0; done < values; done += PIECE_VALUES)
      use(await readValues(source, tensor, done, Math.min(PIECE_VALUES, values - done)));
    return true;
  };
}

async function statsOf(each: EachPiece): Promise<ValueStats> {
  let [min, max, sum, squares, count, far] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0, 0];
  await each((values) => {
    for (const v of values) {
      if (v < min) min = v;
      if (v > max) max = v;
      sum += v;
      squares += v * v;
    }
    count += values.length;
  });
  const mean = sum / count;
  const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
  await each((values) => {
    for (const v of values) if (Math.abs(v - mean) > 3 * deviation) far++;
  });
  return { min, max, mean, deviation, outliers: far / count };
}

/** Errors of a packed tensor against the tensor of the same name in another file. */
async function compare(
  terminal: Terminal,
  packed: OpenTensors,
  view: PackedView,
  original: OpenTensors,
): Promise<ErrorSums | undefined> {
  const tensor = original.file.tensors.find((t) => t.name === view.name);
  if (tensor === undefined || !isReadable(tensor) || `${tensor.shape}` !== `${view.entry.shape}`) return undefined;
  const total = { errors: NO_ERRORS };
  const columns = rowLength(view.entry.shape);
  terminal.progress(`comparing ${view.name}`);
  await eachPiece(packed, view, async (decoded, row) => {
    const values = await readValues(original.source, tensor, row * columns, decoded.length);
    total.errors = addErrors(total.errors, errorsOf(values, decoded));
  });
  return total.errors;
}

/** Files with at most so many values are read as a whole without being asked to. */
const QUICK_VALUES = 1 << 25;

/** The figures of tensors whose type says by itself what they are: those that `quantize` left in a GGUF file. */
function recordedFigures({ container, metadata }: TensorFile): ReadonlyMap<string, PackedTensor> {
  const text = metadata.get(PACKED_KEY);
  const record = container === "gguf" && typeof text === "string" ? parseRecord(text) : undefined;
  return new Map(record === undefined || "wrong" in record ? [] : Object.entries(record.tensors));
}

/** The declarations of the block types that a file uses. */
function formatsOfTypes({ tensors }: TensorFile): readonly Format[] {
  const types = new Set(tensors.map((t) => t.type).filter((t) => t.valuesPerBlock > 1));
  return [...types].flatMap(({ name, valuesPerBlock, bytesPerBlock }) => {
    const own = ["gguf_", ""].map((prefix) => formatNamed([], `${prefix}${name.toLowerCase()}`));
    const fits = own.find((f) => f?.block === valuesPerBlock && f.recordBits === 8 * bytesPerBlock);
    return fits === undefined ? [] : [fits];
  });
}

async function rowsOf(
  terminal: Terminal,
  opened: OpenTensors,
  views: readonly PackedView[],
  original: OpenTensors | undefined,
  options: InspectOptions,
): Promise<readonly Row[]> {
  const wanted = options.tensors === undefined ? () => true : globMatcher(options.tensors);
  const fields = new Set(views.flatMap((v) => partsOf(v).map((f) => f.name)));
  const rows: Row[] = [];
  for (const view of views.filter((v) => wanted(v.name))) {
    const { name, entry, format } = view;
    const bytes = partsOf(view).reduce((sum, f) => sum + f.bytes, 0);
    const errors = original === undefined ? undefined : await compare(terminal, opened, view, original);
    const { sqnrDb, maxError } =
      errors === undefined ? entry.error : { sqnrDb: sqnrOf(errors), maxError: errors.maxError };
    const bitsPerValue = (8 * bytes) / (countOf(entry.shape) ?? 1);
    const each: EachPiece = (use) => eachPiece(opened, view, use);
    const { beyond3Sigma } = entry.error;
    const wants = options.stats === true || beyond3Sigma === undefined;
    const stats = wants ? await statsOf(each) : undefined;
    rows.push({
      name,
      format: format.name,
      shape: entry.shape,
      bytes,
      bitsPerValue,
      rule: entry.rule,
      sqnrDb,
      maxError,
      beyond3Sigma: beyond3Sigma ?? stats?.outliers ?? 0,
      ...(options.stats === true && stats && { stats }),
    });
  }
  const figures = recordedFigures(opened.file);
  const plain = opened.file.tensors.filter((t) => !fields.has(t.name) && wanted(t.name));
  const total = plain.reduce((sum, t) => sum + (countOf(t.shape) ?? 0), 0);
  for (const tensor of plain) {
    const { name, type, shape, bytes } = tensor;
    const values = countOf(shape) ?? 0;
    terminal.progress(`reading ${name}`);
    const entry = figures.get(name);
    const isWeight = FLOATING.has(type.name) || type.valuesPerBlock > 1;
    // All values of a large file are read only where they are asked for.
    const wants = options.stats === true || (isWeight && entry === undefined && total <= QUICK_VALUES);
    const stats = wants && isReadable(tensor) && values > 0 ? await statsOf(plainPieces(opened, tensor)) : undefined;
    const beyond3Sigma = entry?.error.beyond3Sigma ?? stats?.outliers;
    rows.push({
      name,
      format: type.name,
      shape,
      bytes,
      bitsPerValue: (8 * type.bytesPerBlock) / type.valuesPerBlock,
      ...(entry && { rule: entry.rule, sqnrDb: entry.error.sqnrDb, maxError: entry.error.maxError }),
      ...(beyond3Sigma !== undefined && { beyond3Sigma }),
      ...(options.stats === true && stats && { stats }),
    });
  }
  return rows;
}

export async function run(terminal: Terminal, paths: readonly string[], options: InspectOptions): Promise<Exit> {
  const [path = ""] = paths;
  return withTensors(terminal, "inspect", path, options.json, (opened) => {
    const sink = new Diagnostics();
    const views = packedViews(opened.file, sink);
    if (views === undefined) return Promise.resolve(refuseFile(terminal, "inspect", path, sink, options.json));
    if (options.against === undefined) return show(terminal, opened, views, undefined, options);
    if (views.length === 0)
      return Promise.resolve(usageError(terminal, `${path} has no packed tensors to hold against ${options.against}`));
    return withTensors(terminal, "inspect", options.against, options.json, (original) =>
      show(terminal, opened, views, original, options),
    );
  });
}

async function show(
  terminal: Terminal,
  opened: OpenTensors,
  views: readonly PackedView[],
  original: OpenTensors | undefined,
  options: InspectOptions,
): Promise<Exit> {
  const rows = await rowsOf(terminal, opened, views, original, options);
  const packed = views.map((v): [string, Format] => [v.format.name, v.format]);
  const formats = [...new Map([...packed, ...formatsOfTypes(opened.file).map((f): [string, Format] => [f.name, f])]).values()]; // biome-ignore format: one expression
  const { container, metadata } = opened.file;
  if (options.json === true) {
    const pictures = formats.map((f) => ({
      name: f.name,
      block: f.block,
      recordBits: f.recordBits,
      picture: blockPicture(f),
    }));
    const texts = Object.fromEntries(
      [...metadata].filter(([key]) => key !== PACKED_KEY).map(([k, v]) => [k, plainValue(v)]),
    );
    const body = {
      ok: true,
      file: opened.path,
      container,
      bytes: opened.source.size,
      metadata: texts,
      formats: pictures,
    };
    printJson(terminal, "bitloom.inspect/1", { ...body, tensors: rows });
    return EXIT.ok;
  }
  terminal.out(`${terminal.style("bold", opened.path)}: ${container}, ${formatBytes(opened.source.size)}`);
  for (const [key, value] of metadata) if (key !== PACKED_KEY) terminal.out(`  ${key}: ${shorten(plainValue(value))}`);
  terminal.out("");
  printRows(terminal, rows, options.stats === true);
  for (const format of formats) printFormat(terminal, format);
  return EXIT.ok;
}

function printRows(terminal: Terminal, rows: readonly Row[], stats: boolean): void {
  const figure = (v: number | undefined): string => (v === undefined ? "" : v.toPrecision(4));
  const errors = rows.some((r) => r.sqnrDb !== undefined);
  const shares = rows.some((r) => r.beyond3Sigma !== undefined);
  printTable(
    terminal,
    [
      { title: "Tensor" },
      { title: "Format" },
      { title: "Shape", drop: 1 },
      { title: "Bits/value", align: "right", drop: 2 },
      { title: "Size", align: "right", drop: 3 },
      ...(errors
        ? [
            { title: "Rule", drop: 6 } as const,
            { title: "SQNR", align: "right" } as const,
            { title: "Max error", align: "right", drop: 4 } as const,
          ]
        : []),
      ...(shares ? [{ title: "Beyond 3σ", align: "right", drop: 5 } as const] : []),
      ...(stats ? ["Min", "Max", "Deviation"].map((title) => ({ title, align: "right", drop: 5 }) as const) : []),
    ],
    rows.map((r) => [
      withoutControls(r.name),
      r.format,
      r.shape.join(" × ") || "1",
      r.bitsPerValue.toFixed(3).replace(/\.?0+$/, ""),
      formatBytes(r.bytes),
      ...(errors
        ? [
            withoutControls(r.rule ?? ""),
            r.sqnrDb === undefined ? "" : formatSqnr(r.sqnrDb),
            r.maxError?.toExponential(2) ?? "",
          ]
        : []),
      ...(shares ? [formatShare(r.beyond3Sigma)] : []),
      ...(stats ? [figure(r.stats?.min), figure(r.stats?.max), figure(r.stats?.deviation)] : []),
    ]),
  );
}

function printFormat(terminal: Terminal, format: Format): void {
  terminal.out("");
  terminal.out(`${terminal.style("bold", blockCaption(format))} (least significant bit first)`);
  for (const line of blockPicture(format)) terminal.out(`  ${line}`);
}

/** Metadata as JSON can say it. */
function plainValue(value: MetadataValue): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object") return value;
  return value.items === undefined ? `${value.length} × ${value.of}` : value.items.map(plainValue);
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // Control characters of a file must not reach the terminal.
  const clean = withoutControls(text);
  return clean.length > 100 ? `${clean.slice(0, 99)}…` : clean;
}
