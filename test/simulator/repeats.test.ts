/** What repeats is not stepped: runs that skip are equal, in everything, to runs that step every fold because they are recorded. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { runProgram } from "../../simulator/engine.ts";
import type { Recorder } from "../../simulator/lanes.ts";
import { groupedFormat, matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { machineWith } from "./machines.ts";

const size = (max: number, min = 1) => fc.integer({ min, max });
const shapes = fc.record({
  batch: size(4),
  m: size(300),
  n: size(300),
  k: size(300),
  group: fc.constantFrom(0, 4, 12, 16),
});
const machines = fc.record({
  rows: size(9, 3),
  columns: size(9, 3),
  dataflow: fc.constantFrom("ws", "os", "is"),
  overlap: fc.record({
    shadowRegisters: fc.boolean(),
    fillOverlapsDrain: fc.boolean(),
    separateDrain: fc.boolean(),
    controlCyclesPerFold: fc.nat({ max: 3 }),
  }),
  capacityBytes: size(20000, 300),
  bytesPerCycle: fc.constantFrom(1, 3, 8, 32, Number.POSITIVE_INFINITY),
  latencyCycles: fc.nat({ max: 60 }),
  requestBytes: fc.constantFrom(16, 64, 300, 4096),
  codesPerCycle: fc.constantFrom(1, 3, 8, Number.POSITIVE_INFINITY),
  fifoRows: size(12),
  elementsPerCycle: fc.constantFrom(1, 5, 16, Number.POSITIVE_INFINITY),
});

/** A recorder of whom nothing is hidden: with it every fold is stepped. */
function counter(): Recorder & { readonly slices: () => number } {
  let slices = 0;
  return { slice: () => slices++, slices: () => slices };
}

describe("repetition", () => {
  it("changes no cycle, state, stall or count, on random machines", () => {
    let steps = 0;
    fc.assert(
      fc.property(shapes, machines, ({ group, ...shape }, choice) => {
        const weight = group === 0 ? plainFormat("f16") : groupedFormat(4, group);
        const machine = machineWith(choice);
        const program = matmulProgram({ name: "p", ...shape, activation: "f16", weight, output: "f16" });
        const tiled = tileMachine(program, machine, choice.dataflow, new Diagnostics());
        if (tiled === undefined) return;
        const recorder = counter();
        const { ops: _, ...stepped } = runProgram(tiled, machine, recorder);
        const { ops: __, ...skipped } = runProgram(tiled, machine);
        expect(skipped).toEqual(stepped);
        steps += recorder.slices();
      }),
      { numRuns: Number(process.env.RANDOM_RUNS ?? 24), seed: 11 },
    );
    expect(steps).toBeGreaterThan(100_000);
  });

  it.each(["systolic-128", "systolic-32-os", "systolic-32-is", "bitmod", "olive-fp16"])(
    "changes nothing on %s",
    (name) => {
      const machine = hardwareNamed(name);
      if (machine?.kind !== "accelerator") throw new Error(`no machine ${name}`);
      const shape = { batch: 1, m: 300, n: 1100, k: 700 };
      const program = matmulProgram({
        name: "p",
        ...shape,
        activation: "f16",
        weight: groupedFormat(4, 128),
        output: "f16",
      });
      const array = machine.units.find((u) => u.kind === "systolic")!;
      const tiled = tileMachine(program, machine, array.dataflow, new Diagnostics())!;
      const { ops: _, ...stepped } = runProgram(tiled, machine, counter());
      const { ops: __, ...skipped } = runProgram(tiled, machine);
      expect(skipped).toEqual(stepped);
    },
  );
});
