/** The kernel evaluator: runs a kernel lane by lane, slowly and checked; it defines what kernels mean. */
import { internal } from "../diagnostics.ts";
import type { Kernel, Stmt } from "../kernel.ts";
import { bodiesOf } from "../kernel-walk.ts";
import { findRow } from "../row-catalogue.ts";
import type { MatrixRow } from "../rows.ts";
import type { KernelBuffer } from "./kernel-buffers.ts";
import { compileKernelExprs, type KernelExprs } from "./kernel-exprs.ts";
import {
  type Block,
  type Code,
  type Frame,
  fatal,
  HALTED,
  type Machine,
  type Memory,
  noClocks,
  report,
  type Wait,
  type Warp,
} from "./kernel-machine.ts";
import { makeShadow } from "./kernel-shadow.ts";
import { compileKernelBody } from "./kernel-stmts.ts";
import { reportLeftovers } from "./kernel-sync.ts";

export { bufferFromWords, bufferOf, bufferToWords, emptyBuffer, type KernelBuffer } from "./kernel-buffers.ts";

/** Global buffers by id. */
export type KernelBuffers = ReadonlyMap<string, KernelBuffer>;

export interface EvalKernelOptions {
  /** Linear indices (x fastest) of the blocks to run; default: all. */
  readonly blocks?: readonly number[];
  /** Which runnable warp goes on; default lowest. */
  readonly order?: "lowest" | "highest";
  /** When transfers and asynchronous rows do their work: at once, or as late as the kernel allows; default early. */
  readonly transfers?: "early" | "late";
  /** Watch memory for races, early reads and values nobody wrote; default true. */
  readonly check?: boolean;
  /** Errors after which the evaluation ends; default 10. */
  readonly maxErrors?: number;
  /** Default: the catalogue's. */
  readonly rows?: (id: string) => MatrixRow | undefined;
}

export interface EvalKernelResult {
  /** Readable messages with the statement's place; empty where the kernel has a meaning. */
  readonly errors: readonly string[];
}

/**
 * Runs a kernel that `verifyKernel` accepts, and changes the buffers it writes. Every global buffer must be in `buffers`
 * with its type and length. Mistakes are returned, never thrown; after one the contents of the buffers mean nothing.
 */
export function evalKernel(kernel: Kernel, buffers: KernelBuffers, options: EvalKernelOptions = {}): EvalKernelResult {
  const machine: Machine = {
    kernel,
    lanes: kernel.lanes,
    order: options.order ?? "lowest",
    transfers: options.transfers ?? "early",
    check: options.check ?? true,
    maxErrors: options.maxErrors ?? 10,
    rows: options.rows ?? findRow,
    errors: [],
    told: new Set(),
    events: [],
    decidedByGrid: new Map(),
  };
  try {
    runGrid(machine, buffers, options.blocks);
  } catch (error) {
    if (error !== HALTED) throw error;
  }
  return { errors: machine.errors };
}

/** The four adversarial ways to run a kernel. */
export const MODES = [
  { order: "lowest", transfers: "early" },
  { order: "highest", transfers: "early" },
  { order: "lowest", transfers: "late" },
  { order: "highest", transfers: "late" },
] as const satisfies readonly EvalKernelOptions[];

/** The modes that can differ for a kernel: one warp has one order, and without asynchronous work nothing is late. */
function modesOf(kernel: Kernel, rows: (id: string) => MatrixRow | undefined): readonly Mode[] {
  const isAsync = (stmt: Stmt): boolean =>
    bodiesOf(stmt).some((body) => body.some(isAsync)) ||
    (stmt.kind === "collective" &&
      (stmt.what.family === "transfer" || (stmt.what.family === "matrix" && rows(stmt.what.row)?.async === true)));
  const late = kernel.body.some(isAsync);
  return MODES.filter((m) => (m.order === "lowest" || kernel.warps > 1) && (m.transfers === "early" || late));
}

