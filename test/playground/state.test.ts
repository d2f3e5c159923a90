/** Links: what goes in comes out, whatever else stands in an address gives a well-formed state or none. */
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startFragment } from "../../compiler/cli/play.ts";
import { FRESH, fromFragment, type PlayState, toFragment } from "../../web/playground/state.ts";

const sizes = fc.dictionary(fc.stringMatching(/^[A-Z]\w{0,5}$/), fc.integer({ min: 1, max: 2 ** 24 }), { maxKeys: 6 });
const states: fc.Arbitrary<PlayState> = fc.record({
  text: fc.string({ unit: "grapheme", minLength: 1, maxLength: 400 }),
  op: fc.string({ maxLength: 20 }),
  sizes,
  targets: fc.array(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 }),
  tab: fc.constantFrom("code", "passes", "bits", "run", "simulate"),
  passes: fc.record({ target: fc.string(), stage: fc.nat() }),
  bits: fc.record({ format: fc.string(), value: fc.nat() }),
  run: fc.record({
    device: fc.constantFrom("webgpu", "reference"),
    target: fc.string(),
    seed: fc.nat(),
    sizes,
  }),
  simulate: fc.record({ machine: fc.string(), workload: fc.string() }),
});

const pack = (value: unknown): string =>
  `#1.${deflateRawSync(Buffer.from(JSON.stringify(value))).toString("base64url")}`;

describe("links", () => {
  it("hold the whole state", async () => {
    await fc.assert(
      fc.asyncProperty(states, async (state) => {
        expect(await fromFragment(`#${await toFragment(state)}`)).toEqual(state);
      }),
      { numRuns: 60 },
    );
  });

  it("are short for what is as at first", async () => {
    expect((await toFragment(FRESH)).length).toBeLessThan(12);
  });

  it("are read from the command's, which Node's zlib makes", async () => {
    const text = "// Ä × 4\nop a<M>(x: f16[M]) -> f16[M] {\n  y[m] = x[m]\n}\n";
    expect(await fromFragment(startFragment(text))).toEqual({ ...FRESH, text });
  });

  it.each(["", "#", "#t=0,12", "#1.", "#1.%%%", "#1.AAAA", "#2.abc", "#1.ywMA"])(
    "none of ours: %s",
    async (fragment) => {
      expect(await fromFragment(fragment)).toBeUndefined();
    },
  );

  it("become well-formed states, whatever they hold", async () => {
    const hostile = {
      text: 7,
      op: null,
      sizes: { M: -1, N: 2.5, K: "4", __proto__: 3, L: 8 },
      targets: [1, {}, "metal.3"],
      tab: ["code"],
      passes: { stage: Number.MAX_VALUE, target: [] },
      bits: "no",
      run: { seed: Number.NaN, device: 4 },
      simulate: null,
    };
    const state = (await fromFragment(pack(hostile)))!;
    expect(state).toMatchObject({ text: "", op: "", sizes: { L: 8 }, targets: ["metal.3"], bits: FRESH.bits });
    expect(state.run).toEqual(FRESH.run);
    expect(Object.keys(state)).toEqual(Object.keys(FRESH));
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const read = await fromFragment(pack(value));
        expect(read === undefined || Object.keys(read).join() === Object.keys(FRESH).join()).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("do not unpack without end", async () => {
    const bomb = deflateRawSync(Buffer.alloc(64 << 20, 32)).toString("base64url");
    expect(await fromFragment(`#1.${bomb}`)).toBeUndefined();
  });
});
