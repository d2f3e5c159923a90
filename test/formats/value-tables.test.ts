/** Sets of values as BitMoD, ANT and OliVe publish them, against all codes of the formats. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeReal, decodingOf } from "./support.ts";

type Sets = Readonly<Record<string, readonly number[]>>;
const tables = JSON.parse(readFileSync(new URL("../data/formats/value-tables.json", import.meta.url), "utf8")) as {
  readonly BitMoD: Sets;
  readonly ANT: Sets;
  readonly OliVe: Sets;
};

/** Values of every code of a format with scales of 1; `fixed` sets other fields. */
function valuesOf(name: string, fixed: Readonly<Record<string, number>> = {}, prelude = ""): readonly number[] {
  const block = decodingOf(name, 1, 256, prelude).format.block;
  const columns = Math.max(block, 256);
  const decoding = decodingOf(name, 1, columns, prelude);
  const inputs: Record<string, Float64Array> = {};
  for (const tensor of decoding.program.tensors.filter((t) => t.role === "input")) {
    const field = tensor.id.slice(2);
    const count = tensor.shape.reduce((n, e) => n * e, 1);
    const bits = Number(tensor.type.slice(1));
    const signed = tensor.type.startsWith("i") ? 2 ** (bits - 1) : 0;
    const code = (n: number): number => (n % 2 ** bits) - signed;
    inputs[tensor.id] = Float64Array.from({ length: count }, (_, n) =>
      tensor.shape.at(-1) === columns ? code(n) : (fixed[field] ?? 1),
    );
  }
  return [...decodeReal(decoding, inputs)];
}

const setOf = (values: readonly number[]): readonly number[] =>
  [...new Set(values.map((v) => (v === 0 ? 0 : v)))].sort((a, b) => a - b);

describe("BitMoD", () => {
  const kinds = ["ER_POS", "ER_NEG", "EA_POS", "EA_NEG"] as const;

  it.each(kinds.map((kind, special) => [kind, special] as const))("%s", (kind, special) => {
    expect(setOf(valuesOf("bitmod3", { special }))).toEqual(tables.BitMoD[`FP3_${kind}`]);
    // The published lists of four bits are doubled, so that they are integers.
    expect(setOf(valuesOf("bitmod4", { special }).map((v) => 2 * v))).toEqual(tables.BitMoD[`FP4_${kind}`]);
  });

  it("has these numbers beside them", () => {
    const doubled = (name: string, by: number): readonly number[] => setOf(valuesOf(name).map((v) => v * by));
    expect(doubled("e2m1", 2)).toEqual(tables.BitMoD.FP4_E2M1);
    expect(doubled("e2m3", 8)).toEqual(tables.BitMoD.FP6_E2M3);
    expect(doubled("e3m2", 16)).toEqual(tables.BitMoD.FP6_E3M2);
    expect(doubled("float<2, 2, 1>", 4)).toEqual(tables.BitMoD.FP5_E2M2);
    expect(doubled("float<3, 1, 3>", 8)).toEqual(tables.BitMoD.FP5_E3M1);
    expect(setOf(valuesOf("bitmod_int6")).filter((v) => v !== -32)).toEqual(tables.BitMoD.INT6_sym);
    expect(setOf(valuesOf("ant_flint<4>"))).toEqual(tables.BitMoD.FLINT4);
    expect(setOf(valuesOf("ant_flint<5>"))).toEqual(tables.BitMoD.FLINT5);
  });
});

describe("ANT", () => {
  const bits = [3, 4, 5, 6, 7, 8];
  const floats = bits.flatMap((b) => [1, 2, 3, 4].filter((e) => e < b).map((e) => [b, e] as const));

  it.each(bits)("int and flint of %i bits", (b) => {
    expect(setOf(valuesOf(`ant_int<${b}>`))).toEqual(tables.ANT[`int${b}_signed`]);
    expect(setOf(valuesOf(`ant_flint<${b}>`))).toEqual(tables.ANT[`flint${b}_signed`]);
  });

  // The published set of three bits with one of exponent is that with two.
  it.each(floats.filter(([b, e]) => b + e > 4 && tables.ANT[`float${b}_signed_eb${e}`] !== undefined))(
    "float of %i bits with %i of exponent",
    (b, e) => {
      expect(setOf(valuesOf(`ant_float<${e}, ${b - 1 - e}>`))).toEqual(tables.ANT[`float${b}_signed_eb${e}`]);
    },
  );

  it.each([3, 4])("powers of two of %i bits", (b) => {
    expect(setOf(valuesOf(`ant_pot<${b}>`))).toEqual(tables.ANT[`pot${b}_signed`]);
  });

  it.each([3, 4])("unsigned flint and powers of two of %i bits", (b) => {
    const prelude = `format bare_flint { q: u${b} value = flint(q, ${b}) }
      format bare_power { q: u${b} value = power(q, ${b}) }`;
    expect(setOf(valuesOf("bare_flint", {}, prelude))).toEqual(tables.ANT[`flint${b}_unsigned`]);
    expect(setOf(valuesOf("bare_power", {}, prelude))).toEqual(tables.ANT[`pot${b}_unsigned`]);
  });

  it.each([
    [0, "int4_signed"],
    [1, "flint4_signed"],
    [2, "pot4_signed"],
    [3, "float4_signed_eb2"],
  ] as const)("type %i of a tensor is %s", (kind, name) => {
    expect(setOf(valuesOf("ant4", { kind }))).toEqual(tables.ANT[name]);
  });
});

