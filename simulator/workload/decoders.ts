/** Decoder-only transformers as Hugging Face's `transformers` builds them, family by family. */
import type { Fields } from "./config-fields.ts";
import type { LayerKind, LinearStage, Stage } from "./network.ts";

/** What a family's reader gives: a network without its name. */
export interface Body {
  readonly pass: "decoder" | "encoder" | "fixed";
  readonly tokens?: number;
  readonly stages: readonly Stage[];
  readonly otherParameters: { readonly embeddings: number; readonly vectors: number };
}

/** A family of models: the `model_type`s that share a reader, and how their configs become stages. */
export interface Family {
  readonly types: readonly string[];
  readonly build: (fields: Fields, type: string) => Body;
}

/** Widths that all of these have. */
export interface Widths {
  readonly hidden: number;
  readonly blocks: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
}

export function linear(
  name: string,
  role: LayerKind,
  n: number,
  k: number,
  bias = false,
  more: Pick<LinearStage, "experts" | "rowsPerSequence" | "tied"> = {},
): LinearStage {
  return { kind: "linear", name, role, n, k, bias, ...more };
}

const PROJECTION = "attention-projection";
const FEED_FORWARD = "feed-forward";

/** Widths under Llama's names; heads must divide what they share. */
function llamaWidths(f: Fields): Widths {
  const hidden = f.count("hidden_size");
  const heads = f.count("num_attention_heads");
  const keyValueHeads = f.count("num_key_value_heads", heads);
  f.divides("num_key_value_heads", keyValueHeads, "num_attention_heads", heads);
  const blocks = f.count("num_hidden_layers");
  const headSize = headSizeOf(f, "num_attention_heads", heads, "hidden_size", hidden);
  return { hidden, blocks, heads, keyValueHeads, headSize, vocabulary: f.count("vocab_size") };
}

function headSizeOf(f: Fields, headsName: string, heads: number, hiddenName: string, hidden: number): number {
  if (f.has("head_dim")) return f.count("head_dim");
  f.divides(headsName, heads, hiddenName, hidden);
  return hidden / heads;
}

/** Separate or fused projections around attention. */
interface AttentionPlan {
  readonly path: string;
  readonly names: readonly [q: string, k: string, v: string] | readonly [fused: string];
  readonly output: string;
  readonly inputBias: boolean;
  readonly outputBias: boolean;
  readonly window?: number | undefined;
}

export function attentionStages(w: Widths, at: (name: string) => string, plan: AttentionPlan): readonly Stage[] {
  const { path, names, inputBias, outputBias, window } = plan;
  const { hidden, heads, keyValueHeads, headSize } = w;
  const [queryWidth, keyWidth] = [heads * headSize, keyValueHeads * headSize];
  const inner = (name: string): string => at(path === "" ? name : `${path}.${name}`);
  const [q, k, v] = names;
  const inputs =
    k === undefined || v === undefined
      ? [linear(inner(q), PROJECTION, queryWidth + 2 * keyWidth, hidden, inputBias)]
      : [
          linear(inner(q), PROJECTION, queryWidth, hidden, inputBias),
          linear(inner(k), PROJECTION, keyWidth, hidden, inputBias),
          linear(inner(v), PROJECTION, keyWidth, hidden, inputBias),
        ];
  const sees = window === undefined ? {} : { window };
  return [
    ...inputs,
    { kind: "attention", name: at(path), heads, keyValueHeads, headSize, ...sees },
    linear(inner(plan.output), PROJECTION, hidden, queryWidth, outputBias),
  ];
}

/** Gate, up and down (SwiGLU, GeGLU); of experts where there are any. */
export function gated(
  at: (name: string) => string,
  names: readonly [gate: string, up: string, down: string],
  hidden: number,
  width: number,
  bias = false,
  experts?: LinearStage["experts"],
): readonly Stage[] {
  const more = experts === undefined ? {} : { experts };
  const [gate, up, down] = names;
  return [
    linear(at(gate), FEED_FORWARD, width, hidden, bias, more),
    linear(at(up), FEED_FORWARD, width, hidden, bias, more),
    linear(at(down), FEED_FORWARD, hidden, width, bias, more),
  ];
}

/** Two matrices with an activation between them. */
export function twoLayer(
  at: (name: string) => string,
  [up, down]: readonly [string, string],
  hidden: number,
  width: number,
  bias: boolean,
): readonly Stage[] {
  return [linear(at(up), FEED_FORWARD, width, hidden, bias), linear(at(down), FEED_FORWARD, hidden, width, bias)];
}

