/** Regions at run time: where each point of an op's domain lies in a tensor, with bounds, masks and never-written checks. */

import type { ExprId, Exprs } from "../expr.ts";
import type { Dim, Region, Tensor } from "../program.ts";
import { compileExpr, compileExprs, type ExprEnv, reachable, type Thunk } from "./expr.ts";
import { evalFault } from "./scalar.ts";

/** The elements of one instance of a tensor; `written` is absent where everything is (inputs). */
export interface Instance {
  readonly data: Float64Array;
  readonly written: Uint8Array | undefined;
  /** Elements not yet written. */
  missing: number;
}

export function makeInstance(size: number): Instance {
  return { data: new Float64Array(size), written: new Uint8Array(size), missing: size };
}

/** Forgets the contents: reading before writing is an error again. */
export function clearInstance(instance: Instance): void {
  if (instance.written === undefined || instance.missing === instance.data.length) return;
  instance.written.fill(0);
  instance.missing = instance.data.length;
}

/** One axis of an op's domain: its cell holds the coordinate while the op runs. */
export interface WalkAxis extends Dim {
  readonly cell: number;
}

/** A region while its op runs. `at` is the element of the current point, −1 where the mask hides it. */
export interface Cursor {
  readonly tensor: Tensor;
  /** By domain position: whether the place (or bit) depends on that axis. */
  readonly uses: readonly boolean[];
  readonly bit: Thunk | undefined;
  /** Its place depends on what other regions hold: `locate` finds it once those are read. */
  readonly gathers: boolean;
  instance: Instance;
  at: number;
  /** Element offset by domain position and coordinate, where `slow` is false. */
  readonly tables: readonly Int32Array[];
  /** Sums of the offsets of the outer axes, by depth of the walk. */
  readonly partial: number[];
  /** Set by `bind`: offsets must be computed point by point. */
  slow: boolean;
  /** Takes the current instance and the current values of enclosing loops; checks bounds of the whole box. */
  bind(): void;
  /** The element of the point that the cells hold. */
  locate(): number;
}

interface Part {
  readonly value: Thunk;
  readonly scale: number;
}

/** One tensor axis, split into what is constant during the op and what depends on one domain axis. */
interface AxisPlan {
  readonly fixed: readonly Part[];
  /** By domain position. */
  readonly moving: readonly (readonly Part[])[];
  readonly refresh: readonly boolean[];
}

/** Splits an i32 sum into terms; a term's value is `scale` times the expression. */
function termsOf(exprs: Exprs, id: ExprId, scale: number, into: [ExprId, number][]): [ExprId, number][] {
  const expr = exprs.exprs[id]!;
  if (expr.kind === "op" && expr.type === "i32") {
    const [a, b] = expr.args;
    const factor = b === undefined ? undefined : exprs.exprs[b]!;
    if (expr.op === "add" || expr.op === "sub") {
      termsOf(exprs, a!, scale, into);
      return termsOf(exprs, b!, expr.op === "add" ? scale : -scale, into);
    }
    if (expr.op === "mul" && factor?.kind === "const") return termsOf(exprs, a!, scale * factor.value, into);
  }
  into.push([id, scale]);
  return into;
}

function symbolsOf(exprs: Exprs, id: ExprId): ReadonlySet<string> {
  const names = new Set<string>();
  for (const at of reachable(exprs, [id])) {
    const expr = exprs.exprs[at]!;
    if (expr.kind === "symbol") names.add(expr.name);
  }
  return names;
}

/** The plan of one index, or undefined where a term depends on several domain axes at once. */
function planAxis(exprs: Exprs, index: ExprId, axes: readonly WalkAxis[], env: ExprEnv): AxisPlan | undefined {
  const fixed: Part[] = [];
  const moving: Part[][] = axes.map(() => []);
  const refresh = axes.map(() => false);
  for (const [id, scale] of termsOf(exprs, index, 1, [])) {
    const names = symbolsOf(exprs, id);
    const on = axes.flatMap((axis, position) => (names.has(axis.axis) ? [position] : []));
    if (on.length > 1) return undefined;
    const part = { value: compileExpr(exprs, id, env), scale };
    if (on.length === 0) fixed.push(part);
    else {
      moving[on[0]!]!.push(part);
      if (names.size > 1) refresh[on[0]!] = true;
    }
  }
  return { fixed, moving, refresh };
}

const sumOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.scale * part.value(), 0);

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: readonly number[]): readonly number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** "[2, 3]": where a linear index lies. */
export function coordinates(tensor: Tensor, at: number): string {
  return `[${stridesOf(tensor.shape)
    .map((stride, i) => Math.floor(at / stride) % tensor.shape[i]!)
    .join(", ")}]`;
}

