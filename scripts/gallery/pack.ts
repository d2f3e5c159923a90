/** Packing for the gallery: weights as each system stores them, and what its paper's formula makes of them in f64. */
import type { Module } from "../../compiler/check/module.ts";
import { studyTensor } from "../../compiler/quantize/encoder.ts";
import { encoderOfFormat } from "../../compiler/quantize/format-encode.ts";
import { internal } from "../../ir/diagnostics.ts";
import { f16Round } from "../../ir/float.ts";
import { isPlain } from "../../ir/format.ts";
import { type Matrix, multiply } from "./data.ts";

/** Values of stored tensors by name: an operand's name, or `operand.field`. */
export type Stored = Readonly<Record<string, ArrayLike<number>>>;

/** What a system is given to pack. */
export interface Kit {
  readonly module: Module;
  /** Activations, M × K. */
  readonly x: Matrix;
  /** Weights, N × K. */
  readonly w: Matrix;
}

/** One operator of a gallery file with operands, and what it has to compute. */
export interface Case {
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** Sizes of a layer of 4096 × 4096 weights, for which bits per value are counted. */
  readonly layer: Readonly<Record<string, number>>;
  readonly tensors: Stored;
  /** Operands that are no part of a layer: the same for all layers, or given by a formula. */
  readonly shared: readonly string[];
  /** The result in f64, by the paper's formula on the stored operands. */
  readonly expected: Float64Array;
  /** Σ|x·w| of each element, over all terms. */
  readonly magnitude: Float64Array;
  /** The result without any quantization. */
  readonly exact: Float64Array;
}

/** The nearest integer, ties to even. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** A matrix in f64, element by element. */
export function matrix(rows: number, columns: number, at: (row: number, column: number) => number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns));
}

/** Brings a matrix into a format of the file by the encoder that its declaration calls for. */
export function encode(module: Module, name: string, operand: string, { values, columns }: Matrix): Stored {
  const format = module.formats.find((f) => f.name === name) ?? internal(`no format ${name}`);
  const encoder = encoderOfFormat(format) ?? internal(`no encoder for ${name}`);
  const fields = encoder.encode(values, columns, studyTensor(encoder, values, columns));
  if (isPlain(format)) return { [operand]: [...fields.values()][0]! };
  return Object.fromEntries([...fields].map(([field, stored]) => [`${operand}.${field}`, stored]));
}

/** Values that a matrix has after a dynamic quantization per row: code · max|x| / top with top = 2^(bits-1) - 1. */
export function dynamicRows({ rows, columns, values }: Matrix, bits: number): Float64Array {
  const top = 2 ** (bits - 1) - 1;
  return matrix(rows, columns, (m, k) => {
    const row = values.subarray(m * columns, (m + 1) * columns);
    const peak = row.reduce((p, v) => Math.max(p, Math.abs(v)), 0) || 1;
    return (roundEven((row[k]! * top) / peak) * peak) / top;
  });
}

/** The largest magnitude of `count` values from `start` on. */
export function peakOf(values: ArrayLike<number>, start: number, count: number): number {
  let peak = 0;
  for (let i = start; i < start + count; i++) peak = Math.max(peak, Math.abs(values[i]!));
  return peak;
}

/** The index of the entry nearest to a value. */
export function nearest(grid: ArrayLike<number>, value: number): number {
  let best = 0;
  for (let i = 1; i < grid.length; i++) if (Math.abs(grid[i]! - value) < Math.abs(grid[best]! - value)) best = i;
  return best;
}

/** Scales of groups along rows, as f16: `rule` gives each from its values. */
export function groupScales(w: Matrix, group: number, rule: (values: Float32Array) => number): Float64Array {
  return Float64Array.from({ length: w.values.length / group }, (_, g) =>
    f16Round(rule(w.values.subarray(g * group, (g + 1) * group))),
  );
}

/** Operands of one case beside the sizes M, N and K of the kit. */
export interface CaseParts {
  readonly op: string;
  readonly tensors: Stored;
  /** The weights as the formula has them; the terms of a sum one by one. */
  readonly weights: readonly ArrayLike<number>[];
  /** The activations as the operator multiplies them, where they are not those of the kit. */
  readonly inputs?: ArrayLike<number>;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly layer?: Readonly<Record<string, number>>;
  /** True where N is no size of the operator, and the like. */
  readonly without?: readonly string[];
  /** Operands that are the same for all layers. */
  readonly shared?: readonly string[];
  /** Activations as stored, by name; the kit's x in f16 where it is not given. */
  readonly stored?: Stored;
}

/** A case of y = x · wᵀ. */
export function linear({ x, w }: Kit, parts: CaseParts): Case {
  const [m, n, k] = [x.rows, w.rows, w.columns];
  const inputs = parts.inputs ?? x.values;
  const size = (values: ArrayLike<number>): Float64Array => Float64Array.from(values, Math.abs);
  const sum = (all: readonly Float64Array[]): Float64Array => all.reduce((a, b) => a.map((v, i) => v + b[i]!));
  const own = (sizes: Record<string, number>): Record<string, number> =>
    Object.fromEntries(Object.entries(sizes).filter(([name]) => parts.without?.includes(name) !== true));
  return {
    op: parts.op,
    sizes: own({ M: m, N: n, K: k, ...parts.sizes }),
    layer: own({ M: 1, N: 4096, K: 4096, ...parts.sizes, ...parts.layer }),
    shared: parts.shared ?? [],
    tensors: { ...(parts.stored ?? { x: x.values }), ...parts.tensors },
    expected: sum(parts.weights.map((part) => multiply(inputs, part, m, n, k))),
    magnitude: sum(parts.weights.map((part) => multiply(size(inputs), size(part), m, n, k))),
    exact: multiply(x.values, w.values, m, n, k),
  };
}

/** What a formula reads: the fields of an operand, and where an element lies in them. */
export interface At {
  readonly n: number;
  readonly k: number;
  /** Its number, row by row. */
  readonly i: number;
  /** The number of its group of this size along the row. */
  group(size: number): number;
}

/** Weights packed in a format of the file, with the formula that says what they are. */
export function packed(
  kit: Kit,
  format: string,
  formula: (field: (name: string) => ArrayLike<number>, at: At) => number,
  stored: Stored = encode(kit.module, format, "w", kit.w),
): Pick<CaseParts, "tensors" | "weights"> {
  return { tensors: stored, weights: [decoded(kit.w, formula, stored)] };
}

/** What a formula makes of stored fields of the operand `w`. */
export function decoded(
  { rows, columns }: Matrix,
  formula: (field: (name: string) => ArrayLike<number>, at: At) => number,
  stored: Stored,
): Float64Array {
  const field = (name: string): ArrayLike<number> =>
    stored[name === "" ? "w" : `w.${name}`] ?? internal(`no field ${name}`);
  return matrix(rows, columns, (n, k) =>
    formula(field, { n, k, i: n * columns + k, group: (size) => n * (columns / size) + Math.floor(k / size) }),
  );
}
