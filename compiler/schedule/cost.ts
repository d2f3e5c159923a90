/**
 * What a launch by a half-precision matrix row will take: issue slots, memory and waiting, added by their cubes.
 *
 * The constants are fitted to 183 launches of one operator (W4A16, 16 to 128 tokens) and checked on 24 launches of
 * another that they were not fitted to (NF4); all were measured on an H100: bench/results/schedules-h100.json, with the
 * command. A test holds the model to that table: typical error below 15 %, and what it chooses against the best measured.
 */
import type { GpuModel } from "../../hw-models/schema.ts";
import type { MatrixRow } from "../../ir/rows.ts";
import type { Schedule } from "./schedule.ts";

/** A contraction as the cost model sees it. */
export interface RowProblem {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Bits of a stored weight code. */
  readonly weightBits: number;
  /** Distance of two codes that decode together; 0 where codes decode one by one. */
  readonly pairs: number;
  /** Bytes that must move: inputs once, outputs once. */
  readonly bytes: number;
}

export type Tiling = Pick<Schedule, "tileM" | "tileN" | "chunk" | "warps" | "split" | "stages">;

/** Fitted: cycles and slots of an H100; other GPUs differ in multiprocessors, registers and bandwidth. */
const FIT = {
  /** Slots of a step that are neither decoding nor multiplying: addresses, loads, the loop. */
  stepSlots: 83,
  /** Slots that one m16n8k16 multiplication takes from the others. */
  rowSlots: 6.7,
  /** A register of two decoded values: together, or one by one. */
  pairSlots: 3,
  singleSlots: 8,
  /** Slots that a multiprocessor really issues a cycle: 0.59 of its four schedulers. */
  slotsPerCycle: 4 * 0.59,
  /** Cycles between two slots of one warp, and from a read to its value. */
  slotCycles: 3.06,
  readCycles: 206,
  /** The part of a read's wait that remains when it is asked for a step ahead. */
  aheadShare: 0.82,
  /** A register that does not fit is written and read again. */
  spillSlots: 7,
  /** Streams reach this share of what one long read measures. */
  memoryShare: 0.93,
  /** Launches back to back, one after the other. */
  launchMicroseconds: 4.3,
  clockMHz: 1755,
  norm: 3,
} as const;

/** Registers a lane, as nvcc 13.0 gave them for the tilings of the table (within 25). */
function registersOf(p: RowProblem, t: Tiling, row: MatrixRow): number {
  const accumulators = (t.tileM * t.tileN) / 32;
  const loaded = (t.tileN * t.chunk * p.weightBits) / 1024 + (t.tileM * t.chunk) / (2 * 32);
  const ahead = 1.3 * (t.stages - 1);
  return 26 + accumulators * 1.6 * (row.m === 16 ? 1 : 2) + loaded * (0.7 + ahead);
}

/** Estimated microseconds of a launch, and which of its parts is the largest. */
export function costOf(
  p: RowProblem,
  t: Tiling,
  row: MatrixRow,
  gpu: GpuModel,
): { readonly microseconds: number; readonly limiter: "issue" | "memory" | "waiting" } {
  const blocks = Math.ceil(p.n / (t.tileN * t.warps)) * Math.ceil(p.m / t.tileM);
  const inBlock = t.warps * t.split;
  const steps = Math.ceil(Math.ceil(p.k / t.chunk) / t.split);
  const registers = registersOf(p, t, row);
  const held = Math.min(255, registers);
  const fitting = Math.floor(gpu.registersPerMultiprocessor / (32 * held * inBlock)) * inBlock;
  const resident = Math.max(inBlock, Math.min(64, fitting));
  const weights = (t.tileN * t.chunk) / 64;
  const together = p.pairs > 0 && 2 * p.pairs <= (2 * t.chunk) / row.k;
  const moved = together && p.pairs > 1 ? (t.tileM * t.chunk) / 64 : 0;
  const decode = p.weightBits === 16 ? 0 : weights * (together ? FIT.pairSlots : FIT.singleSlots);
  const products = (t.tileM / row.n) * (t.tileN / row.m) * (t.chunk / row.k) * FIT.rowSlots;
  const scaled = (2 * t.tileM * t.tileN) / 32;
  const spilled = Math.max(0, registers - 255) * FIT.spillSlots;
  const slots = decode + moved + products + scaled + spilled + FIT.stepSlots;
  const perProcessor = (blocks * inBlock) / gpu.multiprocessors;
  const active = Math.min(resident, Math.max(1, perProcessor));
  const own = slots * FIT.slotCycles;
  const step = t.stages > 1 ? Math.max(FIT.readCycles * FIT.aheadShare, own) : FIT.readCycles + own;
  const bandwidth = (gpu.measuredReadBytesPerSecond ?? gpu.memoryBytesPerSecond) * FIT.memoryShare;
  const parts = {
    issue: (perProcessor * steps * slots) / (FIT.slotsPerCycle * FIT.clockMHz),
    memory: (p.bytes / bandwidth) * 1e6,
    waiting: ((perProcessor / active) * steps * step) / FIT.clockMHz,
  };
  const limiter = (["issue", "memory", "waiting"] as const).reduce((a, b) => (parts[b] > parts[a] ? b : a));
  const sum = Object.values(parts).reduce((s, v) => s + v ** FIT.norm, 0);
  return { microseconds: sum ** (1 / FIT.norm) + FIT.launchMicroseconds, limiter };
}

/** Token values of a step beyond which registers spill, and which the table does not cover. */
const MAX_TOKEN_VALUES = 4096;

/** Tilings worth weighing for a row: one to eight fragments of tokens, one or two of channels. */
export function tilings(p: RowProblem, row: MatrixRow, longest: number, warps: number): readonly Tiling[] {
  const list: Tiling[] = [];
  const chunks = [longest, longest / 2].filter((c) => c % row.k === 0);
  for (const tokens of [1, 2, 4, 8].filter((t) => t === 1 || (t / 2) * row.n < p.m))
    for (const channels of [1, 2].filter((c) => c === 1 || p.n >= row.m * c))
      for (const chunk of chunks)
        for (const [across, split] of [
          [warps, 1],
          [1, 2],
          [1, 4],
          [1, 8],
        ] as const) {
          if (split > Math.ceil(p.k / chunk) || tokens * row.n * chunk > MAX_TOKEN_VALUES) continue;
          for (const stages of [1, 2])
            list.push({ tileM: tokens * row.n, tileN: channels * row.m, chunk, warps: across, split, stages });
        }
  return list;
}
