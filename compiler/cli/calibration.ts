/** What is known of a layer's inputs: activations or Hessians by tensor, from a file of the user's. */
import type { TensorFile, TensorInfo } from "../io/tensor-file.ts";
import { countOf, isReadable, readValues, rowCount, rowLength } from "../io/tensor-file.ts";
import { type AwqInputs, awqInputs, awqInputsOfHessian } from "../quantize/awq.ts";
import { hasNonFinite } from "../quantize/error-stats.ts";
import { hessianOf } from "../quantize/linear-algebra.ts";
import type { OpenTensors } from "./tensor-files.ts";

export interface Calibration {
  readonly kind: "activations" | "hessian";
  readonly opened: OpenTensors;
}

/** The inputs of one tensor's layer. */
export interface LayerInputs {
  /** (2 / samples) Σ x xᵀ, by rows. */
  hessian(): Float64Array;
  awq(): AwqInputs;
  /** The diagonal of the Hessian. */
  importance(): Float64Array;
}

/** More samples than this are thinned out evenly. */
const MAX_VALUES = 1 << 25;
/** Samples that AWQ measures outputs by. */
const AWQ_SAMPLES = 128;

/** The tensor for a weight: of the same name, of the name without `.weight`, or the only one there is. */
function tensorFor(file: TensorFile, weight: string): TensorInfo | undefined {
  const names = [weight, weight.replace(/\.weight$/, "")];
  return file.tensors.find((t) => names.includes(t.name)) ?? (file.tensors.length === 1 ? file.tensors[0] : undefined);
}

/** The inputs of a weight of rows of `columns`, or what is wrong with them. */
export async function layerInputs(
  { kind, opened }: Calibration,
  weight: string,
  columns: number,
): Promise<LayerInputs | { readonly wrong: string }> {
  const tensor = tensorFor(opened.file, weight);
  if (tensor === undefined) return { wrong: `${opened.path} has no tensor \`${weight}\`, nor one without \`.weight\`` };
  const [rows, own] = [rowCount(tensor.shape), rowLength(tensor.shape)];
  const what = `\`${tensor.name}\` of ${opened.path}`;
  if (!isReadable(tensor)) return { wrong: `values of type ${tensor.type.name} (${what}) cannot be read` };
  if (own !== columns || tensor.shape.length < 2 || rows === 0)
    return { wrong: `${what} has the shape [${tensor.shape.join(", ")}]; rows of ${columns} are needed` };
  if (kind === "hessian" && rows !== columns)
    return { wrong: `${what} is no Hessian: it has ${rows} rows of ${columns}` };
  const values = await evenRows(opened, tensor, rows, columns);
  if (hasNonFinite(values)) return { wrong: `${what} holds NaN or infinity` };
  if (kind === "activations") return activations(values, columns);
  const hessian = Float64Array.from(values);
  const wrong = asymmetry(hessian, columns);
  return wrong === undefined ? ofHessian(hessian, columns) : { wrong: `${what} is no Hessian: ${wrong}` };
}

async function evenRows(
  { source }: OpenTensors,
  tensor: TensorInfo,
  rows: number,
  columns: number,
): Promise<Float32Array> {
  if ((countOf(tensor.shape) ?? 0) <= MAX_VALUES) return readValues(source, tensor, 0, rows * columns);
  const count = Math.max(1, Math.floor(MAX_VALUES / columns));
  const out = new Float32Array(count * columns);
  for (let n = 0; n < count; n++) {
    const row = Math.floor((n * rows) / count);
    out.set(await readValues(source, tensor, row * columns, columns), n * columns);
  }
  return out;
}

function asymmetry(h: Float64Array, size: number): string | undefined {
  for (let i = 0; i < size; i++) {
    if (h[i * size + i]! < 0) return `entry ${i} of its diagonal is negative`;
    for (let j = 0; j < i; j++) {
      const [a, b] = [h[i * size + j]!, h[j * size + i]!];
      if (Math.abs(a - b) > 1e-3 * Math.max(Math.abs(a), Math.abs(b), h[i * size + i]!))
        return `entries (${i}, ${j}) and (${j}, ${i}) differ`;
    }
  }
  return undefined;
}

function activations(values: Float32Array, columns: number): LayerInputs {
  const samples = values.length / columns;
  return {
    hessian: () => hessianOf(values, columns),
    awq: () => {
      const step = Math.max(1, Math.floor(samples / AWQ_SAMPLES));
      const few = new Float32Array(Math.min(samples, AWQ_SAMPLES) * columns);
      for (let n = 0; n * columns < few.length; n++)
        few.set(values.subarray(n * step * columns, (n * step + 1) * columns), n * columns);
      return { ...awqInputs(few, columns), magnitudes: awqInputs(values, columns).magnitudes };
    },
    importance: () => {
      const sums = new Float64Array(columns);
      for (let i = 0; i < values.length; i++) sums[i % columns]! += (2 / samples) * values[i]! * values[i]!;
      return sums;
    },
  };
}

function ofHessian(hessian: Float64Array, columns: number): LayerInputs {
  return {
    hessian: () => hessian,
    awq: () => awqInputsOfHessian(hessian, columns),
    importance: () => Float64Array.from({ length: columns }, (_, k) => hessian[k * columns + k]!),
  };
}
