/** Encoders found in declarations: every format of the library and the accelerators' own, against their papers' rules. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { bitmodRule, joinScales, twoLevelScales } from "../../compiler/quantize/bitmod.ts";
import { type FieldValues, statsOf, studyTensor } from "../../compiler/quantize/encoder.ts";
import { decodeByDeclaration, decoderOfFormat } from "../../compiler/quantize/format-decode.ts";
import { encoderOfFormat } from "../../compiler/quantize/format-encode.ts";
import { modelOf } from "../../compiler/quantize/format-model.ts";
import { groupEncoder } from "../../compiler/quantize/groups.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { f16Round } from "../../ir/float.ts";
import type { Format } from "../../ir/format.ts";
import { type IntType, isFloat, rangeOf } from "../../ir/scalar.ts";
import { COLUMNS, flat, GOLDEN, INPUT, meanSquare } from "./golden.ts";

function declare(text: string): Format {
  const sink = new Diagnostics();
  const { formats } = check([{ name: "test.loom", text }], sink);
  expect(sink.list.filter((d) => d.severity === "error").map((d) => d.message)).toEqual([]);
  return formats[0]!;
}

const encode = (format: Format, values = INPUT, columns = COLUMNS): FieldValues => {
  const encoder = encoderOfFormat(format)!;
  return encoder.encode(values, columns, studyTensor(encoder, values, columns));
};
const trip = (format: Format, values = INPUT, columns = COLUMNS): Float32Array =>
  decoderOfFormat(format)(encode(format, values, columns), columns);

const BITMOD3 = `
codebook fp3 = [0, 1, 2, 4, _, -1, -2, -4]
codebook specials = [3, -3, 6, -6]
format bitmod3 {
  block 128
  row row: f32
  scale: u8
  special: u2
  q: u3[128]
  value(i) = row * scale * (q[i] == 4 ? specials[special] : fp3[q[i]])
}`;

describe("every format of the library", () => {
  const sink = new Diagnostics();
  const formats = check(
    stdFiles().map((f) => f.source),
    sink,
  ).formats.filter((f) => !f.name.includes("<"));
  const known = formats.filter((f) => encoderOfFormat(f) !== undefined);

  it("has an encoder", () => {
    expect(sink.failed).toBe(false);
    expect(formats.filter((f) => !known.includes(f)).map((f) => f.name)).toEqual([]);
  });

  it.each(known.map((f) => [f.name, f] as const))(
    "%s: no code decodes nearer than the one it is given",
    (_, format) => {
      const model = modelOf(format);
      // Codes of other structures are tested with their rules; absmean leaves the lowest of two's complement alone.
      if (model === undefined || encoderOfFormat(format)!.rule === "absmean") return;
      const columns = 200;
      const values = INPUT.subarray(0, 4 * columns);
      const fields = encode(format, values, columns);
      const back = decoderOfFormat(format)(fields, columns);
      expect(back.length).toBe(values.length);
      const [digit] = model.storage.codes;
      const codes = Int16Array.from(fields.get(digit!.field.name)!);
      const [low, high] = [digit!.first, digit!.first + digit!.size - 1];
      for (const step of [-1, 1]) {
        const moved = new Map(fields).set(
          digit!.field.name,
          codes.map((c) => Math.min(high, Math.max(low, c + step))),
        );
        const other = decoderOfFormat(format)(moved, columns);
        // Half a unit of the stored scale's last place is what rounding the scale may cost: of f16, or of a code of 8 bits.
        const coded = model.scales.some((s) => s.factors !== undefined);
        const slack = (coded ? 2 ** -8 : 2 ** -10) * statsOf(values).peak;
        const worse = values.filter((v, i) => Math.abs(other[i]! - v) < Math.abs(back[i]! - v) - slack);
        expect(worse.length).toBe(0);
      }
    },
  );

  it.each(formats.map((f) => [f.name, f] as const))("%s: the table decodes what the declaration says", (_, format) => {
    const columns = 150;
    const rows = 3;
    let state = 7;
    const next = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const blocks = Math.ceil(columns / format.block);
    const fields: FieldValues = new Map(
      format.fields.map(({ name, type, scope, count }) => {
        const perRow = scope === "block" ? (count === format.block ? columns : blocks * count) : count;
        const length = scope === "tensor" ? count : rows * perRow;
        const random = () => (isFloat(type) ? (next(64) - 32) / 8 : rangeOf(type as IntType)[0] + next(2 ** Number(type.slice(1))));
        return [name, Array.from({ length }, random)];
      }),
    ); // biome-ignore format: one declaration
    expect(decoderOfFormat(format)(fields, columns)).toEqual(decodeByDeclaration(format)(fields, columns));
  });
});

describe("BitMoD as a format", () => {
  const format = declare(BITMOD3);
  const fields = encode(format);

  it("is recognised, and chooses codes and special values as the paper's search does", () => {
    const direct = groupEncoder(bitmodRule(3))(INPUT, COLUMNS);
    expect(encoderOfFormat(format)!.rule).toBe("bitmod");
    expect([...Int16Array.from(fields.get("q")!)]).toEqual([...direct.codes]);
    expect(Array.from(fields.get("special")!)).toEqual([...direct.choices]);
    const names = ["fp3_er_pos", "fp3_er_neg", "fp3_ea_pos", "fp3_ea_neg"];
    expect(Array.from(fields.get("special")!, (s) => names[s])).toEqual(
      GOLDEN.bitmod_selection_fp32["3"].chosen.flat(),
    );
  });

  it("stores its scales in two levels", () => {
    const { scales } = groupEncoder(bitmodRule(3))(INPUT, COLUMNS);
    const two = twoLevelScales(scales, 2);
    expect(Array.from(fields.get("scale")!)).toEqual([...two.codes]);
    expect(Float32Array.from(fields.get("row")!)).toEqual(two.rows);
    const joined = joinScales(two, 2);
    const back = decoderOfFormat(format)(fields, COLUMNS);
    const golden = flat(GOLDEN.bitmod_fp32.mixed_bitmod_3!);
    back.forEach((v, i) => {
      const g = Math.floor(i / 128);
      expect(v).toBeCloseTo((golden[i]! / scales[g]!) * joined[g]!, 6);
    });
  });
});

describe("OliVe as a format", () => {
  const text = (normals: string, outliers: string) => `
codebook normals = [${normals}]
codebook outliers = [${outliers}]
format olive {
  block 2
  tensor scale: f32
  q: u4[2]
  value(i) = q[i] == 8 ? 0 : scale * (q[1 - i] == 8 ? outliers[q[i]] : normals[q[i]])
}`;
  const outliers = "0, 12, 16, 24, 32, 48, 64, 96, 0, -12, -16, -24, -32, -48, -64, -96";
  it.each([
    ["int", text("0, 1, 2, 3, 4, 5, 6, 7, _, -7, -6, -5, -4, -3, -2, -1", outliers), "w4_int_tensor"],
    [
      "flint",
      text(
        "0, 1, 2, 3, 4, 6, 8, 16, _, -1, -2, -3, -4, -6, -8, -16",
        outliers.replace(/\d+/g, (v) => `${2 * Number(v)}`),
      ),
      "w4_flint_tensor",
    ],
  ])("%s: victims and outliers where the golden vectors have them", (_, source, golden) => {
    const format = declare(source);
    expect(encoderOfFormat(format)!.rule).toBe("olive");
    const { levels, scale } = GOLDEN.olive[golden]!;
    const expected = flat(levels).map((v) => v * scale[0]!);
    const back = trip(format);
    back.forEach((v, i) => {
      expect(v).toBeCloseTo(expected[i]!, 6);
    });
    const odd = trip(format, INPUT.subarray(0, 255 * 4), 255);
    expect(meanSquare(odd, INPUT.subarray(0, 255 * 4))).toBeLessThan(2e-4);
  });
});

describe("formats by their model", () => {
  it("MX: a power of two for 32 values, as the OCP rule chooses it", () => {
    const format = declare(`
codebook e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
format mxfp4 {
  block 32
  e: u8
  q: u4[32]
  value(i) = exp2(e - 127) * e2m1[q[i]]
}`);
    const fields = encode(format);
    Array.from(fields.get("e")!).forEach((e, g) => {
      const peak = Math.max(...INPUT.subarray(32 * g, 32 * (g + 1)).map(Math.abs));
      expect(e).toBe(Math.floor(Math.log2(peak)) - 2 + 127);
    });
  });

  it("two levels with a scale for the tensor, zero points, offsets", () => {
    const affine = declare("format a {\n block 64\n d: f16\n m: f16\n q: u4[64]\n value(i) = d * q[i] + m\n}");
    const minus = declare("format a {\n block 64\n d: f16\n m: f16\n q: u4[64]\n value(i) = d * q[i] - m\n}");
    const zero = declare("format a {\n block 64\n d: f16\n z: u4\n q: u4[64]\n value(i) = d * (q[i] - z)\n}");
    for (const format of [affine, minus, zero]) {
      const back = trip(format);
      for (let g = 0; g < INPUT.length / 64; g++) {
        const own = INPUT.subarray(64 * g, 64 * (g + 1));
        const step = (Math.max(0, ...own) - Math.min(0, ...own)) / 15;
        own.forEach((v, i) => {
          expect(Math.abs(v - back[64 * g + i]!)).toBeLessThanOrEqual(step * 1.01);
        });
      }
    }
    expect(trip(affine)).toEqual(trip(minus));
  });

  it("stores f16 scales as they will be read", () => {
    const format = declare("format a {\n block 64\n d: f16\n q: u4[64]\n value(i) = d * (q[i] - 8)\n}");
    const fields = encode(format);
    const scales = Array.from(fields.get("d")!);
    expect(scales).toEqual(scales.map(f16Round));
    const huge = Float32Array.from({ length: 64 }, () => 1e30);
    expect(trip(format, huge, 64).every(Number.isFinite)).toBe(true);
  });

  it("rounds plain formats, and refuses what it does not understand", () => {
    expect([...trip(declare("format h {\n v: f16\n value = v\n}"), Float32Array.of(1 / 3), 1)]).toEqual([
      Math.fround(1 / 3),
    ]);
    const odd = declare("format o {\n block 4\n s: f16\n q: u4[4]\n value(i) = s * q[i] * q[3 - i]\n}");
    expect(encoderOfFormat(odd)).toBeUndefined();
    const square = declare("format o {\n s: f16\n q: u4\n value = s * s * q\n}");
    expect(encoderOfFormat(square)).toBeUndefined();
  });
});
