/** Layouts as matrices over GF(2): classification, rank, and the way back from an invertible matrix to a layout. */
import { internal } from "../diagnostics.ts";
import { linearIndex, pointAt } from "./apply.ts";
import {
  bitsFor,
  coordinate,
  fromOf,
  isPowerOfTwo,
  type Lookup,
  partsOf,
  type Strided,
  toOf,
  type Xor,
} from "./basic.ts";
import type { Axis, Extents, Layout } from "./layout.ts";
import { normalTerms, simplify } from "./normal.ts";

/** Inputs and outputs of a matrix take at most this many bits. */
const MATRIX_BITS = 31;

/**
 * out = offset ⊕ XOR of `columns[i]` over the set bits i of the input. A point's bits are its coordinates side by side,
 * the last axis of the box lowest.
 */
export interface BitMatrix {
  readonly from: Extents;
  readonly to: Extents;
  readonly columns: readonly number[];
  readonly offset: number;
}

/** One bit of a value: XOR of the input bits in `mask`, and a constant. */
interface Row {
  readonly mask: number;
  readonly one: boolean;
}
type Env = Readonly<Record<Axis, readonly Row[]>>;
const ZERO: Row = { mask: 0, one: false };

function bitOf(value: number, bit: number): boolean {
  return Math.floor(value / 2 ** bit) % 2 === 1;
}

/** What each bit of an axis adds to one output; undefined if some digit is not a run of bits. */
function weightsOf(part: Strided, axis: Axis, output: Axis, bits: number): readonly number[] | undefined {
  const weights = new Array<number>(bits).fill(0);
  for (const t of normalTerms(part.terms, part.from)) {
    if (t.from !== axis || t.to !== output) continue;
    const covers = t.div * t.size >= (part.from[axis] ?? 1);
    if (!isPowerOfTwo(t.div) || t.stride < 0 || !(covers || isPowerOfTwo(t.size))) return undefined;
    const first = bitsFor(t.div);
    const end = covers ? bits : Math.min(bits, first + bitsFor(t.size));
    for (let i = first; i < end; i++) weights[i]! += t.stride * 2 ** (i - first);
  }
  return weights;
}

/** Sums that never carry are XORs: all weights into one output have disjoint bits. */
function throughStrided(part: Strided, env: Env): Env | undefined {
  const out: Record<Axis, Row[]> = {};
  for (const [output, extent] of Object.entries(part.to)) {
    const rows = new Array<Row>(bitsFor(extent)).fill(ZERO);
    const used = new Array<boolean>(rows.length).fill(false);
    const place = (weight: number, row: Row): boolean => {
      for (let j = 0; 2 ** j <= weight; j++) {
        if (!bitOf(weight, j)) continue;
        if (used[j] !== false) return false;
        used[j] = true;
        rows[j] = row;
      }
      return true;
    };
    const base = part.base?.[output] ?? 0;
    if (part.wrap?.[output] !== undefined || base < 0 || !place(base, { mask: 0, one: true })) return undefined;
    for (const axis of Object.keys(part.from)) {
      const bits = coordinate(env, axis);
      const weights = weightsOf(part, axis, output, bits.length);
      if (weights === undefined) return undefined;
      for (const [i, row] of bits.entries())
        if ((row.mask !== 0 || row.one) && !place(weights[i]!, row)) return undefined;
    }
    out[output] = rows;
  }
  return out;
}

function xorRows(rows: readonly Row[]): Row {
  return rows.reduce((a, b) => ({ mask: a.mask ^ b.mask, one: a.one !== b.one }), ZERO);
}

function throughXor(part: Xor, env: Env): Env {
  const bits = coordinate(env, part.axis);
  const high = bits.slice(part.columns.length);
  const low = part.columns.map((_, j) => xorRows(bits.filter((_, i) => bitOf(part.columns[i] ?? 0, j))));
  return { ...env, [part.axis]: [...low, ...high].slice(0, Math.max(bits.length, low.length)) };
}

function throughTable(part: Lookup, env: Env): Env | undefined {
  const inputs = Object.values(part.from);
  if (!inputs.every(isPowerOfTwo) || !Object.values(part.to).every(isPowerOfTwo)) return undefined;
  const bits = Object.entries(part.from)
    .toReversed()
    .flatMap(([axis, extent]) => Array.from({ length: bitsFor(extent) }, (_, i) => coordinate(env, axis)[i] ?? ZERO));
  const offset = part.map[0] ?? internal("empty layout table");
  const columns = bits.map((_, i) => part.map[2 ** i]! ^ offset);
  const linear = part.map.every((value, x) => columns.reduce((y, c, i) => (bitOf(x, i) ? y ^ c : y), offset) === value);
  if (!linear) return undefined;
  const out: Record<Axis, Row[]> = {};
  let position = 0;
  for (const [axis, extent] of Object.entries(part.to).toReversed()) {
    const start = position;
    out[axis] = Array.from({ length: bitsFor(extent) }, (_, j) =>
      xorRows([{ mask: 0, one: bitOf(offset, start + j) }, ...bits.filter((_, i) => bitOf(columns[i]!, start + j))]),
    );
    position += bitsFor(extent);
  }
  return out;
}

function through(part: Layout, env: Env): Env | undefined {
  switch (part.kind) {
    case "strided":
      return throughStrided(part, env);
    case "xor":
      return throughXor(part, env);
    case "table":
      return throughTable(part, env);
    case "opaque":
      return undefined;
    case "chain":
      return internal("nested chain");
  }
}

