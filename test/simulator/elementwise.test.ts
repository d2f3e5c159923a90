/** What stands between the products: counted against the network, timed against closed forms of the vector unit and the interface. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { simulate } from "../../simulator/simulate.ts";
import { totalOf } from "../../simulator/states.ts";
import { ELEMENTWISE, type ElementwiseOp, elementwiseProgram } from "../../simulator/workload/elementwise.ts";
import { machineWith } from "./machines.ts";

const workload = {
  ...{ name: "tiny", hidden: 48, feedForward: 96, blocks: 1, heads: 4, keyValueHeads: 2, headSize: 12 },
  vocabulary: 60,
};
const TOKENS = 20;

function layersOn(hardware: AcceleratorModel, trace = false) {
  const request = { workload, hardware, phase: "prefill", batch: 1, context: TOKENS, weights: 16 } as const;
  const sink = new Diagnostics();
  const found = simulate({ ...request, elementwise: true, trace }, tileMachine, sink);
  expect(sink.list).toEqual([]);
  return {
    ...found!.report.results[0]!,
    trace: found!.trace,
    alone: () => simulate(request, tileMachine, sink)!.report.results[0]!,
  };
}

const limited = (elementsPerCycle: number, special: number | undefined, bytesPerCycle = 1e9): AcceleratorModel => {
  const machine = machineWith({ rows: 8, columns: 8, dataflow: "os", elementsPerCycle, bytesPerCycle });
  const units = machine.units.map((u) =>
    u.kind === "vector" && special !== undefined ? { ...u, specialPerCycle: special } : u,
  );
  return { ...machine, units };
};

describe("layers between products", () => {
  it("stand where a transformer of the Llama family has them, with its sizes", () => {
    const { layers, alone, totals } = layersOn(limited(4, undefined));
    const plain = alone();
    const extra = layers.filter((l) => l.kind === "element-wise");
    expect(extra.map((l) => [l.name.replace("model.layers.0.", ""), l.shape.m, l.shape.n]).slice(0, 6)).toEqual([
      ["self_attn.q_proj.norm", TOKENS, 48],
      ["self_attn.qk.softmax", 4 * TOKENS, TOKENS],
      ["self_attn.o_proj.residual", TOKENS, 48],
      ["mlp.gate_proj.norm", TOKENS, 48],
      ["mlp.down_proj.activation", TOKENS, 96],
      ["mlp.down_proj.residual", TOKENS, 48],
    ]);
    expect(extra.length).toBe(6 + 1);
    expect(extra.at(-1)?.name).toBe("lm_head.norm");
    // Products and their figures are what they are without.
    expect(layers.filter((l) => l.kind !== "element-wise").map((l) => l.cycles)).toEqual(
      plain.layers.map((l) => l.cycles),
    );
    expect(totals.macs).toBe(plain.totals.macs);
    for (const layer of layers)
      for (const table of Object.values(layer.units)) expect(totalOf(table)).toBe(layer.cycles);
  });

  it.each([
    ["softmax", 4 * TOKENS, TOKENS],
    ["rms-norm", TOKENS, 48],
    ["silu-product", TOKENS, 96],
    ["residual", TOKENS, 48],
  ] as const)("%s takes as long as its operations take the vector unit", (op, rows, width) => {
    const { plain, special, specialPerRow } = ELEMENTWISE[op];
    const found = (per: number, specials: number | undefined) =>
      layersOn(limited(per, specials)).layers.find((l) => l.elementwise === op && l.shape.n === width)!.units.vec!.busy
        .map!;
    const operations = rows * (width * (plain + special) + specialPerRow);
    expect(Math.abs(found(4, undefined) - operations / 4)).toBeLessThanOrEqual(rows);
    const slow = rows * (width * (plain + 8 * special) + 8 * specialPerRow);
    expect(Math.abs(found(4, 0.5) - slow / 4)).toBeLessThanOrEqual(rows);
  });

  it("takes as long as its bytes take the interface where that is slower, and moves each once", () => {
    const { layers } = layersOn(limited(1e6, undefined, 2));
    for (const layer of layers) {
      if (layer.elementwise === undefined) continue;
      const { inputs } = ELEMENTWISE[layer.elementwise];
      const bytes = 2 * layer.shape.m * layer.shape.n;
      expect(layer.bytes.dram).toEqual({ read: inputs * bytes, write: bytes });
      expect(layer.cycles).toBeGreaterThanOrEqual(((inputs + 1) * bytes) / 2);
      expect(layer.cycles).toBeLessThan(((inputs + 1) * bytes) / 2 + bytes);
    }
  });

  it("costs the vector unit's energy for every operation", () => {
    const { layers } = layersOn(limited(4, undefined));
    const residual = layers.find((l) => l.elementwise === "residual")!;
    const norm = layers.find((l) => l.elementwise === "rms-norm")!;
    expect(residual.energyPJ.vec).toBe(3 * TOKENS * 48);
    expect(norm.energyPJ.vec).toBeCloseTo(3 * TOKENS * (48 * 4 + 2), 6);
  });

  it("is a program that can be evaluated, in blocks that fit, and is refused where a row does not", () => {
    const small = (bytes: number) => machineWith({ rows: 8, columns: 8, dataflow: "os", capacityBytes: bytes });
    const layer = {
      name: "sum",
      kind: "element-wise",
      shape: { batch: 1, m: 7, n: 10, k: 1 },
      operand: "weight",
    } as const;
    const op: ElementwiseOp = "residual";
    const program = elementwiseProgram(layer, op, small(240), new Diagnostics())!;
    expect(program.tensors.find((t) => t.id === "x.tile")!.shape).toEqual([3, 10]);
    const x = Float64Array.from({ length: 70 }, (_, i) => i);
    expect([...evalProgram(program, { x, z: x }, { arithmetic: "real" }).y!]).toEqual([...x]);
    const sink = new Diagnostics();
    expect(elementwiseProgram(layer, op, small(60), sink)).toBeUndefined();
    expect(sink.list.map((d) => d.code)).toEqual(["simulate/capacity"]);
  });

  it("are in traces as any layer", () => {
    const { trace, layers } = layersOn(limited(4, undefined), true);
    expect(trace!.header.layers.map((l) => [l.name, l.startCycle])).toEqual(layers.map((l) => [l.name, l.startCycle]));
  });
});
