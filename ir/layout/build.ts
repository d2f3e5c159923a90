/** Constructors: dense and row-major memories, bit planes, block records, compact streams, swizzles, index splits. */
import { internal } from "../diagnostics.ts";
import type { Field, Format } from "../format.ts";
import { bitsOf } from "../scalar.ts";
import { compileAddress, linearIndex, pointAt } from "./apply.ts";
import { onlyOutput, roundUp, type Strided, toOf, volume } from "./basic.ts";
import { ADDRESS, type Axis, BIT, type Extents, type Layout, type Term } from "./layout.ts";
import { compose, normalStrided, simplify } from "./normal.ts";
import { rename } from "./transform.ts";

/** Shorthand for one term: `⌊in[from] / div⌋ mod size` times `stride` into `to`. */
export function term(from: Axis, div: number, size: number, to: Axis, stride: number): Term {
  return { from, div, size, to, stride };
}

/** A strided layout from its terms, in normal form. */
export function strided(from: Extents, to: Extents, terms: readonly Term[], base?: Extents, wrap?: Extents): Strided {
  return normalStrided({
    kind: "strided",
    from,
    to,
    terms,
    ...(base === undefined ? {} : { base }),
    ...(wrap === undefined ? {} : { wrap }),
  });
}

/** Every axis to itself. */
export function identity(extents: Extents): Strided {
  return strided(
    extents,
    extents,
    Object.entries(extents).map(([axis, size]) => term(axis, 1, size, axis, 1)),
  );
}

export interface Dense {
  /** The axis whose row, with everything inside it, is padded; default: the last axis that is not `BIT`. */
  readonly row?: Axis;
  /** Rows start at multiples of this many bits; default 1, contiguous. */
  readonly pitchAlignBits?: number;
}

/**
 * (axes) → address, from the slowest to the fastest axis; `BIT` is an axis like any other, so that its position says
 * whether codes are contiguous (`n k bit`), planes of the tensor (`bit n k`) or planes of each row (`n bit k`).
 */
export function dense(extents: Extents, options: Dense = {}): Strided {
  const axes = Object.entries(extents).toReversed();
  const row = options.row ?? axes.find(([axis]) => axis !== BIT)?.[0];
  const terms: Term[] = [];
  let stride = 1;
  for (const [axis, extent] of axes) {
    terms.push(term(axis, 1, extent, ADDRESS, stride));
    stride *= extent;
    if (axis === row) stride = roundUp(stride, options.pitchAlignBits ?? 1);
  }
  return strided(extents, { [ADDRESS]: stride }, terms);
}

/** (axes…, bit) → address: elements of `bits` bits, last axis fastest; rows along the last axis may be padded. */
export function rowMajor(
  axes: readonly Axis[],
  shape: readonly number[],
  bits: number,
  options: { readonly pitchAlignBits?: number } = {},
): Strided {
  return dense(extentsOf(axes, shape, bits), options);
}

/**
 * (axes…, bit) → address with one plane per bit: `tensor` keeps a whole plane together (bit outermost), `row` the planes
 * of one row (bit just outside the last axis).
 */
export function bitPlanes(
  axes: readonly Axis[],
  shape: readonly number[],
  bits: number,
  options: { readonly pitchAlignBits?: number; readonly per?: "tensor" | "row" } = {},
): Strided {
  const { [BIT]: _, ...rest } = extentsOf(axes, shape, bits);
  const entries = Object.entries(rest);
  entries.splice(options.per === "row" ? entries.length - 1 : 0, 0, [BIT, bits]);
  const layout = dense(Object.fromEntries(entries), {
    ...(axes.length === 0 ? {} : { row: axes.at(-1)! }),
    ...(options.pitchAlignBits === undefined ? {} : { pitchAlignBits: options.pitchAlignBits }),
  });
  return { ...layout, from: extentsOf(axes, shape, bits) };
}

function extentsOf(axes: readonly Axis[], shape: readonly number[], bits: number): Extents {
  if (axes.length !== shape.length || axes.includes(BIT))
    internal(`axes ${axes.join(" ")} of shape ${shape.join(" ")}`);
  return { ...Object.fromEntries(axes.map((axis, i) => [axis, shape[i]!])), [BIT]: bits };
}

/** Bits of the memory that an address layout maps into, padding included. */
export function addressBits(layout: Layout): number {
  return toOf(layout)[ADDRESS] ?? internal("layout has no address");
}

