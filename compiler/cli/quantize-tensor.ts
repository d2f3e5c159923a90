/** One tensor through its recipe: looked at as a whole, learned from, then encoded piece by piece on all threads. */
import type { Source } from "../../ir/diagnostics.ts";
import { internal } from "../../ir/diagnostics.ts";
import { ROW_STEP, streamBytes } from "../io/packed.ts";
import { readValues, rowCount, rowLength, type TensorInfo } from "../io/tensor-file.ts";
import { searchAwq } from "../quantize/awq.ts";
import { type FieldValues, SAMPLE_VALUES, studyTensor } from "../quantize/encoder.ts";
import { addErrors, type ErrorSums, NO_ERRORS } from "../quantize/error-stats.ts";
import { prepareHessian } from "../quantize/gptq.ts";
import { hadamardBlock } from "../quantize/hadamard.ts";
import { addMoments, type Moments, outlierReach } from "../quantize/outliers.ts";
import {
  joinStudies,
  type PackedRows,
  preparedValues,
  preparePacking,
  type Recipe,
  type Study,
} from "../quantize/recipe.ts";
import { rotateHessian, type Transform } from "../quantize/transform.ts";
import type { LayerInputs } from "./calibration.ts";
import type { Answer, Order } from "./encode-jobs.ts";
import type { EncodePool } from "./encode-pool.ts";
import type { Wishes } from "./quantize-request.ts";
import type { OpenTensors } from "./tensor-files.ts";

/** Values of one piece: bounds the memory, whatever the size of a tensor. */
const PIECE_VALUES = 1 << 20;
/** Rows of a weight by which AWQ measures what an exponent does to the outputs. */
const AWQ_ROWS = 64;

/** What goes on while a tensor is worked on: a part between 0 and 1 of one of its passes. */
export type Report = (doing: string, tensor: TensorInfo, part: number) => void;

export interface Workshop {
  readonly opened: OpenTensors;
  readonly pool: EncodePool;
  readonly sources: readonly Source[];
  readonly wishes: Wishes;
  readonly layout: Recipe["layout"];
  readonly report: Report;
}

/** A tensor that was looked at: all that packing it needs but the Hessian, which is too large to keep. */
export interface Prepared {
  readonly tensor: TensorInfo;
  readonly recipe: Recipe;
  readonly study: Study;
}

/** Rows where NaN or infinity stands. */
export interface Unsound {
  readonly firstRow: number;
  readonly lastRow: number;
}

const isUnsound = (x: object): x is Unsound => "firstRow" in x;

/** Rows of a piece: whole steps, so that every stream goes on at a whole word. */
function pieceRows(rows: number, columns: number): number {
  return Math.min(rows, Math.max(1, Math.floor(PIECE_VALUES / columns / ROW_STEP)) * ROW_STEP);
}

type PieceOrder = (bytes: Uint8Array<ArrayBuffer>, type: string, firstRow: number) => Order;

/** Sends every piece of a tensor to the pool; undefined, or the rows that are unsound. */
async function eachPiece(
  { opened, pool, report }: Workshop,
  tensor: TensorInfo,
  doing: string,
  order: PieceOrder,
  use: (answer: Answer, firstRow: number, count: number) => void,
): Promise<Unsound | undefined> {
  const [rows, columns] = [rowCount(tensor.shape), rowLength(tensor.shape)];
  const step = pieceRows(rows, columns);
  const { valuesPerBlock, bytesPerBlock, name } = tensor.type;
  const bytesPerRow = (columns / valuesPerBlock) * bytesPerBlock;
  async function* pieces(): AsyncIterable<Order> {
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const bytes = await opened.source.read(tensor.start + row * bytesPerRow, count * bytesPerRow);
      yield order(bytes as Uint8Array<ArrayBuffer>, name, row);
    }
  }
  const found: { unsound?: Unsound } = {};
  await pool.each(pieces(), (answer, index) => {
    const row = index * step;
    const count = Math.min(step, rows - row);
    report(doing, tensor, (row + count) / rows);
    if (answer.kind === "unsound") {
      found.unsound = { firstRow: row, lastRow: row + count - 1 };
      return false;
    }
    use(answer, row, count);
    return true;
  });
  return found.unsound;
}

