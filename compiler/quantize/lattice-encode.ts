/** Points of E8 through a table of magnitudes (Tseng et al., "QuIP#", ICML 2024, section 4.2: the E8P codebook). */
import type { Field, Format } from "../../ir/format.ts";
import { type FormatEncoder, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";

const SIZE = 8;

/**
 * The 256 magnitudes: half-integer vectors of squared length up to 10 (227 of them), and 29 of length² 12, which the paper
 * leaves to its code; here those of five 3/2, the first in the order of their places. `odd`: how many signs are negative.
 */
export function e8pTable(): { readonly sizes: Float64Array; readonly odd: Uint8Array } {
  const found: number[][] = [];
  const extend = (prefix: readonly number[], squares: number): void => {
    if (prefix.length === SIZE) {
      if (squares <= 10 || (squares === 12 && !prefix.includes(2.5))) found.push([...prefix]);
      return;
    }
    for (const size of [0.5, 1.5, 2.5])
      if (squares + size * size <= 12) extend([...prefix, size], squares + size * size);
  };
  extend([], 0);
  const length = (v: readonly number[]): number => v.reduce((sum, s) => sum + s * s, 0);
  const chosen = [...found.filter((v) => length(v) <= 10), ...found.filter((v) => length(v) > 10)].slice(0, 256);
  return {
    sizes: Float64Array.from(chosen.flat()),
    // Sums of coordinates are even: flipping a half-integer's sign changes the sum by an odd number.
    odd: Uint8Array.from(chosen, (v) => v.reduce((sum, s) => sum + s, 0) % 2),
  };
}

interface LatticeFields {
  readonly sizes: Field;
  readonly odd: Field;
  readonly scale: Field;
  readonly sign: Field;
  readonly shift: Field;
  readonly code: Field;
}

function latticeFieldsOf(format: Format): LatticeFields | undefined {
  const find = (scope: string, type: string, count: number): Field | undefined =>
    format.fields.find((f) => f.scope === scope && f.type === type && f.count === count);
  const [sizes, odd, scale] = [find("tensor", "f16", 256 * SIZE), find("tensor", "u1", 256), find("row", "f16", 1)];
  const [sign, shift, code] = [find("block", "u7", 1), find("block", "u1", 1), find("block", "u8", 1)];
  if (format.block !== SIZE || format.fields.length !== 6) return undefined;
  if (sizes === undefined || odd === undefined || scale === undefined) return undefined;
  if (sign === undefined || shift === undefined || code === undefined) return undefined;
  const fields = { sizes, odd, scale, sign, shift, code };
  return holds(format, fields) ? fields : undefined;
}

function holds(format: Format, { sizes, odd, scale, sign, shift, code }: LatticeFields): boolean {
  const table = e8pTable();
  const evaluator = new BlockEvaluator(format);
  evaluator.fields.set(sizes.name, table.sizes).set(odd.name, table.odd).set(scale.name, [2]);
  return [0, 1, 2, 3, 4, 5].every((n) => {
    const [s, d, q] = [(n * 53) % 128, n % 2, (n * 101) % 256];
    evaluator.fields.set(sign.name, [s]).set(shift.name, [d]).set(code.name, [q]);
    return Array.from({ length: SIZE }, (_, i) => i).every(
      (i) => evaluator.value(i) === 2 * pointValue(table, s, d, q, i),
    );
  });
}

const parity = (bits: number): number => {
  let left = bits;
  let count = 0;
  for (; left > 0; left >>= 1) count ^= left & 1;
  return count;
};

function pointValue(
  { sizes, odd }: ReturnType<typeof e8pTable>,
  sign: number,
  shift: number,
  q: number,
  i: number,
): number {
  const negative = i === SIZE - 1 ? parity(sign) ^ odd[q]! : (sign >> i) & 1;
  const size = sizes[q * SIZE + i]!;
  return (negative === 1 ? -size : size) + (shift === 1 ? 0.25 : -0.25);
}

/** Parts of the root mean square that a row's scale may be; the paper's is 1 / 1.03. */
const SCALES = [0.75, 0.83, 0.9, 1 / 1.03, 1.05, 1.15];

/** The nearest point of the codebook, exactly; the row's scale is the one of least squared error among six. */
export function latticeEncoder(format: Format): FormatEncoder | undefined {
  const fields = latticeFieldsOf(format);
  if (fields === undefined) return undefined;
  const table = e8pTable();
  const halves = Float64Array.from(table.odd, (_, q) => table.sizes.subarray(q * SIZE, (q + 1) * SIZE).reduce((sum, s) => sum + s * s, 0) / 2); // biome-ignore format: one line
  /** The best point for eight values: code, shift and which are negative. */
  const nearest = (x: Float64Array) => {
    const best = { error: Number.POSITIVE_INFINITY, code: 0, shift: 0, negative: 0 };
    const y = new Float64Array(SIZE);
    for (const shift of [0, 1]) {
      let [square, negative] = [0, 0];
      for (let i = 0; i < SIZE; i++) {
        const v = x[i]! - (shift === 1 ? 0.25 : -0.25);
        if (v < 0) negative |= 1 << i;
        y[i] = Math.abs(v);
        square += v * v;
      }
      const odd = parity(negative);
      for (let code = 0; code < 256; code++) {
        let [dot, least, flip] = [0, Number.POSITIVE_INFINITY, 0];
        for (let i = 0; i < SIZE; i++) {
          const product = y[i]! * table.sizes[code * SIZE + i]!;
          dot += product;
          if (product < least) [least, flip] = [product, i];
        }
        // A number of negatives of the wrong kind: the sign that costs least turns.
        const turns = odd !== table.odd[code]!;
        const error = square - 2 * (dot - halves[code]!) + (turns ? 4 * least : 0);
        if (error < best.error)
          Object.assign(best, { error, code, shift, negative: turns ? negative ^ (1 << flip) : negative });
      }
    }
    return best;
  };
  return {
    rule: "e8p",
    encode(values, columns) {
      const rows = values.length / columns;
      const blocks = Math.ceil(columns / SIZE);
      const out = {
        sign: new Uint8Array(rows * blocks),
        shift: new Uint8Array(rows * blocks),
        code: new Uint8Array(rows * blocks),
      };
      const scales = new Float64Array(rows);
      const block = (row: number, b: number, scale: number): Float64Array =>
        Float64Array.from({ length: SIZE }, (_, i) =>
          b * SIZE + i < columns ? values[row * columns + b * SIZE + i]! / (scale || 1) : 0,
        );
      for (let row = 0; row < rows; row++) {
        const rms = Math.sqrt(
          values.subarray(row * columns, (row + 1) * columns).reduce((sum, v) => sum + v * v, 0) / columns,
        );
        const step = Math.max(1, Math.floor(blocks / 16));
        let least = Number.POSITIVE_INFINITY;
        for (const part of SCALES) {
          const scale = storeFloat("f16", rms * part);
          let error = 0;
          for (let b = 0; b < blocks; b += step) error += scale * scale * nearest(block(row, b, scale)).error;
          if (error < least) [least, scales[row]] = [error, scale];
        }
        for (let b = 0; b < blocks; b++) {
          const { code, shift, negative } = nearest(block(row, b, scales[row]!));
          out.sign[row * blocks + b] = negative & 127;
          out.shift[row * blocks + b] = shift;
          out.code[row * blocks + b] = code;
        }
      }
      const { sizes, odd, scale, sign, shift, code } = fields;
      return new Map<string, ArrayLike<number>>([[sizes.name, table.sizes], [odd.name, table.odd], [scale.name, scales], [sign.name, out.sign], [shift.name, out.shift], [code.name, out.code]]); // biome-ignore format: one line
    },
  };
}
