/** `bitloom quantize FILE --format NAME -o OUT`: packs tensors of a file into a declared format, a piece at a time. */
import type { Source } from "../../ir/diagnostics.ts";
import { internal } from "../../ir/diagnostics.ts";
import { FLOATING } from "../io/elements.ts";
import type { AtomicFile } from "../io/node-files.ts";
import { PACKED_KEY, type PackedRecord, type PackedTensor } from "../io/packed.ts";
import { countOf, rowLength } from "../io/tensor-file.ts";
import { sqnrDb } from "../quantize/error-stats.ts";
import { encoderOfFormat } from "../quantize/format-encode.ts";
import { modelOf } from "../quantize/format-model.ts";
import { hadamardBlock } from "../quantize/hadamard.ts";
import { preparePacking } from "../quantize/recipe.ts";
import { RULES } from "../quantize/rules.ts";
import { type Calibration, type LayerInputs, layerInputs } from "./calibration.ts";
import { readSources } from "./check.ts";
import { type EncodePool, openPool } from "./encode-pool.ts";
import { createProgress } from "./progress.ts";
import {
  type Extras,
  ggufTypeOf,
  type Job,
  type OutputPlan,
  planGguf,
  planJobs,
  planSafetensors,
} from "./quantize-plan.ts";
import { reportQuantized } from "./quantize-report.ts";
import { type QuantizeOptions, readWishes, type Wishes } from "./quantize-request.ts";
import {
  type Prepared,
  packTensor,
  prepareTensor,
  streamOffset,
  type Unsound,
  type Workshop,
} from "./quantize-tensor.ts";
import {
  type FoundFormat,
  findFormat,
  type OpenTensors,
  refuseRequest,
  withTensors,
  writeTensors,
} from "./tensor-files.ts";
import { EXIT, type Exit, type Terminal, usageError } from "./terminal.ts";

/** Bytes of one read while copying. */
const COPY_BYTES = 1 << 24;
/** Below this there is less work than starting threads is. */
const VALUES_FOR_THREADS = 1 << 22;

export async function run(terminal: Terminal, paths: readonly string[], options: QuantizeOptions): Promise<Exit> {
  const [path = ""] = paths;
  const wishes = readWishes(options);
  if ("wrong" in wishes) return usageError(terminal, wishes.wrong, wishes.hint);
  const sources = options.loom === undefined ? [] : readSources(terminal, [options.loom]);
  if (sources === undefined) return EXIT.unreadable;
  const found = findFormat(terminal, wishes.format, sources, "--format");
  if (found === undefined) return EXIT.failed;
  const refused = refusal(found, wishes);
  if (refused !== undefined) return refuseRequest(terminal, "quantize", "file/rule", refused, options.json);
  const work = (calibration: Calibration | undefined) =>
    withTensors(terminal, "quantize", path, options.json, (opened) =>
      quantizeFile({ terminal, opened, found, sources, wishes, options, calibration }),
    );
  const inputs = options.activations ?? options.hessian;
  if (inputs === undefined) return work(undefined);
  const kind = options.hessian === undefined ? "activations" : "hessian";
  return withTensors(terminal, "quantize", inputs, options.json, (opened) => work({ kind, opened }));
}

/** Why a rule cannot encode a format. */
function refusal({ format }: FoundFormat, { rule, gptq }: Wishes): string | undefined {
  const encoder = encoderOfFormat(format, rule === undefined ? {} : { rule });
  if (encoder === undefined && rule === undefined) return `no rule is known for the format \`${format.name}\``;
  if (encoder === undefined)
    return `the rule \`${rule}\` is for ${RULES.find((r) => r.name === rule)?.fits ?? "others"}; \`${format.name}\` is none of them`;
  if (gptq !== undefined && modelOf(format) === undefined)
    return `gptq is for grids under scales; \`${format.name}\` is none of them`;
  return undefined;
}

interface Order {
  readonly terminal: Terminal;
  readonly opened: OpenTensors;
  readonly found: FoundFormat;
  readonly sources: readonly Source[];
  readonly wishes: Wishes;
  readonly options: QuantizeOptions;
  readonly calibration: Calibration | undefined;
}

