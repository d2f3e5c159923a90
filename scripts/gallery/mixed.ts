/** The gallery's weight-only systems of several parts: outliers, low rank, columns and directions of different widths. */
import { f16Round } from "../../ir/float.ts";
import { searchTrellis, trellisValue } from "./codebooks.ts";
import { uniform } from "./data.ts";
import { NF4 } from "./numbers.ts";
import { decoded, encode, type Kit, linear, matrix } from "./pack.ts";
import {
  columnsBySize,
  hadamard,
  integers,
  listOutliers,
  product,
  spread,
  takeColumns,
  thinFactors,
  withoutColumns,
} from "./parts.ts";
import type { System } from "./systems.ts";

/** Outliers of a layer of 4096 columns: 1 %. */
const LISTED = { J: 41 };

/** The larger half of the columns by activations and the smaller one, each in order. */
function halves({ x }: Kit): { readonly large: readonly number[]; readonly small: readonly number[] } {
  const order = columnsBySize(x);
  const ascending = (list: readonly number[]): readonly number[] => list.toSorted((a, b) => a - b);
  return { large: ascending(order.slice(0, order.length / 2)), small: ascending(order.slice(order.length / 2)) };
}

/** Ternary rows as codewords: greedy runs of up to 28 values, the most frequent ones first in the dictionary. */
function qmoe({ w }: Kit) {
  const { rows, columns, values } = w;
  const scale = Float64Array.from({ length: rows }, (_, n) => {
    const own = values.subarray(n * columns, (n + 1) * columns);
    return f16Round(own.reduce((p, v) => Math.max(p, Math.abs(v)), 0) * 0.6);
  });
  const q = matrix(rows, columns, (n, k) =>
    Math.max(-1, Math.min(1, Math.round(values[n * columns + k]! / scale[n]!))),
  );
  const words = new Map<string, number>();
  const runs: { code: number; at: number }[][] = [];
  for (let n = 0; n < rows; n++) {
    const own: { code: number; at: number }[] = [];
    for (let at = 0; at < columns; ) {
      // A run ends after its third value that is not 0, so that codewords repeat.
      let length = 0;
      for (let ones = 0; length < 28 && at + length < columns && ones < 3; length++)
        if (q[n * columns + at + length] !== 0) ones++;
      const word = Array.from({ length: 28 }, (_, t) => (t < length ? q[n * columns + at + t]! : 0));
      const key = word.join();
      if (!words.has(key)) words.set(key, words.size);
      own.push({ code: words.get(key)!, at });
      at += length;
    }
    runs.push(own);
  }
  const longest = Math.max(...runs.map((r) => r.length));
  const list = (pick: (run: { code: number; at: number }) => number): number[] =>
    runs.flatMap((own) => Array.from({ length: longest }, (_, j) => (j < own.length ? pick(own[j]!) : columns)));
  const dictionary = [...words.keys()].flatMap((key) => key.split(",").map(Number));
  const code = list((r) => r.code).map((c) => (c === columns ? 65535 : c));
  return { scale, q, dictionary, code, at: list((r) => r.at), longest, words: words.size };
}

