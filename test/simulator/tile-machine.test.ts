/** tile-machine: the roles of a machine compute what the product says, for every dataflow, format and ragged shape. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import type { Dataflow } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Format } from "../../ir/format.ts";
import type { Program } from "../../ir/program.ts";
import { isFloat, rangeOf } from "../../ir/scalar.ts";
import { parseProgram } from "../../ir/text/parse.ts";
import { printProgram } from "../../ir/text/print.ts";
import { verifyProgram } from "../../ir/verify/program.ts";
import { groupedFormat, type MatmulShape, matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { type MachineChoice, machineWith } from "./machines.ts";

/** Small integers, so that sums are exact in any order. */
function inputsOf(program: Program): Record<string, Float64Array> {
  let seed = 12345;
  const next = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const inputs: Record<string, Float64Array> = {};
  for (const tensor of program.tensors) {
    if (tensor.role !== "input") continue;
    const [low, high] = isFloat(tensor.type) || tensor.type === "bool" ? [-4, 4] : rangeOf(tensor.type);
    const size = tensor.shape.reduce((p, e) => p * e, 1);
    inputs[tensor.id] = Float64Array.from({ length: size }, () => Math.floor(low + next() * (high - low + 1)));
  }
  return inputs;
}

function check(shape: Omit<MatmulShape, "name" | "activation" | "output">, choice: MachineChoice): Program {
  const program = matmulProgram({ ...shape, name: "product", activation: "f16", output: "f16" });
  const sink = new Diagnostics();
  const machine = tileMachine(program, machineWith(choice), choice.dataflow, sink);
  expect(sink.list).toEqual([]);
  expect(verifyProgram(machine!)).toEqual([]);
  const inputs = inputsOf(program);
  const wanted = evalProgram(program, inputs, { arithmetic: "real" });
  const found = evalProgram(machine!, inputs, { arithmetic: "real" });
  expect(found.y).toEqual(wanted.y);
  expect(wanted.y!.some((v) => v !== 0)).toBe(true);
  return machine!;
}

const DATAFLOWS: readonly Dataflow[] = ["ws", "os", "is"];
const FORMATS: readonly { readonly label: string; readonly weight: Format }[] = [
  { label: "f16", weight: plainFormat("f16") },
  { label: "int4 in groups of 8", weight: groupedFormat(4, 8) },
];
const cases = DATAFLOWS.flatMap((dataflow) => FORMATS.map((f) => ({ dataflow, ...f })));

describe("tile-machine", () => {
  it("prints, and reads back as it was", () => {
    const program = check(
      { batch: 2, m: 9, n: 11, k: 24, weight: groupedFormat(4, 8) },
      { rows: 4, columns: 4, dataflow: "ws" },
    );
    const text = printProgram(program);
    expect(text).toContain("feed-w");
    const sink = new Diagnostics();
    expect(printProgram(parseProgram(text, sink)!)).toBe(text);
    expect(sink.list).toEqual([]);
  });

  it.each(cases)("$dataflow, $label: one block, ragged folds", ({ dataflow, weight }) => {
    check({ batch: 1, m: 5, n: 11, k: 24, weight }, { rows: 4, columns: 3, dataflow });
  });

  it.each(cases)("$dataflow, $label: many blocks in small buffers", ({ dataflow, weight }) => {
    const machine = check(
      { batch: 1, m: 70, n: 37, k: 72, weight },
      { rows: 4, columns: 4, dataflow, capacityBytes: 1600, bytesPerCycle: 8 },
    );
    expect(JSON.stringify(machine.body)).toContain('"name":"n0"');
  });

  it.each(cases)("$dataflow, $label: a batch, shadow registers", ({ dataflow, weight }) => {
    check(
      { batch: 3, m: 3, n: 9, k: 16, weight },
      { rows: 4, columns: 4, dataflow, overlap: { shadowRegisters: true } },
    );
  });

  it("keeps one operand whole while k is walked, where that moves fewer bytes", () => {
    const machine = check(
      { batch: 1, m: 64, n: 64, k: 64, weight: plainFormat("f16") },
      { rows: 8, columns: 8, dataflow: "ws", capacityBytes: 9000, bytesPerCycle: 1 },
    );
    expect(machine.tensors.find((t) => t.id === "x.tile")?.shape.at(-1)).toBe(64);
  });

  it("says which buffer is too small, and what would fit", () => {
    const sink = new Diagnostics();
    const program = matmulProgram({
      name: "wide",
      batch: 1,
      m: 64,
      n: 64,
      k: 64,
      activation: "f16",
      weight: plainFormat("f16"),
      output: "f16",
    });
    expect(
      tileMachine(program, machineWith({ rows: 8, columns: 8, dataflow: "ws", capacityBytes: 200 }), "ws", sink),
    ).toBeUndefined();
    expect(sink.list.map((d) => `${d.code}: ${d.message}`)).toContainEqual(
      expect.stringMatching(
        /^simulate\/capacity: wide does not fit obuf: its smallest block needs \d+ bytes, and there are 200$/,
      ),
    );
  });

  it("refuses a program that is not one product", () => {
    const sink = new Diagnostics();
    const program = matmulProgram({
      name: "p",
      batch: 1,
      m: 4,
      n: 4,
      k: 4,
      activation: "f16",
      weight: plainFormat("f16"),
      output: "f16",
    });
    const twice = { ...program, body: [...program.body, ...program.body] };
    expect(tileMachine(twice, machineWith({ rows: 4, columns: 4, dataflow: "ws" }), "ws", sink)).toBeUndefined();
    expect(sink.list.map((d) => d.code)).toEqual(["machine/unsupported"]);
  });
});
