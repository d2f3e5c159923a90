/** The compile report: what was chosen and why, what it moves and computes, what will limit it, how exact it is. */
import { peakOf } from "../hw-models/derive.ts";
import type { GpuModel } from "../hw-models/schema.ts";
import type { Kernel } from "../ir/kernel.ts";
import { bodiesOf } from "../ir/kernel-walk.ts";
import { addressBits } from "../ir/layout/build.ts";
import type { Program, Region, TileOp } from "../ir/program.ts";
import { findRow } from "../ir/row-catalogue.ts";
import { bitsOf, type Scalar } from "../ir/scalar.ts";
import type { Target } from "../ir/target.ts";
import { forEachOp } from "./edit.ts";
import { operandSignificand } from "./precision.ts";
import { halfUlpsOfMaps } from "./rounding.ts";
import type { Schedule } from "./schedule/schedule.ts";

export const COMPILE_SCHEMA = "bitloom.compile/1";

/** What a kernel promises about its result, against the operator in real arithmetic on the stored codes and scales. */
export interface AccumulatorContract {
  readonly type: Scalar;
  /** Integer sums are exact; what follows them is not. */
  readonly exactSum: boolean;
  /** Products that one output adds up. */
  readonly terms: number;
  /**
   * |error| ≤ relativeToMagnitude · Σ|x·w| + relativeToResult · |y| + absolute, where |w| is what the terms of a decoded
   * value add up to in magnitude (|a| + |b| of a value a - b), and no intermediate result leaves f32's normal range.
   */
  readonly bound: {
    readonly relativeToMagnitude: number;
    readonly relativeToResult: number;
    readonly absolute: number;
  };
  /** The bound in words, with where its parts come from. */
  readonly because: string;
}

export interface LaunchReport {
  readonly name: string;
  readonly grid: readonly [number, number, number];
  readonly threads: number;
  readonly sharedBytes: number;
  /** Named values alive at once, at most: an upper estimate of registers a lane before the driver's own allocation. */
  readonly liveValues: number;
}

export interface CompileReport {
  readonly schema: typeof COMPILE_SCHEMA;
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly target: string;
  readonly schedule: Schedule;
  readonly launches: readonly LaunchReport[];
  /** Bytes of each tensor; inputs read once and outputs written once, the least that must move. */
  readonly bytes: {
    readonly tensors: Readonly<Record<string, number>>;
    readonly read: number;
    readonly written: number;
  };
  readonly operations: { readonly multiplyAdds: number; readonly unit: string; readonly count: number };
  readonly expected: {
    readonly model: string;
    readonly limiter: "memory" | "compute" | "unknown";
    readonly memoryMicroseconds: number | null;
    readonly computeMicroseconds: number | null;
    /** The larger of the two: a floor, not a forecast. */
    readonly floorMicroseconds: number | null;
  };
  readonly accumulator: AccumulatorContract;
}

/** What is reported about an op before and after scheduling. */
export interface ReportInput {
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly target: Target;
  readonly schedule: Schedule;
  /** After the algebra, before scheduling. */
  readonly algebra: Program;
  readonly kernels: readonly Kernel[];
  readonly gpu: GpuModel | undefined;
}

type Contract = Extract<TileOp, { kind: "contract" }>;

function contractOf(program: Program): Contract | undefined {
  let found: Contract | undefined;
  forEachOp(program.body, (op) => {
    if (op.kind === "contract") found ??= op;
  });
  return found;
}

function tensorBytes(program: Program): Readonly<Record<string, number>> {
  const entries = program.tensors.flatMap((t): [string, number][] => {
    if (t.role === "local" || t.layout === undefined) return [];
    return [[t.id, Math.ceil(addressBits(t.layout) / 8)]];
  });
  return Object.fromEntries(entries);
}

/** Unit roundoff of f32, f16 and bf16 (IEEE 754: half an ulp of 1). */
const F32 = 2 ** -24;
const F16 = 2 ** -11;
const BF16 = 2 ** -8;
/** The smallest normal f32: targets may flush what is smaller. */
const F32_TINY = 2 ** -126;
/** Half of the smallest f16 subnormal. */
const F16_TINY = 2 ** -25;

