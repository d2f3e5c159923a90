/** Presets by name on a config or on layers: what a user asks, what is refused and where. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../../ir/diagnostics.ts";
import { type PeerRequest, readPeerModel, simulatePeer } from "../../../simulator/peer/index.ts";
import { readTable } from "./csv.ts";

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
