/** The gallery's number systems of accelerators. */
import { encodeAdaptivFloat } from "../../compiler/quantize/adaptiv-float.ts";
import { FLINT4 } from "./numbers.ts";
import { dynamicRows, linear, packed, peakOf, roundEven } from "./pack.ts";
import type { System } from "./systems.ts";

/** OliVe's outliers: abfloat with two exponent bits, one of fraction and a bias of 2. */
function abfloat4(code: number): number {
  const size = (2 + (code % 2)) * 2 ** ((Math.floor(code / 2) % 4) + 2);
  return code >= 8 ? -size : size;
}

export const ACCELERATORS: readonly System[] = [
  {
    file: "olive",
    name: "OliVe",
    pack: (kit) => [
      linear(kit, {
        op: "olive",
        ...packed(kit, "outlier_victim", (f, { i }) => {
          const [own, partner] = [f("q")[i]!, f("q")[i % 2 === 0 ? i + 1 : i - 1]!];
          if (own === 8) return 0;
          return f("tensor")[0]! * (partner === 8 ? abfloat4(own) : own < 8 ? own : own - 16);
        }),
      }),
    ],
  },
  {
    file: "bitmod",
    name: "BitMoD",
    pack: (kit) => [
      linear(kit, {
        op: "bitmod",
        ...packed(kit, "fp3_special", (f, { n, i, group }) => {
          const level = [0, 1, 2, 4, [3, -3, 6, -6][f("special")[group(128)]!]!, -1, -2, -4][f("q")[i]!]!;
          return f("row")[n]! * f("scale")[group(128)]! * level;
        }),
      }),
    ],
  },
  {
    file: "ant",
    name: "ANT",
    pack: (kit) => [
      linear(kit, {
        op: "ant_flint",
        ...packed(kit, "flint_tensor", (f, { i }) => {
          const code = f("q")[i]!;
          return f("scale")[0]! * (code < 8 ? FLINT4[code]! : -FLINT4[code - 8]!);
        }),
      }),
      linear(kit, {
        op: "ant_power",
        ...packed(kit, "power_tensor", (f, { i }) => {
          const code = f("q")[i]!;
          return code % 8 === 0 ? 0 : f("scale")[0]! * (code < 8 ? 1 : -1) * 2 ** ((code % 8) - 1);
        }),
      }),
    ],
  },
  {
    file: "adaptivfloat",
    name: "AdaptivFloat",
    pack: (kit) => {
      const { codes, bias } = encodeAdaptivFloat(kit.w.values, { bits: 8, exponentBits: 4 });
      const own = packed(
        kit,
        "adaptiv8",
        (f, { i }) => {
          const code = f("q")[i]!;
          if (code % 128 === 0) return 0;
          return (code < 128 ? 1 : -1) * 2 ** (Math.floor((code % 128) / 8) + f("bias")[0]!) * (1 + (code % 8) / 8);
        },
        { "w.bias": [bias], "w.q": codes },
      );
      return [linear(kit, { op: "adaptivfloat", ...own })];
    },
  },
  {
    file: "shiftquant",
    name: "ShiftQuant",
    pack: (kit) => [
      linear(kit, {
        op: "shiftquant",
        ...packed(kit, "shifted", (f, { i, group }) => 2 ** f("shift")[group(32)]! * f("q")[i]!, {
          ...shifts(kit.w.values),
        }),
      }),
    ],
  },
  {
    file: "bitfusion",
    name: "Bit Fusion",
    pack: (kit) =>
      ([[8, 4], [4, 2]] as const).map(([a, w]) =>
        linear(kit, {
          op: `fused_${a}x${w}`,
          inputs: dynamicRows(kit.x, a),
          ...packed(kit, `i${w}_row`, (f, { n, i }) => f("scale")[n]! * f("q")[i]!),
        }),
      ), // biome-ignore format: two widths
  },
  {
    file: "biscaled",
    name: "BiScaled-DNN",
    pack: (kit) => {
      const scale = Math.fround(peakOf(kit.w.values, 0, kit.w.values.length) / (15 * 16));
      const wide = Float64Array.from(kit.w.values, (v) => (Math.abs(v) > 15.5 * scale ? 1 : 0));
      const q = Float64Array.from(kit.w.values, (v, i) => roundEven(v / (scale * (wide[i] === 1 ? 16 : 1))));
      const own = packed(kit, "two_scales", (f, { i }) => f("scale")[0]! * 16 ** f("wide")[i]! * f("q")[i]!, {
        "w.scale": [scale],
        "w.wide": wide,
        "w.q": q,
      });
      return [linear(kit, { op: "biscaled", ...own })];
    },
  },
];

/** Groups of 32 under the least power of two that holds their largest value in six bits. */
function shifts(values: Float32Array): Record<string, Float64Array> {
  const shift = Float64Array.from({ length: values.length / 32 }, (_, g) =>
    Math.ceil(Math.log2(peakOf(values, g * 32, 32) / 31)),
  );
  const q = Float64Array.from(values, (v, i) => roundEven(v / 2 ** shift[Math.floor(i / 32)]!));
  return { "w.shift": shift, "w.q": q };
}
