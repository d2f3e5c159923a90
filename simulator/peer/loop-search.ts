/** The search that BitFusion's and ANT's simulators share: tile sizes and loop orders of one layer, best time first. */

/** Extents of the five loops around a tile; rows and columns of the output are alike. */
export interface LoopExtents {
  readonly batch: number;
  readonly output: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
}

/** Sizes of one tile, and how many tiles each loop counts. */
export interface Tiling {
  readonly tile: LoopExtents;
  readonly counts: LoopExtents;
  /** Tiles in all. */
  readonly tiles: number;
}

/** What one tile moves and costs, in bits and cycles. */
export interface TileCost {
  readonly weightBits: number;
  readonly activationBits: number;
  /** Results read back from DRAM: ANT's simulator counts none. */
  readonly outputInBits: number;
  readonly outputOutBits: number;
  readonly computeCycles: number;
}

/** Bits between the buffers and the array. */
export interface ArrayAccess {
  readonly weightReadBits: number;
  readonly activationReadBits: number;
  readonly outputReadBits: number;
  readonly outputWriteBits: number;
}

export interface LoopCost {
  readonly cycles: number;
  readonly computeCycles: number;
  /** Waits for DRAM: what compute does not hide, and the first and last transfers. */
  readonly stallCycles: number;
  readonly dramReadBits: number;
  readonly dramWriteBits: number;
  readonly weightReadBits: number;
  readonly weightWriteBits: number;
  readonly activationReadBits: number;
  readonly activationWriteBits: number;
  readonly outputReadBits: number;
  readonly outputWriteBits: number;
}

export interface LoopMachine {
  readonly dramBitsPerCycle: number;
  /** Of each buffer; half of it holds a tile while the other half is filled. */
  readonly weightBytes: number;
  readonly activationBytes: number;
  readonly outputBytes: number;
}

/** What differs between the two simulators. */
export interface LoopRules {
  /** The smallest tile of output channels. */
  readonly channelStep: number;
  readonly tileCost: (tile: LoopExtents) => TileCost;
  readonly access: (tiling: Tiling) => ArrayAccess;
  /** Decides between tilings of equal time. */
  readonly energy: (cost: LoopCost) => number;
}

export interface LoopChoice extends Tiling {
  /** Outermost loop first. */
  readonly order: readonly Loop[];
  readonly cost: LoopCost;
}

const LOOPS = ["B", "OW", "OH", "IC", "OC"] as const;
export type Loop = (typeof LOOPS)[number];
const BATCH = 0;
const INPUT = 3;
const OUTPUT_CHANNELS = 4;

/** Loops that move a tensor on, by their places in LOOPS. */
const WEIGHT_LOOPS = [false, false, false, true, true] as const;
const ACTIVATION_LOOPS = [true, true, true, true, false] as const;
const OUTPUT_LOOPS = [true, true, true, false, true] as const;

/** Every order, innermost loop first. OW and OH count alike and move the same tensors, so OW always stays outside. */
const ORDERS: readonly (readonly number[])[] = permutations([0, 1, 2, 3, 4]).filter(
  (order) => order.indexOf(2) < order.indexOf(1),
);

function permutations(items: readonly number[]): readonly (readonly number[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((i) => i !== item)).map((rest) => [item, ...rest]));
}

/**
 * The fastest tiling and order, and among equals the one of least energy (`optimizer/optimizer.py` of both simulators).
 * Undefined where not even the smallest tile fits the buffers.
 */
export function searchLoops(extents: LoopExtents, machine: LoopMachine, rules: LoopRules): LoopChoice | undefined {
  const candidates = tilingsOf(extents, rules.channelStep)
    .map((tiling) => ({ tiling, cost: rules.tileCost(tiling.tile) }))
    .filter(({ cost }) => fits(cost, machine))
    .sort((a, b) => a.tiling.tiles * a.cost.computeCycles - b.tiling.tiles * b.cost.computeCycles);
  let best: LoopChoice | undefined;
  let bestEnergy = 0;
  for (const { tiling, cost } of candidates) {
    // The first and the last transfer always add to compute: nothing from here on can be as fast.
    if (best !== undefined && tiling.tiles * cost.computeCycles >= best.cost.cycles) break;
    const access = rules.access(tiling);
    for (const order of ORDERS) {
      const times = timesOf(tiling, cost, order, machine);
      if (best !== undefined && times.cycles > best.cost.cycles) continue;
      const full = costOf(times, access);
      const energy = rules.energy(full);
      if (best !== undefined && times.cycles === best.cost.cycles && energy >= bestEnergy) continue;
      bestEnergy = energy;
      best = { ...tiling, order: order.map((i) => LOOPS[i]!).reverse(), cost: full };
    }
  }
  return best;
}

function fits(cost: TileCost, machine: LoopMachine): boolean {
  return (
    cost.weightBits <= machine.weightBytes * 4 &&
    cost.activationBits <= machine.activationBytes * 4 &&
    cost.outputInBits <= machine.outputBytes * 4
  );
}

