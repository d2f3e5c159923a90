/** Walks a machine program role by role and yields what its unit has to do: signals, and work with all its amounts. */
import { internal, type Span } from "../ir/diagnostics.ts";
import { isTileOp, type Program, type Region, type Role, reads, type Step, type TileOp } from "../ir/program.ts";
import { bitsOf } from "../ir/scalar.ts";
import { type Env, ExtentAnalysis, type Tracked } from "./extents.ts";

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

export type Action = Work | SignalAction;

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
  | { readonly kind: "signal"; readonly action: SignalAction }
  | { readonly kind: "op"; readonly make: (env: Env) => Work };

interface Enclosing {
  readonly loop: Extract<Step, { readonly kind: "loop" }>;
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
  const compiled = new Map(only.roles.map((role) => [role, compile(role, analysis, infos, array ?? "", works)]));
  return {
    program,
    roles: only.roles,
    ops,
    ringOperand: new Map(program.rings.map((r) => [r.id, analysis.operandOfRing(r.id)])),
    registerRings: new Set(inArray.map((t) => t.ring!)),
    works,
    walk: (role) => walk(compiled.get(role) ?? internal(`no role ${role.name}`)),
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
}

function walk({ code, slots }: Compiled): () => Action | undefined {
  const env: Env = new Float64Array(slots);
  let pc = 0;
  return () => {
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
        case "signal":
          return at.action;
        case "op":
          return at.make(env);
      }
    }
    return undefined;
  };
}

/** Flattens a role into instructions, so that a step costs the same at any depth. */
function compile(
  role: Role,
  analysis: ExtentAnalysis,
  infos: ReadonlyMap<TileOp, OpInfo>,
  array: string,
  works: Work[],
): Compiled {
  const slots = analysis.slotsFor(role);
  const code: Instruction[] = [];
  let fillDepth = 0;
  const visit = (body: readonly Step[], outer: readonly Enclosing[]): void => {
    for (const step of body) {
      if (isTileOp(step)) {
        if (step.kind === "fill") fillDepth = outer.length;
        const info = infos.get(step) ?? internal("an op that was not listed");
        code.push({ kind: "op", make: maker(step, info, analysis, role, outer, fillDepth, array, works) });
      } else if (step.kind === "signal") {
        code.push({ kind: "signal", action: { kind: "signal", ring: step.ring, what: step.what } });
      } else if (step.kind === "loop") {
        const slot = slots.get(step.name) ?? internal(`no slot for ${step.name}`);
        const head = code.length;
        code.push({ kind: "loop", slot, extent: step.extent, after: 0 });
        visit(step.body, [...outer, { loop: step, slot }]);
        code.push({ kind: "next", slot, extent: step.extent, step: step.step, body: head + 1 });
        code[head] = { kind: "loop", slot, extent: step.extent, after: code.length };
      } else {
        internal(`a machine's role has a ${step.kind}`);
      }
    }
  };
  visit(role.body, []);
  return { code, slots: 2 * slots.size };
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

const bytesAt = (side: Side, env: Env, valid: readonly number[]): number =>
  Math.ceil((side.elements(env, valid) * side.bits) / 8);

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
): (env: Env) => Work {
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
  const make = (env: Env, foldStart: boolean, first: boolean): Work => {
    const valid = extents.map((e) => e.value(env));
    const work =
      dims === undefined
        ? plainWork(fixed, env, valid)
        : contraction(fixed, env, valid, dims, { foldStart, first, sumsInTime });
    const found = { ...work, id: works.length };
    works.push(found);
    return found;
  };
  return (env) => {
    let key = 0;
    for (let i = 0; i < cases.length; i++) key = key * MAX_CASES + cases[i]!(env);
    const foldStart = time === undefined || env[time.slot] === 0;
    let first = true;
    if (contracts) for (const o of summing) if (env[o.slot] !== 0) first = false;
    key = 4 * key + (foldStart ? 2 : 0) + (first ? 1 : 0);
    const known = made.get(key);
    if (known !== undefined) return known;
    const work = make(env, foldStart, first);
    made.set(key, work);
    return work;
  };
}

/** Values that one extent may take: whole, cut at a block's or at the product's edge, nothing. */
const MAX_CASES = 64;

/**
 * Numbers the values that an extent takes. They depend on few loops, so each combination of those is looked at once;
 * `trips` of a loop stand behind its value in the environment.
 */
function distinguish({ value, slots }: Tracked, outer: readonly Enclosing[]): (env: Env) => number {
  const loops: { readonly at: number; readonly stride: number }[] = [];
  let size = 1;
  for (const { loop, slot } of outer) {
    if (!slots.has(slot)) continue;
    loops.push({ at: slot + 1, stride: size });
    size *= Math.ceil(loop.extent / loop.step);
  }
  const table = new Int8Array(size).fill(-1);
  const values: number[] = [];
  return (env) => {
    let place = 0;
    for (let i = 0; i < loops.length; i++) place += env[loops[i]!.at]! * loops[i]!.stride;
    const known = table[place]!;
    if (known >= 0) return known;
    const found = value(env);
    const at = values.includes(found) ? values.indexOf(found) : values.push(found) - 1;
    if (at >= MAX_CASES) internal(`an extent takes more than ${MAX_CASES} values`);
    table[place] = at;
    return at;
  };
}

type NewWork = Omit<Work, "id">;

function plainWork({ op, info, sources, target, stationary }: Static, env: Env, valid: readonly number[]): NewWork {
  const base = { kind: "work", op: info, macs: 0, rows: 0, columns: 0, time: 0, foldStart: true } as const;
  // Sums begin at nothing: the first fold overwrites what is there.
  if (op.kind === "fill") return { ...base, traffic: [], elements: 0, stationary: false };
  const traffic = sources.map((s) => ({ place: s.place, readBytes: bytesAt(s, env, valid), writeBytes: 0 }));
  traffic.push({ place: target.place, readBytes: 0, writeBytes: bytesAt(target, env, valid) });
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
  const sums = macs === 0 || (sumsInTime && !foldStart) ? 0 : bytesAt(target, env, valid);
  const traffic = sources.map((s) => ({ place: s.place, readBytes: bytesAt(s, env, valid), writeBytes: 0 }));
  traffic.push({ place: target.place, readBytes: first ? 0 : sums, writeBytes: sums });
  const [rows, columns, time] = dims.map((i) => valid[i]!) as [number, number, number];
  return { kind: "work", op: info, traffic, macs, elements: 0, rows, columns, time, foldStart, stationary: false };
}
