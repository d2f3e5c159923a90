/** The gallery's systems that quantize activations too. */
import { f16Round } from "../../ir/float.ts";
import type { Matrix } from "./data.ts";
import { type Case, decoded, dynamicRows, encode, type Kit, linear, matrix, roundEven } from "./pack.ts";
import {
  columnsBySize,
  dynamicGroups,
  hadamard,
  integers,
  listOutliers,
  spread,
  takeColumns,
  withoutColumns,
} from "./parts.ts";
import type { System } from "./systems.ts";

/** Powers of two near √max|x| of each column: dividing by them is exact. */
function channelScales({ rows, columns, values }: Matrix): Float64Array {
  return Float64Array.from({ length: columns }, (_, k) => {
    let peak = 1;
    for (let m = 0; m < rows; m++) peak = Math.max(peak, Math.abs(values[m * columns + k]!));
    return 2 ** Math.max(0, Math.round(Math.log2(peak) / 2));
  });
}

const scaled = (m: Matrix, by: (k: number) => number): Matrix => ({
  ...m,
  values: m.values.map((v, i) => v * by(i % m.columns)),
});

/** Activations about the middle of their channel, on the grid of 1/64. */
function centred(x: Matrix): { readonly middle: Float64Array; readonly values: Matrix } {
  const middle = Float64Array.from({ length: x.columns }, (_, k) => {
    const own = Array.from({ length: x.rows }, (_, m) => x.values[m * x.columns + k]!);
    return Math.round((Math.max(...own) + Math.min(...own)) * 32) / 64;
  });
  return { middle, values: { ...x, values: x.values.map((v, i) => v - middle[i % x.columns]!) } };
}

/** A case whose activations are (x − z) / s and whose bias is what z contributes. */
function shifted(
  kit: Kit,
  op: string,
  bits: number,
  names: (z: Float64Array, s: Float64Array) => Record<string, Float64Array>,
): Case {
  const { middle, values } = centred(kit.x);
  const s = channelScales(values);
  const w = integers(
    scaled(kit.w, (k) => s[k]!),
    bits,
    kit.w.columns,
    Math.fround,
  );
  const { rows, columns } = kit.w;
  const b = Float64Array.from({ length: rows }, (_, n) => {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += middle[k]! * kit.w.values[n * columns + k]!;
    return Math.fround(sum);
  });
  const inputs = dynamicRows(
    scaled(values, (k) => 1 / s[k]!),
    bits,
  );
  const tensors = { ...names(middle, s), "w.scale": w.scale, "w.q": w.q, b };
  const plain = linear(kit, { op, tensors, weights: [w.weights], inputs });
  return {
    ...plain,
    expected: plain.expected.map((y, i) => y + b[i % rows]!),
    magnitude: plain.magnitude.map((y, i) => y + Math.abs(b[i % rows]!)),
  };
}

/** A case with its result changed element by element, the exact one too. */
function mapped(one: Case, change: (y: number, i: number) => number): Case {
  return { ...one, expected: one.expected.map(change), exact: one.exact.map(change) };
}

