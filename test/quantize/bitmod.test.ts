/** BitMoD and its baselines against the published quantizer's golden vectors, value for value. */
import { describe, expect, it } from "vitest";
import { bitmodRule, joinScales, twoLevelScales } from "../../compiler/quantize/bitmod.ts";
import { flintGrid, floatGrid, intGrid } from "../../compiler/quantize/grids.ts";
import { decodeGroups, type GroupRule, groupEncoder } from "../../compiler/quantize/groups.ts";
import { COLUMNS, flat, GOLDEN, INPUT, meanSquare, relativeError } from "./golden.ts";

const encode = (rule: GroupRule) => groupEncoder(rule)(INPUT, COLUMNS);
const decoded = (rule: GroupRule) => decodeGroups(rule, encode(rule), COLUMNS);
const single = (grid: readonly number[], group = 128): GroupRule => ({ grids: [grid], group, scaleRange: [1e-5, 1e4] });
const either = (a: readonly number[], b: readonly number[]): GroupRule => ({ ...single(a), grids: [a, b] });

const RULES: Readonly<Record<string, GroupRule>> = {
  mixed_bitmod_3: bitmodRule(3),
  mixed_er_3: bitmodRule(3, 128, "er"),
  mixed_ea_3: bitmodRule(3, 128, "ea"),
  mixed_bitmod_4: bitmodRule(4),
  mixed_er_4: bitmodRule(4, 128, "er"),
  mixed_ea_4: bitmodRule(4, 128, "ea"),
  mixed_ant_3: either(intGrid(3, "symmetric"), floatGrid(3, 2, true)),
  mixed_ant_4: either(intGrid(4, "symmetric"), flintGrid(4, true)),
  int6_sym_g128: single(intGrid(6, "symmetric")),
  int8_sym_perchannel: single(intGrid(8, "symmetric"), COLUMNS),
  fp4_g128: single(floatGrid(4, 2, true)),
  flint4_g128: single(flintGrid(4, true)),
  fp6_e2m3_g128: single(floatGrid(6, 2, true)),
};

describe("group search", () => {
  it.each(Object.entries(RULES))("reproduces %s bit for bit", (name, rule) => {
    expect(decoded(rule)).toEqual(flat(GOLDEN.bitmod_fp32[name]!));
  });

  it.each([3, 4] as const)("chooses BitMoD's special values of %i bits, group by group", (bits) => {
    const { chosen, mse } = GOLDEN.bitmod_selection_fp32[`${bits}`];
    const names = ["er_pos", "er_neg", "ea_pos", "ea_neg"].map((n) => `fp${bits}_${n}`);
    const rule = bitmodRule(bits);
    expect(Array.from(encode(rule).choices, (c) => names[c])).toEqual(chosen.flat());
    for (const [i, name] of names.entries()) {
      const values = decoded({ ...rule, grids: [rule.grids[i]!] });
      const errors = mse[name]!.flat().map((_, g) =>
        meanSquare(values.subarray(128 * g, 128 * (g + 1)), INPUT.subarray(128 * g, 128 * (g + 1))),
      );
      expect(relativeError(errors, mse[name]!.flat())).toBeLessThan(1e-6);
    }
  });

  it("reports the error that its codes have", () => {
    const rule = bitmodRule(3);
    expect(encode(rule).squaredError / INPUT.length).toBeCloseTo(meanSquare(decoded(rule), INPUT), 12);
    expect(encode(rule).squaredError / INPUT.length).toBeCloseTo(4.01652e-4, 9);
  });

  it("stores the special value as negative zero", () => {
    const { codes, choices } = encode(bitmodRule(3));
    const values = decoded(bitmodRule(3));
    const at = codes.indexOf(4);
    const scale = encode(bitmodRule(3)).scales[Math.floor(at / 128)]!;
    expect(Math.round(values[at]! / scale)).toBe([3, -3, 6, -6][choices[Math.floor(at / 128)]!]);
  });

  it("takes short last groups, zeros and rows of any length", () => {
    const values = Float32Array.from({ length: 2 * 130 }, (_, i) => (i < 130 ? 0 : i - 195));
    const rule = bitmodRule(4);
    const { scales } = groupEncoder(rule)(values, 130);
    expect(scales.length).toBe(4);
    const back = decodeGroups(rule, groupEncoder(rule)(values, 130), 130);
    expect(back.subarray(0, 130)).toEqual(new Float32Array(130));
    expect(back[259]).toBe(64);
  });
});

describe("two-level scales", () => {
  it("keep 8 bits per group and one number per row, as the stated rule says", () => {
    const { scales } = encode(bitmodRule(3));
    const two = twoLevelScales(scales, 2);
    for (let row = 0; row < 4; row++) {
      const own = scales.subarray(2 * row, 2 * row + 2);
      expect(two.rows[row]).toBe(Math.fround(Math.max(...own) / 255));
      expect(Math.max(two.codes[2 * row]!, two.codes[2 * row + 1]!)).toBe(255);
    }
    const half = Math.max(...two.rows) / 2;
    const differences = joinScales(two, 2).map((s, i) => Math.abs(s - scales[i]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(half * 1.0001);
  });
  it("are all zero for a row of zeros", () => {
    expect(twoLevelScales(new Float32Array(4), 4)).toEqual({ codes: new Uint16Array(4), rows: new Float32Array(1) });
  });
});