interface DecoderPlan {
  readonly prefix: string;
  readonly block: (at: (name: string) => string, index: number) => readonly Stage[];
  /** Vectors of one block: norms, mostly. */
  readonly blockVectors: number;
  /** Vectors outside blocks. */
  readonly vectors: number;
  /** Tables besides the tokens' embedding: positions. */
  readonly positions?: number;
  readonly head: string;
  readonly tied: boolean;
  readonly headBias?: boolean;
}

/** Blocks, one after the other, and the logits. */
function decoder(w: Widths, plan: DecoderPlan): Body {
  const { prefix, block, head, tied } = plan;
  const blocks = Array.from({ length: w.blocks }, (_, i) => block((name) => `${prefix}.${i}.${name}`, i)).flat();
  const logits = linear(head, "output", w.vocabulary, w.hidden, plan.headBias ?? false, tied ? { tied } : {});
  return {
    pass: "decoder",
    stages: [...blocks, logits],
    otherParameters: {
      embeddings: w.vocabulary * w.hidden + (plan.positions ?? 0),
      vectors: w.blocks * plan.blockVectors + plan.vectors,
    },
  };
}

const QKV = ["q_proj", "k_proj", "v_proj"] as const;
const MLP = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] as const;

/** The window of keys that a query sees: `sliding_window`, where the config does not turn it off. */
function windowOf(f: Fields, usedByDefault: boolean): number | undefined {
  if (!f.has("sliding_window") || !f.flag("use_sliding_window", usedByDefault)) return undefined;
  return f.count("sliding_window");
}

/** Llama, Mistral, Qwen 2 and 3, Gemma 1 to 3: separate projections, a gated feed-forward, RMS norms. */
function llamaLike(f: Fields, type: string): Body {
  const w = llamaWidths(f);
  const width = f.count("intermediate_size");
  const qwen2 = type === "qwen2";
  const gemma = type.startsWith("gemma");
  const bias = f.flag("attention_bias", qwen2);
  const window = type === "llama" ? undefined : windowOf(f, type !== "qwen2" && type !== "qwen3");
  // Gemma 2: every other block sees a window, from the first on; Gemma 3: all but every sixth.
  const pattern = type === "gemma2" ? 2 : f.count("sliding_window_pattern", 6);
  const alternates = type === "gemma2" || type === "gemma3_text";
  const sees = (i: number): number | undefined => (alternates && (i + 1) % pattern === 0 ? undefined : window);
  const keyNorms = type === "qwen3" || type === "gemma3_text" ? 2 * w.headSize : 0;
  return decoder(w, {
    prefix: "model.layers",
    block: (at, i) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attn", names: QKV, output: "o_proj", inputBias: bias, window: sees(i) },
        outputBias: qwen2 ? false : bias,
      }),
      ...gated(at, MLP, w.hidden, width, f.flag("mlp_bias", false)),
    ],
    blockVectors: (alternates ? 4 : 2) * w.hidden + keyNorms,
    vectors: w.hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", gemma),
  });
}

/** Mixtral: every feed-forward is a mixture; the router is one small matrix. */
function mixtral(f: Fields): Body {
  const w = llamaWidths(f);
  const width = f.count("intermediate_size");
  const experts = { count: f.count("num_local_experts", 8), perToken: f.count("num_experts_per_tok", 2) };
  checkExperts(f, experts);
  const window = windowOf(f, true);
  return decoder(w, {
    prefix: "model.layers",
    block: (at) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attn", names: QKV, output: "o_proj", inputBias: false, outputBias: false, window },
      }),
      linear(at("block_sparse_moe.gate"), "router", experts.count, w.hidden),
      ...gated((name) => at(`block_sparse_moe.experts.#.${name}`), ["w1", "w3", "w2"], w.hidden, width, false, experts),
    ],
    blockVectors: 2 * w.hidden,
    vectors: w.hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", false),
  });
}

function checkExperts(f: Fields, { count, perToken }: { readonly count: number; readonly perToken: number }): void {
  if (perToken > count) f.wrong("num_experts_per_tok", `a token meets ${perToken} experts, and there are ${count}`);
}

