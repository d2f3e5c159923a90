/** `bitloom dequantize FILE -o OUT`: packed tensors, or GGUF's blocks, as plain numbers again. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { ELEMENTS, encodeElements, type WritableType } from "../io/elements.ts";
import type { AtomicFile } from "../io/node-files.ts";
import {
  canPack,
  fieldTensor,
  PACKED_KEY,
  type PackedTensor,
  parseRecord,
  ROW_STEP,
  streamBytes,
  unpackField,
} from "../io/packed.ts";
import { layOutSafetensors, type NewTensor } from "../io/safetensors.ts";
import {
  countOf,
  isReadable,
  readValues,
  reportFile,
  rowCount,
  rowLength,
  type TensorFile,
  type TensorInfo,
} from "../io/tensor-file.ts";
import { hasNonFinite } from "../quantize/error-stats.ts";
import { decoderOfFormat, type FormatDecoder } from "../quantize/format-decode.ts";
import { formatNamed } from "../quantize/named.ts";
import { type Transform, undoTransform } from "../quantize/transform.ts";
import { formatBytes, formatSeconds } from "./table.ts";
import { type OpenTensors, refuseFile, withTensors, writeTensors } from "./tensor-files.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface DequantizeOptions {
  readonly out?: string;
  readonly type?: string;
  readonly json?: boolean;
}

const TYPES: Readonly<Record<string, WritableType>> = { f32: "F32", f16: "F16", bf16: "BF16" };

/** One packed tensor of a file: its declaration, the tensors of its fields, and what belongs to them. */
export interface PackedView {
  readonly name: string;
  readonly entry: PackedTensor;
  readonly format: Format;
  readonly decode: FormatDecoder;
  readonly fields: readonly TensorInfo[];
  /** A factor a column, and outliers with their places, where there are such. */
  readonly channels?: TensorInfo;
  readonly outliers?: { readonly index: TensorInfo; readonly value: TensorInfo };
}

/** All tensors that make up a packed one. */
export function partsOf({ fields, channels, outliers }: PackedView): readonly TensorInfo[] {
  return [...fields, ...(channels ? [channels] : []), ...(outliers ? [outliers.index, outliers.value] : [])];
}

/** The packed tensors of a file. Reports a record that does not fit the file, and returns undefined. */
export function packedViews(file: TensorFile, sink: Diagnostics): readonly PackedView[] | undefined {
  const text = file.metadata.get(PACKED_KEY);
  // GGUF's own types say by themselves what they are: there the record only carries figures.
  if (typeof text !== "string" || file.container === "gguf") return [];
  const fail = (message: string): undefined => reportFile(sink, "file/packed", 0, 0, 8, message);
  const record = parseRecord(text);
  if ("wrong" in record) return fail(`the metadata \`${PACKED_KEY}\` is not understood: ${record.wrong}`);
  const formats = new Map<string, Format | undefined>();
  const tensors = new Map(file.tensors.map((t) => [t.name, t]));
  const views: PackedView[] = [];
  for (const [name, entry] of Object.entries(record.tensors)) {
    if (!formats.has(entry.format)) formats.set(entry.format, formatNamed(record.sources, entry.format));
    const format = formats.get(entry.format);
    if (format === undefined)
      return fail(`the file's declarations do not give the format \`${entry.format}\` of \`${name}\``);
    const view = viewOf(tensors, name, entry, format, sink);
    if (view === undefined) return undefined;
    views.push(view);
  }
  return views;
}

function viewOf(
  tensors: ReadonlyMap<string, TensorInfo>,
  name: string,
  entry: PackedTensor,
  format: Format,
  sink: Diagnostics,
): PackedView | undefined {
  const values = countOf(entry.shape);
  const [rows, columns] = [rowCount(entry.shape), rowLength(entry.shape)];
  if (values === undefined || values === 0 || !canPack(format, columns))
    return reportFile(sink, "file/packed", 0, 0, 8, `\`${name}\` cannot have the shape [${entry.shape.join(", ")}]`);
  if (entry.rotation !== undefined && columns % entry.rotation.block !== 0)
    return reportFile(sink, "file/packed", 0, 0, 8, `rows of \`${name}\` are no multiple of ${entry.rotation.block}`);
  /** The tensor of a part, or undefined having said why there is none. */
  const part = (wanted: string, bytes: number): TensorInfo | undefined => {
    const stored = tensors.get(wanted);
    if (stored === undefined)
      return reportFile(sink, "file/packed", 0, 0, 8, `\`${name}\` lacks the tensor \`${wanted}\``);
    if (stored.bytes === bytes) return stored;
    const { start, end } = stored.span;
    return reportFile(
      sink,
      "file/packed",
      0,
      start,
      end,
      `\`${wanted}\` has ${stored.bytes} bytes, its format needs ${bytes}`,
    );
  };
  const fields: TensorInfo[] = [];
  for (const field of format.fields) {
    const stored = part(
      fieldTensor(name, format, field, rows, columns).name,
      streamBytes(format, field, rows, columns),
    );
    if (stored === undefined) return undefined;
    fields.push(stored);
  }
  const view = { name, entry, format, decode: decoderOfFormat(format), fields };
  const channels = entry.channels === true ? part(`${name}.channels`, 4 * columns) : undefined;
  if (entry.channels === true && channels === undefined) return undefined;
  if (entry.outliers === undefined) return { ...view, ...(channels && { channels }) };
  const index = part(`${name}.outliers.index`, 8 * entry.outliers);
  const value = part(`${name}.outliers.value`, 4 * entry.outliers);
  if (index === undefined || value === undefined) return undefined;
  return { ...view, ...(channels && { channels }), outliers: { index, value } };
}

