/** CUDA text on the processor: values against their definitions, and kernels with one fault each. */
import { expect, it } from "vitest";
import { describeWith } from "../tools.ts";
import { type BufferArgument, type CudaLaunch, type KernelRun, runCuda, type Schedule } from "./cuda.ts";

const SCHEDULES: readonly Schedule[] = ["forward", "reverse", "random"];
const HEAD = "#include <cuda_fp16.h>\n#include <cstdint>\n";
const buffer = (
  name: string,
  type: BufferArgument["type"],
  data: ArrayBufferView,
  access: BufferArgument["access"] = "read",
): BufferArgument => ({
  name,
  type,
  data: new Uint8Array(data.buffer.slice(0)),
  access,
});
const words = (run: KernelRun, name: string): readonly number[] => [
  ...new Int32Array((run.outputs[name] as Uint8Array).buffer),
];
const floats = (run: KernelRun, name: string): readonly number[] => [
  ...new Float32Array((run.outputs[name] as Uint8Array).buffer),
];
const found = (run: KernelRun): readonly string[] => run.errors.map((e) => `${e.kind}:${e.line}`);

/** Runs a body over `int* y` with one result a thread. */
function runBody(body: string, options: Partial<CudaLaunch> & { count?: number } = {}): KernelRun {
  const count = options.count ?? 32;
  const y = buffer("y", "i32", new Int32Array(count), "write");
  return runCuda({
    text: `${HEAD}__global__ void f(int* y) {\n${body}\n}`,
    kernel: "f",
    grid: [1, 1, 1],
    threads: [count, 1, 1],
    buffers: [y],
    ...options,
  });
}

