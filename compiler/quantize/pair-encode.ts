/** Formats whose code means something else beside its neighbour: OliVe's outlier–victim pairs, found in the declaration. */
import { internal } from "../../ir/diagnostics.ts";
import type { Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { searchClipping } from "./clip-search.ts";
import type { FormatEncoder } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";
import type { Grid } from "./grids.ts";
import { pairSearch } from "./olive.ts";

/** The values of a pair format under scale 1, and the two codes of each pair of values. */
interface PairTable {
  readonly normals: Grid;
  readonly outliers: Grid;
  /** By the two values. */
  readonly codes: ReadonlyMap<string, readonly [number, number]>;
}

const keyOf = (a: number, b: number): string => `${a + 0} ${b + 0}`;

const known = new WeakMap<Format, PairTable | "none">();

/** An encoder where one code makes a value 0 and its partner an outlier, and all others are a value each. */
export function pairEncoderOf(format: Format): FormatEncoder | undefined {
  const [code, scale, ...others] = [...format.fields].sort((a, b) => b.count - a.count);
  if (format.block !== 2 || code?.count !== 2 || scale?.count !== 1 || others.length > 0) return undefined;
  if (!isInt(code.type) || bitsOf(code.type) > 8 || !isFloat(scale.type) || scale.scope === "block") return undefined;
  const before = known.get(format);
  const found = before ?? tableOf(format, code, scale) ?? "none";
  known.set(format, found);
  const table = found === "none" ? undefined : found;
  return table === undefined ? undefined : oliveEncoder(code, scale, table);
}

function tableOf(format: Format, code: Field, scale: Field): PairTable | undefined {
  const evaluator = new BlockEvaluator(format);
  evaluator.fields.set(scale.name, [1]);
  const [low, high] = rangeOf(isInt(code.type) ? code.type : internal("codes are integers"));
  const all = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const pairAt = (a: number, b: number): readonly [number, number] => {
    evaluator.fields.set(code.name, [a, b]);
    return [evaluator.value(0), evaluator.value(1)];
  };
  // The identifier: it is 0, and beside it other codes mean something else than beside themselves.
  const identifier = all.find((c) => all.every((o) => pairAt(c, o)[0] === 0 && pairAt(o, c)[1] === 0) && all.some((o) => pairAt(o, c)[0] !== pairAt(o, o)[0])); // biome-ignore format: one condition
  if (identifier === undefined) return undefined;
  const rest = all.filter((c) => c !== identifier);
  const normals = [...new Set(rest.map((c) => pairAt(c, c)[0] + 0))].sort((a, b) => a - b);
  const most = normals.at(-1)!;
  const outliers = [...new Set(rest.map((c) => pairAt(c, identifier)[0] + 0))].filter((v) => Math.abs(v) > most).sort((a, b) => a - b); // biome-ignore format: one expression
  if (!normals.includes(0) || outliers.length === 0 || -normals[0]! !== most) return undefined;
  const codes = new Map<string, readonly [number, number]>();
  for (const a of all)
    for (const b of all) {
      const key = keyOf(...pairAt(a, b));
      if (!codes.has(key)) codes.set(key, [a, b]);
    }
  const complete = normals.every((a) => normals.every((b) => codes.has(keyOf(a, b))));
  return complete && outliers.every((v) => codes.has(keyOf(v, 0)) && codes.has(keyOf(0, v)))
    ? { normals, outliers, codes }
    : undefined;
}

function oliveEncoder(code: Field, scale: Field, table: PairTable): FormatEncoder {
  const search = pairSearch(table.normals, table.outliers, table.normals.at(-1)!);
  const { values: grid } = search.nearest;
  // The search pairs neighbours of the whole tensor, the format those of a row: odd rows get a zero at their end.
  const even = (values: Float32Array, columns: number): Float32Array =>
    columns % 2 === 1 ? padRows(values, columns) : values;
  const whole = scale.scope === "tensor";
  return {
    rule: "olive",
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
        [scale.name, Float64Array.from(scales, (s) => s)],
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
