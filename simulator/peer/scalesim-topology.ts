/** Reads SCALE-Sim's topology files: CSV of convolutions or of matrix products. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { linesOf, type Piece, splitPiece, trimPiece } from "./text-lines.ts";
import type { PeerLayer, SparsityRatio } from "./workload.ts";

/** The two forms of a file; SCALE-Sim is told which by an option, here the header says it. */
export type TopologyForm = "conv" | "gemm";

/** Names of the columns after the layer's name, in order. */
const COLUMNS: Readonly<Record<TopologyForm, readonly string[]>> = {
  conv: ["IFMAP height", "IFMAP width", "filter height", "filter width", "channels", "number of filters", "stride"],
  gemm: ["M", "N", "K"],
};

/** Dimensions beyond this are a mistake: products of five of them would not be exact numbers any more. */
const MAX_DIMENSION = 1e9;

interface Columns {
  readonly form: TopologyForm;
  /** Column of the sparsity ratio or of the batch size, where the header names one. */
  readonly sparsity: number | undefined;
  readonly batch: number | undefined;
}

/**
 * The layers of a topology file. Read are also files that SCALE-Sim itself cannot load: without a comma at the end of
 * the line, with tabs, with a byte order mark, with a column for the batch, with further columns that the header names
 * or leaves empty. A name that contains `DP` is a depthwise convolution and becomes one layer a channel, as there.
 * Reports `topology/*` at the place in the file; undefined after an error. `form` decides where the header does not.
 */
export function readTopology(
  text: string,
  file: number,
  sink: Diagnostics,
  form?: TopologyForm,
): readonly PeerLayer[] | undefined {
  const before = sink.list.filter((d) => d.severity === "error").length;
  const lines = linesOf(text, file).filter((line) => /[^,\s]/.test(line.text));
  const whole: Span = { file, start: 0, end: Math.min(text.length, 1) };
  const header = lines[0];
  if (header === undefined) {
    sink.error("topology/empty", whole, "this file has no layers");
    return undefined;
  }
  const fields = fieldsOf(header);
  const isHeader = !fields.slice(1).some((f) => /^\d+$/.test(f.text));
  const columns = columnsOf(isHeader ? fields : [], fields.length, form);
  if (!isHeader)
    sink.warn("topology/header", header.span, "the first line is a layer, and is read as one", [
      { message: "SCALE-Sim takes every first line for a header and leaves this layer out" },
    ]);
  const layers = lines.slice(isHeader ? 1 : 0).flatMap((line) => readLine(line, columns, sink));
  if (layers.length === 0 && sink.list.length === before)
    sink.error("topology/empty", whole, "this file has no layers");
  return sink.list.filter((d) => d.severity === "error").length > before ? undefined : layers;
}

/** A line's fields without the empty ones at its end; tabs separate where there are no commas. */
function fieldsOf(line: Piece): readonly Piece[] {
  const fields = splitPiece(line, line.text.includes(",") ? /,/g : /\t/g).map(trimPiece);
  const last = fields.findLastIndex((f) => f.text !== "");
  return fields.slice(0, last + 1);
}

function columnsOf(header: readonly Piece[], count: number, form: TopologyForm | undefined): Columns {
  const names = header.map((f) => f.text.toLowerCase());
  const column = (word: string): number | undefined => {
    const index = names.findIndex((n) => n.includes(word));
    return index < 0 ? undefined : index;
  };
  const isGemm = names[1] === "m" && names[2] === "n" && names[3] === "k";
  const guessed = isGemm || (header.length === 0 && count <= 5) ? "gemm" : "conv";
  return { form: form ?? guessed, sparsity: column("spars"), batch: column("batch") };
}

