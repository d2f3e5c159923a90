/** Layouts as index expressions: multiply–add with `div` and `mod` that ranges simplify; swizzles as one xor. */
import { internal } from "../diagnostics.ts";
import type { ExprBuilder, ExprId, Table } from "../expr.ts";
import { apply } from "./apply.ts";
import { bitsFor, coordinate, type Lookup, type Point, partsOf, type Strided, type Xor } from "./basic.ts";
import type { Axis, Extents, Layout } from "./layout.ts";
import { coversAxis, simplify } from "./normal.ts";

type Coordinates = Readonly<Record<Axis, ExprId>>;

/** The value of a constant expression. */
function constantOf(build: ExprBuilder, id: ExprId): number | undefined {
  const expr = build.get(id);
  return expr.kind === "const" ? expr.value : undefined;
}

function number(build: ExprBuilder, value: number, like: ExprId): ExprId {
  return build.constant(value, build.typeOf(like));
}

/** ⌊x / div⌋ mod size; `mod` is left out where the digit reaches the end of the axis. */
function digit(build: ExprBuilder, x: ExprId, div: number, size: number | undefined): ExprId {
  const quotient = div === 1 ? x : build.op("div", x, number(build, div, x));
  return size === undefined ? quotient : build.op("mod", quotient, number(build, size, x));
}

function sum(build: ExprBuilder, parts: readonly ExprId[], base: number, like: ExprId | undefined): ExprId {
  const total = parts.reduce<ExprId | undefined>((t, p) => (t === undefined ? p : build.add(t, p)), undefined);
  if (total === undefined) return like === undefined ? build.constant(base) : number(build, base, like);
  return base === 0 ? total : build.add(total, number(build, base, total));
}

function printStrided(part: Strided, build: ExprBuilder, at: Coordinates): Coordinates {
  const like = Object.keys(part.from).map((axis) => coordinate(at, axis))[0];
  const out: Record<Axis, ExprId> = {};
  for (const axis of Object.keys(part.to)) {
    // Slowest first: what a loop does not change stays together at the front of the sum.
    const terms = part.terms.filter((t) => t.to === axis).sort((a, b) => b.stride * b.size - a.stride * a.size);
    const parts = terms.map((t) => {
      const x = coordinate(at, t.from);
      const d = digit(build, x, t.div, coversAxis(t, part.from) ? undefined : t.size);
      return build.mul(d, number(build, t.stride, x));
    });
    const total = sum(build, parts, part.base?.[axis] ?? 0, like);
    const wrap = part.wrap?.[axis];
    out[axis] = wrap === undefined ? total : build.op("mod", total, number(build, wrap, total));
  }
  return out;
}

/** Runs of consecutive bits of a mask, lowest first. */
function runsOf(mask: number): readonly { readonly from: number; readonly count: number }[] {
  const runs: { from: number; count: number }[] = [];
  for (let bit = 0; 2 ** bit <= mask; bit++) {
    if (Math.floor(mask / 2 ** bit) % 2 === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.from + last.count === bit) last.count++;
    else runs.push({ from: bit, count: 1 });
  }
  return runs;
}

/** The matrix as diagonals: all input bits that are moved by the same distance, as runs of consecutive bits. */
function printXor(part: Xor, build: ExprBuilder, x: ExprId): ExprId {
  const value = constantOf(build, x);
  if (value !== undefined) return number(build, apply(part, { [part.axis]: value })[part.axis]!, x);
  const bits = part.columns.length;
  const extent = part.from[part.axis] ?? internal(`xor layout lacks its axis ${part.axis}`);
  const masks = new Map<number, number>();
  part.columns.forEach((column, i) => {
    for (let j = 0; j < bits; j++)
      if (Math.floor(column / 2 ** j) % 2 === 1) masks.set(j - i, (masks.get(j - i) ?? 0) + 2 ** i);
  });
  const whole = masks.get(0) === 2 ** bits - 1;
  const pieces: ExprId[] = whole ? [x] : [];
  for (const [shift, mask] of masks) {
    if (shift === 0 && whole) continue;
    for (const { from, count } of runsOf(mask)) {
      const top = 2 ** (from + count) >= extent;
      const run = digit(build, x, 2 ** from, top ? undefined : 2 ** count);
      pieces.push(build.mul(run, number(build, 2 ** (from + shift), x)));
    }
  }
  if (!whole && 2 ** bits < extent) {
    const high = digit(build, x, 2 ** bits, undefined);
    pieces.push(build.mul(high, number(build, 2 ** bits, x)));
  }
  return pieces.reduce((a, b) => {
    const id = build.op("xor", a, b);
    build.ranges[id] ??= [0, 2 ** bitsFor(extent) - 1];
    return id;
  });
}

function printTable(part: Lookup, build: ExprBuilder, at: Coordinates, tables: Table[]): Coordinates {
  let index: ExprId | undefined;
  for (const [axis, extent] of Object.entries(part.from)) {
    const x = coordinate(at, axis);
    index = index === undefined ? x : build.add(build.mul(index, number(build, extent, index)), x);
  }
  if (index === undefined) return internal("table layout without inputs");
  const values = part.map;
  let table = tables.find((t) => t.type === "i32" && t.values.every((v, i) => v === values[i]));
  if (table === undefined || table.values.length !== values.length) {
    table = { name: `layout${tables.length}`, type: "i32", values };
    tables.push(table);
  }
  const found = build.table(table, index);
  const out: [Axis, ExprId][] = [];
  let div = 1;
  const axes: readonly [Axis, number][] = Object.entries(part.to);
  build.ranges[found] ??= [0, axes.reduce((product, [, extent]) => product * extent, 1) - 1];
  for (const [axis, extent] of axes.toReversed()) {
    out.unshift([axis, digit(build, found, div, axis === axes[0]?.[0] ? undefined : extent)]);
    div *= extent;
  }
  return Object.fromEntries(out);
}

function printPart(part: Layout, build: ExprBuilder, at: Coordinates, tables: Table[]): Coordinates {
  switch (part.kind) {
    case "strided":
      return printStrided(part, build, at);
    case "xor":
      return { [part.axis]: printXor(part, build, coordinate(at, part.axis)) };
    case "table":
      return printTable(part, build, at, tables);
    case "opaque":
      return internal(`layout ${part.name} is opaque: it has no index expressions`);
    case "chain":
      return internal("nested chain");
  }
}

function readsOf(part: Layout): Extents | Point {
  return part.kind === "xor" ? { [part.axis]: 0 } : part.kind === "chain" ? internal("nested chain") : part.from;
}

/** Layouts are immutable and printed once an element: what simplifying them gives is kept with them. */
const SIMPLIFIED = new WeakMap<Layout, readonly Layout[]>();

function simplifiedParts(layout: Layout): readonly Layout[] {
  const known = SIMPLIFIED.get(layout);
  if (known !== undefined) return known;
  const parts = partsOf(simplify(layout));
  SIMPLIFIED.set(layout, parts);
  return parts;
}

/**
 * The layout's outputs as expressions of its inputs (integers inside the box; give symbols their ranges, and `div` and
 * `mod` simplify). Axes that the layout does not read pass through. Tables that it needs are appended to `tables`.
 */
export function print(layout: Layout, build: ExprBuilder, inputs: Coordinates, tables: Table[] = []): Coordinates {
  let at = inputs;
  for (const part of simplifiedParts(layout)) {
    const reads = readsOf(part);
    const rest = Object.fromEntries(Object.entries(at).filter(([axis]) => !(axis in reads)));
    at = { ...rest, ...printPart(part, build, at, tables) };
  }
  return at;
}
