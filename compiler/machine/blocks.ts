/** Chooses the blocks of a product that lie in a machine's buffers, by the cycles that they are expected to take. */
import { cyclesPerMac, foldShape, type Parts, skewCycles } from "../../hw-models/derive.ts";
import type { Dataflow, OperandRole, SramSpec } from "../../hw-models/schema.ts";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import { type ExprId, type Exprs, operands } from "../../ir/expr.ts";
import { bitsOf } from "../../ir/scalar.ts";
import type { Product, Side, Stored } from "./product.ts";
import { symbolsIn } from "./product.ts";

export type ProductAxis = "m" | "n" | "k";
type Sizes = Readonly<Record<ProductAxis, number>>;

/** How operands reach the array: held in its registers, decoded on the way in, or straight from the buffer. */
export type Path = "stationary" | "decoded" | "direct";

/** Which axis lies on which dimension of the array. */
export interface Mapping {
  readonly row: ProductAxis;
  readonly column: ProductAxis;
  readonly time: ProductAxis;
  readonly stationary: "weight" | "activation" | undefined;
}

/** SCALE-Sim's naming (Samajdar et al., ISPASS 2020): Sr on rows, Sc on columns, T in time. */
export const MAPPINGS: Readonly<Record<Dataflow, Mapping>> = {
  ws: { row: "k", column: "n", time: "m", stationary: "weight" },
  os: { row: "m", column: "n", time: "k", stationary: undefined },
  is: { row: "k", column: "m", time: "n", stationary: "activation" },
};

/** One way of cutting a product into blocks. */
export interface Blocks {
  readonly sizes: Sizes;
  /** The outer of the two free axes; k is always innermost, so that sums stay on chip. */
  readonly outer: "m" | "n";
  /** The operand's block spans all of k and stays while k is walked. */
  readonly whole: Readonly<Record<"weight" | "activation", boolean>>;
  /** Instances of every block in its buffer: 2 is double buffering. */
  readonly depth: 1 | 2;
  /** Rows of the time axis that enter the array at once: a decoder's FIFO, or the whole block. */
  readonly chunk: number;
}

export function pathOf(side: Side, mapping: Mapping): Path {
  if (mapping.stationary === side.role) return "stationary";
  return side.decode === undefined ? "direct" : "decoded";
}

/** A loop over blocks: the batch axes, then the free axes, then k; loops of one trip are left out. */
export interface BlockLoop {
  readonly axis: string;
  readonly extent: number;
  readonly step: number;
}

export function blockLoops(product: Product, blocks: Blocks): readonly BlockLoop[] {
  const of = (axis: ProductAxis): BlockLoop => ({
    axis: product[axis].axis,
    extent: product[axis].extent,
    step: blocks.sizes[axis],
  });
  const inner = blocks.outer === "m" ? "n" : "m";
  return [
    ...product.batch.map((d) => ({ axis: d.axis, extent: d.extent, step: 1 })),
    of(blocks.outer),
    of(inner),
    of("k"),
  ].filter((l) => l.extent > l.step);
}

/** How many of the block loops enclose the loading of a side's block: down to the last one that it depends on. */
export function levelOf(side: Side, loops: readonly BlockLoop[], product: Product, blocks: Blocks): number {
  const depends = (l: BlockLoop): boolean =>
    side.axes.includes(l.axis) && !(l.axis === product.k.axis && blocks.whole[side.role]);
  return loops.findLastIndex(depends) + 1;
}

/** Extents of a side's block along the product's axes. */
export function blockSizes(side: Side, product: Product, blocks: Blocks): Sizes {
  return blocks.whole[side.role] ? { ...blocks.sizes, k: product.k.extent } : blocks.sizes;
}

/** The value of an index expression over i32 symbols; `env` gives their values. */
export function evaluateIndex(exprs: Exprs, root: ExprId, env: (name: string) => number): number {
  const expr = exprs.exprs[root];
  if (expr?.kind === "const") return expr.value;
  if (expr?.kind === "symbol") return env(expr.name);
  const args = expr === undefined ? [] : operands(expr).map((a) => evaluateIndex(exprs, a, env));
  const [a = 0, b = 0] = args;
  if (expr?.kind !== "op") return Number.NaN;
  switch (expr.op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return Math.trunc(a / b);
    case "mod":
      return a % b;
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "shl":
      return a * 2 ** b;
    case "shr":
      return Math.floor(a / 2 ** b);
    default:
      return Number.NaN;
  }
}

/** Which product axis an index of a stored tensor follows; undefined for a batch axis or a constant. */
export function axisOf(exprs: Exprs, index: ExprId, side: Side, product: Product): ProductAxis | undefined {
  const names = [...symbolsIn(exprs, index)].map((s) => side.rename.get(s) ?? s);
  if (names.length !== 1) return undefined;
  return (["m", "n", "k"] as const).find((x) => product[x].axis === names[0]);
}

