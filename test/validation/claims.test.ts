/** The headline ratios of BitMoD's paper from our transcription of its simulator. */
import { describe, expect, it } from "vitest";
import {
  antClaims,
  bitfusionClaims,
  bitmodClaims,
  meanNormalisedEnergy,
  meanSpeedup,
} from "../../simulator/peer/claims.ts";
import { readTable } from "./csv.ts";

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

describe("ant and bitfusion claims", () => {
  it("rounds to ANT's published times", () => {
    const claims = antClaims();
    expect(claims.length).toBe(34);
    expect(claims.map((c) => [c.claim, Number(c.ours.toFixed(2))])).toEqual(claims.map((c) => [c.claim, c.published]));
    const published = readTable("ant/totals.csv").filter((r) => r.pub_time_norm !== "" && r.accelerator !== "AdaFloat");
    const times = published.map((r) => [
      `${r.network}: time of ${r.accelerator!.toLowerCase()} over adafloat`,
      Number(r.pub_time_norm),
    ]);
    expect(new Map(claims.map((c) => [c.claim, c.published]))).toEqual(new Map(times as [string, number][]));
  });

  it("equals BitFusion's published cycles", () => {
    const claims = bitfusionClaims();
    expect(claims.map((c) => c.ours)).toEqual(claims.map((c) => c.published));
    const rows = readTable("ant/bitfusion-published-totals.csv").filter((r) => r.bw_bits_per_cycle === "192");
    expect(claims.map((c) => c.published)).toEqual(rows.map((r) => Number(r.Cycles)));
  });
});
