/** The headline ratios of BitMoD's paper from our transcription of its simulator. */
import { describe, expect, it } from "vitest";
import { bitmodClaims, meanNormalisedEnergy, meanSpeedup } from "../../../simulator/peer/claims.ts";

describe("bitmod claims", () => {
  const claims = bitmodClaims();

  it("rounds to the paper's figures, apart from one energy that its own simulator gives a hundredth higher", () => {
    const rounded = claims.map((c) => [c.claim, Number(c.ours.toFixed(2))]);
    expect(rounded).toEqual(
      claims.map((c) => [
        c.claim,
        c.claim === "bitmod-lossy over olive, both tasks: energy efficiency" ? 1.32 : c.published,
      ]),
    );
  });

  it("lists the nine ratios of the abstract and section V", () => {
    expect(claims.map((c) => c.published)).toEqual([1.99, 2.41, 1.72, 1.66, 1.56, 1.39, 2.31, 1.48, 1.31]);
  });

  it("takes arithmetic means over the models", () => {
    // The bars of the speedup and energy figures, as the paper's notebook computes them.
    expect(meanSpeedup("ant", "discriminative")).toBeCloseTo(1.639, 3);
    expect(meanSpeedup("olive", "generative")).toBeCloseTo(3.014, 3);
    expect(meanSpeedup("bitmod-lossy", "generative")).toBeCloseTo(4.176, 3);
    expect(1 / meanNormalisedEnergy("bitmod-lossless", "discriminative")).toBeCloseTo(2.19, 3);
    expect(1 / meanNormalisedEnergy("bitmod-lossless", "generative")).toBeCloseTo(2.437, 3);
  });
});
