/** The preset `bitfusion`: BitFusion's simulator at the points of its sweep, on its own networks, layers or a transformer. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { runBitfusion } from "./bitfusion.ts";
import {
  BITFUSION_CLOCK_MHZ,
  BITFUSION_MACHINES,
  BITFUSION_MAX_BITS,
  BITFUSION_NETWORKS,
  type BitfusionLayer,
} from "./data/bitfusion-networks.ts";
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

const NAME = "bitfusion";
const MACHINES = Object.keys(BITFUSION_MACHINES);
const NETWORKS = Object.keys(BITFUSION_NETWORKS);

export const bitfusionPreset: Preset = {
  name: NAME,
  summary: "BitFusion's simulator (ISCA 2018) at the five points of its published sweep",
  source: "hsharma35/bitfusion at 04ec1c8",
  hardware: MACHINES,
  networks: NETWORKS,
  run,
};

type Layer = SquareLayer & BitfusionLayer;

function run(request: PeerRequest, sink: Diagnostics, span: Span): PeerResult | undefined {
  const machineName = MACHINES.find((name) => name === request.hardware);
  const machine = machineName === undefined ? undefined : BITFUSION_MACHINES[machineName];
  if (machine === undefined) return unknownHardware(NAME, MACHINES, request, sink, span);
  const source = layersOf(request, sink, span);
  if (source === undefined) return undefined;
  const layers = runLayers(
    source,
    (layer) => {
      const result = runBitfusion(layer, machine, layer.batch);
      return result === undefined ? undefined : figuresOf(layer, result, { ...result.energyNJ }, BITFUSION_CLOCK_MHZ);
    },
    sink,
    span,
  );
  if (layers === undefined) return undefined;
  return { ...resultHead(request), totals: sumOfLayers(layers, ["tiles"]), layers };
}

function layersOf(request: PeerRequest, sink: Diagnostics, span: Span): readonly Layer[] | undefined {
  const { workload, batch } = request;
  if (workload.kind === "network") {
    const network = NETWORKS.includes(workload.name) ? BITFUSION_NETWORKS[workload.name] : undefined;
    if (network === undefined) return unknownNetwork(NAME, NETWORKS, workload.name, sink, span);
    return network.map((layer) => ({ ...layer, batch, count: 1 }));
  }
  const bits = wholeBits(request, BITFUSION_MAX_BITS, sink, span);
  if (bits === undefined) return undefined;
  const images = workload.kind === "model" ? 1 : batch;
  // Nobody says how activations are stored: as the weights are.
  return squareLayers(weightLayers(request), images, sink, span).map((layer, i) => ({
    ...layer,
    activationBits: bits,
    weightBits: bits,
    im2col: i === 0 && layer.output > 1,
  }));
}
