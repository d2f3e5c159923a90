/** Compiles kernel expressions to loops over the lanes of a warp, recomputing an entry only when what it depends on changed. */
import { internal } from "../diagnostics.ts";
import type { BuiltinName, Expr, ExprId, Table } from "../expr.ts";
import type { Kernel } from "../kernel.ts";
import { isFloat, type Scalar } from "../scalar.ts";
import { reachable } from "./expr.ts";
import { type Frame, fatal, type Machine, type Position, report, type Warp, whoIs } from "./kernel-machine.ts";
import { bitsFn, castFn, constantOf, type Fn1, scalarFn } from "./scalar.ts";

/** An expression ready to evaluate. `slots`: the locals it reads. */
export interface Root {
  readonly id: ExprId;
  readonly type: Scalar;
  readonly steps: readonly Step[];
  readonly slots: readonly number[];
}

type Step = (warp: Warp, at: Position) => void;

/** The compiled expressions of a kernel. */
export interface KernelExprs {
  root(id: ExprId): Root;
  slotOf(name: string): number;
  /** The type that expressions give a local; undefined where none uses it. */
  typeOf(slot: number): Scalar | undefined;
  makeFrame(): Frame;
  /** Forgets all values and sets the builtins of a warp in a block. */
  enterBlock(frame: Frame, block: number, warp: number): void;
}

/** Prepares a kernel's expressions; `names` are all its locals. */
export function compileKernelExprs(machine: Machine, names: readonly string[]): KernelExprs {
  const { kernel } = machine;
  const { exprs } = kernel.exprs;
  const slots = new Map(names.map((name, slot) => [name, slot]));
  const slotOf = (name: string): number => slots.get(name) ?? fatal(machine, undefined, `no local is named ${name}`);
  const types = new Map(exprs.flatMap((expr) => (expr.kind === "symbol" ? [[expr.name, expr.type]] : [])));
  const roots = new Map<ExprId, Root>();
  const steps = new Map<ExprId, Step>();
  const stepOf = (id: ExprId, expr: Expr): Step => {
    const known = steps.get(id);
    if (known !== undefined) return known;
    const made = makeStep(machine, id, expr, slotOf);
    steps.set(id, made);
    return made;
  };
  const makeRoot = (id: ExprId): Root => {
    const needed = reachable(kernel.exprs, [id]).map((need) => [need, exprs[need]!] as const);
    return {
      id,
      type: exprs[id]!.type,
      steps: needed
        .filter(([, expr]) => expr.kind !== "const" && expr.kind !== "builtin")
        .map(([need, expr]) => stepOf(need, expr)),
      slots: needed.flatMap(([, expr]) => (expr.kind === "symbol" ? [slotOf(expr.name)] : [])),
    };
  };
  return {
    slotOf,
    typeOf: (slot) => types.get(names[slot] ?? internal(`no local ${slot}`)),
    root: (id) => {
      const root = roots.get(id) ?? makeRoot(id);
      roots.set(id, root);
      return root;
    },
    makeFrame: () => makeFrame(kernel, names.length, slotOf),
    enterBlock: (frame, block, warp) => enterBlock(kernel, frame, block, warp),
  };
}

/** The values of an expression in all lanes; valid until the next evaluation. Lanes that are not active may hold anything. */
export function evaluate(warp: Warp, root: Root, at: Position): Float64Array {
  if (warp.lent > 0) checkLent(warp, root, at);
  for (const step of root.steps) step(warp, at);
  return warp.frame.values[root.id]!;
}

function checkLent(warp: Warp, root: Root, at: Position): void {
  for (const slot of root.slots) demandNotLent(warp, slot, at, "reads");
}

/** A local that a matrix row in flight uses must not be touched. */
export function demandNotLent(warp: Warp, slot: number, at: Position, verb: "reads" | "writes"): void {
  if (warp.lentRead[slot] === 0 && warp.lentWrite[slot] === 0) return;
  const { machine } = warp.block;
  report(machine, at, `${whoIs(warp)} ${verb} a local lent to a matrix row that is not drained`, `lent ${slot}`);
}

