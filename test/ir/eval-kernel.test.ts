/** The kernel evaluator: statements, masks, exchanges, barriers and races, against sums written out in the test. */
import { describe, expect, it } from "vitest";
import { bufferOf, emptyBuffer, evalKernel, evalKernelModes } from "../../ir/eval-kernel.ts";
import { gemv, sharedSum } from "./kernels.ts";

const f = Math.fround;

/** Small multiples of 1/8, so that products round in f32 only through long sums. */
function noise(length: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return f(((state >>> 8) / 2 ** 24) * 2 - 1);
  });
}

/** One lane after the other, then the ladder, in f32. */
function gemvByHand(w: readonly number[], x: readonly number[], rows: number, columns: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let parts = Array.from({ length: 32 }, (_, lane) => {
      let acc = 0;
      for (let k = lane; k < columns; k += 32) {
        // The product of two f32 is exact in f64; adding in f64 first rounds twice, which these values do not show.
        acc = f(w[row * columns + k]! * x[k]! + acc);
      }
      return acc;
    });
    for (const mask of [16, 8, 4, 2, 1]) parts = parts.map((v, lane) => f(v + parts[lane ^ mask]!));
    return parts[0]!;
  });
}

describe("statements and exchanges", () => {
  it("computes a GEMV as lanes would, with a ragged end", () => {
    const [rows, columns] = [8, 100];
    const w = noise(rows * columns, 1);
    const x = noise(columns, 2);
    const buffers = new Map([
      ["w", bufferOf("f32", w)],
      ["x", bufferOf("f32", x)],
      ["y", emptyBuffer("f32", rows)],
    ]);
    expect(evalKernelModes(gemv(rows, columns, 4), buffers).errors).toEqual([]);
    expect([...buffers.get("y")!.data]).toEqual(gemvByHand(w, x, rows, columns));
  });

  it("sums through shared memory with barriers", () => {
    const x = Array.from({ length: 256 }, (_, i) => i * 77 + 1);
    const buffers = new Map([
      ["x", bufferOf("u32", x)],
      ["y", emptyBuffer("u32", 2)],
    ]);
    expect(evalKernelModes(sharedSum(32, 4, true), buffers).errors).toEqual([]);
    const sum = (from: number): number => x.slice(from, from + 128).reduce((a, b) => a + b, 0);
    expect([...buffers.get("y")!.data]).toEqual([sum(0), sum(128)]);
  });

  it("reports the race when the barriers are gone", () => {
    const buffers = new Map([
      ["x", emptyBuffer("u32", 256)],
      ["y", emptyBuffer("u32", 2)],
    ]);
    const { errors } = evalKernel(sharedSum(32, 4, false), buffers, { order: "highest" });
    expect(errors[0]).toMatch(/part\[\d+\].*a race/);
    expect(errors[0]).toContain("body[1] (write part)");
  });
});
