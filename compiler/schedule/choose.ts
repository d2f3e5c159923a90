/** choose: picks a schedule for an op on a target, with its reasons, or refuses a request that cannot be met. */

import { gpuFor } from "../../hw-models/index.ts";
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { addressBits } from "../../ir/layout/build.ts";
import { BIT } from "../../ir/layout/layout.ts";
import type { Program, Region, Tensor, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import type { MatrixRow } from "../../ir/rows.ts";
import { bitsOf, isInt } from "../../ir/scalar.ts";
import type { Target } from "../../ir/target.ts";
import { forEachOp, regionSymbols } from "../edit.ts";
import { codesBehind } from "../tile/pairs.ts";
import { costOf, type Limiter, type RowProblem, type Tiling, tilings } from "./cost.ts";
import type { Schedule, ScheduleRequest } from "./schedule.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

/** What the choice depends on, read off the program after the algebra. */
interface Problem {
  readonly program: Program;
  readonly op: Contract;
  readonly x: Tensor;
  readonly w: Tensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly integer: boolean;
  /** Both operands store whole words of one bit plane. */
  readonly planar: boolean;
  /** Tokens times channels: no axis of the result is one of both operands, and nothing else is summed in its launch. */
  readonly matrix: boolean;
  /** Values per block of the weights' format. */
  readonly block: number;
  /** Bytes of all inputs and outputs. */
  readonly bytes: number;
}

/** True when each 32 consecutive values of a row have each of their planes in one aligned word. */
export function isPlanar(tensor: Tensor): boolean {
  if (tensor.layout === undefined || !isInt(tensor.type)) return false;
  const extent = tensor.shape.at(-1)!;
  if (extent < 32) return false;
  const address = compileAddress(tensor.layout, [...tensor.axes, BIT]);
  const row = tensor.axes.slice(0, -1).map(() => 0);
  for (let bit = 0; bit < bitsOf(tensor.type); bit++) {
    for (const k of [0, 32 * Math.floor((extent - 32) / 32)]) {
      const first = address(...row, k, bit);
      if (first % 32 !== 0 || address(...row, k + 31, bit) !== first + 31 || address(...row, k + 1, bit) !== first + 1)
        return false;
    }
  }
  return true;
}

/** One problem for each contraction of the op, the longest first: the schedule is made for that one. */
function problemsOf(program: Program): readonly Problem[] {
  const found: Contract[] = [];
  forEachOp(program.body, (o) => {
    if (o.kind === "contract") found.push(o);
  });
  return found.map((op) => problemOf(program, op)).toSorted((p, q) => q.k * q.n * q.m - p.k * p.n * p.m);
}

function problemOf(program: Program, op: Contract): Problem {
  const find = (id: string): Tensor => program.tensors.find((t) => t.id === id)!;
  const [x, w] = [find(op.a.tensor), find(op.b.tensor)];
  const over = new Set(op.over);
  const extent = (axis: string): number => op.domain.find((d) => d.axis === axis)?.extent ?? 1;
  const free = op.domain.filter((d) => !over.has(d.axis));
  const formats = program.tensors.flatMap((t) => (t.origin === undefined ? [] : [t.origin.format]));
  const blocks = program.formats.filter((f) => formats.includes(f.name) && f.block > 1).map((f) => f.block);
  const streams = program.tensors.filter((t) => t.role !== "local" && t.layout !== undefined);
  return {
    program,
    bytes: streams.reduce((sum, t) => sum + addressBits(t.layout!) / 8, 0),
    op,
    x,
    w,
    n: free.at(-1)?.extent ?? 1,
    m: free.slice(0, -1).reduce((n, d) => n * d.extent, 1),
    k: op.over.reduce((n, axis) => n * extent(axis), 1),
    integer: isInt(x.type) && isInt(w.type),
    planar: isPlanar(x) && isPlanar(w),
    matrix: isMatrixProduct(program, op),
    block: blocks.length === 0 ? 128 : Math.min(...blocks),
  };
}

function isMatrixProduct(program: Program, op: Contract): boolean {
  const axes = (region: Region): ReadonlySet<string> => regionSymbols(program.exprs, region);
  const [a, b] = [axes(op.a), axes(op.b)];
  const free = op.domain.filter((d) => !op.over.includes(d.axis));
  // Sums that its launch computes in lanes lie as lanes do, not as a fragment does.
  const launch = program.body.find((step) => step.kind === "launch" && step.body.includes(op));
  let lanes = false;
  forEachOp(launch?.kind === "launch" ? launch.body : [], (o) => {
    lanes ||= o.kind === "map" && o.reduce !== undefined;
  });
  return op.over.length === 1 && !lanes && free.every((d) => a.has(d.axis) !== b.has(d.axis));
}

const B1_ROW = "mma.m16n8k256.b1";
const F16_ROW = "mma.m16n8k16.f16";

function supportOf(target: Target, row: string): Target["rows"][number] | undefined {
  return target.rows.find((r) => r.row === row);
}

/** The largest power of two that divides both, at most `limit`. */
function chunkFor(block: number, limit: number): number {
  let chunk = 1;
  while (chunk * 2 <= limit && block % (chunk * 2) === 0) chunk *= 2;
  return chunk;
}

/**
 * Channels a warp takes when weight planes go through a one-bit row. A lane must hold all planes of its channels, to add
 * them up: it has lines l and l + m / 2, which two planes of m / 2 channels fill; otherwise each plane fills a row alone.
 */
function channelsOf(w: Tensor, row: MatrixRow): number {
  return bitsOf(w.type) === 2 ? row.m / 2 : row.m;
}

/** Accumulators that a lane keeps for every pair of planes. */
function accumulatorsOf({ x, w }: Problem, row: MatrixRow): number {
  return ((bitsOf(w.type) * channelsOf(w, row)) / row.m) * bitsOf(x.type) * row.d.regs;
}

/** Beyond this, accumulators leave too few of a lane's 255 registers for operands in flight. */
const MAX_ACCUMULATORS = 160;

/** A schedule without the division of the reduced axis among warps. */
type Shape = Pick<Schedule, "strategy" | "tileM" | "tileN" | "chunk"> & { readonly row?: string };

function shapeOf(p: Problem, strategy: Schedule["strategy"], row: string | undefined): Shape {
  if (strategy === "popc") return { strategy, tileM: Math.min(p.m, 2), tileN: 2, chunk: chunkFor(p.block, 128) };
  if (strategy !== "mma") return { strategy: "fma", tileM: Math.min(p.m, 4), tileN: 2, chunk: chunkFor(p.block, 32) };
  const shape = findRow(row ?? B1_ROW)!;
  if (shape.op === "mulAdd") {
    const tokens = Math.min(4, Math.ceil(p.m / shape.n));
    return { strategy, row: shape.id, tileM: tokens * shape.n, tileN: shape.m, chunk: chunkFor(p.block, 128) };
  }
  const chunk = p.k >= 4 * shape.k ? 4 * shape.k : shape.k;
  return { strategy, row: shape.id, tileM: shape.n, tileN: channelsOf(p.w, shape), chunk };
}

/** Warps that keep today's largest GPUs busy while they wait for memory: 32 on each of 132 multiprocessors. */
const BUSY_WARPS = 32 * 132;

/**
 * Tiles are spread over warps; where there are too few, warps divide the reduced axis and add up in shared memory.
 * Needs warps that exchange values among themselves: where the block is the unit of exchange, it has one warp.
 */
function spread(p: Problem, shape: Shape, target: Target): Pick<Schedule, "warps" | "split"> {
  const tiles = Math.ceil(p.n / shape.tileN) * Math.ceil(p.m / shape.tileM);
  const steps = Math.ceil(p.k / (shape.chunk * (shape.strategy === "mma" ? 1 : target.lanes)));
  let split = 1;
  while (split < 8 && tiles * split * 2 <= BUSY_WARPS && steps >= split * 2) split *= 2;
  return target.exchange === "block" || split === 1 ? { warps: target.warps, split: 1 } : { warps: 1, split };
}

/** The cheapest tiling of a half-precision row by the cost model; undefined where the target's GPU has no model. */
function cheapest(p: Problem, row: MatrixRow, target: Target): (Tiling & { readonly reason: string }) | undefined {
  const gpu = gpuFor(target.name);
  if (gpu === undefined) return undefined;
  const { m, n, k, bytes } = p;
  const codes = codesBehind(p.program, p.w.id, true);
  const problem: RowProblem = { m, n, k, bytes, weightBits: codes.bits, pairs: codes.pairs };
  const weighed = tilings(problem, row, chunkFor(p.block, 128), target.warps)
    .map((tiling) => ({ tiling, ...costOf(problem, tiling, row, gpu) }))
    .sort((a, b) => a.microseconds - b.microseconds);
  const [best] = weighed;
  if (best === undefined) return undefined;
  const micro = best.microseconds.toFixed(1);
  return {
    ...best.tiling,
    reason: `cheapest of ${weighed.length} tilings on ${gpu.name}: about ${micro} µs, limited by ${LIMITS[best.limiter]}`,
  };
}

const LIMITS: Readonly<Record<Limiter, string>> = {
  issue: "instructions issued",
  cache: "reads from the second-level cache",
  memory: "memory",
  waiting: "waiting for reads",
};

function planSchedule(
  p: Problem,
  strategy: Schedule["strategy"],
  target: Target,
  row: string | undefined,
  reasons: readonly string[],
): Schedule {
  const half = row === undefined ? undefined : findRow(row);
  const weighed = strategy === "mma" && half?.op === "mulAdd" ? cheapest(p, half, target) : undefined;
  if (weighed !== undefined) {
    const { reason, ...tiling } = weighed;
    return { strategy, row: half!.id, ...tiling, reasons: [...reasons, reason] };
  }
  const shape = shapeOf(p, strategy, row);
  return { ...shape, ...spread(p, shape, target), stages: 1, reasons };
}

/** Tokens from which the matrix unit beats multiply–adds on an H100 (bench/results/cuda-quickstart-h100.md). */
const MIN_TOKENS = 4;

/** Why bit planes on the matrix unit cannot take this op, or undefined where they can. */
function whyNotRow(p: Problem, target: Target, row: string): string | undefined {
  const support = supportOf(target, row);
  if (support === undefined) return `${target.name} has no ${row}`;
  if (support.support === "emulated") return `${row} is only emulated on ${target.name}`;
  if (!p.matrix) return "it is no product of two matrices";
  if (findRow(row)?.op === "mulAdd") {
    const stored = [p.x, p.w].find((t) => t.role !== "local" && t.type !== "f16");
    if (p.integer || p.x.type !== "f16" || stored !== undefined)
      return `it multiplies halves${stored === undefined ? "" : `, ${stored.id} is ${stored.type}`}`;
    return p.k % 16 === 0 && p.block % 16 === 0 ? undefined : "the reduced axis is no multiple of its k";
  }
  if (!p.integer || !p.planar) return "its operands are not stored as bit planes";
  const needed = accumulatorsOf(p, findRow(row)!);
  if (needed <= MAX_ACCUMULATORS) return undefined;
  return `${bitsOf(p.x.type)} × ${bitsOf(p.w.type)} planes need ${needed} accumulators a lane`;
}

/** The schedule for the op's contraction; undefined after reporting a request that cannot be met. */
export function choose(
  program: Program,
  target: Target,
  request: ScheduleRequest,
  span: Span,
  diagnostics: Diagnostics,
): Schedule | undefined {
  const problems = problemsOf(program);
  const [p] = problems;
  if (p === undefined)
    return {
      strategy: "fma",
      tileM: 1,
      tileN: 1,
      chunk: 32,
      warps: target.warps,
      split: 1,
      stages: 1,
      reasons: ["nothing to contract"],
    };
  const asked = request.strategy;
  const row = request.row ?? (asked === "mma" ? (p.integer ? B1_ROW : F16_ROW) : undefined);
  if (row !== undefined && !problems.every((q) => acceptRow(q, target, row, request, span, diagnostics)))
    return undefined;
  const free = row !== undefined ? "mma" : asked;
  const base =
    free === undefined
      ? automatic(problems, p, target)
      : planSchedule(p, free, target, row, ["asked for by the schedule"]);
  if (base.strategy === "popc" && !(p.integer && p.planar)) {
    diagnostics.error(
      "schedule/no-planes",
      span,
      "bit planes need two integer operands that are stored plane by plane",
      [{ message: "declare the operands' formats with `@ i + N * bit`, as i2_planes and i8_planes are" }],
    );
    return undefined;
  }
  const { strategy: _s, row: _r, emulated: _e, ...rest } = request;
  let schedule: Schedule = { ...base, ...rest };
  let misfit = whyTilesMisfit(schedule, p);
  if (misfit !== undefined && free === undefined) {
    // The tile was asked for, the strategy was not: take one that the tile fits.
    const lanes = p.integer && p.planar ? "popc" : "fma";
    schedule = { ...planSchedule(p, lanes, target, undefined, [...base.reasons, `not taken: ${misfit}`]), ...rest };
    misfit = whyTilesMisfit(schedule, p);
  }
  if (misfit !== undefined) diagnostics.error("schedule/tile", span, misfit);
  return misfit === undefined ? schedule : undefined;
}

/** Why a written tile does not fit what the schedule is carried out with, or undefined where it does. */
function whyTilesMisfit({ row, tileM, tileN, chunk, warps, split }: Schedule, p: Problem): string | undefined {
  if (split > 1 && warps > 1) return "warps either share the channels or divide the reduced axis";
  const shape = row === undefined ? undefined : findRow(row);
  if (shape === undefined)
    return chunk > p.block && chunk % p.block !== 0 ? `steps of ${chunk} straddle blocks of ${p.block}` : undefined;
  const lines = shape.op === "andPopc" ? tileN * bitsOf(p.w.type) : tileN;
  const half = tileN === shape.m / 2 && bitsOf(p.w.type) % 2 === 0;
  if (shape.op === "andPopc" && !half && tileN % shape.m !== 0)
    return `${tileN} channels a warp leave planes of a channel in several lanes of ${shape.id}`;
  if (lines % shape.m !== 0) return `${tileN} channels a warp do not fill the ${shape.m} lines of ${shape.id}`;
  if (tileM % shape.n !== 0) return `${tileM} tokens a warp do not fill the ${shape.n} columns of ${shape.id}`;
  if (chunk % shape.k !== 0) return `steps of ${chunk} are no multiple of the ${shape.k} of ${shape.id}`;
  return undefined;
}

function acceptRow(
  p: Problem,
  target: Target,
  row: string,
  request: ScheduleRequest,
  span: Span,
  diagnostics: Diagnostics,
): boolean {
  const support = supportOf(target, row);
  if (findRow(row) === undefined || support === undefined) {
    const known = target.rows.map((r) => r.row).join(", ");
    diagnostics.error("target/no-row", span, `${target.name} has no matrix row ${row}`, [
      { message: known === "" ? "this target has no matrix rows" : `it has ${known}` },
    ]);
    return false;
  }
  if (support.support === "emulated" && request.emulated !== true) {
    diagnostics.error("target/emulated", span, `${row} is only emulated on ${target.name}`, [
      {
        message: `use ${support.instead ?? "another strategy"} instead, or write \`emulated\` in the schedule to insist`,
      },
    ]);
    return false;
  }
  const why = support.support === "emulated" ? undefined : whyNotRow(p, target, row);
  if (why !== undefined) diagnostics.error("schedule/row-unfit", span, `${row} cannot carry this contraction: ${why}`);
  return why === undefined;
}

function automatic(problems: readonly Problem[], p: Problem, target: Target): Schedule {
  const whyNot = (row: string): string | undefined =>
    problems.map((q) => whyNotRow(q, target, row)).find((why) => why !== undefined);
  if (!p.integer) {
    const why = whyNot(F16_ROW);
    if (why === undefined && p.m >= MIN_TOKENS) {
      return planSchedule(p, "mma", target, F16_ROW, [
        `${p.m} tokens fill ${F16_ROW}, which is native on ${target.name}`,
      ]);
    }
    const few = `${p.m} tokens would leave most of a matrix row's columns empty`;
    return planSchedule(p, "fma", target, undefined, [`decode and multiply-add in f32: ${why ?? few}`]);
  }
  if (!p.planar)
    return planSchedule(p, "fma", target, undefined, [
      "operands are not stored as bit planes: unpack and multiply-add in i32",
    ]);
  const planes = `${bitsOf(p.x.type)} × ${bitsOf(p.w.type)} planes, integers exact`;
  const why = whyNot(B1_ROW);
  if (why !== undefined) return planSchedule(p, "popc", target, undefined, [planes, `popcounts in lanes: ${why}`]);
  return planSchedule(p, "mma", target, B1_ROW, [planes, `${B1_ROW} is native on ${target.name}`]);
}
