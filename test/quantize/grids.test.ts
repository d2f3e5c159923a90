/** Every published value table, generated from its rule and compared entry for entry. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  abfloatGrid,
  apotGrid,
  BITMOD_SPECIALS,
  bitmodCodes,
  flintGrid,
  floatGrid,
  type Grid,
  intGrid,
  minifloatGrid,
  minifloatValue,
  OCP,
  potGrid,
} from "../../compiler/quantize/grids.ts";
import { ROOT } from "../meta/sources.ts";

type Tables = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
const TABLES = JSON.parse(readFileSync(join(ROOT, "test/data/formats/value-tables.json"), "utf8")) as Tables;

const sorted = (values: readonly number[]): Grid => [...values].sort((a, b) => a - b);
const bitmod = (bits: 3 | 4, index: number) => sorted(bitmodCodes(bits, BITMOD_SPECIALS[bits][index]!));

/** Which generator makes which table of BitMoD and OliVe. */
const BITMOD: Readonly<Record<string, () => Grid>> = {
  FP3: () => floatGrid(3, 2, true),
  FP3_ER_POS: () => bitmod(3, 0),
  FP3_ER_NEG: () => bitmod(3, 1),
  FP3_EA_POS: () => bitmod(3, 2),
  FP3_EA_NEG: () => bitmod(3, 3),
  FP4_E2M1: () => floatGrid(4, 2, true),
  FP4_ER_POS: () => bitmod(4, 0),
  FP4_ER_NEG: () => bitmod(4, 1),
  FP4_EA_POS: () => bitmod(4, 2),
  FP4_EA_NEG: () => bitmod(4, 3),
  INT3_sym: () => intGrid(3, "symmetric"),
  INT4_sym: () => intGrid(4, "symmetric"),
  INT6_sym: () => intGrid(6, "symmetric"),
  FLINT4: () => flintGrid(4, true),
  FLINT5: () => flintGrid(5, true),
  FP5_E2M2: () => floatGrid(5, 2, true),
  FP5_E3M1: () => floatGrid(5, 3, true),
  FP6_E2M3: () => floatGrid(6, 2, true),
  FP6_E3M2: () => floatGrid(6, 3, true),
};

const scaled = (grid: Grid, by: number): Grid => grid.map((v) => v * by);
const OLIVE: Readonly<Record<string, () => Grid>> = {
  int4_normal: () => scaled(intGrid(4, "symmetric"), 4),
  flint4_normal: () => scaled(flintGrid(4, true), 2),
  int8_normal: () => scaled(intGrid(8, "symmetric"), 0.25),
  int4_unsigned_normal: () => scaled(intGrid(4, "unsigned"), 2),
  abfloat_E2M1_outliers_4bit_signed: () => abfloatGrid({ exponentBits: 2, mantissaBits: 1, bias: 4, signed: true }),
  abfloat_E2M2_outliers_4bit_unsigned: () => abfloatGrid({ exponentBits: 2, mantissaBits: 2, bias: 3, signed: false }),
  abfloat_code_8bit_E2M5_outliers_signed_magnitudes: () =>
    abfloatGrid({ exponentBits: 2, mantissaBits: 5, bias: 0, signed: false }),
};

function antGrid(name: string): Grid {
  const [, type, bits, sign, exponent] = /^([a-z]+)(\d)_(signed|unsigned)(?:_eb(\d))?$/.exec(name)!;
  const width = Number(bits);
  const signed = sign === "signed";
  switch (type) {
    case "flint":
      return flintGrid(width, signed);
    case "pot":
      return potGrid(width, signed);
    case "apot":
      return apotGrid(width, signed);
    case "float":
      // ANT gives both magnitude bits of its 3-bit float to the exponent, whatever was asked for.
      return floatGrid(width, width === 3 ? 2 : Number(exponent), signed);
    default:
      return intGrid(width, signed ? "signed" : "unsigned");
  }
}

const arrays = (group: string) => Object.entries(TABLES[group]!).filter(([, v]) => typeof v[0] === "number");

describe("value tables", () => {
  it.each(arrays("BitMoD"))("BitMoD %s", (name, values) => expect(BITMOD[name]!()).toEqual(values));
  it.each(arrays("ANT"))("ANT %s", (name, values) => expect(antGrid(name)).toEqual(values));
  it.each(arrays("OliVe"))("OliVe %s", (name, values) => expect(OLIVE[name]!()).toEqual(values));

  it("leaves no table out", () => {
    const all = ["BitMoD", "ANT", "OliVe"].flatMap((g) => arrays(g));
    expect(all.length).toBe(70);
    expect(arrays("BitMoD").map(([n]) => n)).toEqual(Object.keys(BITMOD));
    expect(
      arrays("OliVe")
        .map(([n]) => n)
        .sort(),
    ).toEqual(Object.keys(OLIVE).sort());
  });

  it("spells OliVe's outlier codes as its table does", () => {
    const table = TABLES.OliVe!.abfloat4_code_table_int4_units! as unknown as Readonly<Record<string, number>>;
    const magnitudes = abfloatGrid({ exponentBits: 2, mantissaBits: 1, bias: 2, signed: false });
    for (const [code, value] of Object.entries(table)) {
      const bits = Number.parseInt(code, 2);
      expect((bits & 8 ? -1 : 1) * magnitudes[(bits & 7) - 1]!).toBe(value);
    }
  });

  // OCP MX 1.0, tables 5 and 6; OCP FP8 1.0, table 1.
  it("knows the OCP element types", () => {
    expect(minifloatGrid(OCP.e2m1)).toEqual([-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6]);
    expect([minifloatGrid(OCP.e2m3).at(-1), minifloatGrid(OCP.e3m2).at(-1)]).toEqual([7.5, 28]);
    expect([minifloatGrid(OCP.e4m3).at(-1), minifloatGrid(OCP.e5m2).at(-1)]).toEqual([448, 57344]);
    expect(minifloatGrid(OCP.e4m3).find((v) => v > 0)).toBe(2 ** -9);
    expect(minifloatGrid(OCP.e5m2).find((v) => v > 0)).toBe(2 ** -16);
    expect(minifloatValue(OCP.e5m2, 0x7c)).toBe(Number.POSITIVE_INFINITY);
    expect(minifloatValue(OCP.e4m3, 0xff)).toBeNaN();
  });
});
