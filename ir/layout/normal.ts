/** Normal form and composition of layouts: strided layouts collapse into one where that is provable, else they chain. */
import { internal } from "../diagnostics.ts";
import { fromOf, gcd, partsOf, type Strided, toOf } from "./basic.ts";
import type { Axis, Extents, Layout, Term } from "./layout.ts";

/** True if the digit needs no `mod`: its size reaches the end of the axis. */
export function coversAxis(term: Term, from: Extents): boolean {
  return term.div * term.size >= (from[term.from] ?? 1);
}

function compareTerms(a: Term, b: Term): number {
  if (a.to !== b.to) return a.to < b.to ? -1 : 1;
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  return a.div - b.div || a.size - b.size;
}

/** Sorts, clips sizes to the axis, drops what is always zero, adds equal digits and joins digits that continue. */
export function normalTerms(terms: readonly Term[], from: Extents): readonly Term[] {
  const sorted = terms
    .map((t) => (coversAxis(t, from) ? { ...t, size: Math.ceil((from[t.from] ?? 1) / t.div) } : t))
    .filter((t) => t.size > 1 && t.stride !== 0)
    .sort(compareTerms);
  const out: Term[] = [];
  for (const term of sorted) {
    const last = out.at(-1);
    if (last !== undefined && last.from === term.from && last.to === term.to) {
      if (last.div === term.div && last.size === term.size) {
        out[out.length - 1] = { ...last, stride: last.stride + term.stride };
        continue;
      }
      if (last.div * last.size === term.div && last.stride * last.size === term.stride) {
        out[out.length - 1] = { ...last, size: last.size * term.size };
        continue;
      }
    }
    out.push(term);
  }
  return out.filter((t) => t.stride !== 0);
}

/** A strided layout in normal form; two layouts with equal normal forms are the same function. */
export function normalStrided(layout: Strided): Strided {
  const base = Object.entries(layout.base ?? {}).filter(([, value]) => value !== 0);
  const reach = reachOf(layout);
  const wrap = Object.entries(layout.wrap ?? {}).filter(([axis, modulus]) => (reach[axis] ?? 0) >= modulus);
  return {
    kind: "strided",
    from: layout.from,
    to: layout.to,
    terms: normalTerms(layout.terms, layout.from),
    ...(base.length === 0 ? {} : { base: Object.fromEntries(base) }),
    ...(wrap.length === 0 ? {} : { wrap: Object.fromEntries(wrap) }),
  };
}

/** Largest value of every output axis before wrapping. */
function reachOf(layout: Strided): Extents {
  const reach: Record<Axis, number> = {};
  for (const axis of Object.keys(layout.to)) reach[axis] = layout.base?.[axis] ?? 0;
  for (const t of normalTerms(layout.terms, layout.from)) reach[t.to] = (reach[t.to] ?? 0) + t.stride * (t.size - 1);
  return reach;
}

interface Sum {
  readonly terms: readonly Term[];
  readonly base: number;
}

/**
 * Splits the sum at `d` into ⌊sum / d⌋ and sum mod d, both again sums of digits. A digit whose range straddles a
 * multiple of d is cut in two; undefined if the low parts can carry.
 */
function splitSum(sum: Sum, d: number, from: Extents): { readonly high: Sum; readonly low: Sum } | undefined {
  const high: Term[] = [];
  const low: Term[] = [];
  const lowBase = ((sum.base % d) + d) % d;
  let reach = lowBase;
  for (const term of sum.terms) {
    if (term.stride < 0) return undefined;
    if (term.stride % d === 0) {
      high.push({ ...term, stride: term.stride / d });
      continue;
    }
    const cut = d / gcd(term.stride, d);
    if (term.stride * (term.size - 1) < d || term.size <= cut) {
      low.push(term);
      reach += term.stride * (term.size - 1);
      continue;
    }
    if (term.size % cut !== 0 && !coversAxis(term, from)) return undefined;
    low.push({ ...term, size: cut });
    reach += term.stride * (cut - 1);
    high.push({
      ...term,
      div: term.div * cut,
      size: Math.ceil(term.size / cut),
      stride: (term.stride * cut) / d,
    });
  }
  if (reach >= d) return undefined;
  return { high: { terms: high, base: (sum.base - lowBase) / d }, low: { terms: low, base: lowBase } };
}

function largest(sum: Sum): number {
  return sum.terms.reduce((total, t) => total + t.stride * (t.size - 1), sum.base);
}

