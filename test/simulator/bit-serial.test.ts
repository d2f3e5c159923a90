/** Bit-serial PEs against BitMoD's paper: cycles a group, rescaling hidden or not; whole networks beside its simulator. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { runProgram } from "../../simulator/engine.ts";
import { idealMachine } from "../../simulator/evidence/ideal-machine.ts";
import { readPeerModel, simulatePeer } from "../../simulator/peer/index.ts";
import { simulate } from "../../simulator/simulate.ts";
import { readHuggingFace } from "../../simulator/workload/hugging-face.ts";
import { groupedFormat, matmulProgram } from "../../simulator/workload/matmul.ts";

function machineNamed(name: string): AcceleratorModel {
  const model = hardwareNamed(name);
  if (model?.kind !== "accelerator") throw new Error(`no accelerator ${name}`);
  return model;
}

const BITMOD = machineNamed("bitmod").units.find((u) => u.kind === "systolic")!.bitSerial!;
const SIZE = 16;

/** Cycles of one fold of SIZE × SIZE sums of k products, memory and decoders taking no time. */
function foldCycles(bits: number, group: number, k: number): number {
  const ideal = idealMachine({ rows: SIZE, columns: SIZE, dataflow: "os", overlap: {} });
  const units = ideal.units.map((u) => (u.kind === "systolic" ? { ...u, bitSerial: BITMOD } : u));
  const machine = { ...ideal, units };
  const weight = groupedFormat(bits, group);
  const shape = { name: "fold", batch: 1, m: SIZE, n: SIZE, k, activation: "f16", weight, output: "f16" } as const;
  const sink = new Diagnostics();
  const run = runProgram(tileMachine(matmulProgram(shape), machine, "os", sink)!, machine);
  expect([sink.list, run.actions.macs]).toEqual([[], SIZE * SIZE * k]);
  return run.cycles;
}

describe("BitMoD's PEs", () => {
  // Section IV: 128 weights in 64 cycles (FP3, FP4), 96 (INT6), 128 (INT8).
  it.each([
    [3, 64, 2],
    [4, 64, 2],
    [6, 96, 3],
    [8, 128, 4],
  ])("%i bits: a group of 128 in %i cycles, its rescaling hidden behind the next", (bits, cycles, terms) => {
    expect(foldCycles(bits, 128, 512) - foldCycles(bits, 128, 384)).toBe(cycles);
    // Two hops between 2 × 2 tiles, and the last group's 8 bits of scale.
    expect(foldCycles(bits, 128, 512)).toBe(4 * cycles + 2 * terms + 8);
  });

  it("wait where a group is shorter than 16 weights of two terms", () => {
    expect(foldCycles(4, 16, 512) - foldCycles(4, 16, 256)).toBe(128);
    expect(foldCycles(4, 8, 512) - foldCycles(4, 8, 256)).toBe(32 * 8);
    expect(foldCycles(8, 8, 512) - foldCycles(8, 8, 256)).toBe(256);
  });

  it("take no weights whose terms they do not know, and say what they take", () => {
    const sink = new Diagnostics();
    const hardware = machineNamed("bitmod");
    expect(
      simulate({ ...PASS, workload: LLAMA, hardware, phase: "decode", weights: 16 }, tileMachine, sink),
    ).toBeUndefined();
    expect(sink.list.map((d) => [d.code, d.notes[0]?.message])).toEqual([
      ["simulate/format", "its PEs take weights of 3, 4, 5, 6, 8 bits"],
    ]);
  });
});

const CONFIG = readFileSync(new URL("../data/llama-2-7b/config.json", import.meta.url), "utf8");
const LLAMA = readHuggingFace(CONFIG, 0, "llama", new Diagnostics())!;
const PASS = { batch: 1, context: 256 } as const;

/** Machine, bits, and the machine of the preset with the bits that are stored here. */
const PAIRS = [
  ["fp16-baseline", 16, "fp16-baseline", 16],
  ["ant-fp16", 5, "ant", 5.125],
  ["olive-fp16", 4, "olive", 4.125],
  ["bitmod", 6, "bitmod-lossless", 6.125],
  ["bitmod", 4, "bitmod-lossy", 4.125],
  ["bitmod", 3, "bitmod-lossy", 3.125],
] as const;

describe("Llama-2-7B beside preset bitmod-v2", () => {
  const rows: string[] = [];
  const model = readPeerModel(CONFIG, 0, "llama", new Diagnostics())!;
  const cases = PAIRS.flatMap((pair) => (["prefill", "decode"] as const).map((phase) => [...pair, phase] as const));

  it.each(cases)(
    "%s with %i bits and %s with %f: %s",
    (name, weights, peerName, weightBits, phase) => {
      const sink = new Diagnostics();
      const ours = simulate(
        { ...PASS, workload: LLAMA, hardware: machineNamed(name), phase, weights },
        tileMachine,
        sink,
      );
      const request = {
        ...PASS,
        preset: "bitmod-v2",
        hardware: peerName,
        workload: { kind: "model", model },
        phase,
      } as const;
      const peer = simulatePeer({ ...request, weightBits }, sink)?.results[0];
      expect(sink.list).toEqual([]);
      const { cycles, energyPJ, bytes, utilisation } = ours!.report.results[0]!.totals;
      const ratio = cycles / peer!.totals.cycles;
      rows.push(
        `${name} ${weights} bits, ${phase}: ${cycles} cycles, ${ratio.toFixed(3)} of the preset's ${peer!.totals.cycles}; ` +
          `${(energyPJ.total / 1e9).toFixed(3)} mJ, preset ${(peer!.totals.energyPJ!.total / 1e9).toFixed(3)}; ` +
          `${bytes.dram!.read + bytes.dram!.write} bytes off chip, utilisation ${utilisation.toFixed(4)}`,
      );
      // hw-models/DEVIATIONS.md says where the rest comes from.
      expect(ratio).toBeGreaterThan(0.85);
      expect(ratio).toBeLessThan(1.2);
    },
    60_000,
  );

  it("is what it was", async () => {
    await expect(`${rows.join("\n")}\n`).toMatchFileSnapshot("expected/quantized-machines.txt");
  });
});
