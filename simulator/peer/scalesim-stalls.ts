/** SCALE-Sim's USER mode: its double buffers cycle by cycle, and the stalls that they report. */
import { foldsOf, type ScalesimArray, type ScalesimFolds, type ScalesimVersion } from "./scalesim.ts";
import { type ConvLayer, type GemmLayer, gemmOf, outputExtent } from "./workload.ts";

/** One value for each operand. */
export interface PerOperand {
  readonly ifmap: number;
  readonly filter: number;
  readonly ofmap: number;
}

export interface ScalesimMemory {
  readonly version: ScalesimVersion;
  readonly sramKB: PerOperand;
  /** Each operand has a channel of its own. */
  readonly wordsPerCycle: PerOperand;
}

export interface ScalesimStalls {
  /** As printed: the index of the last cycle, stalls included. */
  readonly totalCycles: number;
  readonly stallCycles: number;
  readonly ifmapDramReads: number;
  readonly filterDramReads: number;
}

/** What a matrix holds at (row, column): the word's number, or −1 where there is none. */
type WordAt = (row: number, column: number) => number;

interface Operand {
  readonly rows: number;
  readonly columns: number;
  readonly words: number;
  readonly at: WordAt;
}

/** The words that an operand's port asks for in one cycle, in the port's order. */
type Demand = (cycle: number, ask: (word: number) => void) => void;

/**
 * Steps one layer through SCALE-Sim's buffers (`memory/read_buffer.py`, `write_buffer.py`,
 * `double_buffered_scratchpad_mem.py` of SCALE-Sim v2 at 22f88b1 and v3 at 1d62b68). What they do that memory does not —
 * the free first fill, half a buffer fetched for every miss, v3's stalls added twice — is reproduced.
 */
export function scalesimStalls(
  layer: GemmLayer | ConvLayer,
  array: ScalesimArray,
  memory: ScalesimMemory,
): ScalesimStalls {
  const gemm = gemmOf(layer);
  const fold = foldsOf(gemm, array);
  const filter: Operand = {
    rows: gemm.k,
    columns: gemm.n,
    words: gemm.k * gemm.n,
    at: (k, n) => n * gemm.k + k,
  };
  const operands = { ifmap: ifmapOf(layer, gemm), filter };
  const plan = portsOf(array, fold, operands);
  const buffer = (name: "ifmap" | "filter"): ReadBuffer =>
    new ReadBuffer(
      plan[name].order,
      operands[name].words,
      memory.sramKB[name],
      memory.wordsPerCycle[name],
      memory.version,
    );
  const ifmapBuffer = buffer("ifmap");
  const filterBuffer = buffer("filter");
  const ofmapBuffer = new WriteBuffer(memory.sramKB.ofmap, memory.wordsPerCycle.ofmap);

  const cycles = fold.rowFolds * fold.columnFolds * fold.foldCycles;
  let stalls = 0;
  let last = 0;
  for (let cycle = 0; cycle < cycles; cycle++) {
    const now = cycle + stalls;
    const ifmapStall = ifmapBuffer.serve(now, cycle, plan.ifmap.demand);
    const filterStall = filterBuffer.serve(now, cycle, plan.filter.demand);
    const ofmapStall = ofmapBuffer.serve(now, plan.writes(cycle));
    last = Math.max(last, now + ofmapStall);
    stalls += Math.max(ifmapStall, filterStall, ofmapStall);
  }
  return {
    totalCycles: last,
    stallCycles: stalls,
    ifmapDramReads: ifmapBuffer.dramReads,
    filterDramReads: filterBuffer.dramReads,
  };
}

