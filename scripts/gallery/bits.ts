/** The gallery's systems of one to two bits and of bit planes. */
import { f16Round } from "../../ir/float.ts";
import type { Matrix } from "./data.ts";
import { dynamicRows, type Kit, linear, matrix, packed, type Stored } from "./pack.ts";
import {
  columnsBySize,
  dynamicGroups,
  integers,
  product,
  spread,
  takeColumns,
  thinFactors,
  withoutColumns,
} from "./parts.ts";
import type { System } from "./systems.ts";

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, v) => sum + Math.abs(v), 0) / values.length;

/** Ternary codes around a scale: the mean or the median of the magnitudes. */
export function ternary({ values }: Matrix, scale: number): Float64Array {
  return Float64Array.from(values, (v) => Math.min(1, Math.max(-1, Math.round(v / scale))));
}

function median(values: ArrayLike<number>): number {
  const sorted = Array.from(values, Math.abs).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Five digits of base 3 a byte, the first one lowest. */
function base3(codes: Float64Array): Float64Array {
  return Float64Array.from({ length: codes.length / 5 }, (_, b) =>
    [4, 3, 2, 1, 0].reduce((byte, j) => byte * 3 + codes[5 * b + j]! + 1, 0),
  );
}

/** DB-LLM's split of the levels -2s, -s, 0, s: a1 = -2s where b1, a2 = s where b2. */
function dualBinary({ values }: Matrix): Stored {
  const a: number[] = [];
  const [low, high] = [new Float64Array(values.length), new Float64Array(values.length)];
  for (let g = 0; g < values.length / 64; g++) {
    const own = values.subarray(g * 64, (g + 1) * 64);
    const s = f16Round(1.3 * mean(own));
    a.push(-2 * s, s);
    own.forEach((v, i) => {
      const level = Math.min(1, Math.max(-2, Math.round(v / s)));
      low[g * 64 + i] = level < 0 ? 1 : 0;
      high[g * 64 + i] = level === 1 || level === -1 ? 1 : 0;
    });
  }
  return { "w.a": a, "w.low": low, "w.high": high };
}

/** Two sign bases per row, the second one of what the first leaves. */
function twoBases({ values, rows, columns }: Matrix): Stored {
  const scale: number[] = [];
  const [first, second] = [new Float64Array(values.length), new Float64Array(values.length)];
  for (let n = 0; n < rows; n++) {
    const own = values.subarray(n * columns, (n + 1) * columns);
    const a = f16Round(mean(own));
    const rest = own.map((v) => v - (v >= 0 ? a : -a));
    const b = f16Round(mean(rest));
    scale.push(a, b);
    own.forEach((v, k) => {
      first[n * columns + k] = v >= 0 ? 1 : 0;
      second[n * columns + k] = rest[k]! >= 0 ? 1 : 0;
    });
  }
  return { "w.scale": scale, "w.first": first, "w.second": second };
}

/** The same weights in BitNet's three packings. */
function bitnet(kit: Kit): readonly ReturnType<typeof linear>[] {
  const scale = Math.fround(mean(kit.w.values));
  const inputs = dynamicRows(kit.x, 8);
  // Base 3 has blocks of 40 values, so its rows are a little shorter.
  const columns = 480;
  const short = (m: Matrix): Matrix => ({
    rows: m.rows,
    columns,
    values: m.values.filter((_, i) => i % m.columns < columns),
  });
  const less = { ...kit, x: short(kit.x), w: short(kit.w) };
  const q = ternary(kit.w, scale);
  const planes = { positive: q.map((v) => (v > 0 ? 1 : 0)), negative: q.map((v) => (v < 0 ? 1 : 0)) };
  const shortCodes = ternary(less.w, scale);
  return [
    linear(kit, {
      op: "bitnet",
      inputs,
      ...packed(kit, "two_bits", (f, { i }) => f("scale")[0]! * f("q")[i]!, { "w.scale": [scale], "w.q": q }),
    }),
    linear(kit, {
      op: "bitnet_planes",
      inputs,
      ...packed(kit, "ternary_planes", (f, { i }) => f("scale")[0]! * (f("positive")[i]! - f("negative")[i]!), {
        "w.scale": [scale],
        "w.positive": planes.positive,
        "w.negative": planes.negative,
      }),
    }),
    linear(less, {
      op: "bitnet_base3",
      inputs: dynamicRows(less.x, 8),
      layer: { K: 4080 },
      ...packed(
        less,
        "ternary_base3",
        (f, { i }) => f("scale")[0]! * ((Math.floor(f("q")[Math.floor(i / 5)]! / 3 ** (i % 5)) % 3) - 1),
        { "w.scale": [scale], "w.q": base3(shortCodes) },
      ),
    }),
  ];
}

export const BITS: readonly System[] = [
  {
    file: "abq-llm",
    name: "ABQ-LLM",
    pack: (kit) =>
      ([[2, 8], [6, 6]] as const).map(([w, a]) =>
        linear(kit, {
          op: `abq_w${w}a${a}`,
          inputs: dynamicRows(kit.x, a),
          ...packed(kit, w === 2 ? "planes<2>" : "planes6", (f, { n, i }) => f("scale")[n]! * f("q")[i]!),
        }),
      ), // biome-ignore format: two widths
  },
  {
    file: "db-llm",
    name: "DB-LLM",
    pack: (kit) => [
      linear(kit, {
        op: "db_llm",
        ...packed(
          kit,
          "dual",
          (f, { i, group }) => f("a")[2 * group(64)]! * f("low")[i]! + f("a")[2 * group(64) + 1]! * f("high")[i]!,
          dualBinary(kit.w),
        ),
      }),
    ],
  },
  {
    file: "binarydm",
    name: "BinaryDM",
    pack: (kit) => [
      linear(kit, {
        op: "binarydm",
        inputs: dynamicRows(kit.x, 4),
        ...packed(
          kit,
          "two_bases",
          (f, { n, i }) =>
            f("scale")[2 * n]! * (f("first")[i] === 1 ? 1 : -1) +
            f("scale")[2 * n + 1]! * (f("second")[i] === 1 ? 1 : -1),
          twoBases(kit.w),
        ),
      }),
    ],
  },
  {
    file: "bitstack",
    name: "BitStack",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      let rest = Float32Array.from(values);
      const [sign, u, v]: [number[], number[], number[]] = [[], [], []];
      const levels: Float64Array[] = [];
      for (let l = 0; l < 3; l++) {
        const own = rest;
        const { left, right } = thinFactors({ rows, columns, values: own.map(Math.abs) }, 2);
        const level = product(left, right, rows, columns, 2).map((a, i) => (own[i]! < 0 ? -a : a));
        sign.push(...[...own].map((a) => (a < 0 ? 0 : 1)));
        v.push(...right);
        u.push(...[0, 1].flatMap((r) => Array.from({ length: rows }, (_, n) => left[2 * n + r]!)));
        levels.push(level);
        rest = own.map((a, i) => a - level[i]!);
      }
      return [linear(kit, { op: "bitstack", tensors: { sign, u, v }, weights: levels })];
    },
  },
  {
    file: "ptq1-61",
    name: "PTQ1.61",
    pack: (kit) => {
      const { rows, columns } = kit.w;
      const chosen = columnsBySize(kit.x)
        .slice(0, 100)
        .toSorted((a, b) => a - b);
      const rest = withoutColumns(kit.w, new Set(chosen));
      const keep = Float64Array.from({ length: columns }, (_, k) => (chosen.includes(k) ? 0 : 1));
      const scale = Float64Array.from({ length: (rows * columns) / 128 }, (_, g) =>
        f16Round(mean(rest.values.subarray(g * 128, g * 128 + 128))),
      );
      const q = Float64Array.from(rest.values, (a) => (a < 0 ? 0 : 1));
      const signs = q.map((s, i) => keep[i % columns]! * (2 * s - 1) * scale[Math.floor(i / 128)]!);
      const v = integers(takeColumns(kit.w, chosen), 4, 100, Math.fround);
      const tensors = { keep, "w.scale": scale, "w.q": q, c: chosen, "v.scale": v.scale, "v.q": v.q };
      const weights = [signs, spread(v.weights, rows, chosen, columns)];
      return [linear(kit, { op: "ptq1_61", tensors, weights, sizes: { J: 100 }, layer: { J: 614 } })];
    },
  },
  {
    file: "ifairy",
    name: "iFairy",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      // Pairs of real weights are complex ones: the second half of a row is the imaginary part of the first.
      const half = columns / 2;
      const part = (m: Matrix, from: number): Matrix => ({
        rows: m.rows,
        columns: half,
        values: Float32Array.from(matrix(m.rows, half, (n, k) => m.values[n * columns + from + k]!)),
      });
      const [a, b] = [part(kit.x, 0), part(kit.x, half)];
      const [re, im] = [part(kit.w, 0), part(kit.w, half)];
      const q = re.values.map((r, i) =>
        Math.abs(r) >= Math.abs(im.values[i]!) ? (r >= 0 ? 0 : 2) : im.values[i]! >= 0 ? 1 : 3,
      );
      const s = Float64Array.from({ length: rows }, (_, n) =>
        f16Round(0.9 * mean(values.subarray(n * columns, (n + 1) * columns)) * 1.5),
      );
      const real = matrix(rows, half, (n, k) => s[n]! * [1, 0, -1, 0][q[n * half + k]!]!);
      const imaginary = matrix(rows, half, (n, k) => s[n]! * [0, 1, 0, -1][q[n * half + k]!]!);
      const negative = (m: ArrayLike<number>): Float64Array => Float64Array.from(m, (x) => -x);
      const tensors = { x2: b.values, q, s };
      const both = (
        op: string,
        first: ArrayLike<number>,
        second: ArrayLike<number>,
        exact: readonly [ArrayLike<number>, ArrayLike<number>],
      ): ReturnType<typeof linear> => {
        const one = linear({ ...kit, x: a, w: re }, { op, tensors, weights: [first] });
        const other = linear({ ...kit, x: b, w: re }, { op, tensors, weights: [second] });
        const full = [a, b].map((x, i) => linear({ ...kit, x, w: re }, { op, tensors, weights: [exact[i]!] }).expected);
        return {
          ...one,
          layer: { ...one.layer, K: 2048 },
          expected: one.expected.map((y, i) => y + other.expected[i]!),
          magnitude: one.magnitude.map((y, i) => y + other.magnitude[i]!),
          exact: full[0]!.map((y, i) => y + full[1]![i]!),
        };
      };
      return [
        both("ifairy_real", real, negative(imaginary), [re.values, negative(im.values)]),
        both("ifairy_imaginary", imaginary, real, [im.values, re.values]),
      ];
    },
  },
  {
    file: "bibench",
    name: "BiBench",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      const scale = Float64Array.from({ length: rows }, (_, n) =>
        f16Round(mean(values.subarray(n * columns, (n + 1) * columns))),
      );
      const q = Float64Array.from(values, (v) => (v < 0 ? 0 : 1));
      const own = packed(kit, "sign_row", (f, { n, i }) => f("scale")[n]! * (2 * f("q")[i]! - 1), {
        "w.scale": scale,
        "w.q": q,
      });
      const inputs = kit.x.values.map((v, i) => {
        const row = kit.x.values.subarray(Math.floor(i / columns) * columns, (Math.floor(i / columns) + 1) * columns);
        return (v < 0 ? -1 : 1) * mean(row);
      });
      return [linear(kit, { op: "bibench", ...own, inputs: Float64Array.from(inputs) })];
    },
  },
  {
    file: "hpc-colpali",
    name: "HPC-ColPali",
    pack: (kit) => {
      const bits = (m: Matrix): Float64Array => Float64Array.from(m.values, (v) => (v < 0 ? 0 : 1));
      const [x, w] = [bits(kit.x), bits(kit.w)];
      const one = linear(kit, { op: "hpc_colpali", tensors: { w }, weights: [w], stored: { x } });
      const distance = one.expected.map((_, i) => {
        const [m, n] = [Math.floor(i / kit.w.rows), i % kit.w.rows];
        let different = 0;
        for (let k = 0; k < kit.w.columns; k++) if (x[m * kit.w.columns + k] !== w[n * kit.w.columns + k]) different++;
        return different;
      });
      return [{ ...one, expected: distance, magnitude: distance, exact: distance }];
    },
  },
  {
    file: "flexq",
    name: "FlexQ",
    pack: (kit) => [
      linear(kit, {
        op: "flexq",
        inputs: dynamicGroups(kit.x, 6, 128),
        ...packed(kit, "group_planes", (f, { i, group }) => f("scale")[group(128)]! * f("q")[i]!),
      }),
    ],
  },
  { file: "bitnet", name: "BitNet b1.58", pack: bitnet },
  {
    file: "bitnet-reloaded",
    name: "BitNet b1.58 Reloaded",
    pack: (kit) => {
      const scale = Math.fround(median(kit.w.values));
      const own = packed(kit, "ternary_median", (f, { i }) => f("scale")[0]! * f("q")[i]!, {
        "w.scale": [scale],
        "w.q": ternary(kit.w, scale),
      });
      return [linear(kit, { op: "bitnet_reloaded", inputs: dynamicRows(kit.x, 8), ...own })];
    },
  },
];
