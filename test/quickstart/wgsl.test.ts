/** The quickstart operators as WGSL, run by Dawn on SwiftShader, against the oracle within the stated bound. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { planWebGpu, runWebGpu, type WebGpuPlan } from "../../backends/hosts/webgpu.ts";
import { describeWith } from "../tools.ts";
import { type OpenDevice, openDevice } from "../webgpu.ts";
import { compileSample, errorOverBound, label, SAMPLES, trialOf, wrongCodes } from "./support.ts";

/** The same run, with what passes between kernels read back too. */
function withWorkspace(plan: WebGpuPlan): WebGpuPlan {
  return { ...plan, tensors: plan.tensors.map((t) => (t.role === "workspace" ? { ...t, role: "output" } : t)) };
}

describeWith(["swiftshader", "vulkan"], "quickstart in WGSL", () => {
  let open: OpenDevice;
  beforeAll(async () => {
    open = await openDevice();
  });
  afterAll(() => open.close());

  const cases = ["wgsl.p0", "wgsl.p2"].flatMap((target) => SAMPLES.map((s) => [target, label(s), s] as const));
  it.each(cases)("%s: %s", async (target, _, sample) => {
    const made = compileSample(sample, target);
    const trial = trialOf(made);
    const plan = planWebGpu({ name: made.name, program: made.program, kernels: made.kernels }, made.target);
    const results = await runWebGpu(open.device, withWorkspace(plan), trial.words);
    expect(wrongCodes(made, trial, results["xq.q"])).toEqual([]);
    expect(errorOverBound(made, trial, results.y!)).toBeLessThanOrEqual(1);
  });
});
