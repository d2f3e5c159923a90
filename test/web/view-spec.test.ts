/** The view as one value: what the address keeps comes back, and windows stay in the run. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHash, panBy, toHash, type ViewSpec, wholeRun, windowAround, zoomAt } from "../../web/view-spec.ts";

const CYCLES = 1_000_000;
const LANES = 8;

const spec: fc.Arbitrary<ViewSpec> = fc
  .record({
    edges: fc.tuple(fc.nat(CYCLES - 1), fc.integer({ min: 1, max: CYCLES })),
    range: fc.option(fc.tuple(fc.nat(CYCLES / 2), fc.integer({ min: 1, max: CYCLES / 2 })), { nil: undefined }),
    selected: fc.option(fc.record({ lane: fc.nat(LANES - 1), at: fc.nat(CYCLES - 1) }), { nil: undefined }),
    folded: fc.uniqueArray(fc.string(), { maxLength: 3 }),
    pinned: fc.uniqueArray(fc.nat(LANES - 1), { maxLength: 3 }),
    query: fc.string({ maxLength: 50 }),
    summary: fc.boolean(),
    laneHeight: fc.constantFrom(0, 6, 18, 120),
  })
  .map(({ edges, range, ...rest }) => ({
    ...wholeRun(CYCLES),
    from: Math.min(edges[0], CYCLES - 1),
    to: Math.min(CYCLES, Math.min(edges[0], CYCLES - 1) + edges[1]),
    range: range && { from: range[0], to: range[0] + range[1] },
    ...rest,
  }));

describe("view", () => {
  it("comes back from its address", () => {
    fc.assert(
      fc.property(spec, (s) => {
        expect(fromHash(toHash(s, CYCLES), CYCLES, LANES)).toEqual(s);
      }),
    );
  });

  it("of the whole run has an empty address", () => {
    expect(toHash(wholeRun(CYCLES), CYCLES)).toBe("");
  });

  it("takes nothing from an address that makes no sense", () => {
    for (const hash of [
      "t=NaN,5",
      "t=9,9",
      "r=1.5,3",
      "r=5,2",
      "r=0,99999999",
      "s=99,5",
      "s=0,-1",
      "p=77,x",
      "h=1e9",
      "%%%",
      "t=",
      "s=1",
    ])
      expect(fromHash(`#${hash}`, CYCLES, LANES)).toEqual(wholeRun(CYCLES));
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { from, to } = fromHash(text, CYCLES, LANES);
        expect(from >= 0 && to <= CYCLES && to - from >= 1).toBe(true);
      }),
    );
  });

  it("zooms around a cycle, pans, and stays in the run", () => {
    fc.assert(
      fc.property(
        spec,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (s, share, factor) => {
          const at = s.from + share * (s.to - s.from);
          const zoomed = zoomAt(s, at, factor, CYCLES);
          for (const w of [zoomed, panBy(s, (share - 0.5) * 1e7, CYCLES), windowAround(s.from, s.to, CYCLES)]) {
            expect(w.from).toBeGreaterThanOrEqual(0);
            expect(w.to).toBeLessThanOrEqual(CYCLES + 1e-6);
            expect(w.to - w.from).toBeGreaterThanOrEqual(1 - 1e-9);
          }
          if (factor < 1 && (s.to - s.from) * factor > 1)
            expect(zoomed.from + share * (zoomed.to - zoomed.from)).toBeCloseTo(at, 4);
        },
      ),
    );
  });
});