/** Compiles a region for the walk over `axes`; `cells[axis.cell]` must hold the point when `locate` or `bit` is called. */
export function makeCursor(
  exprs: Exprs,
  region: Region,
  tensor: Tensor,
  axes: readonly WalkAxis[],
  cells: number[],
  env: ExprEnv,
  pick: () => Instance,
): Cursor {
  const strides = stridesOf(tensor.shape);
  const roots = region.bit === undefined ? region.index : [...region.index, region.bit];
  const names = roots.map((id) => symbolsOf(exprs, id));
  const gathers = reachable(exprs, region.index).some((id) => exprs.exprs[id]?.kind === "input");
  const plans = gathers ? [] : region.index.map((id) => planAxis(exprs, id, axes, env));
  const whole = compileExprs(exprs, region.index, env);
  const separable = !gathers && plans.every((plan) => plan !== undefined);
  const tables = axes.map((axis) => new Int32Array(separable ? axis.extent : 0));
  const bounds = separable ? plans.map((plan, i) => boundsOf(plan, strides[i]!, axes, cells, tables)) : [];
  const outside = (axis: number, low: number, high: number): never =>
    evalFault(`index ${low}${low === high ? "" : `..${high}`} of axis ${axis} outside ${tensor.id}[${tensor.shape}]`);
  const cursor: Cursor = {
    tensor,
    uses: axes.map((axis) => names.some((set) => set.has(axis.axis))),
    bit: region.bit === undefined ? undefined : compileExpr(exprs, region.bit, env),
    gathers,
    instance: undefined as unknown as Instance,
    at: 0,
    tables,
    partial: new Array(axes.length + 1).fill(0),
    slow: !separable,
    bind() {
      cursor.instance = pick();
      cursor.slow = !separable;
      if (!separable) return;
      let base = 0;
      for (const [i, bound] of bounds.entries()) {
        const [start, low, high] = bound();
        base += start * strides[i]!;
        if (low >= 0 && high < tensor.shape[i]!) continue;
        if (region.tail === "exact") outside(i, low, high);
        cursor.slow = true;
      }
      cursor.partial[0] = base;
    },
    locate() {
      whole.run();
      let at = 0;
      for (let i = 0; i < strides.length; i++) {
        const index = whole.values[whole.slots[i]!]!;
        if (!(index >= 0 && index < tensor.shape[i]!)) {
          if (region.tail === "exact") outside(i, index, index);
          return -1;
        }
        at += index * strides[i]!;
      }
      return at;
    },
  };
  return cursor;
}

/**
 * Fills the offset tables of one tensor axis and returns what renews them: the constant part of the index and the
 * bounds it stays in. Bounds of a sum over a box are the sums of the bounds, and are reached.
 */
function boundsOf(
  plan: AxisPlan,
  stride: number,
  axes: readonly WalkAxis[],
  cells: number[],
  tables: readonly Int32Array[],
): () => readonly [start: number, low: number, high: number] {
  const dims = axes.flatMap((axis, position) => (plan.moving[position]!.length === 0 ? [] : [{ axis, position }]));
  const kept = dims.map(({ axis }) => new Float64Array(axis.extent));
  const extremes = dims.map(() => [0, 0] as [number, number]);
  const fill = (n: number): void => {
    const { axis, position } = dims[n]!;
    const outer = cells[axis.cell]!;
    const table = tables[position]!;
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let v = 0; v < axis.extent; v++) {
      cells[axis.cell] = v;
      const index = sumOf(plan.moving[position]!);
      table[v] = table[v]! + (index - kept[n]![v]!) * stride;
      kept[n]![v] = index;
      low = Math.min(low, index);
      high = Math.max(high, index);
    }
    cells[axis.cell] = outer;
    extremes[n] = [low, high];
  };
  dims.forEach(({ position }, n) => {
    if (!plan.refresh[position]) fill(n);
  });
  return () => {
    const start = sumOf(plan.fixed);
    let [low, high] = [start, start];
    for (let n = 0; n < dims.length; n++) {
      if (plan.refresh[dims[n]!.position]) fill(n);
      low += extremes[n]![0];
      high += extremes[n]![1];
    }
    return [start, low, high];
  };
}

/** Visits every point of the box `axes[order[0]] × axes[order[1]] …`, last fastest, moving the (bound) cursors along. */
export function walk(
  axes: readonly WalkAxis[],
  order: readonly number[],
  cells: number[],
  cursors: readonly Cursor[],
  visit: () => void,
): void {
  const depth = order.length;
  const count = cursors.length;
  const settle = (): void => {
    for (let c = 0; c < count; c++) {
      const cursor = cursors[c]!;
      cursor.at = cursor.slow ? cursor.locate() : cursor.partial[depth]!;
    }
    visit();
  };
  const descend = (level: number): void => {
    if (level === depth) {
      settle();
      return;
    }
    const position = order[level]!;
    const { cell, extent } = axes[position]!;
    for (let v = 0; v < extent; v++) {
      cells[cell] = v;
      for (let c = 0; c < count; c++) {
        const cursor = cursors[c]!;
        if (!cursor.slow) cursor.partial[level + 1] = cursor.partial[level]! + cursor.tables[position]![v]!;
      }
      descend(level + 1);
    }
  };
  descend(0);
}

/** The element at the cursor; 0 where the mask hides it. */
export function readAt(cursor: Cursor): number {
  const { at, instance } = cursor;
  if (at < 0) return 0;
  if (instance.missing > 0 && instance.written![at] === 0)
    evalFault(`${cursor.tensor.id}${coordinates(cursor.tensor, at)} is read but was never written`);
  const value = instance.data[at]!;
  return cursor.bit === undefined ? value : bitOf(value, cursor.bit());
}

/** Sets the element at the cursor; nothing where the mask hides it. */
export function writeAt(cursor: Cursor, value: number): void {
  const { at, instance } = cursor;
  if (at < 0) return;
  instance.data[at] = value;
  if (instance.missing > 0 && instance.written![at] === 0) {
    instance.written![at] = 1;
    instance.missing--;
  }
}

/** Bit `bit` of an integer in two's complement. */
function bitOf(value: number, bit: number): number {
  return bit < 32 && Math.abs(value) < 2 ** 31 ? (value >> bit) & 1 : Number((BigInt(value) >> BigInt(bit)) & 1n);
}