/**
 * Runs a kernel in all modes that can differ, on copies of the buffers, demands the same bits from each, and leaves those
 * in `buffers`. The first mode that reports errors ends it. Floats added by atomics depend on the order and fail here.
 */
export function evalKernelModes(
  kernel: Kernel,
  buffers: KernelBuffers,
  options: Omit<EvalKernelOptions, "order" | "transfers"> = {},
): EvalKernelResult {
  const modes = modesOf(kernel, options.rows ?? findRow);
  const results = modes.map((mode) => ({ mode, buffers: copyBuffers(buffers) }));
  for (const result of results) {
    const { errors } = evalKernel(kernel, result.buffers, { ...options, ...result.mode });
    if (errors.length > 0) return { errors: errors.map((e) => `${modeName(result.mode)}: ${e}`) };
  }
  const [first, ...others] = results;
  const errors = others.flatMap((other) => differences(first!, other));
  for (const [id, buffer] of first!.buffers) buffers.get(id)!.data.set(buffer.data);
  return { errors };
}

type Mode = (typeof MODES)[number];

function modeName(mode: Mode): string {
  return `${mode.order} warp first, ${mode.transfers} transfers`;
}

function copyBuffers(buffers: KernelBuffers): KernelBuffers {
  return new Map([...buffers].map(([id, { type, data }]) => [id, { type, data: data.slice() }]));
}

interface ModeResult {
  readonly mode: Mode;
  readonly buffers: KernelBuffers;
}

function differences(a: ModeResult, b: ModeResult): readonly string[] {
  return [...a.buffers].flatMap(([id, { data }]) => {
    const other = b.buffers.get(id)!.data;
    const at = data.findIndex((value, i) => !Object.is(value, other[i]));
    if (at < 0) return [];
    return [`${id}[${at}] is ${data[at]} with ${modeName(a.mode)} but ${other[at]} with ${modeName(b.mode)}`];
  });
}

function runGrid(machine: Machine, buffers: KernelBuffers, blocks: readonly number[] | undefined): void {
  const { kernel } = machine;
  const globals = globalMemories(machine, buffers);
  const exprs = compileKernelExprs(machine, namesIn(kernel));
  const code = compileKernelBody({ machine, exprs }, kernel.body);
  const frames = Array.from({ length: kernel.warps }, () => exprs.makeFrame());
  const [x, y, z] = kernel.grid;
  const all = blocks ?? Array.from({ length: x * y * z }, (_, i) => i);
  for (const index of all) {
    const memories = kernel.buffers.map((buffer) => globals.get(buffer.id) ?? sharedMemory(machine, buffer));
    const block = makeBlock(machine, index, memories, exprs, frames);
    runBlock(block, code);
    reportLeftovers(block);
  }
}

function globalMemories(machine: Machine, buffers: KernelBuffers): ReadonlyMap<string, Memory> {
  const globals = machine.kernel.buffers.filter((b) => b.space === "global");
  return new Map(
    globals.map((buffer) => {
      const given = buffers.get(buffer.id) ?? fatal(machine, undefined, `no buffer ${buffer.id} is given`);
      if (given.type !== buffer.type || given.data.length !== buffer.length) {
        const has = `${given.type}[${given.data.length}]`;
        fatal(machine, undefined, `buffer ${buffer.id} is ${buffer.type}[${buffer.length}], given ${has}`);
      }
      const watched = machine.check && buffer.access !== "read";
      const shadow = watched ? makeShadow(buffer, buffer.access === "readWrite") : undefined;
      return [buffer.id, { buffer, data: given.data, ...(shadow === undefined ? {} : { shadow }) }];
    }),
  );
}

function sharedMemory(machine: Machine, buffer: Kernel["buffers"][number]): Memory {
  const data = new Float64Array(buffer.length);
  return machine.check ? { buffer, data, shadow: makeShadow(buffer, false) } : { buffer, data };
}

