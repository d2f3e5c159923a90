/** The gallery's uniform weight-only systems. */
import { f16Round } from "../../ir/float.ts";
import type { Matrix } from "./data.ts";
import { minifloat } from "./numbers.ts";
import { dynamicRows, groupScales, type Kit, linear, nearest, packed, type Stored } from "./pack.ts";
import type { System } from "./systems.ts";

/** Groups of columns by the mean magnitude of what they multiply, largest first; min–max with an integer zero point. */
function byActivation({ x, w }: Kit, group: number, bits: number): Stored {
  const { rows, columns } = w;
  const size = (k: number): number => {
    let sum = 0;
    for (let m = 0; m < x.rows; m++) sum += Math.abs(x.values[m * columns + k]!);
    return sum;
  };
  const order = [...Array(columns).keys()].sort((a, b) => size(b) - size(a));
  const groups = new Float64Array(columns);
  order.forEach((k, rank) => {
    groups[k] = Math.floor(rank / group);
  });
  const count = columns / group;
  const top = 2 ** bits - 1;
  const [scale, zero] = [new Float64Array(rows * count), new Float64Array(rows * count)];
  const q = new Float64Array(rows * columns);
  for (let n = 0; n < rows; n++)
    for (let g = 0; g < count; g++) {
      const own = order.slice(g * group, (g + 1) * group);
      const values = own.map((k) => w.values[n * columns + k]!);
      const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
      const s = f16Round((high - low) / top);
      const z = Math.round(-low / s);
      scale[n * count + g] = s;
      zero[n * count + g] = z;
      for (const k of own)
        q[n * columns + k] = Math.min(top, Math.max(0, Math.round(w.values[n * columns + k]! / s) + z));
    }
  return { "w.groups": groups, "w.scale": scale, "w.zero": zero, "w.q": q };
}

/** Groups of 32 rows, one column wide: what `along N` stores. */
function alongRows({ values, rows, columns }: Matrix, group: number, bits: number): Stored {
  const count = rows / group;
  const top = 2 ** bits - 1;
  const [scale, zero] = [new Float64Array(columns * count), new Float64Array(columns * count)];
  const q = new Float64Array(rows * columns);
  for (let k = 0; k < columns; k++)
    for (let g = 0; g < count; g++) {
      const own = Array.from({ length: group }, (_, i) => values[(g * group + i) * columns + k]!);
      const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
      const s = f16Round((high - low) / top);
      const z = Math.round(-low / s);
      scale[k * count + g] = s;
      zero[k * count + g] = z;
      own.forEach((v, i) => {
        q[(g * group + i) * columns + k] = Math.min(top, Math.max(0, Math.round(v / s) + z));
      });
    }
  return { "w.scale": scale, "w.zero": zero, "w.q": q };
}

/** Symmetric codes of a grid in groups: the largest magnitude of a group is the grid's. */
function onGrid(w: Matrix, group: number, grid: readonly number[]): Stored {
  const peak = Math.max(...grid.map(Math.abs));
  const scale = groupScales(w, group, (v) => v.reduce((p, x) => Math.max(p, Math.abs(x)), 0) / peak);
  const q = Float64Array.from(w.values, (v, i) => nearest(grid, v / scale[Math.floor(i / group)]!));
  return { "w.grid": grid, "w.scale": scale, "w.q": q };
}

/** Q4_K: per 32 values a scale and a minimum of six bits each, under one f16 of each for 256. */
function superBlocks({ values }: Matrix): Stored {
  const blocks = values.length / 256;
  const [d, dmin] = [new Float64Array(blocks), new Float64Array(blocks)];
  const [scale, min] = [new Float64Array(blocks * 8), new Float64Array(blocks * 8)];
  const q = new Float64Array(values.length);
  for (let b = 0; b < blocks; b++) {
    const parts = Array.from({ length: 8 }, (_, g) => [...values.subarray(b * 256 + 32 * g, b * 256 + 32 * g + 32)]);
    const lows = parts.map((p) => Math.max(0, -Math.min(...p)));
    const steps = parts.map((p, g) => (Math.max(...p) + lows[g]!) / 15);
    d[b] = f16Round(Math.max(...steps) / 63);
    dmin[b] = f16Round(Math.max(...lows) / 63);
    parts.forEach((part, g) => {
      const s = Math.min(63, Math.round(steps[g]! / d[b]!));
      const m = dmin[b] === 0 ? 0 : Math.min(63, Math.round(lows[g]! / dmin[b]!));
      scale[b * 8 + g] = s;
      min[b * 8 + g] = m;
      part.forEach((v, i) => {
        const code = s === 0 ? 0 : Math.round((v + dmin[b]! * m) / (d[b]! * s));
        q[b * 256 + 32 * g + i] = Math.min(15, Math.max(0, code));
      });
    });
  }
  return { "w.d": d, "w.dmin": dmin, "w.scale": scale, "w.min": min, "w.q": q };
}

