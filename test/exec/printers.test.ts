/** The texts that our printers emit, executed: right values, and no race, divergence or wild access under any schedule. */
import { expect, it } from "vitest";
import { findTarget, printKernel } from "../../backends/index.ts";
import { metal } from "../../backends/metal.ts";
import type { Backend } from "../../backends/syntax.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { type Case, cases } from "../backends/kernels.ts";
import { expectOutputs, prepare } from "../backends/prepare.ts";
import { describeWith } from "../tools.ts";
import { runCuda } from "./cuda.ts";
import { type BufferArgument, checkMetal, type KernelRun, runMetal, type Schedule } from "./metal.ts";

const SCHEDULES: readonly Schedule[] = ["forward", "reverse", "random"];

function buffersOf(kernel: Kernel, inputs: Case["inputs"]): readonly BufferArgument[] {
  return kernel.buffers
    .filter((b) => b.space === "global")
    .map(({ id, type, length, access }) => {
      const bytes = Math.ceil((bitsOf(type) * length) / 8);
      const words = inputs[id];
      const data =
        words === undefined ? new Uint8Array(bytes) : new Uint8Array(words.buffer.slice(0)).subarray(0, bytes);
      return { name: id, type, data, access: access === "readWrite" ? "read_write" : access };
    });
}

/** Outputs as words, the last one filled up with zeros. */
function wordsOf(run: KernelRun): Record<string, Uint32Array> {
  const padded = (data: Uint8Array): Uint32Array => {
    const bytes = new Uint8Array(Math.ceil(data.length / 4) * 4);
    bytes.set(data);
    return new Uint32Array(bytes.buffer);
  };
  return Object.fromEntries(Object.entries(run.outputs).map(([name, data]) => [name, padded(data)]));
}

function expectCase(given: Case, target: Backend, run: (kernel: Kernel, schedule: Schedule) => KernelRun): void {
  const kernel = prepare(given.kernel, target);
  for (const schedule of SCHEDULES) {
    const result = run(kernel, schedule);
    expect(result.errors, schedule).toEqual([]);
    expectOutputs(given.kernel, given, wordsOf(result));
  }
}

describeWith(["clang-16"], "Metal text", () => {
  const widths = [8, 32] as const;
  const table = widths.flatMap((lanes) => cases(metal(lanes)).map((c) => [c.kernel.name, lanes, c] as const));
  it.each(table)("%s at SIMD width %i", (_, lanes, given) => {
    const target = metal(lanes);
    const { text } = printKernel(prepare(given.kernel, target), target);
    expect(checkMetal(text)).toEqual([]);
    expectCase(given, target, (kernel, schedule) =>
      runMetal({
        text,
        kernel: kernel.name,
        grid: kernel.grid,
        threads: [kernel.lanes * kernel.warps, 1, 1],
        lanes,
        schedule,
        buffers: buffersOf(kernel, given.inputs),
      }),
    );
  });
});

describeWith(["clang-16"], "CUDA text", () => {
  const target = findTarget("cuda.sm80") as Backend;
  const plain = cases(target).filter((c) => !/\basm\b/.test(printKernel(prepare(c.kernel, target), target).text));
  it.each(plain.map((c) => [c.kernel.name, c] as const))("%s", (_, given) => {
    const { text } = printKernel(prepare(given.kernel, target), target);
    expectCase(given, target, (kernel, schedule) =>
      runCuda({
        text,
        kernel: kernel.name,
        grid: kernel.grid,
        threads: [kernel.lanes * kernel.warps, 1, 1],
        schedule,
        buffers: buffersOf(kernel, given.inputs),
      }),
    );
  });
});

describeWith(["clang-16"], "Barriers of printed Metal text", () => {
  it("are necessary, but for two that a barrier for an array of another type makes idle", () => {
    const target = metal(8);
    const given = cases(target).find((c) => c.kernel.name === "reductions") as Case;
    const kernel = prepare(given.kernel, target);
    const { text } = printKernel(kernel, target);
    const barriers = [...text.matchAll(/threadgroup_barrier\(.*?\);/g)];
    expect(barriers.length).toBeGreaterThan(4);
    const idle = barriers.filter(({ index, 0: { length } }) => {
      const run = runMetal({
        text: text.slice(0, index) + " ".repeat(length) + text.slice(index + length),
        kernel: kernel.name,
        grid: kernel.grid,
        threads: [kernel.lanes * kernel.warps, 1, 1],
        lanes: 8,
        buffers: buffersOf(kernel, given.inputs),
      });
      return !run.errors.some((e) => e.kind === "race");
    });
    expect(idle.length).toBeLessThanOrEqual(2);
  });
});
