/** What a quantized file will hold: which tensors are packed, which copied, and where all of it lies. */
import { ELEMENTS, FLOATING } from "../io/elements.ts";
import type { BlockType } from "../io/gguf-blocks.ts";
import { ggufType, layOutGguf, type RawMetadata } from "../io/gguf-write.ts";
import { canPack, fieldTensor } from "../io/packed.ts";
import { layOutSafetensors, type NewTensor } from "../io/safetensors.ts";
import { countOf, isReadable, rowCount, rowLength, type TensorInfo } from "../io/tensor-file.ts";
import type { FoundFormat } from "./tensor-files.ts";
import { globMatcher, type OpenTensors } from "./tensor-files.ts";

/** One tensor of the input. */
export interface Job {
  readonly tensor: TensorInfo;
  readonly packed: boolean;
}

export type Wrong = { readonly wrong: string; readonly hint?: string };

/** Tensors that are quantized without being asked for: matrices of floating-point or coded values. */
function isWeight({ type, shape }: TensorInfo): boolean {
  return shape.length >= 2 && (FLOATING.has(type.name) || type.valuesPerBlock > 1);
}

/** The type of GGUF that has exactly the blocks of a format of the library. */
export function ggufTypeOf({ format, source }: FoundFormat): BlockType | undefined {
  const type = ggufType(format.name.replace(/^gguf_/, "").toUpperCase());
  const isLibrary = source.name.includes("gguf.loom");
  const fits = type?.valuesPerBlock === format.block && type.bytesPerBlock * 8 === format.recordBits;
  return isLibrary && fits && format.fields.every((f) => f.scope === "block") ? type : undefined;
}

/** Which tensors become what, or what is wrong with the request. */
export function planJobs(
  { file, path }: OpenTensors,
  found: FoundFormat,
  tensors: string | undefined,
  gguf: boolean,
): readonly Job[] | Wrong {
  const glob = tensors === undefined ? undefined : globMatcher(tensors);
  const jobs = file.tensors.map((tensor) => {
    const wanted = glob === undefined ? isWeight(tensor) : glob(tensor.name);
    return { tensor, packed: wanted && (countOf(tensor.shape) ?? 0) > 0 };
  });
  const type = gguf ? ggufTypeOf(found) : undefined;
  if (gguf && type === undefined)
    return {
      wrong: `\`${found.format.name}\` is no type of GGUF`,
      hint: "write a safetensors file, or choose a format of compiler/std/gguf.loom",
    };
  for (const { tensor, packed } of jobs) {
    const { name, shape } = tensor;
    const columns = rowLength(shape);
    if (!packed && !(gguf ? ggufType(tensor.type.name) : ELEMENTS.has(tensor.type.name)))
      return {
        wrong: `${gguf ? "GGUF" : "safetensors"} has no ${tensor.type.name}, so \`${name}\` cannot be copied`,
        hint: "choose it with --tensors",
      };
    if (gguf && shape.length > 4) return { wrong: `\`${name}\` has ${shape.length} axes; GGUF has at most 4` };
    if (!packed) continue;
    if (!isReadable(tensor)) return { wrong: `values of type ${tensor.type.name} (\`${name}\`) cannot be read` };
    if (type !== undefined && columns % type.valuesPerBlock !== 0)
      return {
        wrong: `rows of ${columns} (\`${name}\`) are no whole blocks of ${type.valuesPerBlock}`,
        hint: "leave it out with --tensors",
      };
    if (type === undefined && !canPack(found.format, columns))
      return { wrong: `the bit offsets of \`${found.format.name}\` are too irregular for rows of ${columns}` };
  }
  if (jobs.some((j) => j.packed)) return jobs;
  const names = file.tensors.slice(0, 6).map((t) => t.name).join(", "); // biome-ignore format: one line
  const hint = `it has ${names || "none"}${file.tensors.length > 6 ? ", …" : ""}`;
  return { wrong: tensors === undefined ? `${path} has no matrices` : `no tensor matches \`${tensors}\``, hint };
}

/** What is stored beside a packed tensor's fields. */
export interface Extras {
  readonly channels: boolean;
  readonly outliers: number | undefined;
}

/** Where the parts of a job lie in the output: packed ones by field (or one of records), then channels, outliers. */
export interface Place {
  readonly starts: readonly number[];
  readonly bytes: number;
}

export interface OutputPlan {
  readonly size: number;
  readonly places: readonly Place[];
  /** The header with this metadata: as long as the first one was. */
  readonly header: (texts: Readonly<Record<string, string>>) => Uint8Array<ArrayBuffer>;
}

/** The tensors that safetensors will have for a job. */
function safetensorsOf(
  { tensor, packed }: Job,
  { format }: FoundFormat,
  extras: Extras | undefined,
): readonly NewTensor[] {
  const { name, type, shape } = tensor;
  if (!packed) return [{ name, type: type.name, shape }];
  const [rows, columns] = [rowCount(shape), rowLength(shape)];
  const out = format.fields.map((field) => fieldTensor(name, format, field, rows, columns));
  if (extras?.channels) out.push({ name: `${name}.channels`, type: "F32", shape: [columns] });
  if (extras?.outliers !== undefined)
    out.push({ name: `${name}.outliers.index`, type: "U32", shape: [extras.outliers, 2] }, { name: `${name}.outliers.value`, type: "F32", shape: [extras.outliers] }); // biome-ignore format: one line
  return out;
}

/** Lays out a safetensors file, or says why it cannot be. */
export function planSafetensors(
  jobs: readonly Job[],
  found: FoundFormat,
  extras: ReadonlyMap<Job, Extras>,
  texts: Readonly<Record<string, string>>,
): OutputPlan | Wrong {
  const parts = jobs.map((job) => safetensorsOf(job, found, extras.get(job)));
  const outputs = parts.flat();
  const names = new Set<string>(["__metadata__"]);
  for (const { name } of outputs) {
    if (names.has(name)) return { wrong: `two tensors would be called \`${name}\`` };
    names.add(name);
  }
  const plan = layOutSafetensors(outputs, texts);
  const places: Place[] = [];
  let first = 0;
  for (const own of parts) {
    const end = first + own.length;
    places.push({
      starts: plan.starts.slice(first, end),
      bytes: plan.bytes.slice(first, end).reduce((a, b) => a + b, 0),
    });
    first = end;
  }
  return { size: plan.size, places, header: (t) => layOutSafetensors(outputs, t, plan.header.length).header };
}

/** Lays out a GGUF file. */
export function planGguf(
  jobs: readonly Job[],
  type: BlockType,
  texts: Readonly<Record<string, string>>,
  raw: RawMetadata | undefined,
): OutputPlan {
  const outputs = jobs.map(({ tensor, packed }) => ({
    name: tensor.name,
    shape: tensor.shape,
    type: packed ? type : (ggufType(tensor.type.name) ?? type),
  }));
  const plan = layOutGguf(outputs, texts, raw);
  const places = jobs.map((_, n) => ({ starts: [plan.starts[n]!], bytes: plan.bytes[n]! }));
  return { size: plan.size, places, header: (t) => layOutGguf(outputs, t, raw, plan.header.length).header };
}
