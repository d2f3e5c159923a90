/** What the published simulators run: transformers by their dimensions, matrix products and convolutions. */

import type { Phase, Transformer } from "../workload/layers.ts";

export type { Phase };

/** What the published simulators know of a decoder-only transformer. */
export interface LlmShape extends Transformer {
  /** Gate, up and down matrices (SwiGLU) or two (fc1, fc2). */
  readonly gated: boolean;
}

/** `count` independent products y[m, n] = Σ_k x[m, k] · w[n, k]. */
export interface GemmLayer {
  readonly kind: "gemm";
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly count: number;
}

/** A convolution without padding: the input's height and width hold what padding adds. */
export interface ConvLayer {
  readonly kind: "conv";
  readonly name: string;
  readonly inputHeight: number;
  readonly inputWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly channels: number;
  readonly filters: number;
  readonly stride: number;
  /** Images; 1 where it is left out. */
  readonly batch?: number;
}

/** N values kept of every M. */
export interface SparsityRatio {
  readonly kept: number;
  readonly of: number;
}

export type PeerLayer = (GemmLayer | ConvLayer) & { readonly sparsity?: SparsityRatio };

/** A linear layer of a transformer block: y[n] = Σ_k x[k] · w[n, k]. */
export interface LinearShape {
  readonly name: string;
  readonly n: number;
  readonly k: number;
}

/** The linear layers of one block as Hugging Face names them in Llama's (or, without a gate, OPT's) blocks. */
export function blockLinears(model: LlmShape): {
  readonly beforeAttention: readonly LinearShape[];
  readonly afterAttention: readonly LinearShape[];
} {
  const { hidden, feedForward, gated } = model;
  const queryWidth = model.heads * model.headSize;
  const keyWidth = model.keyValueHeads * model.headSize;
  const up = [{ name: gated ? "mlp.up_proj" : "fc1", n: feedForward, k: hidden }];
  return {
    beforeAttention: [
      { name: "self_attn.q_proj", n: queryWidth, k: hidden },
      { name: "self_attn.k_proj", n: keyWidth, k: hidden },
      { name: "self_attn.v_proj", n: keyWidth, k: hidden },
    ],
    afterAttention: [
      { name: "self_attn.o_proj", n: hidden, k: queryWidth },
      ...(gated ? [{ name: "mlp.gate_proj", n: feedForward, k: hidden }] : []),
      ...up,
      { name: gated ? "mlp.down_proj" : "fc2", n: hidden, k: feedForward },
    ],
  };
}

/** The place of a block's layer in a network. */
export const blockLayerName = (block: number, name: string): string => `model.layers.${block}.${name}`;

/**
 * A pass of a transformer as plain products, for the simulators that know no attention: rows are tokens of all
 * sequences; each key–value head is one product for the query heads that share it.
 */
export function llmLayers(model: LlmShape, phase: Phase, batch: number, context: number): readonly GemmLayer[] {
  const steps = phase === "prefill" ? context : 1;
  const { beforeAttention, afterAttention } = blockLinears(model);
  const linear = ({ name, n, k }: LinearShape): GemmLayer => ({ kind: "gemm", name, m: batch * steps, n, k, count: 1 });
  const heads = { m: (model.heads / model.keyValueHeads) * steps, count: batch * model.keyValueHeads };
  const block: readonly GemmLayer[] = [
    ...beforeAttention.map(linear),
    { kind: "gemm", name: "self_attn.qk", n: context, k: model.headSize, ...heads },
    { kind: "gemm", name: "self_attn.pv", n: model.headSize, k: context, ...heads },
    ...afterAttention.map(linear),
  ];
  return [
    ...Array.from({ length: model.blocks }, (_, i) =>
      block.map((layer) => ({ ...layer, name: blockLayerName(i, layer.name) })),
    ).flat(),
    linear({ name: "lm_head", n: model.vocabulary, k: model.hidden }),
  ];
}

/** Outputs along one axis: SCALE-Sim's `topology_utils.py`, one more than usual where the stride does not divide. */
export const outputExtent = (input: number, kernel: number, stride: number): number =>
  Math.ceil((input - kernel + stride) / stride);

/** A convolution as the product that im2col makes of it. */
export function gemmOf(layer: GemmLayer | ConvLayer): GemmLayer {
  if (layer.kind === "gemm") return layer;
  const { name, kernelHeight, kernelWidth, stride } = layer;
  const outputs =
    outputExtent(layer.inputHeight, kernelHeight, stride) * outputExtent(layer.inputWidth, kernelWidth, stride);
  return {
    kind: "gemm",
    name,
    m: outputs * (layer.batch ?? 1),
    n: layer.filters,
    k: kernelHeight * kernelWidth * layer.channels,
    count: 1,
  };
}
