/** Workloads: a Hugging Face config becomes the network's products, and a wrong one is refused at its line. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type Layer, layersOf, type Network, readHuggingFace, type Transformer } from "../../simulator/index.ts";
import { convolutional } from "../../simulator/workload/convolutions.ts";
import { layersOfPass, networkOf, type Pass } from "../../simulator/workload/layers.ts";
import { parameterCount } from "../../simulator/workload/network.ts";
import { networkOfTopology } from "../../simulator/workload/topology.ts";

const text = readFileSync(new URL("../data/llama-2-7b/config.json", import.meta.url), "utf8");

function read(source: string): Network | undefined {
  const sink = new Diagnostics();
  const model = readHuggingFace(source, 0, "unnamed", sink);
  expect(sink.list).toEqual([]);
  return model;
}

function problems(source: string): readonly string[] {
  const sink = new Diagnostics();
  expect(readHuggingFace(source, 0, "unnamed", sink)).toBeUndefined();
  return sink.list.map((d) => {
    const before = source.slice(0, d.span.start).split("\n");
    return `${before.length}:${before.at(-1)!.length + 1} ${d.code} ${d.message}`;
  });
}

const macs = (layers: readonly Layer[]): number =>
  layers.reduce((sum, { shape: s }) => sum + s.batch * s.m * s.n * s.k, 0);

describe("readHuggingFace", () => {
  it("reads Llama-2-7B", () => {
    const byHand: Transformer = {
      name: "meta-llama/Llama-2-7b-hf",
      hidden: 4096,
      feedForward: 11008,
      blocks: 32,
      heads: 32,
      keyValueHeads: 32,
      headSize: 128,
      vocabulary: 32000,
    };
    expect(read(text)).toEqual(networkOf(byHand));
  });

  it("takes as many key–value heads as heads, and hidden / heads, where nothing is said", () => {
    const attention = (source: string) => read(source)?.stages.find((s) => s.kind === "attention");
    const bare = text.replace(/ *"num_key_value_heads": 32,\n/, "").replace(/ *"_name_or_path".*\n/, "");
    expect(read(bare)?.name).toBe("unnamed");
    expect(attention(bare)).toMatchObject({ keyValueHeads: 32, headSize: 128 });
    expect(attention(text.replace('"hidden_size": 4096', '"head_dim": 64, "hidden_size": 4096'))).toMatchObject({
      headSize: 64,
    });
  });

  it("refuses missing and wrong fields where they stand", () => {
    expect(problems(text.replace(/ *"hidden_size": 4096,\n/, ""))).toEqual([
      "1:1 workload/missing `hidden_size` is missing",
    ]);
    expect(problems(text.replace('"hidden_size": 4096', '"hidden_size": "4096"'))).toEqual([
      '5:18 workload/type `hidden_size` must be an integer, not the text "4096"',
    ]);
    expect(problems(text.replace('"vocab_size": 32000', '"vocab_size": -1'))[0]).toMatch(/^15:17 workload\/range/);
    expect(problems(text.replace('"num_attention_heads": 32', '"num_attention_heads": 31'))[0]).toMatch(
      /^\d+:\d+ workload\/shape/,
    );
    expect(problems(text.replace('"num_key_value_heads": 32', '"num_key_value_heads": 5'))[0]).toMatch(
      /workload\/shape `num_key_value_heads` \(5\) does not divide `num_attention_heads` \(32\)/,
    );
    expect(problems(text.replace('"llama"', '"rwkv"'))[0]).toMatch(/^8:17 workload\/family/);
    expect(problems(text.slice(0, 100))[0]).toMatch(/json\/syntax/);
    expect(problems("[]")).toEqual(["1:1 workload/type `the file` must be an object, not a list"]);
  });
});

describe("layersOf", () => {
  const model: Transformer = {
    ...{ name: "llama", hidden: 4096, feedForward: 11008, blocks: 32 },
    ...{ heads: 32, keyValueHeads: 32, headSize: 128, vocabulary: 32000 },
  };
  // Llama-2-7B has 6 738 415 616 parameters, of which the embedding (32000 · 4096) and the norms (65 · 4096) multiply nothing.
  const weights = 6_738_415_616 - 32_000 * 4096 - 65 * 4096;

  it("decode: every weight once, and each head's keys and values", () => {
    const layers = layersOf(model, "decode", 1, 2048);
    expect(layers.length).toBe(32 * 9 + 1);
    expect(macs(layers.filter((l) => l.operand === "weight"))).toBe(weights);
    expect(macs(layers.filter((l) => l.operand === "keyValue"))).toBe(32 * 2 * 32 * 128 * 2048);
    expect(macs(layersOf(model, "decode", 4, 2048))).toBe(4 * macs(layers));
  });

  it("prefill: every weight for every token, attention in full", () => {
    const layers = layersOf(model, "prefill", 1, 2048);
    expect(macs(layers.filter((l) => l.operand === "weight"))).toBe(2048 * weights);
    expect(macs(layers.filter((l) => l.operand === "keyValue"))).toBe(32 * 2 * 32 * 128 * 2048 ** 2);
  });

  it("heads that share keys and values are rows of one product", () => {
    const shared = { ...model, keyValueHeads: 8 };
    const qk = layersOf(shared, "decode", 2, 100).find((l) => l.name === "model.layers.3.self_attn.qk");
    expect(qk?.shape).toEqual({ batch: 16, m: 4, n: 100, k: 128 });
    const k = layersOf(shared, "prefill", 2, 100).find((l) => l.name.endsWith("0.self_attn.k_proj"));
    expect(k?.shape).toEqual({ batch: 1, m: 200, n: 1024, k: 4096 });
    expect(macs(layersOf(shared, "decode", 1, 100).filter((l) => l.operand === "keyValue"))).toBe(
      32 * 2 * 32 * 128 * 100,
    );
  });
});

interface Published {
  readonly name: string;
  readonly parameters: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly labels?: number;
}
const { models } = JSON.parse(readFileSync(new URL("../data/models/parameters.json", import.meta.url), "utf8")) as {
  readonly models: readonly Published[];
};

function published(name: string): Network {
  const { config, labels } = models.find((m) => m.name === name)!;
  const id2label = labels === undefined ? {} : { id2label: Object.fromEntries(Array(labels).fill("").entries()) };
  return read(JSON.stringify({ ...config, ...id2label, _name_or_path: name }))!;
}

describe("families", () => {
  it.each(models.map((m) => [m.name, m.parameters] as const))("%s has %i parameters", (name, parameters) => {
    expect(parameterCount(published(name))).toBe(parameters);
  });

  const passOf = (name: string, pass: Partial<Pass>): readonly Layer[] =>
    layersOfPass(published(name), { phase: "decode", batch: 1, context: 100, ...pass });

  it("decode multiplies each weight once: parameters less vectors, less tables that are looked up", () => {
    // GPT-2: 12 · width² a block, and the logits.
    const gpt2 = passOf("openai-community/gpt2", {});
    expect(macs(gpt2.filter((l) => l.operand === "weight"))).toBe(12 * 12 * 768 ** 2 + 50257 * 768);
    expect(macs(gpt2.filter((l) => l.operand === "keyValue"))).toBe(12 * 2 * 100 * 768);
    // Qwen3-30B-A3B is published with 3 353 032 704 parameters that a token meets, tables and norms among them.
    const qwen = passOf("Qwen/Qwen3-30B-A3B", {});
    const idle = 151936 * 2048 + 48 * (2 * 2048 + 2 * 128) + 2048;
    expect(macs(qwen.filter((l) => l.operand === "weight"))).toBe(3_353_032_704 - idle);
    // Mamba: in, x, step, out; tied logits.
    const mamba = passOf("state-spaces/mamba-130m-hf", {});
    expect(macs(mamba)).toBe(24 * (3072 * 768 + 80 * 1536 + 1536 * 48 + 768 * 1536) + 50280 * 768);
  });

  it("experts: as many as tokens reach, as evenly loaded as whole tokens allow", () => {
    const experts = (pass: Partial<Pass>) =>
      passOf("mistralai/Mixtral-8x7B-v0.1", pass)
        .filter((l) => /layers\.7\..*\.w1$/.test(l.name))
        .map(({ name, shape }) => [name.replace(/.*experts\./, ""), shape.batch, shape.m]);
    expect(experts({})).toEqual([["0-1.w1", 2, 1]]);
    expect(experts({ batch: 3 })).toEqual([["0-5.w1", 6, 1]]);
    expect(experts({ phase: "prefill", context: 101 })).toEqual([
      ["0-1.w1", 2, 26],
      ["2-7.w1", 6, 25],
    ]);
    expect(experts({ phase: "prefill", context: 101, activeExperts: 2 })).toEqual([["0-1.w1", 2, 101]]);
    for (const activeExperts of [2, 5, 8]) {
      const layers = passOf("mistralai/Mixtral-8x7B-v0.1", { phase: "prefill", context: 101, activeExperts });
      expect(macs(layers.filter((l) => l.name.includes("experts")))).toBe(32 * 101 * 2 * 3 * 4096 * 14336);
    }
  });

  it("keys of a window: Gemma 2 in every other block, Mistral in all", () => {
    const keys = (name: string, context: number): readonly number[] =>
      passOf(name, { context })
        .filter((l) => l.name.endsWith(".qk"))
        .map((l) => l.shape.n);
    expect(keys("google/gemma-2-2b", 6000).slice(0, 4)).toEqual([4096, 6000, 4096, 6000]);
    expect(new Set(keys("mistralai/Mistral-7B-v0.1", 6000))).toEqual(new Set([4096]));
    expect(keys("google/gemma-3-1b-it", 6000).slice(0, 7)).toEqual([512, 512, 512, 512, 512, 6000, 512]);
    expect(new Set(keys("Qwen/Qwen2-7B", 200000))).toEqual(new Set([200000]));
  });

  it("ViT-B/16 on 224 × 224: 17.6 billion multiply–accumulates, as published (Touvron et al., 2021: 17.6 GFLOPs)", () => {
    const layers = passOf("google/vit-base-patch16-224", { phase: "prefill" });
    const block = 197 * 12 * 768 ** 2 + 2 * 197 ** 2 * 768;
    expect(macs(layers)).toBe(196 * 768 ** 2 + 12 * block + 1000 * 768);
    expect(macs(layers) / 1e9).toBeCloseTo(17.6, 1);
  });

  it("BERT sees all tokens at once and decodes none", () => {
    const layers = passOf("google-bert/bert-base-uncased", { phase: "prefill", batch: 2, context: 128 });
    expect(macs(layers)).toBe(2 * (128 * 12 * 12 * 768 ** 2 + 12 * 2 * 128 ** 2 * 768 + 768 ** 2));
  });
});

describe("convolutional networks", () => {
  // Parameters and multiply–accumulates as torchvision documents its weights: `num_params`, `_ops` in 10⁹.
  it.each([
    ["alexnet", 61_100_840, 0.714],
    ["vgg11", 132_863_336, 7.609],
    ["vgg16", 138_357_544, 15.47],
    ["vgg19", 143_667_240, 19.632],
    ["resnet18", 11_689_512, 1.814],
    ["resnet34", 21_797_672, 3.664],
    ["resnet50", 25_557_032, 4.089],
    ["resnet101", 44_549_160, 7.801],
    ["resnet152", 60_192_808, 11.514],
  ])("%s: %i parameters, %d billion products", (name, parameters, giga) => {
    const network = convolutional(name)!;
    expect(parameterCount(network)).toBe(parameters);
    const layers = layersOfPass(network, { phase: "prefill", batch: 1, context: 1 });
    expect(Math.abs(macs(layers) / 1e9 - giga)).toBeLessThan(0.0051);
    expect(macs(layersOfPass(network, { phase: "prefill", batch: 3, context: 1 }))).toBe(3 * macs(layers));
  });

  it("reads SCALE-Sim's topologies, convolutions by im2col", () => {
    const csv = "Layer,H,W,R,S,C,F,stride,\nconv1,227,227,11,11,3,96,4,\n";
    const layers = layersOf(networkOfTopology(csv, 0, "net", new Diagnostics())!, "prefill", 2, 1);
    expect(layers).toEqual([
      { name: "conv1", kind: "convolution", operand: "weight", shape: { batch: 1, m: 2 * 55 * 55, n: 96, k: 363 } },
    ]);
  });
});
