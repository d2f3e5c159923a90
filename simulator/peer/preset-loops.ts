/** What the presets `ant` and `bitfusion` share: square layers, one search for equal ones, and their results. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import type { LoopChoice } from "./loop-search.ts";
import type { PeerFigures, PeerLayerResult } from "./report.ts";
import { type GemmLayer, outputExtent, type PeerLayer } from "./workload.ts";

/** A layer as both simulators know it: kernels and outputs are square. */
export interface SquareLayer {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
  readonly output: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly batch: number;
  /** How many such layers run one after the other. */
  readonly count: number;
}

/** Takes the first side of what is not square, with the warning `peer/square`. */
export function squareLayers(
  layers: readonly PeerLayer[],
  batch: number,
  sink: Diagnostics,
  span: Span,
): readonly SquareLayer[] {
  return layers.map((layer) => {
    if (layer.kind === "gemm") return fullyConnected(layer, batch);
    const { kernelHeight, kernelWidth, stride, name } = layer;
    const output = outputExtent(layer.inputHeight, kernelHeight, stride);
    if (kernelHeight !== kernelWidth || output !== outputExtent(layer.inputWidth, kernelWidth, stride))
      sink.warn(
        "peer/square",
        span,
        `layer "${name}" is not square, and is taken for ${kernelHeight}×${kernelHeight} on ${output}×${output}`,
      );
    return {
      name,
      kernel: kernelHeight,
      stride,
      output,
      inputChannels: layer.channels,
      outputChannels: layer.filters,
      batch: (layer.batch ?? 1) * batch,
      count: 1,
    };
  });
}

function fullyConnected({ name, m, n, k, count }: GemmLayer, batch: number): SquareLayer {
  return { name, kernel: 1, stride: 1, output: 1, inputChannels: k, outputChannels: n, batch: m * batch, count };
}

/** Runs every layer, equal ones once; undefined with `peer/tile` where a layer has no tile that fits the buffers. */
export function runLayers<L extends SquareLayer>(
  layers: readonly L[],
  run: (layer: L) => PeerFigures | undefined,
  sink: Diagnostics,
  span: Span,
): readonly PeerLayerResult[] | undefined {
  const known = new Map<string, PeerFigures>();
  const results: PeerLayerResult[] = [];
  for (const layer of layers) {
    const key = JSON.stringify({ ...layer, name: "" });
    const figures = known.get(key) ?? run(layer);
    if (figures === undefined) {
      sink.error(
        "peer/tile",
        span,
        `no tile of layer "${layer.name}" fits the machine's buffers, not even the smallest`,
      );
      return undefined;
    }
    known.set(key, figures);
    results.push({ name: layer.name, ...figures });
  }
  return results;
}

/** The figures of a search's choice; energies are nanojoules by component. */
export function figuresOf(
  { kernel, output, inputChannels, outputChannels, batch, count }: SquareLayer,
  choice: LoopChoice,
  energyNJ: Readonly<Record<string, number>>,
  clockMHz: number,
): PeerFigures {
  const { cost } = choice;
  const bytes = (readBits: number, writeBits: number) => ({
    read: (count * readBits) / 8,
    write: (count * writeBits) / 8,
  });
  const picojoules = Object.entries(energyNJ).map(([name, nanojoules]) => [name, 1000 * count * nanojoules] as const);
  const total = picojoules.reduce((sum, [, energy]) => sum + energy, 0);
  return {
    cycles: count * cost.cycles,
    computeCycles: count * cost.computeCycles,
    stallCycles: count * cost.stallCycles,
    timeSeconds: (count * cost.cycles) / (clockMHz * 1e6),
    energyPJ: { total, ...Object.fromEntries(picojoules) },
    macs: count * kernel * kernel * inputChannels * outputChannels * output * output * batch,
    bytes: {
      dram: bytes(cost.dramReadBits, cost.dramWriteBits),
      weightSram: bytes(cost.weightReadBits, cost.weightWriteBits),
      activationSram: bytes(cost.activationReadBits, cost.activationWriteBits),
      outputSram: bytes(cost.outputReadBits, cost.outputWriteBits),
    },
    counters: { tiles: choice.tiles },
  };
}
