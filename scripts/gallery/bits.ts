/** The gallery's systems of one to two bits and of bit planes. */
import { f16Round } from "../../ir/float.ts";
import type { Matrix } from "./data.ts";
import { dynamicRows, type Kit, linear, packed, type Stored } from "./pack.ts";
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