/** w · s with s[k] = max|x[·, k]|^½, in powers of two so that x / s is exact; and x / s. */
function smoothed({ x, w }: Kit): { readonly x: Float64Array; readonly w: Matrix } {
  const scale = Float64Array.from({ length: w.columns }, (_, k) => {
    let peak = 1;
    for (let m = 0; m < x.rows; m++) peak = Math.max(peak, Math.abs(x.values[m * w.columns + k]!));
    return 2 ** Math.round(Math.log2(peak) / 2);
  });
  return {
    x: Float64Array.from(x.values, (v, i) => v / scale[i % w.columns]!),
    w: { ...w, values: w.values.map((v, i) => v * scale[i % w.columns]!) },
  };
}

const EIGHT_LEVELS = [-1.75, -1, -0.5, -0.125, 0.125, 0.5, 1, 1.75];

export const WEIGHT_ONLY: readonly System[] = [
  {
    file: "gptq",
    name: "GPTQ, act-order",
    pack: (kit) => {
      const value = packed(
        kit,
        "by_activation<512>",
        (f, { n, k, i }) => {
          const g = n * 4 + f("groups")[k]!;
          return f("scale")[g]! * (f("q")[i]! - f("zero")[g]!);
        },
        byActivation(kit, 128, 4),
      );
      return [linear(kit, { op: "gptq", ...value, without: ["K"] })];
    },
  },
  {
    file: "omniquant",
    name: "OmniQuant",
    pack: (kit) => [
      linear(kit, {
        op: "omniquant",
        ...packed(
          kit,
          "w3_clipped",
          (f, { i, group }) => f("scale")[group(128)]! * (f("q")[i]! - f("zero")[group(128)]!),
        ),
      }),
    ],
  },
  {
    file: "smoothquant-plus",
    name: "SmoothQuant+",
    pack: (kit) => {
      const { x, w } = smoothed(kit);
      const own = packed({ ...kit, w }, "w4_smoothed", (f, { i, group }) => {
        return f("scale")[group(128)]! * (f("q")[i]! - f("zero")[group(128)]!);
      });
      return [linear(kit, { op: "smoothquant_plus", ...own, inputs: x, stored: { x } })];
    },
  },
  {
    file: "decoupleq",
    name: "decoupleQ",
    pack: (kit) => [
      linear(kit, {
        op: "decoupleq",
        ...packed(kit, "w2_affine", (f, { i, group }) => f("scale")[group(64)]! * f("q")[i]! + f("offset")[group(64)]!),
      }),
    ],
  },
  {
    file: "adadim",
    name: "AdaDim",
    pack: (kit) => {
      const groups = kit.w.rows / 32;
      const own = packed(
        kit,
        "w3_group",
        (f, { n, k, i }) => {
          const g = k * groups + Math.floor(n / 32);
          return f("scale")[g]! * (f("q")[i]! - f("zero")[g]!);
        },
        alongRows(kit.w, 32, 3),
      );
      return [linear(kit, { op: "adadim", ...own })];
    },
  },
  {
    file: "discquant",
    name: "DiscQuant",
    pack: (kit) => [
      linear(kit, {
        op: "discquant",
        ...packed(
          kit,
          "w3_grid",
          (f, { i, group }) => f("scale")[group(64)]! * f("grid")[f("q")[i]!]!,
          onGrid(kit.w, 64, EIGHT_LEVELS),
        ),
      }),
    ],
  },
  {
    file: "gsq",
    name: "GSQ",
    pack: (kit) =>
      ([2, 3] as const).map((bits) =>
        linear(kit, {
          op: bits === 2 ? "gsq_ternary" : "gsq_3bit",
          ...packed(kit, `symmetric<${bits}>`, (f, { i, group }) => f("scale")[group(128)]! * f("q")[i]!),
        }),
      ),
  },
  {
    file: "baq",
    name: "BAQ",
    pack: (kit) =>
      [2, 3, 5].map((bits) =>
        linear(kit, {
          op: `baq_${bits}bit`,
          ...packed(kit, `channel<${bits}>`, (f, { n, i }) => f("scale")[n]! * (f("q")[i]! - f("zero")[n]!)),
        }),
      ),
  },
  {
    file: "layer-wise",
    name: "Layer-wise quantization",
    pack: (kit) =>
      ([4, 2] as const).map((bits) =>
        linear(kit, {
          op: bits === 4 ? "important" : "unimportant",
          ...packed(kit, `grouped<${bits}>`, (f, { i, group }) => f("scale")[group(64)]! * f("q")[i]!),
        }),
      ),
  },
  {
    file: "fliqs",
    name: "FLIQS",
    pack: (kit) => [
      linear(kit, {
        op: "int_layer",
        inputs: dynamicRows(kit.x, 8),
        ...packed(kit, "int4_channel", (f, { n, i }) => f("scale")[n]! * f("q")[i]!),
      }),
      linear(kit, {
        op: "float_layer",
        ...packed(kit, "e2m1_channel", (f, { n, i }) => f("scale")[n]! * minifloat(f("q")[i]!, 2, 1, 1)),
      }),
    ],
  },
  {
    file: "k-quants",
    name: "K-quants",
    pack: (kit) => [
      linear(kit, {
        op: "k_quants",
        ...packed(
          kit,
          "q4_k_file",
          (f, { i, group }) => {
            const scaled = f("d")[group(256)]! * f("scale")[group(32)]! * f("q")[i]!;
            return scaled - f("dmin")[group(256)]! * f("min")[group(32)]!;
          },
          superBlocks(kit.w),
        ),
      }),
    ],
  },
];