/** Rows of a tensor at equal distances, all where there are at most `most` values. */
async function sampleRows({ opened }: Workshop, tensor: TensorInfo, most: number): Promise<Float32Array> {
  const [rows, columns] = [rowCount(tensor.shape), rowLength(tensor.shape)];
  if (rows * columns <= most) return readValues(opened.source, tensor, 0, rows * columns);
  const count = Math.max(1, Math.floor(most / columns));
  const out = new Float32Array(count * columns);
  for (let n = 0; n < count; n++)
    out.set(await readValues(opened.source, tensor, Math.floor((n * rows) / count) * columns, columns), n * columns);
  return out;
}

/** Looks at a tensor: outliers, rotation, channel scales, statistics, what is learned. */
export async function prepareTensor(
  shop: Workshop,
  tensor: TensorInfo,
  inputs: LayerInputs | undefined,
): Promise<Prepared | Unsound> {
  const { wishes } = shop;
  const columns = rowLength(tensor.shape);
  const rotation = wishes.rotation && { block: hadamardBlock(columns), seed: wishes.rotation.seed };
  const first: Recipe = {
    sources: shop.sources,
    format: wishes.format,
    columns,
    ...(wishes.rule !== undefined && { rule: wishes.rule }),
    // Rotated columns are mixtures of all: none matters more than another.
    ...(inputs !== undefined && rotation === undefined && { importance: inputs.importance() }),
    transform: rotation === undefined ? {} : { rotation },
    layout: shop.layout,
  };
  const moments = wishes.outliers === undefined ? undefined : await momentsOf(shop, tensor);
  if (moments !== undefined && isUnsound(moments)) return moments;
  const reach = moments && wishes.outliers && outlierReach(wishes.outliers, moments);
  const second: Recipe = reach === undefined ? first : { ...first, outliers: reach };
  const channels = wishes.awq && inputs !== undefined ? await channelScales(shop, tensor, second, inputs) : undefined;
  const transform: Transform = { ...second.transform, ...(channels && { channels }) };
  const recipe: Recipe = { ...second, transform };
  await shop.pool.prepare({ kind: "recipe", recipe });
  const joined: { study?: Study } = {};
  const unsound = await eachPiece(shop, tensor, "reading", (bytes, type) => ({ kind: "study", bytes, type }), (answer) => {
    if (answer.kind === "study") joined.study = joined.study === undefined ? answer.study : joinStudies(joined.study, answer.study);
  }); // biome-ignore format: one call
  if (unsound !== undefined) return unsound;
  const study = joined.study ?? internal("a tensor without rows");
  const learned = await learn(shop, tensor, recipe, study);
  return { tensor, recipe, study: learned === undefined ? study : { ...study, stats: { ...study.stats, learned } } };
}

async function momentsOf(shop: Workshop, tensor: TensorInfo): Promise<Moments | Unsound> {
  const total = { moments: { sum: 0, squares: 0, count: 0 } as Moments };
  const unsound = await eachPiece(shop, tensor, "reading", (bytes, type) => ({ kind: "moments", bytes, type }), (answer) => {
    if (answer.kind === "moments") total.moments = addMoments(total.moments, answer.moments);
  }); // biome-ignore format: one call
  return unsound ?? total.moments;
}

async function learn(
  shop: Workshop,
  tensor: TensorInfo,
  recipe: Recipe,
  { stats }: Study,
): Promise<FieldValues | undefined> {
  const packing = preparePacking(recipe) ?? internal("a recipe that was tried fits");
  if (packing.encoder.learn === undefined) return undefined;
  shop.report("learning from", tensor, 0);
  const rows = preparedValues(packing, await sampleRows(shop, tensor, SAMPLE_VALUES));
  return packing.encoder.learn(rows, recipe.columns, stats);
}

