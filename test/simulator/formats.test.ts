/** Formats of the language in workloads: what crosses the interface is what their declarations say, bit for bit. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { runProgram } from "../../simulator/engine.ts";
import { simulate } from "../../simulator/simulate.ts";
import { globPattern } from "../../simulator/workload/allocation.ts";
import { matmulProgram, opaqueFormat, plainFormat } from "../../simulator/workload/matmul.ts";
import { machineWith } from "./machines.ts";

const formatsOf = (...texts: readonly string[]): readonly Format[] => {
  const sink = new Diagnostics();
  const sources = [...stdFiles().map((f) => f.source), ...texts.map((text) => ({ name: "own.loom", text }))];
  const { formats } = check(sources, sink);
  expect(sink.failed).toBe(false);
  return formats;
};

/** Nothing is read twice: buffers have no end, and the product is one tile. */
const machine = machineWith({ rows: 512, columns: 8, dataflow: "ws" });
const [M, N, K] = [4, 6, 512];

/** Bytes that a product reads off chip, by operand. */
function bytesRead(weight: Format, activation: Format): number {
  const shape = { name: "p", batch: 1, m: M, n: N, k: K, weight, activation, output: "f16" } as const;
  const tiled = tileMachine(matmulProgram(shape), machine, "ws", new Diagnostics())!;
  return runProgram(tiled, machine).actions.memory.dram!.readBytes;
}

/** The declaration's own count: whole records, then fields of rows and of the tensor, each field in whole bytes at most. */
function declaredBits(format: Format, rows: number): number {
  const records = (K / format.block) * rows * format.recordBits;
  const own = format.fields.reduce((sum, f) => {
    const bits = f.count * Number(/\d+$/.exec(f.type.replace(/e\dm\d.*/, (t) => (t.includes("8") ? "8" : "8")))?.[0]);
    return sum + (f.scope === "row" ? rows * bits : f.scope === "tensor" ? bits : 0);
  }, 0);
  return records + own;
}

describe("bits moved", () => {
  const all = formatsOf().filter((f) => K % f.block === 0 && f.fields.every((f) => /^[iuf]\d+$|^bf16$/.test(f.type)));

  it("every format of the library: records with scales, selectors and zero points", () => {
    expect(all.length).toBeGreaterThan(100);
    const f16 = plainFormat("f16");
    const wrong = all.flatMap((format) => {
      const read = bytesRead(format, f16) - 2 * M * K;
      const bits = declaredBits(format, N);
      // Fields lie in tensors of their own, each of whole bytes a tile.
      const slack = format.fields.length * 8 * N;
      return read * 8 >= bits && read * 8 < bits + slack ? [] : [[format.name, read, bits / 8]];
    });
    expect(wrong).toEqual([]);
  });

  it("accesses are stored elements: a code and a scale count one each", () => {
    const int4 = all.find((f) => f.name === "int4_g128")!;
    const shape = { name: "p", batch: 1, m: M, n: N, k: K, weight: int4, activation: "f16", output: "f16" } as const;
    const { memory } = runProgram(
      tileMachine(matmulProgram(shape), machine, "ws", new Diagnostics())!,
      machine,
    ).actions;
    expect(memory.dram).toMatchObject({ readElements: M * K + N * K + (N * K) / 128, writeElements: M * N });
    expect(memory.obuf!.writeElements).toBe(M * N * 2);
  });

  it("as activations, beside weights of any other format", () => {
    const named = (name: string): Format => all.find((f) => f.name === name)!;
    const both = bytesRead(named("int4_g128"), named("q8_0"));
    expect(both).toBe((N * K * 4.125) / 8 + (M * K * 8.5) / 8);
    expect(bytesRead(named("q8_0"), named("q8_0"))).toBe(((N + M) * K * 8.5) / 8);
  });

  it("a user's declaration: several codes a value, padding, and blocks of which only the size is known", () => {
    const own = formatsOf(
      "format pairs {\n  block 32\n  scale: f16\n  q: u2[64]\n  value(i) = scale * (q[2 * i] + q[2 * i + 1])\n}\n",
    ).find((f) => f.name === "pairs")!;
    expect(own.recordBits).toBe(16 + 128);
    expect((bytesRead(own, plainFormat("f16")) - 2 * M * K) * 8).toBe(N * (K / 32) * (16 + 128));
    const padded = { ...own, name: "padded", recordBits: own.recordBits + 48 };
    expect((bytesRead(padded, plainFormat("f16")) - 2 * M * K) * 8).toBe(N * (K / 32) * (16 + 128 + 48));
    expect(bytesRead(opaqueFormat("IQ2_XXS", 256, 66), plainFormat("f16")) - 2 * M * K).toBe((N * K * 66) / 256);
  });
});

describe("allocation", () => {
  it("globs name whole layers", () => {
    expect(globPattern("*.mlp.*").test("model.layers.3.mlp.up_proj")).toBe(true);
    expect(globPattern("*.?_proj").test("model.layers.3.self_attn.q_proj")).toBe(true);
    expect(globPattern("*.?_proj").test("model.layers.3.mlp.up_proj")).toBe(false);
    expect(globPattern("a.b").test("axb")).toBe(false);
    expect(globPattern("experts.0-3(").test("experts.0-3(")).toBe(true);
  });

  it("the first line that says something of an operand decides, and means count every weight", () => {
    const sink = new Diagnostics();
    const workload = {
      ...{ name: "tiny", hidden: 128, feedForward: 256, blocks: 2, heads: 2, keyValueHeads: 2, headSize: 64 },
      vocabulary: 256,
    };
    const result = simulate(
      {
        ...{ workload, hardware: machine, phase: "decode", batch: 1, context: 128, weights: 4 },
        allocation: [
          { layers: "*.0.mlp.*", keyValues: 8 },
          { layers: "*.mlp.*", weights: 8, activations: 8 },
          { layers: "*.0.*", weights: 16 },
          { layers: "*.qk", keyValues: 4 },
        ],
      },
      tileMachine,
      sink,
    )!.report.results[0]!;
    expect(sink.list).toEqual([]);
    const formats = Object.fromEntries(result.layers.map((l) => [l.name, `${l.activationFormat} ${l.operandFormat}`]));
    expect(formats["model.layers.0.mlp.up_proj"]).toBe("int8_g128 int8_g128");
    expect(formats["model.layers.0.self_attn.q_proj"]).toBe("f16 f16");
    expect(formats["model.layers.1.self_attn.q_proj"]).toBe("f16 int4_g128");
    expect(formats["model.layers.1.self_attn.qk"]).toBe("f16 int4_g128");
    expect(formats["model.layers.1.self_attn.pv"]).toBe("f16 f16");
    const [mlp, attention, head] = [2 * 3 * 128 * 256, 4 * 128 * 128, 128 * 256];
    const bits = (mlp * 8.125 + attention * 16 + attention * 4.125 + head * 4.125) / (mlp + 2 * attention + head);
    expect(result.weightBits).toBeCloseTo(bits, 12);
  });
});
