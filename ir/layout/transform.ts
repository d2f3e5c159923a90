/** Layouts from layouts: other axis names, a tile of a layout, an atom repeated over a tile. */

import { fromOf, type Point, toOf } from "./basic.ts";
import type { Axis, Extents, Layout, Term } from "./layout.ts";
import { compose } from "./normal.ts";

/** Other names for axes, inputs and outputs alike. */
export function rename(layout: Layout, names: Readonly<Record<Axis, Axis>>): Layout {
  const name = (axis: Axis): Axis => names[axis] ?? axis;
  const box = (extents: Extents): Extents =>
    Object.fromEntries(Object.entries(extents).map(([axis, extent]) => [name(axis), extent]));
  switch (layout.kind) {
    case "strided":
      return {
        ...layout,
        from: box(layout.from),
        to: box(layout.to),
        terms: layout.terms.map((t) => ({ ...t, from: name(t.from), to: name(t.to) })),
        ...(layout.base === undefined ? {} : { base: box(layout.base) }),
        ...(layout.wrap === undefined ? {} : { wrap: box(layout.wrap) }),
      };
    case "xor":
      return { ...layout, from: box(layout.from), axis: name(layout.axis) };
    case "table":
    case "opaque":
      return { ...layout, from: box(layout.from), to: box(layout.to) };
    case "chain":
      return { kind: "chain", parts: layout.parts.map((part) => rename(part, names)) };
  }
}

/** Two axes change names. */
export function swap(layout: Layout, a: Axis, b: Axis): Layout {
  return rename(layout, { [a]: b, [b]: a });
}

function passing(axis: Axis, size: number): Term {
  return { from: axis, div: 1, size, to: axis, stride: 1 };
}

/** The tile of `extents` at `origin`, in tile coordinates; axes not named stay whole, the target box stays. */
export function restrict(layout: Layout, origin: Point, extents: Extents): Layout {
  const from = fromOf(layout);
  const tile = Object.fromEntries(Object.entries(from).map(([axis, whole]) => [axis, extents[axis] ?? whole]));
  const move: Layout = {
    kind: "strided",
    from: tile,
    to: from,
    terms: Object.entries(tile).map(([axis, size]) => passing(axis, size)),
    base: Object.fromEntries(Object.keys(from).map((axis) => [axis, origin[axis] ?? 0])),
  };
  return compose(move, layout);
}

/** One direction in which an atom is repeated. */
export interface Repeat {
  /** The input axis that counts: continued if the atom reads it, else new. */
  readonly by: Axis;
  readonly count: number;
  /** The output axis that moves, by `stride` a repetition; default: the atom's own extent. */
  readonly to: Axis;
  readonly stride?: number;
}

const OUTER = "#outer";

/** The atom repeated: `by` counts atoms (above its own coordinate there), `to` moves by one atom each. */
export function product(atom: Layout, repeats: readonly Repeat[]): Layout {
  return repeats.reduce<Layout>(
    (inner, { by, count, to, stride }) => {
      const own = fromOf(inner)[by];
      const size = toOf(inner)[to] ?? 1;
      const step = stride ?? size;
      const box = Math.max(size, step * (count - 1) + size);
      const outer = own === undefined ? by : OUTER;
      const moved: Layout = {
        kind: "strided",
        from: { [to]: size, [outer]: count },
        to: { [to]: box },
        terms: [passing(to, size), { from: outer, div: 1, size: count, to, stride: step }],
      };
      const repeated = compose(inner, moved);
      if (own === undefined) return repeated;
      const split: Layout = {
        kind: "strided",
        from: { [by]: own * count },
        to: { [by]: own, [OUTER]: count },
        terms: [passing(by, own), { from: by, div: own, size: count, to: OUTER, stride: 1 }],
      };
      return compose(split, repeated);
    },
    layoutWith(atom, repeats),
  );
}

/** Output axes that only the repetition moves start as 0. */
function layoutWith(atom: Layout, repeats: readonly Repeat[]): Layout {
  const to = toOf(atom);
  const added = repeats.map((r) => r.to).filter((axis) => !(axis in to));
  if (added.length === 0) return atom;
  const zeros: Layout = {
    kind: "strided",
    from: {},
    to: Object.fromEntries(added.map((axis) => [axis, 1])),
    terms: [],
  };
  return compose(atom, zeros);
}
