/** The quickstart operators as Metal text: address spaces checked, then executed on the processor against the oracle. */
import { expect, it } from "vitest";
import { bindingsOf, hostTensors } from "../../backends/hosts/tensors.ts";
import { metal } from "../../backends/metal.ts";
import { bytesOfWords, wordsOfBytes } from "../../ir/pack.ts";
import { checkMetal, runMetal } from "../exec/metal.ts";
import { describeWith } from "../tools.ts";
import { compileSample, errorOverBound, label, SAMPLES, trialOf, wrongCodes } from "./support.ts";

describeWith(["clang-16"], "quickstart in Metal", () => {
  const cases = ([8, 32] as const).flatMap((lanes) => SAMPLES.map((s) => [lanes, label(s), s] as const));
  it.each(cases)("%i lanes: %s", (lanes, _, sample) => {
    const made = compileSample(sample, metal(lanes));
    const trial = trialOf(made);
    const text = made.files.find((f) => f.name.endsWith(".metal"))!.text;
    expect(checkMetal(text)).toEqual([]);
    const memory = new Map<string, Uint8Array>();
    for (const t of hostTensors({ name: made.name, program: made.program, kernels: made.kernels })) {
      const words = trial.words[t.id];
      memory.set(t.id, words === undefined ? new Uint8Array(t.bytes) : bytesOfWords(words).slice(0, t.bytes));
    }
    for (const kernel of made.kernels) {
      const buffers = bindingsOf(kernel).map((b) => ({
        name: b.id,
        type: b.type,
        data: memory.get(b.tensor!)!,
        access: b.access === "readWrite" ? ("read_write" as const) : b.access,
      }));
      const run = runMetal({
        text,
        kernel: kernel.name,
        grid: kernel.grid,
        threads: [kernel.lanes * kernel.warps, 1, 1],
        lanes,
        buffers,
        schedule: "random",
        seed: 5,
      });
      expect(run.errors).toEqual([]);
      for (const b of bindingsOf(kernel)) {
        const data = run.outputs[b.id];
        if (data !== undefined) memory.set(b.tensor!, data);
      }
    }
    const wordsIn = (id: string): Uint32Array | undefined =>
      memory.has(id) ? wordsOfBytes(memory.get(id)!) : undefined;
    expect(wrongCodes(made, trial, wordsIn("xq.q"))).toEqual([]);
    expect(errorOverBound(made, trial, wordsIn("y")!)).toBeLessThanOrEqual(1);
  });
});
