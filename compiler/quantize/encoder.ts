/** What an encoder is: it brings rows of values into the fields of a declared format, knowing what it asked of the tensor. */
import { bf16Round, f16Round } from "../../ir/float.ts";
import type { FieldScope } from "../../ir/format.ts";
import type { Scalar } from "../../ir/scalar.ts";
import type { Parameter } from "./format-probe.ts";

/** What fields hold, by name: instances row by row, several elements of an instance side by side. */
export type FieldValues = ReadonlyMap<string, ArrayLike<number>>;

/** What must be known of a whole tensor before its first rows are encoded. */
export interface TensorStats {
  readonly peak: number;
  readonly min: number;
  readonly max: number;
  /** What the encoder's `sums` give for all values together. */
  readonly sums?: readonly number[];
  /** What the encoder's `learn` gave. */
  readonly learned?: FieldValues;
}

export interface FormatEncoder {
  /** The rule's name, for people and for the file's metadata. */
  readonly rule: string;
  /** What the rule was given beside the values, for the metadata. */
  readonly settings?: Readonly<Record<string, number | string>>;
  /** Sums over values that the rule needs of the whole tensor; of pieces they add up. */
  sums?(values: Float32Array, columns: number): readonly number[];
  /**
   * What all rows share (tables, codebooks, the range of a tensor), found from rows of it: from all where there are few
   * enough (`SAMPLE_VALUES`), otherwise from rows at equal distances.
   */
  learn?(rows: Float32Array, columns: number, stats: TensorStats): FieldValues;
  /** Rows of a tensor, any number of them; `firstRow` says which. */
  encode(values: Float32Array, columns: number, stats: TensorStats, firstRow?: number): FieldValues;
}

/** A tensor of more values is learned from a part of its rows. */
export const SAMPLE_VALUES = 1 << 24;

/** Statistics of values; joined over pieces of a tensor with `joinStats`. */
export function statsOf(values: Float32Array): TensorStats {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  return { min, max, peak: Math.max(-min, max, 0) };
}

/** Statistics of two pieces together. */
export function joinStats(a: TensorStats, b: TensorStats): TensorStats {
  const range = { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), peak: Math.max(a.peak, b.peak) };
  if (a.sums === undefined || b.sums === undefined) return range;
  return { ...range, sums: a.sums.map((s, i) => s + b.sums![i]!) };
}

/** All that an encoder asks of a tensor that is in memory as a whole. */
export function studyTensor(encoder: FormatEncoder, values: Float32Array, columns: number): TensorStats {
  const sums = encoder.sums?.(values, columns);
  const stats = { ...statsOf(values), ...(sums && { sums }) };
  const learned = encoder.learn?.(values, columns, stats);
  return learned === undefined ? stats : { ...stats, learned };
}

/** Ranges of the values that share one instance of a scope. */
export interface Groups {
  readonly count: number;
  /** Groups of a row. */
  readonly perRow: number;
  readonly range: (group: number) => readonly [start: number, end: number];
}

/** The groups of a parameter; behind the end of a row that is no whole number of blocks there are empty ones. */
export function groupsOf(
  of: Pick<Parameter, "scope" | "count" | "span"> | undefined,
  block: number,
  length: number,
  columns: number,
): Groups {
  const scope: FieldScope = of?.scope ?? "block";
  if (scope === "tensor") return { count: 1, perRow: 1, range: () => [0, length] };
  const size = scope === "row" ? columns : (of?.span ?? block);
  const perRow = scope === "row" ? 1 : Math.ceil(columns / block) * (of?.count ?? 1);
  return {
    count: (length / columns) * perRow,
    perRow,
    range: (group) => {
      const row = Math.floor(group / perRow);
      const end = (row + 1) * columns;
      const start = Math.min(row * columns + (group % perRow) * size, end);
      return [start, Math.min(start + size, end)];
    },
  };
}

/** The largest finite values; a larger scale is cut to it, so that no code decodes to infinity. */
const LARGEST: Readonly<Record<string, number>> = {
  f16: 65504,
  bf16: 3.3895313892515355e38,
  f32: 3.4028234663852886e38,
};

/** A float as its field stores it. */
export function storeFloat(type: Scalar, value: number): number {
  const most = LARGEST[type] ?? Number.POSITIVE_INFINITY;
  const cut = Math.min(Math.max(value, -most), most);
  return type === "f16" ? f16Round(cut) : type === "bf16" ? bf16Round(cut) : Math.fround(cut);
}
