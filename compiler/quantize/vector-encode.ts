/** Vector codebooks, one or several whose vectors add up: fitted by k-means of residuals, searched by a beam (AQLM, VPTQ). */
import type { Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt } from "../../ir/scalar.ts";
import { type FormatEncoder, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import { type Codebook, codebookOf, fitVectors, nearestVectors } from "./vectors.ts";

/** value(i) = scale · Σ c: vectors[(c · entries + q[c]) · V + i]. */
interface VectorModel {
  readonly vectors: Field;
  readonly codes: Field;
  readonly scale: Field | undefined;
  readonly books: number;
  readonly entries: number;
}

/** The model, or undefined where the declaration has another form. */
function vectorModelOf(format: Format): VectorModel | undefined {
  const vectors = format.fields.find((f) => f.scope === "tensor" && isFloat(f.type) && f.count > 1);
  const codes = format.fields.find((f) => f.scope === "block" && isInt(f.type) && f.type.startsWith("u"));
  const [scale, ...more] = format.fields.filter((f) => f !== vectors && f !== codes);
  if (vectors === undefined || codes === undefined || more.length > 0 || format.block === 1) return undefined;
  if (scale !== undefined && (scale.scope !== "row" || !isFloat(scale.type) || scale.count !== 1)) return undefined;
  const books = codes.count;
  const entries = 2 ** bitsOf(codes.type);
  if (entries > 65536 || vectors.count !== books * entries * format.block) return undefined;
  const model = { vectors, codes, scale, books, entries };
  return holds(format, model) ? model : undefined;
}

/** Compares the formula with the declaration at a few codes. */
function holds(format: Format, { vectors, codes, scale, books, entries }: VectorModel): boolean {
  const table = Float64Array.from({ length: vectors.count }, (_, i) => ((i * 7919) % 1009) - 504);
  const evaluator = new BlockEvaluator(format);
  evaluator.fields.set(vectors.name, table);
  if (scale !== undefined) evaluator.fields.set(scale.name, [2]);
  return [0, 1, 2, 3].every((n) => {
    const own = Array.from({ length: books }, (_, c) => (n * 6151 + c * 37 + n) % entries);
    evaluator.fields.set(codes.name, own);
    return Array.from({ length: format.block }, (_, i) => i).every((i) => {
      const sum = own.reduce((s, q, c) => s + table[(c * entries + q) * format.block + i]!, 0);
      return evaluator.value(i) === (scale === undefined ? 1 : 2) * sum;
    });
  });
}

/** Partial sums that stay in the search. */
const BEAM = 8;
const ROUNDS = 3;
/** Vectors that codebooks are fitted to, for each entry. */
const PER_ENTRY = 24;

/** AQLM's beam search over fitted codebooks; with one codebook k-means and the nearest vector, as VPTQ has it. */
export function vectorEncoder(format: Format): FormatEncoder | undefined {
  const model = vectorModelOf(format);
  if (model === undefined) return undefined;
  const { vectors, codes, scale, books, entries } = model;
  const size = format.block;
  return {
    rule: "beam",
    learn(rows, columns) {
      const { unit } = normalise(rows, columns, size, scale);
      const most = Math.max(entries, 256) * PER_ENTRY;
      const step = Math.max(1, Math.floor(unit.length / size / most));
      const count = Math.ceil(unit.length / size / step);
      const sample = new Float32Array(count * size);
      for (let n = 0; n < count; n++) sample.set(unit.subarray(n * step * size, (n * step + 1) * size), n * size);
      return new Map([["vectors", fitBooks(sample, size, books, entries)]]);
    },
    encode(values, columns, { learned }) {
      const stored = Float64Array.from(learned!.get("vectors")!, (v) => storeFloat(vectors.type, v));
      const { unit, scales } = normalise(values, columns, size, scale);
      const found = search(unit, size, booksOf(stored, size, books, entries));
      const out = new Map<string, ArrayLike<number>>([[codes.name, found], [vectors.name, stored]]); // biome-ignore format: one line
      if (scale !== undefined) out.set(scale.name, scales);
      return out;
    },
  };
}

/** Rows of whole vectors, padded with zeros, in units of their root mean square. */
function normalise(values: Float32Array, columns: number, size: number, scale: Field | undefined) {
  const rows = values.length / columns;
  const pitch = Math.ceil(columns / size) * size;
  const unit = new Float32Array(rows * pitch);
  const scales = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const own = values.subarray(row * columns, (row + 1) * columns);
    const rms = scale === undefined ? 1 : Math.sqrt(own.reduce((sum, v) => sum + v * v, 0) / columns);
    scales[row] = scale === undefined ? 1 : storeFloat(scale.type, rms);
    for (let k = 0; k < columns; k++) unit[row * pitch + k] = own[k]! / (scales[row] || 1);
  }
  return { unit, scales };
}