/** The layout as a matrix over GF(2), if it is one (powers of two, no carries) and has at most 31 bits a side. */
export function classify(layout: Layout): BitMatrix | undefined {
  const simple = simplify(layout);
  const from = fromOf(simple);
  const extents = Object.entries(from);
  const inputBits = extents.reduce((bits, [, extent]) => bits + bitsFor(extent), 0);
  if (inputBits > MATRIX_BITS || !extents.every(([, extent]) => isPowerOfTwo(extent))) return undefined;
  const start: Record<Axis, Row[]> = {};
  let position = 0;
  for (const [axis, extent] of extents.toReversed()) {
    const first = position;
    start[axis] = Array.from({ length: bitsFor(extent) }, (_, i) => ({ mask: 2 ** (first + i), one: false }));
    position += bitsFor(extent);
  }
  let env: Env = start;
  for (const part of partsOf(simple)) {
    const reads = fromOf(part);
    const rest = Object.fromEntries(Object.entries(env).filter(([axis]) => !(axis in reads)));
    const made = through(part, env);
    if (made === undefined) return undefined;
    env = { ...rest, ...made };
  }
  const to = toOf(simple);
  const rows = Object.entries(to)
    .toReversed()
    .flatMap(([axis, extent]) => Array.from({ length: bitsFor(extent) }, (_, j) => coordinate(env, axis)[j] ?? ZERO));
  if (rows.length > MATRIX_BITS) return undefined;
  const columns = Array.from({ length: inputBits }, (_, i) =>
    rows.reduce((column, row, j) => (bitOf(row.mask, i) ? column + 2 ** j : column), 0),
  );
  return { from, to, columns, offset: rows.reduce((sum, row, j) => (row.one ? sum + 2 ** j : sum), 0) };
}

/** Rank over GF(2) of a set of bit vectors of at most 31 bits. */
export function rankOf(vectors: readonly number[]): number {
  const basis: number[] = [];
  for (const vector of vectors) {
    const rest = basis.reduce((v, b) => Math.min(v, (v ^ b) >>> 0), vector);
    if (rest !== 0) basis.push(rest);
  }
  return basis.length;
}

/** Rank of a layout's matrix: 2^rank distinct images; undefined if it is not linear over GF(2). */
export function rank(layout: Layout): number | undefined {
  const matrix = classify(layout);
  return matrix === undefined ? undefined : rankOf(matrix.columns);
}

/** Columns of the inverse of a square matrix; undefined if it is singular. */
export function invertColumns(columns: readonly number[]): readonly number[] | undefined {
  const n = columns.length;
  const work = columns.map((column, i) => ({ image: column, source: 2 ** i }));
  for (let bit = 0; bit < n; bit++) {
    const pivot = work.findIndex(({ image }, i) => i >= bit && bitOf(image, bit));
    if (pivot < 0) return undefined;
    [work[bit], work[pivot]] = [work[pivot]!, work[bit]!];
    const { image, source } = work[bit]!;
    for (const [i, other] of work.entries())
      if (i !== bit && bitOf(other.image, bit))
        work[i] = { image: (other.image ^ image) >>> 0, source: (other.source ^ source) >>> 0 };
  }
  return work.every(({ image }, i) => image === 2 ** i) ? work.map(({ source }) => source) : undefined;
}

const BITS = "#bits";

/** A layout from an invertible matrix without offset: strided where every output bit is one input bit, else with one xor. */
export function layoutOf(matrix: BitMatrix): Layout {
  const { from, to, columns, offset } = matrix;
  const n = columns.length;
  if (offset !== 0 || invertColumns(columns) === undefined) internal("layoutOf needs an invertible linear matrix");
  const total = 2 ** n;
  let stride = 1;
  const join = Object.entries(from)
    .toReversed()
    .map(([axis, size]) => {
      stride *= size;
      return { from: axis, div: 1, size, to: BITS, stride: stride / size };
    });
  let div = 1;
  const split = Object.entries(to)
    .toReversed()
    .map(([axis, size]) => {
      div *= size;
      return { from: BITS, div: div / size, size, to: axis, stride: 1 };
    });
  const permutation = columns.every((column) => isPowerOfTwo(column));
  const middle: Layout = permutation
    ? {
        kind: "strided",
        from: { [BITS]: total },
        to: { [BITS]: total },
        terms: columns.map((column, i) => ({ from: BITS, div: 2 ** i, size: 2, to: BITS, stride: column })),
      }
    : { kind: "xor", from: { [BITS]: total }, axis: BITS, columns };
  return simplify({
    kind: "chain",
    parts: [
      { kind: "strided", from, to: { [BITS]: total }, terms: join },
      middle,
      { kind: "strided", from: { [BITS]: total }, to, terms: split },
    ],
  });
}

/** The value of a matrix at a point, for checks by hand. */
export function applyMatrix(matrix: BitMatrix, point: Readonly<Record<Axis, number>>): Readonly<Record<Axis, number>> {
  const x = linearIndex(matrix.from, point);
  const y = matrix.columns.reduce((sum, column, i) => (bitOf(x, i) ? sum ^ column : sum), matrix.offset);
  const padded = Object.fromEntries(Object.entries(matrix.to).map(([axis, extent]) => [axis, 2 ** bitsFor(extent)]));
  return pointAt(padded, y >>> 0);
}
