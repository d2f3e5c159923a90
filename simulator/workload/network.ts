/** Networks as plain data: the stages of a model in their order, from which the products of a pass follow. */

/** prefill: all tokens of the context at once; decode: one more token for each sequence, after `context` others. */
export type Phase = "prefill" | "decode";
export const PHASES = ["prefill", "decode"] as const satisfies readonly Phase[];

export type LayerKind =
  | "attention-projection"
  | "attention-product"
  | "feed-forward"
  | "router"
  | "state-space"
  | "embedding"
  | "convolution"
  | "element-wise"
  | "output";

/** Matrices of which each token meets a few: a mixture of experts. */
export interface Experts {
  readonly count: number;
  readonly perToken: number;
}

/** A stored matrix: y[m, n] = Σ_k x[m, k] · w[n, k]. */
export interface LinearStage {
  readonly kind: "linear";
  /** As Hugging Face names the module; `#` stands for the experts' numbers. */
  readonly name: string;
  readonly role: LayerKind;
  readonly n: number;
  readonly k: number;
  /** n more parameters. */
  readonly bias: boolean;
  /** Rows for each sequence; absent: one a token. */
  readonly rowsPerSequence?: number;
  readonly experts?: Experts;
  /** The matrix is the embedding's, and no parameter of its own. */
  readonly tied?: boolean;
}

/** The two products inside attention: queries by keys, and their weights by values. */
export interface AttentionStage {
  readonly kind: "attention";
  /** The products are `name.qk` and `name.pv`. */
  readonly name: string;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Keys that a query sees at most; absent: all. */
  readonly window?: number;
}

/** A product of fixed size, such as a convolution by im2col: `batch` products of m × k by k × n for each input. */
export interface ProductStage {
  readonly kind: "product";
  readonly name: string;
  readonly role: LayerKind;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly bias: boolean;
}

export type Stage = LinearStage | AttentionStage | ProductStage;

/** What a pass is: tokens one by one after a context, a context at once, or an input of fixed size. */
export type PassKind = "decoder" | "encoder" | "fixed";

export interface Network {
  readonly name: string;
  readonly family: string;
  readonly pass: PassKind;
  /** Tokens of one input, where that is fixed: patches of an image and the class. */
  readonly tokens?: number;
  readonly stages: readonly Stage[];
  /** Parameters that multiply no matrix: embeddings and tables of positions, and all vectors. */
  readonly otherParameters: { readonly embeddings: number; readonly vectors: number };
}

/** All parameters of a network: matrices once, with all experts, and everything else. */
export function parameterCount(network: Network): number {
  const { embeddings, vectors } = network.otherParameters;
  return network.stages.reduce((sum, stage) => sum + stageParameters(stage), embeddings + vectors);
}

function stageParameters(stage: Stage): number {
  switch (stage.kind) {
    case "attention":
      return 0;
    case "product":
      return stage.batch * stage.n * (stage.k + (stage.bias ? 1 : 0));
    case "linear":
      return (stage.experts?.count ?? 1) * ((stage.tied ? 0 : stage.n * stage.k) + (stage.bias ? stage.n : 0));
  }
}

/** Every expert that the network routes to, where all its mixtures are alike; undefined where it has none. */
export function expertsOf(network: Network): Experts | undefined {
  for (const stage of network.stages) if (stage.kind === "linear" && stage.experts !== undefined) return stage.experts;
  return undefined;
}
