/** A number format: how a block of values is stored and what each code means. Declared in the language, here as data. */
import type { Span } from "./diagnostics.ts";
import type { ExprId, Exprs, Table } from "./expr.ts";
import type { Layout } from "./layout/layout.ts";
import { bitsOf, type Scalar } from "./scalar.ts";

/** How many instances of a field there are: one a block, one a row (all but the operand's last axis), one a tensor. */
export type FieldScope = "block" | "row" | "tensor";

export interface Field {
  readonly name: string;
  readonly type: Scalar;
  /** Elements per instance; `1` is a scalar field. A field with as many elements as the block has values is per value. */
  readonly count: number;
  readonly scope: FieldScope;
  /** Block scope only: (i, bit) → address in bits inside the block's record. */
  readonly layout: Layout;
  readonly span: Span;
}

/**
 * One use of a field in the value expression; `{kind: "input", index}` refers to it. `index` uses the symbol `i` and
 * earlier uses as inputs: a stored code may select an element of a stored table.
 */
export interface FieldUse {
  readonly field: string;
  readonly index: ExprId;
}

/**
 * How a tensor is brought into the format. `absmax`: s = max|x| / qmax over the scope of the field `scale`, code =
 * nearest(x · qmax / max|x|), ties to even, computed as `roundQuotient`, so that every target yields the same codes.
 */
export interface Encoder {
  readonly rule: "absmax";
  readonly scale: string;
  readonly code: string;
}

export interface Format {
  readonly name: string;
  /** Values per block, along the operand's last axis. 1: every value stands alone. */
  readonly block: number;
  readonly fields: readonly Field[];
  readonly tables: readonly Table[];
  readonly exprs: Exprs;
  readonly uses: readonly FieldUse[];
  /** The value of element `i` (symbol, 0 ≤ i < block): f32. */
  readonly value: ExprId;
  readonly encoder?: Encoder;
  /** Size of one block's record in bits, padding included. */
  readonly recordBits: number;
  readonly span: Span;
  /** Where the value is declared. */
  readonly valueSpan?: Span;
}

/** Bits that the fields of a scope take, per instance. */
export function scopeBits(format: Format, scope: FieldScope): number {
  return format.fields.filter((f) => f.scope === scope).reduce((sum, f) => sum + f.count * bitsOf(f.type), 0);
}

/** Stored bits per value of a tensor with rows of `rowLength` values; row and tensor fields are spread over them. */
export function bitsPerValue(format: Format, rowLength: number, rows: number): number {
  const values = rows * rowLength;
  const blocks = Math.ceil(rowLength / format.block) * rows;
  return (blocks * format.recordBits + rows * scopeBits(format, "row") + scopeBits(format, "tensor")) / values;
}

/** A plain scalar type as a format: one value a block, stored as itself. */
export function isPlain(format: Format): boolean {
  let value = format.exprs.exprs[format.value];
  while (value?.kind === "cast") value = format.exprs.exprs[value.of];
  const [only, second] = format.fields;
  return (
    format.block === 1 && only?.scope === "block" && only.count === 1 && second === undefined && value?.kind === "input"
  );
}
