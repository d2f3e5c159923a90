/** Search over the whole trace: words match names of ops, states, units and layers; filters narrow what is found. */

import type { Model, Segment } from "./model.ts";
import { placementAt, type SliceRef, sliceRef } from "./slices.ts";

/** A query taken apart: all tests must hold. */
export interface Query {
  readonly tests: readonly Test[];
}

type Test =
  | { readonly kind: "name" | "state" | "stall" | "layer" | "unit"; readonly matches: (text: string) => boolean }
  | { readonly kind: "duration"; readonly least: number; readonly most: number };

const FIELDS: Readonly<Record<string, "state" | "stall" | "layer" | "unit">> = {
  kind: "state",
  stall: "stall",
  layer: "layer",
  unit: "unit",
};

/** Names that a regular expression matches; nothing where it is none. */
function matching(pattern: string): (name: string) => boolean {
  try {
    const regex = new RegExp(pattern, "i");
    return (name) => regex.test(name);
  } catch {
    return () => false;
  }
}

/** `word`, `re:`, `kind:`, `stall:`, `layer:`, `unit:`, `dur>100`, `dur<8`; all parts must hold. */
export function parseQuery(text: string): Query {
  const tests: Test[] = [];
  for (const part of text.trim().split(/\s+/)) {
    if (part === "") continue;
    const length = /^dur([<>])=?(\d{1,15})$/.exec(part);
    const field = /^(kind|stall|layer|unit):(.*)$/.exec(part);
    if (length !== null) {
      const value = Number(length[2]);
      const above = length[1] === ">";
      const inclusive = part.includes("=");
      tests.push({
        kind: "duration",
        least: above ? value + (inclusive ? 0 : 1) : 0,
        most: above ? Number.POSITIVE_INFINITY : value - (inclusive ? 0 : 1),
      });
    } else if (part.startsWith("re:")) {
      tests.push({ kind: "name", matches: matching(part.slice("re:".length)) });
    } else {
      const word = (field?.[2] ?? part).toLowerCase();
      tests.push({ kind: FIELDS[field?.[1] ?? ""] ?? "name", matches: (name) => name.toLowerCase().includes(word) });
    }
  }
  return { tests };
}

interface SegmentMatch {
  /** By lane: slices that match whatever layer they stand in. */
  readonly hits: readonly Uint32Array[];
}

export interface Found {
  readonly count: number;
  /** The hit after (1) or before (-1) a place, around the end of the run; undefined where there is none. */
  step(from: { readonly lane: number; readonly at: number } | undefined, direction: 1 | -1): SliceRef | undefined;
  /** Cycles of placements that hold hits, up to `limit`: for marks on the overview. */
  marks(limit: number): readonly number[];
}

export const NOTHING: Found = { count: 0, step: () => undefined, marks: () => [] };

/** Finds all slices that match. */
export function search(model: Model, query: Query): Found {
  const { tests } = query;
  if (tests.length === 0) return NOTHING;
  const segments = model.segments.map((segment): SegmentMatch => ({ hits: matchSegment(model, segment, tests) }));
  const layerTests = tests.flatMap((t) => (t.kind === "layer" ? [t.matches] : []));
  const inLayer = (placement: number): boolean => {
    const name = model.placements.length === model.layers.length ? (model.layers[placement]?.name ?? "") : "";
    return layerTests.every((matches) => matches(name));
  };
  const live = model.placements.map((_, i) => inLayer(i));
  const perSegment = segments.map(({ hits }) => hits.reduce((sum, h) => sum + h.length, 0));
  const count = model.placements.reduce((sum, p, i) => sum + (live[i] ? perSegment[p.segment]! : 0), 0);
  return {
    count,
    step: (from, direction) => step(model, segments, live, from, direction),
    marks: (limit) =>
      model.placements.flatMap((p, i) => {
        if (!live[i]) return [];
        const own = segments[p.segment]!.hits;
        const share = Math.max(1, Math.floor(limit / model.placements.length));
        return own
          .flatMap((hits, lane) => sampled(hits, share).map((h) => model.segments[p.segment]!.tracks[lane]!.starts[h]!))
          .map((start) => p.start + start);
      }),
  };
}

