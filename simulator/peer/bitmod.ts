/** BitMoD's own simulator, both versions: Σ over layers of max(compute, memory), and the energy of PEs, buffers and DRAM. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import {
  BITMOD_BUFFER_BYTES,
  BITMOD_DRAM_BITS_PER_CYCLE,
  BITMOD_DRAM_ENERGY_PJ_PER_BIT,
  BITMOD_MACHINES,
  BITMOD_PLACEMENT_FACTOR,
  BITMOD_SRAM,
  type BitmodArray,
  type BitmodMachine,
  type SramEnergy,
} from "./data/bitmod-machines.ts";
import type { BitmodAccelerator, BitmodVersion } from "./data/language-models.ts";
import {
  blockLayerName,
  blockLinears,
  type GemmLayer,
  type LinearShape,
  type LlmShape,
  type Phase,
} from "./workload.ts";

export interface BitmodRequest {
  readonly version: BitmodVersion;
  readonly accelerator: BitmodAccelerator;
  /** A transformer, or products in the order in which they run (m counts every row of the batch). */
  readonly workload: LlmShape | readonly GemmLayer[];
  readonly phase: Phase;
  /** The first version knows one sequence only. */
  readonly batch: number;
  /** Prefill: tokens of a prompt. Decode: tokens in the cache. */
  readonly context: number;
  readonly weightBits: number;
  /** Of the revised version; the accelerator's own where left out. */
  readonly kvBits?: number;
}

export interface BitmodEnergy {
  readonly total: number;
  readonly pe: number;
  readonly sramRead: number;
  readonly sramWrite: number;
  readonly dram: number;
}

export interface BitmodLayer {
  readonly name: string;
  readonly kind: "linear" | "attention";
  /** max(computeCycles, dramCycles): perfect overlap inside a layer, none between layers. */
  readonly cycles: number;
  readonly computeCycles: number;
  readonly dramCycles: number;
  readonly dramReadBytes: number;
  readonly dramWriteBytes: number;
  /** Multiplications as the simulator counts them, which in the first version's attention are not those of the model. */
  readonly macs: number;
  readonly energyPJ: BitmodEnergy;
}

export interface BitmodResult {
  readonly layers: readonly BitmodLayer[];
  readonly totals: Omit<BitmodLayer, "name" | "kind">;
}

/** One product as the simulator sees it. In the first version attention's operands do not fit together, as published. */
interface Product {
  readonly name: string;
  readonly kind: BitmodLayer["kind"];
  /** Independent products of these dimensions, each with its own activations. */
  readonly count: number;
  /** Matrices of the weight operand among them: 1 where a batch shares its weights. */
  readonly weightMatrices: number;
  readonly cin: number;
  readonly cout: number;
  readonly rows: number;
  /** Length of a row of activations. */
  readonly inputWidth: number;
  readonly latencyBits: number;
  readonly dramWeightBits: number;
  readonly sramWeightBits: number;
}

/**
 * Runs the published formulas (`bitmod_sim/accelerator.py` and `pe_array.py` of yc2367/BitMoD-HPCA-25 at 58d7bdb for v1,
 * of abdelfattah-lab/BitMoD-HPCA-25 at e445a5f for v2). Undefined, with a diagnostic at `span`, where they do not apply.
 */
export function runBitmod(request: BitmodRequest, diagnostics: Diagnostics, span: Span): BitmodResult | undefined {
  if (request.version === "v1" && request.batch !== 1) {
    diagnostics.error(
      "peer/batch",
      span,
      `the first version of BitMoD's simulator knows no batch, so it cannot run ${request.batch} sequences`,
      [{ message: "bitmod-v2 takes any batch" }],
    );
    return undefined;
  }
  const machine = BITMOD_MACHINES[request.accelerator];
  const array = machine[request.phase];
  const buffers = bufferEnergies(machine, array, request, diagnostics, span);
  if (buffers === undefined) return undefined;
  const cost = (product: Product): BitmodLayer => costOf(product, machine, array, buffers);
  const { workload } = request;
  const layers =
    "hidden" in workload
      ? costOfModel(workload, request, machine, cost)
      : workload.map((g) => cost(linear(g, g.count, g.m, request.weightBits)));
  return { layers, totals: totalsOf(layers) };
}