/** ⌊sum / div⌋ mod size as a sum of digits, if that is provable. */
function digitOf(sum: Sum, div: number, size: number, from: Extents): Sum | undefined {
  const quotient = div === 1 ? sum : splitSum(sum, div, from)?.high;
  if (quotient === undefined || size === Number.POSITIVE_INFINITY) return quotient;
  const positive = quotient.base >= 0 && quotient.terms.every((t) => t.stride >= 0);
  if (positive && largest(quotient) < size) return quotient;
  return splitSum(quotient, size, from)?.low;
}

/** b ∘ a for strided layouts where b reads exactly what a makes. */
function collapse(a: Strided, b: Strided): Strided | undefined {
  if (normalStrided(a).wrap !== undefined) return undefined;
  const sums = new Map<Axis, Sum>();
  const aTerms = normalTerms(a.terms, a.from);
  for (const axis of Object.keys(a.to))
    sums.set(axis, { terms: aTerms.filter((t) => t.to === axis), base: a.base?.[axis] ?? 0 });
  const terms: Term[] = [];
  const base: Record<Axis, number> = { ...b.base };
  for (const t of b.terms) {
    const sum = sums.get(t.from) ?? internal(`composition lacks axis ${t.from}`);
    // A digit that reaches the end of its axis is not a `mod`, even for values beyond the box.
    const size = coversAxis(t, b.from) ? Number.POSITIVE_INFINITY : t.size;
    const digit = digitOf(sum, t.div, size, a.from);
    if (digit === undefined) return undefined;
    for (const d of digit.terms) terms.push({ ...d, to: t.to, stride: d.stride * t.stride });
    base[t.to] = (base[t.to] ?? 0) + digit.base * t.stride;
  }
  return normalStrided({
    kind: "strided",
    from: a.from,
    to: b.to,
    terms,
    base,
    ...(b.wrap === undefined ? {} : { wrap: b.wrap }),
  });
}

/** The layout with more axes that pass through unchanged. */
function widen(layout: Strided, extra: Extents): Strided {
  const terms = Object.entries(extra).map(([axis, size]): Term => ({ from: axis, div: 1, size, to: axis, stride: 1 }));
  return {
    ...layout,
    from: { ...layout.from, ...extra },
    to: { ...layout.to, ...extra },
    terms: [...layout.terms, ...terms],
  };
}

function without(extents: Extents, other: Extents): Extents {
  return Object.fromEntries(Object.entries(extents).filter(([axis]) => !(axis in other)));
}

/** b ∘ a as one strided layout, if both are strided and that is provable. */
function joined(a: Layout, b: Layout): Strided | undefined {
  if (a.kind !== "strided" || b.kind !== "strided") return undefined;
  const around = without(b.from, a.to);
  const kept = without(a.to, b.from);
  const clash = Object.keys(around).some((axis) => axis in a.from) || Object.keys(kept).some((axis) => axis in b.to);
  return clash ? undefined : collapse(widen(a, around), widen(b, kept));
}

/**
 * First a, then b (b ∘ a). Axes that b reads and a does not make are inputs of the result; axes that a makes and b does
 * not read are outputs. Strided parts collapse into one where that is provable.
 */
export function compose(a: Layout, b: Layout): Layout {
  return simplify({ kind: "chain", parts: [a, b] });
}

/** The same function with as few parts as we can prove. */
export function simplify(layout: Layout): Layout {
  const parts: Layout[] = [];
  for (const part of partsOf(layout)) {
    let next: Layout = part.kind === "strided" ? normalStrided(part) : part;
    for (let last = parts.at(-1); last !== undefined; last = parts.at(-1)) {
      const one = isIdentity(last) && covered(last, next) ? next : joined(last, next);
      if (one === undefined) break;
      parts.pop();
      next = one;
    }
    parts.push(next);
  }
  if (parts.length === 1) return parts[0]!;
  const chain: Layout = { kind: "chain", parts };
  fromOf(chain); // reports an axis used twice
  return chain;
}

/** True if every axis that `identity` passes on is read by `next`, so that dropping it loses no axis. */
function covered(identity: Layout, next: Layout): boolean {
  return Object.entries(toOf(identity)).every(([axis, extent]) => fromOf(next)[axis] === extent);
}

/** True for a strided layout that maps every point to itself. */
export function isIdentity(layout: Layout): boolean {
  if (layout.kind !== "strided") return false;
  const normal = normalStrided(layout);
  const axes = Object.keys(layout.from);
  return (
    normal.base === undefined &&
    normal.wrap === undefined &&
    axes.length === Object.keys(layout.to).length &&
    axes.every((axis) => axis in layout.to) &&
    normal.terms.every((t) => t.from === t.to && t.div === 1 && t.stride === 1 && coversAxis(t, layout.from)) &&
    normal.terms.length === axes.filter((axis) => layout.from[axis]! > 1).length
  );
}