describeWith(["clang-16"], "runCuda", () => {
  it("computes an int8 by int4 product with vector loads, dp4a and shuffles", () => {
    const text = `${HEAD}
__device__ __forceinline__ int spread(uint32_t codes) { return __byte_perm(codes & 0x0f0f0f0fu, 0, 0x3210) - 0x08080808; }
extern "C" __global__ void __launch_bounds__(64) gemv(const uint4* __restrict__ w, const int* __restrict__ x,
    const half* __restrict__ scale, float* __restrict__ y, int n, int k) {
  __shared__ __align__(16) int staged[64];
  for (int i = threadIdx.x; i < k / 4; i += blockDim.x) staged[i] = __ldg(x + i);
  __syncthreads();
  const int row = blockIdx.x * 2 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= n) return;
  int sum = 0;
  for (int g = lane; g < k / 32; g += 32) {
    const uint4 q = __ldcs(w + row * (k / 32) + g);
    const uint32_t codes[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      for (int b = 0; b < 2; b++) {
        const uint32_t nibbles = (codes[i] >> (4 * b)) & 0x0f0f0f0fu;
        sum = __dp4a(static_cast<int>(nibbles), staged[8 * g + 2 * i + b], sum);
      }
    }
  }
  for (int step = 16; step > 0; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (lane == 0) y[row] = static_cast<float>(sum) * __half2float(scale[row]);
}`;
    const [n, k] = [3, 256];
    const w = new Uint32Array((n * k) / 8).map((_, i) => Math.imul(i + 3, 0x85ebca6b));
    const x = new Int8Array(k).map((_, i) => ((i * 37) % 255) - 127);
    // Halves 0.5, 1 and 2.
    const scale = Uint16Array.of(0x3800, 0x3c00, 0x4000);
    const expected = [0.5, 1, 2].map((s, row) => {
      let sum = 0;
      for (let word = 0; word < k / 8; word++)
        for (let nibble = 0; nibble < 8; nibble++) {
          const code = ((w[(row * k) / 8 + word] as number) >>> (4 * nibble)) & 15;
          // Even nibbles meet the first four values of the eight, odd ones the last four.
          sum += code * (x[8 * word + (nibble & 1) * 4 + (nibble >> 1)] as number);
        }
      return sum * s;
    });
    const buffers = [
      buffer("w", "u32", w),
      buffer("x", "i8", x),
      buffer("scale", "f16", scale),
      buffer("y", "f32", new Float32Array(n), "write"),
      buffer("n", "i32", Int32Array.of(n)),
      buffer("k", "i32", Int32Array.of(k)),
    ];
    for (const schedule of SCHEDULES) {
      const run = runCuda({ text, kernel: "gemv", grid: [2, 1, 1], threads: [64, 1, 1], buffers, schedule });
      expect(run.errors).toEqual([]);
      expect(floats(run, "y")).toEqual(expected);
    }
  });

  it("reports a missing __syncthreads and a missing __syncwarp", () => {
    const body = (between: string, other: string): string => `  __shared__ int t[64];
  t[threadIdx.x] = threadIdx.x;
  ${between}
  y[threadIdx.x] = t[threadIdx.x ^ ${other}];`;
    for (const schedule of SCHEDULES) {
      const options = { count: 64, schedule };
      expect(found(runBody(body("__syncthreads();", "32"), options))).toEqual([]);
      expect(found(runBody(body("__syncwarp();", "1"), options))).toEqual([]);
      expect(runBody(body("", "1"), options).errors.map((e) => e.kind)).toContain("race");
      expect(runBody(body("__syncwarp();", "32"), options).errors.map((e) => e.kind)).toContain("race");
    }
  });

  it("lets a barrier pass when the other threads have returned, as Volta and later do", () => {
    expect(
      found(runBody("  y[threadIdx.x] = 1;\n  if (threadIdx.x >= 32) return;\n  __syncthreads();", { count: 64 })),
    ).toEqual([]);
    expect(
      found(
        runBody("  y[threadIdx.x] = 1;\n  if (threadIdx.x >= 32) __syncthreads();\n  else __syncthreads();", {
          count: 64,
        }),
      ),
    ).toEqual(["divergence:6"]);
  });

  it("keeps apart the lanes that different masks name", () => {
    const run = runBody(
      "  const int lane = threadIdx.x;\n  if (lane < 16) y[lane] = __shfl_xor_sync(0x0000ffffu, lane, 8);\n  else y[lane] = __shfl_xor_sync(0xffff0000u, lane, 1);",
    );
    expect(run.errors).toEqual([]);
    expect(words(run, "y")).toEqual(Array.from({ length: 32 }, (_, i) => (i < 16 ? i ^ 8 : i ^ 1)));
    expect(
      found(runBody("  if (threadIdx.x < 16) y[0] = __shfl_xor_sync(0xffffffffu, 1, 8);\n  __syncwarp();")),
    ).toEqual(["divergence:4"]);
  });

  it("follows the segments of narrow shuffles", () => {
    const lanes = Array.from({ length: 32 }, (_, i) => i);
    const shuffle = (call: string): readonly number[] =>
      words(runBody(`  const int lane = threadIdx.x;\n  y[lane] = ${call};`), "y");
    expect(shuffle("__shfl_sync(0xffffffffu, lane, 9, 8)")).toEqual(lanes.map((i) => (i & ~7) + 1));
    expect(shuffle("__shfl_down_sync(0xffffffffu, lane, 3, 8)")).toEqual(
      lanes.map((i) => ((i & 7) + 3 < 8 ? i + 3 : i)),
    );
    expect(shuffle("__shfl_up_sync(0xffffffffu, lane, 3, 8)")).toEqual(lanes.map((i) => ((i & 7) >= 3 ? i - 3 : i)));
    expect(shuffle("__shfl_xor_sync(0xffffffffu, lane, 12, 8)")).toEqual(
      lanes.map((i) => ((i ^ 12) >= (i & ~7) + 8 ? i : i ^ 12)),
    );
  });

  it("agrees with the definitions of the intrinsics", () => {
    const calls: readonly (readonly [string, number])[] = [
      ["__ballot_sync(0xffffffffu, threadIdx.x & 1)", 0xaaaaaaaa | 0],
      ["__reduce_add_sync(0xffffffffu, (int)threadIdx.x)", 496],
      ["__popc(0xf0f0u)", 8],
      ["__clz(1)", 31],
      ["__brev(1u)", 0x80000000 | 0],
      ["__byte_perm(0x33221180u, 0x77665544u, 0x8714)", 0xff771144 | 0],
      ["__funnelshift_r(0x11223344u, 0xaabbccddu, 8)", 0xdd112233 | 0],
      ["__dp4a((int)0xff02ff04, 0x01020304, 10)", -1 + 4 - 3 + 16 + 10],
      ["__dp4a(0xff02ff04u, 0x01020304u, 10u)", 255 + 4 + 765 + 16 + 10],
      ["__float2int_rn(2.5f)", 2],
      ["__float2int_rn(3e9f)", 2147483647],
      ["__half_as_ushort(__float2half_rn(2049.0f))", 0x6800],
      ["__half_as_ushort(__hadd(__float2half_rn(2048.0f), __float2half_rn(1.0f)))", 0x6800],
      ["(int)(__low2float(__floats2half2_rn(1.0f, 2.0f)) + 4.0f * __high2float(__floats2half2_rn(1.0f, 2.0f)))", 9],
      ["min(3, 5) + max(2u, 7u)", 10],
    ];
    const run = runBody(
      calls.map(([call], i) => `  { const int v = (int)(${call}); if (threadIdx.x == ${i}) y[${i}] = v; }`).join("\n"),
    );
    expect(run.errors).toEqual([]);
    expect(words(run, "y").slice(0, calls.length)).toEqual(calls.map(([, value]) => value));
  });

  it("gives extern shared memory its size and no more", () => {
    const body = "  extern __shared__ int t[];\n  t[threadIdx.x] = 1;\n  y[threadIdx.x] = t[threadIdx.x];";
    expect(found(runBody(body, { dynamicSharedBytes: 128 }))).toEqual([]);
    expect(found(runBody(body, { dynamicSharedBytes: 124 }))).toEqual(["bounds:5"]);
  });

  it("reports a misaligned and an overlong vector load", () => {
    const text = (index: string): string => `${HEAD}__global__ void f(const uint32_t* x, uint32_t* y) {
  const uint4 v = *reinterpret_cast<const uint4*>(x + ${index});
  y[threadIdx.x] = v.x ^ v.w;
}`;
    const run = (index: string): KernelRun =>
      runCuda({
        text: text(index),
        kernel: "f",
        grid: [1, 1, 1],
        threads: [4, 1, 1],
        buffers: [buffer("x", "u32", new Uint32Array(16)), buffer("y", "u32", new Uint32Array(4), "write")],
      });
    expect(found(run("4 * threadIdx.x"))).toEqual([]);
    expect(found(run("4 * threadIdx.x + 4"))).toEqual(["bounds:4"]);
    expect(found(run("2 * threadIdx.x"))).toEqual(["bounds:4"]);
  });

  it("says what it cannot run", () => {
    expect(() => runBody('  asm volatile("bar.sync 0;");')).toThrow(/PTX/);
    expect(() => runBody("  g<<<1, 1>>>();")).toThrow(/host code/);
  });
});
