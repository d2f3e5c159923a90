/** How the axes of one launch are split: which are spread over blocks and warps, which one lanes walk along. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import { type Dim, type Tensor, type TileOp, writes } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";
import type { ProgramEditor } from "../edit.ts";
import type { PassContext } from "../pass.ts";
import { openTails } from "./tails.ts";

/** True for the axis that runs over the lanes of a warp. */
export const isLaneAxis = (axis: string): boolean => axis.endsWith("_lane");

/** True for the place inside a block of values that share a scale: all of it belongs to one lane. */
export const isInnerAxis = (axis: string): boolean => axis.endsWith("_inner");

/** One axis of the result: block · (warps · tile) + warp · tile + element. */
export interface ParallelAxis {
  readonly axis: string;
  readonly extent: number;
  readonly tile: number;
  /** Warps side by side along this axis. */
  readonly warps: number;
  readonly gridDim: 0 | 1 | 2;
  /** The last block is not full. */
  readonly ragged: boolean;
}

/** The axis that lanes walk along: step · (lanes · chunk) + lane · chunk + element. */
export interface WalkedAxis {
  readonly axis: string;
  readonly extent: number;
  readonly chunk: number;
  /** 1: the whole step belongs to a fragment. */
  readonly lanes: number;
  readonly steps: number;
  readonly ragged: boolean;
}

export interface LaunchPlan {
  readonly parallel: readonly ParallelAxis[];
  readonly walked: WalkedAxis | undefined;
  /** Blocks that divide the walked axis among them where nothing is reduced; each repeats the reductions for itself. */
  readonly shares: number;
  /** Warps of a block that divide the steps of the walked axis; their sums meet in shared memory. */
  readonly split: number;
  /** Old axis → its index as a sum of loop variables and tile axes. */
  readonly index: ReadonlyMap<string, ExprId>;
  /** The same in phases that reduce nothing, where each share takes every `shares`-th step. */
  readonly sharedIndex: ReadonlyMap<string, ExprId>;
  /** Tile axis (and lane axis) → extent. */
  readonly extents: ReadonlyMap<string, number>;
  /** The tensors of the unscheduled ops. */
  readonly whole: ReadonlyMap<string, Tensor>;
  /** Computed operands that must be 0 behind the end of the walked axis. */
  readonly openTails: ReadonlySet<string>;
  /** What a part of a split axis is called. */
  name(part: Part, axis: string): string;
}

/** What a part of a split axis is called; launches after the first carry their number, so names are unique. */
export type Part = "block" | "warp" | "tile" | "share" | "split" | "final" | "step" | "lane" | "elem";

/** Axes that every visible result has: they can be spread over the grid. */
function parallelAxes(whole: ReadonlyMap<string, Tensor>, ops: readonly TileOp[]): readonly Dim[] {
  const visible = ops.filter((op) => writes(op).some((r) => whole.get(r.tensor)?.role !== "local"));
  const first = visible[0] ?? internal("a launch writes nothing");
  const reduced = (op: TileOp): readonly string[] => (op.kind === "map" || op.kind === "contract" ? op.over : []);
  return first.domain.filter((d) =>
    visible.every((op) => op.domain.some((e) => e.axis === d.axis) && !reduced(op).includes(d.axis)),
  );
}

/** The longest reduced axis; without a reduction, the last axis of the result. */
function walkedAxis(ops: readonly TileOp[], parallel: readonly Dim[]): Dim | undefined {
  const reduced = ops.flatMap((op) =>
    op.kind === "map" || op.kind === "contract" ? op.domain.filter((d) => op.over.includes(d.axis)) : [],
  );
  const free = ops.flatMap((op) => op.domain).filter((d) => !parallel.some((p) => p.axis === d.axis));
  // Blocks are spread over the lanes; what is reduced inside one stays in its lane.
  if (reduced.length > 0 && reduced.every((d) => isInnerAxis(d.axis))) return parallel.at(-1);
  const candidates = reduced.length > 0 ? reduced : free.length > 0 ? free : parallel.slice(-1);
  return [...candidates].sort((a, b) => b.extent - a.extent)[0];
}

