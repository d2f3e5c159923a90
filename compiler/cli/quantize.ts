/** `bitloom quantize FILE --format NAME -o OUT`: packs tensors of a file into a declared format, a piece at a time. */
import { scopeBits } from "../../ir/format.ts";
import { ELEMENTS, encodeElements, FLOATING } from "../io/elements.ts";
import type { AtomicFile } from "../io/node-files.ts";
import {
  canPack,
  fieldTensor,
  PACKED_KEY,
  type PackedRecord,
  type PackedTensor,
  packField,
  ROW_STEP,
  streamBytes,
} from "../io/packed.ts";
import { layOutSafetensors, type NewTensor, type SafetensorsPlan } from "../io/safetensors.ts";
import { countOf, isReadable, readValues, rowCount, rowLength, type TensorInfo } from "../io/tensor-file.ts";
import {
  type FieldValues,
  type FormatEncoder,
  joinStats,
  statsOf,
  studyTensor,
  type TensorStats,
} from "../quantize/encoder.ts";
import { ErrorStats, hasNonFinite } from "../quantize/error-stats.ts";
import { decoderOfFormat, type FormatDecoder } from "../quantize/format-decode.ts";
import { encoderOfFormat } from "../quantize/format-encode.ts";
import { readSources } from "./check.ts";
import { formatBytes, formatSeconds, printTable } from "./table.ts";
import {
  type FoundFormat,
  findFormat,
  globMatcher,
  type OpenTensors,
  withTensors,
  writeTensors,
} from "./tensor-files.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface QuantizeOptions {
  readonly format?: string;
  readonly out?: string;
  readonly tensors?: string;
  readonly loom?: string;
  readonly json?: boolean;
}

/** Values of one piece: bounds the memory, whatever the size of a tensor. */
const PIECE_VALUES = 1 << 22;

/** One tensor of the output: packed, or copied as it is. */
interface Job {
  readonly tensor: TensorInfo;
  readonly packed: boolean;
  /** Indices of its first tensor in the plan; a packed one has one for each field. */
  readonly first: number;
}

/** Everything that packing a tensor needs. */
interface Packing extends FoundFormat {
  readonly encoder: FormatEncoder;
  readonly decode: FormatDecoder;
}

export async function run(terminal: Terminal, paths: readonly string[], options: QuantizeOptions): Promise<Exit> {
  const [path = ""] = paths;
  if (options.format === undefined)
    return usageError(terminal, "say which --format", "`bitloom formats` lists those of the library");
  if (options.out === undefined) return usageError(terminal, "say where to: -o OUT.safetensors");
  const { format: name, out } = options;
  const sources = options.loom === undefined ? [] : readSources(terminal, [options.loom]);
  if (sources === undefined) return EXIT.unreadable;
  const found = findFormat(terminal, name, sources, "--format");
  if (found === undefined) return EXIT.failed;
  const encoder = encoderOfFormat(found.format);
  if (encoder === undefined) {
    const message = `no encoder knows the format \`${found.format.name}\``;
    return usageError(terminal, message, "it is neither scales, selectors and offsets around a grid nor OliVe's pairs");
  }
  const packing: Packing = { ...found, encoder, decode: decoderOfFormat(found.format) };
  return withTensors(terminal, "quantize", path, options.json, (opened) =>
    quantizeFile(terminal, opened, packing, out, options),
  );
}

/** Tensors that are quantized without being asked for: matrices of floating-point or coded values. */
function isWeight({ type, shape }: TensorInfo): boolean {
  return shape.length >= 2 && (FLOATING.has(type.name) || type.valuesPerBlock > 1);
}

