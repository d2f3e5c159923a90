/** Every format decoded and multiplied by WGSL on SwiftShader, against a second reading of its bits. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import { describeWith } from "../tools.ts";
import { type OpenDevice, openDevice } from "../webgpu.ts";
import { caseOf, compileCase, FORMATS, mistakes, operandsOf } from "./compiled.ts";

describeWith(["swiftshader", "vulkan"], "formats in WGSL", () => {
  let open: OpenDevice;
  beforeAll(async () => {
    open = await openDevice();
  });
  afterAll(() => open.close());

  it.each([
    ["decode", "wgsl.p0"],
    ["linear", "wgsl.p2"],
  ] as const)("%s on %s as their bits say", { timeout: 300_000 }, async (kind, target) => {
    const found: string[] = [];
    for (const name of FORMATS) {
      const c = caseOf(name, kind);
      const made = compileCase(c, target);
      const operands = operandsOf(c, made.source);
      const plan = planWebGpu({ name, program: made.program, kernels: made.kernels }, made.target);
      const { y } = await runWebGpu(open.device, plan, operands.words);
      found.push(...mistakes(c, made, operands, y!));
    }
    expect(found).toEqual([]);
  });
});
