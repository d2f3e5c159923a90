/** Whole runs: accounting that closes, bounds that hold, results that do not depend on how they were computed. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { partsOf } from "../../hw-models/derive.ts";
import { ACCELERATORS } from "../../hw-models/index.ts";
import type { AcceleratorModel, Dataflow } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Program } from "../../ir/program.ts";
import { runProgram } from "../../simulator/engine.ts";
import {
  readHuggingFace,
  type SimulateRequest,
  type SimulateResult,
  simulate,
  type Transformer,
} from "../../simulator/index.ts";
import { totalOf } from "../../simulator/states.ts";
import { groupedFormat, matmulProgram, plainFormat } from "../../simulator/workload/matmul.ts";
import { type MachineChoice, machineWith } from "./machines.ts";

const llama = readHuggingFace(
  readFileSync(new URL("../data/llama-2-7b/config.json", import.meta.url), "utf8"),
  0,
  "",
  new Diagnostics(),
)!;

/** Small, with shared keys and values and sizes that divide nothing. */
const tiny: Transformer = {
  name: "tiny",
  hidden: 96,
  feedForward: 200,
  blocks: 3,
  heads: 6,
  keyValueHeads: 2,
  headSize: 16,
  vocabulary: 130,
};

const small = machineWith({
  rows: 8,
  columns: 8,
  dataflow: "ws",
  overlap: { shadowRegisters: true, fillOverlapsDrain: true },
  capacityBytes: 8192,
  bytesPerCycle: 16,
  latencyCycles: 20,
  requestBytes: 64,
  codesPerCycle: 8,
  elementsPerCycle: 8,
});

function run(request: Partial<SimulateRequest>): SimulateResult {
  const sink = new Diagnostics();
  const whole: SimulateRequest = {
    workload: tiny,
    hardware: small,
    phase: "prefill",
    batch: 1,
    context: 50,
    weights: 16,
    ...request,
  };
  const simulation = simulate(whole, tileMachine, sink);
  expect(sink.list).toEqual([]);
  return simulation!.report.results[0]!;
}

const runs = (["ws", "os", "is"] as const).flatMap((dataflow) =>
  (["prefill", "decode"] as const).flatMap((phase) => [16, 4].map((weights) => ({ dataflow, phase, weights }))),
);

describe("accounting", () => {
  it.each(runs)("$dataflow $phase, $weights bits: states, products and bytes close", ({ dataflow, phase, weights }) => {
    const { totals, layers } = run({ dataflow, phase, weights });
    for (const figures of [totals, ...layers])
      for (const table of Object.values(figures.units)) expect(totalOf(table)).toBe(figures.cycles);
    expect(layers.reduce((sum, l) => sum + l.cycles, 0)).toBe(totals.cycles);
    for (const l of layers) {
      expect(l.macs).toBe(l.shape.batch * l.shape.m * l.shape.n * l.shape.k);
      // Results leave once; operands come at least once.
      expect(l.bytes.dram!.write).toBe(2 * l.shape.batch * l.shape.m * l.shape.n);
      expect(l.bytes.dram!.read).toBeGreaterThanOrEqual(2 * l.shape.batch * l.shape.m * l.shape.k);
      // What comes in lies in a buffer, and what goes out has lain there.
      expect(l.bytes.wbuf!.write + l.bytes.ibuf!.write).toBe(l.bytes.dram!.read);
      const { total, ...parts } = l.energyPJ;
      expect(Object.values(parts).reduce((sum, e) => sum + e, 0)).toBeCloseTo(total, 6);
      expect(l.energyPJ.pe).toBe(10 * l.macs);
      expect(l.energyPJ.dram).toBe(100 * l.bytes.dram!.read + 200 * l.bytes.dram!.write);
    }
  });

  it("no unit is faster than it can be", () => {
    for (const { dataflow, phase, weights } of runs) {
      for (const l of run({ dataflow, phase, weights }).layers) {
        const { dram, array } = partsOf(small);
        expect(l.cycles).toBeGreaterThanOrEqual((l.bytes.dram!.read + l.bytes.dram!.write) / dram.bytesPerCycle);
        expect(l.cycles).toBeGreaterThanOrEqual(l.macs / (array.rows * array.columns));
        expect(l.utilisation).toBeLessThanOrEqual(1);
      }
    }
  });

  it("every stall that has a culprit names one, and no unit blames itself", () => {
    for (const [name, table] of Object.entries(run({}).totals.units)) {
      const waiting = [
        "operand-weight",
        "operand-activation",
        "operand-result",
        "accumulator",
        "buffer-full",
        "dram-bandwidth",
      ] as const;
      const blamed = Object.values(table.culprits).reduce((sum, c) => sum + c, 0);
      expect(blamed).toBe(waiting.reduce((sum, cause) => sum + (table.stall[cause] ?? 0), 0));
      expect(Object.keys(table.culprits)).not.toContain(name);
    }
  });
});