/** Qwen 2 MoE and Qwen 3 MoE: mixtures in all blocks but those that the config leaves dense; Qwen 2 with a shared expert. */
function qwenMixture(f: Fields, type: string): Body {
  const w = llamaWidths(f);
  const second = type === "qwen2_moe";
  const experts = { count: f.count("num_experts"), perToken: f.count("num_experts_per_tok") };
  checkExperts(f, experts);
  const width = f.count("moe_intermediate_size");
  const dense = new Set(f.counts("mlp_only_layers"));
  const every = f.count("decoder_sparse_step", 1);
  const bias = f.flag("attention_bias", false);
  const mixture = (at: (name: string) => string): readonly Stage[] => [
    linear(at("mlp.gate"), "router", experts.count, w.hidden),
    ...gated(
      (name) => at(`mlp.experts.#.${name}`),
      ["gate_proj", "up_proj", "down_proj"],
      w.hidden,
      width,
      false,
      experts,
    ),
    ...(second
      ? [
          ...gated(
            (name) => at(`mlp.shared_expert.${name}`),
            ["gate_proj", "up_proj", "down_proj"],
            w.hidden,
            f.count("shared_expert_intermediate_size"),
          ),
          linear(at("mlp.shared_expert_gate"), "router", 1, w.hidden),
        ]
      : []),
  ];
  return decoder(w, {
    prefix: "model.layers",
    block: (at, i) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attn", names: QKV, output: "o_proj", inputBias: second || bias },
        ...{ outputBias: !second && bias, window: windowOf(f, false) },
      }),
      ...(dense.has(i) || (i + 1) % every !== 0 ? gated(at, MLP, w.hidden, f.count("intermediate_size")) : mixture(at)),
    ],
    blockVectors: 2 * w.hidden + (second ? 0 : 2 * w.headSize),
    vectors: w.hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", false),
  });
}

/** Phi 1, 1.5 and 2: biases everywhere, one layer norm a block, a feed-forward beside attention. */
function phi(f: Fields): Body {
  const w = llamaWidths(f);
  const norms = f.flag("qk_layernorm", false) ? 4 * w.headSize : 0;
  return decoder(w, {
    prefix: "model.layers",
    block: (at) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attn", names: QKV, output: "dense", inputBias: true, outputBias: true },
      }),
      ...twoLayer(at, ["mlp.fc1", "mlp.fc2"], w.hidden, f.count("intermediate_size"), true),
    ],
    blockVectors: 2 * w.hidden + norms,
    vectors: 2 * w.hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", false),
    headBias: true,
  });
}

/** Phi 3: q, k and v in one matrix, gate and up in another. */
function phi3(f: Fields): Body {
  const w = llamaWidths(f);
  const width = f.count("intermediate_size");
  return decoder(w, {
    prefix: "model.layers",
    block: (at) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attn", names: ["qkv_proj"], output: "o_proj", inputBias: false, outputBias: false },
        window: windowOf(f, true),
      }),
      linear(at("mlp.gate_up_proj"), FEED_FORWARD, 2 * width, w.hidden),
      linear(at("mlp.down_proj"), FEED_FORWARD, w.hidden, width),
    ],
    blockVectors: 2 * w.hidden,
    vectors: w.hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", false),
  });
}

/** OPT; embeddings of another width than the blocks' pass through a matrix on either side. */
function opt(f: Fields): Body {
  const w = llamaWidths(f);
  const width = f.count("ffn_dim");
  const embedding = f.count("word_embed_proj_dim", w.hidden);
  const bias = f.flag("enable_bias", true);
  const normed = f.flag("do_layer_norm_before", true) && !f.flag("_remove_final_layer_norm", false);
  const projects = embedding !== w.hidden;
  const at = (name: string): string => `model.decoder.${name}`;
  const body = decoder(w, {
    prefix: at("layers"),
    block: (inner) => [
      ...attentionStages(w, inner, {
        ...{ path: "self_attn", names: QKV, output: "out_proj", inputBias: bias, outputBias: bias },
      }),
      ...twoLayer(inner, ["fc1", "fc2"], w.hidden, width, bias),
    ],
    blockVectors: 4 * w.hidden,
    vectors: normed ? 2 * w.hidden : 0,
    head: "lm_head",
    tied: true,
  });
  // Positions are two further on than tokens: `OPTLearnedPositionalEmbedding`.
  const positions = (f.count("max_position_embeddings") + 2) * w.hidden;
  const inside = body.stages.slice(0, -1);
  return {
    ...body,
    stages: [
      ...(projects ? [linear(at("project_in"), "embedding", w.hidden, embedding)] : []),
      ...inside,
      ...(projects ? [linear(at("project_out"), "output", embedding, w.hidden)] : []),
      linear("lm_head", "output", w.vocabulary, embedding, false, { tied: true }),
    ],
    otherParameters: { ...body.otherParameters, embeddings: w.vocabulary * embedding + positions },
  };
}

