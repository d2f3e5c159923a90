/** What every operation on layouts needs: the boxes a layout maps between, and whole-number helpers. */
import { internal } from "../diagnostics.ts";
import type { Axis, Extents, Layout } from "./layout.ts";

/** One coordinate per axis. */
export type Point = Readonly<Record<Axis, number>>;

export type Strided = Extract<Layout, { readonly kind: "strided" }>;
export type Xor = Extract<Layout, { readonly kind: "xor" }>;
export type Lookup = Extract<Layout, { readonly kind: "table" }>;

/** Points in a box. */
export function volume(extents: Extents): number {
  return Object.values(extents).reduce((product, extent) => product * extent, 1);
}

/** The smallest multiple of `step` that is at least `value`. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

export function isPowerOfTwo(value: number): boolean {
  return value >= 1 && Number.isInteger(Math.log2(value));
}

/** Bits that hold the numbers below `extent`: 0 for 1, 3 for 5 to 8. */
export function bitsFor(extent: number): number {
  let bits = 0;
  while (2 ** bits < extent) bits++;
  return bits;
}

export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The coordinates that are named, of a record that may lack some: an absent one is our own bug. */
export function coordinate<T>(record: Readonly<Record<Axis, T>>, axis: Axis): T {
  return record[axis] ?? internal(`layout input has no axis ${axis}`);
}

/** The parts of a layout in the order they apply; nested chains are opened. */
export function partsOf(layout: Layout): readonly Layout[] {
  return layout.kind === "chain" ? layout.parts.flatMap(partsOf) : [layout];
}

/**
 * The boxes of a chain. A part replaces its `from` axes by its `to` axes; all others pass through it, so an axis that
 * only a later part reads is an input of the chain, and one that no later part reads is an output.
 */
function boxesOf(layout: Layout): { readonly from: Extents; readonly to: Extents } {
  const from: Record<Axis, number> = {};
  const live: Record<Axis, number> = {};
  for (const part of partsOf(layout)) {
    for (const [axis, extent] of Object.entries(part.kind === "chain" ? internal("nested chain") : part.from)) {
      if (axis in live) delete live[axis];
      else if (axis in from) internal(`layout chain reads axis ${axis} twice`);
      else from[axis] = extent;
    }
    for (const [axis, extent] of Object.entries(toOf(part))) {
      if (axis in live) internal(`layout chain makes axis ${axis} twice`);
      live[axis] = extent;
    }
  }
  return { from, to: live };
}

/** The box that a layout maps from. */
export function fromOf(layout: Layout): Extents {
  return layout.kind === "chain" ? boxesOf(layout).from : layout.from;
}

/** The box that a layout maps into. */
export function toOf(layout: Layout): Extents {
  switch (layout.kind) {
    case "chain":
      return boxesOf(layout).to;
    case "xor":
      return layout.from;
    default:
      return layout.to;
  }
}

/** The only output axis of a layout; several are our own bug. */
export function onlyOutput(layout: Layout): Axis {
  const axes = Object.keys(toOf(layout));
  return axes.length === 1 ? axes[0]! : internal(`layout has outputs ${axes.join(", ")}, one expected`);
}
