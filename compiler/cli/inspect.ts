/** `bitloom inspect FILE`: tensors, formats, the layout of a block, and how well codes stand for values. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { PACKED_KEY } from "../io/packed.ts";
import { countOf, isReadable, type MetadataValue, readValues, rowLength, type TensorInfo } from "../io/tensor-file.ts";
import { addErrors, type ErrorSums, errorsOf, NO_ERRORS, sqnrDb as sqnrOf } from "../quantize/error-stats.ts";
import { blockCaption, blockPicture } from "./block-picture.ts";
import { eachPiece, type PackedView, packedViews, partsOf } from "./dequantize.ts";
import { formatSqnr } from "./quantize-report.ts";
import { formatBytes, printTable } from "./table.ts";
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
    const stats = options.stats === true ? { stats: await statsOf(each) } : {};
    rows.push({ name, format: format.name, shape: entry.shape, bytes, bitsPerValue, sqnrDb, maxError, ...stats });
  }
  for (const tensor of opened.file.tensors.filter((t) => !fields.has(t.name) && wanted(t.name))) {
    const { name, type, shape, bytes } = tensor;
    const values = countOf(shape) ?? 0;
    terminal.progress(`reading ${name}`);
    const hasStats = options.stats === true && isReadable(tensor) && values > 0;
    const stats = hasStats ? { stats: await statsOf(plainPieces(opened, tensor)) } : {};
    rows.push({
      name,
      format: type.name,
      shape,
      bytes,
      bitsPerValue: (8 * type.bytesPerBlock) / type.valuesPerBlock,
      ...stats,
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
  const formats = [...new Map(views.map((v) => [v.format.name, v.format])).values()];
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
  printTable(
    terminal,
    [
      { title: "Tensor" },
      { title: "Format" },
      { title: "Shape", drop: 1 },
      { title: "Bits/value", align: "right", drop: 2 },
      { title: "Size", align: "right", drop: 3 },
      ...(errors
        ? [{ title: "SQNR", align: "right" } as const, { title: "Max error", align: "right", drop: 4 } as const]
        : []),
      ...(stats
        ? ["Min", "Max", "Deviation", "Beyond 3σ"].map((title) => ({ title, align: "right", drop: 5 }) as const)
        : []),
    ],
    rows.map((r) => [
      r.name,
      r.format,
      r.shape.join(" × ") || "1",
      r.bitsPerValue.toFixed(3).replace(/\.?0+$/, ""),
      formatBytes(r.bytes),
      ...(errors ? [r.sqnrDb === undefined ? "" : formatSqnr(r.sqnrDb), r.maxError?.toExponential(2) ?? ""] : []),
      ...(stats
        ? [
            figure(r.stats?.min),
            figure(r.stats?.max),
            figure(r.stats?.deviation),
            r.stats === undefined ? "" : `${(100 * r.stats.outliers).toFixed(3)} %`,
          ]
        : []),
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
  const clean = text.replace(/\p{Cc}+/gu, " ");
  return clean.length > 100 ? `${clean.slice(0, 99)}…` : clean;
}
