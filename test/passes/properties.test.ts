/** Passes keep the meaning of operators over any format, at any shape that it allows, under any schedule that fits. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { findTarget } from "../../backends/index.ts";
import { ALGEBRA, SCHEDULING } from "../../compiler/pipelines.ts";
import { choose } from "../../compiler/schedule/choose.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics, NO_SPAN } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { verifyProgram } from "../../ir/verify/program.ts";
import { programOf, randomInputs } from "./support.ts";

const FORMATS = ["int4_g128", "u4_g128", "nf4", "i8_row", "i3_g64", "u8_g32", "i2_planes", "i4_tensor", "f16"] as const;

const sourceOf = (
  format: string,
  quantized: boolean,
): string => `op f<M, N, K>(x: f16[M, K], w: ${format}[N, K]) -> f16[M, N] {
  ${quantized ? "let xq = quantize(x, i8_planes)" : ""}
  y[m, n] = sum k { ${quantized ? "xq" : "x"}[m, k] * w[n, k] }
}`;

const request = fc.record<ScheduleRequest>(
  { tileM: fc.integer({ min: 1, max: 3 }), tileN: fc.integer({ min: 1, max: 4 }), chunk: fc.constantFrom(8, 16, 32) },
  { requiredKeys: [] },
);

const cases = fc.record({
  format: fc.constantFrom(...FORMATS),
  quantized: fc.boolean(),
  M: fc.integer({ min: 1, max: 5 }),
  N: fc.integer({ min: 1, max: 11 }),
  blocks: fc.integer({ min: 1, max: 3 }),
  target: fc.constantFrom("cuda.sm90a", "wgsl.p0", "metal.3"),
  request,
  seed: fc.nat(),
});

it("means the same after every pass", () => {
  fc.assert(
    fc.property(cases, ({ format, quantized, M, N, blocks, target: name, request: asked, seed }) => {
      const source = programOf(sourceOf(format, quantized), "f", { M, N, K: 128 * blocks });
      const inputs = randomInputs(source, seed);
      const evaluate = (program: typeof source) =>
        evalProgram(program, inputs, { arithmetic: "real", roundOutputs: false }).y!;
      const expected = evaluate(source);
      const scale = expected.reduce((s, v) => Math.max(s, Math.abs(v)), 1e-9);
      const target = findTarget(name)!;
      let program = source;
      const keep = (pass: (typeof ALGEBRA)[number], context: Parameters<(typeof ALGEBRA)[number]["run"]>[1]): void => {
        program = pass.run(program, context);
        expect(verifyProgram(program), pass.name).toEqual([]);
        const worst = evaluate(program).reduce((w, v, i) => Math.max(w, Math.abs(v - expected[i]!)), 0);
        expect(worst, pass.name).toBeLessThanOrEqual(1e-9 * scale);
      };
      const blank = {
        strategy: "fma",
        tileM: 1,
        tileN: 1,
        chunk: 1,
        warps: 1,
        split: 1,
        stages: 1,
        reasons: [],
      } as const;
      for (const pass of ALGEBRA) keep(pass, { target, schedule: blank });
      const diagnostics = new Diagnostics();
      const schedule = choose(program, target, asked, NO_SPAN, diagnostics);
      if (schedule === undefined) {
        expect(diagnostics.list.map((d) => d.code)).toEqual(["schedule/tile"]);
        return;
      }
      for (const pass of SCHEDULING) keep(pass, { target, schedule });
    }),
    { numRuns: 60, seed: 20261121 },
  );
});