function booksOf(all: ArrayLike<number>, size: number, books: number, entries: number): readonly Codebook[] {
  const table = Float32Array.from(all);
  return Array.from({ length: books }, (_, c) =>
    codebookOf(table.subarray(c * entries * size, (c + 1) * entries * size), size),
  );
}

/** Codebooks of residuals one after the other, then all in turn to the means of what the others leave. */
function fitBooks(sample: Float32Array, size: number, books: number, entries: number): Float64Array {
  const all = new Float32Array(books * entries * size);
  const left = sample.slice();
  for (let c = 0; c < books; c++) {
    const { centroids, codes } = fitVectors(left, size, entries);
    all.set(centroids, c * entries * size);
    for (let n = 0; n < codes.length; n++)
      for (let i = 0; i < size; i++) left[n * size + i]! -= centroids[codes[n]! * size + i]!;
  }
  for (let round = 0; books > 1 && round < ROUNDS; round++) {
    const codes = search(sample, size, booksOf(all, size, books, entries));
    for (let c = 0; c < books; c++) improveBook(sample, size, codes, all, c, books, entries);
  }
  return Float64Array.from(all);
}

function improveBook(
  sample: Float32Array,
  size: number,
  codes: Uint16Array,
  all: Float32Array,
  c: number,
  books: number,
  entries: number,
): void {
  const sums = new Float64Array(entries * size);
  const counts = new Uint32Array(entries);
  for (let n = 0; n * size < sample.length; n++) {
    const own = codes[n * books + c]!;
    counts[own]!++;
    for (let i = 0; i < size; i++) {
      let rest = sample[n * size + i]!;
      for (let o = 0; o < books; o++) if (o !== c) rest -= all[(o * entries + codes[n * books + o]!) * size + i]!;
      sums[own * size + i]! += rest;
    }
  }
  for (let e = 0; e < entries; e++)
    if (counts[e]! > 0)
      for (let i = 0; i < size; i++) all[(c * entries + e) * size + i] = sums[e * size + i]! / counts[e]!;
}

/** A partial sum: what it leaves of the vector, its codes, and the squared length of what it leaves. */
interface Partial {
  readonly left: Float32Array;
  readonly codes: readonly number[];
  readonly error: number;
}

function search(unit: Float32Array, size: number, books: readonly Codebook[]): Uint16Array {
  const count = unit.length / size;
  const out = new Uint16Array(count * books.length);
  for (let n = 0; n < count; n++) {
    const own = unit.subarray(n * size, (n + 1) * size);
    if (books.length === 1) {
      out[n] = nearestVectors(books[0]!, own, 1)[0]!.code;
      continue;
    }
    let beam: readonly Partial[] = [{ left: own, codes: [], error: 0 }];
    for (const [c, book] of books.entries()) {
      const keep = c === books.length - 1 ? 1 : BEAM;
      const next = beam.flatMap((partial) =>
        nearestVectors(book, partial.left, keep).map(({ code, error }) => ({ partial, code, error })),
      );
      next.sort((a, b) => a.error - b.error);
      beam = next.slice(0, keep).map(({ partial, code, error }) => {
        const vector = book.vectors.subarray(code * size, (code + 1) * size);
        return { left: partial.left.map((v, i) => v - vector[i]!), codes: [...partial.codes, code], error };
      });
    }
    out.set(beam[0]!.codes, n * books.length);
  }
  return out;
}
