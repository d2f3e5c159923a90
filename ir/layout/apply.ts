/** Applying layouts to numbers: one point, a compiled function for loops of millions, and enumeration of a box. */
import { internal } from "../diagnostics.ts";
import { coordinate, fromOf, onlyOutput, type Point, partsOf, type Strided, toOf, volume, type Xor } from "./basic.ts";
import type { Axis, Extents, Layout, Term } from "./layout.ts";
import { simplify } from "./normal.ts";

/** Tiles up to this many points may be enumerated. */
export const ENUMERATION_LIMIT = 2 ** 20;

function floorMod(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus;
}

function applyXor(columns: readonly number[], value: number): number {
  const extent = 2 ** columns.length;
  const low = value % extent;
  let out = 0;
  for (let i = 0; i < columns.length; i++) if (Math.floor(low / 2 ** i) % 2 === 1) out ^= columns[i]!;
  return value - low + (out >>> 0);
}

/** The linear index of a point, last axis fastest. */
export function linearIndex(extents: Extents, point: Point): number {
  return Object.entries(extents).reduce((index, [axis, extent]) => index * extent + coordinate(point, axis), 0);
}

/** The point of a linear index, last axis fastest. */
export function pointAt(extents: Extents, index: number): Point {
  const axes = Object.entries(extents);
  const out: Record<Axis, number> = {};
  let rest = index;
  for (const [axis, extent] of axes.toReversed()) {
    out[axis] = rest % extent;
    rest = Math.floor(rest / extent);
  }
  return Object.fromEntries(axes.map(([axis]) => [axis, out[axis]!]));
}

function applyPart(part: Layout, point: Point): Point {
  switch (part.kind) {
    case "strided": {
      const out: Record<Axis, number> = {};
      for (const axis of Object.keys(part.to)) out[axis] = part.base?.[axis] ?? 0;
      for (const t of part.terms) out[t.to]! += t.stride * (Math.floor(coordinate(point, t.from) / t.div) % t.size);
      for (const [axis, modulus] of Object.entries(part.wrap ?? {})) out[axis] = floorMod(out[axis]!, modulus);
      return out;
    }
    case "xor":
      return { ...point, [part.axis]: applyXor(part.columns, coordinate(point, part.axis)) };
    case "table":
      return pointAt(part.to, part.map[linearIndex(part.from, point)] ?? internal("point outside a layout's table"));
    case "opaque":
      return internal(`layout ${part.name} is opaque: it maps no points`);
    case "chain":
      return apply(part, point);
  }
}

/** The image of a point inside the layout's box; axes that the layout does not read pass through. */
export function apply(layout: Layout, point: Point): Point {
  let now = point;
  for (const part of partsOf(layout)) {
    const reads = fromOf(part);
    const rest = Object.fromEntries(Object.entries(now).filter(([axis]) => !(axis in reads)));
    now = { ...rest, ...applyPart(part, now) };
  }
  return now;
}

/** A layout as a function on coordinate arrays, in the order of `inputs` and `outputs`. */
export interface Compiled {
  readonly inputs: readonly Axis[];
  readonly outputs: readonly Axis[];
  readonly run: (input: ArrayLike<number>, output: Float64Array | number[]) => void;
}

const TABLE_LIMIT = 2 ** 22;

/** What one input axis adds to one output: a strided layout is a sum of functions of one axis each. */
function contribution(terms: readonly Term[], extent: number): (x: number) => number {
  if (terms.length === 0) return () => 0;
  const direct = (x: number): number => {
    let sum = 0;
    for (const t of terms) sum += t.stride * (Math.floor(x / t.div) % t.size);
    return sum;
  };
  const [only] = terms;
  if (only !== undefined && terms.length === 1 && only.div === 1 && only.size >= extent) {
    const { stride } = only;
    return (x) => x * stride;
  }
  if (extent > TABLE_LIMIT) return direct;
  const table = Float64Array.from({ length: extent }, (_, x) => direct(x));
  return (x) => table[x]!;
}

type Slots = Float64Array;
type Step = (slots: Slots) => void;

function stridedStep(part: Strided, slot: (axis: Axis) => number, fresh: (axis: Axis) => number): Step {
  const reads = Object.entries(part.from).map(([axis, extent]) => ({ axis, extent, at: slot(axis) }));
  const outputs = Object.keys(part.to).map((axis) => ({
    at: fresh(axis),
    base: part.base?.[axis] ?? 0,
    wrap: part.wrap?.[axis],
    parts: reads
      .map(({ axis: from, extent, at }) => ({
        at,
        terms: part.terms.filter((t) => t.from === from && t.to === axis),
        extent,
      }))
      .filter(({ terms }) => terms.length > 0)
      .map(({ at, terms, extent }) => ({ at, of: contribution(terms, extent) })),
  }));
  return (slots) => {
    for (const { at, base, wrap, parts } of outputs) {
      let sum = base;
      for (const p of parts) sum += p.of(slots[p.at]!);
      slots[at] = wrap === undefined ? sum : floorMod(sum, wrap);
    }
  };
}

function xorFunction(part: Xor): (x: number) => number {
  const size = 2 ** part.columns.length;
  if (size > TABLE_LIMIT) return (x) => applyXor(part.columns, x);
  const table = Float64Array.from({ length: size }, (_, x) => applyXor(part.columns, x));
  return (x) => {
    const low = x % size;
    return x - low + table[low]!;
  };
}