/** Every name that a statement sets or an expression uses. */
function namesIn(kernel: Kernel): readonly string[] {
  const names = new Set<string>();
  const walk = (body: readonly Stmt[]): void => {
    for (const stmt of body) {
      for (const name of namesSetBy(stmt)) names.add(name);
      bodiesOf(stmt).forEach(walk);
    }
  };
  walk(kernel.body);
  for (const expr of kernel.exprs.exprs) if (expr.kind === "symbol") names.add(expr.name);
  return [...names];
}

/** The locals that a statement sets itself, apart from those in its body. */
export function namesSetBy(stmt: Stmt): readonly string[] {
  switch (stmt.kind) {
    case "let":
    case "var":
    case "assign":
    case "for":
      return [stmt.name];
    case "read":
      return stmt.to;
    case "collective":
      switch (stmt.what.family) {
        case "exchange":
          return [stmt.what.to];
        case "fragment":
          return stmt.what.regs;
        case "matrix":
          return stmt.what.d;
        default:
          return [];
      }
    default:
      return [];
  }
}

function makeBlock(
  machine: Machine,
  index: number,
  memories: readonly Memory[],
  exprs: KernelExprs,
  frames: readonly Frame[],
): Block {
  const warps: Warp[] = [];
  const block: Block = {
    index,
    machine,
    warps,
    memories,
    meetings: new Map(),
    mbarriers: new Map(),
    undelivered: [],
    decided: new Map(),
  };
  frames.forEach((frame, w) => {
    exprs.enterBlock(frame, index, w);
    const locals = frame.slots.length;
    warps.push({
      index: w,
      block,
      frame,
      mask: new Uint8Array(machine.lanes).fill(1),
      active: machine.lanes,
      now: 0,
      clocks: noClocks(frames.length),
      queues: {
        lane: { open: [], groups: [] },
        async: { open: [], groups: [] },
        matrix: { open: [], groups: [] },
      },
      lentRead: new Int32Array(locals),
      lentWrite: new Int32Array(locals),
      lent: 0,
      lentRow: new Map(),
      matrixFence: 0,
      rowWrote: new Float64Array(locals).fill(-1),
      reached: new Map(),
    });
  });
  return block;
}

/** A warp's progress: what it waits for, if anything. */
interface Thread {
  readonly warp: Warp;
  readonly run: Generator<Wait, void, void>;
  waits: Wait | undefined;
  done: boolean;
}

function runBlock(block: Block, code: Code): void {
  const { order } = block.machine;
  const warps = order === "lowest" ? block.warps : block.warps.toReversed();
  if (!code.blocking) {
    for (const warp of warps) code.run(warp);
    while (deliverOldest(block));
    return;
  }
  const threads: Thread[] = warps.map((warp) => ({ warp, run: code.run(warp), waits: undefined, done: false }));
  for (;;) {
    const next = threads.find((t) => !t.done && (t.waits === undefined || t.waits.ready()));
    if (next !== undefined) {
      const step = next.run.next();
      next.done = step.done === true;
      next.waits = step.done === true ? undefined : step.value;
      continue;
    }
    if (threads.every((t) => t.done)) break;
    if (deliverOldest(block)) continue;
    reportDeadlock(block, threads);
    return;
  }
  while (deliverOldest(block));
}

/** Late mode: a transfer that an mbarrier counts comes only when nothing else can go on. */
function deliverOldest(block: Block): boolean {
  const flight = block.undelivered.shift();
  if (flight === undefined) return false;
  const deliver = flight.deliver ?? internal("a delivered transfer is still waiting");
  deliver();
  flight.deliver = undefined;
  return true;
}

function reportDeadlock(block: Block, threads: readonly Thread[]): void {
  const sorted = threads.toSorted((a, b) => a.warp.index - b.warp.index);
  const lines = sorted.map(
    (t) => `warp ${t.warp.index} ${t.waits === undefined ? "has ended" : `waits ${t.waits.describe()}`}`,
  );
  report(block.machine, undefined, `block ${block.index}: deadlock: ${lines.join("; ")}`);
}