/** Blocks are alike: one is computed and stands for all. */
function costOfModel(
  model: LlmShape,
  request: BitmodRequest,
  machine: BitmodMachine,
  cost: (product: Product) => BitmodLayer,
): readonly BitmodLayer[] {
  const { phase, batch, context, weightBits } = request;
  // The revised simulator gives prefill a product a sequence and decode one product with a row a sequence.
  const [count, rows] = phase === "prefill" ? [batch, context] : [1, batch];
  const { beforeAttention, afterAttention } = blockLinears(model);
  const ofLinear = (shape: LinearShape): BitmodLayer => cost(linear(shape, count, rows, weightBits));
  const attention =
    request.version === "v1"
      ? attentionOfV1(model, request)
      : attentionOfV2(model, request, request.kvBits ?? machine.kvBits);
  const block = [...beforeAttention.map(ofLinear), ...attention.map(cost), ...afterAttention.map(ofLinear)];
  const blocks = Array.from({ length: model.blocks }, (_, i) =>
    block.map((layer) => ({ ...layer, name: blockLayerName(i, layer.name) })),
  );
  return [...blocks.flat(), ofLinear({ name: "lm_head", n: model.vocabulary, k: model.hidden })];
}

function linear(shape: LinearShape, count: number, rows: number, weightBits: number): Product {
  return {
    name: shape.name,
    kind: "linear",
    count,
    weightMatrices: 1,
    cin: shape.k,
    cout: shape.n,
    rows,
    inputWidth: shape.k,
    latencyBits: weightBits,
    dramWeightBits: weightBits,
    sramWeightBits: weightBits,
  };
}

/** As published: prefill counts `heads` times too many products of QKᵀ, and decode leaves the context out of it. */
function attentionOfV1(model: LlmShape, request: BitmodRequest): readonly Product[] {
  const { context, weightBits } = request;
  const rows = request.phase === "prefill" ? context : 1;
  const common = {
    kind: "attention",
    count: 1,
    weightMatrices: 1,
    inputWidth: model.keyValueHeads * model.headSize,
    latencyBits: weightBits,
    dramWeightBits: 16,
    sramWeightBits: weightBits,
  } as const;
  return [
    { ...common, name: "self_attn.qk", cin: model.hidden, cout: rows, rows: model.heads * rows },
    { ...common, name: "self_attn.pv", cin: context, cout: model.heads * rows, rows },
  ];
}

/** One product for each head of keys: its queries are the rows, the cache is the weight operand. */
function attentionOfV2(model: LlmShape, request: BitmodRequest, kvBits: number): readonly Product[] {
  const { context, batch } = request;
  const rows = (model.heads / model.keyValueHeads) * (request.phase === "prefill" ? context : 1);
  const heads = batch * model.keyValueHeads;
  const common = {
    kind: "attention",
    count: heads,
    weightMatrices: heads,
    rows,
    latencyBits: kvBits,
    dramWeightBits: kvBits,
    sramWeightBits: kvBits,
  } as const;
  return [
    { ...common, name: "self_attn.qk", cin: model.headSize, cout: context, inputWidth: model.headSize },
    { ...common, name: "self_attn.pv", cin: context, cout: model.headSize, inputWidth: context },
  ];
}

interface Buffers {
  readonly weight: SramEnergy;
  readonly input: SramEnergy;
}

function bufferEnergies(
  machine: BitmodMachine,
  array: BitmodArray,
  request: BitmodRequest,
  diagnostics: Diagnostics,
  span: Span,
): Buffers | undefined {
  const share = machine.bitSerial ? 2 : 1;
  const weightBus = (bits: number): number => (machine.dotProduct * Math.ceil(bits / 4) * 4 * array.rows) / share;
  const inputBus = (machine.dotProduct * 16 * array.columns) / share;
  const of = (busBits: number): SramEnergy | undefined => BITMOD_SRAM.find((row) => row.busBits === busBits);
  const weight = of(weightBus(request.weightBits));
  const input = of(inputBus);
  if (weight !== undefined && input !== undefined) return { weight, input };
  const possible = [4, 8, 12, 16].filter((bits) => of(weightBus(bits)) !== undefined);
  diagnostics.error(
    "peer/sram-width",
    span,
    `weights of ${request.weightBits} bits need a buffer ${weightBus(request.weightBits)} bits wide on ${request.accelerator} (${request.phase}), and no energy is published for that width`,
    [{ message: `published widths fit weights of up to ${possible.join(", ")} bits, in steps of 4` }],
  );
  return undefined;
}

