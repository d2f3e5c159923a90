/** Every pass keeps the meaning of the quickstart operators, and so do the kernels that they become. */
import { describe, expect, it } from "vitest";
import { findTarget } from "../../backends/index.ts";
import type { PassContext } from "../../compiler/pass.ts";
import { lower } from "../../compiler/passes/lower.ts";
import { ALGEBRA, KERNEL, SCHEDULING } from "../../compiler/pipelines.ts";
import { choose } from "../../compiler/schedule/choose.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics, NO_SPAN } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Target } from "../../ir/target.ts";
import { programOf, QUICKSTART, randomInputs, runKernels } from "./support.ts";

const target: Target = {
  name: "test",
  family: "test",
  about: "a target with everything",
  lanes: 32,
  exchange: "warp",
  warps: 4,
  types: ["bool", "i32", "u32", "f16", "f32"],
  stores: {},
  vectorWords: 4,
  rows: [
    { row: "mma.m16n8k256.b1", support: "native" },
    { row: "mma.m16n8k16.f16", support: "native" },
  ],
  tables: "shared",
  limits: { threads: 1024, sharedBytes: 49152, registersPerLane: 255, bindings: 64, gridX: 2 ** 31 - 1, gridYZ: 65535 },
  rules: findTarget("cuda.sm90a")!.rules,
  model: "none",
};

interface Case {
  readonly op: string;
  readonly sizes: { readonly M: number; readonly N: number; readonly K: number };
  readonly schedule: ScheduleRequest;
}

const cases: readonly Case[] = [
  { op: "linear_w4a16", sizes: { M: 1, N: 8, K: 1024 }, schedule: {} },
  { op: "linear_w4a16", sizes: { M: 3, N: 11, K: 384 }, schedule: {} },
  { op: "linear_w4a16", sizes: { M: 11, N: 9, K: 2176 }, schedule: { strategy: "fma" } },
  { op: "linear_w4a16", sizes: { M: 11, N: 35, K: 384 }, schedule: { strategy: "mma" } },
  { op: "linear_w4a16", sizes: { M: 9, N: 18, K: 640 }, schedule: { strategy: "mma", warps: 1, split: 4 } },
  { op: "linear_w4a16", sizes: { M: 2, N: 7, K: 3200 }, schedule: { strategy: "fma", warps: 1, split: 2 } },
  { op: "linear_w4a16", sizes: { M: 2, N: 3, K: 2176 }, schedule: { strategy: "fma", stages: 2 } },
  { op: "linear_w4a16", sizes: { M: 9, N: 18, K: 640 }, schedule: { strategy: "mma", stages: 3 } },
  { op: "linear_w2a8", sizes: { M: 2, N: 9, K: 2560 }, schedule: { strategy: "mma", stages: 4 } },
  { op: "linear_nf4", sizes: { M: 5, N: 19, K: 192 }, schedule: { strategy: "mma", warps: 4, split: 1 } },
  { op: "linear_nf4", sizes: { M: 1, N: 8, K: 2048 }, schedule: {} },
  { op: "linear_nf4", sizes: { M: 5, N: 13, K: 192 }, schedule: { strategy: "fma" } },
  { op: "linear_w2a8", sizes: { M: 1, N: 9, K: 512 }, schedule: {} },
  { op: "linear_w2a8", sizes: { M: 3, N: 9, K: 4224 }, schedule: { strategy: "popc" } },
  { op: "linear_w2a8", sizes: { M: 3, N: 35, K: 640 }, schedule: { strategy: "mma" } },
  { op: "linear_w2a8", sizes: { M: 9, N: 17, K: 1280 }, schedule: { strategy: "mma" } },
  { op: "linear_w2a8", sizes: { M: 17, N: 16, K: 384 }, schedule: { strategy: "mma" } },
];

function largestError(actual: Float64Array, expected: Float64Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return expected.reduce((worst, e, i) => {
    const error = Math.abs(actual[i]! - e);
    return error <= worst ? worst : error;
  }, 0);
}

describe.each(cases)("$op $sizes $schedule", ({ op, sizes, schedule: request }) => {
  it("means the same after every pass and as kernels", () => {
    const source = programOf(QUICKSTART, op, sizes);
    const inputs = randomInputs(source, 7);
    const oracle = evalProgram(source, inputs, { arithmetic: "real" });
    const y = oracle.y!;
    const scale = y.reduce((s, v) => Math.max(s, Math.abs(v)), 0);
    expect(scale).toBeGreaterThan(0);

    const diagnostics = new Diagnostics();
    let program = source;
    const context: PassContext = {
      target,
      schedule: { strategy: "fma", tileM: 1, tileN: 1, chunk: 1, warps: 1, split: 1, stages: 1, reasons: [] },
    };
    for (const pass of ALGEBRA) {
      program = pass.run(program, context);
      expect(largestError(evalProgram(program, inputs, { arithmetic: "real" }).y!, y), pass.name).toBeLessThanOrEqual(
        1e-9 * scale,
      );
    }
    const schedule = choose(program, target, request, NO_SPAN, diagnostics);
    if (schedule === undefined) throw new Error(JSON.stringify(diagnostics.list));
    for (const pass of SCHEDULING) {
      program = pass.run(program, { target, schedule });
      expect(largestError(evalProgram(program, inputs, { arithmetic: "real" }).y!, y), pass.name).toBeLessThanOrEqual(
        1e-9 * scale,
      );
    }
    const kernels = lower(program, target).map((k) =>
      KERNEL.reduce((kernel, pass) => pass.run(kernel, { target, schedule }), k),
    );
    const made = runKernels(program, kernels, inputs);
    expect(largestError(made.y!, y)).toBeLessThanOrEqual(2 ** -10 * scale);
    for (const [id, values] of Object.entries(made)) {
      const tensor = program.tensors.find((t) => t.id === id)!;
      if (tensor.type.startsWith("i")) expect(Array.from(values), id).toEqual(Array.from(oracle[id]!));
    }
  });
});