describe("one product by hand", () => {
  const product = (choice: Partial<MachineChoice>, shape: { m: number; n: number; k: number }, bits = 16) => {
    const machine = machineWith({
      rows: 4,
      columns: 4,
      dataflow: "ws",
      overlap: { shadowRegisters: true, fillOverlapsDrain: true },
      ...choice,
    });
    const weight = bits === 16 ? plainFormat("f16") : groupedFormat(bits, 4);
    const program = matmulProgram({ name: "p", batch: 1, ...shape, activation: "f16", weight, output: "f16" });
    return runProgram(
      tileMachine(
        program,
        machine,
        machine.units.flatMap((u) => (u.kind === "systolic" ? [u.dataflow] : []))[0]!,
        new Diagnostics(),
      )!,
      machine,
    );
  };

  it("cold start: weights and rows come in turns, then one fold, then the results leave", () => {
    // 32 bytes of weights and 32 of rows at 4 bytes a cycle: weights cross in 0–8, rows in 8–16, each 10 cycles later in
    // their buffer; shifting in takes 4 (18–22), rows enter in 26–30, 6 later the last sum is out, 32 bytes leave in 36–44.
    const { cycles, units } = product({ bytesPerCycle: 4, latencyCycles: 10 }, { m: 4, n: 4, k: 4 });
    expect(units.pe).toEqual({
      busy: { contract: 4 },
      stall: { "operand-activation": 26, drain: 6 },
      idle: 8,
      culprits: { "dma-i": 26 },
    });
    expect(cycles).toBe(44);
    expect(units.dram).toEqual({ busy: { read: 16, write: 8 }, stall: {}, idle: 20, culprits: {} });
    expect(units["dma-i"]).toEqual({
      busy: { load: 8 },
      stall: { "dram-bandwidth": 8, "dram-latency": 10 },
      idle: 18,
      culprits: { "dma-w": 8 },
    });
    expect(units["feed-w"]).toEqual({
      busy: { feed: 4 },
      stall: { "operand-weight": 18 },
      idle: 22,
      culprits: { "dma-w": 18 },
    });
  });

  it("a decoder of one code a cycle sets the pace: 16 codes a fold", () => {
    const { cycles, units, actions } = product({ codesPerCycle: 1 }, { m: 1, n: 16, k: 16 }, 4);
    expect(actions.codes["feed-w"]).toBe(256);
    expect(units["feed-w"]!.busy).toEqual({ decode: 256 });
    expect(cycles).toBe(256 + 1 + 6);
  });

  it("four-bit weights move a quarter of the bytes and their scales", () => {
    const bytes = (bits: number): number => product({}, { m: 1, n: 64, k: 64 }, bits).actions.memory.wbuf!.writeBytes;
    expect(bytes(16)).toBe(2 * 64 * 64);
    expect(bytes(4)).toBe((64 * 64) / 2 + 2 * 64 * 16);
  });
});

