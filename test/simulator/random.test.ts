/** Random machines and shapes: roles compute what the product says, runs end, and their accounts close. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { isFloat, rangeOf } from "../../ir/scalar.ts";
import { runProgram } from "../../simulator/engine.ts";
import { totalOf } from "../../simulator/states.ts";
import { groupedFormat, matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { machineWith } from "./machines.ts";
import { runStepped } from "./stepped.ts";

const size = (max: number) => fc.integer({ min: 1, max });
const shapes = fc.record({
  batch: size(3),
  m: size(40),
  n: size(40),
  k: size(60),
  group: fc.constantFrom(0, 4, 12, 16),
  seed: fc.nat(),
});
const machines = fc.record({
  rows: size(9),
  columns: size(9),
  dataflow: fc.constantFrom("ws", "os", "is"),
  overlap: fc.record({
    shadowRegisters: fc.boolean(),
    fillOverlapsDrain: fc.boolean(),
    separateDrain: fc.boolean(),
    controlCyclesPerFold: fc.nat({ max: 3 }),
  }),
  capacityBytes: fc.integer({ min: 200, max: 6000 }),
  bytesPerCycle: fc.integer({ min: 1, max: 40 }),
  latencyCycles: fc.nat({ max: 60 }),
  requestBytes: fc.integer({ min: 1, max: 300 }),
  codesPerCycle: size(12),
  fifoRows: size(12),
  elementsPerCycle: size(12),
});

describe("random machines", () => {
  it("evaluate equal, end, and account for everything", () => {
    let ran = 0;
    fc.assert(
      fc.property(shapes, machines, ({ group, seed, ...shape }, choice) => {
        const weight = group === 0 ? plainFormat("f16") : groupedFormat(4, group);
        const program = matmulProgram({ name: "p", ...shape, activation: "f16", weight, output: "f16" });
        const machine = machineWith(choice);
        const sink = new Diagnostics();
        const tiled = tileMachine(program, machine, choice.dataflow, sink);
        if (tiled === undefined) {
          expect(sink.list.map((d) => d.code)).toContain("simulate/capacity");
          return;
        }
        ran++;
        let state = seed;
        const inputs: Record<string, Float64Array> = {};
        for (const t of program.tensors) {
          if (t.role !== "input") continue;
          const [low, high] = isFloat(t.type) || t.type === "bool" ? [-4, 4] : rangeOf(t.type);
          inputs[t.id] = new Float64Array(t.shape.reduce((p, e) => p * e, 1)).map(() => {
            state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
            return low + ((state >>> 8) % (high - low + 1));
          });
        }
        const results = (p: typeof program) => evalProgram(p, inputs, { arithmetic: "real" }).y;
        expect(results(tiled)).toEqual(results(program));
        const { cycles, units, actions } = runProgram(tiled, machine);
        expect(actions.macs).toBe(shape.batch * shape.m * shape.n * shape.k);
        expect(actions.memory.dram!.writeBytes).toBe(2 * shape.batch * shape.m * shape.n);
        for (const table of Object.values(units)) expect(totalOf(table)).toBe(cycles);
        // The same rules stepped cycle by cycle: the run takes as long, and every unit is done as early.
        const stepped = runStepped(tiled, machine);
        expect(cycles).toBe(stepped.cycles);
        for (const [name, end] of Object.entries(stepped.ends))
          if (units[name]!.idle < cycles) expect([name, cycles - units[name]!.idle]).toEqual([name, end]);
        const crossed = actions.memory.dram!.readBytes + actions.memory.dram!.writeBytes;
        expect(cycles).toBeGreaterThanOrEqual(crossed / choice.bytesPerCycle);
        expect(cycles).toBeGreaterThanOrEqual(actions.macs / (choice.rows * choice.columns));
      }),
      { numRuns: Number(process.env.RANDOM_RUNS ?? 60), seed: 7 },
    );
    expect(ran).toBeGreaterThan(20);
  });
});