/** AWQ's factors, from some rows of the weight. Of a rotated weight the inputs are rotated too. */
async function channelScales(
  shop: Workshop,
  tensor: TensorInfo,
  recipe: Recipe,
  inputs: LayerInputs,
): Promise<Float32Array> {
  const { columns } = recipe;
  const packing = preparePacking(recipe) ?? internal("a recipe that was tried fits");
  shop.report("scaling", tensor, 0);
  const rows = preparedValues(packing, await sampleRows(shop, tensor, AWQ_ROWS * columns));
  const { encoder, decode } = packing;
  const roundTrip = (w: Float32Array): Float32Array =>
    decode(encoder.encode(w, columns, studyTensor(encoder, w, columns)), columns);
  return searchAwq(rows, columns, inputs.awq(), roundTrip).scales;
}

/** What packing a tensor left: its errors, and the part of its values beyond three deviations. */
export interface PackedFigures {
  readonly errors: ErrorSums;
  readonly beyond3Sigma: number;
  /** The rule and its settings as they were used. */
  readonly rule: string;
  readonly settings: Readonly<Record<string, number | string>> | undefined;
}

/** Encodes a tensor and hands its streams to `write`, in the order of its rows. */
export async function packTensor(
  shop: Workshop,
  { tensor, recipe: plain, study }: Prepared,
  inputs: LayerInputs | undefined,
  write: (rows: PackedRows, firstRow: number, count: number) => void,
): Promise<PackedFigures | Unsound> {
  const { gptq } = shop.wishes;
  const recipe = gptq === undefined || inputs === undefined ? plain : withHessian(shop, tensor, plain, gptq, inputs);
  await shop.pool.prepare({ kind: "recipe", recipe });
  const encoder = preparePacking(recipe)?.encoder ?? internal("a recipe that was tried fits");
  const sums = { errors: NO_ERRORS, far: 0 };
  const unsound = await eachPiece(shop, tensor, "encoding", (bytes, type, firstRow) => ({ kind: "pack", bytes, type, firstRow, study }), (answer, firstRow, count) => {
    if (answer.kind !== "pack") return;
    sums.errors = addErrors(sums.errors, answer.rows.errors);
    sums.far += answer.rows.far;
    write(answer.rows, firstRow, count);
  }); // biome-ignore format: one call
  if (unsound !== undefined) return unsound;
  const beyond3Sigma = sums.far / sums.errors.count;
  return { errors: sums.errors, beyond3Sigma, rule: encoder.rule, settings: encoder.settings };
}

function withHessian(
  shop: Workshop,
  tensor: TensorInfo,
  recipe: Recipe,
  rule: NonNullable<Wishes["gptq"]>,
  inputs: LayerInputs,
): Recipe {
  const { columns, transform } = recipe;
  const { rotation, channels } = transform;
  shop.report("factoring the Hessian of", tensor, 0);
  let hessian = inputs.hessian();
  if (rotation !== undefined) hessian = rotateHessian(hessian, columns, rotation);
  // Weights times s see inputs divided by s.
  if (channels !== undefined)
    hessian = hessian.map((h, n) => h / (channels[Math.floor(n / columns)]! * channels[n % columns]!));
  const { factor, ...rest } = prepareHessian(hessian, columns, rule);
  // Every thread reads the same memory.
  const shared = new Float64Array(new SharedArrayBuffer(factor.byteLength));
  shared.set(factor);
  return { ...recipe, gptq: { rule, prepared: { ...rest, factor: shared } } };
}

/** Where a stream of some rows begins in the stream of all. */
export function streamOffset(
  recipe: Recipe,
  packing: NonNullable<ReturnType<typeof preparePacking>>,
  n: number,
  row: number,
): number {
  const { format } = packing;
  if (recipe.layout === "records") return (row * recipe.columns * format.recordBits) / format.block / 8;
  const field = format.fields[n]!;
  return field.scope === "tensor" ? 0 : streamBytes(format, field, row, recipe.columns);
}