describe("independence", () => {
  it.each(runs)("$dataflow $phase, $weights bits: remembering layers changes nothing", (request) => {
    expect(run({ ...request, memoise: false })).toEqual(run(request));
  });

  it("a product from the language runs as the simulator's own", () => {
    const source =
      "op linear<M, N, K>(x: f16[M, K], w: f16[N, K]) -> f16[M, N] {\n  y[m, n] = sum k { x[m, k] * w[n, k] }\n}\n";
    const coded = source.replace("w: f16", "w: int4_g128");
    const sizes = { M: 33, N: 70, K: 256 };
    const fromLanguage = (text: string): Program => {
      const sink = new Diagnostics();
      const module = check([{ name: "linear.loom", text }], sink);
      const program = instantiate(module, "linear", sizes, sink);
      expect(sink.list).toEqual([]);
      return program!;
    };
    for (const dataflow of ["ws", "os", "is"] as const satisfies readonly Dataflow[]) {
      const machine: AcceleratorModel = {
        ...small,
        units: small.units.map((u) => (u.kind === "systolic" ? { ...u, dataflow } : u)),
      };
      const figures = (program: Program) => {
        const sink = new Diagnostics();
        const { cycles, units, actions } = runProgram(tileMachine(program, machine, dataflow, sink)!, machine);
        return { cycles, units, actions };
      };
      for (const [text, weight] of [
        [source, plainFormat("f16")],
        [coded, groupedFormat(4, 128)],
      ] as const) {
        const own = matmulProgram({
          name: "linear",
          batch: 1,
          m: sizes.M,
          n: sizes.N,
          k: sizes.K,
          activation: "f16",
          weight,
          output: "f16",
        });
        expect(figures(fromLanguage(text))).toEqual(figures(own));
      }
    }
  });
});

describe("Llama-2-7B on systolic-128", () => {
  const machine = ACCELERATORS[0]!;
  const of = (phase: "prefill" | "decode", weights: number): SimulateResult =>
    run({ workload: llama, hardware: machine, phase, context: 2048, weights });

  it("decode reads every weight once: the interface sets the time at 16 bits, the shifting in at 4", () => {
    const weights = 6_738_415_616 - 32_000 * 4096 - 65 * 4096;
    const keyValues = 32 * 2 * 2048 * 4096 * 2;
    const [wide, narrow] = [of("decode", 16), of("decode", 4)];
    expect(wide.totals.bytes.wbuf!.write).toBe(2 * weights + keyValues);
    expect(narrow.totals.bytes.wbuf!.write).toBe((weights * 4.125) / 8 + keyValues);
    expect(wide.totals.units.dram!.idle / wide.totals.cycles).toBeLessThan(0.01);
    // A tile of 128 × 128 takes 128 cycles to shift in, and 4.125 bits of it cross in 132.
    expect(wide.totals.cycles / narrow.totals.cycles).toBeGreaterThan(2);
  });

  it("prefill keeps the array busy", () => {
    const { totals, layers } = of("prefill", 16);
    expect(totals.macs).toBe(layers.reduce((sum, l) => sum + l.macs, 0));
    expect(totals.utilisation).toBeGreaterThan(0.7);
    expect(layers.length).toBe(289);
  });
});

describe("requests that cannot be met", () => {
  const messages = (request: Partial<SimulateRequest>): readonly string[] => {
    const sink = new Diagnostics();
    const whole: SimulateRequest = {
      workload: tiny,
      hardware: small,
      phase: "prefill",
      batch: 1,
      context: 50,
      weights: 16,
      ...request,
    };
    expect(simulate(whole, tileMachine, sink)).toBeUndefined();
    return sink.list.map((d) => `${d.code} ${d.message}`);
  };

  it("say what is wrong", () => {
    expect(messages({ batch: 0 })).toEqual(["simulate/request the batch must be an integer of at least 1, not 0"]);
    expect(messages({ context: 1.5 })[0]).toMatch(/simulate\/request the context/);
    expect(messages({ weights: 9 })).toEqual(["simulate/request weights have 2 to 8 or 16 bits, not 9"]);
    const narrow = machineWith({ rows: 8, columns: 8, dataflow: "ws", capacityBytes: 100 });
    expect(messages({ hardware: narrow })).toContainEqual(
      expect.stringMatching(/simulate\/capacity model\.layers\.0\.self_attn\.q_proj does not fit obuf/),
    );
  });
});
