/** Layers: the products of matrices that a network asks for in one pass. */
import type { ElementwiseOp } from "./elementwise.ts";
import type { AttentionStage, LayerKind, LinearStage, Network, Phase, Stage } from "./network.ts";

export { type LayerKind, type Network, PHASES, type Phase } from "./network.ts";

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

/** What can be simulated: a network, or a transformer of the Llama family by its dimensions alone. */
export type Workload = Network | Transformer;

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
  /** No product, but this for each of m rows of n elements. */
  readonly elementwise?: ElementwiseOp;
}

/** The stages of a block as in Llama: q, k, v, attention, o, gate, up, down. */
function llamaBlock(model: Transformer, block: number): readonly Stage[] {
  const { hidden, feedForward, heads, keyValueHeads, headSize } = model;
  const at = (name: string): string => `model.layers.${block}.${name}`;
  const linear = (name: string, role: LayerKind, n: number, k: number): LinearStage => ({
    ...{ kind: "linear", name: at(name), role, n, k, bias: false },
  });
  return [
    linear("self_attn.q_proj", "attention-projection", heads * headSize, hidden),
    linear("self_attn.k_proj", "attention-projection", keyValueHeads * headSize, hidden),
    linear("self_attn.v_proj", "attention-projection", keyValueHeads * headSize, hidden),
    { kind: "attention", name: at("self_attn"), heads, keyValueHeads, headSize },
    linear("self_attn.o_proj", "attention-projection", hidden, heads * headSize),
    linear("mlp.gate_proj", "feed-forward", feedForward, hidden),
    linear("mlp.up_proj", "feed-forward", feedForward, hidden),
    linear("mlp.down_proj", "feed-forward", hidden, feedForward),
  ];
}

/** A workload as a network. */
export function networkOf(workload: Workload): Network {
  if ("stages" in workload) return workload;
  const { name, hidden, blocks, vocabulary } = workload;
  return {
    name,
    family: "llama",
    pass: "decoder",
    stages: [
      ...Array.from({ length: blocks }, (_, i) => llamaBlock(workload, i)).flat(),
      { kind: "linear", name: "lm_head", role: "output", n: vocabulary, k: hidden, bias: false },
    ],
    otherParameters: { embeddings: vocabulary * hidden, vectors: (2 * blocks + 1) * hidden },
  };
}

/** Which pass of a network. */
export interface Pass {
  readonly phase: Phase;
  /** Sequences, or inputs, at once. */
  readonly batch: number;
  /** Tokens of each sequence: all of them in prefill, those before the new one in decode. */
  readonly context: number;
  /** Experts of a mixture that the pass reaches; absent: as many as its tokens can, evenly loaded. */
  readonly activeExperts?: number | undefined;
}

/** Tokens of each sequence in a pass. */
export function tokensOf(network: Network, { phase, context }: Pass): number {
  if (network.pass === "fixed") return network.tokens ?? 1;
  return phase === "prefill" ? context : 1;
}

/**
 * All products of one pass, in the order of the network. Attention is computed in full: no product is left out for the
 * causal mask; where a query sees a window of keys, that many keys are multiplied. Each key–value head is one product for
 * all query heads that share it. Logits are computed for every token. Norms, softmax, rotary embedding, activation
 * functions and the recurrence of state-space models are no products of matrices and are not listed.
 */
export function layersOfPass(workload: Workload, pass: Pass): readonly Layer[] {
  const network = networkOf(workload);
  return network.stages.flatMap((stage) => stageLayers(stage, network, pass));
}

function stageLayers(stage: Stage, network: Network, pass: Pass): readonly Layer[] {
  switch (stage.kind) {
    case "linear":
      return linearLayers(stage, network, pass);
    case "attention":
      return attentionLayers(stage, network, pass);
    case "product": {
      const { name, role, batch, m, n, k } = stage;
      return [{ name, kind: role, shape: { batch, m: m * pass.batch, n, k }, operand: "weight" }];
    }
  }
}

/** `layersOfPass` with its three numbers in a row. */
export function layersOf(workload: Workload, phase: Phase, batch: number, context: number): readonly Layer[] {
  return layersOfPass(workload, { phase, batch, context });
}

function linearLayers(stage: LinearStage, network: Network, pass: Pass): readonly Layer[] {
  const { name, role: kind, n, k, experts } = stage;
  const m = pass.batch * (stage.rowsPerSequence ?? tokensOf(network, pass));
  if (experts === undefined) return [{ name, kind, shape: { batch: 1, m, n, k }, operand: "weight" }];
  // Every token meets `perToken` experts; those that are reached share the tokens as evenly as whole tokens allow.
  const routed = m * experts.perToken;
  const active = Math.min(pass.activeExperts ?? experts.count, experts.count, routed);
  const [least, more] = [Math.floor(routed / active), routed % active];
  const part = (from: number, to: number, rows: number): readonly Layer[] =>
    from === to
      ? []
      : [
          {
            name: name.replace("#", to - from === 1 ? `${from}` : `${from}-${to - 1}`),
            kind,
            shape: { batch: to - from, m: rows, n, k },
            operand: "weight",
          },
        ];
  return [...part(0, more, least + 1), ...part(more, active, least)];
}

function attentionLayers(stage: AttentionStage, network: Network, pass: Pass): readonly Layer[] {
  const { name, heads, keyValueHeads, headSize, window } = stage;
  const steps = tokensOf(network, pass);
  const context = network.pass === "fixed" ? steps : pass.context;
  const keys = Math.min(context, window ?? context);
  // One product a sequence and key–value head; its rows are the queries of the heads that share it.
  const product = (part: string, n: number, k: number): Layer => ({
    name: `${name}.${part}`,
    kind: "attention-product",
    shape: { batch: pass.batch * keyValueHeads, m: (heads / keyValueHeads) * steps, n, k },
    operand: "keyValue",
  });
  return [product("qk", keys, headSize), product("pv", headSize, keys)];
}
