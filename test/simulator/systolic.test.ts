/** The array's cycles against published counts: SCALE-Sim, its register-transfer model, STONNE; in closed form and by the engine. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { partsOf } from "../../hw-models/derive.ts";
import type { Dataflow, OverlapSpec } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type Run, runProgram } from "../../simulator/engine.ts";
import { foldCycles, serialCycles } from "../../simulator/units/systolic.ts";
import { matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { type MachineChoice, machineWith, SERIAL } from "./machines.ts";

interface Row {
  readonly label: string;
  readonly dataflow: Dataflow;
  readonly rows: number;
  readonly columns: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly cycles: number;
  readonly efficiency: number;
}

/** Every distinct stall-free row of our SCALE-Sim v2 and v3 runs. */
const table: readonly Row[] = readFileSync(new URL("../data/scalesim.csv", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const [version, topology, layer, dataflow, ...numbers] = line.split(",");
    const [rows, columns, m, n, k, cycles, efficiency] = numbers.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return {
      label: `${version} ${topology} ${layer}`,
      dataflow: dataflow as Dataflow,
      rows,
      columns,
      m,
      n,
      k,
      cycles,
      efficiency,
    };
  });

function run(choice: MachineChoice, m: number, n: number, k: number): Run {
  const machine = machineWith(choice);
  const program = matmulProgram({
    name: "product",
    batch: 1,
    m,
    n,
    k,
    activation: "f16",
    weight: plainFormat("f16"),
    output: "f16",
  });
  const sink = new Diagnostics();
  const tiled = tileMachine(program, machine, choice.dataflow, sink);
  expect(sink.list).toEqual([]);
  return runProgram(tiled!, machine);
}

const specOf = (rows: number, columns: number, dataflow: Dataflow, overlap: OverlapSpec) =>
  partsOf(machineWith({ rows, columns, dataflow, overlap })).array;

/** Reads of both operands and writes of sums, in words: SCALE-Sim's closed forms. */
function accessWords({ dataflow, rows, columns, m, n, k }: Row) {
  const times = (extent: number, size: number): number => Math.ceil(extent / size);
  switch (dataflow) {
    case "os":
      return { activation: times(n, columns) * m * k, weight: times(m, rows) * k * n, sums: m * n };
    case "ws":
      return { activation: times(n, columns) * m * k, weight: k * n, sums: times(k, rows) * m * n };
    case "is":
      return { activation: k * m, weight: times(m, columns) * k * n, sums: times(k, rows) * m * n };
  }
}

describe("SCALE-Sim", () => {
  it("has enough rows of every dataflow", () => {
    for (const d of ["ws", "os", "is"]) expect(table.filter((r) => r.dataflow === d).length).toBeGreaterThan(150);
  });

  // It prints the index of the last cycle; we count cycles (hw-models/DEVIATIONS.md).
  it("closed form: every row, cycle for cycle", () => {
    const wrong = table.filter(
      (r) => serialCycles(specOf(r.rows, r.columns, r.dataflow, SERIAL), r.m, r.n, r.k) - 1 !== r.cycles,
    );
    expect(wrong).toEqual([]);
  });

  it("engine with unlimited memory: every row, cycle for cycle, all products done", () => {
    for (const row of table) {
      const { cycles, actions, units } = run({ ...row }, row.m, row.n, row.k);
      expect([row.label, row.dataflow, cycles - 1, actions.macs]).toEqual([
        row.label,
        row.dataflow,
        row.cycles,
        row.m * row.n * row.k,
      ]);
      // SCALE-Sim's access counts in words of its buffers; its R + C extra output writes a fold (os) are a mistake there.
      const words = accessWords(row);
      const memory = actions.memory;
      expect([memory.ibuf!.readBytes / 2, memory.wbuf!.readBytes / 2, memory.obuf!.writeBytes]).toEqual([
        words.activation,
        words.weight,
        4 * words.sums + 2 * row.m * row.n,
      ]);
      // Mapping efficiency: products over PE-cycles of streaming.
      const streaming = units.pe!.busy.contract! * row.rows * row.columns;
      expect((100 * actions.macs) / streaming).toBeCloseTo(row.efficiency, 4);
    }
  });
});

