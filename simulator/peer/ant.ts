/** ANT's simulator: a search for each layer's tiles and loop order on six machines. */
import {
  ANT_CHOICE_NJ,
  ANT_MACHINES,
  ANT_MEMORY,
  ANT_REPORT_NJ,
  ANT_SRAM_LEAK_NJ_PER_CYCLE,
  ANT_SRAM_NJ_PER_BIT,
  type AntMachine,
  type AntMachineName,
} from "./data/ant-machines.ts";
import {
  type LoopChoice,
  type LoopCost,
  type LoopExtents,
  type LoopRules,
  searchLoops,
  type Tiling,
} from "./loop-search.ts";

/** A layer as the simulator knows it: kernels and outputs are square, and activations have the weights' bits. */
export interface AntLayer {
  readonly kernel: number;
  readonly output: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly batch: number;
  readonly bits: number;
}

export interface AntEnergyNJ {
  readonly static: number;
  readonly dram: number;
  readonly sram: number;
  readonly core: number;
}

export interface AntResult extends LoopChoice {
  readonly energyNJ: AntEnergyNJ;
}

/** Bits of a sum on its way to a buffer (`optimizer.py`). */
const OUTPUT_BITS = 16;

/**
 * One layer on one machine (`optimizer.py`, `accelerator.py` and `stats.py` of clevercool/ANT-Quantization at bc84067).
 * Undefined where not even the smallest tile fits the buffers.
 */
export function runAnt(layer: AntLayer, name: AntMachineName): AntResult | undefined {
  const machine = ANT_MACHINES[name];
  const extents: LoopExtents = {
    batch: layer.batch,
    output: layer.output,
    inputChannels: layer.inputChannels,
    outputChannels: layer.outputChannels,
  };
  const choice = searchLoops(extents, ANT_MEMORY, rulesOf(layer, machine));
  return choice === undefined ? undefined : { ...choice, energyNJ: reportedEnergy(choice.cost, machine) };
}

function rulesOf({ kernel, bits }: AntLayer, machine: AntMachine): LoopRules {
  const { rows, columns, dataflow } = machine;
  const pairs = Math.trunc(machine.maxBits / Math.max(bits, machine.minBits));
  const area = kernel * kernel;
  const padded = (value: number, lanes: number): number => Math.ceil(value / (lanes * pairs)) * lanes * pairs;
  return {
    channelStep: 1,
    tileCost: ({ batch, output, inputChannels, outputChannels }) => {
      const pixels = batch * output * output;
      const window = area * inputChannels;
      const channelSteps = Math.ceil(outputChannels / (columns * pairs));
      return {
        weightBits: padded(window, rows) * outputChannels * bits,
        activationBits: pixels * padded(window, columns) * bits,
        outputInBits: 0,
        outputOutBits: pixels * outputChannels * OUTPUT_BITS,
        computeCycles:
          dataflow === "os"
            ? Math.ceil(pixels / (rows * pairs)) * channelSteps * window
            : pixels * channelSteps * Math.ceil(window / (rows * pairs)),
      };
    },
    access: ({ tile, tiles }: Tiling) => {
      const pixels = tile.batch * tile.output * tile.output;
      const weights = area * tile.inputChannels * tile.outputChannels;
      const macs = tiles * weights * pixels;
      const results = dataflow === "os" ? tiles * tile.outputChannels * pixels : macs;
      return {
        weightReadBits: (dataflow === "os" ? macs : tiles * weights) * bits,
        activationReadBits: macs * bits,
        outputReadBits: results * OUTPUT_BITS,
        outputWriteBits: results * OUTPUT_BITS,
      };
    },
    energy: (cost) => choiceEnergy(cost, machine),
  };
}

/** Nanojoules of the array in a cycle: leaking, and at work. */
function coreEnergy({ rows, columns, leakageNanowatts, dynamicNanowatts }: AntMachine): {
  leak: number;
  dynamic: number;
} {
  const each = (nanowatts: number): number => (nanowatts * rows * columns) / 500e6;
  return { leak: each(leakageNanowatts), dynamic: each(dynamicNanowatts) };
}

function sramEnergy(cost: LoopCost): number {
  return (
    cost.weightReadBits * ANT_SRAM_NJ_PER_BIT.weightRead +
    cost.weightWriteBits * ANT_SRAM_NJ_PER_BIT.weightWrite +
    cost.activationReadBits * ANT_SRAM_NJ_PER_BIT.activationRead +
    cost.activationWriteBits * ANT_SRAM_NJ_PER_BIT.activationWrite +
    cost.outputReadBits * ANT_SRAM_NJ_PER_BIT.outputRead +
    cost.outputWriteBits * ANT_SRAM_NJ_PER_BIT.outputWrite
  );
}

function choiceEnergy(cost: LoopCost, machine: AntMachine): number {
  const core = coreEnergy(machine);
  return (
    cost.cycles * (core.leak + ANT_SRAM_LEAK_NJ_PER_CYCLE + ANT_CHOICE_NJ.dramLeak) +
    (cost.cycles - cost.stallCycles) * core.dynamic +
    sramEnergy(cost) +
    cost.dramReadBits * ANT_CHOICE_NJ.dramRead +
    cost.dramWriteBits * ANT_CHOICE_NJ.dramWrite
  );
}

function reportedEnergy(cost: LoopCost, machine: AntMachine): AntEnergyNJ {
  const core = coreEnergy(machine);
  return {
    static: cost.cycles * ANT_REPORT_NJ.static,
    dram: cost.dramReadBits * ANT_REPORT_NJ.dramRead + cost.dramWriteBits * ANT_REPORT_NJ.dramWrite,
    sram: sramEnergy(cost),
    core: cost.cycles * core.leak + (cost.cycles - cost.stallCycles) * core.dynamic,
  };
}
