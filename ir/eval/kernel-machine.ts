/** The kernel evaluator's machine: blocks, warps and lanes, their clocks, how warps wait, and how errors are told. */
import { internal } from "../diagnostics.ts";
import type { Buffer, Collective, Kernel, Scope, Stmt } from "../kernel.ts";
import type { MatrixRow } from "../rows.ts";

/** A statement and where it stands: `body[3].then[0]`. Ids count statements in textual order. */
export interface Position {
  readonly id: number;
  readonly path: string;
  readonly stmt: Stmt;
}

/** What is remembered of each element of a buffer; entries are indices into the machine's events. */
export interface Shadow {
  readonly writer: Int32Array;
  readonly writerLane: Int16Array;
  /** By element · warps + warp; made at the first read. */
  reader: Int32Array | undefined;
  readerLane: Int16Array | undefined;
  /** The last read by a block before the block of `reader`. */
  earlierReader: Int32Array | undefined;
  /** An atomic that the last atomic on the element is not ordered after. */
  atomics: Int32Array | undefined;
  /** By element · warps + warp: the last asynchronous operation that reads the element. */
  flights: (Flight | undefined)[] | undefined;
}

/** One buffer's element values; `shadow` is absent where nothing can go wrong (read-only buffers) or checks are off. */
export interface Memory {
  readonly buffer: Buffer;
  readonly data: Float64Array;
  readonly shadow?: Shadow;
}

/**
 * One dynamic execution of a memory statement by a warp: what shadow memory remembers of an access, apart from the lane.
 * `clock` is the warp's clock at that time; `flight` is set where an asynchronous operation made the access.
 */
export interface Event {
  readonly block: number;
  readonly warp: number;
  readonly clock: number;
  readonly at: Position;
  readonly atomic: boolean;
  readonly flight?: Flight;
}

/** An asynchronous operation: a transfer, or a matrix row that reads its operands after issue. */
export interface Flight {
  readonly at: Position;
  readonly block: number;
  readonly warp: number;
  /** The lane that alone sees its completion when it drains its groups; −1: whole warps see it. */
  readonly lane: number;
  /** By warp: the clock at which it saw the completion; −1: not yet. */
  readonly landed: Int32Array;
  /** Does the work; undefined once done. */
  deliver: (() => void) | undefined;
  /** Gives lent locals back to a warp that drained it. */
  readonly giveBack?: (warp: Warp) => void;
}

/** First in, first out: transfers since the last commit, and the groups that are not yet drained. */
export interface FlightQueue {
  open: Flight[];
  readonly groups: Flight[][];
}

/** Which asynchronous operations a commit or drain speaks of: cp.async, bulk copies, or matrix rows. */
export type QueueName = "lane" | "async" | "matrix";

/** An mbarrier: a phase ends when all arrivals came and all expected bytes are there. */
export interface MBarrier {
  readonly name: string;
  readonly count: number;
  readonly initWarp: number;
  readonly initClock: number;
  missing: number;
  bytes: number;
  phase: number;
  /** Transfers whose bytes count for the phase that runs. */
  arriving: Flight[];
  /** Transfers of ended phases, in order; `landedUpTo[w]` of them are known to warp w. */
  readonly arrived: Flight[];
  readonly landedUpTo: Int32Array;
  /** What the arrivals so far published, and what was published when the last phase ended. */
  readonly gathering: Clocks;
  readonly released: Clocks;
}

/** By warp: the newest clock whose accesses are ordered before what follows; for lanes, and for the async proxy. */
export interface Clocks {
  readonly seen: Int32Array;
  readonly fenced: Int32Array;
}

/**
 * The values of one warp. Every local has a slot; every expression entry has a lane array. A stamp is the frame's clock
 * at the last change: an entry is valid while its stamp is the newest stamp of its operands.
 */
export interface Frame {
  readonly values: readonly Float64Array[];
  readonly stamps: Float64Array;
  readonly slots: readonly Float64Array[];
  readonly slotStamps: Float64Array;
  /** Matrices whose layout the hardware hides, by the slot of the local that names them; row-major. */
  readonly opaque: Map<number, Float64Array>;
  clock: number;
}

