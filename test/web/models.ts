/** Small runs for the page's tests: random ones, and the fixed one whose drawing is a golden. */
import fc from "fast-check";
import { type Draft, type DraftSegment, finish } from "../../web/load/assemble.ts";
import type { Model } from "../../web/model.ts";

export const STATE_NAMES = [
  "idle",
  "busy:contract",
  "busy:load",
  "stall:operand-weight",
  "stall:dram-latency",
  "stall:drain",
] as const;

/** A run before its sums are built: for every lane and segment its slices as (cycles, state, culprit). */
export type Plain = readonly (readonly (readonly (readonly [cycles: number, state: number, culprit: number])[])[])[];

const slice = fc.tuple(
  fc.integer({ min: 1, max: 90 }),
  fc.nat(STATE_NAMES.length - 1),
  fc.integer({ min: -1, max: 2 }),
);

/** Segments of three lanes, each lane as long as the segment, and an order in which they stand in the run. */
export const randomRun: fc.Arbitrary<{ readonly segments: Plain; readonly order: readonly number[] }> = fc
  .array(fc.array(fc.array(slice, { minLength: 1, maxLength: 60 }), { minLength: 3, maxLength: 3 }), {
    minLength: 1,
    maxLength: 3,
  })
  .chain((segments) =>
    fc.record({
      segments: fc.constant(segments.map(padded)),
      order: fc.array(fc.nat(segments.length - 1), { minLength: 1, maxLength: 6 }),
    }),
  );

/** Lanes made equally long with idle cycles. */
function padded(lanes: Plain[number]): Plain[number] {
  const sum = (l: Plain[number][number]): number => l.reduce((n, [cycles]) => n + cycles, 0);
  const longest = Math.max(...lanes.map(sum));
  return lanes.map((l) => (sum(l) === longest ? l : [...l, [longest - sum(l), 0, -1] as const]));
}

function draftSegment(lanes: Plain[number]): DraftSegment {
  const cycles = lanes[0]!.reduce((n, [c]) => n + c, 0);
  return {
    cycles,
    ops: [{ name: "copy weight" }, { name: "contract" }],
    lanes: lanes.map((slices) => {
      let at = 0;
      const starts = slices.map(([length]) => {
        const start = at;
        at += length;
        return start;
      });
      return {
        starts: Uint32Array.from(starts),
        state: Uint8Array.from(slices, (s) => s[1]),
        op: Uint16Array.from(slices, (s) => (s[1] === 2 ? 1 : s[1] === 1 ? 2 : 0)),
        culprit: Uint8Array.from(slices, (s) => s[2] + 1),
      };
    }),
  };
}

/** The model of a plain run. */
export function modelOf(segments: Plain, order: readonly number[], clockMHz: number | undefined = 1000): Model {
  const drafts = segments.map(draftSegment);
  let at = 0;
  const placements = order.map((segment) => {
    const start = at;
    at += drafts[segment]!.cycles;
    return { segment, start };
  });
  const draft: Draft = {
    format: "bitloom",
    workload: "test",
    hardware: "machine",
    phase: "decode",
    unit: "cycle",
    clockMHz,
    cycles: at,
    lanes: [
      { name: "dram", group: "Memory" },
      { name: "dma", group: "Memory" },
      { name: "pe", group: "Compute" },
    ],
    states: STATE_NAMES,
    segments: drafts,
    placements,
    layers: placements.map((p, i) => ({
      name: `layer ${i}`,
      kind: `kind ${p.segment}`,
      start: p.start,
      end: p.start + drafts[p.segment]!.cycles,
    })),
    edges: undefined,
    buffers: [],
    peStates: [],
    run: undefined,
    notes: [],
  };
  return finish(draft);
}

/** The state of every cycle of a lane, one by one: what everything else is held against. */
export function cycleByCycle(
  segments: Plain,
  order: readonly number[],
  lane: number,
): readonly (readonly [number, number])[] {
  return order.flatMap((s) =>
    segments[s]![lane]!.flatMap(([cycles, state, culprit]) =>
      Array.from({ length: cycles }, () => [state, culprit] as const),
    ),
  );
}

/** Two layers of one segment: dram reads, dma loads and waits, pe contracts and waits for dma. */
export const SMALL: Plain = [
  [
    [
      [40, 2, -1],
      [60, 0, -1],
      [20, 2, -1],
      [80, 0, -1],
    ],
    [
      [10, 4, 0],
      [45, 2, -1],
      [65, 0, -1],
      [20, 2, -1],
      [60, 0, -1],
    ],
    [
      [55, 3, 1],
      [85, 1, -1],
      [4, 5, -1],
      [56, 1, -1],
    ],
  ],
];
export const smallModel = (): Model => modelOf(SMALL, [0, 0]);
