/** Colours told apart by everyone: distances as colour-blind readers see them, and text that can be read. */
import { describe, expect, it } from "vitest";
import { STATES } from "../../simulator/states.ts";
import { stateNamed } from "../../web/model.ts";
import { COLOURS, channels, inkOn, meanings } from "../../web/palette.ts";

type Triple = readonly [number, number, number];

/** Severity 1 in linear RGB: Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, table 1. */
const SIGHT: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};
const LEAST_DISTANCE = 0.08;

const linear = (colour: string): Triple =>
  channels(colour).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  ) as unknown as Triple;
const times = (matrix: readonly Triple[], v: Triple): Triple =>
  matrix.map((row) => Math.min(1, Math.max(0, row[0] * v[0] + row[1] * v[1] + row[2] * v[2]))) as unknown as Triple;

/** Björn Ottosson, "A perceptual color space for image processing", 2020. */
function oklab([r, g, b]: Triple): Triple {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

describe.each(["light", "dark"] as const)("%s colours", (theme) => {
  const colours = Object.entries(COLOURS[theme]);

  it.each(Object.keys(SIGHT))("differ for %s sight", (sight) => {
    const seen = colours.map(([name, colour]) => [name, oklab(times(SIGHT[sight]!, linear(colour)))] as const);
    const close: string[] = [];
    for (const [i, [a, x]] of seen.entries())
      for (const [b, y] of seen.slice(i + 1)) {
        const distance = Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
        if (distance < LEAST_DISTANCE) close.push(`${a} and ${b}: ${distance.toFixed(3)}`);
      }
    expect(close).toEqual([]);
  });

  it("carry text of a contrast of at least 4.5", () => {
    const luminance = (colour: string): number => {
      const [r, g, b] = linear(colour);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    for (const [, colour] of colours) {
      const [a, b] = [luminance(colour) + 0.05, luminance(inkOn(colour)) + 0.05];
      expect(Math.max(a, b) / Math.min(a, b)).toBeGreaterThanOrEqual(4.5);
    }
  });
});

describe("meanings", () => {
  it("give every stall cause of the simulator a colour of its own, apart from all work", () => {
    const states = STATES.map(stateNamed);
    const found = meanings(states);
    const stalls = found.filter((_, i) => states[i]!.family === "stall");
    const work = found.filter((_, i) => states[i]!.family === "busy");
    // What keeps data from passing once they are asked for shares a colour: latency, rows, refreshes, turns of the bus.
    const sharing = ["stall:dram-row", "stall:dram-refresh", "stall:dram-turn"];
    expect(sharing.map((name) => found[(STATES as readonly string[]).indexOf(name)])).toEqual(
      sharing.map(() => "dram-latency"),
    );
    expect(new Set(stalls).size).toBe(stalls.length - sharing.length);
    expect(stalls.filter((s) => work.includes(s))).toEqual([]);
  });
});
