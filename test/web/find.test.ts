/** Search and findings against looking at every slice. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findingsOf, meanwhile, unitLoads } from "../../web/findings.ts";
import { parseQuery, search } from "../../web/search.ts";
import { sliceAt, visitSlices } from "../../web/slices.ts";
import { chain } from "../../web/walk.ts";
import { cycleByCycle, modelOf, randomRun, SMALL, smallModel } from "./models.ts";

interface Hit {
  readonly start: number;
  readonly lane: number;
}

/** Hits by looking at every slice, in the order of time, then lane. */
function looked(
  model: ReturnType<typeof smallModel>,
  test: (state: string, cycles: number) => boolean,
): readonly Hit[] {
  const hits: Hit[] = [];
  for (const lane of model.lanes.keys())
    visitSlices(model, lane, 0, model.cycles, (_p, i, start, end, track) => {
      const { name } = model.states[track.state[i]!]!;
      if (name !== "idle" && test(name, end - start)) hits.push({ start, lane });
      return true;
    });
  return hits.sort((a, b) => a.start - b.start || a.lane - b.lane);
}

describe("search", () => {
  it("finds every slice of the whole run once, in both directions, and goes around", () => {
    fc.assert(
      fc.property(randomRun, ({ segments, order }) => {
        const model = modelOf(segments, order);
        const expected = looked(model, (state, cycles) => state.startsWith("stall:") && cycles > 20);
        const found = search(model, parseQuery("kind:stall dur>20"));
        expect(found.count).toBe(expected.length);
        for (const direction of [1, -1] as const) {
          const seen: Hit[] = [];
          let at: { lane: number; at: number } | undefined;
          for (let n = 0; n < expected.length; n++) {
            const hit = found.step(at, direction)!;
            seen.push({ start: hit.start, lane: hit.lane });
            at = { lane: hit.lane, at: hit.start };
          }
          expect(direction === 1 ? seen : seen.toReversed()).toEqual(expected);
          if (expected.length > 0) {
            const around = found.step(at, direction)!;
            expect({ start: around.start, lane: around.lane }).toEqual(direction === 1 ? expected[0] : expected.at(-1));
          }
        }
      }),
    );
  });

  it.each([
    ["weight", 10],
    ["stall:dram", 2],
    ["unit:pe", 8],
    ["unit:pe layer:1", 4],
    ["layer:0 kind:load", 4],
    ["dur>=85", 2],
    ["dur<5", 2],
    ["pe contract", 4],
    ["re:^stall:(operand|dram)", 4],
    ["re:(", 0],
    ["nothing-of-this-name", 0],
    ["", 0],
  ])("of %j finds %i", (query, count) => {
    expect(search(smallModel(), parseQuery(query)).count).toBe(count);
  });
});

describe("findings", () => {
  it("say what limits and what stalls, with the share of the run", () => {
    const texts = findingsOf(smallModel()).map((f) => f.text);
    expect(texts[0]).toMatch(/^No unit limits decode alone: the busiest, pe, works 70\.5\u202f% of 400 cycles/);
    expect(texts[1]).toBe(
      "dma stalls pe 27.5\u202f% of decode: its weights are not there yet. Meanwhile dma works (load) 81.8\u202f%, waits for dram (dram-latency) 18.2\u202f%.",
    );
  });

  it("point at the slice they speak of", () => {
    const model = smallModel();
    const { jump, state } = findingsOf(model)[1]!;
    expect(sliceAt(model, jump!.lane, jump!.at)!.state).toBe(state);
  });

  it("count what a culprit did meanwhile exactly", () => {
    fc.assert(
      fc.property(randomRun, ({ segments, order }) => {
        const model = modelOf(segments, order);
        const [a, b] = [cycleByCycle(segments, order, 2), cycleByCycle(segments, order, 1)];
        const expected = new Map<string, number>();
        for (const [t, [state, culprit]] of a.entries())
          if (state === 3 && culprit === 1) expected.set(b[t]!.join(), (expected.get(b[t]!.join()) ?? 0) + 1);
        const found = meanwhile(model, 2, 3, 1);
        expect(new Map(found.map((d) => [`${d.state},${d.culprit}`, d.cycles]))).toEqual(expected);
      }),
    );
  });

  it("loads sum to the run", () => {
    const model = modelOf(SMALL, [0, 0, 0]);
    for (const load of unitLoads(model)) expect(load.totals.reduce((x, y) => x + y, 0)).toBe(model.cycles);
  });

  it("chains go from a stall to who was at work", () => {
    const model = smallModel();
    expect(chain(model, sliceAt(model, 2, 0)!).map((l) => model.lanes[l.lane]!.name)).toEqual(["pe", "dma"]);
    expect(chain(model, sliceAt(model, 1, 0)!).map((l) => model.lanes[l.lane]!.name)).toEqual(["dma", "dram"]);
  });
});