function cyclesPerTile(bits: number, machine: BitmodMachine): number {
  return machine.bitSerial ? Math.ceil(Math.floor(bits) / 2) : 1;
}

function costOf(product: Product, machine: BitmodMachine, array: BitmodArray, buffers: Buffers): BitmodLayer {
  const { cin, cout, rows, count, weightMatrices, inputWidth } = product;
  const tiles =
    count * Math.ceil(cin / machine.dotProduct) * Math.ceil(cout / array.rows) * Math.ceil(rows / array.columns);
  const computeCycles = tiles * cyclesPerTile(product.latencyBits, machine);

  const weightBytes = weightMatrices * Math.ceil((cin * product.dramWeightBits) / 8) * cout;
  const inputBytes = count * Math.ceil((inputWidth * 16) / 8) * rows;
  const outputBytes = count * Math.ceil((cout * 16) / 8) * rows;
  const passes = passesOf(weightBytes, inputBytes);
  const dramReadBytes = weightBytes * passes.weight + inputBytes * passes.input;
  const dramBits = 8 * (dramReadBytes + outputBytes);
  const dramCycles = Math.trunc(dramBits / BITMOD_DRAM_BITS_PER_CYCLE);

  const words = (width: number, bits: number): number => Math.ceil((width * bits) / 64);
  const per64 = (sram: SramEnergy): number => (sram.writePJ / sram.busBits) * 64;
  const weightWrites = weightMatrices * words(cin, product.sramWeightBits) * cout * passes.weight;
  const inputWrites = count * words(inputWidth, 16) * rows * passes.input;
  const outputWrites = count * words(cout, 16) * rows;

  const pe = machine.peEnergyPJ * BITMOD_PLACEMENT_FACTOR * array.rows * array.columns * computeCycles;
  const sramRead = tiles * (buffers.weight.readPJ + buffers.input.readPJ);
  const sramWrite = weightWrites * per64(buffers.weight) + (inputWrites + outputWrites) * per64(buffers.input);
  const dram = dramBits * BITMOD_DRAM_ENERGY_PJ_PER_BIT;
  return {
    name: product.name,
    kind: product.kind,
    cycles: Math.max(computeCycles, dramCycles),
    computeCycles,
    dramCycles,
    dramReadBytes,
    dramWriteBytes: outputBytes,
    macs: count * cin * cout * rows,
    energyPJ: { total: pe + sramRead + sramWrite + dram, pe, sramRead, sramWrite, dram },
  };
}

/** How often each operand is read when neither fits its buffer: the cheaper of the two orders. */
function passesOf(weightBytes: number, inputBytes: number): { readonly weight: number; readonly input: number } {
  if (weightBytes <= BITMOD_BUFFER_BYTES || inputBytes <= BITMOD_BUFFER_BYTES) return { weight: 1, input: 1 };
  const inputPasses = Math.ceil(weightBytes / BITMOD_BUFFER_BYTES);
  const weightPasses = Math.ceil(inputBytes / BITMOD_BUFFER_BYTES);
  return weightPasses * weightBytes + inputBytes < inputPasses * inputBytes + weightBytes
    ? { weight: weightPasses, input: 1 }
    : { weight: 1, input: inputPasses };
}

function totalsOf(layers: readonly BitmodLayer[]): BitmodResult["totals"] {
  const sum = (value: (layer: BitmodLayer) => number): number => layers.reduce((s, layer) => s + value(layer), 0);
  return {
    cycles: sum((l) => l.cycles),
    computeCycles: sum((l) => l.computeCycles),
    dramCycles: sum((l) => l.dramCycles),
    dramReadBytes: sum((l) => l.dramReadBytes),
    dramWriteBytes: sum((l) => l.dramWriteBytes),
    macs: sum((l) => l.macs),
    energyPJ: {
      total: sum((l) => l.energyPJ.total),
      pe: sum((l) => l.energyPJ.pe),
      sramRead: sum((l) => l.energyPJ.sramRead),
      sramWrite: sum((l) => l.energyPJ.sramWrite),
      dram: sum((l) => l.energyPJ.dram),
    },
  };
}