/** Falcon: q, k and v in one matrix, one key–value head (or a few), attention and feed-forward side by side. */
function falcon(f: Fields): Body {
  const hidden = f.count("hidden_size");
  const heads = f.count(["num_attention_heads", "n_head"]);
  f.divides("num_attention_heads", heads, "hidden_size", hidden);
  const groups = f.flag("new_decoder_architecture", false);
  const keyValueHeads = groups ? f.count(["num_kv_heads", "n_head_kv"]) : f.flag("multi_query", true) ? 1 : heads;
  f.divides("num_kv_heads", keyValueHeads, "num_attention_heads", heads);
  const w: Widths = {
    ...{ hidden, heads, keyValueHeads, headSize: hidden / heads },
    blocks: f.count(["num_hidden_layers", "n_layer"]),
    vocabulary: f.count("vocab_size"),
  };
  const bias = f.flag("bias", false);
  const norms = groups ? f.count("num_ln_in_parallel_attn", 2) : f.flag("parallel_attn", true) ? 1 : 2;
  return decoder(w, {
    prefix: "transformer.h",
    block: (at) => [
      ...attentionStages(w, at, {
        ...{ path: "self_attention", names: ["query_key_value"], output: "dense", inputBias: bias, outputBias: bias },
      }),
      ...twoLayer(at, ["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"], hidden, f.count("ffn_hidden_size", 4 * hidden), bias),
    ],
    blockVectors: 2 * norms * hidden,
    vectors: 2 * hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", true),
  });
}

/** GPT-2. */
function gpt2(f: Fields): Body {
  const hidden = f.count("n_embd");
  const heads = f.count("n_head");
  f.divides("n_head", heads, "n_embd", hidden);
  const w: Widths = {
    ...{ hidden, heads, keyValueHeads: heads, headSize: hidden / heads },
    ...{ blocks: f.count("n_layer"), vocabulary: f.count("vocab_size") },
  };
  return decoder(w, {
    prefix: "transformer.h",
    block: (at) => [
      ...attentionStages(w, at, {
        ...{ path: "attn", names: ["c_attn"], output: "c_proj", inputBias: true, outputBias: true },
      }),
      ...twoLayer(at, ["mlp.c_fc", "mlp.c_proj"], hidden, f.count("n_inner", 4 * hidden), true),
    ],
    blockVectors: 4 * hidden,
    vectors: 2 * hidden,
    positions: f.count(["n_positions", "n_ctx"], 1024) * hidden,
    head: "lm_head",
    tied: f.flag("tie_word_embeddings", true),
  });
}

/** BLOOM and GPT-NeoX (Pythia): q, k and v in one matrix, two layer norms, four times the width between. */
function bloomLike(f: Fields, type: string): Body {
  const bloom = type === "bloom";
  const hidden = f.count(bloom ? ["hidden_size", "n_embed"] : "hidden_size");
  const heads = f.count(bloom ? ["n_head", "num_attention_heads"] : "num_attention_heads");
  f.divides(bloom ? "n_head" : "num_attention_heads", heads, "hidden_size", hidden);
  const w: Widths = {
    ...{ hidden, heads, keyValueHeads: heads, headSize: hidden / heads },
    blocks: f.count(bloom ? ["n_layer", "num_hidden_layers"] : "num_hidden_layers"),
    vocabulary: f.count("vocab_size"),
  };
  const width = bloom ? 4 * hidden : f.count("intermediate_size");
  return decoder(w, {
    prefix: bloom ? "transformer.h" : "gpt_neox.layers",
    block: (at) => [
      ...attentionStages(w, at, {
        path: bloom ? "self_attention" : "attention",
        ...{ names: ["query_key_value"], output: "dense", inputBias: true, outputBias: true },
      }),
      ...twoLayer(at, ["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"], hidden, width, true),
    ],
    blockVectors: 4 * hidden,
    // BLOOM norms its embeddings too.
    vectors: (bloom ? 4 : 2) * hidden,
    head: bloom ? "lm_head" : "embed_out",
    tied: f.flag("tie_word_embeddings", bloom),
  });
}

/** All families of this file. */
export const DECODERS: readonly Family[] = [
  { types: ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"], build: llamaLike },
  { types: ["mixtral"], build: mixtral },
  { types: ["qwen2_moe", "qwen3_moe"], build: qwenMixture },
  { types: ["phi"], build: phi },
  { types: ["phi3"], build: phi3 },
  { types: ["opt"], build: opt },
  { types: ["falcon"], build: falcon },
  { types: ["gpt2"], build: gpt2 },
  { types: ["bloom", "gpt_neox"], build: bloomLike },
];