export function planLaunch(
  ops: readonly TileOp[],
  editor: ProgramEditor,
  whole: ReadonlyMap<string, Tensor>,
  context: PassContext,
  launch: number,
): LaunchPlan {
  const name = (part: Part, axis: string): string => `${axis}${launch === 0 ? "" : launch}_${part}`;
  const { schedule, target } = context;
  const { build } = editor;
  const result = parallelAxes(whole, ops);
  const walk = walkedAxis(ops, result);
  const dims = result.filter((d) => d.axis !== walk?.axis);
  const contracts = ops.some((op) => op.kind === "contract");
  const mma = contracts && schedule.strategy === "mma";
  const split = contracts ? schedule.split : 1;
  const index = new Map<string, ExprId>();
  const extents = new Map<string, number>();
  const parallel = dims.map((d, i): ParallelAxis => {
    const last = i === dims.length - 1;
    const tile = !contracts ? 1 : last ? schedule.tileN : i === dims.length - 2 ? schedule.tileM : 1;
    const warps = last && split === 1 ? schedule.warps : 1;
    const gridDim = last ? 0 : i === dims.length - 2 ? 1 : 2;
    return { axis: d.axis, extent: d.extent, tile, warps, gridDim, ragged: d.extent % (tile * warps) !== 0 };
  });
  for (const p of parallel) {
    const blocks = Math.ceil(p.extent / (p.tile * p.warps));
    const block = build.symbol(name("block", p.axis), "i32", [0, blocks - 1]);
    const warp = p.warps === 1 ? build.constant(0) : build.symbol(name("warp", p.axis), "i32", [0, p.warps - 1]);
    const elem = p.tile === 1 ? build.constant(0) : build.symbol(name("tile", p.axis), "i32", [0, p.tile - 1]);
    const outer = build.add(
      build.mul(block, build.constant(p.tile * p.warps)),
      build.mul(warp, build.constant(p.tile)),
    );
    index.set(p.axis, build.add(outer, elem));
    extents.set(name("tile", p.axis), p.tile);
  }
  const walked = walk && planWalk(walk, mma ? 1 : target.lanes, contracts ? schedule.chunk : chunkOf(ops, whole));
  const rows = parallel.reduce((n, p) => n * p.extent, 1);
  const shares =
    contracts || walked === undefined ? 1 : Math.max(1, Math.min(walked.steps, Math.floor(SHARED_BLOCKS / rows)));
  const sharedIndex = new Map(index);
  if (walked !== undefined) {
    const { axis } = walked;
    const step = build.symbol(name("step", axis), "i32", [0, walked.steps - 1]);
    const lane = build.symbol(name("lane", axis), "i32", [0, walked.lanes - 1]);
    const elem = build.symbol(name("elem", axis), "i32", [0, walked.chunk - 1]);
    const share = build.symbol(name("share", axis), "i32", [0, shares - 1]);
    const own = walked.lanes === 1 ? build.constant(0) : build.mul(lane, build.constant(walked.chunk));
    const at = (number: ExprId): ExprId =>
      build.add(build.add(build.mul(number, build.constant(walked.lanes * walked.chunk)), own), elem);
    const part = build.symbol(name("split", axis), "i32", [0, split - 1]);
    index.set(axis, at(split === 1 ? step : build.add(build.mul(step, build.constant(split)), part)));
    sharedIndex.set(axis, shares === 1 ? at(step) : at(build.add(build.mul(step, build.constant(shares)), share)));
    if (walked.lanes > 1) extents.set(name("lane", axis), walked.lanes);
    extents.set(name("elem", axis), walked.chunk);
  }
  const tails = walk === undefined ? new Set<string>() : openTails(build, ops, walk.axis);
  return { parallel, walked, shares, split, index, sharedIndex, extents, whole, openTails: tails, name };
}

/** Values that a lane takes at a time where nothing is contracted: as many as fill a word of everything that is written. */
function chunkOf(ops: readonly TileOp[], whole: ReadonlyMap<string, Tensor>): number {
  const written = ops.flatMap((op) => writes(op)).map((r) => whole.get(r.tensor) ?? internal(`no tensor ${r.tensor}`));
  if (ops.some((op) => op.domain.some((d) => isInnerAxis(d.axis)))) return 1;
  const counts = written.filter((t) => t.role !== "local").map(wordValues);
  return Math.max(4, ...counts);
}

/** Neighbours along the last axis that share a word of memory: a word's worth where they lie side by side, else 32. */
function wordValues({ type, axes, layout }: Tensor): number {
  const bits = bitsOf(type);
  if (bits >= 32 || axes.length === 0 || layout?.kind !== "strided") return bits >= 32 ? 1 : 32;
  const own = layout.terms.filter((t) => t.from === axes.at(-1));
  const packed = own.length === 1 && own[0]!.div === 1 && own[0]!.stride === bits && 32 % bits === 0;
  return packed ? 32 / bits : 32;
}

/** Blocks worth having in a launch that quantizes few rows: about two a multiprocessor of today's largest GPUs. */
const SHARED_BLOCKS = 256;

function planWalk(walk: Dim, lanes: number, chunk: number): WalkedAxis {
  const steps = Math.ceil(walk.extent / (lanes * chunk));
  return { axis: walk.axis, extent: walk.extent, chunk, lanes, steps, ragged: walk.extent % (lanes * chunk) !== 0 };
}