/** What storing the result costs: a rounding to its type, and what that type cannot hold. */
function outputOf(program: Program): { readonly relative: number; readonly absolute: number; readonly words: string } {
  const type = program.tensors.find((t) => t.role === "output")?.type;
  if (type === "f16") return { relative: F16, absolute: F16_TINY, words: "; the result rounds once to f16" };
  if (type === "bf16") return { relative: BF16, absolute: F32_TINY, words: "; the result rounds once to bf16" };
  return { relative: 0, absolute: F32_TINY, words: "" };
}

type Sum = Extract<TileOp, { kind: "contract" | "map" }>;

/** Contractions and other sums of a program. */
function sumsOf(program: Program): readonly Sum[] {
  const found: Sum[] = [];
  forEachOp(program.body, (op) => {
    if (op.kind === "contract" || (op.kind === "map" && op.reduce === "sum")) found.push(op);
  });
  return found;
}

/**
 * Sums of several terms, or sums of sums: a product passes the roundings of every sum that it can be part of, and of eight
 * operations around each; what cancels between terms is bounded by their magnitudes.
 */
function severalSums(sums: readonly Sum[], algebra: Program, schedule: Schedule, target: Target): AccumulatorContract {
  const fragments = schedule.strategy === "mma";
  const termsOf = (op: Sum): number =>
    op.domain.filter((d) => op.over.includes(d.axis)).reduce((n, d) => n * d.extent, 1);
  const isExact = (op: Sum): boolean => algebra.tensors.find((t) => t.id === op.to.tensor)?.type === "i32";
  const roundings = sums.reduce((total, op) => {
    if (isExact(op)) return total + 8;
    const terms = termsOf(op);
    const steps = Math.ceil(terms / (fragments ? schedule.chunk : schedule.chunk * target.lanes));
    const inChunk = fragments ? 2 * 17 * Math.ceil(schedule.chunk / 16) : Math.min(terms, schedule.chunk);
    return total + inChunk + 3 * steps + Math.ceil(Math.log2(target.lanes)) + 8;
  }, 0);
  const halves = fragments ? 2 * sums.length * F16 : 0;
  const passed = roundings + halfUlpsOfMaps(algebra);
  const { relative, absolute, words } = outputOf(algebra);
  return {
    type: "f32",
    exactSum: false,
    terms: sums.reduce((n, op) => n + termsOf(op), 0),
    bound: { relativeToMagnitude: passed * F32 + halves, relativeToResult: relative + 8 * F32, absolute },
    because: `${sums.length} sums: no product passes more than ${passed} f32 roundings on its way${fragments ? "; decoded values are rounded to f16, which holds none above 65504" : ""}${words}`,
  };
}

function accumulatorOf({ algebra, schedule, target }: ReportInput): AccumulatorContract {
  const op = contractOf(algebra);
  const result = outputOf(algebra);
  const halves = halfUlpsOfMaps(algebra);
  if (op === undefined && sumsOf(algebra).length > 0) return severalSums(sumsOf(algebra), algebra, schedule, target);
  if (op === undefined) {
    const { relative, absolute } = result;
    return {
      type: "f32",
      exactSum: true,
      terms: 1,
      bound: { relativeToMagnitude: halves * F32, relativeToResult: relative, absolute },
      because: `no sum; no value passes more than ${halves} f32 roundings${result.words}`,
    };
  }
  const sums = sumsOf(algebra);
  if (sums.length > 1) return severalSums(sums, algebra, schedule, target);
  const type = algebra.tensors.find((t) => t.id === op.to.tensor)?.type ?? "f32";
  const terms = op.domain.filter((d) => op.over.includes(d.axis)).reduce((n, d) => n * d.extent, 1);
  const output = result.relative + 8 * F32;
  const { absolute } = result;
  if (type === "i32") {
    return {
      type,
      exactSum: true,
      terms,
      bound: { relativeToMagnitude: 0, relativeToResult: output, absolute },
      because: `the integer sum is exact; scaling rounds at most eight times in f32${result.words}`,
    };
  }
  const { chunk } = schedule;
  const fragments = schedule.strategy === "mma";
  const steps = Math.ceil(terms / (fragments ? chunk : chunk * target.lanes));
  // A matrix instruction adds its 16 products and the sum so far by truncation, each to within an ulp (2 F32): Fasi,
  // Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330, 2021.
  const inChunk = fragments ? 2 * 17 * Math.ceil(chunk / 16) : chunk;
  const chain = inChunk + 3 * steps + Math.ceil(Math.log2(target.lanes)) + 2 + halves;
  const inHalves = (region: Region): boolean => operandSignificand(algebra, op, region, chunk) <= 2 ** 11;
  const decode = [op.a, op.b].filter((region) => fragments && !inHalves(region)).length * F16;
  const where = fragments
    ? `${chunk} products a step by matrix instructions`
    : `${chunk} products a chunk, ${target.lanes} lanes`;
  return {
    type,
    exactSum: false,
    terms,
    bound: { relativeToMagnitude: chain * F32 + decode, relativeToResult: output, absolute },
    because: `no product passes more than ${chain} f32 roundings (${where}, ${steps} steps)${decode > 0 ? "; decoded values are rounded to f16, which holds none above 65504" : ""}${result.words}`,
  };
}