/** Marks a local as changed, so that expressions over it are computed anew. */
export function touch(frame: Frame, slot: number): void {
  frame.slotStamps[slot] = ++frame.clock;
  if (frame.opaque.size > 0) frame.opaque.delete(slot);
}

/** Sets a local in the active lanes. */
export function setLocal(warp: Warp, slot: number, from: Float64Array, at: Position): void {
  if (warp.lent > 0) demandNotLent(warp, slot, at, "writes");
  const { frame, mask } = warp;
  const to = frame.slots[slot]!;
  if (warp.active === to.length) to.set(from);
  else for (let lane = 0; lane < to.length; lane++) if (mask[lane] === 1) to[lane] = from[lane]!;
  touch(frame, slot);
}

function makeFrame(kernel: Kernel, slotCount: number, slotOf: (name: string) => number): Frame {
  const slots = Array.from({ length: slotCount }, () => new Float64Array(kernel.lanes));
  const values = kernel.exprs.exprs.map((expr) => {
    if (expr.kind === "const") return new Float64Array(kernel.lanes).fill(constantOf(expr.value, expr.type));
    if (expr.kind === "symbol") return slots[slotOf(expr.name)] ?? internal(`no slot of ${expr.name}`);
    return new Float64Array(kernel.lanes);
  });
  return {
    values,
    stamps: new Float64Array(values.length),
    slots,
    slotStamps: new Float64Array(slotCount),
    opaque: new Map(),
    clock: 0,
  };
}

function enterBlock(kernel: Kernel, frame: Frame, block: number, warp: number): void {
  frame.stamps.fill(-1);
  frame.slotStamps.fill(0);
  frame.opaque.clear();
  frame.clock = 0;
  kernel.exprs.exprs.forEach((expr, id) => {
    if (expr.kind === "const") frame.stamps[id] = 0;
    if (expr.kind !== "builtin") return;
    frame.stamps[id] = 0;
    const values = frame.values[id]!;
    for (let lane = 0; lane < kernel.lanes; lane++)
      values[lane] = builtinValue(kernel, expr.name, expr.dim, block, warp, lane);
  });
}

function builtinValue(
  kernel: Kernel,
  name: BuiltinName,
  dim: 0 | 1 | 2,
  block: number,
  warp: number,
  lane: number,
): number {
  const [x, y] = kernel.grid;
  switch (name) {
    case "group":
      return [block % x, Math.floor(block / x) % y, Math.floor(block / (x * y))][dim]!;
    case "warp":
      return dim === 0 ? warp : 0;
    case "lane":
      return dim === 0 ? lane : 0;
    case "thread":
      return dim === 0 ? warp * kernel.lanes + lane : 0;
  }
}

function makeStep(machine: Machine, id: ExprId, expr: Expr, slotOf: (name: string) => number): Step {
  const typeOf = (arg: ExprId): Scalar => machine.kernel.exprs.exprs[arg]!.type;
  switch (expr.kind) {
    case "const":
    case "builtin":
      return () => {};
    case "symbol": {
      const slot = slotOf(expr.name);
      return (warp, at) => {
        const stamp = warp.frame.slotStamps[slot]!;
        warp.frame.stamps[id] = stamp;
        if (stamp === 0) report(machine, at, `${expr.name} is used before it is set`);
      };
    }
    case "input":
      return (_, at) => fatal(machine, at, "a kernel has no op inputs");
    case "cast":
      return step1(id, expr.of, castFn(typeOf(expr.of), expr.type, "typed"));
    case "bits":
      return step1(id, expr.of, bitsFn(typeOf(expr.of), expr.type));
    case "table": {
      const table = machine.kernel.tables.find((t) => t.name === expr.table);
      return stepTable(id, expr.index, table ?? fatal(machine, undefined, `no table is named ${expr.table}`));
    }
    case "op":
      return makeOpStep(machine, id, expr, typeOf);
  }
}

