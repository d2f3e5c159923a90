/** What the publications claim, next to what their formulas give here: the rows that a validation table prints. */
import { Diagnostics, internal, NO_SPAN } from "../../ir/diagnostics.ts";
import { type BitmodResult, runBitmod } from "./bitmod.ts";
import { type BitmodAccelerator, KNOWN_MODELS, type KnownModel, publishedWeightBits } from "./data/language-models.ts";
import type { Phase } from "./workload.ts";

export interface PeerClaim {
  readonly claim: string;
  readonly source: string;
  readonly published: number;
  readonly ours: number;
}

/** A task of BitMoD's figures: 256 tokens of prompt, and for the generative one 20 tokens, each with 256 in the cache. */
type Task = "discriminative" | "generative";
const PROMPT_TOKENS = 256;
const GENERATED_TOKENS = 20;

interface Cost {
  readonly cycles: number;
  readonly energyPJ: number;
}

function costOf(accelerator: BitmodAccelerator, model: KnownModel, task: Task): Cost {
  const run = (phase: Phase): BitmodResult["totals"] => {
    const bits = publishedWeightBits("v1", accelerator, model);
    if (bits === undefined) internal(`no weight bits of ${model.id} on ${accelerator}`);
    const request = {
      version: "v1",
      accelerator,
      workload: model.shape,
      phase,
      batch: 1,
      context: PROMPT_TOKENS,
      weightBits: bits[phase],
    } as const;
    return (runBitmod(request, new Diagnostics(), NO_SPAN) ?? internal(`${model.id} does not run`)).totals;
  };
  const prefill = run("prefill");
  if (task === "discriminative") return { cycles: prefill.cycles, energyPJ: prefill.energyPJ.total };
  const decode = run("decode");
  return {
    cycles: prefill.cycles + GENERATED_TOKENS * decode.cycles,
    energyPJ: prefill.energyPJ.total + GENERATED_TOKENS * decode.energyPJ.total,
  };
}

const mean = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0) / values.length;

/** Arithmetic mean over the six models of the FP16 machine's cycles over this one's: what the paper's bars show. */
export function meanSpeedup(accelerator: BitmodAccelerator, task: Task): number {
  return mean(
    KNOWN_MODELS.map((model) => costOf("fp16-baseline", model, task).cycles / costOf(accelerator, model, task).cycles),
  );
}

/** Arithmetic mean over the six models of this machine's energy over the FP16 machine's. */
export function meanNormalisedEnergy(accelerator: BitmodAccelerator, task: Task): number {
  return mean(
    KNOWN_MODELS.map(
      (model) => costOf(accelerator, model, task).energyPJ / costOf("fp16-baseline", model, task).energyPJ,
    ),
  );
}

const TASKS: readonly Task[] = ["discriminative", "generative"];

/** Speed: quotient of the two means of speedups. */
function speed(ours: BitmodAccelerator, other: BitmodAccelerator, published: readonly number[]): readonly PeerClaim[] {
  return TASKS.map((task, i) => ({
    claim: `${ours} over ${other}, ${task}: speedup`,
    source: "BitMoD, HPCA 2025, section V",
    published: published[i]!,
    ours: meanSpeedup(ours, task) / meanSpeedup(other, task),
  }));
}

/** Energy: quotient of the two means of normalised energy, then the mean of both tasks. */
function energy(ours: BitmodAccelerator, other: BitmodAccelerator, published: number): PeerClaim {
  return {
    claim: `${ours} over ${other}, both tasks: energy efficiency`,
    source: "BitMoD, HPCA 2025, section V",
    published,
    ours: mean(TASKS.map((task) => meanNormalisedEnergy(other, task) / meanNormalisedEnergy(ours, task))),
  };
}

/**
 * The headline ratios of BitMoD's paper from its first simulator. The text calls its means geometric; its plots compute
 * arithmetic ones, and so do these.
 */
export function bitmodClaims(): readonly PeerClaim[] {
  return [
    ...speed("bitmod-lossless", "fp16-baseline", [1.99, 2.41]),
    ...speed("bitmod-lossy", "ant", [1.72, 1.66]),
    ...speed("bitmod-lossy", "olive", [1.56, 1.39]),
    energy("bitmod-lossless", "fp16-baseline", 2.31),
    energy("bitmod-lossy", "ant", 1.48),
    energy("bitmod-lossy", "olive", 1.31),
  ];
}