async function quantizeFile(order: Order): Promise<Exit> {
  const { terminal, opened, found, wishes, options } = order;
  const gguf = wishes.out.toLowerCase().endsWith(".gguf");
  if (gguf && (wishes.awq || wishes.rotation !== undefined || wishes.outliers !== undefined))
    return usageError(
      terminal,
      "GGUF has no place for rotations, channel scales or outliers",
      "write a safetensors file",
    );
  const jobs = planJobs(opened, found, options.tensors, gguf);
  if ("wrong" in jobs) return usageError(terminal, jobs.wrong, jobs.hint);
  const packedJobs = jobs.filter((j) => j.packed);
  const values = packedJobs.reduce((sum, { tensor }) => sum + (countOf(tensor.shape) ?? 0), 0);
  const pool = openPool(values < VALUES_FOR_THREADS && wishes.threads === undefined ? 1 : wishes.threads);
  try {
    return await quantizeWith(order, pool, jobs, gguf);
  } finally {
    await pool.close();
  }
}

/** Figures as long as any can be: room for the real ones. */
const WIDEST = {
  sqnrDb: -1.2345678901234567e-100,
  maxError: -1.2345678901234567e-100,
  beyond3Sigma: 1.234567890123456e-10,
};
const WIDEST_SETTINGS = {
  damping: 1.234567890123456e-10,
  order: "activation",
  parameters: "ggml-signed-peak",
  normals: "flint",
};

async function quantizeWith(order: Order, pool: EncodePool, jobs: readonly Job[], gguf: boolean): Promise<Exit> {
  const { terminal, opened, found, sources, wishes, options } = order;
  const start = performance.now();
  const packedJobs = jobs.filter((j) => j.packed);
  // Everything is looked at before anything is written: what cannot be encoded is known before there is a file.
  const progress = createProgress(terminal, packedJobs.map((j) => j.tensor), wishes.outliers === undefined ? 2 : 3); // biome-ignore format: one line
  const shop: Workshop = { opened, pool, sources, wishes, layout: gguf ? "records" : "fields", report: progress };
  const prepared = new Map<Job, Prepared>();
  for (const job of packedJobs) {
    const inputs = await inputsOf(order, job);
    if (inputs !== undefined && "wrong" in inputs)
      return refuseRequest(terminal, "quantize", "file/calibration", inputs.wrong, options.json);
    const own = await prepareTensor(shop, job.tensor, inputs);
    if ("firstRow" in own) return refuseUnsound(order, job, own);
    prepared.set(job, own);
  }
  const entries: Record<string, PackedTensor> = {};
  for (const [job, { recipe, study }] of prepared)
    entries[job.tensor.name] = entryOf(order, job, recipe.transform.channels !== undefined, study.outliers);
  const extras = new Map([...prepared].map(([job, { recipe, study }]): [Job, Extras] => [
    job,
    { channels: recipe.transform.channels !== undefined, outliers: recipe.outliers && study.outliers },
  ])); // biome-ignore format: one expression
  const texts = (): Record<string, string> => {
    const body: PackedRecord = { version: 1, sources: [found.source], tensors: entries };
    return { ...ownTexts(opened, gguf), [PACKED_KEY]: JSON.stringify(body) };
  };
  const plan = gguf
    ? planGguf(jobs, ggufTypeOf(found) ?? internal("checked"), texts(), await rawOf(opened))
    : planSafetensors(jobs, found, extras, texts());
  if ("wrong" in plan) return usageError(terminal, plan.wrong, plan.hint);
  const exit = await writeTensors(terminal, wishes.out, plan.size, async (file) => {
    for (const [n, job] of jobs.entries()) {
      const own = prepared.get(job);
      if (own === undefined) await copyTensor(opened, job, plan, n, file);
      else {
        const unsound = await writePacked(order, shop, own, plan, n, file, entries);
        if (unsound !== undefined) return refuseUnsound(order, job, unsound);
      }
    }
    file.write(0, plan.header(texts()));
    return EXIT.ok;
  });
  if (exit !== EXIT.ok) return exit;
  const seconds = (performance.now() - start) / 1000;
  reportQuantized(
    terminal,
    opened,
    found.format.name,
    jobs,
    entries,
    plan,
    { out: wishes.out, seconds, threads: pool.threads },
    options.json,
  );
  return EXIT.ok;
}

async function inputsOf(
  { calibration }: Order,
  { tensor }: Job,
): Promise<LayerInputs | { readonly wrong: string } | undefined> {
  return calibration === undefined ? undefined : layerInputs(calibration, tensor.name, rowLength(tensor.shape));
}