function makeOpStep(
  machine: Machine,
  id: ExprId,
  expr: Expr & { readonly kind: "op" },
  typeOf: (id: ExprId) => Scalar,
): Step {
  const found = scalarFn(expr.op, expr.args.map(typeOf), "typed");
  const [a, b, c] = expr.args;
  if (found.arity !== expr.args.length)
    return fatal(machine, undefined, `${expr.op} takes ${found.arity} arguments, not ${expr.args.length}`);
  if (found.arity === 1) return step1(id, a!, found.fn);
  if (found.arity === 3) return step3(id, a!, b!, c!, found.fn);
  const divisor = machine.kernel.exprs.exprs[b!]!;
  const safe = isFloat(expr.type) || (divisor.kind === "const" && divisor.value !== 0);
  if ((expr.op === "div" || expr.op === "mod") && !safe) return stepDivide(id, a!, b!, found.fn);
  return step2(id, a!, b!, found.fn);
}

function step1(id: ExprId, a: ExprId, fn: Fn1): Step {
  return ({ frame }) => {
    const stamp = frame.stamps[a]!;
    if (frame.stamps[id] === stamp) return;
    frame.stamps[id] = stamp;
    const x = frame.values[a]!;
    const to = frame.values[id]!;
    for (let lane = 0; lane < to.length; lane++) to[lane] = fn(x[lane]!);
  };
}

function step2(id: ExprId, a: ExprId, b: ExprId, fn: (a: number, b: number) => number): Step {
  return ({ frame }) => {
    const stamp = Math.max(frame.stamps[a]!, frame.stamps[b]!);
    if (frame.stamps[id] === stamp) return;
    frame.stamps[id] = stamp;
    const x = frame.values[a]!;
    const y = frame.values[b]!;
    const to = frame.values[id]!;
    for (let lane = 0; lane < to.length; lane++) to[lane] = fn(x[lane]!, y[lane]!);
  };
}

function step3(id: ExprId, a: ExprId, b: ExprId, c: ExprId, fn: (a: number, b: number, c: number) => number): Step {
  return ({ frame }) => {
    const stamp = Math.max(frame.stamps[a]!, frame.stamps[b]!, frame.stamps[c]!);
    if (frame.stamps[id] === stamp) return;
    frame.stamps[id] = stamp;
    const x = frame.values[a]!;
    const y = frame.values[b]!;
    const z = frame.values[c]!;
    const to = frame.values[id]!;
    for (let lane = 0; lane < to.length; lane++) to[lane] = fn(x[lane]!, y[lane]!, z[lane]!);
  };
}

// Whether these two fail depends on the active lanes, so their results are not kept from one statement to the next.

function stepDivide(id: ExprId, a: ExprId, b: ExprId, fn: (a: number, b: number) => number): Step {
  return (warp, at) => {
    const { frame, mask } = warp;
    frame.stamps[id] = ++frame.clock;
    const x = frame.values[a]!;
    const y = frame.values[b]!;
    const to = frame.values[id]!;
    for (let lane = 0; lane < to.length; lane++) {
      if (y[lane] !== 0) to[lane] = fn(x[lane]!, y[lane]!);
      else if (mask[lane] === 1)
        report(warp.block.machine, at, `${whoIs(warp, lane)}: integer division by zero`, "division");
    }
  };
}

function stepTable(id: ExprId, index: ExprId, table: Table): Step {
  const entries = Float64Array.from(table.values, (value) => constantOf(value, table.type));
  return (warp, at) => {
    const { frame, mask } = warp;
    frame.stamps[id] = ++frame.clock;
    const indices = frame.values[index]!;
    const to = frame.values[id]!;
    for (let lane = 0; lane < to.length; lane++) {
      const i = indices[lane]!;
      if (i >= 0 && i < entries.length) to[lane] = entries[i]!;
      else if (mask[lane] === 1) {
        const message = `${whoIs(warp, lane)}: index ${i} outside table ${table.name} of ${entries.length}`;
        report(warp.block.machine, at, message, `table ${table.name}`);
      }
    }
  };
}
