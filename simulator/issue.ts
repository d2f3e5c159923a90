/** Walks a machine program role by role and yields what its unit has to do: signals, and work with all its amounts. */
import { internal, type Span } from "../ir/diagnostics.ts";
import { isTileOp, type Program, type Region, type Role, reads, type Step, type TileOp } from "../ir/program.ts";
import { bitsOf } from "../ir/scalar.ts";
import { type Env, ExtentAnalysis } from "./extents.ts";

export type OperandKind = "weight" | "activation" | "result";

/** One op of the program as the trace names it. */
export interface OpInfo {
  readonly index: number;
  /** Kind and operand: `decode weight`. */
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
  /** The actions of one role, in its order. */
  walk(role: Role): Generator<Action, void>;
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
        name: op.kind === "contract" ? "contract" : `${op.kind} ${operand}`,
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
  const compiled = new Map(only.roles.map((role) => [role, compile(role, analysis, infos, array ?? "")]));
  return {
    program,
    roles: only.roles,
    ops,
    ringOperand: new Map(program.rings.map((r) => [r.id, analysis.operandOfRing(r.id)])),
    registerRings: new Set(inArray.map((t) => t.ring!)),
    walk: (role) => walk(compiled.get(role) ?? internal(`no role ${role.name}`)),
  };
}

function opsIn(body: readonly Step[]): readonly TileOp[] {
  return body.flatMap((step) => (isTileOp(step) ? [step] : step.kind === "loop" ? opsIn(step.body) : []));
}

interface Compiled {
  readonly code: readonly Instruction[];
  readonly slots: number;
}

function* walk({ code, slots }: Compiled): Generator<Action, void> {
  const env: Env = new Float64Array(slots);
  let pc = 0;
  while (pc < code.length) {
    const at = code[pc]!;
    pc++;
    switch (at.kind) {
      case "loop":
        env[at.slot] = 0;
        if (at.extent <= 0) pc = at.after;
        break;
      case "next": {
        const value = env[at.slot]! + at.step;
        env[at.slot] = value;
        if (value < at.extent) pc = at.body;
        break;
      }
      case "signal":
        yield at.action;
        break;
      case "op":
        yield at.make(env);
        break;
    }
  }
}

/** Flattens a role into instructions, so that a step costs the same at any depth. */
function compile(role: Role, analysis: ExtentAnalysis, infos: ReadonlyMap<TileOp, OpInfo>, array: string): Compiled {
  const slots = analysis.slotsFor(role);
  const code: Instruction[] = [];
  let fillDepth = 0;
  const visit = (body: readonly Step[], outer: readonly Enclosing[]): void => {
    for (const step of body) {
      if (isTileOp(step)) {
        if (step.kind === "fill") fillDepth = outer.length;
        const info = infos.get(step) ?? internal("an op that was not listed");
        code.push({ kind: "op", make: maker(step, info, analysis, role, outer, fillDepth, array) });
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
  return { code, slots: slots.size };
}

/** The function that makes an op's work at the current values of the loop variables. */
function maker(
  op: TileOp,
  info: OpInfo,
  analysis: ExtentAnalysis,
  role: Role,
  outer: readonly Enclosing[],
  fillDepth: number,
  array: string,
): (env: Env) => Work {
  const extents = op.domain.map((d) => analysis.extent(op, d.axis, role));
  const place = (region: Region): string => analysis.tensor(region.tensor).place;
  const bytes = (region: Region): ((env: Env, valid: readonly number[]) => number) => {
    const elements = analysis.elements(op, region, role);
    const bits = bitsOf(analysis.tensor(region.tensor).type);
    return (env, valid) => Math.ceil((elements(env, valid) * bits) / 8);
  };
  const sources = reads(op).map((r) => ({ place: place(r), bytes: bytes(r) }));
  const to = op.kind === "quantize" ? internal("a machine quantizes nothing yet") : op.to;
  const target = { place: place(to), bytes: bytes(to), elements: analysis.elements(op, to, role) };
  const base = { kind: "work", op: info, macs: 0, rows: 0, columns: 0, time: 0, foldStart: true } as const;
  const stationary = target.place === `unit:${array}`;

  if (op.kind === "contract") {
    const dims = analysis.arrayDims(
      op,
      outer.map((o) => o.loop),
    );
    const inTo = analysis.symbolsOf(to);
    const time = outer.find((o) => o.loop.map.kind === "array" && o.loop.map.dim === "time");
    const sumsInTime = time !== undefined && !inTo.has(time.loop.name);
    const summing = outer.slice(fillDepth).filter((o) => !inTo.has(o.loop.name));
    return (env) => {
      const valid = extents.map((e) => e(env));
      const macs = valid.reduce((p, v) => p * v, 1);
      const sums = macs === 0 || (sumsInTime && env[time.slot] !== 0) ? 0 : target.bytes(env, valid);
      const first = summing.every((o) => env[o.slot] === 0);
      const traffic = sources.map((s) => ({ place: s.place, readBytes: s.bytes(env, valid), writeBytes: 0 }));
      traffic.push({ place: target.place, readBytes: first ? 0 : sums, writeBytes: sums });
      const [rows, columns, rowsInTime] = dims.map((i) => valid[i]!) as [number, number, number];
      const foldStart = time === undefined || env[time.slot] === 0;
      return { ...base, traffic, macs, elements: 0, rows, columns, time: rowsInTime, foldStart, stationary: false };
    };
  }
  if (op.kind === "fill") return () => ({ ...base, traffic: [], elements: 0, stationary: false });
  return (env) => {
    const valid = extents.map((e) => e(env));
    const traffic = sources.map((s) => ({ place: s.place, readBytes: s.bytes(env, valid), writeBytes: 0 }));
    traffic.push({ place: target.place, readBytes: 0, writeBytes: target.bytes(env, valid) });
    return { ...base, traffic, elements: target.elements(env, valid), stationary };
  };
}
