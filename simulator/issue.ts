/** Walks a machine program role by role and yields what its unit has to do: signals, and work with all its amounts. */
import { internal, type Span } from "../ir/diagnostics.ts";
import { isTileOp, type Program, type Region, type Role, reads, type Step, type TileOp } from "../ir/program.ts";
import { bitsOf } from "../ir/scalar.ts";
import { type Case, distinguish, MAX_CASES } from "./cases.ts";
import { type Env, ExtentAnalysis } from "./extents.ts";
import { bytesOf } from "./memory/sram.ts";

export type OperandKind = "weight" | "activation" | "result";

/** One op of the program as the trace names it. */
export interface OpInfo {
  readonly index: number;
  /** What it does to what: `load w.q`, `decode weight`, `contract`. */
  readonly name: string;
  readonly kind: TileOp["kind"];
  readonly operand: OperandKind;
  readonly unit: string;
  readonly span: Span;
}

/** Bytes that one work moves at one place: `global`, or `unit:…`. */
export interface Traffic {
  readonly place: string;
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Stored elements that these are: codes, scales, numbers. */
  readonly readElements: number;
  readonly writeElements: number;
}

/** One op with concrete indices. Amounts count what lies inside the tensors: ragged edges are smaller. */
export interface Work {
  readonly kind: "work";
  /** Place in `Issue.works`. */
  readonly id: number;
  readonly op: OpInfo;
  readonly traffic: readonly Traffic[];
  /** Contract: multiply–accumulates. */
  readonly macs: number;
  /** Elements written: numbers moved, codes decoded, values mapped. */
  readonly elements: number;
  /** Contract: extents on the array; time is how many rows enter. */
  readonly rows: number;
  readonly columns: number;
  readonly time: number;
  /** Contract: the first chunk of a fold. Later chunks follow it without a gap. */
  readonly foldStart: boolean;
  /** Feeding: what is fed stays in the array's registers. */
  readonly stationary: boolean;
}

export interface SignalAction {
  readonly kind: "signal";
  readonly ring: string;
  readonly what: "acquire" | "commit" | "wait" | "release";
}

/** The role comes to the loops over folds, or has ended them. */
export interface NestAction {
  readonly kind: "nest";
  readonly what: "enter" | "leave";
}

export type Action = Work | SignalAction;

/** One role on its way through its body. */
export interface Walker {
  /** Values of the role's loops, for who walks its nest in its place. */
  readonly env: Env;
  /** The role's loops by name, and all its ops. */
  readonly loops: ReadonlyMap<string, WalkedLoop>;
  readonly ops: readonly NestOp[];
  /** Where it is among its instructions. */
  at(): number;
  /** Where off chip the last work's bytes lie: tiles of a tensor lie one behind the other, in the order of the loops. */
  address(): number;
  /** The next action; undefined at the end. */
  next(): Action | NestAction | undefined;
  /** Goes on behind the nest that it is in. */
  leaveNest(): void;
}

export interface WalkedLoop {
  /** Place of its value; behind it stands how often it went round. */
  readonly slot: number;
  readonly step: number;
  readonly trips: number;
}

/** An op: its work at given loop values, and how far that depends on each loop. */
export interface NestOp {
  readonly make: (env: Env) => Work;
  readonly cases: readonly Case[];
  readonly address: (env: Env) => number;
}

/** The loops over the folds of a block, as one role walks them. */
export interface NestLoop {
  readonly kind: "loop";
  readonly name: string;
  readonly slot: number;
  readonly extent: number;
  readonly step: number;
  readonly body: readonly NestStep[];
}

export type NestStep =
  | NestLoop
  | { readonly kind: "signal"; readonly action: SignalAction }
  | { readonly kind: "op"; readonly op: NestOp };

/** A program prepared for walking. */
export interface Issue {
  readonly program: Program;
  readonly roles: readonly Role[];
  readonly ops: readonly OpInfo[];
  /** The operand that a ring carries: it decides what a wait for it is called. */
  readonly ringOperand: ReadonlyMap<string, OperandKind>;
  /** Rings whose instances are the array's own registers. */
  readonly registerRings: ReadonlySet<string>;
  /** The actions of one role, one at a call; undefined at its end. */
  walk(role: Role): () => Action | undefined;
  /** The same, and where the role comes to loops over folds. */
  walker(role: Role): Walker;
  /** A role's loops over folds, where it has them in one place. */
  nestOf(role: Role): NestLoop | undefined;
  /** All works that were made so far: equal works are one object. */
  readonly works: readonly Work[];
}

