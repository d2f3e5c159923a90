/** What results say beyond cycles: which stalls cost time, energy as intervals, area, and machines beside each other. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { areaOf, type EnergyAction, energyTable } from "../../hw-models/energy-table.ts";
import { ACCELERATORS } from "../../hw-models/index.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type Comparable, compareRuns, energyRatioRange, leastDifferencePJ } from "../../simulator/comparison.ts";
import { lanesOf, runProgram } from "../../simulator/engine.ts";
import { STATES } from "../../simulator/states.ts";
import { groupedFormat, matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { machineWith } from "./machines.ts";

describe("exposed and hidden stalls", () => {
  it.each([
    ["ws", 16],
    ["os", 4],
    ["is", 4],
  ] as const)("%s, %i bits: each stalled cycle, looked at by itself", (dataflow, bits) => {
    const overlap = { shadowRegisters: true, fillOverlapsDrain: dataflow !== "os" };
    const machine = machineWith({
      ...{ rows: 4, columns: 4, dataflow, overlap, capacityBytes: 2048, bytesPerCycle: 8, latencyCycles: 9 },
      ...{ requestBytes: 32, codesPerCycle: 4, elementsPerCycle: 2 },
    });
    const weight = bits === 16 ? plainFormat("f16") : groupedFormat(bits, 16);
    const shape = { name: "p", batch: 2, m: 37, n: 29, k: 48, activation: "f16", weight, output: "f16" } as const;
    const program = tileMachine(matmulProgram(shape), machine, dataflow, new Diagnostics())!;
    // Every cycle of every lane, spelled out.
    const names = lanesOf(machine);
    const lanes = names.map((): { state: string; culprit: number }[] => []);
    const run = runProgram(program, machine, {
      slice: (lane, cycles, state, _op, culprit) => {
        for (let i = 0; i < cycles; i++) lanes[lane]!.push({ state: STATES[state]!, culprit });
      },
    });
    const array = lanes[names.indexOf("pe")]!;
    const counted = new Map<string, [number, number]>();
    lanes.forEach((lane, i) => {
      lane.forEach(({ state, culprit }, cycle) => {
        if (!state.startsWith("stall:")) return;
        const key = `${names[i]} ${state.slice(6)} ${names[culprit] ?? null}`;
        const [all, exposed] = counted.get(key) ?? [0, 0];
        counted.set(key, [all + 1, exposed + (array[cycle]!.state === "busy:contract" ? 0 : 1)]);
      });
    });
    const found = run.stalls.map((s) => [`${s.unit} ${s.cause} ${s.culprit}`, [s.cycles, s.exposedCycles]] as const);
    expect(new Map(found)).toEqual(counted);
    expect(run.stalls.some((s) => s.exposedCycles > 0 && s.exposedCycles < s.cycles)).toBe(true);
    for (const s of run.stalls) if (s.unit === "pe") expect(s.exposedCycles).toBe(s.cycles);
  });
});

describe("energy tables and areas", () => {
  it.each(ACCELERATORS.map((m) => [m.name, m] as const))("%s: every price has a source and an interval", (_, model) => {
    const table = energyTable(model);
    expect(new Set(table.map((r) => r.component)).size).toBeGreaterThan(5);
    for (const row of table) {
      expect(row.source).not.toBe("no source");
      expect(row.minimumPJ).toBeLessThanOrEqual(row.nominalPJ);
      expect(row.maximumPJ).toBeGreaterThanOrEqual(row.nominalPJ);
      expect(row.intervalSource.length).toBeGreaterThan(20);
    }
  });

  it("adds up BitMoD's published areas", () => {
    const { components, complete } = areaOf(ACCELERATORS.find((m) => m.name === "bitmod")!);
    // 1024 PEs of 1507.7 µm², 16 term encoders of 2419 µm².
    expect(components.find((c) => c.component === "pe")?.areaMm2).toBeCloseTo((1024 * 1507.7) / 1e6, 9);
    expect(components.find((c) => c.component === "feed-w")?.areaMm2).toBeCloseTo((16 * 2419) / 1e6, 9);
    expect(complete).toBe(false);
  });
});

const price = (component: string, source: string, low: number, nominal: number, high: number): EnergyAction => ({
  ...{ component, action: "work", per: "PE-cycle", minimumPJ: low, nominalPJ: nominal, maximumPJ: high, source },
  ...{ assumed: false, intervalSource: "a test", intervalAssumed: false },
});

/** A run with these counts, priced by these rows. */
function runOf(
  configuration: string,
  cycles: number,
  rows: readonly (readonly [EnergyAction, number])[],
  workload = "net",
): Comparable {
  const actions = Object.fromEntries(rows.map(([r, count]) => [r.component, { work: count }]));
  const energyPJ = { total: rows.reduce((sum, [r, count]) => sum + count * r.nominalPJ, 0) };
  const totals = { cycles, timeSeconds: cycles / 1e9, energyPJ, actions };
  return { workload, phase: "prefill", batch: 1, context: 8, configuration, totals, energyTable: rows.map(([r]) => r) };
}