function sharedBytes(kernel: Kernel): number {
  return kernel.buffers
    .filter((b) => b.space === "shared")
    .reduce((n, b) => n + Math.ceil((b.length * bitsOf(b.type)) / 8), 0);
}

/** Locals of the fullest scope: every `let`, `var` and read result counts until its scope ends. */
function liveValues(kernel: Kernel): number {
  const visit = (body: Kernel["body"]): number => {
    let own = 0;
    let inner = 0;
    for (const stmt of body) {
      if (stmt.kind === "let" || stmt.kind === "var") own++;
      if (stmt.kind === "read") own += stmt.to.length;
      for (const b of bodiesOf(stmt)) inner = Math.max(inner, visit(b));
    }
    return own + inner;
  };
  return visit(kernel.body);
}

function operationsOf({ algebra, schedule }: ReportInput): CompileReport["operations"] & { readonly type: string } {
  const op = contractOf(algebra);
  const multiplyAdds = op === undefined ? 0 : op.domain.reduce((n, d) => n * d.extent, 1);
  const row = schedule.row === undefined ? undefined : findRow(schedule.row);
  const planes = schedule.strategy === "popc" || row?.op === "andPopc";
  const type = row === undefined ? "f32" : row.a.type;
  if (op === undefined || !planes) return { multiplyAdds, unit: "multiply-add", count: multiplyAdds, type };
  const bits = [op.a, op.b].map((r) => bitsOf(algebra.tensors.find((t) => t.id === r.tensor)!.type));
  return { multiplyAdds, unit: "one-bit multiply-add", count: multiplyAdds * bits[0]! * bits[1]!, type: "b1" };
}

export function reportOf(input: ReportInput): CompileReport {
  const { op, sizes, target, schedule, algebra, kernels, gpu } = input;
  const tensors = tensorBytes(algebra);
  const sum = (role: string): number =>
    algebra.tensors.filter((t) => t.role === role).reduce((n, t) => n + (tensors[t.id] ?? 0), 0);
  const read = sum("input");
  const written = sum("output");
  const { type, ...operations } = operationsOf(input);
  const bandwidth = gpu === undefined ? undefined : (gpu.measuredReadBytesPerSecond ?? gpu.memoryBytesPerSecond);
  const rate = gpu === undefined ? undefined : peakOf(gpu, type, schedule.strategy === "mma" ? "matrix" : "lane");
  const memory = bandwidth === undefined ? null : ((read + written) / bandwidth) * 1e6;
  const compute = rate === undefined ? null : ((2 * operations.count) / rate.opsPerSecond) * 1e6;
  return {
    schema: COMPILE_SCHEMA,
    op,
    sizes,
    target: target.name,
    schedule,
    launches: kernels.map((k) => ({
      name: k.name,
      grid: k.grid,
      threads: k.lanes * k.warps,
      sharedBytes: sharedBytes(k),
      liveValues: liveValues(k),
    })),
    bytes: { tensors, read, written },
    operations,
    expected: {
      model: gpu?.name ?? "none",
      limiter: memory === null || compute === null ? "unknown" : memory >= compute ? "memory" : "compute",
      memoryMicroseconds: memory,
      computeMicroseconds: compute,
      floorMicroseconds: memory === null ? null : Math.max(memory, compute ?? 0),
    },
    accumulator: accumulatorOf(input),
  };
}