describe("OliVe", () => {
  /** Codes of all pairs whose second one is `partner`: even elements are those asked for. */
  function pairs(name: string, partner: number): readonly number[] {
    const codes = name.includes("int8") ? 256 : 16;
    const decoding = decodingOf(name, 1, 2 * codes);
    const q = Float64Array.from({ length: 2 * codes }, (_, n) => (n % 2 === 0 ? n / 2 : partner));
    return [...decodeReal(decoding, { "w.tensor": Float64Array.of(1), "w.q": q })].filter((_, n) => n % 2 === 0);
  }

  // The published sets are in units of which 32 is the boundary: 4 of int4's, 2 of flint4's, a quarter of int8's.
  it.each([
    ["olive_int4", 4, 8, "int4_normal", "abfloat_E2M1_outliers_4bit_signed"],
    ["olive_flint4", 2, 8, "flint4_normal", "abfloat_E2M1_outliers_4bit_signed"],
  ] as const)("%s", (name, unit, identifier, normal, outliers) => {
    expect(setOf(pairs(name, 0).map((v) => v * unit))).toEqual(tables.OliVe[normal]);
    // Code 0 never marks an outlier: exponent and mantissa 0 stay free for the identifier's partner.
    const codes = pairs(name, identifier).map((v, code) => [code % 8, v * unit] as const);
    expect(setOf(codes.filter(([code]) => code !== 0).map(([, v]) => v))).toEqual(tables.OliVe[outliers]);
  });

  it("olive_int8", () => {
    const set = setOf(pairs("olive_int8", 0).map((v) => v / 4));
    expect(set).toEqual(tables.OliVe.int8_normal);
    const outliers = pairs("olive_int8", 128).flatMap((v, code) => (code % 128 === 0 ? [] : [Math.abs(v) / 4]));
    expect(setOf(outliers)).toEqual(tables.OliVe.abfloat_code_8bit_E2M5_outliers_signed_magnitudes);
  });

  it("codes of abfloat", () => {
    const table = (tables.OliVe as unknown as Readonly<Record<string, Readonly<Record<string, number>>>>)
      .abfloat4_code_table_int4_units!;
    const values = pairs("olive_int4", 8);
    for (const [code, value] of Object.entries(table)) expect(values[Number.parseInt(code, 2)]).toBe(value);
  });
});

describe("OCP and FNUZ", () => {
  // Largest finite, smallest normal and smallest subnormal magnitudes: OFP8 and MX specifications, table by table;
  // FNUZ: Noune et al., table 1, and LLVM's Float8E4M3FNUZ and Float8E5M2FNUZ.
  it.each([
    ["e5m2", 57344, 2 ** -14, 2 ** -16],
    ["e4m3", 448, 2 ** -6, 2 ** -9],
    ["e3m2", 28, 2 ** -2, 2 ** -4],
    ["e2m3", 7.5, 1, 2 ** -3],
    ["e2m1", 6, 1, 2 ** -1],
    ["e4m3fnuz", 240, 2 ** -7, 2 ** -10],
    ["e5m2fnuz", 57344, 2 ** -15, 2 ** -17],
  ] as const)("%s", (name, largest, normal, subnormal) => {
    const finite = valuesOf(name).filter(Number.isFinite);
    expect(Math.max(...finite)).toBe(largest);
    expect(Math.min(...finite)).toBe(-largest);
    expect(Math.min(...finite.filter((v) => v > 0))).toBe(subnormal);
    expect(finite).toContain(normal);
  });

  it("have these infinities and NaNs", () => {
    const special = (name: string) => {
      const values = valuesOf(name);
      const where = (test: (v: number) => boolean): number[] => values.flatMap((v, code) => (test(v) ? [code] : []));
      return { nan: where(Number.isNaN), infinite: where((v) => Math.abs(v) === Number.POSITIVE_INFINITY) };
    };
    expect(special("e5m2")).toEqual({ nan: [0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff], infinite: [0x7c, 0xfc] });
    expect(special("e4m3")).toEqual({ nan: [0x7f, 0xff], infinite: [] });
    expect(special("e4m3fnuz")).toEqual({ nan: [0x80], infinite: [] });
    expect(special("e5m2fnuz")).toEqual({ nan: [0x80], infinite: [] });
    expect(special("e8m0")).toEqual({ nan: [0xff], infinite: [] });
    expect(special("ieee_float<3, 2>")).toEqual({
      nan: [29, 30, 31, 61, 62, 63].flatMap((c) => [c, c + 64, c + 128, c + 192]).sort((a, b) => a - b),
      infinite: [28, 60].flatMap((c) => [c, c + 64, c + 128, c + 192]).sort((a, b) => a - b),
    });
  });

  it("flush or keep subnormal numbers as they say", () => {
    expect(setOf(valuesOf("flushed_float<2, 1, 1>"))).toEqual([
      -6, -4, -3, -2, -1.5, -1, -0.75, 0, 0.75, 1, 1.5, 2, 3, 4, 6,
    ]);
  });
});