/** Extents of the tile of a stored tensor that belongs to a block; batch axes have extent 1. */
export function tileShape(exprs: Exprs, stored: Stored, side: Side, product: Product, sizes: Sizes): readonly number[] {
  return stored.index.map((index) => {
    const axis = axisOf(exprs, index, side, product);
    if (axis === undefined) return 1;
    return evaluateIndex(exprs, index, () => sizes[axis] - 1) - evaluateIndex(exprs, index, () => 0) + 1;
  });
}

const product = (values: readonly number[]): number => values.reduce((p, v) => p * v, 1);

/** Bytes of one instance of a side's block in its buffer. */
export function sideBytes(exprs: Exprs, side: Side, p: Product, sizes: Sizes): number {
  return side.stored.reduce(
    (sum, s) => sum + Math.ceil((product(tileShape(exprs, s, side, p, sizes)) * bitsOf(s.tensor.type)) / 8),
    0,
  );
}

/** Bytes of one instance of the block of sums and of the block of results. */
export function resultBytes(p: Product, sizes: Sizes): number {
  return Math.ceil((sizes.m * sizes.n * (bitsOf(p.accumulator.type) + bitsOf(p.result.type))) / 8);
}

function needs(exprs: Exprs, p: Product, parts: Parts, blocks: Blocks): ReadonlyMap<SramSpec, number> {
  const bytes: Record<OperandRole, number> = {
    weight: sideBytes(exprs, p.weight, p, blockSizes(p.weight, p, blocks)),
    activation: sideBytes(exprs, p.activation, p, blockSizes(p.activation, p, blocks)),
    result: resultBytes(p, blocks.sizes),
  };
  const sums = new Map<SramSpec, number>();
  for (const role of ["weight", "activation", "result"] as const) {
    const buffer = parts.buffers[role];
    sums.set(buffer, (sums.get(buffer) ?? 0) + bytes[role] * blocks.depth);
  }
  return sums;
}

const fits = (sums: ReadonlyMap<SramSpec, number>): boolean =>
  [...sums].every(([buffer, bytes]) => bytes <= buffer.capacityBytes);

/** Expected cycles of a blocking: the slower of the interface and the array, and what the first and last block cost. */
function expectedCycles(exprs: Exprs, p: Product, parts: Parts, mapping: Mapping, blocks: Blocks): number {
  const loops = blockLoops(p, blocks);
  const trips = (l: BlockLoop): number => Math.ceil(l.extent / l.step);
  const batches = product(p.batch.map((d) => d.extent));
  const full = { m: p.m.extent, n: p.n.extent, k: p.k.extent };
  const { bytesPerCycle, latencyCycles } = parts.dram;
  let first = 0;
  /** Of each side: how often a block is loaded, and bytes of all loads. */
  const loads: { readonly count: number; readonly bytes: number }[] = [];
  let bytes = (batches * p.m.extent * p.n.extent * bitsOf(p.result.type)) / 8;
  for (const side of [p.weight, p.activation]) {
    const level = levelOf(side, loops, p, blocks);
    const again = product(
      loops
        .slice(0, level)
        .filter((l) => !side.axes.includes(l.axis))
        .map(trips),
    );
    const own = product(p.batch.filter((d) => side.axes.includes(d.axis)).map((d) => d.extent));
    const loaded = again * own * sideBytes(exprs, side, p, full);
    loads.push({ count: product(loops.slice(0, level).map(trips)), bytes: loaded });
    bytes += loaded;
    first += sideBytes(exprs, side, p, blockSizes(side, p, blocks));
  }
  const { array, feeders } = parts;
  const { overlap } = array;
  const shape = foldShape(array);
  const spatial = (axis: ProductAxis, size: number): number => {
    const whole = Math.floor(full[axis] / blocks.sizes[axis]);
    return whole * Math.ceil(blocks.sizes[axis] / size) + Math.ceil((full[axis] % blocks.sizes[axis]) / size);
  };
  const timeTrips = Math.ceil(full[mapping.time] / blocks.sizes[mapping.time]);
  const folds = batches * timeTrips * spatial(mapping.row, shape.rows) * spatial(mapping.column, shape.columns);
  const skew = overlap.fillOverlapsDrain ? 0 : skewCycles(array, codeBits(p));
  const width = {
    weight: mapping.time === "n" ? shape.rows : shape.columns,
    activation: mapping.time === "m" ? shape.rows : shape.columns,
  };
  const decode = [p.weight, p.activation].map((side) => {
    if (side.decode === undefined) return 0;
    const rows = mapping.stationary === side.role ? array.rows : full[mapping.time] / timeTrips;
    return (rows * width[side.role]) / feeders[side.role].codesPerCycle;
  });
  const rowCycles = cyclesPerMac(array, codeBits(p)) ?? 1;
  const stream = (rowCycles * full[mapping.time]) / timeTrips + skew + overlap.controlCyclesPerFold;
  const drain = mapping.stationary === undefined && !overlap.separateDrain ? array.rows : 0;
  const preload = mapping.stationary === undefined ? 0 : array.rows / feeders[mapping.stationary].rowsPerCycle;
  const fold = overlap.shadowRegisters
    ? Math.max(stream + drain, preload, ...decode)
    : preload + Math.max(stream + drain, ...decode);
  const ends = first / bytesPerCycle + latencyCycles + resultBytes(p, blocks.sizes) / bytesPerCycle;
  // A short last block of the streaming axis hides less of the preload than the mean does.
  const last = full[mapping.time] % blocks.sizes[mapping.time];
  const exposed = last === 0 || !overlap.shadowRegisters ? 0 : Math.max(0, preload - rowCycles * last - skew);
  const computing = folds * fold + (folds / timeTrips) * exposed;
  // A block is loaded, arrives and is worked on; only so many are under way at once.
  const turns = loads.map((l) => (l.bytes / bytesPerCycle + l.count * latencyCycles + computing) / blocks.depth);
  return Math.max(bytes / bytesPerCycle, computing, ...turns) + ends;
}