/** At most `limit` of the values, evenly spread. */
function sampled(values: Uint32Array, limit: number): readonly number[] {
  const stride = Math.max(1, Math.ceil(values.length / limit));
  return Array.from({ length: Math.ceil(values.length / stride) }, (_, i) => values[i * stride]!);
}

function matchSegment(model: Model, segment: Segment, tests: readonly Test[]): readonly Uint32Array[] {
  return segment.tracks.map((track, lane) => {
    const unit = model.lanes[lane]!.name;
    const nameTests = tests.flatMap((t) => (t.kind === "name" ? [t.matches] : []));
    const ops = segment.ops.map((op) => nameTests.map((matches) => matches(op.name)));
    const states = model.states.map((s) => nameTests.map((matches) => matches(s.name) || matches(unit)));
    const stateOk = model.states.map(
      (s) =>
        s.family !== "idle" &&
        tests.every((t) => {
          if (t.kind === "state") return t.matches(s.name);
          if (t.kind === "stall") return s.family === "stall" && t.matches(s.label);
          return t.kind !== "unit" || t.matches(unit);
        }),
    );
    const least = Math.max(0, ...tests.map((t) => (t.kind === "duration" ? t.least : 0)));
    const most = Math.min(Number.POSITIVE_INFINITY, ...tests.map((t) => (t.kind === "duration" ? t.most : Infinity)));
    const hits: number[] = [];
    const { starts, state, op } = track;
    for (let i = 0; i < starts.length; i++) {
      const code = state[i]!;
      if (!stateOk[code]) continue;
      const length = (i + 1 < starts.length ? starts[i + 1]! : segment.cycles) - starts[i]!;
      if (length < least || length > most) continue;
      const byState = states[code]!;
      const byOp = ops[op[i]! - 1];
      let all = true;
      for (let n = 0; n < nameTests.length && all; n++) all = byState[n]! || byOp?.[n] === true;
      if (all) hits.push(i);
    }
    return Uint32Array.from(hits);
  });
}

/** Hits in the order of their start, then of their lane. */
function step(
  model: Model,
  segments: readonly SegmentMatch[],
  live: readonly boolean[],
  from: { readonly lane: number; readonly at: number } | undefined,
  direction: 1 | -1,
): SliceRef | undefined {
  const count = model.placements.length;
  const at = from?.at ?? (direction === 1 ? -1 : model.cycles);
  const lane = from?.lane ?? (direction === 1 ? -1 : model.lanes.length);
  const first = placementAt(model, Math.max(0, at));
  for (let n = 0; n <= count; n++) {
    const placement = (((first + n * direction) % count) + count) % count;
    if (!live[placement]) continue;
    // The first placement is looked at twice: from the place on, and when all others had none, up to it.
    const bound = n === 0 ? { at, lane } : undefined;
    const hit = bestIn(model, segments, placement, bound, direction);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

function bestIn(
  model: Model,
  segments: readonly SegmentMatch[],
  placement: number,
  bound: { readonly at: number; readonly lane: number } | undefined,
  direction: 1 | -1,
): SliceRef | undefined {
  const { segment: id, start: offset } = model.placements[placement]!;
  let best: { lane: number; index: number; start: number } | undefined;
  segments[id]!.hits.forEach((hits, lane) => {
    const { starts } = model.segments[id]!.tracks[lane]!;
    const after = (i: number): boolean => {
      if (bound === undefined) return direction === 1;
      const start = offset + starts[hits[i]!]!;
      const later = start > bound.at || (start === bound.at && lane > bound.lane);
      return direction === 1 ? later : later || (start === bound.at && lane === bound.lane);
    };
    let low = 0;
    let high = hits.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (after(middle)) high = middle;
      else low = middle + 1;
    }
    const i = direction === 1 ? low : low - 1;
    if (i < 0 || i >= hits.length) return;
    const start = starts[hits[i]!]!;
    const better =
      best === undefined ||
      (direction === 1 ? start < best.start : start > best.start || (start === best.start && lane > best.lane));
    if (better) best = { lane, index: hits[i]!, start };
  });
  return best === undefined ? undefined : sliceRef(model, best.lane, placement, best.index);
}
