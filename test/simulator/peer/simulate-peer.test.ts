/** Presets by name on a config or on layers: what a user asks, what is refused and where. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../../ir/diagnostics.ts";
import { type PeerRequest, readPeerModel, simulatePeer } from "../../../simulator/peer/index.ts";
import { readTable } from "../../validation/csv.ts";

const llama = {
  _name_or_path: "meta-llama/Llama-2-7b-hf",
  model_type: "llama",
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  vocab_size: 32000,
};

function model(config: object): PeerRequest["workload"] {
  const sink = new Diagnostics();
  const found = readPeerModel(JSON.stringify(config), 0, "config.json", sink);
  expect(sink.list).toEqual([]);
  return { kind: "model", model: found! };
}

const base: PeerRequest = {
  preset: "bitmod-v2",
  hardware: "ant",
  workload: model(llama),
  phase: "prefill",
  batch: 4,
  context: 256,
};

function refusal(request: PeerRequest): readonly string[] {
  const sink = new Diagnostics();
  expect(simulatePeer(request, sink)).toBeUndefined();
  return sink.list.map((d) => d.code);
}

describe("simulatePeer", () => {
  it("takes the published bits of a model known by its name or by its dimensions alone", () => {
    const row = readTable("bitmod/revised-v2.csv").find(
      (r) =>
        r.accelerator === "ANT" && r.model === llama._name_or_path && r.mode!.startsWith("disc") && r.batch === "4",
    )!;
    const { _name_or_path, ...nameless } = llama;
    for (const config of [llama, nameless, { ...llama, _name_or_path: "somewhere/renamed" }]) {
      const report = simulatePeer({ ...base, workload: model(config) }, new Diagnostics())!;
      const [result] = report.results;
      expect(report.schema).toBe("bitloom.simulate/1");
      expect(result!.weightBits).toBe(5);
      expect(result!.totals.cycles).toBe(Number(row["total_cycles(sum of per-layer max(compute,dram))"]));
      expect(result!.totals.energyPJ!.total / 1e6 / Number(row.total_uJ)).toBeCloseTo(1, 6);
      expect(result!.totals.timeSeconds).toBeCloseTo(result!.totals.cycles / 1e9, 12);
      expect(result!.layers.length).toBe(289);
      expect(result!.layers[0]!.name).toBe("model.layers.0.self_attn.q_proj");
      expect(result!.totals.cycles).toBe(result!.totals.computeCycles + result!.totals.stallCycles);
    }
  });

  it("asks for the weight bits of a model that nobody published", () => {
    const unknown = { ...base, workload: model({ ...llama, num_hidden_layers: 8, _name_or_path: "me/mine" }) };
    expect(refusal(unknown)).toEqual(["peer/weight-bits"]);
    const result = simulatePeer({ ...unknown, weightBits: 4.5 }, new Diagnostics())!.results[0]!;
    expect(result.weightBits).toBe(4.5);
    expect(result.layers.length).toBe(73);
    // FP16 and BitMoD store every model alike.
    expect(simulatePeer({ ...unknown, hardware: "bitmod-lossy" }, new Diagnostics())!.results[0]!.weightBits).toBe(
      4.0625,
    );
  });

  it("runs products that a user lists", () => {
    const layers = [{ kind: "gemm", name: "fc", m: 64, n: 4096, k: 1024, count: 1 }] as const;
    const workload = { kind: "layers", name: "mine", layers } as const;
    const [result] = simulatePeer(
      { ...base, hardware: "fp16-baseline", workload, batch: 1 },
      new Diagnostics(),
    )!.results;
    // 32 × 24 PEs: 1024 · 128 · 3 tiles of one cycle; 8 MB + 128 KB + 512 KB at 32 bytes a cycle.
    expect(result!.totals).toMatchObject({ computeCycles: 393216, cycles: 393216, counters: { dramCycles: 282624 } });
  });

  it.each([
    ["peer/preset", { preset: "bitmod-v3" }],
    ["peer/hardware", { hardware: "tpu" }],
    ["peer/request", { batch: 0 }],
    ["peer/request", { context: 1.5 }],
    ["peer/request", { weightBits: 32 }],
    ["peer/batch", { preset: "bitmod-v1" }],
    ["peer/sram-width", { hardware: "ant", phase: "decode", weightBits: 9 }],
  ] as const)("refuses with %s: %o", (code, change) => {
    expect(refusal({ ...base, ...change })).toEqual([code]);
  });
});

describe("the presets ant and bitfusion", () => {
  const run = (change: Partial<PeerRequest>) => {
    const sink = new Diagnostics();
    const report = simulatePeer({ ...base, preset: "ant", hardware: "ant-os", ...change }, sink);
    return { result: report?.results[0], codes: sink.list.map((d) => d.code) };
  };
  const network = (name: string) => ({ kind: "network", name }) as const;

  it("add up their own networks to the published totals, in picojoules, bytes and seconds", () => {
    const row = readTable("ant/totals.csv").find((r) => r.accelerator === "ANT-OS" && r.network === "resnet18")!;
    const { totals, layers, weightBits } = run({ workload: network("resnet18"), batch: 64 }).result!;
    expect([totals.cycles, totals.stallCycles]).toEqual([Number(row.total_cycles), Number(row.stall_cycles)]);
    expect(totals.bytes.dram).toEqual({ read: Number(row.dram_read_bits) / 8, write: Number(row.dram_write_bits) / 8 });
    expect(totals.energyPJ!.total / 1000 / Number(row.total_nJ)).toBeCloseTo(1, 7);
    expect(totals.timeSeconds).toBeCloseTo(Number(row.total_cycles) / 500e6, 9);
    expect(layers.length).toBe(21);
    // 8 bits in the first and the last layer, 4 in all others: 9408 + 512000 weights of 11678912.
    expect(weightBits).toBeCloseTo(4 + (4 * (9408 + 512000)) / 11678912, 9);

    const published = readTable("ant/bitfusion-published-totals.csv").find((r) => r.network === "VGG-7")!;
    const vgg = { preset: "bitfusion", hardware: "16x32-192", workload: network("VGG-7"), batch: 16 };
    expect(run(vgg).result!.totals.cycles).toBe(Number(published.Cycles));
  });

  it("run a listed layer as the same layer of a network", () => {
    const conv = {
      kind: "conv",
      name: "c",
      inputHeight: 226,
      inputWidth: 226,
      kernelHeight: 3,
      kernelWidth: 3,
    } as const;
    const layers = [{ ...conv, channels: 64, filters: 64, stride: 1 }];
    const workload = { kind: "layers", name: "one", layers } as const;
    const row = readTable("ant/layers.csv").find((r) => r.acc === "ANT-OS" && r.net === "vgg16" && r.layer === "1")!;
    const { result, codes } = run({ workload, batch: 64, weightBits: 4 });
    expect(codes).toEqual([]);
    expect(result!.totals.cycles).toBe(Number(row.cycles));
    expect(result!.totals.macs).toBe(9 * 64 * 64 * 224 * 224 * 64);
    expect(
      run({ workload: { ...workload, layers: [{ ...layers[0]!, kernelWidth: 5 }] }, weightBits: 4 }).codes,
    ).toEqual(["peer/square"]);
  });

  it("run a transformer's linear layers, whose rows are the tokens of the batch", () => {
    const { result } = run({ weightBits: 4, batch: 2, context: 128 });
    expect(result!.layers.length).toBe(32 * 7 + 1);
    expect(result!.layers[0]!.macs).toBe(4096 * 4096 * 256);
    const bitfusion = run({ preset: "bitfusion", hardware: "16x64-4096", weightBits: 4, batch: 2, context: 128 });
    expect(bitfusion.result!.totals.macs).toBe(result!.totals.macs);
  });

  it.each([
    ["peer/hardware", { hardware: "gobo" }],
    ["peer/hardware", { preset: "bitfusion", hardware: "constructor" }],
    ["peer/network", { workload: network("lenet") }],
    ["peer/network", { preset: "bitfusion", hardware: "16x32-192", workload: network("toString") }],
    ["peer/network", { preset: "bitmod-v2", hardware: "ant", workload: network("vgg16") }],
    ["peer/network", { preset: "scalesim", hardware: "os-8x8", workload: network("vgg16") }],
    ["peer/weight-bits", {}],
    ["peer/weight-bits", { weightBits: 4.5 }],
    ["peer/weight-bits", { hardware: "biscaled", weightBits: 8 }],
  ] as const)("refuse with %s: %o", (code, change) => {
    expect(run(change)).toEqual({ result: undefined, codes: [code] });
  });

  it("say which layer has no tile that fits", () => {
    const conv = {
      kind: "conv",
      name: "wide",
      inputHeight: 300,
      inputWidth: 300,
      kernelHeight: 300,
      kernelWidth: 300,
    } as const;
    const layers = [{ ...conv, channels: 8, filters: 8, stride: 1 }];
    expect(run({ weightBits: 8, workload: { kind: "layers", name: "w", layers } })).toEqual({
      result: undefined,
      codes: ["peer/tile"],
    });
  });
});

describe("readPeerModel", () => {
  const codes = (text: string): readonly string[] => {
    const sink = new Diagnostics();
    expect(readPeerModel(text, 0, "config.json", sink)).toBeUndefined();
    return sink.list.map((d) => `${d.code} at ${text.slice(d.span.start, d.span.end).slice(0, 20)}`);
  };

  it("reads OPT's, Phi's and GPT-2's own names", () => {
    const { model: opt } = model({
      _name_or_path: "facebook/opt-1.3b",
      model_type: "opt",
      hidden_size: 2048,
      ffn_dim: 8192,
      num_hidden_layers: 24,
      num_attention_heads: 32,
      vocab_size: 50272,
      word_embed_proj_dim: 2048,
    }) as Extract<PeerRequest["workload"], { kind: "model" }>;
    expect(opt.shape).toEqual({ ...opt.known!.shape, name: "facebook/opt-1.3b" });
    const { model: gpt2 } = model({ model_type: "gpt2", n_embd: 768, n_layer: 12, n_head: 12, vocab_size: 50257 }) as {
      model: typeof opt;
    };
    expect(gpt2.shape).toMatchObject({ feedForward: 3072, headSize: 64, gated: false, name: "config.json" });
    expect(gpt2.known).toBeUndefined();
  });

  it("says where a config is wrong", () => {
    expect(codes("{")).toEqual(["json/syntax at "]);
    expect(codes('{"model_type": "mamba"}')).toEqual(['workload/family at "mamba"']);
    expect(codes('{"hidden_size": 1}')).toEqual(['workload/missing at {"hidden_size": 1}']);
    expect(codes(JSON.stringify({ ...llama, num_key_value_heads: 5 }))).toEqual(["workload/shape at 5"]);
    expect(codes(JSON.stringify({ ...llama, num_attention_heads: 33, num_key_value_heads: 33 }))).toEqual([
      "workload/shape at 33",
    ]);
    expect(codes(JSON.stringify({ ...llama, vocab_size: -1 }))).toEqual(["workload/range at -1"]);
  });
});