type Instruction =
  | { readonly kind: "loop"; readonly slot: number; readonly extent: number; readonly after: number }
  | {
      readonly kind: "next";
      readonly slot: number;
      readonly extent: number;
      readonly step: number;
      readonly body: number;
    }
  | { readonly kind: "nest"; readonly action: NestAction; readonly after: number }
  | { readonly kind: "signal"; readonly action: SignalAction }
  | { readonly kind: "op"; readonly op: NestOp };

type Loop = Extract<Step, { readonly kind: "loop" }>;

interface Enclosing {
  readonly loop: Loop;
  readonly slot: number;
}

/** Prepares a machine program; its body is one `roles` step whose roles name their units. */
export function prepare(program: Program): Issue {
  const [only] = program.body;
  if (only?.kind !== "roles") return internal(`${program.name} is not a machine program`);
  const analysis = new ExtentAnalysis(program, only.roles);
  const ops: OpInfo[] = [];
  const infos = new Map<TileOp, OpInfo>();
  for (const role of only.roles) {
    for (const op of opsIn(role.body)) {
      const operand = analysis.operandOf(op);
      const info: OpInfo = {
        index: ops.length,
        name: nameOf(op, operand, analysis),
        kind: op.kind,
        operand,
        unit: role.unit ?? internal(`role ${role.name} has no unit`),
        span: op.span,
      };
      ops.push(info);
      infos.set(op, info);
    }
  }
  const array = ops.find((op) => op.kind === "contract")?.unit;
  const inArray = program.tensors.filter((t) => t.ring !== undefined && t.place === `unit:${array}`);
  const works: Work[] = [];
  const space: Space = { bytes: 0 };
  const compiled = new Map(only.roles.map((role) => [role, compile(role, analysis, infos, array ?? "", works, space)]));
  const of = (role: Role): Compiled => compiled.get(role) ?? internal(`no role ${role.name}`);
  return {
    program,
    roles: only.roles,
    ops,
    ringOperand: new Map(program.rings.map((r) => [r.id, analysis.operandOfRing(r.id)])),
    registerRings: new Set(inArray.map((t) => t.ring!)),
    works,
    walk: (role) => {
      const walker = walkerOf(of(role));
      return () => {
        for (;;) {
          const action = walker.next();
          if (action?.kind !== "nest") return action;
        }
      };
    },
    walker: (role) => walkerOf(of(role)),
    nestOf: (role) => {
      const { nests } = of(role);
      return nests.length === 1 ? nests[0] : undefined;
    },
  };
}

function opsIn(body: readonly Step[]): readonly TileOp[] {
  return body.flatMap((step) => (isTileOp(step) ? [step] : step.kind === "loop" ? opsIn(step.body) : []));
}

function nameOf(op: TileOp, operand: OperandKind, analysis: ExtentAnalysis): string {
  if (op.kind === "contract") return "contract";
  if (op.kind !== "copy") return `${op.kind} ${operand}`;
  if (analysis.tensor(op.from.tensor).place === "global") return `load ${op.from.tensor}`;
  return analysis.tensor(op.to.tensor).place === "global" ? `store ${op.to.tensor}` : `feed ${operand}`;
}

interface Compiled {
  readonly code: readonly Instruction[];
  readonly slots: number;
  readonly nests: readonly NestLoop[];
  readonly loops: ReadonlyMap<string, WalkedLoop>;
  readonly ops: readonly NestOp[];
}

const ENTER: NestAction = { kind: "nest", what: "enter" };
const LEAVE: NestAction = { kind: "nest", what: "leave" };

function walkerOf({ code, slots, loops, ops }: Compiled): Walker {
  const env: Env = new Float64Array(slots);
  let pc = 0;
  let behind = 0;
  let last: NestOp | undefined;
  const next = (): Action | NestAction | undefined => {
    while (pc < code.length) {
      const at = code[pc++]!;
      switch (at.kind) {
        case "loop":
          env[at.slot] = 0;
          env[at.slot + 1] = 0;
          if (at.extent <= 0) pc = at.after;
          break;
        case "next": {
          const value = env[at.slot]! + at.step;
          env[at.slot] = value;
          env[at.slot + 1]! += 1;
          if (value < at.extent) pc = at.body;
          break;
        }
        case "nest":
          behind = at.after;
          return at.action;
        case "signal":
          return at.action;
        case "op":
          last = at.op;
          return at.op.make(env);
      }
    }
    return undefined;
  };
  return {
    env,
    loops,
    ops,
    at: () => pc,
    address: () => last?.address(env) ?? 0,
    next,
    leaveNest: () => {
      pc = behind;
    },
  };
}

