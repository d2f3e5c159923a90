/** Formats whose code means something else beside its neighbour: OliVe's outlier–victim pairs, found in the declaration. */
import { internal } from "../../ir/diagnostics.ts";
import type { Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { searchClipping } from "./clip-search.ts";
import type { FormatEncoder } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import { type OliveType, oliveNormals, oliveOutliers, oliveSearch } from "./olive.ts";

/** The two codes of each pair of values, values in the units of OliVe's grids. */
interface PairTable {
  readonly type: OliveType;
  readonly bits: 4 | 8;
  /** Declared value · factor = value in OliVe's units. */
  readonly factor: number;
  /** By the two values in OliVe's units. */
  readonly codes: ReadonlyMap<string, readonly [number, number]>;
}

const keyOf = (a: number, b: number): string => `${a + 0} ${b + 0}`;

/** An encoder where the format is OliVe's: pairs, one scale, normal values and abfloat outliers of its grids. */
export function pairEncoderOf(format: Format): FormatEncoder | undefined {
  const [code, scale, ...others] = [...format.fields].sort((a, b) => b.count - a.count);
  if (format.block !== 2 || code?.count !== 2 || scale?.count !== 1 || others.length > 0) return undefined;
  if (!isInt(code.type) || bitsOf(code.type) > 8 || !isFloat(scale.type) || scale.scope === "block") return undefined;
  const table = tableOf(format, code, scale);
  return table === undefined ? undefined : oliveEncoder(code, scale, table);
}

function tableOf(format: Format, code: Field, scale: Field): PairTable | undefined {
  const evaluator = new BlockEvaluator(format);
  const [low, high] = rangeOf(isInt(code.type) ? code.type : internal("codes are integers"));
  const pairs: { readonly values: readonly [number, number]; readonly codes: readonly [number, number] }[] = [];
  for (let a = low; a <= high; a++)
    for (let b = low; b <= high; b++) {
      evaluator.fields.set(code.name, [a, b]);
      evaluator.fields.set(scale.name, [1]);
      pairs.push({ values: [evaluator.value(0), evaluator.value(1)], codes: [a, b] });
    }
  const peak = pairs.reduce((most, p) => Math.max(most, ...p.values.map(Math.abs)), 0);
  const bits = bitsOf(code.type) as 4 | 8;
  if (bits !== 4 && bits !== 8) return undefined;
  const factor = oliveOutliers(bits).at(-1)! / peak;
  const codes = new Map<string, readonly [number, number]>();
  for (const { values, codes: own } of pairs) {
    const key = keyOf(values[0] * factor, values[1] * factor);
    if (!codes.has(key)) codes.set(key, own);
  }
  const type = (["int", "flint"] as const).find((t) => (bits === 4 || t === "int") && hasAll(codes, t, bits));
  return type === undefined ? undefined : { type, bits, factor, codes };
}

/** True where every pair that the search can yield has codes. */
function hasAll(codes: PairTable["codes"], type: OliveType, bits: 4 | 8): boolean {
  const normals = oliveNormals(type, bits);
  const pairs = normals.every((a) => normals.every((b) => codes.has(keyOf(a, b))));
  return pairs && oliveOutliers(bits).every((v) => codes.has(keyOf(v, 0)) && codes.has(keyOf(0, v)));
}

function oliveEncoder(code: Field, scale: Field, table: PairTable): FormatEncoder {
  const search = oliveSearch(table.type, table.bits);
  const { values: grid } = search.nearest;
  // The search pairs neighbours of the whole tensor, the format those of a row: odd rows get a zero at their end.
  const even = (values: Float32Array, columns: number): Float32Array =>
    columns % 2 === 1 ? padRows(values, columns) : values;
  const whole = scale.scope === "tensor";
  return {
    rule: "olive",
    settings: { normals: table.type },
    ...(whole && {
      learn(rows, columns) {
        const padded = even(rows, columns);
        return new Map([["scale", searchClipping(padded, padded.length, search).scales]]);
      },
    }),
    encode(values, columns, { learned }) {
      const padded = even(values, columns);
      const pitch = columns + (columns % 2);
      const rows = values.length / columns;
      const indices = new Uint16Array(padded.length);
      const found = whole ? undefined : searchClipping(padded, pitch, search);
      const shared = learned?.get("scale")?.[0] ?? 0;
      if (found === undefined) search.encode(padded, shared, indices);
      else indices.set(found.indices);
      const scales = found?.scales ?? Float32Array.of(shared);
      const codes = new Int16Array(values.length);
      for (let row = 0; row < rows; row++)
        for (let k = 0; k < columns; k += 2) {
          const at = row * pitch + k;
          const key = keyOf(grid[indices[at]!]!, grid[indices[at + 1]!]!);
          const pair = table.codes.get(key) ?? internal(`no codes for the pair ${key}`);
          codes[row * columns + k] = pair[0];
          if (k + 1 < columns) codes[row * columns + k + 1] = pair[1];
        }
      return new Map<string, ArrayLike<number>>([
        [code.name, codes],
        [scale.name, Float64Array.from(scales, (s) => Math.fround(s * table.factor))],
      ]);
    },
  };
}

function padRows(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns;
  const out = new Float32Array(rows * (columns + 1));
  for (let row = 0; row < rows; row++)
    out.set(values.subarray(row * columns, (row + 1) * columns), row * (columns + 1));
  return out;
}
