/** The gallery's floating-point systems. */

import type { Matrix } from "./data.ts";
import { dynamicMap, minifloat, NF4 } from "./numbers.ts";
import { encode, linear, nearest, packed, peakOf, roundEven, type Stored } from "./pack.ts";
import type { System } from "./systems.ts";

/** NF4 with the absmax of eight blocks in dynamic eight-bit codes around the tensor's mean. */
function nestedAbsmax({ values }: Matrix): Stored {
  const map = dynamicMap();
  const blocks = values.length / 64;
  const peaks = Float64Array.from({ length: blocks }, (_, b) => peakOf(values, b * 64, 64));
  const mean = Math.fround(peaks.reduce((sum, p) => sum + p, 0) / blocks);
  const scale = Float64Array.from({ length: blocks / 8 }, (_, g) =>
    Math.fround(
      peakOf(
        peaks.map((p) => p - mean),
        g * 8,
        8,
      ),
    ),
  );
  const absmax = peaks.map((p, b) => nearest(map, (p - mean) / scale[Math.floor(b / 8)]!));
  const q = Float64Array.from(values, (v, i) => {
    const b = Math.floor(i / 64);
    return nearest(NF4, v / (map[absmax[b]!]! * scale[Math.floor(b / 8)]! + mean));
  });
  return { "w.mean": [mean], "w.scale": scale, "w.absmax": absmax, "w.q": q };
}

/** MXINT8: the exponent of the block's largest value (OCP MX 1.0, section 6.3), elements in units of 1/64. */
function sharedExponent({ values }: Matrix): Stored {
  const scale = Float64Array.from(
    { length: values.length / 32 },
    (_, b) => Math.floor(Math.log2(peakOf(values, b * 32, 32))) + 127,
  );
  const q = Float64Array.from(values, (v, i) =>
    Math.max(-127, Math.min(127, roundEven((v / 2 ** (scale[Math.floor(i / 32)]! - 127)) * 64))),
  );
  return { "w.scale": scale, "w.q": q };
}

export const FLOATS: readonly System[] = [
  {
    file: "zeroquant-fp6",
    name: "ZeroQuant(4+2)",
    pack: (kit) => [
      linear(kit, {
        op: "zeroquant_fp6",
        ...packed(
          kit,
          "fp6_4_2",
          (f, { n, i }) => f("scale")[n]! * minifloat(f("high")[i]! * 16 + f("low")[i]!, 3, 2, 3),
        ),
      }),
    ],
  },
  {
    file: "fp-diffusion",
    name: "FP8 and FP4 for diffusion",
    pack: (kit) =>
      ([[4, 3], [2, 1]] as const).map(([e, m]) =>
        linear(kit, {
          op: `fp${1 + e + m}_layer`,
          ...packed(kit, `biased<${e}, ${m}>`, (f, { i }) => f("scale")[0]! * minifloat(f("q")[i]!, e, m, 0)),
        }),
      ), // biome-ignore format: two formats
  },
  {
    file: "float-scaling-law",
    name: "Floating-point scaling laws",
    pack: (kit) =>
      ([[2, 1, 1], [4, 3, 7], [3, 4, 3]] as const).map(([e, m, b]) =>
        linear(kit, {
          op: `e${e}m${m}`,
          ...packed(
            kit,
            `block_float<${e}, ${m}, ${b}>`,
            (f, { i, group }) => f("scale")[group(128)]! * minifloat(f("q")[i]!, e, m, b),
          ),
        }),
      ), // biome-ignore format: three formats
  },
  {
    file: "float8-embeddings",
    name: "float8 embeddings",
    pack: (kit) => {
      // Embeddings are of length one: values near 1 / √K, which E4M3 holds without a scale.
      const tensors = encode(kit.module, "e4m3", "document", kit.w);
      const q = tensors["document.q"]!;
      const weights = [Float64Array.from(q, (code) => minifloat(code, 4, 3, 7))];
      return [linear(kit, { op: "float8_embeddings", tensors, weights })];
    },
  },
  {
    file: "qlora",
    name: "QLoRA",
    pack: (kit) => {
      const map = dynamicMap();
      const own = packed(
        kit,
        "nf4_twice",
        (f, { i, group }) =>
          (map[f("absmax")[group(64)]!]! * f("scale")[group(512)]! + f("mean")[0]!) * NF4[f("q")[i]!]!,
        nestedAbsmax(kit.w),
      );
      return [linear(kit, { op: "qlora", ...own })];
    },
  },
  {
    file: "mx",
    name: "MX",
    pack: (kit) => {
      const element = {
        mx4: ["mxfp4_layer", (code: number) => minifloat(code, 2, 1, 1)],
        mx6: ["mxfp6_layer", (code: number) => minifloat(code, 2, 3, 1)],
        mxint8: ["mxint8_layer", (code: number) => code / 64],
      } as const;
      return (["mx4", "mx6", "mxint8"] as const).map((format) => {
        const [op, value] = element[format];
        return linear(kit, {
          op,
          ...packed(
            kit,
            format,
            (f, { i, group }) => 2 ** (f("scale")[group(32)]! - 127) * value(f("q")[i]!),
            format === "mxint8" ? sharedExponent(kit.w) : encode(kit.module, format, "w", kit.w),
          ),
        });
      });
    },
  },
  {
    file: "nvfp4",
    name: "NVFP4",
    pack: (kit) => [
      linear(kit, {
        op: "nvfp4_layer",
        ...packed(
          kit,
          "two_level",
          (f, { i, group }) =>
            f("tensor")[0]! * minifloat(f("scale")[group(16)]!, 4, 3, 7) * minifloat(f("q")[i]!, 2, 1, 1),
        ),
      }),
    ],
  },
  {
    file: "nupes",
    name: "NUPES",
    pack: (kit) => {
      const exponent = 1.5;
      const peak = peakOf(kit.w.values, 0, kit.w.values.length);
      const scale = Math.fround(peak / 7 ** exponent);
      const q = Float64Array.from(kit.w.values, (v) => {
        return Math.sign(v) * Math.min(7, Math.round((Math.abs(v) / scale) ** (1 / exponent)));
      });
      const own = packed(
        kit,
        "power_exponent",
        (f, { i }) => f("scale")[0]! * Math.sign(f("q")[i]!) * Math.abs(f("q")[i]!) ** f("exponent")[0]!,
        { "w.scale": [scale], "w.exponent": [exponent], "w.q": q },
      );
      return [linear(kit, { op: "nupes", ...own })];
    },
  },
];
