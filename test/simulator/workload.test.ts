/** Workloads: a Hugging Face config becomes the network's products, and a wrong one is refused at its line. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type Layer, layersOf, readHuggingFace, type Transformer } from "../../simulator/index.ts";

const text = readFileSync(new URL("../data/llama-2-7b/config.json", import.meta.url), "utf8");

function read(source: string): Transformer | undefined {
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
    expect(read(text)).toEqual({
      name: "meta-llama/Llama-2-7b-hf",
      hidden: 4096,
      feedForward: 11008,
      blocks: 32,
      heads: 32,
      keyValueHeads: 32,
      headSize: 128,
      vocabulary: 32000,
    });
  });

  it("takes as many key–value heads as heads, and hidden / heads, where nothing is said", () => {
    const bare = text.replace(/ *"num_key_value_heads": 32,\n/, "").replace(/ *"_name_or_path".*\n/, "");
    expect(read(bare)).toMatchObject({ name: "unnamed", keyValueHeads: 32, headSize: 128 });
    expect(read(text.replace('"hidden_size": 4096', '"head_dim": 64, "hidden_size": 4096'))).toMatchObject({
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
    expect(problems(text.replace('"llama"', '"bert"'))[0]).toMatch(/^8:17 workload\/family/);
    expect(problems(text.slice(0, 100))[0]).toMatch(/json\/syntax/);
    expect(problems("[]")).toEqual(["1:1 workload/type `the file` must be an object, not a list"]);
  });
});

describe("layersOf", () => {
  const model = read(text)!;
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
