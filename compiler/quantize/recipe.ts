/** A recipe says in plain data how a tensor is packed, so that any thread can prepare it and encode rows by it. */
import type { Source } from "../../ir/diagnostics.ts";
import { internal } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { packField } from "../io/packed.ts";
import { packRecords } from "../records.ts";
import { type FieldValues, type FormatEncoder, joinStats, statsOf, storeFloat, type TensorStats } from "./encoder.ts";
import { type ErrorSums, errorsOf, hasNonFinite } from "./error-stats.ts";
import { decoderOfFormat, type FormatDecoder } from "./format-decode.ts";
import { encoderOfFormat } from "./format-encode.ts";
import { modelOf } from "./format-model.ts";
import type { GptqRule, PreparedHessian } from "./gptq.ts";
import { gptqEncoder } from "./gptq-encode.ts";
import { formatNamed } from "./named.ts";
import {
  addMoments,
  countOutliers,
  isOutlier,
  type Moments,
  momentsOf,
  normalOf,
  type OutlierReach,
} from "./outliers.ts";
import { applyTransform, type Transform, undoTransform } from "./transform.ts";

export interface Recipe {
  /** Declarations beside the library's, and the format's name in them. */
  readonly sources: readonly Source[];
  readonly format: string;
  readonly columns: number;
  /** A name of `RULES`; absent: the format's own. */
  readonly rule?: string;
  readonly importance?: Float64Array;
  /** Codes column by column under a Hessian, parameters by the rule. */
  readonly gptq?: { readonly rule: GptqRule; readonly prepared: PreparedHessian };
  readonly transform: Transform;
  /** Values so far from the mean are kept whole beside the codes. */
  readonly outliers?: OutlierReach;
  /** One stream a field, or the blocks of all fields one after the other as GGUF has them. */
  readonly layout: "fields" | "records";
}

/** A recipe made ready. */
export interface Packing {
  readonly recipe: Recipe;
  readonly format: Format;
  readonly encoder: FormatEncoder;
  readonly decode: FormatDecoder;
}

/** Prepares a recipe; undefined where its rule does not fit its format. */
export function preparePacking(recipe: Recipe): Packing | undefined {
  const format = formatNamed(recipe.sources, recipe.format) ?? internal(`no format ${recipe.format}`);
  const { rule, importance, gptq } = recipe;
  const base = encoderOfFormat(format, { ...(rule && { rule }), ...(importance && { importance }) });
  if (base === undefined) return undefined;
  const decode = decoderOfFormat(format);
  if (gptq === undefined) return { recipe, format, encoder: base, decode };
  const model = modelOf(format);
  if (model === undefined) return undefined;
  return { recipe, format, encoder: gptqEncoder(format, model, base, gptq.prepared, gptq.rule), decode };
}

/** Values as the encoder sees them: without outliers, rotated, scaled. */
export function preparedValues({ recipe }: Packing, values: Float32Array): Float32Array {
  const { outliers, columns, transform } = recipe;
  // An outlier's place is coded as the mean: it draws no scale towards itself.
  const kept = outliers === undefined ? values : values.map((v) => (isOutlier(outliers, v) ? outliers.mean : v));
  return applyTransform(kept, columns, transform);
}

/** What a first look at rows finds: for the encoder, and of the values as they are. */
export interface Study {
  readonly stats: TensorStats;
  readonly moments: Moments;
  readonly outliers: number;
}

/** Looks at some rows; undefined where one holds NaN or infinity. */
export function studyRows(packing: Packing, values: Float32Array): Study | undefined {
  if (hasNonFinite(values)) return undefined;
  const { recipe, encoder } = packing;
  const own = preparedValues(packing, values);
  const sums = encoder.sums?.(own, recipe.columns);
  return {
    stats: { ...statsOf(own), ...(sums && { sums }) },
    moments: momentsOf(values),
    outliers: recipe.outliers === undefined ? 0 : countOutliers(recipe.outliers, values),
  };
}

/** Two pieces of a tensor together. */
export function joinStudies(a: Study, b: Study): Study {
  return {
    stats: joinStats(a.stats, b.stats),
    moments: addMoments(a.moments, b.moments),
    outliers: a.outliers + b.outliers,
  };
}

export interface PackedRows {
  /** By field in the order of the format, or one stream of records. */
  readonly streams: readonly Uint8Array[];
  /** Places in these rows, and what stood there. */
  readonly outliers: { readonly places: Uint32Array; readonly values: Float32Array };
  readonly errors: ErrorSums;
  /** Values more than three deviations from the mean. */
  readonly far: number;
}

/** Encodes some rows; undefined where one holds NaN or infinity. */
export function packRows(
  packing: Packing,
  values: Float32Array,
  { stats, moments }: Study,
  firstRow: number,
): PackedRows | undefined {
  if (hasNonFinite(values)) return undefined;
  const { recipe, format, encoder, decode } = packing;
  const { columns, transform } = recipe;
  const rows = values.length / columns;
  const fields = encoder.encode(preparedValues(packing, values), columns, stats, firstRow);
  const back = undoTransform(decode(asStored(format, fields), columns), columns, transform);
  const outliers = takeOutliers(recipe.outliers, values, back);
  const errors = errorsOf(values, back);
  const streams =
    recipe.layout === "fields"
      ? format.fields.map((field) => packField(format, field, fields.get(field.name)!, rows, columns))
      : [recordsOf(format, fields, (rows * columns) / format.block)];
  const { mean, variance } = normalOf(moments);
  const far = countOutliers({ mean, reach: 3 * Math.sqrt(variance) || Number.POSITIVE_INFINITY }, values);
  return { streams, outliers, errors, far };
}

function recordsOf(format: Format, fields: FieldValues, blocks: number): Uint8Array {
  const held = Object.fromEntries([...fields].map(([name, values]) => [name, Float64Array.from(values)]));
  return packRecords(format, held, blocks);
}

/** The outliers of some rows, which also take their places in `back`. */
function takeOutliers(
  reach: OutlierReach | undefined,
  values: Float32Array,
  back: Float32Array,
): PackedRows["outliers"] {
  if (reach === undefined) return { places: new Uint32Array(0), values: new Float32Array(0) };
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (isOutlier(reach, values[i]!)) places.push(i);
  for (const i of places) back[i] = values[i]!;
  return { places: Uint32Array.from(places), values: Float32Array.from(places, (i) => values[i]!) };
}

/** Fields as they will be read again: plain numbers are rounded only when they are packed. */
function asStored(format: Format, fields: FieldValues): FieldValues {
  const [only] = format.fields;
  if (format.fields.length > 1 || only === undefined || !only.type.includes("f")) return fields;
  return new Map([[only.name, Float64Array.from(fields.get(only.name)!, (v) => storeFloat(only.type, v))]]);
}