const PIECE_VALUES = 1 << 20;

/** Rows and columns of outliers one after the other, rows ascending, and the values. */
interface Outliers {
  readonly places: Uint32Array;
  readonly values: Float32Array;
}

async function outliersOf({ source }: OpenTensors, { outliers, entry }: PackedView): Promise<Outliers | undefined> {
  if (outliers === undefined) return { places: new Uint32Array(0), values: new Float32Array(0) };
  const { index, value } = outliers;
  const places = new Uint32Array((await source.read(index.start, index.bytes)).slice().buffer);
  const values = new Float32Array((await source.read(value.start, value.bytes)).slice().buffer);
  const [rows, columns] = [rowCount(entry.shape), rowLength(entry.shape)];
  for (let n = 0; n < values.length; n++) {
    const [row, column] = [places[2 * n]!, places[2 * n + 1]!];
    if (row >= rows || column >= columns || (n > 0 && row < places[2 * n - 2]!)) return undefined;
  }
  return { places, values };
}

/** Hands the values of a packed tensor to `use`, some rows at a time. False where a field holds no number, or a wrong place. */
export async function eachPiece(
  opened: OpenTensors,
  view: PackedView,
  use: (values: Float32Array, row: number) => void | Promise<void>,
): Promise<boolean> {
  const { source } = opened;
  const { format, fields, decode, entry } = view;
  const [rows, columns] = [rowCount(entry.shape), rowLength(entry.shape)];
  const step = Math.min(rows, Math.max(1, Math.floor(PIECE_VALUES / columns / ROW_STEP)) * ROW_STEP);
  const outliers = await outliersOf(opened, view);
  if (outliers === undefined) return false;
  const transform: Transform = {
    ...(entry.rotation && { rotation: entry.rotation }),
    ...(view.channels && { channels: await readValues(source, view.channels, 0, columns) }),
  };
  let next = 0;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const held = new Map<string, ArrayLike<number>>();
    for (const [n, field] of format.fields.entries()) {
      const whole = field.scope === "tensor";
      const from = whole ? 0 : streamBytes(format, field, row, columns);
      const to = whole ? fields[n]!.bytes : streamBytes(format, field, row + count, columns);
      const bytes = await source.read(fields[n]!.start + from, to - from);
      held.set(field.name, unpackField(format, field, bytes, count, columns));
    }
    const values = undoTransform(decode(held, columns), columns, transform);
    for (; next < outliers.values.length && outliers.places[2 * next]! < row + count; next++)
      values[(outliers.places[2 * next]! - row) * columns + outliers.places[2 * next + 1]!] = outliers.values[next]!;
    if (hasNonFinite(values)) return false;
    await use(values, row);
  }
  return true;
}

interface Job {
  readonly output: NewTensor;
  readonly write: (file: AtomicFile, start: number) => Promise<Exit>;
}

export async function run(terminal: Terminal, paths: readonly string[], options: DequantizeOptions): Promise<Exit> {
  const [path = ""] = paths;
  if (options.out === undefined) return usageError(terminal, "say where to: -o OUT.safetensors");
  const forced = options.type === undefined ? undefined : TYPES[options.type];
  if (options.type !== undefined && forced === undefined)
    return usageError(
      terminal,
      `values are not written as \`${options.type}\``,
      `--type is ${Object.keys(TYPES).join(", ")}`,
    );
  const { out } = options;
  return withTensors(terminal, "dequantize", path, options.json, async (opened) => {
    const sink = new Diagnostics();
    const views = packedViews(opened.file, sink);
    if (views === undefined) return refuseFile(terminal, "dequantize", path, sink, options.json);
    const coded = opened.file.tensors.filter((t) => t.type.valuesPerBlock > 1);
    if (views.length === 0 && coded.length === 0)
      return usageError(terminal, `${path} has nothing to dequantize`, "`bitloom inspect` shows what it has");
    const unreadable = coded.find((t) => !isReadable(t));
    if (unreadable !== undefined)
      return usageError(terminal, `values of type ${unreadable.type.name} (\`${unreadable.name}\`) cannot be read`);
    return writeAll(terminal, opened, jobsOf(terminal, opened, views, forced), out, options.json);
  });
}

