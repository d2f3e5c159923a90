/** Depth `pe` against depth `cycle` and against the evaluator: thousands of seeded shapes, cycle for cycle, bit for bit. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { DATAFLOWS, type OverlapSpec } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Ring } from "../../ir/program.ts";
import { runProgram } from "../../simulator/engine.ts";
import { idealMachine } from "../../simulator/evidence/ideal-machine.ts";
import { isSteppable, type PeArray, stepArray } from "../../simulator/pe/array.ts";
import { matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";

const flags = [false, true] as const;
const OVERLAPS: readonly OverlapSpec[] = flags.flatMap((shadowRegisters) =>
  flags.flatMap((fillOverlapsDrain) =>
    flags.flatMap((separateDrain) =>
      [0, 1, 5].map((controlCyclesPerFold) => ({
        shadowRegisters,
        fillOverlapsDrain,
        separateDrain,
        controlCyclesPerFold,
      })),
    ),
  ),
);
const ARRAYS = DATAFLOWS.flatMap((dataflow) => OVERLAPS.map((overlap) => ({ dataflow, overlap }))).filter((a) =>
  isSteppable({ ...a, rows: 1, columns: 1 }),
);
const SHAPES_EACH = 50;

const sums = ({ id }: Ring): number => (id === "accumulator" || id === "result" ? 256 : 0);

function seeded(seed: number): (below: number) => number {
  const state = Uint32Array.of(seed);
  return (below) => {
    state[0] = Math.imul(state[0]! ^ (state[0]! >>> 15), 2246822519) + 2654435769;
    return Math.floor((((state[0]! ^ (state[0]! >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

describe("depth pe", () => {
  it("covers every dataflow and thousands of shapes", () => {
    expect(ARRAYS.length * SHAPES_EACH).toBeGreaterThan(2000);
    for (const d of DATAFLOWS) expect(ARRAYS.some((a) => a.dataflow === d && a.overlap.fillOverlapsDrain)).toBe(true);
  });

  it.each(ARRAYS.map((a, i) => ({ ...a, i, name: `${a.dataflow} ${JSON.stringify(a.overlap)}` })))(
    "$name: cycles of the engine, values of the evaluator",
    ({ dataflow, overlap, i }) => {
      const below = seeded(i + 1);
      for (let shape = 0; shape < SHAPES_EACH; shape++) {
        const array: PeArray = { dataflow, overlap, rows: 1 + below(6), columns: 1 + below(6) };
        const [m, n, k] = [1 + below(14), 1 + below(14), 1 + below(14)];
        // Small f16 numbers: sums are exact in any order.
        const values = (count: number): Float64Array =>
          Float64Array.from({ length: count }, () => (below(65) - 32) / 8);
        const [x, w] = [values(m * k), values(n * k)];
        const found = stepArray(array, { m, n, k, x, w });

        const machine = idealMachine(array);
        const operands = { activation: "f16", weight: plainFormat("f16"), output: "f32" } as const;
        const program = matmulProgram({ name: "product", batch: 1, m, n, k, ...operands });
        const tiled = tileMachine(program, machine, dataflow, new Diagnostics())!;
        // The array by itself never waits for a free block of sums.
        const run = runProgram(
          { ...tiled, rings: tiled.rings.map((r) => ({ ...r, depth: Math.max(r.depth, sums(r)) })) },
          machine,
        );
        const at = JSON.stringify({ ...array, m, n, k });
        expect(found.cycles, at).toBe(run.cycles);
        expect([...found.y], at).toEqual([...evalProgram(program, { x, w }, { arithmetic: "real" }).y!]);
      }
    },
  );
});