/** The jobs of a file and the tensors they write, or what is wrong with the request. */
function planJobs(
  { file, path }: OpenTensors,
  packing: Packing,
  tensors: string | undefined,
):
  | { readonly jobs: readonly Job[]; readonly outputs: readonly NewTensor[] }
  | { readonly wrong: string; readonly hint?: string } {
  const matches =
    tensors === undefined
      ? isWeight
      : (
          (glob) => (t: TensorInfo) =>
            glob(t.name)
        )(globMatcher(tensors));
  const jobs: Job[] = [];
  const outputs: NewTensor[] = [];
  for (const tensor of file.tensors) {
    const { name, type, shape } = tensor;
    const packed = matches(tensor) && (countOf(shape) ?? 0) > 0;
    jobs.push({ tensor, packed, first: outputs.length });
    if (!packed) {
      if (!ELEMENTS.has(type.name))
        return {
          wrong: `safetensors has no ${type.name}, so \`${name}\` cannot be copied`,
          hint: "choose it with --tensors",
        };
      outputs.push({ name, type: type.name, shape });
      continue;
    }
    if (!isReadable(tensor)) return { wrong: `values of type ${type.name} (\`${name}\`) cannot be read` };
    const [rows, columns] = [rowCount(shape), rowLength(shape)];
    if (!canPack(packing.format, columns))
      return { wrong: `the bit offsets of \`${packing.format.name}\` are too irregular for rows of ${columns}` };
    outputs.push(...packing.format.fields.map((field) => fieldTensor(name, packing.format, field, rows, columns)));
  }
  if (!jobs.some((j) => j.packed)) {
    const hint = `it has ${
      file.tensors
        .slice(0, 6)
        .map((t) => t.name)
        .join(", ") || "none"
    }${file.tensors.length > 6 ? ", …" : ""}`;
    return { wrong: tensors === undefined ? `${path} has no matrices` : `no tensor matches \`${tensors}\``, hint };
  }
  const twice = outputs.map((t) => t.name).find((n, i, all) => all.indexOf(n) !== i || n === "__metadata__");
  return twice === undefined ? { jobs, outputs } : { wrong: `two tensors would be called \`${twice}\`` };
}

/** Figures as long as any can be: room for the real ones. */
const WIDEST = { sqnrDb: -1.2345678901234567e-100, maxError: -1.2345678901234567e-100 };

async function quantizeFile(
  terminal: Terminal,
  opened: OpenTensors,
  packing: Packing,
  out: string,
  options: QuantizeOptions,
): Promise<Exit> {
  const planned = planJobs(opened, packing, options.tensors);
  if ("wrong" in planned) return usageError(terminal, planned.wrong, planned.hint);
  const { jobs, outputs } = planned;
  const entries: Record<string, PackedTensor> = {};
  for (const { tensor, packed } of jobs)
    if (packed)
      entries[tensor.name] = {
        format: packing.format.name,
        shape: tensor.shape,
        type: FLOATING.has(tensor.type.name) ? tensor.type.name : "F32",
        rule: packing.encoder.rule,
        error: WIDEST,
      };
  const texts = Object.fromEntries([...opened.file.metadata].filter(([, v]) => typeof v === "string")) as Record<
    string,
    string
  >;
  const record = (): Record<string, string> => {
    const body: PackedRecord = { version: 1, sources: [packing.source], tensors: entries };
    return { ...texts, [PACKED_KEY]: JSON.stringify(body) };
  };
  const plan = layOutSafetensors(outputs, record());
  const start = performance.now();
  const exit = await writeTensors(terminal, out, plan.size, async (file) => {
    for (const job of jobs) {
      const done = job.packed
        ? await packTensor(terminal, opened, packing, job, plan, file, entries)
        : await copyTensor(opened, job, plan, file);
      if (done !== EXIT.ok) return done;
    }
    file.write(0, layOutSafetensors(outputs, record(), plan.header.length).header);
    return EXIT.ok;
  });
  if (exit !== EXIT.ok) return exit;
  report(terminal, opened, packing, jobs, entries, plan, out, (performance.now() - start) / 1000, options.json);
  return EXIT.ok;
}

/** Copies a tensor's bytes as they are. */
async function copyTensor(
  { source }: OpenTensors,
  { tensor, first }: Job,
  plan: SafetensorsPlan,
  file: AtomicFile,
): Promise<Exit> {
  for (let done = 0; done < tensor.bytes; done += 4 * PIECE_VALUES) {
    const length = Math.min(4 * PIECE_VALUES, tensor.bytes - done);
    file.write(plan.starts[first]! + done, await source.read(tensor.start + done, length));
  }
  return EXIT.ok;
}

/** Rows of a piece: whole steps, so that every stream goes on at a whole word. */
function pieceRows(packing: Packing, rows: number, columns: number): number {
  if (packing.encoder.learn || packing.encoder.sums) return rows;
  return Math.min(rows, Math.max(1, Math.floor(PIECE_VALUES / columns / ROW_STEP)) * ROW_STEP);
}

