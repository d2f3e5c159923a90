/** BitFusion's own simulator: the search of tiles and loop orders on arrays of fusion units. */
import { internal } from "../../ir/diagnostics.ts";
import {
  BITFUSION_ACTIVATION_NJ_PER_BIT,
  BITFUSION_CLOCK_MHZ,
  BITFUSION_DRAM_NJ_PER_BIT,
  BITFUSION_MAX_BITS,
  BITFUSION_MIN_BITS,
  BITFUSION_SRAM_NJ_PER_BIT,
  BITFUSION_UNIT_NANOWATTS,
  type BitfusionLayer,
  type BitfusionMachine,
} from "./data/bitfusion-networks.ts";
import {
  type ArrayAccess,
  type LoopChoice,
  type LoopCost,
  type LoopExtents,
  type LoopRules,
  searchLoops,
  type Tiling,
} from "./loop-search.ts";

export interface BitfusionEnergyNJ {
  readonly core: number;
  readonly sram: number;
  readonly dram: number;
}

export interface BitfusionResult extends LoopChoice {
  readonly energyNJ: BitfusionEnergyNJ;
}

/** Bits of a sum (`optimizer.py`). */
const OUTPUT_BITS = 32;

/**
 * One layer on one machine (`optimizer.py`, `accelerator.py` and `stats.py` of hsharma35/bitfusion at 04ec1c8).
 * Undefined where not even the smallest tile fits the buffers.
 */
export function runBitfusion(
  layer: BitfusionLayer,
  machine: BitfusionMachine,
  batch: number,
): BitfusionResult | undefined {
  const { output, inputChannels, outputChannels } = layer;
  const extents: LoopExtents = { batch, output, inputChannels, outputChannels };
  const choice = searchLoops(extents, machine, rulesOf(layer, machine));
  return choice === undefined ? undefined : { ...choice, energyNJ: energyOf(choice.cost, machine) };
}

/** A tile's loops of the array, the inner ones rounded up to the lanes. */
interface InnerLoops {
  readonly pixels: number;
  readonly window: number;
  readonly channels: number;
  readonly paddedWindow: number;
  readonly paddedChannels: number;
}

function rulesOf(layer: BitfusionLayer, machine: BitfusionMachine): LoopRules {
  const { kernel, stride, activationBits, weightBits, im2col } = layer;
  const pairs = (bits: number): number => Math.trunc(BITFUSION_MAX_BITS / Math.max(bits, BITFUSION_MIN_BITS));
  const lanes = machine.rows * pairs(activationBits) * pairs(weightBits);
  const area = kernel * kernel;
  const up = (value: number, step: number): number => Math.ceil(value / step) * step;
  const inner = (tile: LoopExtents): InnerLoops => ({
    pixels: tile.batch * tile.output * tile.output,
    window: area * tile.inputChannels,
    channels: tile.outputChannels,
    paddedWindow: im2col ? up(area * tile.inputChannels, lanes) : up(tile.inputChannels, lanes) * area,
    paddedChannels: up(tile.outputChannels, machine.columns),
  });
  return {
    channelStep: im2col ? 1 : machine.columns,
    tileCost: (tile) => {
      const { pixels, window, channels, paddedWindow, paddedChannels } = inner(tile);
      const side = kernel + (tile.output - 1) * stride;
      const inputs = im2col ? pixels * window : side * side * tile.inputChannels * tile.batch;
      const results = pixels * paddedChannels * OUTPUT_BITS;
      return {
        weightBits: up(window, lanes) * channels * weightBits,
        activationBits: inputs * activationBits,
        outputInBits: results,
        outputOutBits: results,
        computeCycles: (pixels * paddedChannels * paddedWindow) / (machine.columns * lanes),
      };
    },
    access: ({ tile, tiles }: Tiling) => accessOf(inner(tile), tiles, activationBits, weightBits),
    energy: (cost) => {
      const { core, sram, dram } = energyOf(cost, machine);
      return core + sram + dram;
    },
  };
}

/** The operand that stays in the array is the one that saves most bits, counted with padding. */
function accessOf(loops: InnerLoops, tiles: number, activationBits: number, weightBits: number): ArrayAccess {
  const { pixels, window, channels, paddedWindow, paddedChannels } = loops;
  const inputStays = paddedWindow * pixels * (activationBits + paddedChannels * (weightBits + OUTPUT_BITS));
  const outputStays = paddedChannels * pixels * (OUTPUT_BITS + paddedWindow * (activationBits + weightBits));
  const weightStays = paddedWindow * paddedChannels * (weightBits + pixels * (activationBits + OUTPUT_BITS));
  const least = Math.min(inputStays, outputStays, weightStays);
  const macs = tiles * window * channels * pixels;
  const access = (weights: number, activations: number, results: number): ArrayAccess => ({
    weightReadBits: weights * weightBits,
    activationReadBits: activations * activationBits,
    outputReadBits: results * OUTPUT_BITS,
    outputWriteBits: results * OUTPUT_BITS,
  });
  if (inputStays === least) return access(macs, tiles * window * pixels, macs);
  if (outputStays === least) return access(macs, macs, tiles * channels * pixels);
  return access(tiles * window * channels, macs, macs);
}

function energyOf(cost: LoopCost, machine: BitfusionMachine): BitfusionEnergyNJ {
  const sram = BITFUSION_SRAM_NJ_PER_BIT;
  const bank = machine.activationBytes / machine.rows;
  const activation = BITFUSION_ACTIVATION_NJ_PER_BIT[bank] ?? internal(`no energy of a bank of ${bank} bytes`);
  const corePerCycle = (BITFUSION_UNIT_NANOWATTS * machine.rows * machine.columns) / (BITFUSION_CLOCK_MHZ * 1e6);
  return {
    core: (cost.cycles - cost.stallCycles) * corePerCycle,
    sram:
      cost.weightReadBits * sram.weightRead +
      cost.weightWriteBits * sram.weightWrite +
      cost.activationReadBits * activation.read +
      cost.activationWriteBits * activation.write +
      cost.outputReadBits * sram.outputRead +
      cost.outputWriteBits * sram.outputWrite,
    dram: (cost.dramReadBits + cost.dramWriteBits) * BITFUSION_DRAM_NJ_PER_BIT,
  };
}
