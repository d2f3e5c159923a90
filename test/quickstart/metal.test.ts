/** The quickstart operators as Metal text: address spaces checked, then executed on the processor against the oracle. */
import { expect, it } from "vitest";
import { metal } from "../../backends/metal.ts";
import { checkMetal, runMetal } from "../exec/metal.ts";
import { describeWith } from "../tools.ts";
import { execute } from "./execute.ts";
import { compileSample, errorOverBound, label, SAMPLES, trialOf, wrongCodes } from "./support.ts";

describeWith(["clang-16"], "quickstart in Metal", () => {
  const cases = ([8, 32] as const).flatMap((lanes) => SAMPLES.map((s) => [lanes, label(s), s] as const));
  it.each(cases)("%i lanes: %s", (lanes, _, sample) => {
    const made = compileSample(sample, metal(lanes));
    const trial = trialOf(made);
    const text = made.files.find((f) => f.name.endsWith(".metal"))!.text;
    expect(checkMetal(text)).toEqual([]);
    const { errors, words } = execute(made, trial, (kernel, buffers) => {
      const threads = [kernel.lanes * kernel.warps, 1, 1] as const;
      return runMetal({
        text,
        kernel: kernel.name,
        grid: kernel.grid,
        threads,
        lanes,
        buffers,
        schedule: "random",
        seed: 5,
      });
    });
    expect(errors).toEqual([]);
    expect(wrongCodes(made, trial, words("xq.q"))).toEqual([]);
    expect(errorOverBound(made, trial, words("y")!)).toBeLessThanOrEqual(1);
  });
});
