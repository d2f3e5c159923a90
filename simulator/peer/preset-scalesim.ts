/** The preset `scalesim`: SCALE-Sim on any list of layers, or on a transformer's products. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { type PeerFigures, type PeerLayerResult, type PeerResult, sumOfLayers } from "./report.ts";
import {
  type PeerRequest,
  type PeerWorkload,
  type Preset,
  resultHead,
  unknownHardware,
  unknownNetwork,
} from "./request.ts";
import { overallUtilisation, SCALESIM_DATAFLOWS, type ScalesimCompute, scalesimCompute } from "./scalesim.ts";
import type { ScalesimMachine } from "./scalesim-config.ts";
import { type ScalesimStalls, scalesimStalls } from "./scalesim-stalls.ts";
import { gemmOf, llmLayers, type PeerLayer } from "./workload.ts";

const NAME = "scalesim";
/** Any array by its dataflow, rows and columns, in CALC mode. */
const NAMED = /^(os|ws|is)-([1-9]\d{0,4})x([1-9]\d{0,4})$/;
const EXAMPLES = ["os-32x32", "ws-128x128", "is-12x14", "any such array", "a configuration file"];

export const scalesimPreset: Preset = {
  name: NAME,
  summary:
    "SCALE-Sim v2 and v3: one array, folds one after the other; its USER mode's buffers where a file asks for it",
  source: "scalesim-project/scale-sim-v2 at 22f88b1, scalesim-project/SCALE-Sim at 1d62b68",
  hardware: EXAMPLES,
  networks: [],
  run,
};

function run(request: PeerRequest, sink: Diagnostics, span: Span): PeerResult | undefined {
  const machine = typeof request.hardware === "string" ? machineNamed(request.hardware) : request.hardware;
  if (machine === undefined) return unknownHardware(NAME, EXAMPLES, request, sink, span);
  const { workload } = request;
  if (workload.kind === "network") return unknownNetwork(NAME, [], workload.name, sink, span);
  const source = layersOf(workload, request);
  warnOfSparsity(source, sink, span);
  if (machine.wordsPerCycle !== undefined && !fitsStepping(source, sink, span)) return undefined;
  const known = new Map<string, PeerFigures>();
  const layers = source.map((layer): PeerLayerResult => {
    const key = JSON.stringify({ ...layer, name: "" });
    const figures = known.get(key) ?? figuresOf(layer, machine);
    known.set(key, figures);
    return { name: layer.name, ...figures };
  });
  const totals = sumOfLayers(layers, []);
  return {
    ...resultHead(request),
    totals: { ...totals, utilisation: overallUtilisation(totals.macs, totals.cycles, machine) },
    layers,
  };
}

function machineNamed(name: string): ScalesimMachine | undefined {
  const match = NAMED.exec(name);
  const dataflow = SCALESIM_DATAFLOWS.find((d) => d === match?.[1]);
  if (match === null || dataflow === undefined) return undefined;
  // CALC mode asks nothing of the buffers.
  const sramKB = { ifmap: 0, filter: 0, ofmap: 0 };
  return { name, version: "v3", dataflow, rows: Number(match[2]), columns: Number(match[3]), sramKB };
}

function layersOf(
  workload: Exclude<PeerWorkload, { kind: "network" }>,
  { phase, batch, context }: PeerRequest,
): readonly PeerLayer[] {
  if (workload.kind === "model") return llmLayers(workload.model.shape, phase, batch, context);
  return workload.layers.map((layer) =>
    layer.kind === "gemm" ? { ...layer, m: layer.m * batch } : { ...layer, batch: (layer.batch ?? 1) * batch },
  );
}

function warnOfSparsity(layers: readonly PeerLayer[], sink: Diagnostics, span: Span): void {
  const sparse = layers.filter((l) => l.sparsity !== undefined && l.sparsity.kept < l.sparsity.of);
  if (sparse.length === 0) return;
  const message = `${sparse.length} layers give a ratio of sparse weights, and are simulated dense`;
  sink.warn("scalesim/sparsity", span, message, [{ message: "as SCALE-Sim does without SparsitySupport" }]);
}

/** Words of one operand that stepping can hold: each takes 12 bytes here. */
const MAX_STEPPED_WORDS = 2 ** 26;

function fitsStepping(layers: readonly PeerLayer[], sink: Diagnostics, span: Span): boolean {
  const large = layers.find((layer) => {
    const { m, n, k } = gemmOf(layer);
    return Math.max(m * k, k * n) > MAX_STEPPED_WORDS;
  });
  if (large === undefined) return true;
  const message = `layer "${large.name}" has an operand of more than 2^26 words, too many to step through USER mode`;
  sink.error("scalesim/size", span, message, [{ message: "CALC mode runs layers of any size" }]);
  return false;
}

function figuresOf(layer: PeerLayer, machine: ScalesimMachine): PeerFigures {
  const gemm = gemmOf(layer);
  const compute = scalesimCompute(gemm, machine);
  const { sramKB, version, wordsPerCycle } = machine;
  const stalls =
    wordsPerCycle === undefined ? undefined : scalesimStalls(layer, machine, { version, sramKB, wordsPerCycle });
  const cycles = stalls?.totalCycles ?? compute.computeCycles;
  const { count } = gemm;
  return {
    cycles: count * cycles,
    computeCycles: count * compute.computeCycles,
    stallCycles: count * (cycles - compute.computeCycles),
    macs: count * compute.macs,
    utilisation: overallUtilisation(compute.macs, cycles, machine),
    bytes: bytesOf(compute, stalls, count),
    counters: {
      mappingEfficiency: compute.mappingEfficiency,
      computeUtilisation: compute.computeUtilisation,
    },
  };
}

/** SCALE-Sim's words are bytes. What reaches DRAM is known in USER mode only, and there for reads. */
function bytesOf(compute: ScalesimCompute, stalls: ScalesimStalls | undefined, count: number): PeerFigures["bytes"] {
  const reads = (words: number) => ({ read: count * words, write: 0 });
  return {
    ifmapSram: reads(compute.ifmapReads),
    filterSram: reads(compute.filterReads),
    ofmapSram: { read: 0, write: count * compute.ofmapWrites },
    ...(stalls === undefined
      ? {}
      : { ifmapDram: reads(stalls.ifmapDramReads), filterDram: reads(stalls.filterDramReads) }),
  };
}