async function packTensor(
  terminal: Terminal,
  { source, path }: OpenTensors,
  packing: Packing,
  { tensor, first }: Job,
  plan: SafetensorsPlan,
  file: AtomicFile,
  entries: Record<string, PackedTensor>,
): Promise<Exit> {
  const [rows, columns] = [rowCount(tensor.shape), rowLength(tensor.shape)];
  const step = pieceRows(packing, rows, columns);
  const { format, encoder, decode } = packing;
  const pieces = { source, tensor, rows, columns, step };
  const stats = scopeBits(format, "tensor") > 0 ? await measure(pieces) : statsOf(new Float32Array(1));
  const errors = new ErrorStats();
  for (let row = 0; row < rows; row += step) {
    terminal.progress(`quantizing ${tensor.name} ${Math.floor((100 * row) / rows)} %`);
    const count = Math.min(step, rows - row);
    const values = await readValues(source, tensor, row * columns, count * columns);
    if (hasNonFinite(values)) {
      const message = `tensor \`${tensor.name}\` holds NaN or infinity in rows ${row} to ${row + count - 1}`;
      terminal.say(`${terminal.accent("red", "error[file/not-finite]:")} ${message}`);
      terminal.say(`  ${terminal.accent("cyan", "-->")} ${path}, from byte ${tensor.start}`);
      return EXIT.failed;
    }
    const fields = encoder.encode(
      values,
      columns,
      encoder.learn || encoder.sums ? studyTensor(encoder, values, columns) : stats,
    );
    errors.add(values, decode(stored(packing, fields), columns));
    for (const [n, field] of format.fields.entries()) {
      if (field.scope === "tensor" && row > 0) continue;
      const at = plan.starts[first + n]! + (field.scope === "tensor" ? 0 : streamBytes(format, field, row, columns));
      file.write(at, packField(format, field, fields.get(field.name)!, count, columns));
    }
  }
  const { sqnrDb, maxError } = errors;
  entries[tensor.name] = { ...entries[tensor.name]!, error: { sqnrDb, maxError } };
  return EXIT.ok;
}

/** Fields as they will be read again: plain numbers are rounded only when they are packed. */
function stored({ format }: Packing, fields: FieldValues): FieldValues {
  const [only] = format.fields;
  if (format.fields.length > 1 || only === undefined || !only.type.includes("f")) return fields;
  const values = fields.get(only.name)!;
  const type = only.type === "f16" ? "F16" : only.type === "bf16" ? "BF16" : "F32";
  return new Map([[only.name, roundElements(type, Float32Array.from(values))]]);
}

async function measure(pieces: {
  readonly source: OpenTensors["source"];
  readonly tensor: TensorInfo;
  readonly rows: number;
  readonly columns: number;
  readonly step: number;
}): Promise<TensorStats> {
  const { source, tensor, rows, columns, step } = pieces;
  let stats: TensorStats | undefined;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const own = statsOf(await readValues(source, tensor, row * columns, count * columns));
    stats = stats === undefined ? own : joinStats(stats, own);
  }
  return stats ?? statsOf(new Float32Array(1));
}

function report(
  terminal: Terminal,
  { path, source }: OpenTensors,
  { format, encoder }: Packing,
  jobs: readonly Job[],
  entries: Readonly<Record<string, PackedTensor>>,
  plan: SafetensorsPlan,
  out: string,
  seconds: number,
  json: boolean | undefined,
): void {
  const rows = jobs
    .filter((j) => j.packed)
    .map(({ tensor, first }) => {
      const bytes = plan.bytes.slice(first, first + format.fields.length).reduce((a, b) => a + b, 0);
      const { shape, error } = entries[tensor.name]!;
      const values = countOf(shape) ?? 0;
      return { name: tensor.name, shape, bytes, bitsPerValue: (8 * bytes) / values, ...error };
    });
  const copied = jobs.filter((j) => !j.packed).map((j) => j.tensor.name);
  if (json === true) {
    const body = {
      ok: true,
      format: format.name,
      rule: encoder.rule,
      in: path,
      out,
      bytes: plan.size,
      tensors: rows,
      copied,
    };
    printJson(terminal, "bitloom.quantize/1", body);
    return;
  }
  printTable(
    terminal,
    [
      { title: "Tensor" },
      { title: "Shape", drop: 2 },
      { title: "Bits/value", align: "right" },
      { title: "SQNR", align: "right" },
      { title: "Max error", align: "right", drop: 1 },
    ],
    rows.map((r) => [
      r.name,
      r.shape.join(" × "),
      r.bitsPerValue.toFixed(3),
      formatSqnr(r.sqnrDb),
      r.maxError.toExponential(2),
    ]),
  );
  const rest = copied.length === 0 ? "" : `; ${copied.length} copied as they are`;
  terminal.out(`${rows.length} tensors as ${format.name} (${encoder.rule})${rest}`);
  terminal.say(`${formatBytes(source.size)} → ${formatBytes(plan.size)} in ${formatSeconds(seconds)}: ${out}`);
}

/** A ratio of signal to noise; "exact" where there is no noise. */
export function formatSqnr(sqnrDb: number | null): string {
  return sqnrDb === null ? "exact" : `${sqnrDb.toFixed(2)} dB`;
}

function roundElements(type: "F16" | "BF16" | "F32", values: Float32Array): Float32Array {
  return ELEMENTS.get(type)!.decode!(encodeElements(type, values));
}