export interface Warp {
  readonly index: number;
  readonly block: Block;
  readonly frame: Frame;
  /** One for each lane that executes the current statement. */
  mask: Uint8Array;
  active: number;
  /** Counts releases: accesses after one carry a greater clock than those before. */
  now: number;
  readonly clocks: Clocks;
  readonly queues: Readonly<Record<QueueName, FlightQueue>>;
  /** By local: how many matrix rows in flight read it, or accumulate in it. */
  readonly lentRead: Int32Array;
  readonly lentWrite: Int32Array;
  lent: number;
  /** The row that accumulates in a lent local; rows of one shape may follow each other without a drain. */
  readonly lentRow: Map<number, string>;
  /** The frame's clock at the last matrix fence: registers written later are not visible to asynchronous rows. */
  matrixFence: number;
  /** By local: the frame's clock when an asynchronous row last wrote it. */
  readonly rowWrote: Float64Array;
  /** By statement: how often an `if` that claims to be uniform in more than the warp was reached. */
  readonly reached: Map<number, number>;
}

export interface Meeting {
  arrived: Warp[];
  round: number;
}

export interface Block {
  readonly index: number;
  readonly machine: Machine;
  readonly warps: readonly Warp[];
  /** By buffer, in the kernel's order; the shared ones belong to this block. */
  readonly memories: readonly Memory[];
  readonly meetings: Map<string, Meeting>;
  readonly mbarriers: Map<string, MBarrier>;
  /** Transfers that an mbarrier counts and that are still to be delivered; late mode keeps them as long as it can. */
  readonly undelivered: Flight[];
  /** What the first warp to reach the n-th execution of a uniform `if` decided. */
  readonly decided: Map<string, boolean>;
}

/** One evaluation of a kernel. */
export interface Machine {
  readonly kernel: Kernel;
  readonly lanes: number;
  readonly order: "lowest" | "highest";
  readonly transfers: "early" | "late";
  readonly check: boolean;
  readonly maxErrors: number;
  readonly rows: (id: string) => MatrixRow | undefined;
  readonly errors: string[];
  /** One error for each kind of mistake at each pair of places is enough. */
  readonly told: Set<string>;
  readonly events: Event[];
  readonly decidedByGrid: Map<string, boolean>;
}

/** What a warp waits for. */
export interface Wait {
  ready(): boolean;
  /** "at body[2] (barrier block), where warps 1, 2 are missing". */
  describe(): string;
}

/** A statement ready to run: at once, or as a coroutine where it may have to wait for other warps. */
export type Code =
  | { readonly blocking: false; run(warp: Warp): void }
  | { readonly blocking: true; run(warp: Warp): Generator<Wait, void, void> };

/** Thrown to leave an evaluation whose errors are already reported. */
export const HALTED = new Error("the evaluation was stopped");

/** Records an error once for each `key`; leaves the evaluation after the last that is wanted. */
export function report(machine: Machine, at: Position | undefined, message: string, key = message): void {
  const full = `${at?.id}:${key}`;
  if (machine.told.has(full)) return;
  machine.told.add(full);
  machine.errors.push(at === undefined ? message : `${placeOf(at)}: ${message}`);
  if (machine.errors.length >= machine.maxErrors) throw HALTED;
}

/** Records an error after which nothing that follows has a meaning. */
export function fatal(machine: Machine, at: Position | undefined, message: string): never {
  report(machine, at, message);
  throw HALTED;
}

/** "body[3].then[0] (write out)", with the span where the source is known. */
export function placeOf(at: Position): string {
  const span = at.stmt.span;
  const where = span === undefined || span.file < 0 ? "" : ` [${span.file}:${span.start}–${span.end}]`;
  return `${at.path} (${describeStmt(at.stmt)})${where}`;
}

/** "block 0, warp 1, lane 3". */
export function whoIs(warp: Warp, lane?: number): string {
  return `block ${warp.block.index}, warp ${warp.index}${lane === undefined || lane < 0 ? "" : `, lane ${lane}`}`;
}

/** A statement in a few words, for messages. */
export function describeStmt(stmt: Stmt): string {
  switch (stmt.kind) {
    case "let":
    case "var":
    case "assign":
      return `${stmt.kind} ${stmt.name}`;
    case "read":
      return `read ${stmt.to.join(", ")} from ${stmt.at.buffer}`;
    case "write":
    case "atomicAdd":
      return `${stmt.kind} ${stmt.at.buffer}`;
    case "for":
      return `for ${stmt.name}`;
    case "if":
      return stmt.uniform === "none" ? "if" : `if uniform in the ${stmt.uniform}`;
    case "collective":
      return `${describeCollective(stmt.what)}, ${stmt.scope}`;
  }
}