/** Flattens a role into instructions, so that a step costs the same at any depth; loops over folds are kept as a tree too. */
function compile(
  role: Role,
  analysis: ExtentAnalysis,
  infos: ReadonlyMap<TileOp, OpInfo>,
  array: string,
  works: Work[],
  space: Space,
): Compiled {
  const slots = analysis.slotsFor(role);
  const code: Instruction[] = [];
  const nests: NestLoop[] = [];
  const loops = new Map<string, WalkedLoop>();
  const ops: NestOp[] = [];
  let fillDepth = 0;
  const loop = (step: Loop, outer: readonly Enclosing[]): NestLoop => {
    const slot = slots.get(step.name) ?? internal(`no slot for ${step.name}`);
    const head = code.length;
    loops.set(step.name, { slot, step: step.step, trips: Math.ceil(step.extent / step.step) });
    code.push({ kind: "loop", slot, extent: step.extent, after: 0 });
    const body = visit(step.body, [...outer, { loop: step, slot }]);
    code.push({ kind: "next", slot, extent: step.extent, step: step.step, body: head + 1 });
    code[head] = { kind: "loop", slot, extent: step.extent, after: code.length };
    return { kind: "loop", name: step.name, slot, extent: step.extent, step: step.step, body };
  };
  const visit = (body: readonly Step[], outer: readonly Enclosing[]): readonly NestStep[] =>
    body.map((step): NestStep => {
      if (isTileOp(step)) {
        if (step.kind === "fill") fillDepth = outer.length;
        const info = infos.get(step) ?? internal("an op that was not listed");
        const op = maker(step, info, analysis, role, outer, fillDepth, array, works, space);
        ops.push(op);
        code.push({ kind: "op", op });
        return { kind: "op", op };
      }
      if (step.kind === "signal") {
        const action: SignalAction = { kind: "signal", ring: step.ring, what: step.what };
        code.push({ kind: "signal", action });
        return { kind: "signal", action };
      }
      if (step.kind !== "loop") return internal(`a machine's role has a ${step.kind}`);
      const outermost = step.map.kind === "array" && !outer.some((o) => o.loop.map.kind === "array");
      if (!outermost) return loop(step, outer);
      const head = code.length;
      code.push({ kind: "nest", action: ENTER, after: 0 });
      const nest = loop(step, outer);
      code.push({ kind: "nest", action: LEAVE, after: 0 });
      code[head] = { kind: "nest", action: ENTER, after: code.length };
      nests.push(nest);
      return nest;
    });
  visit(role.body, []);
  return { code, slots: 2 * slots.size, nests, loops, ops };
}

/** What is fixed about an op before its loop variables have values. */
interface Static {
  readonly op: TileOp;
  readonly info: OpInfo;
  readonly sources: readonly Side[];
  readonly target: Side;
  readonly stationary: boolean;
}

interface Side {
  readonly place: string;
  readonly bits: number;
  readonly elements: (env: Env, valid: readonly number[]) => number;
}

/** What a side moves: nothing in a direction that the op does not take. */
function trafficAt(side: Side, env: Env, valid: readonly number[], reads: boolean, writes: boolean): Traffic {
  const elements = reads || writes ? side.elements(env, valid) : 0;
  const bytes = Math.ceil((elements * side.bits) / 8);
  return {
    place: side.place,
    readBytes: reads ? bytes : 0,
    writeBytes: writes ? bytes : 0,
    readElements: reads ? elements : 0,
    writeElements: writes ? elements : 0,
  };
}

