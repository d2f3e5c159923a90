/** Every barrier that Metal text is printed with is needed: without it the race detector finds something. */
import { expect, it } from "vitest";
import { printKernel } from "../../backends/index.ts";
import { byteLength } from "../../backends/memory.ts";
import { metal } from "../../backends/metal.ts";
import { reductions } from "../backends/kernels.ts";
import { prepare } from "../backends/prepare.ts";
import { describeWith } from "../tools.ts";
import { type BufferArgument, type KernelRun, runMetal } from "./metal.ts";

const LANES = 8;

describeWith(["clang-16"], "barriers of printed Metal text", () => {
  const target = metal(LANES);
  const given = reductions(target);
  const kernel = prepare(given.kernel, target);
  const { text } = printKernel(kernel, target);
  const buffers = kernel.buffers
    .filter((b) => b.space === "global")
    .map((b): BufferArgument => {
      const words = given.inputs[b.id];
      const data = words === undefined ? new Uint8Array(byteLength(b)) : new Uint8Array(words.buffer.slice(0));
      return { name: b.id, type: b.type, data, access: b.access === "readWrite" ? "read_write" : b.access };
    });
  const threads = [kernel.lanes * kernel.warps, 1, 1] as const;
  const run = (altered: string): KernelRun =>
    runMetal({ text: altered, kernel: kernel.name, grid: kernel.grid, threads, lanes: LANES, buffers });
  const barriers = [...text.matchAll(/threadgroup_barrier\(.*?\);/g)];
  const without = (at: number, length: number): string =>
    text.slice(0, at) + " ".repeat(length) + text.slice(at + length);

  it("are enough", () => {
    expect(barriers.length).toBeGreaterThan(4);
    expect(run(text).errors).toEqual([]);
  });

  it("are needed, but for two that a barrier for an array of another type makes idle", () => {
    const idle = barriers.filter(({ index, 0: barrier }) => {
      const { errors } = run(without(index, barrier.length));
      return !errors.some((e) => e.kind === "race");
    });
    expect(idle.length).toBeLessThanOrEqual(2);
  });
});
