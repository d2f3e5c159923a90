/** Encoders (BERT, ViT) and state-space models (Mamba) as Hugging Face's `transformers` builds them. */
import type { Fields } from "./config-fields.ts";
import { attentionStages, type Body, type Family, linear, twoLayer, type Widths } from "./decoders.ts";
import type { Stage } from "./network.ts";

function encoderWidths(f: Fields, vocabulary: number): Widths {
  const hidden = f.count("hidden_size");
  const heads = f.count("num_attention_heads");
  f.divides("num_attention_heads", heads, "hidden_size", hidden);
  return {
    ...{ hidden, heads, keyValueHeads: heads, headSize: hidden / heads, vocabulary },
    blocks: f.count("num_hidden_layers"),
  };
}

/** A block of BERT or ViT under its own names. */
function encoderBlock(w: Widths, at: (name: string) => string, attention: string, width: number, bias: boolean) {
  return [
    ...attentionStages(w, at, {
      path: `attention.${attention}`,
      ...{ names: ["query", "key", "value"], output: "#", inputBias: bias, outputBias: true },
    }).map((s) => (s.kind === "linear" && s.name.endsWith(".#") ? { ...s, name: at("attention.output.dense") } : s)),
    ...twoLayer(at, ["intermediate.dense", "output.dense"], w.hidden, width, true),
  ];
}

/** BERT: all tokens at once, and the pooled first token. */
function bert(f: Fields): Body {
  const w = encoderWidths(f, f.count("vocab_size"));
  const { hidden, blocks } = w;
  const width = f.count("intermediate_size");
  const stages: readonly Stage[] = Array.from({ length: blocks }, (_, i) =>
    encoderBlock(w, (name) => `encoder.layer.${i}.${name}`, "self", width, true),
  ).flat();
  const tables = w.vocabulary + f.count("max_position_embeddings", 512) + f.count("type_vocab_size", 2);
  return {
    pass: "encoder",
    stages: [...stages, linear("pooler.dense", "output", hidden, hidden, true, { rowsPerSequence: 1 })],
    otherParameters: { embeddings: tables * hidden, vectors: 2 * hidden + blocks * 4 * hidden },
  };
}

/** ViT: patches of an image and the class are the tokens; a classifier, or the pooler, at the end. */
function vit(f: Fields): Body {
  const w = encoderWidths(f, 1);
  const { hidden, blocks } = w;
  const [image, patch] = [f.count("image_size", 224), f.count("patch_size", 16)];
  f.divides("patch_size", patch, "image_size", image);
  const patches = (image / patch) ** 2;
  const pixels = f.count("num_channels", 3) * patch * patch;
  const labels = f.size("id2label");
  const inner = Array.from({ length: blocks }, (_, i) =>
    encoderBlock(
      w,
      (name) => `vit.encoder.layer.${i}.${name}`,
      "attention",
      f.count("intermediate_size"),
      f.flag("qkv_bias", true),
    ),
  ).flat();
  const one = { rowsPerSequence: 1 };
  return {
    pass: "fixed",
    tokens: patches + 1,
    stages: [
      linear("vit.embeddings.patch_embeddings.projection", "embedding", hidden, pixels, true, {
        rowsPerSequence: patches,
      }),
      ...inner,
      labels === undefined
        ? linear("vit.pooler.dense", "output", hidden, hidden, true, one)
        : linear("classifier", "output", labels, hidden, true, one),
    ],
    otherParameters: { embeddings: (patches + 2) * hidden, vectors: blocks * 4 * hidden + 2 * hidden },
  };
}

/**
 * Mamba (Gu and Dao, 2023) and Falcon Mamba. The recurrence and the short convolution work on channels one by one: they
 * are no products of matrices.
 */
function mamba(f: Fields): Body {
  const hidden = f.count(["hidden_size", "d_model"]);
  const blocks = f.count(["num_hidden_layers", "n_layer"]);
  const vocabulary = f.count("vocab_size");
  const inner = f.count(["intermediate_size", "d_inner"], f.count("expand", 2) * hidden);
  const state = f.count("state_size", 16);
  const auto = Math.ceil(hidden / 16);
  const step = f.is("time_step_rank", "auto") ? auto : f.count("time_step_rank", auto);
  const bias = f.flag("use_bias", false);
  const stages = Array.from({ length: blocks }, (_, i) => {
    const at = (name: string): string => `backbone.layers.${i}.mixer.${name}`;
    return [
      linear(at("in_proj"), "state-space", 2 * inner, hidden, bias),
      linear(at("x_proj"), "state-space", step + 2 * state, inner),
      linear(at("dt_proj"), "state-space", inner, step, true),
      linear(at("out_proj"), "state-space", hidden, inner, bias),
    ];
  }).flat();
  const convolution = inner * (f.count("conv_kernel", 4) + (f.flag("use_conv_bias", true) ? 1 : 0));
  const tied = f.flag("tie_word_embeddings", true);
  return {
    pass: "decoder",
    stages: [...stages, linear("lm_head", "output", vocabulary, hidden, false, tied ? { tied } : {})],
    otherParameters: {
      embeddings: vocabulary * hidden,
      vectors: blocks * (convolution + inner * state + inner + hidden) + hidden,
    },
  };
}

/** Mamba 2 (Dao and Gu, 2024): one input matrix for everything, a scalar a head for the recurrence. */
function mamba2(f: Fields): Body {
  const hidden = f.count("hidden_size");
  const blocks = f.count("num_hidden_layers");
  const vocabulary = f.count("vocab_size");
  const heads = f.count("num_heads");
  const inner = f.count("expand", 2) * hidden;
  const mixed = 2 * f.count("n_groups", 8) * f.count("state_size", 128);
  const bias = f.flag("use_bias", false);
  const stages = Array.from({ length: blocks }, (_, i) => {
    const at = (name: string): string => `backbone.layers.${i}.mixer.${name}`;
    return [
      linear(at("in_proj"), "state-space", 2 * inner + mixed + heads, hidden, bias),
      linear(at("out_proj"), "state-space", hidden, inner, bias),
    ];
  }).flat();
  const convolution = (inner + mixed) * (f.count("conv_kernel", 4) + (f.flag("use_conv_bias", true) ? 1 : 0));
  const tied = f.flag("tie_word_embeddings", false);
  return {
    pass: "decoder",
    stages: [...stages, linear("lm_head", "output", vocabulary, hidden, false, tied ? { tied } : {})],
    otherParameters: {
      embeddings: vocabulary * hidden,
      vectors: blocks * (convolution + 3 * heads + inner + hidden) + hidden,
    },
  };
}

/** All families of this file. */
export const ENCODERS: readonly Family[] = [
  { types: ["bert"], build: bert },
  { types: ["vit"], build: vit },
  { types: ["mamba", "falcon_mamba"], build: mamba },
  { types: ["mamba2"], build: mamba2 },
];
