/** What the publications claim, next to what their formulas give here: the rows that a validation table prints. */
import { Diagnostics, internal, NO_SPAN } from "../../ir/diagnostics.ts";
import { runAnt } from "./ant.ts";
import { runBitfusion } from "./bitfusion.ts";
import { runBitmod } from "./bitmod.ts";
import type { PublishedMachineName } from "./data/ant-machines.ts";
import { ANT_BATCH, ANT_NETWORKS, type AntNetworkLayer, type AntNetworkName, antNetwork } from "./data/ant-networks.ts";
import { BITFUSION_BATCH, BITFUSION_MACHINES, BITFUSION_NETWORKS } from "./data/bitfusion-networks.ts";
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

/** One pass of one model on one machine, by the first version of the simulator. */
function passCost(accelerator: BitmodAccelerator, model: KnownModel, phase: Phase): Cost {
  const bits = publishedWeightBits("v1", accelerator, model) ?? internal(`no weight bits of ${model.id}`);
  const [version, workload, weightBits] = ["v1", model.shape, bits[phase]] as const;
  const request = { version, accelerator, workload, phase, batch: 1, context: PROMPT_TOKENS, weightBits } as const;
  const result = runBitmod(request, new Diagnostics(), NO_SPAN) ?? internal(`${model.id} does not run`);
  return { cycles: result.totals.cycles, energyPJ: result.totals.energyPJ.total };
}

function costOf(accelerator: BitmodAccelerator, model: KnownModel, task: Task): Cost {
  const prefill = passCost(accelerator, model, "prefill");
  if (task === "discriminative") return prefill;
  const decode = passCost(accelerator, model, "decode");
  return {
    cycles: prefill.cycles + GENERATED_TOKENS * decode.cycles,
    energyPJ: prefill.energyPJ + GENERATED_TOKENS * decode.energyPJ,
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

/** Time of a network over AdaFloat's: ANT-OS, ANT-WS, BitFusion, OLAccel and, where it was run, BiScaled. */
const ANT_TIMES: Readonly<Record<AntNetworkName, readonly number[]>> = {
  vgg16: [0.2, 0.2, 0.76, 0.79, 0.38],
  resnet18: [0.23, 0.23, 0.69, 0.9],
  resnet50: [0.22, 0.22, 0.54, 0.84, 0.38],
  inceptionv3: [0.25, 0.26, 0.56, 0.81],
  vit: [0.35, 0.35, 0.82, 0.76],
  mnli: [0.25, 0.25, 0.72, 0.78],
  cola: [0.26, 0.26, 0.86, 0.78],
  sst_2: [0.21, 0.21, 0.63, 0.78],
};
const ANT_TIMED: readonly PublishedMachineName[] = ["ant-os", "ant-ws", "bitfusion", "olaccel", "biscaled"];

/** The normalised times that ANT's simulator published (`results/ant_res.csv`), to two digits. */
export function antClaims(): readonly PeerClaim[] {
  const known = new Map<string, number>();
  const layerCycles = (layer: AntNetworkLayer, machine: PublishedMachineName): number => {
    const key = JSON.stringify([machine, { ...layer, name: "" }]);
    const found = known.get(key) ?? runAnt({ ...layer, batch: layer.rows * ANT_BATCH }, machine)?.cost.cycles;
    if (found === undefined) internal(`no tile of ${layer.name} on ${machine}`);
    known.set(key, found);
    return found;
  };
  const cycles = (network: AntNetworkName, machine: PublishedMachineName): number =>
    antNetwork(network, machine).reduce((sum, layer) => sum + layerCycles(layer, machine), 0);
  return ANT_NETWORKS.flatMap((network) => {
    const adaFloat = cycles(network, "adafloat");
    return ANT_TIMES[network].map((published, i) => ({
      claim: `${network}: time of ${ANT_TIMED[i]} over adafloat`,
      source: "clevercool/ANT-Quantization at bc84067, results/ant_res.csv",
      published,
      ours: cycles(network, ANT_TIMED[i]!) / adaFloat,
    }));
  });
}

/** Cycles of the 16×32 array at 192 bits a cycle. */
const BITFUSION_CYCLES: Readonly<Record<string, number>> = {
  AlexNet: 37666491,
  SVHN: 1317523,
  CIFAR10: 3293704,
  "LeNet-5": 410352,
  "VGG-7": 2822491,
  "RESNET-18": 49079982,
  RNN: 394583,
  LSTM: 337175,
};

/** The cycles that BitFusion published for its smallest machine. */
export function bitfusionClaims(): readonly PeerClaim[] {
  const machine = BITFUSION_MACHINES["16x32-192"] ?? internal("no machine");
  return Object.entries(BITFUSION_CYCLES).map(([network, published]) => ({
    claim: `${network}: cycles of bitfusion 16×32`,
    source: "hsharma35/bitfusion at 04ec1c8, results/bitfusion-eyeriss-sim-sweep.csv",
    published,
    ours: (BITFUSION_NETWORKS[network] ?? []).reduce(
      (sum, layer) => sum + (runBitfusion(layer, machine, BITFUSION_BATCH)?.cost.cycles ?? 0),
      0,
    ),
  }));
}

/** Everything that the published simulators' own figures say, in the order in which it is printed. */
export function peerClaims(): readonly PeerClaim[] {
  return [...bitmodClaims(), ...antClaims(), ...bitfusionClaims()];
}
