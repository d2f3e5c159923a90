/** The presets `bitmod-v1` and `bitmod-v2`: BitMoD's simulator on any transformer or list of products. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { type BitmodLayer, runBitmod } from "./bitmod.ts";
import { BITMOD_CLOCK_MHZ, BITMOD_MACHINES } from "./data/bitmod-machines.ts";
import { type BitmodAccelerator, type BitmodVersion, publishedWeightBits } from "./data/language-models.ts";
import { type PeerLayerResult, type PeerResult, sumOfLayers } from "./report.ts";
import {
  type PeerRequest,
  type PeerWorkload,
  type Preset,
  resultHead,
  unknownHardware,
  unknownNetwork,
  workloadName,
} from "./request.ts";
import { type GemmLayer, gemmOf, type LlmShape } from "./workload.ts";

const MACHINES = Object.keys(BITMOD_MACHINES) as readonly BitmodAccelerator[];

/** The preset of one version. */
export function bitmodPreset(version: BitmodVersion): Preset {
  const name = `bitmod-${version}`;
  return {
    name,
    summary:
      version === "v1"
        ? "BitMoD's simulator as published (HPCA 2025): one sequence; its attention does not have the model's dimensions"
        : "BitMoD's simulator as revised in July 2025: batches, attention by key–value head, 8-bit keys and values",
    source: version === "v1" ? "yc2367/BitMoD-HPCA-25 at 58d7bdb" : "abdelfattah-lab/BitMoD-HPCA-25 at e445a5f",
    hardware: MACHINES,
    networks: [],
    run: (request, sink, span) => run(version, name, request, sink, span),
  };
}

function run(
  version: BitmodVersion,
  name: string,
  request: PeerRequest,
  sink: Diagnostics,
  span: Span,
): PeerResult | undefined {
  const accelerator = MACHINES.find((m) => m === request.hardware);
  if (accelerator === undefined) return unknownHardware(name, MACHINES, request, sink, span);
  const { workload: source } = request;
  if (source.kind === "network") return unknownNetwork(name, [], source.name, sink, span);
  const weightBits = request.weightBits ?? publishedBits(version, accelerator, request);
  if (weightBits === undefined) {
    sink.error(
      "peer/weight-bits",
      span,
      `nobody published the weight bits of ${workloadName(request.workload)} on ${accelerator}`,
      [{ message: "give them: the mean number of stored bits a weight, such as 4.5" }],
    );
    return undefined;
  }
  const { phase, batch, context } = request;
  const workload = workloadOf(source, batch);
  const result = runBitmod({ version, accelerator, workload, phase, batch, context, weightBits }, sink, span);
  if (result === undefined) return undefined;
  const layers = result.layers.map(reportLayer);
  return { ...resultHead(request), weightBits, totals: sumOfLayers(layers, ["dramCycles"]), layers };
}

function publishedBits(
  version: BitmodVersion,
  accelerator: BitmodAccelerator,
  request: PeerRequest,
): number | undefined {
  const known = request.workload.kind === "model" ? request.workload.model.known : undefined;
  return publishedWeightBits(version, accelerator, known)?.[request.phase];
}

/** A list of layers has as many rows for every image or sequence of the batch. */
function workloadOf(
  workload: Exclude<PeerWorkload, { kind: "network" }>,
  batch: number,
): LlmShape | readonly GemmLayer[] {
  if (workload.kind === "model") return workload.model.shape;
  return workload.layers.map((layer) => {
    const gemm = gemmOf(layer);
    return { ...gemm, m: gemm.m * batch };
  });
}

function reportLayer(layer: BitmodLayer): PeerLayerResult {
  return {
    name: layer.name,
    cycles: layer.cycles,
    computeCycles: layer.computeCycles,
    stallCycles: layer.cycles - layer.computeCycles,
    timeSeconds: layer.cycles / (BITMOD_CLOCK_MHZ * 1e6),
    energyPJ: { ...layer.energyPJ },
    macs: layer.macs,
    bytes: { dram: { read: layer.dramReadBytes, write: layer.dramWriteBytes } },
    counters: { dramCycles: layer.dramCycles },
  };
}
