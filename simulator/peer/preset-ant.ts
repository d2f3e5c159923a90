/** The preset `ant`: ANT's simulator and its machines on its own networks, on layers or on a transformer. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { runAnt } from "./ant.ts";
import { LANGUAGE_NETWORKS, languageNetwork } from "./data/ant-language-networks.ts";
import { ANT_CLOCK_MHZ, ANT_MACHINES, type AntMachineName, isForkMachine } from "./data/ant-machines.ts";
import { ANT_NETWORKS, type AntNetworkLayer, antNetwork } from "./data/ant-networks.ts";
import { figuresOf, runLayers, type SquareLayer, squareLayers } from "./preset-loops.ts";
import { type PeerResult, sumOfLayers } from "./report.ts";
import {
  type PeerRequest,
  type Preset,
  resultHead,
  unknownHardware,
  unknownNetwork,
  weightLayers,
  wholeBits,
} from "./request.ts";

const NAME = "ant";
const MACHINES = Object.keys(ANT_MACHINES) as readonly AntMachineName[];

export const antPreset: Preset = {
  name: NAME,
  summary: "ANT's simulator (MICRO 2022): a search for tiles and loop orders; activations have the weights' bits",
  source:
    "clevercool/ANT-Quantization at bc84067 (ant_simulator); machines with sizes in their names: dwrScent/nvesm2 at 4dd65fd",
  hardware: MACHINES,
  networks: [...ANT_NETWORKS, ...LANGUAGE_NETWORKS],
  run,
};

interface Layer extends SquareLayer {
  readonly bits: number;
}

function run(request: PeerRequest, sink: Diagnostics, span: Span): PeerResult | undefined {
  const machine = MACHINES.find((m) => m === request.hardware);
  if (machine === undefined) return unknownHardware(NAME, MACHINES, request, sink, span);
  const source = layersOf(request, machine, sink, span);
  if (source === undefined) return undefined;
  const layers = runLayers(
    source,
    (layer) => {
      const result = runAnt(layer, machine);
      return result === undefined ? undefined : figuresOf(layer, result, { ...result.energyNJ }, ANT_CLOCK_MHZ);
    },
    sink,
    span,
  );
  if (layers === undefined) return undefined;
  return { ...resultHead(request), weightBits: meanBits(source), totals: sumOfLayers(layers, ["tiles"]), layers };
}

function layersOf(
  request: PeerRequest,
  machine: AntMachineName,
  sink: Diagnostics,
  span: Span,
): readonly Layer[] | undefined {
  const { workload, batch } = request;
  if (workload.kind === "network") {
    const known = isForkMachine(machine) ? LANGUAGE_NETWORKS : ANT_NETWORKS;
    const network = networkOf(workload.name, machine);
    if (network === undefined) return unknownNetwork(`${NAME} on ${machine}`, known, workload.name, sink, span);
    return network.map((layer) => ({ ...layer, stride: 1, batch: layer.rows * batch, count: 1 }));
  }
  const { fixedBits, maxBits } = ANT_MACHINES[machine];
  const bits = request.weightBits === undefined ? fixedBits : undefined;
  const weightBits = bits ?? wholeBits(request, maxBits, sink, span);
  if (weightBits === undefined) return undefined;
  // A transformer's layers hold the batch already.
  const images = workload.kind === "model" ? 1 : batch;
  return squareLayers(weightLayers(request), images, sink, span).map((layer) => ({ ...layer, bits: weightBits }));
}

function networkOf(name: string, machine: AntMachineName): readonly AntNetworkLayer[] | undefined {
  if (isForkMachine(machine)) {
    const network = LANGUAGE_NETWORKS.find((n) => n === name);
    return network === undefined ? undefined : languageNetwork(network, machine);
  }
  const network = ANT_NETWORKS.find((n) => n === name);
  return network === undefined ? undefined : antNetwork(network, machine);
}

/** Stored bits a weight, over all weights. */
function meanBits(layers: readonly Layer[]): number {
  const weights = (l: Layer): number => l.count * l.kernel * l.kernel * l.inputChannels * l.outputChannels;
  const all = layers.reduce((sum, l) => sum + weights(l), 0);
  return all === 0 ? 0 : layers.reduce((sum, l) => sum + l.bits * weights(l), 0) / all;
}