/** Bits of a weight's code: all stored tensors that hold something for each weight. */
function codeBits({ weight, k }: Product): number {
  const own = weight.stored.filter(({ tensor }) => tensor.shape.at(-1) === k.extent);
  return own.reduce((sum, { tensor }) => sum + bitsOf(tensor.type), 0);
}

/** Multiples step · 2^i below the extent that keep whole format blocks together, and the extent itself. */
function candidates(extent: number, step: number, multiple: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = step; size < extent; size *= 2) if (size % multiple === 0) sizes.push(size);
  return [...sizes, extent];
}

/** Blocks of the time axis start at this size where no FIFO gives one. */
const TIME_STEP = 32;

/** The blocking with the fewest expected cycles that fits the buffers; `simulate/capacity` where none does. */
export function chooseBlocks(
  exprs: Exprs,
  p: Product,
  parts: Parts,
  dataflow: Dataflow,
  name: string,
  sink: Diagnostics,
): Blocks | undefined {
  const mapping = MAPPINGS[dataflow];
  const decoded = [p.weight, p.activation].filter((side) => pathOf(side, mapping) === "decoded");
  const fifo = Math.min(...decoded.map((side) => parts.feeders[side.role].fifoRows), Number.POSITIVE_INFINITY);
  const step: Record<ProductAxis, number> = { m: TIME_STEP, n: TIME_STEP, k: TIME_STEP };
  const shape = foldShape(parts.array);
  step[mapping.row] = shape.rows;
  step[mapping.column] = shape.columns;
  if (Number.isFinite(fifo)) step[mapping.time] = fifo;
  const multiple = Math.max(1, ...[p.weight, p.activation].map((side) => formatBlock(exprs, side, p)));
  let best: Blocks | undefined;
  let bestCycles = Number.POSITIVE_INFINITY;
  let smallest: ReadonlyMap<SramSpec, number> | undefined;
  for (const depth of [2, 1] as const) {
    for (const m of candidates(p.m.extent, step.m, 1))
      for (const n of candidates(p.n.extent, step.n, 1))
        for (const k of candidates(p.k.extent, step.k, multiple))
          for (const outer of ["m", "n"] as const)
            for (const whole of wholes(k, p.k.extent)) {
              const sizes = { m, n, k };
              const blocks: Blocks = { sizes, outer, whole, depth, chunk: Math.min(fifo, sizes[mapping.time]) };
              const sums = needs(exprs, p, parts, blocks);
              smallest ??= sums;
              if (!fits(sums)) continue;
              const cycles = expectedCycles(exprs, p, parts, mapping, blocks);
              if (cycles < bestCycles) [best, bestCycles] = [blocks, cycles];
            }
    if (best !== undefined) return best;
    if (depth === 2) smallest = undefined;
  }
  for (const [buffer, bytes] of smallest ?? []) {
    if (bytes <= buffer.capacityBytes) continue;
    sink.error(
      "simulate/capacity",
      p.contract.span,
      `${name} does not fit ${buffer.name}: its smallest block needs ${bytes} bytes, and there are ${buffer.capacityBytes}`,
      [{ message: `${bytes} bytes would hold one block at a time, ${2 * bytes} the next one beside it` }],
    );
  }
  return undefined;
}

function wholes(k: number, extent: number): readonly Blocks["whole"][] {
  if (k === extent) return [{ weight: false, activation: false }];
  return [
    { weight: false, activation: false },
    { weight: false, activation: true },
    { weight: true, activation: false },
  ];
}

/** Values of k that share a stored element of a side: a block of k must hold whole ones. */
function formatBlock(exprs: Exprs, side: Side, p: Product): number {
  const runs = side.stored.flatMap((s) =>
    s.index.map((index) => {
      if (axisOf(exprs, index, side, p) !== "k") return 1;
      let run = 1;
      while (run < p.k.extent && evaluateIndex(exprs, index, () => run) === evaluateIndex(exprs, index, () => 0)) run++;
      return run;
    }),
  );
  return Math.max(1, ...runs);
}
