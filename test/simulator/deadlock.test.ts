/** A machine program of somebody's own that cannot go on is reported with the state of every unit, and is never our bug. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { tryProgram } from "../../simulator/engine.ts";
import { withoutSignals } from "./deadlocks.ts";

const UNITS = ["dma-w", "dma-i", "feed-w", "pe", "vec", "dma-o"];

describe("deadlock", () => {
  it.each([
    // A block of weights is never given back: when all instances are full, the channel waits, and then all behind it.
    [
      "release",
      "weight",
      /dma-w waits since cycle \d+ for a free instance of `weight`, which has (\d): it has taken \1, feed-w has given back 0/,
    ],
    [
      "commit",
      "activation",
      /pe waits since cycle \d+ for dma-i to fill `activation`: 0 were filled, and it has taken 0/,
    ],
    [
      "commit",
      "weight.fed",
      /pe waits since cycle \d+ for feed-w to fill `weight.fed`: 0 were filled, and it has taken 0/,
    ],
    ["release", "weight.fed", /feed-w waits since cycle \d+ for a free instance of `weight.fed`/],
    ["release", "accumulator", /pe waits since cycle \d+ for a free instance of `accumulator`/],
    ["commit", "result", /dma-o waits since cycle \d+ for vec to fill `result`/],
  ])("without %s of %s", (what, ring, said) => {
    const { program, machine } = withoutSignals(what, ring);
    const sink = new Diagnostics();
    expect(tryProgram(program, machine, sink)).toBeUndefined();
    expect(sink.list.map((d) => d.code)).toEqual(["simulate/deadlock"]);
    expect(sink.list[0]!.message).toBe("the units of test wait for each other in product");
    const notes = sink.list[0]!.notes.map((n) => n.message);
    for (const unit of UNITS) expect(notes.filter((n) => n.startsWith(`${unit} `))).toHaveLength(1);
    expect(notes.join("\n")).toMatch(said);
  });

  it("is not reported where nothing is left out", () => {
    const { program, machine } = withoutSignals("", "");
    const sink = new Diagnostics();
    expect(tryProgram(program, machine, sink)?.actions.macs).toBe(24 * 24 * 64);
    expect(sink.list).toEqual([]);
  });

  it("names the buffer that a program overfills", () => {
    const { program, machine } = withoutSignals("", "");
    const sink = new Diagnostics();
    const rings = program.rings.map((r) => (r.id === "weight" ? { ...r, depth: 50 } : r));
    expect(tryProgram({ ...program, rings }, machine, sink)).toBeUndefined();
    expect(sink.list.map((d) => `${d.code} ${d.message}`)).toEqual([
      expect.stringMatching(/^simulate\/capacity product keeps \d+ bytes in wbuf of test, which has 600$/),
    ]);
  });
});
