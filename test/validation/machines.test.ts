/** Evidence from our own machines at depth `cycle`: a TPU v3's measured products, and OliVe's means where they are known. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { fittedTo, partsOf, peakMacsPerCycle } from "../../hw-models/derive.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { verdictOf } from "../../simulator/evidence/row.ts";
import { tpuEvidence } from "../../simulator/evidence/tpu.ts";
import { simulate } from "../../simulator/simulate.ts";

function machineNamed(name: string): AcceleratorModel {
  const model = hardwareNamed(name);
  if (model?.kind !== "accelerator") throw new Error(`no accelerator ${name}`);
  return model;
}

/** One product on a machine, with its own bits or with these. */
function product(name: string, m: number, n: number, k: number, bits?: number) {
  const stage = { kind: "product", name: "product", role: "feed-forward", batch: 1, m, n, k, bias: false } as const;
  const otherParameters = { embeddings: 0, vectors: 0 };
  const workload = { name: "product", family: "product", pass: "fixed", stages: [stage], otherParameters } as const;
  const own = bits === undefined ? {} : { weights: bits, activations: bits };
  const sink = new Diagnostics();
  const request = { workload, hardware: machineNamed(name), phase: "prefill", batch: 1, context: 1, ...own } as const;
  return { totals: simulate(request, tileMachine, sink)?.report.results[0]?.totals, sink };
}

describe("TPU v3", () => {
  // SCALE-Sim is 30.7 % off on these four; the goal that simulators.md sets is 10 %.
  it("four measured products within 5 %, their mean error below 10 %, also where they are not calibrated on", () => {
    const { rows } = tpuEvidence(tileMachine);
    expect(rows.slice(0, 4).map(verdictOf)).toEqual(["agrees", "agrees", "agrees", "agrees"]);
    const means = Object.fromEntries(rows.slice(4).map((r) => [r.claim.replace(/^.*: /, ""), r.ours!]));
    expect(means["latency calibrated on all four"]).toBeLessThan(10);
    expect(means["on the three larger ones, latency calibrated on the smallest"]).toBeLessThan(10);
    expect(means["nothing calibrated, no latency"]).toBeGreaterThan(10);
  });

  it("has the published peak of 123 Tflop/s a chip of two cores", () => {
    const machine = machineNamed("tpu-v3");
    expect((2 * 2 * peakMacsPerCycle(machine) * machine.clockMHz * 1e6) / 1e12).toBeCloseTo(123, 1);
  });
});

describe("PEs that join and split", () => {
  // ANT's rule: ⌊8 / bits⌋ operands side by side in each direction; BitFusion's adds them up along the sum.
  it.each([
    ["olive", 4, 4, 64, 64],
    ["olive", 8, 8, 32, 32],
    ["olive", 8, 4, 32, 64],
    ["ant", 6, 6, 32, 32],
    ["olaccel", 4, 4, 32, 36],
    ["bitfusion", 8, 8, 16, 32],
    ["bitfusion", 4, 2, 16 * 8, 32],
    ["bitfusion", 2, 2, 16 * 16, 32],
  ])("%s with activations of %i and weights of %i bits: %i × %i", (name, activations, weights, rows, columns) => {
    const fitted = fittedTo(partsOf(machineNamed(name)).array, weights, activations);
    expect([fitted?.rows, fitted?.columns]).toEqual([rows, columns]);
  });

  it("refuse what is wider, and dataflows that they cannot run, naming unit and layer", () => {
    const wide = product("olive", 64, 64, 128, 16);
    expect(wide.totals).toBeUndefined();
    expect(wide.sink.list.map((d) => [d.code, d.message, d.notes[0]?.message])).toEqual([
      [
        "simulate/format",
        "pe of olive takes no codes of 16 bits, as product has",
        "its PEs take operands of up to 8 bits",
      ],
    ]);
    const hardware = machineNamed("bitfusion");
    const shape = { name: "t", hidden: 64, feedForward: 64, blocks: 1, heads: 1, keyValueHeads: 1, headSize: 64 };
    const workload = { ...shape, vocabulary: 64 };
    const sink = new Diagnostics();
    const request = { workload, hardware, phase: "prefill", batch: 1, context: 16, dataflow: "os" } as const;
    expect(simulate(request, tileMachine, sink)).toBeUndefined();
    expect(sink.list.map((d) => d.message)).toEqual(["pe of bitfusion does not run os"]);
  });

  it("an array of four-bit PEs works for a quarter of the PE-cycles, and nearly of the cycles, of eight bits", () => {
    const [narrow, wide] = [product("olive", 128, 256, 512, 4).totals!, product("olive", 128, 256, 512, 8).totals!];
    const work = (t: typeof narrow): number => t.energyPJ.pe!;
    expect(work(wide) / work(narrow)).toBeCloseTo(4, 9);
    expect(wide.cycles / narrow.cycles).toBeGreaterThan(3.5);
    expect(wide.cycles / narrow.cycles).toBeLessThan(4.1);
  });

  it("two arrays side by side halve the folds: columns of their own, rows shared", () => {
    const machine = machineNamed("tpu-v3");
    const single = { ...machine, units: machine.units.map((u) => (u.kind === "systolic" ? { ...u, arrays: 1 } : u)) };
    expect(peakMacsPerCycle(machine)).toBe(2 * peakMacsPerCycle(single));
  });

  it.each(["olive", "ant", "gobo", "bitfusion", "olaccel", "adaptivfloat", "biscaled", "int8", "tpu-v3", "edge-16"])(
    "%s: every multiplication is done, and no sooner than its peak allows",
    (name) => {
      const { totals } = product(name, 70, 130, 256);
      expect(totals?.macs).toBe(70 * 130 * 256);
      expect(totals!.cycles).toBeGreaterThanOrEqual(totals!.macs / peakMacsPerCycle(machineNamed(name)));
    },
  );
});