/** 32-bit words of the memory that an address layout maps into. */
export function addressWords(layout: Layout): number {
  return Math.ceil(addressBits(layout) / 32);
}

/** (axis) → (whole, part): ⌊axis / size⌋ and axis mod size; `extent` is the axis' own. */
export function splitAxis(axis: Axis, extent: number, size: number, whole: Axis, part: Axis): Strided {
  const count = Math.ceil(extent / size);
  return strided({ [axis]: extent }, { [whole]: count, [part]: size }, [
    term(axis, size, count, whole, 1),
    term(axis, 1, size, part, 1),
  ]);
}

/** The same memory addressed as (`word`, `shift`): the 32-bit word and the bit in it, separate where no field straddles. */
export function inWords(layout: Layout, wordBits = 32): Layout {
  return compose(layout, splitAxis(ADDRESS, addressBits(layout), wordBits, WORD, SHIFT));
}
export const WORD = "word";
export const SHIFT = "shift";

/** Adds `base` to the address and gives the memory `bits` bits. */
function moved(layout: Layout, base: number, bits: number): Layout {
  const from = toOf(layout);
  const shift: Layout = {
    kind: "strided",
    from,
    to: { [ADDRESS]: bits },
    terms: [term(ADDRESS, 1, from[ADDRESS]!, ADDRESS, 1)],
    base: { [ADDRESS]: base },
  };
  return compose(layout, shift);
}

/** The bits of a field inside its record: where they start, how far they reach, and whether they fill that range. */
export function fieldRange(field: Field): {
  readonly start: number;
  readonly bits: number;
  readonly contiguous: boolean;
} {
  const width = bitsOf(field.type);
  const at = compileAddress(field.layout, [FIELD_INDEX, BIT]);
  let start = Number.POSITIVE_INFINITY;
  let end = 0;
  for (let i = 0; i < field.count; i++)
    for (let bit = 0; bit < width; bit++) {
      start = Math.min(start, at(i, bit));
      end = Math.max(end, at(i, bit) + 1);
    }
  return { start, bits: end - start, contiguous: end - start === field.count * width };
}

/** The input axis of a field's in-record layout: which element. */
export const FIELD_INDEX = "i";

/** Where a field's tensor lies: rows of `rowLength` values, over the operand's outer axes. */
export interface Rows {
  /** Outer axes and the last one: ["n", "k"]. */
  readonly axes: readonly Axis[];
  /** Their extents: [N, K]; the last is the row length in values. */
  readonly shape: readonly number[];
  /** Name of the axis of blocks, for fields with one instance a block. */
  readonly blockAxis?: Axis;
  readonly pitchAlignBits?: number;
}

/**
 * The blocks of a row as an array of records of `recordBits` bits, `at` giving a field's place in one:
 * (outer…, k, bit) for a per-value field, (outer…, g, bit) for a scalar one, (outer…, g, i, bit) otherwise.
 */
function blocked(block: number, field: Field, at: Layout, recordBits: number, rows: Rows): Layout {
  const { axes, shape, blockAxis = "g", pitchAlignBits = 1 } = rows;
  const last = axes.at(-1) ?? internal("a blocked field needs a row axis");
  const length = shape.at(-1)!;
  const blocks = Math.ceil(length / block);
  const outer = axes.slice(0, -1);
  const width = bitsOf(field.type);
  const pitch = roundUp(blocks * recordBits, pitchAlignBits);
  const outerExtents = Object.fromEntries(outer.map((axis, i) => [axis, shape[i]!]));
  const perValue = field.count === block;
  const index: Extents = perValue
    ? { [last]: length }
    : { [blockAxis]: blocks, ...(field.count === 1 ? {} : { [FIELD_INDEX]: field.count }) };
  // First to (outer…, block, i, bit), then the field's place, then record and row are added.
  const split: Term[] = perValue
    ? [term(last, block, blocks, RECORD, 1), term(last, 1, block, INDEX, 1)]
    : [term(blockAxis, 1, blocks, RECORD, 1), term(FIELD_INDEX, 1, field.count, INDEX, 1)];
  const first: Layout = {
    kind: "strided",
    from: index,
    to: { [RECORD]: blocks, [INDEX]: field.count },
    terms: split.filter((t) => t.from in index),
  };
  const join: Term[] = [term(ADDRESS, 1, recordBits, ADDRESS, 1), term(RECORD, 1, blocks, ADDRESS, recordBits)];
  let stride = pitch;
  for (const axis of outer.toReversed()) {
    join.push(term(axis, 1, outerExtents[axis]!, ADDRESS, stride));
    stride *= outerExtents[axis]!;
  }
  const place: Layout = {
    kind: "strided",
    from: { ...outerExtents, [RECORD]: blocks, [ADDRESS]: recordBits },
    to: { [ADDRESS]: stride },
    terms: join,
  };
  const whole = simplify({ kind: "chain", parts: [first, rename(at, { [FIELD_INDEX]: INDEX }), place] });
  const from = { ...outerExtents, ...index, [BIT]: width };
  return whole.kind === "strided" ? { ...whole, from } : whole;
}
// Names that no tensor axis can have: the chain passes a tensor's own axes through.
const RECORD = "#record";
const INDEX = "#i";

