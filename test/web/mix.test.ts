/** The mix of states against counting cycle by cycle: at every zoom, for ranges, culprits and slices. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { heightsOf } from "../../web/layout.ts";
import { countSlices, mixColumns, rangeBlame, rangeTotals, sliceAt, visitSlices } from "../../web/mix.ts";
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
        const mix = mixColumns(model, lane, edges);
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

  it("drawn heights are off by less than one pixel and fill the row", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 4, maxLength: 4 }).filter((v) => v.some((x) => x > 0)),
        fc.integer({ min: 1, max: 255 }),
        (sums, height) => {
          const heights = heightsOf(Float64Array.from(sums), 4, height);
          const total = sums.reduce((a, b) => a + b, 0);
          expect(heights.reduce((a, b) => a + b, 0)).toBe(height);
          sums.forEach((sum, i) => {
            expect(Math.abs(heights[i]! - (sum / total) * height)).toBeLessThanOrEqual(1);
          });
        },
      ),
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