/** The activations as im2col lays them out: one row an output, words shared between windows that overlap. */
function ifmapOf(layer: GemmLayer | ConvLayer, gemm: GemmLayer): Operand {
  if (layer.kind === "gemm")
    return { rows: gemm.m, columns: gemm.k, words: gemm.m * gemm.k, at: (m, k) => m * gemm.k + k };
  const { inputHeight, inputWidth, kernelHeight, kernelWidth, channels, stride } = layer;
  const outputWidth = outputExtent(inputWidth, kernelWidth, stride);
  const outputs = outputWidth * outputExtent(inputHeight, kernelHeight, stride);
  const imageWords = inputHeight * inputWidth * channels;
  const at: WordAt = (m, k) => {
    const output = m % outputs;
    const row = Math.floor(output / outputWidth) * stride + Math.floor(k / (kernelWidth * channels));
    const column = (output % outputWidth) * stride + (Math.floor(k / channels) % kernelWidth);
    // The last window may stand out over the edge, where the stride does not divide.
    if (row >= inputHeight || column >= inputWidth) return -1;
    return Math.floor(m / outputs) * imageWords + (row * inputWidth + column) * channels + (k % channels);
  };
  return { rows: gemm.m, columns: gemm.k, words: (layer.batch ?? 1) * imageWords, at };
}

interface Port {
  /** The words in the order in which the buffer fetches them, −1 for padding. */
  readonly order: Int32Array;
  readonly demand: Demand;
}

interface Plan {
  readonly ifmap: Port;
  readonly filter: Port;
  /** How many results leave the array in a cycle. */
  readonly writes: (cycle: number) => number;
}

/** A view of an operand whose second index runs along a side of the array. */
interface Side {
  readonly extent: number;
  readonly folds: number;
  readonly width: number;
  readonly at: (time: number, lane: number) => number;
}

function portsOf(
  array: ScalesimArray,
  fold: ScalesimFolds,
  { ifmap, filter }: Record<"ifmap" | "filter", Operand>,
): Plan {
  const { rows, columns, dataflow } = array;
  const { timeExtent } = fold;
  const onRows = (at: Side["at"]): Side => ({ extent: fold.rowExtent, folds: fold.rowFolds, width: rows, at });
  const onColumns = (at: Side["at"]): Side => ({
    extent: fold.columnExtent,
    folds: fold.columnFolds,
    width: columns,
    at,
  });
  const rowFoldOf = (index: number): number => index % fold.rowFolds;
  const columnFoldOf = (index: number): number => Math.floor(index / fold.rowFolds);

  if (dataflow === "os") {
    const activations = onRows((t, lane) => ifmap.at(lane, t));
    const weights = onColumns((t, lane) => filter.at(t, lane));
    return {
      ifmap: {
        order: diagonalOrder(activations, timeExtent),
        demand: skewed(activations, timeExtent, 0, fold, rowFoldOf),
      },
      filter: { order: diagonalOrder(weights, timeExtent), demand: skewed(weights, timeExtent, 0, fold, columnFoldOf) },
      writes: writesOf(fold, array, timeExtent - 1, rows, (index) =>
        Math.min(rows, fold.rowExtent - rowFoldOf(index) * rows),
      ),
    };
  }
  const moving = dataflow === "ws" ? ifmap : filter;
  const streamed = onRows(dataflow === "ws" ? (t, lane) => moving.at(t, lane) : (t, lane) => moving.at(lane, t));
  const still = dataflow === "ws" ? filter.at : (k: number, m: number): number => ifmap.at(m, k);
  const streaming: Port = {
    order: diagonalOrder(streamed, timeExtent),
    demand: skewed(streamed, timeExtent, rows, fold, rowFoldOf),
  };
  const stationary: Port = { order: rowOrder(still, array, fold), demand: preloaded(still, array, fold) };
  return {
    ...(dataflow === "ws" ? { ifmap: streaming, filter: stationary } : { ifmap: stationary, filter: streaming }),
    writes: writesOf(fold, array, 2 * rows - 1, timeExtent, () => timeExtent),
  };
}