describe("machines beside each other", () => {
  const dram = price("dram", "data sheet", 5, 10, 22);
  const a = runOf("a", 400, [
    [dram, 30],
    [price("pe", "synthesis A", 1, 1, 1.5), 200],
  ]);
  const b = runOf("b", 100, [
    [dram, 20],
    [price("pe", "synthesis B", 0.5, 2, 3), 60],
    [price("decoder", "assumed", 0.5, 1, 2), 40],
  ]);

  /** Energies of both at every corner of the box of prices; `dram` is one price. */
  const corners = (): readonly (readonly [number, number])[] => {
    const found: (readonly [number, number])[] = [];
    for (const d of [5, 22])
      for (const pa of [1, 1.5])
        for (const pb of [0.5, 3]) for (const x of [0.5, 2]) found.push([30 * d + 200 * pa, 20 * d + 60 * pb + 40 * x]);
    return found;
  };

  it("ratios and differences reach exactly as far as the corners of the intervals", () => {
    const ratios = corners().map(([x, y]) => x / y);
    const range = energyRatioRange(a, b)!;
    expect(range.minimum).toBeCloseTo(Math.min(...ratios), 12);
    expect(range.maximum).toBeCloseTo(Math.max(...ratios), 12);
    expect(leastDifferencePJ(b, a)).toBeCloseTo(Math.min(...corners().map(([x, y]) => x - y)), 12);
    expect(leastDifferencePJ(a, b)).toBeCloseTo(Math.min(...corners().map(([x, y]) => y - x)), 12);
  });

  it("a ranking survives where the same memory is dear or cheap for both, and not where the PEs may change it", () => {
    const less = runOf("less", 100, [[dram, 29]]);
    const more = runOf("more", 100, [[dram, 30]]);
    expect(compareRuns([more, less])?.models[0]?.energyRanking).toMatchObject({
      order: ["less", "more"],
      survives: true,
      pairs: [{ lower: "less", higher: "more", leastDifferencePJ: 5, survives: true }],
    });
    const other = runOf("other", 100, [[price("dram", "another data sheet", 5, 10, 22), 29]]);
    expect(compareRuns([more, other])?.models[0]?.energyRanking?.survives).toBe(false);
  });

  it("names its means: arithmetic and geometric, over the workloads of a phase", () => {
    const second = [runOf("a", 90, [[dram, 9]], "net 2"), runOf("b", 90, [[dram, 3]], "net 2")];
    const comparison = compareRuns([a, b, ...second])!;
    expect(comparison.baseline).toBe("a");
    const [, entry] = comparison.models[0]!.entries;
    expect([entry!.speedup, entry!.energyRatio]).toEqual([4, 500 / 360]);
    expect(comparison.means[0]).toMatchObject({
      configuration: "a",
      arithmeticMeanSpeedup: 1,
      geometricMeanSpeedup: 1,
    });
    const mean = comparison.means[1]!;
    expect([mean.workloads, mean.arithmeticMeanSpeedup]).toEqual([2, 2.5]);
    expect(mean.geometricMeanSpeedup).toBeCloseTo(2, 12);
    expect(mean.arithmeticMeanEnergyRatio).toBeCloseTo((500 / 360 + 3) / 2, 12);
    expect(mean.geometricMeanEnergyRatio).toBeCloseTo(Math.sqrt((500 / 360) * 3), 12);
    expect(compareRuns([a])).toBeUndefined();
  });
});
