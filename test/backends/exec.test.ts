/** Metal and CUDA text on the processor: right numbers, no race, no wild access, at several SIMD-group widths. */
import { describe, expect, it } from "vitest";
import { findTarget, printKernel } from "../../backends/index.ts";
import { byteLength } from "../../backends/memory.ts";
import { metal } from "../../backends/metal.ts";
import type { Backend } from "../../backends/syntax.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { runCuda } from "../exec/cuda.ts";
import type { KernelLaunch, KernelRun } from "../exec/launch.ts";
import { type BufferArgument, checkMetal, runMetal } from "../exec/metal.ts";
import { KernelBuilder } from "../ir/kernels.ts";
import { describeWith } from "../tools.ts";
import { type Case, cases } from "./kernels.ts";
import { expectOutputs, prepare } from "./prepare.ts";
import { exactRoundQuotient, hardQuotients, slopped } from "./quotients.ts";
import { randomExpressions } from "./random.ts";

const ACCESS = { read: "read", write: "write", readWrite: "read_write" } as const;

function launchOf(kernel: Kernel, text: string, inputs: Case["inputs"]): KernelLaunch {
  const buffers = kernel.buffers
    .filter((b) => b.space === "global")
    .map((b): BufferArgument => {
      const given = inputs[b.id];
      const data = given === undefined ? new Uint8Array(byteLength(b)) : new Uint8Array(given.buffer.slice(0));
      return { name: b.id, type: b.type, data, access: ACCESS[b.access] };
    });
  const threads = [kernel.lanes * kernel.warps, 1, 1] as const;
  return { text, kernel: kernel.name, grid: kernel.grid, threads, buffers };
}

function wordsOf(run: KernelRun): Record<string, Uint32Array> {
  const padded = (bytes: Uint8Array): Uint32Array => {
    const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    whole.set(bytes);
    return new Uint32Array(whole.buffer);
  };
  return Object.fromEntries(Object.entries(run.outputs).map(([id, bytes]) => [id, padded(bytes)]));
}

function check(given: Case, target: Backend, run: (launch: KernelLaunch) => KernelRun): void {
  const kernel = prepare(given.kernel, target);
  const launch = launchOf(kernel, printKernel(kernel, target).text, given.inputs);
  for (const schedule of ["forward", "random"] as const) {
    const result = run({ ...launch, schedule, seed: 5 });
    expect(result.errors, schedule).toEqual([]);
    expectOutputs(given.kernel, given, wordsOf(result));
  }
}

describeWith(["clang-16"], "on the processor", () => {
  describe.each([8, 32] as const)("Metal, SIMD-groups of %i", (lanes) => {
    const target = metal(lanes);
    for (const given of cases(target)) {
      it(`runs ${given.kernel.name}`, () => {
        const { text } = printKernel(prepare(given.kernel, target), target);
        expect(checkMetal(text)).toEqual([]);
        check(given, target, (launch) => runMetal({ ...launch, lanes }));
      });
    }
  });

  it.each([-3, 0, 3])("quotients round exactly with a division that is %i half ulps off", (off) => {
    const pairs = hardQuotients(8192, 13);
    const b = new KernelBuilder({ name: "quotients", lanes: 32, warps: 4, grid: [pairs.length / 128, 1, 1] });
    for (const id of ["x", "y"]) b.input(id, "f32", pairs.length);
    b.output("z", "f32", pairs.length);
    const at = b.at(b.thread(), [b.group(), 128]);
    b.write("z", at, b.op("roundQuotient", b.read("x", at), b.read("y", at)));
    const made = b.done();
    const kernel = { ...made, buffers: made.buffers.map((x) => ({ ...x, tensor: x.id })) };
    const inputs = {
      x: new Uint32Array(Float32Array.from(pairs, ([p]) => p).buffer),
      y: new Uint32Array(Float32Array.from(pairs, ([, q]) => q).buffer),
    };
    const values = pairs.map(([p, q]) => exactRoundQuotient(p, q));
    const given: Case = { kernel, inputs, outputs: { z: { values, tolerance: 0 } } };
    const loose = (launch: KernelLaunch): KernelLaunch => {
      expect(launch.text).toContain("(a / b)");
      return { ...launch, text: launch.text.replace("(a / b)", `(${slopped("a / b", off)})`) };
    };
    check(given, metal(32), (launch) => runMetal({ ...loose(launch), lanes: 32 }));
    check(given, findTarget("cuda.sm80")!, (launch) => runCuda(loose(launch)));
  });

  it("Metal computes random expressions", () => {
    const target = metal(32);
    for (let seed = 1; seed <= 2; seed++)
      check(randomExpressions(32, 40, seed), target, (launch) => runMetal({ ...launch, lanes: 32 }));
  });

  it("CUDA computes random expressions", () => {
    for (let seed = 5; seed <= 6; seed++) check(randomExpressions(32, 40, seed), findTarget("cuda.sm80")!, runCuda);
  });

  describe("CUDA", () => {
    const target = findTarget("cuda.sm80")!;
    // Rows and cp.async are PTX, which only a GPU runs.
    for (const given of cases(target).filter((c) => !["binary_matrix", "pipelined"].includes(c.kernel.name)))
      it(`runs ${given.kernel.name}`, () => check(given, target, runCuda));
  });
});
