/** Inverses, injectivity and equality of layouts: by form where that proves it, by enumeration where the box is small. */
import { internal } from "../diagnostics.ts";
import { apply, compile, ENUMERATION_LIMIT, enumerate } from "./apply.ts";
import { fromOf, type Point, partsOf, type Strided, toOf, volume } from "./basic.ts";
import type { Axis, Extents, Layout, Term } from "./layout.ts";
import { classify, invertColumns, layoutOf, rankOf } from "./linear.ts";
import { normalStrided, normalTerms, simplify } from "./normal.ts";

/** A digit of an input axis (div, size) and where it can be read again: ⌊at / place⌋ mod size. */
interface Digit {
  readonly axis: Axis;
  readonly div: number;
  readonly size: number;
  readonly at: Axis;
  readonly place: number;
  readonly modulus: number;
}

/**
 * Reads one output axis as a mixed radix number. Strides that divide each other are digits of one axis; where they do not
 * (a row pitch that is no multiple of the code width), the upper digits are first split off into an axis of their own.
 */
function readDigits(
  axis: Axis,
  extent: number,
  terms: readonly Term[],
): { readonly digits: readonly Digit[]; readonly cuts: readonly Strided[] } | undefined {
  const sorted = terms.toSorted((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const t of sorted) {
    if (t.stride <= reach) return undefined; // lower digits could carry into this one
    reach += t.stride * (t.size - 1);
  }
  const digits: Digit[] = [];
  const cuts: Strided[] = [];
  let rest = sorted;
  let limit = extent;
  while (rest.length > 0) {
    let first = rest.length - 1;
    while (first > 0 && rest[first]!.stride % rest[first - 1]!.stride === 0) first--;
    const lowest = rest[first]!.stride;
    const own = first === 0 ? axis : `${axis}#${cuts.length}`;
    const scale = first === 0 ? 1 : lowest;
    const size = Math.ceil(limit / scale);
    for (const [i, t] of rest.slice(first).entries()) {
      const next = rest[first + i + 1]?.stride ?? limit;
      digits.push({
        axis: t.from,
        div: t.div,
        size: t.size,
        at: own,
        place: t.stride / scale,
        modulus: Math.ceil(next / t.stride),
      });
    }
    if (first > 0)
      cuts.push({
        kind: "strided",
        from: { [axis]: limit },
        to: { [own]: size, [axis]: lowest },
        terms: [
          { from: axis, div: lowest, size, to: own, stride: 1 },
          { from: axis, div: 1, size: lowest, to: axis, stride: 1 },
        ],
      });
    rest = rest.slice(0, first);
    limit = lowest;
  }
  return { digits, cuts };
}

/** Puts an axis together again from its digits; undefined if some of it was never written. */
function assemble(axis: Axis, extent: number, digits: readonly Digit[]): readonly Term[] | undefined {
  const terms: Term[] = [];
  let done = 1;
  while (done < extent) {
    const next = digits.filter((d) => d.axis === axis && d.div === done).sort((a, b) => b.size - a.size)[0];
    if (next === undefined) return undefined;
    terms.push({ from: next.at, div: next.place, size: next.modulus, to: axis, stride: next.div });
    done *= next.size;
  }
  return terms;
}

function invertStrided(layout: Strided): Layout | undefined {
  const normal = normalStrided(layout);
  if (normal.wrap !== undefined) return undefined;
  const digits: Digit[] = [];
  const parts: Layout[] = [];
  const boxes: Record<Axis, number> = {};
  for (const [axis, extent] of Object.entries(normal.to)) {
    const base = normal.base?.[axis] ?? 0;
    const terms = normal.terms.filter((t) => t.to === axis);
    const read = readDigits(axis, Math.max(extent - base, 1), terms);
    if (read === undefined) return undefined;
    digits.push(...read.digits);
    if (base !== 0) parts.push(shifted(axis, extent, -base));
    parts.push(...read.cuts);
    boxes[axis] = read.cuts.at(-1)?.to[axis] ?? extent - base;
    for (const cut of read.cuts) for (const [own, size] of Object.entries(cut.to)) if (own !== axis) boxes[own] = size;
  }
  const terms: Term[] = [];
  for (const [axis, extent] of Object.entries(normal.from)) {
    const pieces = assemble(axis, extent, digits);
    if (pieces === undefined) return undefined;
    terms.push(...pieces);
  }
  return simplify({ kind: "chain", parts: [...parts, { kind: "strided", from: boxes, to: normal.from, terms }] });
}

function shifted(axis: Axis, extent: number, by: number): Strided {
  return {
    kind: "strided",
    from: { [axis]: extent },
    to: { [axis]: extent + by },
    terms: [{ from: axis, div: 1, size: extent, to: axis, stride: 1 }],
    base: { [axis]: by },
  };
}

function invertLinear(layout: Layout): Layout | undefined {
  const matrix = classify(layout);
  if (matrix === undefined || matrix.offset !== 0 || volume(matrix.from) !== volume(matrix.to)) return undefined;
  const columns = invertColumns(matrix.columns);
  return columns === undefined ? undefined : layoutOf({ from: matrix.to, to: matrix.from, columns, offset: 0 });
}

function invertByTable(layout: Layout): Layout | undefined {
  const from = fromOf(layout);
  const to = toOf(layout);
  if (volume(from) > ENUMERATION_LIMIT || volume(to) > ENUMERATION_LIMIT) return undefined;
  const map = new Array<number>(volume(to)).fill(-1);
  for (const [x, y] of enumerate(layout).entries()) {
    if (map[y] !== -1) return undefined;
    map[y] = x;
  }
  return { kind: "table", from: to, to: from, map: map.map((x) => Math.max(x, 0)) };
}

function invertPart(part: Layout): Layout | undefined {
  switch (part.kind) {
    case "strided":
      return invertStrided(part) ?? invertLinear(part) ?? invertByTable(part);
    case "xor": {
      const columns = invertColumns(part.columns);
      return columns === undefined ? undefined : { ...part, columns };
    }
    case "table":
      return invertByTable(part);
    case "opaque":
      return undefined;
    case "chain":
      return internal("nested chain");
  }
}

/**
 * The inverse of an injective layout: `invert(l) ∘ l` is the identity on l's box. Where l leaves holes (padding), their
 * images are unspecified. Undefined if l is not injective, or not provably so in a box too large to enumerate.
 */
export function invert(layout: Layout): Layout | undefined {
  const parts = partsOf(simplify(layout));
  const inverses: Layout[] = [];
  for (const part of parts.toReversed()) {
    const inverse = invertPart(part);
    if (inverse === undefined) return parts.length === 1 ? undefined : (invertLinear(layout) ?? opened(layout));
    inverses.push(inverse);
  }
  return simplify({ kind: "chain", parts: inverses });
}

function opened(layout: Layout): Layout | undefined {
  return partsOf(layout).some((part) => part.kind === "opaque") ? undefined : invertByTable(layout);
}

/** True if no two points share an image; undefined if that cannot be told. */
export function isInjective(layout: Layout): boolean | undefined {
  const parts = partsOf(layout);
  if (parts.some((part) => part.kind === "opaque")) return undefined;
  if (parts.every((part) => (part.kind === "strided" ? invertStrided(part) : invertPart(part)) !== undefined))
    return true;
  const matrix = classify(layout);
  if (matrix !== undefined) return rankOf(matrix.columns) === matrix.columns.length;
  if (volume(fromOf(layout)) > ENUMERATION_LIMIT) return undefined;
  const images = enumerate(layout);
  return new Set(images).size === images.length;
}

/** True if injective and every point of the target box is an image. */
export function isBijective(layout: Layout): boolean | undefined {
  if (partsOf(layout).some((part) => part.kind === "opaque")) return undefined;
  return volume(fromOf(layout)) === volume(toOf(layout)) ? isInjective(layout) : false;
}

function sameBox(a: Extents, b: Extents): boolean {
  const axes = Object.keys(a);
  return axes.length === Object.keys(b).length && axes.every((axis) => a[axis] === b[axis]);
}

/** Strided layouts are sums of functions of one axis each: comparing those is exact and cheap at any size. */
function equalStrided(a: Strided, b: Strided): boolean {
  const values = (layout: Strided, from: Axis, to: Axis, extent: number): number[] => {
    const terms = normalTerms(layout.terms, layout.from).filter((t) => t.from === from && t.to === to);
    return Array.from({ length: extent }, (_, x) =>
      terms.reduce((sum, t) => sum + t.stride * (Math.floor(x / t.div) % t.size), 0),
    );
  };
  return Object.keys(a.to).every((to) => {
    if ((a.base?.[to] ?? 0) !== (b.base?.[to] ?? 0)) return false;
    return Object.entries(a.from).every(([from, extent]) => {
      const other = values(b, from, to, extent);
      return values(a, from, to, extent).every((value, x) => value === other[x]);
    });
  });
}

function equalPoints(a: Layout, b: Layout): boolean {
  const from = fromOf(a);
  const axes = Object.keys(from);
  const fa = compile(a, axes);
  const fb = compile(b, axes);
  const order = fa.outputs.map((axis) => fb.outputs.indexOf(axis));
  const input = axes.map(() => 0);
  const extents = Object.values(from);
  const x: number[] = [];
  const y: number[] = [];
  for (let point = volume(from); point > 0; point--) {
    fa.run(input, x);
    fb.run(input, y);
    if (order.some((at, i) => x[i] !== y[at])) return false;
    for (let i = axes.length - 1; i >= 0 && ++input[i]! === extents[i]; i--) input[i] = 0;
  }
  return true;
}

/** Two maps that are linear over GF(2), up to an offset, agree if they agree at zero and at every power of two. */
function equalLinear(a: Layout, b: Layout, from: Extents): boolean {
  const zero = Object.fromEntries(Object.keys(from).map((axis) => [axis, 0]));
  const probes: Point[] = [zero];
  for (const [axis, extent] of Object.entries(from))
    for (let bit = 1; bit < extent; bit *= 2) probes.push({ ...zero, [axis]: bit });
  return probes.every((point) => {
    const other = apply(b, point);
    return Object.entries(apply(a, point)).every(([axis, value]) => other[axis] === value);
  });
}

/** True if both map the same box by the same function to the same axes; undefined if that cannot be told. */
export function equal(a: Layout, b: Layout): boolean | undefined {
  const from = fromOf(a);
  const outputs = Object.keys(toOf(a)).sort();
  if (!sameBox(from, fromOf(b)) || outputs.join() !== Object.keys(toOf(b)).sort().join()) return false;
  const p = simplify(a);
  const q = simplify(b);
  if (JSON.stringify(p) === JSON.stringify(q)) return true;
  if ([p, q].some((layout) => partsOf(layout).some((part) => part.kind === "opaque"))) return undefined;
  if (p.kind === "strided" && q.kind === "strided" && p.wrap === undefined && q.wrap === undefined)
    return equalStrided(p, q);
  if (volume(from) <= ENUMERATION_LIMIT) return equalPoints(p, q);
  return classify(p) === undefined || classify(q) === undefined ? undefined : equalLinear(p, q, from);
}