/**
 * One field inside an array of whole records, as GGUF stores tensors: address = ⌊k / B⌋ · recordBits + the field's place.
 * Rows are contiguous unless `pitchAlignBits` says otherwise.
 */
export function record(format: Pick<Format, "block" | "recordBits">, field: Field, rows: Rows): Layout {
  return blocked(format.block, field, field.layout, format.recordBits, rows);
}

/**
 * The compact stream of one field: its instances one after the other, rows padded to 32 bits. Inside an instance bits
 * keep their in-record order (holes between a field's own bits stay). Row fields map (outer…, bit) or (outer…, i, bit),
 * tensor fields (bit) or (i, bit).
 */
export function stream(format: Pick<Format, "block">, field: Field, rows: Rows): Layout {
  const { axes, shape } = rows;
  const pitchAlignBits = rows.pitchAlignBits ?? 32;
  const width = bitsOf(field.type);
  if (field.scope !== "block") {
    const outer = field.scope === "row" ? axes.slice(0, -1) : [];
    const many = field.count > 1;
    return rowMajor(
      many ? [...outer, FIELD_INDEX] : outer,
      [...shape.slice(0, outer.length), ...(many ? [field.count] : [])],
      width,
      { pitchAlignBits: many ? pitchAlignBits : 1 },
    );
  }
  const { start, bits } = fieldRange(field);
  return blocked(format.block, field, moved(field.layout, -start, bits), bits, { ...rows, pitchAlignBits });
}

/**
 * The XOR swizzle of one axis: `count` bits from position `from` are toggled by the `count` bits `shift` above them,
 * `o ^ ((o >> shift) & mask)` with mask = (2^count − 1) << from.
 */
export function swizzleBits(extents: Extents, axis: Axis, count: number, from: number, shift: number): Layout {
  const columns = Array.from({ length: from + shift + count }, (_, i) => 2 ** i);
  for (let i = 0; i < count; i++) columns[from + shift + i]! += 2 ** (from + i);
  return { kind: "xor", from: extents, axis, columns };
}

/**
 * The 32-, 64- or 128-byte swizzle of Hopper's copy engine and matrix descriptors on bit addresses: 16-byte chunk ^=
 * ⌊row / 4⌋ mod 2, ⌊row / 2⌋ mod 4 or row mod 8, that is `o ^ ((o >> 3) & 0x10 | 0x30 | 0x70)` in bytes.
 */
export function swizzle(bytes: 32 | 64 | 128, addressExtent: number): Layout {
  const count = { 32: 1, 64: 2, 128: 3 }[bytes];
  return swizzleBits({ [ADDRESS]: addressExtent }, ADDRESS, count, 7, 3);
}

/** A table from a function on points; at most 2^20 points. */
export function tabulate(
  from: Extents,
  to: Extents,
  of: (point: Readonly<Record<Axis, number>>) => Readonly<Record<Axis, number>>,
): Layout {
  const map = Array.from({ length: volume(from) }, (_, i) => linearIndex(to, of(pointAt(from, i))));
  return { kind: "table", from, to, map };
}

/** The image of the whole layout's only output under a constant factor: addresses in elements of `unit` bits. */
export function inUnits(layout: Layout, unit: number): Layout {
  const axis = onlyOutput(layout);
  const extent = toOf(layout)[axis]!;
  const count = Math.ceil(extent / unit);
  return compose(layout, strided({ [axis]: extent }, { [axis]: count }, [term(axis, unit, count, axis, 1)]));
}