/** What the record says of a tensor before it is encoded. */
function entryOf({ found, wishes }: Order, { tensor }: Job, channels: boolean, outliers: number): PackedTensor {
  const block = hadamardBlock(rowLength(tensor.shape));
  return {
    format: found.format.name,
    shape: tensor.shape,
    type: FLOATING.has(tensor.type.name) ? tensor.type.name : "F32",
    rule: "ggml-signed-peak, ggml-signed-peak",
    settings: WIDEST_SETTINGS,
    ...(wishes.rotation && { rotation: { block, seed: wishes.rotation.seed } }),
    ...(channels && { channels }),
    ...(wishes.outliers && { outliers }),
    error: WIDEST,
  };
}

/** Metadata texts that the output takes over: safetensors' own, where it becomes safetensors. */
function ownTexts({ file }: OpenTensors, gguf: boolean): Record<string, string> {
  if (gguf && file.container === "gguf") return {};
  const texts = [...file.metadata].filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.fromEntries(texts.filter(([key]) => key !== PACKED_KEY));
}

/** The metadata of a GGUF input, to be written again as it stands. */
async function rawOf({ file, source }: OpenTensors) {
  const { raw } = file;
  if (raw === undefined) return undefined;
  const { start, end, count, alignment } = raw;
  return { bytes: await source.read(start, end - start), count, alignment };
}

function refuseUnsound({ terminal, opened, options }: Order, { tensor }: Job, { firstRow, lastRow }: Unsound): Exit {
  const message = `tensor \`${tensor.name}\` holds NaN or infinity in rows ${firstRow} to ${lastRow}`;
  return refuseRequest(
    terminal,
    "quantize",
    "file/not-finite",
    message,
    options.json,
    `${opened.path}, from byte ${tensor.start}`,
  );
}

/** Copies a tensor's bytes as they are. */
async function copyTensor(
  { source }: OpenTensors,
  { tensor }: Job,
  plan: OutputPlan,
  n: number,
  file: AtomicFile,
): Promise<void> {
  const start = plan.places[n]!.starts[0]!;
  for (let done = 0; done < tensor.bytes; done += COPY_BYTES)
    file.write(start + done, await source.read(tensor.start + done, Math.min(COPY_BYTES, tensor.bytes - done)));
}

const bytesOf = (view: Float32Array | Uint32Array): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

async function writePacked(
  order: Order,
  shop: Workshop,
  own: Prepared,
  plan: OutputPlan,
  n: number,
  file: AtomicFile,
  entries: Record<string, PackedTensor>,
): Promise<Unsound | undefined> {
  const { tensor, recipe } = own;
  const { starts } = plan.places[n]!;
  const packing = preparePacking(recipe) ?? internal("a recipe that was tried fits");
  const streams = recipe.layout === "records" ? 1 : packing.format.fields.length;
  const at = { outliers: 0 };
  const inputs = shop.wishes.gptq === undefined ? undefined : await inputsOf(order, { tensor, packed: true });
  if (inputs !== undefined && "wrong" in inputs) return internal("inputs that were there before");
  const done = await packTensor(shop, own, inputs, (rows, firstRow) => {
    for (const [s, bytes] of rows.streams.entries()) {
      const once = recipe.layout === "fields" && packing.format.fields[s]!.scope === "tensor";
      if (!once || firstRow === 0) file.write(starts[s]! + streamOffset(recipe, packing, s, firstRow), bytes);
    }
    const { places, values } = rows.outliers;
    if (recipe.outliers === undefined || places.length === 0) return;
    const index = new Uint32Array(2 * places.length);
    for (const [i, place] of places.entries()) {
      index[2 * i] = firstRow + Math.floor(place / recipe.columns);
      index[2 * i + 1] = place % recipe.columns;
    }
    const first = streams + (recipe.transform.channels === undefined ? 0 : 1);
    file.write(starts[first]! + 8 * at.outliers, bytesOf(index));
    file.write(starts[first + 1]! + 4 * at.outliers, bytesOf(values));
    at.outliers += places.length;
  });
  if ("firstRow" in done) return done;
  const { channels } = recipe.transform;
  if (channels !== undefined) file.write(starts[streams]!, bytesOf(Float32Array.from(channels)));
  const { errors, beyond3Sigma, settings } = done;
  const rule = `${shop.wishes.awq ? "awq+" : ""}${done.rule}`;
  const { settings: _widest, ...entry } = entries[tensor.name]!;
  const error = { sqnrDb: sqnrDb(errors), maxError: errors.maxError, beyond3Sigma };
  entries[tensor.name] = { ...entry, rule, ...(settings && { settings }), error };
  return undefined;
}
