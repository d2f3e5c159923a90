/** The language models of BitMoD's figures: layer dimensions, and the weight bits that its authors give each accelerator. */
import type { LlmShape } from "../workload.ts";

/** An accelerator of BitMoD's evaluation (HPCA 2025, section V). */
export type BitmodAccelerator = "fp16-baseline" | "ant" | "olive" | "bitmod-lossless" | "bitmod-lossy";

/** Which version of BitMoD's simulator: the one of the paper, or the revision of July 2025. */
export type BitmodVersion = "v1" | "v2";

/** Mean stored bits a weight: one number for both phases or one for each. */
export interface WeightBits {
  readonly prefill: number;
  readonly decode: number;
}

export interface KnownModel {
  /** `_name_or_path` of the Hugging Face configuration. */
  readonly id: string;
  readonly shape: LlmShape;
  /** ANT's and OliVe's bits at equal accuracy, which differ from model to model; decode of v1, and both phases of v2. */
  readonly bits: Readonly<Record<"ant" | "olive", { readonly v1Decode: number; readonly v2: number }>>;
}

function shape(
  name: string,
  hidden: number,
  feedForward: number,
  blocks: number,
  heads: number,
  keyValueHeads: number,
  vocabulary: number,
  gated: boolean,
): LlmShape {
  return { name, hidden, feedForward, blocks, heads, keyValueHeads, headSize: hidden / heads, vocabulary, gated };
}

/**
 * Dimensions: the models' Hugging Face configurations; with them all 60 published cycle counts come out exactly.
 * Bits: `bitmod_sim/test_*.py` of yc2367/BitMoD-HPCA-25 at 58d7bdb (v1) and abdelfattah-lab/BitMoD-HPCA-25 at e445a5f (v2).
 */
export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    id: "facebook/opt-1.3b",
    shape: shape("OPT-1.3B", 2048, 8192, 24, 32, 32, 50272, false),
    bits: { ant: { v1Decode: 5, v2: 5 }, olive: { v1Decode: 3.875, v2: 4 } },
  },
  {
    id: "microsoft/phi-2",
    shape: shape("Phi-2", 2560, 10240, 32, 32, 32, 51200, false),
    bits: { ant: { v1Decode: 5, v2: 5 }, olive: { v1Decode: 4, v2: 4 } },
  },
  {
    id: "01-ai/Yi-6B",
    shape: shape("Yi-6B", 4096, 11008, 32, 32, 4, 64000, true),
    bits: { ant: { v1Decode: 5.25, v2: 5.25 }, olive: { v1Decode: 4.25, v2: 4 } },
  },
  {
    id: "meta-llama/Llama-2-7b-hf",
    shape: shape("Llama-2-7B", 4096, 11008, 32, 32, 32, 32000, true),
    bits: { ant: { v1Decode: 5, v2: 5 }, olive: { v1Decode: 3.75, v2: 4 } },
  },
  {
    id: "meta-llama/Llama-2-13b-hf",
    shape: shape("Llama-2-13B", 5120, 13824, 40, 40, 40, 32000, true),
    bits: { ant: { v1Decode: 5, v2: 4 }, olive: { v1Decode: 3.75, v2: 4 } },
  },
  {
    id: "meta-llama/Meta-Llama-3-8B",
    shape: shape("Llama-3-8B", 4096, 14336, 32, 32, 8, 128256, true),
    bits: { ant: { v1Decode: 4.5, v2: 5 }, olive: { v1Decode: 3.5, v2: 4.5 } },
  },
];

/** Prefill bits of ANT and OliVe in v1, the same for every model (`bitmod_sim/test_*.py` at 58d7bdb). */
const V1_PREFILL_BITS = { ant: 5.5, olive: 4.5 } as const;

/**
 * Bits of the accelerators whose formats are fixed: FP16, and BitMoD's INT6, FP4 and FP3 with 8 bits of scale (and 2 of
 * selector, not counted) for 128 weights, as `bitmod_sim/test_*.py` of both versions writes them.
 */
const FIXED_BITS = {
  "fp16-baseline": { prefill: 16, decode: 16 },
  "bitmod-lossless": { prefill: 6.0625, decode: 6.0625 },
  "bitmod-lossy": { prefill: 4.0625, decode: 3.0625 },
} as const satisfies Partial<Record<BitmodAccelerator, WeightBits>>;

/** The weight bits that BitMoD's authors use, or undefined where they depend on a model that the authors did not run. */
export function publishedWeightBits(
  version: BitmodVersion,
  accelerator: BitmodAccelerator,
  model: KnownModel | undefined,
): WeightBits | undefined {
  if (accelerator !== "ant" && accelerator !== "olive") return FIXED_BITS[accelerator];
  if (model === undefined) return undefined;
  const bits = model.bits[accelerator];
  return version === "v1"
    ? { prefill: V1_PREFILL_BITS[accelerator], decode: bits.v1Decode }
    : { prefill: bits.v2, decode: bits.v2 };
}