/** Gives an op's work at the current values of the loop variables; equal amounts give the same object. */
function maker(
  op: TileOp,
  info: OpInfo,
  analysis: ExtentAnalysis,
  role: Role,
  outer: readonly Enclosing[],
  fillDepth: number,
  array: string,
  works: Work[],
  space: Space,
): NestOp {
  const side = (region: Region): Side => {
    const { place, type } = analysis.tensor(region.tensor);
    return { place, bits: bitsOf(type), elements: analysis.elements(op, region, role) };
  };
  const to = op.kind === "quantize" ? internal("a machine quantizes nothing yet") : op.to;
  const target = side(to);
  const fixed: Static = {
    op,
    info,
    sources: reads(op).map(side),
    target,
    stationary: target.place === `unit:${array}`,
  };
  const extents = op.domain.map((d) => analysis.extent(op, d.axis, role));
  const cases = [...extents, ...analysis.irregular(op, role)].map((t) => distinguish(t, outer));
  const time = outer.find((o) => o.loop.map.kind === "array" && o.loop.map.dim === "time");
  const inTo = analysis.symbolsOf(to);
  const summing = outer.slice(fillDepth).filter((o) => !inTo.has(o.loop.name));
  const sumsInTime = time !== undefined && !inTo.has(time.loop.name);
  const contracts = op.kind === "contract";
  const dims = contracts
    ? analysis.arrayDims(
        op,
        outer.map((o) => o.loop),
      )
    : undefined;
  const made = new Map<number, Work>();
  const newWork = (env: Env, foldStart: boolean, first: boolean): Work => {
    const valid = extents.map((e) => e.value(env));
    const work =
      dims === undefined
        ? plainWork(fixed, env, valid)
        : contraction(fixed, env, valid, dims, { foldStart, first, sumsInTime });
    const found = { ...work, id: works.length };
    works.push(found);
    return found;
  };
  const make = (env: Env): Work => {
    let key = 0;
    for (let i = 0; i < cases.length; i++) key = key * MAX_CASES + cases[i]!.at(env);
    const foldStart = time === undefined || env[time.slot] === 0;
    let first = true;
    if (contracts) for (const o of summing) if (env[o.slot] !== 0) first = false;
    key = 4 * key + (foldStart ? 2 : 0) + (first ? 1 : 0);
    const known = made.get(key);
    if (known !== undefined) return known;
    const work = newWork(env, foldStart, first);
    made.set(key, work);
    return work;
  };
  return { make, cases, address: addressOf(op, analysis, outer, space) };
}

/** Off-chip addresses given out so far. */
interface Space {
  bytes: number;
}

/** Tensors begin at multiples of this many bytes, and tiles at multiples of the other: a page, and a burst. */
const TENSOR_ALIGN = 4096;
const TILE_ALIGN = 64;
const aligned = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** Where the tile lies that a copy moves from or to a tensor off chip; takes room for the whole tensor. */
function addressOf(
  op: TileOp,
  analysis: ExtentAnalysis,
  outer: readonly Enclosing[],
  space: Space,
): (env: Env) => number {
  if (op.kind !== "copy") return () => 0;
  const isGlobal = (region: Region): boolean => analysis.tensor(region.tensor).place === "global";
  const off = [op.from, op.to].find(isGlobal);
  const on = [op.from, op.to].find((region) => !isGlobal(region));
  if (off === undefined || on === undefined) return () => 0;
  const symbols = analysis.symbolsOf(off);
  const loops: { readonly slot: number; readonly stride: number }[] = [];
  let size = aligned(bytesOf(analysis.tensor(on.tensor)), TILE_ALIGN);
  for (const { loop, slot } of outer.toReversed()) {
    if (!symbols.has(loop.name)) continue;
    loops.push({ slot: slot + 1, stride: size });
    size *= Math.ceil(loop.extent / loop.step);
  }
  const base = space.bytes;
  space.bytes += aligned(size, TENSOR_ALIGN);
  return (env) => loops.reduce((sum, { slot, stride }) => sum + env[slot]! * stride, base);
}

type NewWork = Omit<Work, "id">;

function plainWork({ op, info, sources, target, stationary }: Static, env: Env, valid: readonly number[]): NewWork {
  const base = { kind: "work", op: info, macs: 0, rows: 0, columns: 0, time: 0, foldStart: true } as const;
  // Sums begin at nothing: the first fold overwrites what is there.
  if (op.kind === "fill") return { ...base, traffic: [], elements: 0, stationary: false };
  const traffic = [
    ...sources.map((s) => trafficAt(s, env, valid, true, false)),
    trafficAt(target, env, valid, false, true),
  ];
  return { ...base, traffic, elements: target.elements(env, valid), stationary };
}

interface FoldPlace {
  readonly foldStart: boolean;
  /** Nothing has been added to these sums before. */
  readonly first: boolean;
  /** Chunks of a fold add up in the array: the sums reach their buffer once a fold. */
  readonly sumsInTime: boolean;
}

function contraction(
  { info, sources, target }: Static,
  env: Env,
  valid: readonly number[],
  dims: readonly [number, number, number],
  { foldStart, first, sumsInTime }: FoldPlace,
): NewWork {
  const macs = valid.reduce((p, v) => p * v, 1);
  const moves = macs !== 0 && !(sumsInTime && !foldStart);
  const traffic = [
    ...sources.map((s) => trafficAt(s, env, valid, true, false)),
    trafficAt(target, env, valid, moves && !first, moves),
  ];
  const [rows, columns, time] = dims.map((i) => valid[i]!) as [number, number, number];
  return { kind: "work", op: info, traffic, macs, elements: 0, rows, columns, time, foldStart, stationary: false };
}