/** A first size and its doubles, cut at the full size. */
function tileSizes(extent: number, first = 1): readonly number[] {
  const sizes: number[] = [];
  for (let size = first; ; size *= 2) {
    sizes.push(Math.min(size, extent));
    if (size >= extent) return sizes;
  }
}

function tilingsOf(extents: LoopExtents, channelStep: number): readonly Tiling[] {
  const tilings: Tiling[] = [];
  for (const batch of tileSizes(extents.batch))
    for (const output of tileSizes(extents.output))
      for (const inputChannels of tileSizes(extents.inputChannels))
        for (const outputChannels of tileSizes(extents.outputChannels, channelStep)) {
          const counts = {
            batch: Math.ceil(extents.batch / batch),
            output: Math.ceil(extents.output / output),
            inputChannels: Math.ceil(extents.inputChannels / inputChannels),
            outputChannels: Math.ceil(extents.outputChannels / outputChannels),
          };
          const tiles = counts.batch * counts.output ** 2 * counts.inputChannels * counts.outputChannels;
          tilings.push({ tile: { batch, output, inputChannels, outputChannels }, counts, tiles });
        }
  return tilings;
}

interface Times {
  readonly cycles: number;
  readonly computeCycles: number;
  readonly stallCycles: number;
  readonly weightWriteBits: number;
  readonly activationWriteBits: number;
  readonly outputInBits: number;
  readonly outputOutBits: number;
}

/** Transfers of one tensor: all of them, and the part that stays in its buffer for the loops inside. */
interface Transfers {
  total: number;
  held: number;
}

const countOf = (counts: LoopExtents, loop: number): number => {
  switch (loop) {
    case BATCH:
      return counts.batch;
    case INPUT:
      return counts.inputChannels;
    case OUTPUT_CHANNELS:
      return counts.outputChannels;
    default:
      return counts.output;
  }
};

/**
 * Walks the loops from the innermost out: while what a tensor's loops move still fits half its buffer, the transfer is
 * lifted out of them; once it does not, every loop further out repeats it.
 */
function lift(
  bits: number,
  moves: readonly boolean[],
  order: readonly number[],
  counts: LoopExtents,
  capacity: number,
): Transfers {
  let total = bits;
  let held = bits;
  let lifting = true;
  for (let i = 0; i < order.length; i++) {
    const loop = order[i]!;
    if (lifting && !moves[loop]) continue;
    total *= countOf(counts, loop);
    if (!lifting) continue;
    if (total > capacity) lifting = false;
    else held = total;
  }
  return { total, held };
}

/** True where the first loop that moves the results, from inside, leaves them within half their buffer. */
function isLifted(cost: TileCost, order: readonly number[], counts: LoopExtents, capacity: number): boolean {
  const first = order.find((loop) => OUTPUT_LOOPS[loop]);
  return first !== undefined && cost.outputOutBits * countOf(counts, first) <= capacity;
}

function timesOf(tiling: Tiling, cost: TileCost, order: readonly number[], machine: LoopMachine): Times {
  const { counts, tiles } = tiling;
  const outputCapacity = machine.outputBytes * 4;
  const weight = lift(cost.weightBits, WEIGHT_LOOPS, order, counts, machine.weightBytes * 4);
  const activation = lift(cost.activationBits, ACTIVATION_LOOPS, order, counts, machine.activationBytes * 4);
  const outputIn = lift(cost.outputInBits, OUTPUT_LOOPS, order, counts, outputCapacity);
  const output = lift(cost.outputOutBits, OUTPUT_LOOPS, order, counts, outputCapacity);

  const first = weight.held + activation.held + outputIn.held;
  // As there: once lifted, the results held at the end are counted by the bits read back, which ANT has none of.
  const last = isLifted(cost, order, counts, outputCapacity) ? outputIn.held : cost.outputOutBits;
  const cyclesOf = (bits: number): number => Math.ceil(bits / machine.dramBitsPerCycle);
  const between = weight.total + activation.total + outputIn.total + output.total - first - last;
  const computeCycles = tiles * cost.computeCycles;
  const stallCycles = Math.max(0, cyclesOf(between) - computeCycles) + cyclesOf(first) + cyclesOf(last);
  return {
    cycles: computeCycles + stallCycles,
    computeCycles,
    stallCycles,
    weightWriteBits: weight.total,
    activationWriteBits: activation.total,
    outputInBits: outputIn.total,
    outputOutBits: output.total,
  };
}

function costOf(times: Times, access: ArrayAccess): LoopCost {
  return {
    cycles: times.cycles,
    computeCycles: times.computeCycles,
    stallCycles: times.stallCycles,
    dramReadBits: times.weightWriteBits + times.activationWriteBits + times.outputInBits,
    dramWriteBits: times.outputOutBits,
    weightReadBits: access.weightReadBits,
    weightWriteBits: times.weightWriteBits,
    activationReadBits: access.activationReadBits,
    activationWriteBits: times.activationWriteBits,
    outputReadBits: access.outputReadBits + times.outputOutBits,
    outputWriteBits: access.outputWriteBits + times.outputInBits,
  };
}
