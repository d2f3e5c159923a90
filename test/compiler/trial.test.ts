/** Trials judge what they are given: right results pass, results that are a little more wrong than stated do not. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/driver.ts";
import { compareOutput, consultOracle, runReference, sampleInputs } from "../../compiler/trial.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";

const text = readFileSync(new URL("../../examples/quickstart.loom", import.meta.url), "utf8");

function compiled(op: string) {
  const sizes = { M: 3, N: 8, K: 128 };
  const diagnostics = new Diagnostics();
  const sources = [{ name: "quickstart.loom", text }];
  return compile({ sources, op, sizes, target: "wgsl.p0" }, diagnostics) ?? internal(JSON.stringify(diagnostics.list));
}

describe("sampleInputs", () => {
  it("gives the same values for the same seed, and others for another", () => {
    const { source } = compiled("linear_w4a16");
    expect(sampleInputs(source, 1)).toEqual(sampleInputs(source, 1));
    expect(sampleInputs(source, 1)).not.toEqual(sampleInputs(source, 2));
  });

  it("reaches the smallest and the largest code", () => {
    const codes = sampleInputs(compiled("linear_w4a16").source, 1)["w.q"]!;
    expect([Math.min(...codes), Math.max(...codes)]).toEqual([-8, 7]);
  });
});

describe("the oracle", () => {
  it("equals sums written by hand", () => {
    const { source } = compiled("linear_w4a16");
    const inputs = sampleInputs(source, 7);
    const { values, magnitudes } = consultOracle(source, inputs);
    const [x, scale, q] = [inputs.x!, inputs["w.scale"]!, inputs["w.q"]!];
    for (const [m, n] of [
      [0, 0],
      [2, 7],
    ] as const) {
      const products = Array.from({ length: 128 }, (_, k) => x[m * 128 + k]! * scale[n]! * q[n * 128 + k]!);
      const sum = products.reduce((a, b) => a + b, 0);
      // The output is an f16: half a unit in its last place.
      expect(Math.abs(values.y![m * 8 + n]! - sum)).toBeLessThanOrEqual(Math.abs(sum) * 2 ** -11);
      const magnitude = products.reduce((a, b) => a + Math.abs(b), 0);
      expect(magnitudes.y![m * 8 + n]!).toBeCloseTo(magnitude, 10);
    }
  });

  it.each(["linear_w4a16", "linear_w2a8", "linear_nf4"])("agrees with the evaluated kernels of %s", (op) => {
    const unit = compiled(op);
    const inputs = sampleInputs(unit.source, 3);
    const { values, magnitudes } = consultOracle(unit.source, inputs);
    const outputs = runReference(unit, inputs);
    expect(compareOutput(outputs.y!, values.y!, magnitudes.y!, unit.report.accumulator).outside).toBe(0);
  });
});

describe("compareOutput", () => {
  const contract = {
    type: "f32",
    exactSum: false,
    terms: 1,
    bound: { relativeToMagnitude: 0.25, relativeToResult: 0.5, absolute: 1 },
    because: "",
  } as const;

  it("allows exactly the bound, not more, and no NaN", () => {
    // 0.25 · 8 + 0.5 · 4 + 1 = 5
    expect(compareOutput([9], [4], [8], contract)).toEqual({
      elements: 1,
      outside: 0,
      maxError: 5,
      maxOfBound: 1,
      worst: 0,
    });
    expect(compareOutput([4, 9.001], [4, 4], [8, 8], contract)).toMatchObject({ outside: 1, worst: 1 });
    expect(compareOutput([Number.NaN], [4], [8], contract).outside).toBe(1);
  });
});