function jobsOf(
  terminal: Terminal,
  opened: OpenTensors,
  views: readonly PackedView[],
  forced: WritableType | undefined,
): readonly Job[] {
  const fieldNames = new Set(views.flatMap((v) => partsOf(v).map((f) => f.name)));
  const packed = views.map((view): Job => {
    const type = forced ?? TYPES[view.entry.type.toLowerCase()] ?? "F32";
    const width = type === "F32" ? 4 : 2;
    return {
      output: { name: view.name, type, shape: view.entry.shape },
      write: async (file, start) => {
        terminal.progress(`dequantizing ${view.name}`);
        const columns = rowLength(view.entry.shape);
        const sound = await eachPiece(opened, view, (values, row) => {
          file.write(start + row * columns * width, encodeElements(type, values));
        });
        if (sound) return EXIT.ok;
        const message = `\`${view.name}\` decodes to NaN or infinity`;
        const [first] = view.fields;
        const sink = new Diagnostics();
        reportFile(sink, "file/packed", 0, first?.start ?? 0, (first?.start ?? 0) + (first?.bytes ?? 0), message);
        return refuseFile(terminal, "dequantize", opened.path, sink, false);
      },
    };
  });
  const others = opened.file.tensors
    .filter((t) => !fieldNames.has(t.name))
    .map((t) => plainJob(terminal, opened, t, forced));
  return [...packed, ...others];
}

/** A tensor that is copied, or decoded where safetensors does not have its type. */
function plainJob(
  terminal: Terminal,
  { source }: OpenTensors,
  tensor: TensorInfo,
  forced: WritableType | undefined,
): Job {
  const { name, type, shape } = tensor;
  const values = countOf(shape) ?? 0;
  const copied = ELEMENTS.has(type.name);
  const written = forced ?? "F32";
  return {
    output: { name, type: copied ? type.name : written, shape },
    write: async (file, start) => {
      terminal.progress(`writing ${name}`);
      const width = copied ? type.bytesPerBlock : written === "F32" ? 4 : 2;
      // Pieces of whole blocks: the step is a multiple of every block size.
      for (let done = 0; done < values; done += PIECE_VALUES) {
        const count = Math.min(PIECE_VALUES, values - done);
        const bytes = copied
          ? await source.read(
              tensor.start + (done / type.valuesPerBlock) * width,
              (count / type.valuesPerBlock) * width,
            )
          : encodeElements(written, await readValues(source, tensor, done, count));
        file.write(start + (done / type.valuesPerBlock) * (copied ? width : width * type.valuesPerBlock), bytes);
      }
      return EXIT.ok;
    },
  };
}

async function writeAll(
  terminal: Terminal,
  { path, source, file: input }: OpenTensors,
  jobs: readonly Job[],
  out: string,
  json: boolean | undefined,
): Promise<Exit> {
  const names = jobs.map((j) => j.output.name);
  const twice = names.find((n, i) => names.indexOf(n) !== i || n === "__metadata__");
  if (twice !== undefined) return usageError(terminal, `two tensors would be called \`${twice}\``);
  const metadata = [...input.metadata].filter(([key, value]) => typeof value === "string" && key !== PACKED_KEY);
  const plan = layOutSafetensors(
    jobs.map((j) => j.output),
    Object.fromEntries(metadata) as Record<string, string>,
  );
  const start = performance.now();
  const exit = await writeTensors(terminal, out, plan.size, async (file) => {
    file.write(0, plan.header);
    for (const [i, job] of jobs.entries()) {
      const done = await job.write(file, plan.starts[i]!);
      if (done !== EXIT.ok) return done;
    }
    return EXIT.ok;
  });
  if (exit !== EXIT.ok) return exit;
  const seconds = (performance.now() - start) / 1000;
  const tensors = jobs.map(({ output }) => ({ name: output.name, type: output.type, shape: output.shape }));
  if (json === true)
    printJson(terminal, "bitloom.dequantize/1", { ok: true, in: path, out, bytes: plan.size, tensors });
  else terminal.out(`${tensors.length} tensors`);
  terminal.say(`${formatBytes(source.size)} → ${formatBytes(plan.size)} in ${formatSeconds(seconds)}: ${out}`);
  return EXIT.ok;
}