/** Anti-diagonals, each from its lowest row, of the folds stacked on each other. */
function diagonalOrder(side: Side, timeExtent: number): Int32Array {
  const height = side.folds * timeExtent;
  const order = new Int32Array(height * side.width);
  let next = 0;
  for (let diagonal = 0; diagonal < height + side.width - 1; diagonal++) {
    const lowest = Math.max(0, diagonal - side.width + 1);
    for (let row = Math.min(diagonal, height - 1); row >= lowest; row--) {
      const lane = Math.floor(row / timeExtent) * side.width + diagonal - row;
      order[next++] = lane < side.extent ? side.at(row % timeExtent, lane) : -1;
    }
  }
  return order;
}

/** Row by row, one column fold after the other. */
function rowOrder(at: WordAt, { columns }: ScalesimArray, fold: ScalesimFolds): Int32Array {
  const order = new Int32Array(fold.columnFolds * fold.rowExtent * columns);
  let next = 0;
  for (let columnFold = 0; columnFold < fold.columnFolds; columnFold++)
    for (let row = 0; row < fold.rowExtent; row++)
      for (let lane = 0; lane < columns; lane++) {
        const column = columnFold * columns + lane;
        order[next++] = column < fold.columnExtent ? at(row, column) : -1;
      }
  return order;
}

/** Lane r asks for its row r cycles after lane 0. */
function skewed(
  side: Side,
  timeExtent: number,
  start: number,
  fold: ScalesimFolds,
  foldAlong: (index: number) => number,
): Demand {
  return (cycle, ask) => {
    const first = foldAlong(Math.floor(cycle / fold.foldCycles)) * side.width;
    const time = (cycle % fold.foldCycles) - start;
    const lanes = Math.min(side.width, side.extent - first, time + 1);
    for (let lane = Math.max(0, time - timeExtent + 1); lane < lanes; lane++) ask(side.at(time - lane, first + lane));
  };
}

/** The stationary operand enters a row a cycle, the last row first. */
function preloaded(at: WordAt, { rows, columns }: ScalesimArray, fold: ScalesimFolds): Demand {
  return (cycle, ask) => {
    const time = cycle % fold.foldCycles;
    if (time >= rows) return;
    const index = Math.floor(cycle / fold.foldCycles);
    const row = (index % fold.rowFolds) * rows + rows - 1 - time;
    if (row >= fold.rowExtent) return;
    const first = Math.floor(index / fold.rowFolds) * columns;
    const end = Math.min(fold.columnExtent, first + columns);
    for (let column = first; column < end; column++) ask(at(row, column));
  };
}

/** Column c writes `height` results from cycle `start` + c of its fold on; only the last `valid` of them exist. */
function writesOf(
  fold: ScalesimFolds,
  { columns }: ScalesimArray,
  start: number,
  height: number,
  validOf: (index: number) => number,
): (cycle: number) => number {
  return (cycle) => {
    const index = Math.floor(cycle / fold.foldCycles);
    const time = (cycle % fold.foldCycles) - start;
    const width = Math.min(columns, fold.columnExtent - Math.floor(index / fold.rowFolds) * columns);
    const lowest = Math.max(0, time - height + 1);
    const highest = Math.min(width - 1, time - (height - validOf(index)));
    return Math.max(0, highest - lowest + 1);
  };
}

/** Buffers have this many sets, half of them active (`single_layer_sim.py`, `read_buffer.py`). */
const SETS = 100;

/** A double buffer for reads: a window over the lines of its operand that moves when a word is not in it. */
class ReadBuffer {
  dramReads = 0;
  readonly #version: ScalesimVersion;
  readonly #lines: number;
  readonly #activeLines: number;
  readonly #prefetchLines: number;
  readonly #fetchCycles: number;
  readonly #fetchWords: number;
  /** Lines of word w: #lineOf[#first[w]] … #lineOf[#first[w + 1] − 1]. */
  readonly #first: Int32Array;
  readonly #lineOf: Int32Array;
  #windowStart = 0;
  #ready = -1;