describe("other counts of the same array", () => {
  const point = (
    dataflow: Dataflow,
    rows: number,
    columns: number,
    m: number,
    n: number,
    k: number,
    overlap: Partial<OverlapSpec>,
  ) => {
    const { cycles } = run({ rows, columns, dataflow, overlap }, m, n, k);
    expect(cycles).toBe(serialCycles(specOf(rows, columns, dataflow, { ...SERIAL, ...overlap }), m, n, k));
    return cycles;
  };

  it("SCALE-Sim's register-transfer model: 2R + C + T − 1 a fold, 15, 27, 35, 55, 111 cycles", () => {
    const points = [
      [4, 4, 4, 15],
      [4, 4, 16, 27],
      [8, 4, 16, 35],
      [8, 8, 32, 55],
      [16, 16, 64, 111],
    ] as const;
    for (const [r, c, t, cycles] of points)
      expect(point("os", r, c, r, c, t, { separateDrain: false, controlCyclesPerFold: 1 })).toBe(cycles);
  });

  it("STONNE's TPU mesh: K + R + C + 3 a fold, 15, 27, 99, 291, 323 cycles", () => {
    const points = [
      [4, 4, 15],
      [4, 16, 27],
      [16, 64, 99],
      [16, 256, 291],
      [32, 256, 323],
    ] as const;
    for (const [r, k, cycles] of points) expect(point("os", r, r, r, r, k, { controlCyclesPerFold: 5 })).toBe(cycles);
  });

  it("one product, 256 × 128 × 256 on 16 × 16: 36 607 + 1, 37 248, 38 784, 38 655 + 1, 44 543 + 1", () => {
    expect(point("os", 16, 16, 256, 128, 256, {})).toBe(36_608);
    expect(point("os", 16, 16, 256, 128, 256, { controlCyclesPerFold: 5 })).toBe(37_248);
    expect(point("os", 16, 16, 256, 128, 256, { separateDrain: false, controlCyclesPerFold: 1 })).toBe(38_784);
    expect(point("ws", 16, 16, 256, 128, 256, {})).toBe(38_656);
    expect(point("is", 16, 16, 256, 128, 256, {})).toBe(44_544);
  });

  it("a fold by itself is its parts", () => {
    expect(foldCycles(specOf(8, 4, "ws", SERIAL), 10)).toBe(8 + 10 + 8 + 4 - 2);
    expect(foldCycles(specOf(8, 4, "os", SERIAL), 10)).toBe(10 + 8 + 4 - 2);
  });
});

describe("overlap", () => {
  const [r, c, m, n, k] = [16, 16, 256, 128, 256];
  const folds = (n / c) * (k / r);

  it("shadow registers hide the shifting in of all folds but the first", () => {
    const { cycles } = run({ rows: r, columns: c, dataflow: "ws", overlap: { shadowRegisters: true } }, m, n, k);
    expect(cycles).toBe(r + folds * (m + r + c - 2));
  });

  it("with fill over drain as well, rows follow each other without a gap", () => {
    const overlap = { shadowRegisters: true, fillOverlapsDrain: true };
    const { cycles, units } = run({ rows: r, columns: c, dataflow: "ws", overlap }, m, n, k);
    expect(cycles).toBe(r + folds * m + r + c - 2);
    expect(units.pe!.busy.contract).toBe(folds * m);
    expect(units.pe!.stall).toEqual({ "operand-weight": r, drain: r + c - 2 });
    expect(units.pe!.culprits).toEqual({ "feed-w": r });
  });

  it("few rows cannot hide the shifting in: the array waits for its feeder", () => {
    const overlap = { shadowRegisters: true, fillOverlapsDrain: true };
    const { cycles, units } = run({ rows: r, columns: c, dataflow: "ws", overlap }, 1, n, k);
    expect(cycles).toBe(folds * r + 1 + r + c - 2);
    expect(units.pe!.stall["operand-weight"]).toBe(folds * (r - 1) + 1);
    expect(units["feed-w"]!.busy).toEqual({ feed: folds * r });
  });
});