function stepOf(part: Layout, slot: (axis: Axis) => number, fresh: (axis: Axis) => number): Step {
  switch (part.kind) {
    case "strided":
      return stridedStep(part, slot, fresh);
    case "xor": {
      const of = xorFunction(part);
      const from = slot(part.axis);
      const to = fresh(part.axis);
      return (slots) => {
        slots[to] = of(slots[from]!);
      };
    }
    case "table": {
      const reads = Object.entries(part.from).map(([axis, extent]) => ({ at: slot(axis), extent }));
      const writes = Object.entries(part.to)
        .map(([axis, extent]) => ({ at: fresh(axis), extent }))
        .toReversed();
      return (slots) => {
        let index = 0;
        for (const { at, extent } of reads) index = index * extent + slots[at]!;
        let rest = part.map[index] ?? internal("point outside a layout's table");
        for (const { at, extent } of writes) {
          slots[at] = rest % extent;
          rest = Math.floor(rest / extent);
        }
      };
    }
    case "opaque":
      return internal(`layout ${part.name} is opaque: it maps no points`);
    case "chain":
      return internal("nested chain");
  }
}

/** Prepares a layout for many applications; `inputs` fixes the order of coordinates (default: the box's own order). */
export function compile(layout: Layout, inputs: readonly Axis[] = Object.keys(fromOf(layout))): Compiled {
  const slots = new Map<Axis, number>(inputs.map((axis, i) => [axis, i]));
  let count = inputs.length;
  const slot = (axis: Axis): number => slots.get(axis) ?? internal(`compiled layout has no axis ${axis}`);
  const steps = partsOf(simplify(layout)).map((part) => {
    // Outputs get new slots, known by name only after the part has looked up its inputs.
    const made = new Map<Axis, number>();
    const step = stepOf(part, slot, (axis) => {
      made.set(axis, count);
      return count++;
    });
    for (const axis of Object.keys(part.kind === "xor" ? { [part.axis]: 0 } : fromOf(part))) slots.delete(axis);
    for (const [axis, at] of made) slots.set(axis, at);
    return step;
  });
  const outputs = [...slots.keys()];
  const results = [...slots.values()];
  const memory = new Float64Array(count);
  return {
    inputs,
    outputs,
    run: (input, output) => {
      for (let i = 0; i < inputs.length; i++) memory[i] = input[i]!;
      for (const step of steps) step(memory);
      for (let i = 0; i < results.length; i++) output[i] = memory[results[i]!]!;
    },
  };
}

/** The fast form for memories: coordinates in the order of `axes` → the layout's one output (an address in bits). */
export function compileAddress(layout: Layout, axes: readonly Axis[]): (...coordinates: number[]) => number {
  const simple = simplify(layout);
  onlyOutput(simple);
  for (const [axis, extent] of Object.entries(fromOf(simple)))
    if (extent > 1 && !axes.includes(axis)) internal(`compiled layout also reads axis ${axis}`);
  if (axes.length > 4 || !(simple.kind === "strided" && simple.wrap === undefined)) {
    const { run } = compile(simple, axes);
    const out = [0];
    return (...coordinates) => {
      run(coordinates, out);
      return out[0]!;
    };
  }
  const base = Object.values(simple.base ?? {}).reduce((sum, value) => sum + value, 0);
  const of = [0, 1, 2, 3].map((i) => {
    const axis = axes[i];
    const terms = axis === undefined ? [] : simple.terms.filter((t) => t.from === axis);
    return contribution(terms, axis === undefined ? 1 : (simple.from[axis] ?? internal(`layout has no axis ${axis}`)));
  });
  const [a, b, c, d] = of as [Fn, Fn, Fn, Fn];
  switch (axes.length) {
    case 0:
      return () => base;
    case 1:
      return (x) => base + a(x!);
    case 2:
      return (x, y) => base + a(x!) + b(y!);
    case 3:
      return (x, y, z) => base + a(x!) + b(y!) + c(z!);
    default:
      return (x, y, z, w) => base + a(x!) + b(y!) + c(z!) + d(w!);
  }
}

type Fn = (x: number) => number;

/** Linear output index (last axis fastest) for every linear input index; at most 2^20 points. */
export function enumerate(layout: Layout): Float64Array {
  const from = fromOf(layout);
  const to = toOf(layout);
  const points = volume(from);
  if (points > ENUMERATION_LIMIT) internal(`enumeration of ${points} points`);
  const compiled = compile(layout);
  const extents = Object.values(from);
  const input = new Float64Array(extents.length);
  const output = new Float64Array(compiled.outputs.length);
  const weights = new Map<Axis, number>();
  let weight = 1;
  for (const [axis, extent] of Object.entries(to).toReversed()) {
    weights.set(axis, weight);
    weight *= extent;
  }
  const weightOf = compiled.outputs.map((axis) => weights.get(axis) ?? internal(`layout made axis ${axis}`));
  return Float64Array.from({ length: points }, () => {
    compiled.run(input, output);
    for (let i = extents.length - 1; i >= 0 && ++input[i]! === extents[i]; i--) input[i] = 0;
    return weightOf.reduce((sum, w, i) => sum + w * output[i]!, 0);
  });
}