  constructor(order: Int32Array, words: number, sramKB: number, wordsPerCycle: number, version: ScalesimVersion) {
    this.#version = version;
    const size = sramKB * 1024;
    const active = Math.ceil(size / 2);
    const lineWords = Math.ceil(size / SETS);
    this.#first = new Int32Array(words + 1);
    for (const word of order) if (word >= 0) this.#first[word + 1]!++;
    for (let w = 0; w < words; w++) this.#first[w + 1]! += this.#first[w]!;
    const valid = this.#first[words]!;
    this.#lineOf = new Int32Array(valid);
    const next = this.#first.slice(0, words);
    let position = 0;
    for (const word of order) if (word >= 0) this.#lineOf[next[word]!++] = Math.floor(position++ / lineWords);
    // A last line is begun even where it stays empty.
    this.#lines = Math.floor(valid / lineWords) + 1;
    this.#activeLines = Math.min(Math.ceil(active / lineWords), this.#lines);
    this.#prefetchLines = Math.min(Math.ceil((size - active) / lineWords), this.#lines - this.#activeLines);
    this.#fetchCycles = Math.ceil((size - active) / wordsPerCycle);
    this.#fetchWords = this.#fetchCycles * wordsPerCycle;
    const linesOf = (count: number): number => Math.ceil(count / wordsPerCycle);
    this.dramReads = Math.min(linesOf(active), linesOf(order.length)) * wordsPerCycle;
  }

  /** Serves the demands of one cycle; the stall may be negative in the third version. */
  serve(now: number, cycle: number, demand: Demand): number {
    let offset = 1;
    demand(cycle, (word) => {
      if (word < 0) return;
      while (!this.#holds(word)) {
        this.#windowStart = (this.#windowStart + this.#prefetchLines) % this.#lines;
        this.#ready += this.#fetchCycles + 1;
        this.dramReads += this.#fetchWords;
        const late = this.#ready - (now + offset);
        if (this.#version === "v3") offset += late;
        if (late > 0) offset += late;
      }
    });
    return offset - 1;
  }

  #holds(word: number): boolean {
    const start = this.#windowStart;
    const end = this.#first[word + 1]!;
    for (let i = this.#first[word]!; i < end; i++) {
      const distance = this.#lineOf[i]! - start;
      if ((distance < 0 ? distance + this.#lines : distance) < this.#activeLines) return true;
    }
    return false;
  }
}

/** A buffer for results: collects lines, and drains half of itself when its free space falls below half. */
class WriteBuffer {
  readonly #size: number;
  readonly #drain: number;
  readonly #lineWords: number;
  /** Words in each line that is not drained yet. */
  readonly #lines: number[] = [];
  #drained = 0;
  #partial = 0;
  #free: number;
  #drainEnd = 0;

  constructor(sramKB: number, wordsPerCycle: number) {
    this.#size = sramKB * 1024;
    this.#drain = this.#size - Math.ceil(this.#size / 2);
    this.#lineWords = wordsPerCycle;
    this.#free = this.#size;
  }

  /** Takes `words` results in a cycle and returns the stall. */
  serve(start: number, words: number): number {
    let now = start;
    for (let i = 0; i < words; i++) {
      this.#free--;
      if (++this.#partial === this.#lineWords) this.#flush();
      if (now < this.#drainEnd) {
        if (this.#free <= 0) now = this.#drainEnd;
      } else if (this.#free < this.#size - this.#drain) {
        this.#flush();
        this.#drainEnd = now + this.#empty() - 1;
      }
    }
    return now - start;
  }

  #flush(): void {
    if (this.#partial > 0) this.#lines.push(this.#partial);
    this.#partial = 0;
  }

  /** Drains half the buffer and returns how many lines that were; short lines count as full, the last one excepted. */
  #empty(): number {
    const end = Math.min(this.#drained + Math.ceil(this.#drain / this.#lineWords), this.#lines.length);
    const count = end - this.#drained;
    this.#free += (count - 1) * this.#lineWords + this.#lines[end - 1]!;
    this.#drained = end;
    return count;
  }
}