export const MIXED: readonly System[] = [
  {
    file: "easyquant",
    name: "EasyQuant",
    pack: (kit) => {
      const o = listOutliers(kit.w, 8, 3);
      const s = encode(kit.module, "w4_row", "w", o.rest);
      const dense = decoded(kit.w, (f, { n, i }) => f("scale")[n]! * f("q")[i]!, s);
      const tensors = { ...s, c: o.columns, v: o.values };
      return [linear(kit, { op: "easyquant", tensors, weights: [dense, o.weights], sizes: { J: 8 }, layer: LISTED })];
    },
  },
  {
    file: "fast-2bit",
    name: "Fast 2-bit inference",
    pack: (kit) => {
      const chosen = columnsBySize(kit.x)
        .slice(0, 64)
        .toSorted((a, b) => a - b);
      const low = integers(withoutColumns(kit.w, new Set(chosen)), 2, 16);
      const high = integers(takeColumns(kit.w, chosen), 4, 16);
      const tensors = { "w.scale": low.scale, "w.q": low.q, c: chosen, "v.scale": high.scale, "v.q": high.q };
      const weights = [low.weights, spread(high.weights, kit.w.rows, chosen, kit.w.columns)];
      return [linear(kit, { op: "fast_2bit", tensors, weights, sizes: { J: 64 }, layer: { J: 512 } })];
    },
  },
  {
    file: "lq-lora",
    name: "LQ-LoRA",
    pack: (kit) => {
      const { left, right } = thinFactors(kit.w, 8);
      const thin = product(left, right, kit.w.rows, kit.w.columns, 8);
      const rest = { ...kit.w, values: kit.w.values.map((v, i) => v - thin[i]!) };
      const s = encode(kit.module, "nf4", "w", rest);
      const dense = decoded(kit.w, (f, { i, group }) => f("absmax")[group(64)]! * NF4[f("q")[i]!]!, s);
      const tensors = { ...s, a: right, b: left };
      return [linear(kit, { op: "lq_lora", tensors, weights: [dense, thin], sizes: { R: 8 }, layer: { R: 64 } })];
    },
  },
  {
    file: "bitsmoe",
    name: "BitsMoE",
    pack: (kit) => {
      const { left, right } = thinFactors(kit.w, 32);
      const part = (from: number, count: number, bits: number) => {
        const factors = integers(
          {
            rows: kit.w.rows,
            columns: count,
            values: Float32Array.from(matrix(kit.w.rows, count, (n, r) => left[n * 32 + from + r]!)),
          },
          bits,
          count,
          Math.fround,
        );
        const basis = right.slice(from * kit.w.columns, (from + count) * kit.w.columns);
        return { ...factors, basis, weights: product(factors.weights, basis, kit.w.rows, kit.w.columns, count) };
      };
      const [strong, weak] = [part(0, 16, 4), part(16, 16, 2)];
      const tensors = {
        a: strong.basis,
        b: weak.basis,
        "u.scale": strong.scale,
        "u.q": strong.q,
        "v.scale": weak.scale,
        "v.q": weak.q,
      };
      const layer = { I: 1024, J: 1024 };
      return [
        linear(kit, {
          op: "bitsmoe",
          tensors,
          weights: [strong.weights, weak.weights],
          sizes: { I: 16, J: 16 },
          layer,
          shared: ["a", "b"],
        }),
      ];
    },
  },
  {
    file: "qmoe",
    name: "QMoE",
    pack: (kit) => {
      const { scale, q, dictionary, code, at, longest, words } = qmoe(kit);
      const tensors = { word: dictionary, code, at, s: scale };
      const weights = [q.map((v, i) => v * scale[Math.floor(i / kit.w.columns)]!)];
      const sizes = { D: words, J: longest };
      return [linear(kit, { op: "qmoe", tensors, weights, sizes, layer: { D: 65535, J: longest * 8 } })];
    },
  },
  {
    file: "qwha",
    name: "QWHA",
    pack: (kit) => {
      const { rows, columns } = kit.w;
      const s = encode(kit.module, "i4_g128", "w", kit.w);
      const dense = decoded(kit.w, (f, { i, group }) => f("scale")[group(128)]! * f("q")[i]!, s);
      const h = hadamard(columns);
      const next = uniform(5);
      const [f, c] = [new Float64Array(rows * 4), new Float64Array(rows * 4)];
      const adapter = new Float64Array(rows * columns);
      for (let n = 0; n < rows; n++) {
        // The frequencies that the quantization error has most of.
        const spectrum = Array.from({ length: columns }, (_, i) => {
          let sum = 0;
          for (let k = 0; k < columns; k++)
            sum += (kit.w.values[n * columns + k]! - dense[n * columns + k]!) * h[i * columns + k]!;
          return sum / columns;
        });
        const order = spectrum
          .map((_, i) => i)
          .sort((a, b) => Math.abs(spectrum[b]!) - Math.abs(spectrum[a]!) || next() - 0.5);
        for (let j = 0; j < 4; j++) {
          f[n * 4 + j] = order[j]!;
          c[n * 4 + j] = f16Round(spectrum[order[j]!]!);
          for (let k = 0; k < columns; k++) adapter[n * columns + k]! += c[n * 4 + j]! * h[order[j]! * columns + k]!;
        }
      }
      const tensors = { ...s, h, c, f };
      return [
        linear(kit, {
          op: "qwha",
          tensors,
          weights: [dense, adapter],
          sizes: { J: 4 },
          layer: { J: 32 },
          shared: ["h"],
        }),
      ];
    },
  },
  {
    file: "accurate-bfp",
    name: "Accurate block quantization",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      const size = (k: number): number =>
        matrix(rows, 1, (n) => Math.abs(values[n * columns + k]!)).reduce((a, b) => Math.max(a, b), 0);
      const order = [...Array(columns).keys()].sort((a, b) => size(b) - size(a));
      const w = takeColumns(kit.w, order);
      const s = encode(kit.module, "bfp<4, 32>", "w", w);
      const dense = decoded(w, (f, { i, group }) => 2 ** (f("scale")[group(32)]! - 127) * (f("q")[i]! / 4), s);
      const tensors = { ...s, order };
      return [
        linear(kit, {
          op: "accurate_bfp",
          tensors,
          weights: [spread(dense, rows, order, columns)],
          sizes: { J: columns },
          layer: { J: 4096 },
        }),
      ];
    },
  },
  {
    file: "squeezellm",
    name: "SqueezeLLM",
    pack: (kit) => {
      const { rows, columns } = kit.w;
      const [first, last] = [3, 17];
      const slot = Float64Array.from({ length: rows }, (_, n) => (n === first ? 0 : n === last ? 1 : 2));
      const top = [first, last].flatMap((n) =>
        [...kit.w.values.subarray(n * columns, (n + 1) * columns)].map(f16Round),
      );
      const others = { ...kit.w, values: kit.w.values.map((v, i) => (slot[Math.floor(i / columns)] === 2 ? v : 0)) };
      const o = listOutliers(others, 8, 3);
      const s = encode(kit.module, "table_row<3>", "w", o.rest);
      const dense = decoded(kit.w, (f, { n, i }) => f("values")[8 * n + f("q")[i]!]!, s);
      const whole = matrix(rows, columns, (n, k) => (slot[n] === 2 ? 0 : top[slot[n]! * columns + k]!));
      const tensors = { ...s, c: o.columns, v: o.values, slot, top };
      const layer = { ...LISTED, R: 10 };
      return [
        linear(kit, { op: "squeezellm", tensors, weights: [dense, o.weights, whole], sizes: { J: 8, R: 2 }, layer }),
      ];
    },
  },
  {
    file: "spqr",
    name: "SpQR",
    pack: (kit) => {
      const o = listOutliers(kit.w, 8, 3);
      const { values } = o.rest;
      const blocks = values.length / 256;
      const [a, s, z]: [number[], number[], number[]] = [[], [], []];
      const q = new Float64Array(values.length);
      for (let b = 0; b < blocks; b++) {
        const groups = Array.from({ length: 16 }, (_, g) => values.subarray(b * 256 + 16 * g, b * 256 + 16 * g + 16));
        const steps = groups.map((g) => Math.max((Math.max(...g) - Math.min(...g)) / 7, 1e-6));
        const a1 = f16Round(Math.min(...steps));
        const a0 = f16Round((Math.max(...steps) - a1) / 7);
        const codes = steps.map((step) => (a0 === 0 ? 0 : Math.max(0, Math.min(7, Math.round((step - a1) / a0)))));
        const zeros = groups.map((g, n) => -Math.min(...g) / (a0 * codes[n]! + a1));
        const a3 = f16Round(Math.min(...zeros));
        const a2 = f16Round((Math.max(...zeros) - a3) / 7);
        a.push(a0, a1, a2, a3);
        groups.forEach((group, n) => {
          const zero = a2 === 0 ? 0 : Math.max(0, Math.min(7, Math.round((zeros[n]! - a3) / a2)));
          s.push(codes[n]!);
          z.push(zero);
          group.forEach((v, i) => {
            const code = Math.round(v / (a0 * codes[n]! + a1) + a2 * zero + a3);
            q[b * 256 + 16 * n + i] = Math.max(0, Math.min(7, code));
          });
        });
      }
      const own = { "w.a": a, "w.s": s, "w.z": z, "w.q": q };
      const dense = decoded(
        kit.w,
        (f, { i, group }) => {
          const [b, g] = [4 * group(256), group(16)];
          const zero = f("a")[b + 2]! * f("z")[g]! + f("a")[b + 3]!;
          return (f("a")[b]! * f("s")[g]! + f("a")[b + 1]!) * (f("q")[i]! - zero);
        },
        own,
      );
      const tensors = { ...own, c: o.columns, v: o.values };
      return [linear(kit, { op: "spqr", tensors, weights: [dense, o.weights], sizes: { J: 8 }, layer: LISTED })];
    },
  },
  {
    file: "q-palette",
    name: "Q-Palette",
    pack: (kit) => {
      const { large, small } = halves(kit);
      const [low, high] = [
        searchTrellis(takeColumns(kit.w, small), 2, 12),
        searchTrellis(takeColumns(kit.w, large), 4, 12),
      ];
      const half = kit.w.columns / 2;
      const value = (t: { q: Float64Array; scale: Float64Array }, bits: number): Float64Array =>
        matrix(
          kit.w.rows,
          half,
          (n, k) => t.scale[n]! * trellisValue(t.q, n * (half / 256) + Math.floor(k / 256), k % 256, bits),
        );
      const tensors = { a: small, b: large, "w.scale": low.scale, "w.q": low.q, "v.scale": high.scale, "v.q": high.q };
      const weights = [
        spread(value(low, 2), kit.w.rows, small, 2 * half),
        spread(value(high, 4), kit.w.rows, large, 2 * half),
      ];
      return [
        linear(kit, { op: "q_palette", tensors, weights, sizes: { I: half, J: half }, layer: { I: 2048, J: 2048 } }),
      ];
    },
  },
  {
    file: "camera-q",
    name: "CAMERA-Q",
    pack: (kit) => {
      const order = columnsBySize(kit.x);
      const [large, small] = [order.slice(0, 128), order.slice(128)];
      const [high, low] = [integers(takeColumns(kit.w, large), 4, 128), integers(takeColumns(kit.w, small), 2, 64)];
      const tensors = { a: large, b: small, "w.scale": high.scale, "w.q": high.q, "v.scale": low.scale, "v.q": low.q };
      const weights = [
        spread(high.weights, kit.w.rows, large, kit.w.columns),
        spread(low.weights, kit.w.rows, small, kit.w.columns),
      ];
      return [
        linear(kit, { op: "camera_q", tensors, weights, sizes: { I: 128, J: 384 }, layer: { I: 1024, J: 3072 } }),
      ];
    },
  },
  {
    file: "gobo",
    name: "GOBO",
    pack: (kit) => {
      const o = listOutliers(kit.w, 8, 3);
      const s = encode(kit.module, "dictionary", "w", o.rest);
      const dense = decoded(kit.w, (f, { i }) => f("table")[f("q")[i]!]!, s);
      const { columns } = kit.w;
      // The dictionary holds something in an outlier's place: the list has the difference.
      const v = Float64Array.from(o.values, (value, j) => {
        const k = o.columns[j]!;
        return k === columns ? 0 : Math.fround(value - dense[Math.floor(j / 8) * columns + k]!);
      });
      const listed = new Float64Array(kit.w.values.length);
      v.forEach((value, j) => {
        if (o.columns[j]! < columns) listed[Math.floor(j / 8) * columns + o.columns[j]!] = value;
      });
      const tensors = { ...s, c: o.columns, v };
      return [linear(kit, { op: "gobo", tensors, weights: [dense, listed], sizes: { J: 8 }, layer: LISTED })];
    },
  },
];
