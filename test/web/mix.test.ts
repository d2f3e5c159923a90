/** The mix of states against counting cycle by cycle: at every zoom, for ranges, culprits and slices. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mixColumns, rangeBlame, rangeTotals, stackColumns } from "../../web/mix.ts";
import type { Model } from "../../web/model.ts";
import { countSlices, sliceAt, visitSlices } from "../../web/slices.ts";
import { cycleByCycle, modelOf, randomRun, STATE_NAMES } from "./models.ts";

const range = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));

function counted(cycles: readonly (readonly [number, number])[], from: number, to: number): readonly number[] {
  const totals = STATE_NAMES.map(() => 0);
  for (const [state] of cycles.slice(from, to)) totals[state]!++;
  return totals;
}

const wholeRange = ([a, b]: readonly [number, number], cycles: number): readonly [number, number] => {
  const [from, to] = [Math.floor(Math.min(a, b) * cycles), Math.ceil(Math.max(a, b) * cycles)];
  return [from, to];
};

/** Where a drawn column ends: at its edge, or within a quarter of a column at an entry of the lane's table. */
function seenEdge(model: Model, lane: number, edge: number, width: number): number {
  const { start, segment } = model.placements.findLast((p) => p.start <= edge)!;
  const fits = model.segments.every((s) => s.tracks[lane]!.table.levels[0]!.step * 2 <= width);
  if (!fits) return edge;
  const { cycles, tracks } = model.segments[segment]!;
  const step = tracks[lane]!.table.levels.findLast((l) => l.step * 2 <= width)!.step;
  const entry = Math.floor((edge - start) / step + 0.5);
  const seen = start + (entry > Math.floor(cycles / step) ? cycles : entry * step);
  expect(Math.abs(seen - edge)).toBeLessThanOrEqual(width / 4);
  return seen;
}

describe("mix", () => {
  it("totals of any range are what counting its cycles gives", () => {
    fc.assert(
      fc.property(randomRun, range, ({ segments, order }, share) => {
        const model = modelOf(segments, order);
        const [from, to] = wholeRange(share, model.cycles);
        for (const lane of [0, 1, 2]) {
          const expected = counted(cycleByCycle(segments, order, lane), from, to);
          expect([...rangeTotals(model, lane, from, to)]).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("columns at every zoom hold each cycle once, and each fraction of a cycle", () => {
    fc.assert(
      fc.property(randomRun, range, fc.integer({ min: 1, max: 97 }), ({ segments, order }, share, columns) => {
        const model = modelOf(segments, order);
        const [from, to] = wholeRange(share, model.cycles);
        fc.pre(to > from);
        const edges = Float64Array.from({ length: columns + 1 }, (_, i) => from + ((to - from) * i) / columns);
        edges[columns] = to;
        const lane = 2;
        const slots = model.slots[lane]!;
        const mix = mixColumns(model, lane, { from, to, count: columns }, true);
        const cycles = cycleByCycle(segments, order, lane);
        for (let c = 0; c < columns; c++) {
          const sums = STATE_NAMES.map(() => 0);
          const [a, b] = [edges[c]!, edges[c + 1]!];
          for (let t = Math.floor(a); t < b; t++)
            sums[cycles[t]![0]]! += Math.max(0, Math.min(b, t + 1) - Math.max(a, t));
          slots.forEach((state, slot) => {
            expect(mix[c * slots.length + slot]).toBeCloseTo(sums[state]!, 8);
          });
        }
        const total = slots.map((_, slot) => mix.reduce((n, v, i) => (i % slots.length === slot ? n + v : n), 0));
        const expected = counted(cycles, from, to);
        total.forEach((value, slot) => {
          expect(value).toBeCloseTo(expected[slots[slot]!]!, 6);
        });
      }),
      { numRuns: 200 },
    );
  });

  it("drawn heights are off by less than one pixel at every zoom, and fill the row", () => {
    const window = fc.record({
      share: range,
      columns: fc.integer({ min: 1, max: 60 }),
      height: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(randomRun, window, ({ segments, order }, { share, columns: count, height }) => {
        const model = modelOf(segments, order);
        const [from, to] = wholeRange(share, model.cycles);
        fc.pre(to > from);
        const columns = { from, to, count };
        for (const lane of [0, 1, 2]) {
          const width = (to - from) / count;
          const edges = Array.from({ length: count + 1 }, (_, i) =>
            seenEdge(model, lane, i === count ? to : from + i * width, width),
          );
          const cycles = cycleByCycle(segments, order, lane);
          const heights = stackColumns(model, lane, columns, height);
          const states = model.slots[lane]!;
          for (let c = 0; c < count; c++) {
            const drawn = heights.slice(c * states.length, (c + 1) * states.length);
            expect(drawn.reduce((a, b) => a + b, 0)).toBe(height);
            const [a, b] = [edges[c]!, edges[c + 1]!];
            states.forEach((state, slot) => {
              let held = 0;
              for (let t = Math.floor(a); t < b; t++)
                if (cycles[t]![0] === state) held += Math.min(b, t + 1) - Math.max(a, t);
              expect(Math.abs(drawn[slot]! - (held / (b - a)) * height)).toBeLessThan(1 + 1e-6);
            });
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("stalls by culprit of any range are what counting its cycles gives", () => {
    fc.assert(
      fc.property(randomRun, range, ({ segments, order }, share) => {
        const model = modelOf(segments, order);
        const [from, to] = wholeRange(share, model.cycles);
        const expected = new Map<string, number>();
        for (const [state, culprit] of cycleByCycle(segments, order, 1).slice(from, to))
          expected.set(`${state} ${culprit}`, (expected.get(`${state} ${culprit}`) ?? 0) + 1);
        const found = new Map(rangeBlame(model, 1, from, to).map((b) => [`${b.state} ${b.culprit}`, b.cycles]));
        expect(found).toEqual(expected);
      }),
    );
  });

  it("finds the slice of a cycle, and visits and counts the slices of a range", () => {
    fc.assert(
      fc.property(randomRun, range, ({ segments, order }, share) => {
        const model = modelOf(segments, order);
        const cycles = cycleByCycle(segments, order, 0);
        const [from, to] = wholeRange(share, model.cycles);
        for (const time of [from, Math.floor((from + to) / 2), to - 1]) {
          const slice = sliceAt(model, 0, time);
          if (time < 0 || time >= model.cycles) expect(slice).toBeUndefined();
          else expect([slice!.state, slice!.start <= time && time < slice!.end]).toEqual([cycles[time]![0], true]);
        }
        let visited = 0;
        let at = -1;
        visitSlices(model, 0, from, to, (_p, _i, start, end, track) => {
          expect(end > from && start < to).toBe(true);
          if (visited++ > 0) expect(start).toBe(at);
          at = end;
          expect(track.starts.length).toBeGreaterThan(0);
          return true;
        });
        expect(countSlices(model, 0, from, to)).toBe(visited);
        if (to > from) expect(at).toBeGreaterThanOrEqual(to);
      }),
    );
  });

  it("keeps exact totals beyond 2^32 cycles", () => {
    const long = 2 ** 31 + 7;
    const model = modelOf([[[[long, 1, -1]], [[long, 2, -1]], [[long, 0, -1]]]], Array(5000).fill(0));
    expect(model.cycles).toBe(5000 * long);
    const totals = rangeTotals(model, 0, 3, 5000 * long - 1);
    expect(totals[1]).toBe(5000 * long - 4);
  });
});
