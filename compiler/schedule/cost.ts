/**
 * What a launch by a half-precision matrix row will take: issue, caches, memory and waiting, added by their cubes.
 *
 * The constants are fitted to 187 launches of one operator (W4A16, 16 to 128 tokens) and, but for the slots of a code that
 * is decoded alone, checked on 28 launches of another that they were not fitted to (NF4); all were measured on an H100:
 * bench/results/schedules-h100.json, with the command. A test holds the model to that table: its typical error, and what it
 * chooses beside the best that was measured.
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

const LIMITERS = ["issue", "cache", "memory", "waiting"] as const;
export type Limiter = (typeof LIMITERS)[number];

export type Tiling = Pick<Schedule, "tileM" | "tileN" | "chunk" | "warps" | "split" | "stages">;

/** Fitted: cycles and slots of an H100; other GPUs differ in multiprocessors, registers and bandwidth. */
const FIT = {
  /** Slots of a step that are neither decoding nor multiplying: addresses, loads, the loop. */
  stepSlots: 108,
  /** Slots that one m16n8k16 multiplication takes from the others. */
  rowSlots: 5.04,
  /** A register of two decoded values: together, or one by one. */
  pairSlots: 3,
  singleSlots: 10,
  /** An accumulator that goes through shared memory where warps divided the reduced axis. */
  meetSlots: 42.6,
  /** A register that does not fit is written and read again. */
  spillSlots: 7.45,
  /** Slots that a multiprocessor really issues a cycle: three quarters of its four schedulers. */
  slotsPerCycle: 3,
  /** Cycles between two slots of one warp; from a read to its value; of a wave of blocks before and after its steps. */
  slotCycles: 3.05,
  readCycles: 228,
  waveCycles: 622,
  /** The part of a read's wait that remains when it is asked for a step ahead. */
  aheadShare: 0.82,
  /** Cycles for one register of all lanes, 128 bytes, from the second-level cache. */
  registerCycles: 2,
  /** Streams reach this share of what one long read measures. */
  memoryShare: 0.93,
  /** Launches back to back, one after the other. */
  launchMicroseconds: 3.06,
  clockMHz: 1755,
  norm: 3,
} as const;

/** Registers of a step's operands, a lane. */
const loadedRegisters = (p: RowProblem, t: Tiling): number =>
  (t.tileN * t.chunk * p.weightBits) / 1024 + (t.tileM * t.chunk) / 64;

/** Registers a lane, as nvcc 13.0 gave them for the tilings of the table (within 25). */
function registersOf(p: RowProblem, t: Tiling): number {
  return 26 + ((t.tileM * t.tileN) / 32) * 1.6 + loadedRegisters(p, t) * (0.7 + 1.3 * (t.stages - 1));
}

/** Slots that one warp takes for one step. */
function stepSlots(p: RowProblem, t: Tiling, row: MatrixRow): number {
  const weights = (t.tileN * t.chunk) / 64;
  const together = p.pairs > 0 && 2 * p.pairs <= (2 * t.chunk) / row.k;
  const decode = p.weightBits === 16 ? 0 : weights * (together ? FIT.pairSlots : FIT.singleSlots);
  const moved = together && p.pairs > 1 ? (t.tileM * t.chunk) / 64 : 0;
  const products = (t.tileM / row.n) * (t.tileN / row.m) * (t.chunk / row.k) * FIT.rowSlots;
  const scaled = (2 * t.tileM * t.tileN) / 32;
  const spilled = Math.max(0, registersOf(p, t) - 255) * FIT.spillSlots;
  return decode + moved + products + scaled + spilled + FIT.stepSlots;
}

/** Estimated microseconds of a launch, and which of its parts is the largest. */
export function costOf(
  p: RowProblem,
  t: Tiling,
  row: MatrixRow,
  gpu: GpuModel,
): { readonly microseconds: number; readonly limiter: Limiter } {
  const blocks = Math.ceil(p.n / (t.tileN * t.warps)) * Math.ceil(p.m / t.tileM);
  const warps = t.warps * t.split;
  const steps = Math.ceil(Math.ceil(p.k / t.chunk) / t.split);
  const held = 32 * Math.min(255, registersOf(p, t)) * warps;
  const resident = Math.max(1, Math.floor(Math.min(64 / warps, gpu.registersPerMultiprocessor / held)));
  const waves = Math.ceil(blocks / (gpu.multiprocessors * resident));
  const perProcessor = Math.ceil(blocks / gpu.multiprocessors) * warps;
  const slots = stepSlots(p, t, row);
  const meeting = t.split > 1 ? ((t.tileM * t.tileN) / 32) * FIT.meetSlots : 0;
  const own = slots * FIT.slotCycles;
  const step = t.stages > 1 ? Math.max(FIT.readCycles * FIT.aheadShare, own) : FIT.readCycles + own;
  const bandwidth = (gpu.measuredReadBytesPerSecond ?? gpu.memoryBytesPerSecond) * FIT.memoryShare;
  const parts: Readonly<Record<Limiter, number>> = {
    issue: (perProcessor * (steps * slots + meeting)) / (FIT.slotsPerCycle * FIT.clockMHz),
    cache: (perProcessor * steps * loadedRegisters(p, t) * FIT.registerCycles) / FIT.clockMHz,
    memory: (p.bytes / bandwidth) * 1e6,
    waiting: (waves * (steps * step + meeting * FIT.slotCycles + FIT.waveCycles)) / FIT.clockMHz,
  };
  const limiter = LIMITERS.reduce((a, b) => (parts[b] > parts[a] ? b : a));
  const sum = LIMITERS.reduce((s, l) => s + parts[l] ** FIT.norm, 0);
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
