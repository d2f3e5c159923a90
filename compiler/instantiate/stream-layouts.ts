/** Streams: how the tensor of one field lies in its buffer, from the field's place in a block's record. */

import type { Field, Format } from "../../ir/format.ts";
import { ADDRESS, type Axis, BIT, type Layout, type Term } from "../../ir/layout/layout.ts";
import type { Dim } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";

/** Rows begin at a whole word: row pitches are multiples of this many bits. */
export const ROW_ALIGN_BITS = 32;

/** Layouts that no sum of quotients describes become tables up to this many entries. */
const MAX_TABLE = 2 ** 22;

const align = (bits: number): number => Math.ceil(bits / ROW_ALIGN_BITS) * ROW_ALIGN_BITS;
const extentsOf = (dims: readonly Dim[], bits: number): Readonly<Record<Axis, number>> =>
  Object.fromEntries([...dims.map((d) => [d.axis, d.extent] as const), [BIT, bits] as const]);

/** Terms of all axes but the last: rows of `pitch` bits one after the other; and the total of all rows. */
function rowTerms(
  rows: readonly Dim[],
  pitch: number,
): { readonly terms: readonly Term[]; readonly totalBits: number } {
  const terms: Term[] = [];
  let stride = pitch;
  for (const { axis, extent } of rows.toReversed()) {
    if (extent > 1) terms.unshift({ from: axis, div: 1, size: extent, to: ADDRESS, stride });
    stride *= extent;
  }
  return { terms, totalBits: stride };
}

const term = (from: Axis, div: number, size: number, stride: number): readonly Term[] =>
  size > 1 ? [{ from, div, size, to: ADDRESS, stride }] : [];

/** Row-major, last axis fastest, elements next to each other; each row begins at a whole word. */
export function rowMajorLayout(dims: readonly Dim[], bits: number): Layout {
  const last = dims[dims.length - 1];
  const pitch = align((last?.extent ?? 1) * bits);
  const { terms, totalBits } = rowTerms(dims.slice(0, -1), pitch);
  const own = last === undefined ? [] : term(last.axis, 1, last.extent, bits);
  return {
    kind: "strided",
    from: extentsOf(dims, bits),
    to: { [ADDRESS]: totalBits },
    terms: [...terms, ...own, ...term(BIT, 1, bits, 1)],
  };
}

/**
 * The layout of a per-value field's stream over `dims` (rows, then the operand's last axis). Undefined where the format's
 * bit offsets are so irregular that only a table beyond the limit would describe them.
 */
export function streamLayout(format: Format, field: Field, dims: readonly Dim[]): Layout | undefined {
  const bits = bitsOf(field.type);
  const last = dims[dims.length - 1];
  if (last === undefined || isContiguous(field)) return rowMajorLayout(dims, bits);
  const { first, span } = occupied(field, bits);
  const blocks = Math.ceil(last.extent / format.block);
  const { terms, totalBits } = rowTerms(dims.slice(0, -1), align(blocks * span));
  const from = extentsOf(dims, bits);
  const inBlock = blockTerms(field.layout, last, format.block);
  if (inBlock !== undefined) {
    const base = baseOf(field.layout) - first;
    return {
      kind: "strided",
      from,
      to: { [ADDRESS]: totalBits },
      terms: [...terms, ...term(last.axis, format.block, blocks, span), ...inBlock],
      ...(base === 0 ? {} : { base: { [ADDRESS]: base } }),
    };
  }
  const rows = dims.slice(0, -1).reduce((n, d) => n * d.extent, 1);
  if (rows * last.extent * bits > MAX_TABLE) return undefined;
  const pitch = align(blocks * span);
  const map: number[] = [];
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < last.extent; k++)
      for (let bit = 0; bit < bits; bit++) {
        const inside = fieldAddress(field.layout, k % format.block, bit, bits) - first;
        map.push(row * pitch + Math.floor(k / format.block) * span + inside);
      }
  return { kind: "table", from, to: { [ADDRESS]: totalBits }, map };
}

/** Elements in order, next to each other: then rows are simply rows. */
export function isContiguous(field: Field): boolean {
  const bits = bitsOf(field.type);
  if (field.count === 1 && field.layout.kind === "strided" && field.layout.terms.length === (bits > 1 ? 1 : 0))
    return true;
  if (field.layout.kind !== "strided") return false;
  const stride = (axis: Axis): number | undefined => {
    const own = field.layout.kind === "strided" ? field.layout.terms.filter((t) => t.from === axis) : [];
    return own.length === 1 && own[0]!.div === 1 ? own[0]!.stride : own.length === 0 ? 0 : undefined;
  };
  return (field.count === 1 || stride("i") === bits) && (bits === 1 || stride(BIT) === 1);
}

const baseOf = (layout: Layout): number => (layout.kind === "strided" ? (layout.base?.[ADDRESS] ?? 0) : 0);

/** The field's terms with the block's element index taken from the operand's axis; undefined where they do not nest. */
function blockTerms(layout: Layout, last: Dim, block: number): readonly Term[] | undefined {
  if (layout.kind !== "strided") return undefined;
  const nests = layout.terms.every((t) => t.from !== "i" || block % (t.div * t.size) === 0);
  return nests ? layout.terms.map((t) => (t.from === "i" ? { ...t, from: last.axis } : t)) : undefined;
}

/** Where a field begins in the record and how far it reaches. */
function occupied(field: Field, bits: number): { readonly first: number; readonly span: number } {
  let first = Number.POSITIVE_INFINITY;
  let end = 0;
  for (let i = 0; i < field.count; i++)
    for (let bit = 0; bit < bits; bit++) {
      const address = fieldAddress(field.layout, i, bit, bits);
      first = Math.min(first, address);
      end = Math.max(end, address + 1);
    }
  return { first, span: end - first };
}

/** Bit address of bit `bit` of element `i` in the record, from a field's layout. */
export function fieldAddress(layout: Layout, i: number, bit: number, bits: number): number {
  if (layout.kind === "table") return layout.map[i * bits + bit] ?? 0;
  if (layout.kind !== "strided") return 0;
  return layout.terms.reduce(
    (at, t) => at + t.stride * (Math.floor((t.from === "i" ? i : bit) / t.div) % t.size),
    baseOf(layout),
  );
}
