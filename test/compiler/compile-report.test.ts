/** The compile report against counts made by hand: bytes, operations and the floor that they give on an H100. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/driver.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";

const [M, N, K] = [16, 4096, 4096];
const text = readFileSync(new URL("../../examples/quickstart.loom", import.meta.url), "utf8");

function reportOf(op: string, target = "cuda.sm90a") {
  const diagnostics = new Diagnostics();
  const compiled = compile({ sources: [{ name: "q.loom", text }], op, sizes: { M, N, K }, target }, diagnostics);
  return compiled?.report ?? internal(JSON.stringify(diagnostics.list));
}

describe("compile report", () => {
  it.each([
    ["linear_w4a16", (N * K) / 2 + (N * K * 2) / 128],
    ["linear_nf4", (N * K) / 2 + (N * K * 4) / 64],
    ["linear_w2a8", (N * K) / 4 + N * 4],
  ])("%s reads its operands and writes its result once", (op, weightBytes) => {
    const { bytes } = reportOf(op);
    expect([bytes.read, bytes.written]).toEqual([M * K * 2 + weightBytes, M * N * 2]);
  });

  it.each([
    ["linear_w4a16", "multiply-add", 1],
    ["linear_nf4", "multiply-add", 1],
    ["linear_w2a8", "one-bit multiply-add", 2 * 8],
  ])("%s counts %ss", (op, unit, planes) => {
    expect(reportOf(op).operations).toEqual({ multiplyAdds: M * N * K, unit, count: M * N * K * planes });
  });

  it("floors the time by the slower of memory and arithmetic, at the rates of the GPU's model", () => {
    const { expected, bytes } = reportOf("linear_w2a8");
    const gpu = hardwareNamed(expected.model);
    const bandwidth = gpu?.kind === "gpu" ? (gpu.measuredReadBytesPerSecond ?? gpu.memoryBytesPerSecond) : 0;
    expect(expected.memoryMicroseconds).toBeCloseTo(((bytes.read + bytes.written) / bandwidth) * 1e6, 9);
    expect(expected.floorMicroseconds).toBe(
      Math.max(expected.memoryMicroseconds ?? 0, expected.computeMicroseconds ?? 0),
    );
    expect(expected.limiter).toBe("memory");
  });

  it("gives every launch its grid, and every choice a reason", () => {
    const { launches, schedule } = reportOf("linear_w2a8");
    expect(launches.length).toBe(2);
    for (const { grid, threads } of launches) {
      expect(Math.min(...grid)).toBeGreaterThan(0);
      expect(threads % 32).toBe(0);
    }
    expect(schedule.reasons.length).toBeGreaterThan(0);
  });

  it("promises exact sums of codes, and a bound that grows with the number of terms otherwise", () => {
    expect(reportOf("linear_w2a8").accumulator).toMatchObject({ type: "i32", exactSum: true, terms: K });
    const { accumulator } = reportOf("linear_w4a16", "wgsl.p0");
    expect(accumulator).toMatchObject({ type: "f32", exactSum: false, terms: K });
    // One f32 rounding at the least, and no more than a sum in sequence would have (Higham, 2002, section 4.2).
    expect(accumulator.bound.relativeToMagnitude).toBeGreaterThan(2 ** -24);
    expect(accumulator.bound.relativeToMagnitude).toBeLessThan(K * 2 ** -24);
  });
});