export const ACTIVATIONS: readonly System[] = [
  {
    file: "llm-int8",
    name: "LLM.int8()",
    pack: (kit) => {
      const chosen = columnsBySize(kit.x).slice(0, 9);
      const dropped = new Set(chosen);
      const dense = integers(withoutColumns(kit.w, dropped), 8, kit.w.columns, Math.fround);
      const rest = withoutColumns(kit.x, dropped);
      const v = takeColumns(kit.w, chosen).values.map(f16Round);
      const outliers = spread(v, kit.w.rows, chosen, kit.w.columns);
      const keep = Float64Array.from({ length: kit.w.columns }, (_, k) => (dropped.has(k) ? 0 : 1));
      const codes = dynamicRows(rest, 8);
      // Both parts at once: quantized columns have no outlier weight, outlier columns no quantized one.
      const inputs = codes.map((c, i) => (dropped.has(i % kit.w.columns) ? kit.x.values[i]! : c));
      const tensors = { keep, "w.scale": dense.scale, "w.q": dense.q, c: chosen, v };
      const layer = { J: 40 };
      return [
        linear(kit, { op: "llm_int8", tensors, weights: [dense.weights, outliers], inputs, sizes: { J: 9 }, layer }),
      ];
    },
  },
  {
    file: "smoothquant",
    name: "SmoothQuant",
    pack: (kit) => {
      const s = channelScales(kit.x);
      const w = integers(
        scaled(kit.w, (k) => s[k]!),
        8,
        kit.w.columns,
        Math.fround,
      );
      const tensors = { inverse: s.map((v) => 1 / v), "w.scale": w.scale, "w.q": w.q };
      const inputs = dynamicRows(
        scaled(kit.x, (k) => 1 / s[k]!),
        8,
      );
      return [linear(kit, { op: "smoothquant", tensors, weights: [w.weights], inputs })];
    },
  },
  {
    file: "outliertune",
    name: "OutlierTune",
    pack: (kit) => [shifted(kit, "outliertune", 8, (z, s) => ({ z, inverse: s.map((v) => 1 / v) }))],
  },
  {
    file: "mptq-vit",
    name: "MPTQ-ViT",
    pack: (kit) => [shifted(kit, "mptq_vit", 6, (z, s) => ({ z, e: s.map(Math.log2) }))],
  },
  {
    file: "qllm",
    name: "QLLM",
    pack: (kit) => {
      const { columns, rows } = kit.w;
      const order = columnsBySize(kit.x);
      const [split, merged] = [order.slice(0, 8), order.slice(-16)];
      const whole = order.slice(8, -16);
      const a = [...split.flatMap((k) => [k, k]), ...whole, ...merged.filter((_, i) => i % 2 === 0)];
      const b = [
        ...split.flatMap(() => [columns, columns]),
        ...whole.map(() => columns),
        ...merged.filter((_, i) => i % 2 === 1),
      ];
      const share = a.map((_, j) => (j < 16 || j >= a.length - 8 ? 0.5 : 1));
      // A merged channel has the sum of the weights of its parts; a split one each time the weight itself.
      const own = (n: number, j: number): number =>
        kit.w.values[n * columns + a[j]!]! + (b[j] === columns ? 0 : kit.w.values[n * columns + b[j]!]!);
      const w = integers(
        { rows, columns: a.length, values: Float32Array.from(matrix(rows, a.length, own)) },
        4,
        a.length,
        Math.fround,
      );
      const at = (m: number, k: number): number => (k < columns ? kit.x.values[m * columns + k]! : 0);
      const assembled = matrix(kit.x.rows, a.length, (m, j) => (at(m, a[j]!) + at(m, b[j]!)) * share[j]!);
      const x = { rows: kit.x.rows, columns: a.length, values: Float32Array.from(assembled) };
      const tensors = { a, b, share, "w.scale": w.scale, "w.q": w.q };
      const inner = linear(
        { ...kit, x, w: { ...kit.w, columns: a.length } },
        { op: "qllm", tensors, weights: [w.weights], inputs: dynamicRows(x, 4) },
      );
      const outer = linear(kit, {
        op: "qllm",
        tensors,
        weights: [kit.w.values],
        sizes: { J: a.length },
        layer: { J: 4096 },
      });
      return [{ ...outer, expected: inner.expected, magnitude: inner.magnitude }];
    },
  },
  {
    file: "repquant",
    name: "RepQuant",
    pack: (kit) => {
      // Probabilities: a softmax of the activations.
      const weight = kit.x.values.map((v) => Math.exp(Math.max(-8, Math.min(4, v))));
      const x = { ...kit.x, values: weight.map((v, i) => {
        const m = Math.floor(i / kit.x.columns);
        return v / weight.subarray(m * kit.x.columns, (m + 1) * kit.x.columns).reduce((p, e) => Math.max(p, e), 0);
      }) }; // biome-ignore format: one softmax
      const q = Float64Array.from(x.values, (v) => Math.min(15, Math.round(-2 * Math.log2(v))));
      const inputs = q.map((c) => 2 ** -Math.floor(c / 2) * (c % 2 === 0 ? 1 : Math.SQRT1_2));
      const w = integers(kit.w, 8, kit.w.columns, Math.fround);
      const stored = { "x.scale": [1], "x.q": q };
      const tensors = { "w.scale": w.scale, "w.q": w.q };
      return [linear({ ...kit, x }, { op: "repquant", tensors, weights: [w.weights], inputs, stored })];
    },
  },
  {
    file: "dgq",
    name: "DGQ",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      const count = columns / 128;
      const [step, zero] = [new Float64Array(rows * count), new Float64Array(rows * count)];
      const scale = new Float64Array(rows);
      const q = new Float64Array(values.length);
      for (let n = 0; n < rows; n++) {
        const groups = Array.from({ length: count }, (_, g) =>
          values.subarray(n * columns + 128 * g, n * columns + 128 * g + 128),
        );
        const range = groups.map((g) => [Math.min(0, ...g), Math.max(0, ...g)] as const);
        scale[n] = Math.fround(Math.max(...range.map(([low, high]) => (high - low) / 15)) / 8);
        groups.forEach((own, g) => {
          const s = Math.max(1, Math.min(15, Math.ceil((range[g]![1] - range[g]![0]) / 15 / scale[n]!)));
          const z = Math.min(15, Math.round(-range[g]![0] / (s * scale[n]!)));
          step[n * count + g] = s;
          zero[n * count + g] = z;
          own.forEach((v, i) => {
            q[n * columns + 128 * g + i] = Math.max(0, Math.min(15, Math.round(v / (s * scale[n]!)) + z));
          });
        });
      }
      const tensors = { "w.scale": scale, "w.step": step, "w.zero": zero, "w.q": q };
      const weights = [
        decoded(
          kit.w,
          (f, { n, i, group }) => f("scale")[n]! * f("step")[group(128)]! * (f("q")[i]! - f("zero")[group(128)]!),
          tensors,
        ),
      ];
      return [linear(kit, { op: "dgq", tensors, weights, inputs: dynamicRows(kit.x, 8) })];
    },
  },
  {
    file: "comet",
    name: "COMET",
    pack: (kit) => {
      const order = columnsBySize(kit.x);
      const [wild, calm] = [order.slice(0, 128), order.slice(128)];
      const [v, w] = [integers(takeColumns(kit.w, wild), 4, 128), integers(takeColumns(kit.w, calm), 4, 128)];
      const [x8, x4] = [
        dynamicGroups(takeColumns(kit.x, wild), 8, 128),
        dynamicGroups(takeColumns(kit.x, calm), 4, 128),
      ];
      const { rows, columns } = kit.w;
      const back = (values: Float64Array, chosen: readonly number[]): Float64Array =>
        spread(values, kit.x.rows, chosen, columns);
      const inputs = back(x8, wild).map((a, i) => a + back(x4, calm)[i]!);
      const weights = [spread(w.weights, rows, calm, columns), spread(v.weights, rows, wild, columns)];
      const tensors = { calm, wild, "w.scale": w.scale, "w.q": w.q, "v.scale": v.scale, "v.q": v.q };
      return [
        linear(kit, { op: "comet", tensors, weights, inputs, sizes: { I: 384, J: 128 }, layer: { I: 3968, J: 128 } }),
      ];
    },
  },
  {
    file: "mixllm",
    name: "MixLLM",
    pack: (kit) => {
      const { rows, columns, values } = kit.w;
      const wide = Float64Array.from({ length: rows }, (_, n) => (n % 5 === 1 ? 1 : 0));
      const pick = (kind: number): readonly number[] => [...wide.keys()].filter((n) => wide[n] === kind);
      const slot = Float64Array.from({ length: rows }, (_, n) => pick(wide[n]!).indexOf(n));
      const part = (kind: number): Matrix => ({
        rows: pick(kind).length,
        columns,
        values: Float32Array.from(pick(kind).flatMap((n) => [...values.subarray(n * columns, (n + 1) * columns)])),
      });
      const [w, v] = [integers(part(0), 4, 128), integers(part(1), 8, columns, Math.fround)];
      const weights = matrix(rows, columns, (n, k) => (wide[n] === 1 ? v : w).weights[slot[n]! * columns + k]!);
      const tensors = { wide, slot, "w.scale": w.scale, "w.q": w.q, "v.scale": v.scale, "v.q": v.q };
      const sizes = { I: pick(0).length, J: pick(1).length };
      return [
        linear(kit, {
          op: "mixllm",
          tensors,
          weights: [weights],
          inputs: dynamicRows(kit.x, 8),
          sizes,
          layer: { I: 3686, J: 410 },
        }),
      ];
    },
  },
  {
    file: "quamba2",
    name: "Quamba2",
    pack: (kit) => {
      const x = encode(kit.module, "i8_tensor", "x", kit.x);
      const inputs = Float64Array.from(x["x.q"]!, (c) => c * x["x.scale"]![0]!);
      const w8 = encode(kit.module, "i8_tensor", "w", kit.w);
      const w4 = encode(kit.module, "i4_g128", "w", kit.w);
      const wide = decoded(kit.w, (f, { i }) => f("scale")[0]! * f("q")[i]!, w8);
      const narrow = decoded(kit.w, (f, { i, group }) => f("scale")[group(128)]! * f("q")[i]!, w4);
      return [
        linear(kit, { op: "quamba2_w8a8", tensors: w8, weights: [wide], inputs, stored: x }),
        linear(kit, { op: "quamba2_w4a8", tensors: w4, weights: [narrow], inputs, stored: x }),
        linear(kit, { op: "quamba2_w4a16", tensors: w4, weights: [narrow] }),
      ];
    },
  },
  {
    file: "hawq-v3",
    name: "HAWQ-V3",
    pack: (kit) => {
      const x = Float64Array.from(kit.x.values, (v) => Math.max(-128, Math.min(127, Math.round(v * 8))));
      const w = integers(kit.w, 4, kit.w.columns, Math.fround);
      const b = Float64Array.from({ length: kit.w.rows }, (_, n) =>
        Math.max(1, Math.min(31, Math.round(w.scale[n]! * 16 * 40))),
      );
      const r = matrix(kit.x.rows, kit.w.rows, (m, n) => ((7 * m + 3 * n) % 41) - 20);
      const tensors = { w: w.q, b, r };
      const one = linear(kit, { op: "hawq_v3", tensors, weights: [w.q], inputs: x, stored: { x } });
      const clip = (v: number): number => Math.max(-128, Math.min(127, v));
      const rows = kit.w.rows;
      return [
        {
          ...one,
          expected: one.expected.map((t, i) => clip(roundEven((t * b[i % rows]!) / 16384) + r[i]!)),
          // The same with real numbers in place of integers and dyadic ones.
          exact: one.exact.map((y, i) => clip((y * 8 * 640) / 16384 + r[i]!)),
        },
      ];
    },
  },
  {
    file: "ptq4sam",
    name: "PTQ4SAM",
    pack: (kit) => {
      const w = integers(kit.w, 4, kit.w.columns, Math.fround);
      const sign = Float64Array.from({ length: kit.w.rows }, (_, n) => (n % 3 === 0 ? -1 : 1));
      const tensors = { "w.scale": w.scale, "w.q": w.q, sign };
      const one = linear(kit, { op: "ptq4sam", tensors, weights: [w.weights], inputs: dynamicRows(kit.x, 8) });
      return [mapped(one, (y, i) => y * sign[i % kit.w.rows]!)];
    },
  },
  {
    file: "vidit-q",
    name: "ViDiT-Q",
    pack: (kit) => {
      const s = channelScales(kit.x);
      const steps = [s, s.map(() => 1)];
      const step = [0, 1, 0];
      const w = integers(
        scaled(kit.w, (k) => s[k]!),
        4,
        kit.w.columns,
        Math.fround,
      );
      const inverse = steps.flatMap((one) => [...one].map((v) => 1 / v));
      const x = {
        ...kit.x,
        values: kit.x.values.map((v, i) => v / steps[step[Math.floor(i / kit.x.columns)]!]![i % kit.x.columns]!),
      };
      const tensors = { step, inverse, "w.scale": w.scale, "w.q": w.q };
      const one = linear(kit, {
        op: "vidit_q",
        tensors,
        weights: [w.weights],
        inputs: dynamicRows(x, 8),
        sizes: { T: 2 },
        layer: { T: 10 },
      });
      // What is exact without quantization: the balanced activations times the weights balanced for the first timestep.
      return [
        {
          ...one,
          exact: linear({ ...kit, x, w: scaled(kit.w, (k) => s[k]!) }, { op: "", tensors: {}, weights: [w.weights] })
            .exact,
        },
      ];
    },
  },
  {
    file: "mixdq",
    name: "MixDQ",
    pack: (kit) => {
      const w = integers(kit.w, 8, kit.w.columns, Math.fround);
      const exact = linear(kit, { op: "", tensors: {}, weights: [kit.w.values] }).expected;
      const first = exact.slice(0, kit.w.rows).map(f16Round);
      const tensors = { first, "w.scale": w.scale, "w.q": w.q };
      const one = linear(kit, { op: "mixdq", tensors, weights: [w.weights], inputs: dynamicRows(kit.x, 8) });
      return [{ ...one, expected: one.expected.map((y, i) => (i < kit.w.rows ? first[i]! : y)) }];
    },
  },
  {
    file: "quest",
    name: "QuEST",
    pack: (kit) => {
      const e = [0, -1];
      const step = [0, 1, 0];
      const w = integers(kit.w, 4, kit.w.columns, Math.fround);
      const unit = (i: number): number => 2 ** e[step[Math.floor(i / kit.x.columns)]!]!;
      const inputs = Float64Array.from(
        kit.x.values,
        (v, i) => Math.max(-8, Math.min(7, roundEven(v / unit(i)))) * unit(i),
      );
      const tensors = { step, e, "w.scale": w.scale, "w.q": w.q };
      return [linear(kit, { op: "quest", tensors, weights: [w.weights], inputs, sizes: { T: 2 }, layer: { T: 16 } })];
    },
  },
  {
    file: "halo",
    name: "HALO",
    pack: (kit) => {
      const { columns } = kit.w;
      const h = hadamard(columns);
      const turn = (m: Matrix): Matrix => ({
        ...m,
        values: Float32Array.from(
          linear(
            { ...kit, x: m, w: { rows: columns, columns, values: Float32Array.from(h) } },
            { op: "", tensors: {}, weights: [h] },
          ).expected,
        ),
      });
      const w = integers(turn(kit.w), 8, columns, Math.fround);
      const tensors = { h, "w.scale": w.scale, "w.q": w.q };
      const one = linear(kit, {
        op: "halo",
        tensors,
        weights: [w.weights],
        inputs: dynamicRows(turn(kit.x), 8),
        shared: ["h"],
      });
      return [
        { ...one, expected: one.expected.map((y) => y / columns), magnitude: one.magnitude.map((y) => y / columns) },
      ];
    },
  },
  {
    file: "olaccel",
    name: "OLAccel",
    pack: (kit) => {
      const o = listOutliers(kit.w, 12, 2.5);
      const s = encode(kit.module, "i4_tensor", "w", o.rest);
      const dense = decoded(kit.w, (f, { i }) => f("scale")[0]! * f("q")[i]!, s);
      const tensors = { ...s, c: o.columns, v: o.values };
      const codes = dynamicRows(kit.x, 8);
      const [first, second] = [
        linear(kit, { op: "olaccel", tensors, weights: [dense], inputs: codes, sizes: { J: 12 }, layer: { J: 82 } }),
        linear(kit, { op: "olaccel", tensors, weights: [o.weights] }),
      ];
      return [
        {
          ...first,
          expected: first.expected.map((y, i) => y + second.expected[i]!),
          magnitude: first.magnitude.map((y, i) => y + second.magnitude[i]!),
        },
      ];
    },
  },
];