function describeCollective(what: Collective): string {
  switch (what.family) {
    case "exchange":
      return `${what.op} ${what.to}`;
    case "fragment":
      return `${what.dir} ${what.operand} of ${what.row}`;
    case "matrix":
      return what.row;
    case "transfer":
      return `${what.engine} ${what.from.buffer} to ${what.to.buffer}`;
    case "sync":
      return `${what.op}${what.proxy === undefined ? "" : ` ${what.proxy}`}${what.at === undefined ? "" : ` ${what.at.buffer}`}`;
  }
}

/** Clocks that know of nothing. */
export function noClocks(warps: number): Clocks {
  return { seen: new Int32Array(warps).fill(-1), fenced: new Int32Array(warps).fill(-1) };
}

function joinInto(to: Clocks, from: Clocks): void {
  for (let w = 0; w < to.seen.length; w++) {
    to.seen[w] = Math.max(to.seen[w]!, from.seen[w]!);
    to.fenced[w] = Math.max(to.fenced[w]!, from.fenced[w]!);
  }
}

/** Publishes what the warp has done and seen so far; what it does next carries a new clock. */
export function release(warp: Warp, into: Clocks): void {
  joinInto(into, warp.clocks);
  into.seen[warp.index] = Math.max(into.seen[warp.index]!, warp.now);
  warp.now++;
}

/** Orders what was published before everything that the warp's lanes do next. */
export function acquire(warp: Warp, from: Clocks): void {
  joinInto(warp.clocks, from);
}

/** Orders everything these warps did before everything they do next. */
export function synchronise(warps: readonly Warp[]): void {
  const first = warps[0] ?? internal("a barrier of no warps");
  const all = noClocks(first.clocks.seen.length);
  for (const warp of warps) release(warp, all);
  for (const warp of warps) acquire(warp, all);
}

/** The warps of the scope that this warp belongs to. */
export function scopeWarps(warp: Warp, scope: Scope, at: Position): readonly Warp[] {
  const { warps, machine } = warp.block;
  switch (scope) {
    case "warp":
      return [warp];
    case "warpgroup": {
      const first = warp.index - (warp.index % 4);
      if (first + 4 > warps.length)
        return fatal(machine, at, `a warpgroup needs 4 warps, the block has ${warps.length}`);
      return warps.slice(first, first + 4);
    }
    case "block":
      return warps;
    case "device":
      return fatal(machine, at, "collectives of scope device are not evaluated: end the kernel instead");
  }
}

/** All warps of the scope meet here; the last one to come acts for all. */
export function* meet(
  warp: Warp,
  scope: Scope,
  at: Position,
  act: (warps: readonly Warp[]) => void,
): Generator<Wait, void, void> {
  const members = scopeWarps(warp, scope, at);
  if (members.length === 1) {
    act(members);
    return;
  }
  const { meetings } = warp.block;
  const key = `${at.id}:${members[0]!.index}`;
  const meeting = meetings.get(key) ?? { arrived: [], round: 0 };
  meetings.set(key, meeting);
  meeting.arrived.push(warp);
  if (meeting.arrived.length === members.length) {
    meeting.arrived = [];
    meeting.round++;
    act(members);
    return;
  }
  const round = meeting.round;
  const missing = (): string =>
    members
      .filter((m) => !meeting.arrived.includes(m))
      .map((m) => m.index)
      .join(", ");
  yield {
    ready: () => meeting.round !== round,
    describe: () => `at ${placeOf(at)} for warps ${missing()}`,
  };
}

/** A collective needs all lanes of the warp. */
export function demandWholeWarp(warp: Warp, at: Position): void {
  const { machine } = warp.block;
  if (warp.active !== machine.lanes)
    fatal(machine, at, `${whoIs(warp)}: only ${warp.active} of ${machine.lanes} lanes reach this collective`);
}

/** The one value that all lanes of the warp must agree on. */
export function demandUniform(warp: Warp, values: Float64Array, what: string, at: Position): number {
  const first = values[0]!;
  for (let lane = 1; lane < warp.block.machine.lanes; lane++) {
    if (values[lane] !== first)
      fatal(
        warp.block.machine,
        at,
        `${whoIs(warp)}: ${what} is ${first} in lane 0 but ${values[lane]} in lane ${lane}`,
      );
  }
  return first;
}
