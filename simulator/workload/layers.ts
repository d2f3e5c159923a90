/** Layers: the products of matrices that a language model asks for in one pass. */

/** A decoder-only transformer of the Llama family, by its dimensions. */
export interface Transformer {
  readonly name: string;
  readonly hidden: number;
  readonly feedForward: number;
  readonly blocks: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
}

/** prefill: all tokens of the context at once; decode: one more token for each sequence, after `context` others. */
export type Phase = "prefill" | "decode";
export const PHASES = ["prefill", "decode"] as const satisfies readonly Phase[];

export type LayerKind = "attention-projection" | "attention-product" | "feed-forward" | "output";

/** y[b, m, n] = Σ_k x[b, m, k] · w[b, n, k]: `batch` independent products. */
export interface ProductShape {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface Layer {
  /** As Hugging Face names the module; the products inside attention are `…self_attn.qk` and `…self_attn.pv`. */
  readonly name: string;
  readonly kind: LayerKind;
  readonly shape: ProductShape;
  /** What the second operand is: a stored weight, or the keys or values of the context. */
  readonly operand: "weight" | "keyValue";
}

/**
 * All products of one pass, in the order of the network. Attention is computed in full: no product is left out for the
 * causal mask. Each key–value head is one product for all query heads that share it. Logits are computed for every
 * token. Norms, softmax, rotary embedding and activation functions are no products and are not listed.
 */
export function layersOf(model: Transformer, phase: Phase, batch: number, context: number): readonly Layer[] {
  const tokens = batch * (phase === "prefill" ? context : 1);
  const { hidden, feedForward, headSize } = model;
  const queryWidth = model.heads * headSize;
  const keyWidth = model.keyValueHeads * headSize;
  const linear = (name: string, kind: LayerKind, n: number, k: number): Layer => ({
    name,
    kind,
    shape: { batch: 1, m: tokens, n, k },
    operand: "weight",
  });
  // One product a sequence and key–value head; its rows are the queries of the heads that share it.
  const shared = model.heads / model.keyValueHeads;
  const product = (name: string, n: number, k: number): Layer => ({
    name,
    kind: "attention-product",
    shape: { batch: batch * model.keyValueHeads, m: shared * (phase === "prefill" ? context : 1), n, k },
    operand: "keyValue",
  });
  const block = (i: number): readonly Layer[] => {
    const at = (name: string): string => `model.layers.${i}.${name}`;
    return [
      linear(at("self_attn.q_proj"), "attention-projection", queryWidth, hidden),
      linear(at("self_attn.k_proj"), "attention-projection", keyWidth, hidden),
      linear(at("self_attn.v_proj"), "attention-projection", keyWidth, hidden),
      product(at("self_attn.qk"), context, headSize),
      product(at("self_attn.pv"), headSize, context),
      linear(at("self_attn.o_proj"), "attention-projection", hidden, queryWidth),
      linear(at("mlp.gate_proj"), "feed-forward", feedForward, hidden),
      linear(at("mlp.up_proj"), "feed-forward", feedForward, hidden),
      linear(at("mlp.down_proj"), "feed-forward", hidden, feedForward),
    ];
  };
  return [
    ...Array.from({ length: model.blocks }, (_, i) => block(i)).flat(),
    linear("lm_head", "output", model.vocabulary, hidden),
  ];
}