function readLine(line: Piece, columns: Columns, sink: Diagnostics): readonly PeerLayer[] {
  const fields = fieldsOf(line);
  const wanted = COLUMNS[columns.form];
  const name = fields[0]!.text;
  if (fields.length === 1) {
    sink.warn("topology/heading", fields[0]!.span, `"${name}" has no dimensions, and is read as a heading`);
    return [];
  }
  if (fields.length < wanted.length + 1) {
    sink.error(
      "topology/columns",
      trimPiece(line).span,
      `layer "${name}" has ${fields.length - 1} dimensions; ${columns.form === "conv" ? "a convolution" : "a product"} has ${wanted.length}: ${wanted.join(", ")}`,
    );
    return [];
  }
  const dims = wanted.map((what, i) => dimensionOf(fields[i + 1]!, what, sink));
  const extra = fields.slice(wanted.length + 1);
  const sparsity = sparsityOf(fields, extra, columns, sink);
  const batchField = columns.batch === undefined ? undefined : fields[columns.batch];
  const batch = batchField === undefined ? 1 : dimensionOf(batchField, "batch size", sink);
  const sizes = dims.filter((d) => d !== undefined);
  if (sizes.length < dims.length || sparsity === "wrong" || batch === undefined) return [];
  const ratio = sparsity === undefined ? {} : { sparsity };
  if (columns.form === "gemm") {
    const [m, n, k] = sizes as [number, number, number];
    return [{ kind: "gemm", name, m: m * batch, n, k, count: 1, ...ratio }];
  }
  return convolutions(name, sizes, fields, batch, ratio, sink);
}

type ConvDims = [number, number, number, number, number, number, number];

function convolutions(
  name: string,
  dims: readonly number[],
  fields: readonly Piece[],
  batch: number,
  ratio: { readonly sparsity?: SparsityRatio },
  sink: Diagnostics,
): readonly PeerLayer[] {
  const [inputHeight, inputWidth, kernelHeight, kernelWidth, channels, filters, stride] = dims as ConvDims;
  for (const [kernel, input, column] of [
    [kernelHeight, inputHeight, 3],
    [kernelWidth, inputWidth, 4],
  ] as const) {
    if (kernel <= input) continue;
    const message = `a filter of ${kernel} does not fit an input of ${input} in layer "${name}"`;
    sink.error("topology/filter", fields[column]!.span, message, [
      { message: "the input's height and width must hold what padding adds" },
    ]);
    return [];
  }
  const conv = { kind: "conv", inputHeight, inputWidth, kernelHeight, kernelWidth, filters, stride, batch } as const;
  if (!name.includes("DP")) return [{ ...conv, name, channels, ...ratio }];
  return Array.from({ length: channels }, (_, i) => ({ ...conv, name: `${name}Channel_${i}`, channels: 1, ...ratio }));
}

function dimensionOf({ text, span }: Piece, what: string, sink: Diagnostics): number | undefined {
  const value = /^\d+(\.0*)?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
  if (value >= 1 && value <= MAX_DIMENSION) return value;
  sink.error("topology/dimension", span, `the ${what} must be an integer from 1 to 10^9, not "${text}"`);
  return undefined;
}

/** `N:M` in its own column, or in the first further one where the header names none. */
function sparsityOf(
  fields: readonly Piece[],
  extra: readonly Piece[],
  columns: Columns,
  sink: Diagnostics,
): SparsityRatio | undefined | "wrong" {
  const named = columns.sparsity === undefined ? undefined : fields[columns.sparsity];
  const field = named ?? extra.find((f) => f.text.includes(":"));
  if (field === undefined || field.text === "") return undefined;
  const match = /^(\d+)\s*:\s*(\d+)$/.exec(field.text);
  const [kept, of] = [Number(match?.[1]), Number(match?.[2])];
  if (kept >= 1 && kept <= of && of <= MAX_DIMENSION) return { kept, of };
  sink.error(
    "topology/sparsity",
    field.span,
    `a ratio such as 2:4 says how many weights of each group stay, not "${field.text}"`,
  );
  return "wrong";
}
