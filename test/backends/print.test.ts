/** Printed kernels: golden texts a target, kept meaning up to the printer, and the shape of the text. */
import { describe, expect, it } from "vitest";
import { findTarget, printKernel, TARGETS } from "../../backends/index.ts";
import type { Backend } from "../../backends/syntax.ts";
import { bufferFromWords, bufferToWords, evalKernelModes, type KernelBuffer } from "../../ir/eval/kernel.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { wordsOf } from "../../ir/storage.ts";
import { type Case, cases } from "./kernels.ts";
import { expectOutputs, prepare } from "./prepare.ts";

/** Targets whose texts differ from one another. */
const GOLDEN = ["cuda.sm80", "cuda.sm90a", "wgsl.p0", "wgsl.p2", "wgsl.p3", "metal.3"];

const target = (name: string): Backend => {
  const found = findTarget(name);
  if (found === undefined) throw new Error(`no target ${name}`);
  return found;
};

function evaluate(kernel: Kernel, inputs: Case["inputs"]): Record<string, Uint32Array> {
  const buffers = new Map<string, KernelBuffer>();
  for (const b of kernel.buffers)
    if (b.space === "global")
      buffers.set(b.id, bufferFromWords(b.type, inputs[b.id] ?? new Uint32Array(wordsOf(b)), b.length));
  const { errors } = evalKernelModes(kernel, buffers);
  expect(errors).toEqual([]);
  return Object.fromEntries([...buffers].map(([id, buffer]) => [id, bufferToWords(buffer)]));
}

describe.each(GOLDEN)("%s", (name) => {
  const backend = target(name);
  for (const given of cases(backend)) {
    const { name: kernelName } = given.kernel;

    it(`prints ${kernelName}`, async () => {
      const kernel = prepare(given.kernel, backend);
      const { text, lines } = printKernel(kernel, backend);
      expect(lines).toHaveLength(text.split("\n").length - 1);
      await expect(text).toMatchFileSnapshot(`expected/${kernelName}.${name}${backend.syntax.extension}`);
    });

    it(`computes ${kernelName} before and after legalisation`, () => {
      const before = evaluate(given.kernel, given.inputs);
      const kernel = prepare(given.kernel, backend);
      const after = evaluate(kernel, given.inputs);
      expectOutputs(given.kernel, given, before);
      // The ladder's order is kept, so even floats have the same bits.
      for (const id of Object.keys(given.outputs)) expect(after[id], id).toEqual(before[id]);
    });
  }
});

describe("every target", () => {
  it.each(TARGETS.map((t) => t.name))("%s prints all kernels without leaving its language", (name) => {
    const backend = target(name);
    for (const { kernel } of cases(backend)) {
      const { text } = printKernel(prepare(kernel, backend), backend);
      expect(text).not.toMatch(/undefined|NaN|\[object|\$\d/);
    }
  });

  it("is found by its name and by its aliases", () => {
    for (const { name } of TARGETS) expect(findTarget(name)?.name).toBe(name);
    expect(findTarget("cuda.sm90")?.name).toBe("cuda.sm90a");
    expect(findTarget("cuda.sm75")).toBeUndefined();
  });

  it("has b1 rows natively up to sm_90 and offers s8 beyond", () => {
    const b1 = (name: string) => target(name).rows.find((r) => r.row === "mma.m16n8k256.b1");
    for (const name of ["cuda.sm80", "cuda.sm86", "cuda.sm89", "cuda.sm90a"])
      expect(b1(name)?.support, name).toBe("native");
    for (const name of ["cuda.sm100a", "cuda.sm120a"])
      expect(b1(name)).toEqual({ row: "mma.m16n8k256.b1", support: "emulated", instead: "mma.m16n8k32.s8" });
  });
});
