/** The cost model of matrix rows, against launches measured on an H100 (bench/results/schedules-h100.json). */
import { describe, expect, it } from "vitest";
import measured from "../../bench/results/schedules-h100.json" with { type: "json" };
import { costOf, type RowProblem, type Tiling, tilings } from "../../compiler/schedule/cost.ts";
import { gpuFor } from "../../hw-models/index.ts";
import { findRow } from "../../ir/row-catalogue.ts";

const row = findRow("mma.m16n8k16.f16")!;
const gpu = gpuFor("cuda.sm90a")!;

/** int4_g128: 4.125 bits a weight, codes 4 apart decode together. nf4: f32 absmax per 64, codes looked up one by one. */
const FORMATS: Readonly<Record<string, { readonly pairs: number; readonly bits: number; readonly block: number }>> = {
  linear_w4a16: { pairs: 4, bits: 4.125, block: 128 },
  linear_nf4: { pairs: 0, bits: 4.5, block: 64 },
};

interface Launch {
  readonly problem: RowProblem;
  readonly tiling: Tiling;
  readonly microseconds: number;
}

const launches = new Map<string, Launch[]>();
for (const cells of measured.rows) {
  const [op, m, n, k, tileM, tileN, chunk, warps, split, stages, microseconds] = cells as [string, ...number[]] &
    Record<number, number>;
  const { pairs, bits } = FORMATS[op]!;
  const bytes = (n! * k! * bits) / 8 + 2 * m! * (n! + k!);
  const launch: Launch = {
    problem: { m: m!, n: n!, k: k!, weightBits: 4, pairs, bytes },
    tiling: { tileM: tileM!, tileN: tileN!, chunk: chunk!, warps: warps!, split: split!, stages: stages! },
    microseconds: microseconds!,
  };
  const key = `${op} ${m} × ${n} × ${k}`;
  launches.set(key, [...(launches.get(key) ?? []), launch]);
}

const estimate = ({ problem, tiling }: Launch): number => costOf(problem, tiling, row, gpu).microseconds;

/** Root mean square of the logarithms of estimate over measurement. */
function typicalError(of: readonly Launch[]): number {
  const squares = of.map((l) => Math.log(estimate(l) / l.microseconds) ** 2);
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / of.length);
}

describe("the cost model", () => {
  it.each([
    ["linear_w4a16", 0.13],
    ["linear_nf4", 0.11],
  ])("is typically right about %s", (op, limit) => {
    const all = [...launches].filter(([key]) => key.startsWith(op)).flatMap(([, list]) => list);
    expect(all.length).toBeGreaterThan(20);
    expect(typicalError(all)).toBeLessThan(limit);
  });

  it.each([...launches])("%s: its choice among the measured is near the best", (_, list) => {
    const chosen = [...list].sort((a, b) => estimate(a) - estimate(b))[0]!;
    const best = Math.min(...list.map((l) => l.microseconds));
    expect(chosen.microseconds / best).toBeLessThan(1.1);
  });

  it("weighs tilings that the row can carry, and only those", () => {
    const problem: RowProblem = { m: 20, n: 512, k: 1024, weightBits: 4, pairs: 4, bytes: 1 };
    const list = tilings(problem, row, 128, 4);
    expect(new Set(list.map((t) => t.tileM))).toEqual(new Set([8, 16, 32]));
    for (const t of list) {
      expect([t.tileM % row.n, t.tileN % row.m, t.chunk % row.k]).toEqual([0, 0, 0]);
      expect(t.split === 1 || t.warps === 1).toBe(true);
      expect(t.split).toBeLessThanOrEqual(problem.k / t.chunk);
    }
  });
});
