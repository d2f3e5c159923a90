/** The quickstart operators compiled and run inside headless Chromium, against the oracle within the stated bound. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPage, type TestPage } from "../browser.ts";
import { QUICKSTART } from "../passes/support.ts";
import { describeWith } from "../tools.ts";
import { compileSample, errorOverBound, trialOf, wrongCodes } from "./support.ts";

describeWith(["chromium"], "quickstart in a page", () => {
  let page: TestPage;
  beforeAll(async () => {
    page = await openPage(fileURLToPath(new URL("../fixtures/run-in-page.ts", import.meta.url)));
  });
  afterAll(() => page.close());

  const cases = ["wgsl.p0", "wgsl.p2"].flatMap((target) =>
    ["linear_w4a16", "linear_w2a8", "linear_nf4"].map((op) => [target, op] as const),
  );
  it.each(cases)("%s: %s", async (target, op) => {
    const sizes = { M: 1, N: 11, K: 384 };
    const made = compileSample({ op, sizes }, target);
    const trial = trialOf(made);
    const inputs = Object.fromEntries(Object.entries(trial.words).map(([id, words]) => [id, Array.from(words)]));
    const request = { text: QUICKSTART, op, sizes, target, inputs };
    const results = (await page.call("runInPage", request)) as Record<string, number[]>;
    const codes = results["xq.q"];
    expect(wrongCodes(made, trial, codes === undefined ? undefined : Uint32Array.from(codes))).toEqual([]);
    expect(errorOverBound(made, trial, Uint32Array.from(results.y!))).toBeLessThanOrEqual(1);
  });
});
