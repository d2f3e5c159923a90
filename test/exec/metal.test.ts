/** Metal text on the processor: values against oracles, the race detector against its definition, one fault a kernel. */
import { expect, it } from "vitest";
import { describeWith } from "../tools.ts";
import { type BufferArgument, checkMetal, type KernelRun, runMetal, type Schedule } from "./metal.ts";

const HEAD = "#include <metal_stdlib>\nusing namespace metal;\n";
const SCHEDULES: readonly Schedule[] = ["forward", "reverse", "random"];
const bytes = (a: Float32Array | Uint32Array | Int32Array | Uint16Array): Uint8Array =>
  new Uint8Array(a.buffer.slice(0));
const read = (name: string, a: Float32Array | Uint32Array | Uint16Array): BufferArgument => ({
  name,
  type: a instanceof Float32Array ? "f32" : a instanceof Uint32Array ? "u32" : "u16",
  data: bytes(a),
  access: "read",
});
const write = (name: string, count: number): BufferArgument => ({
  name,
  type: "f32",
  data: new Uint8Array(4 * count),
  access: "write",
});
const floats = (run: KernelRun, name: string): readonly number[] => [
  ...new Float32Array((run.outputs[name] as Uint8Array).buffer),
];

/** Runs a body of a kernel with x (f32, read), y (f32, write) and one threadgroup unless told otherwise. */
function runBody(
  body: string,
  options: {
    x?: readonly number[];
    y?: number;
    threads?: number;
    groups?: number;
    lanes?: number;
    schedule?: Schedule;
    before?: string;
  } = {},
): KernelRun {
  const text = `${HEAD}${options.before ?? ""}kernel void f(device const float* x [[buffer(0)]], device float* y [[buffer(1)]], uint group [[threadgroup_position_in_grid]],
  uint tid [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]], uint warp [[simdgroup_index_in_threadgroup]]) {
${body}
}`;
  const count = options.threads ?? 64;
  return runMetal({
    text,
    kernel: "f",
    grid: [options.groups ?? 1, 1, 1],
    threads: [count, 1, 1],
    lanes: options.lanes ?? 32,
    buffers: [read("x", Float32Array.from(options.x ?? new Array(count).fill(1))), write("y", options.y ?? count)],
    schedule: options.schedule ?? "forward",
  });
}
const found = (run: KernelRun): readonly string[] => run.errors.map((e) => `${e.kind}:${e.line}`);

/** One output row for each SIMD-group: 32-value groups, 8 signed nibbles a word, x staged in threadgroup memory. */
const GEMV = `${HEAD}
struct Shape { uint n; uint k; };
inline float dot8(uint codes, threadgroup const float* x) {
  float sum = 0.0f;
  for (uint i = 0; i < 8; i++) sum = fma(float(extract_bits(as_type<int>(codes), 4 * i, 4u)), x[i], sum);
  return sum;
}
kernel void gemv(device const uint4* w [[buffer(0)]], device const half* scale [[buffer(1)]],
    device const float4* x [[buffer(2)]], device float* y [[buffer(3)]], constant Shape& shape [[buffer(4)]],
    uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
    uint tid [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]],
    uint warp [[simdgroup_index_in_threadgroup]], uint lanes [[threads_per_simdgroup]], uint warps [[simdgroups_per_threadgroup]]) {
  threadgroup float staged[256];
  for (uint i = tid; i < shape.k / 4; i += size.x) *(threadgroup float4*)(staged + 4 * i) = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint row = group.x * warps + warp;
  if (row >= shape.n) return;
  float acc = 0.0f;
  for (uint g = lane; g < shape.k / 32; g += lanes) {
    const uint4 q = w[row * (shape.k / 32) + g];
    const float part = dot8(q.x, staged + 32 * g) + dot8(q.y, staged + 32 * g + 8) + dot8(q.z, staged + 32 * g + 16) + dot8(q.w, staged + 32 * g + 24);
    acc += part * float(scale[row * (shape.k / 32) + g]);
  }
  acc = simd_sum(acc);
  if (lane == 0) y[row] = acc;
}`;

describeWith(["clang-16"], "runMetal", () => {
  it.each([8, 32])("computes an int4 GEMV at SIMD width %i under every schedule", (lanes) => {
    const [n, k] = [7, 256];
    const codes = new Uint32Array((n * k) / 8).map((_, i) => Math.imul(i + 1, 0x9e3779b1));
    const x = new Float32Array(k).map((_, i) => Math.sin(i));
    // Halves 0.5, 1.0, 1.5 and 2.0.
    const halves = Uint16Array.from(
      { length: (n * k) / 32 },
      (_, i) => [0x3800, 0x3c00, 0x3e00, 0x4000][i % 4] as number,
    );
    const expected = Array.from({ length: n }, (_, row) => {
      let sum = 0;
      for (let i = 0; i < k; i++) {
        const word = codes[(row * k + i) >> 3] as number;
        const code = (word << (28 - 4 * (i & 7))) >> 28;
        sum += code * (0.5 + 0.5 * (((row * k + i) >> 5) % 4)) * (x[i] as number);
      }
      return sum;
    });
    expect(checkMetal(GEMV)).toEqual([]);
    for (const schedule of SCHEDULES) {
      const run = runMetal({
        text: GEMV,
        kernel: "gemv",
        grid: [2, 1, 1],
        threads: [4 * lanes, 1, 1],
        lanes,
        schedule,
        buffers: [
          read("w", codes),
          read("scale", halves),
          read("x", x),
          write("y", n),
          read("shape", Uint32Array.of(n, k)),
        ],
      });
      expect(run.errors).toEqual([]);
      const worst = floats(run, "y").map((y, row) => Math.abs(y - (expected[row] as number)));
      expect(worst.every((error) => error <= 1e-3)).toBe(true);
    }
  });

  const TREE = (barrier: string): string => `  threadgroup float tile[64];
  tile[tid] = x[group * 64 + tid];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint s = 32; s > 0; s >>= 1) {
    if (tid < s) tile[tid] += tile[tid + s];
    ${barrier}
  }
  if (tid == 0) y[group] = tile[0];`;
  const ramp = Array.from({ length: 128 }, (_, i) => i);

  it.each(SCHEDULES)("runs a tree reduction clean (%s)", (schedule) => {
    const run = runBody(TREE("threadgroup_barrier(mem_flags::mem_threadgroup);"), {
      x: ramp,
      y: 2,
      groups: 2,
      schedule,
    });
    expect(run.errors).toEqual([]);
    expect(floats(run, "y")).toEqual([2016, 6112]);
  });

  it.each(SCHEDULES)("reports a missing barrier, also where the numbers come out right (%s)", (schedule) => {
    const run = runBody(TREE(""), { x: ramp, y: 2, groups: 2, schedule });
    if (schedule === "reverse") expect(floats(run, "y")).toEqual([2016, 6112]);
    expect(found(run)).toContain("race:9");
  });

  it("takes a SIMD-group barrier as order within the SIMD-group and not beyond", () => {
    const body = (other: string): string => `  threadgroup float tile[64];
  tile[tid] = x[tid];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  y[tid] = tile[${other}];`;
    expect(found(runBody(body("tid ^ 1")))).toEqual([]);
    expect(found(runBody(body("tid ^ 32"), { schedule: "reverse" }))).toContain("race:8");
  });

  it("does not take a barrier without the memory's flag, nor a shuffle, for order", () => {
    const body = (between: string): string => `  threadgroup float tile[64];
  tile[tid] = x[tid];
  ${between}
  y[tid] = tile[tid ^ 1];`;
    expect(found(runBody(body("threadgroup_barrier(mem_flags::mem_none);")))).toContain("race:8");
    expect(found(runBody(body("float z = simd_sum(x[tid]); if (z < 0.0f) return;")))).toContain("race:8");
    expect(found(runBody(body("threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);")))).toEqual(
      [],
    );
  });

  it("reports a dropped barrier before memory is written again", () => {
    const body = (barrier: string): string => `  threadgroup float tile[64];
  float sum = 0.0f;
  for (uint i = 0; i < 3; i++) {
    tile[tid] = x[tid];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sum += tile[63 - tid];
    ${barrier}
  }
  y[tid] = sum;`;
    for (const schedule of SCHEDULES) {
      expect(found(runBody(body("threadgroup_barrier(mem_flags::mem_threadgroup);"), { schedule }))).toEqual([]);
      expect(found(runBody(body(""), { schedule }))).toContain("race:8");
    }
  });

  it("reports two threadgroups that write one word, unless both do it atomically", () => {
    expect(found(runBody("  if (tid == 0) y[0] = x[group];", { groups: 2, y: 1 }))).toEqual(["race:5"]);
    const text = `${HEAD}kernel void f(device atomic_uint* count [[buffer(0)]], uint tid [[thread_position_in_grid]]) {
  atomic_fetch_add_explicit(count, tid, memory_order_relaxed);
}`;
    const buffers: readonly BufferArgument[] = [
      { name: "count", type: "u32", data: new Uint8Array(4), access: "read_write" },
    ];
    const run = runMetal({ text, kernel: "f", grid: [4, 1, 1], threads: [32, 1, 1], lanes: 32, buffers });
    expect(run.errors).toEqual([]);
    expect(new Uint32Array((run.outputs.count as Uint8Array).buffer)[0]).toBe((127 * 128) / 2);
  });

  it("agrees with the definition of a data race on random programs", () => {
    // The kernel interprets its program: barriers for all, or one thread that touches one word in one of four ways.
    const text = `${HEAD}kernel void f(device const uint* ops [[buffer(0)]], device uint* y [[buffer(1)]], uint tid [[thread_index_in_threadgroup]]) {
  threadgroup uint words[2];
  if (tid < 2) words[tid] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint seen = 0;
  for (uint i = 0; i < 16; i++) {
    const uint kind = ops[3 * i], thread_ = ops[3 * i + 1], word = ops[3 * i + 2];
    if (kind == 0) threadgroup_barrier(mem_flags::mem_threadgroup);
    if (kind == 1) simdgroup_barrier(mem_flags::mem_threadgroup);
    if (kind == 2 && tid == thread_) seen += words[word];
    if (kind == 3 && tid == thread_) words[word] = i;
    if (kind == 4 && tid == thread_) atomic_fetch_add_explicit((threadgroup atomic_uint*)&words[word], 1u, memory_order_relaxed);
    if (kind == 5 && tid == thread_) seen += atomic_load_explicit((threadgroup atomic_uint*)&words[word], memory_order_relaxed);
  }
  y[tid] = seen;
}`;
    type Op = readonly [kind: number, thread: number, word: number];
    const racy = (ops: readonly Op[]): boolean => {
      const apart = (a: number, b: number): boolean =>
        ops
          .slice(a, b)
          .some(([kind]) => kind === 0 || (kind === 1 && (ops[a]?.[1] ?? 0) >> 2 === (ops[b]?.[1] ?? 0) >> 2));
      return ops.some(([kind, thread, word], b) =>
        ops.slice(0, b).some(([pastKind, pastThread, pastWord], a) => {
          const both = [pastKind, kind];
          if (both.some((k) => k < 2) || pastThread === thread || pastWord !== word) return false;
          const reads = both.every((k) => k === 2 || k === 5);
          return !reads && !both.every((k) => k > 3) && !apart(a, b);
        }),
      );
    };
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let races = 0;
    for (let trial = 0; trial < 180; trial++) {
      // Reads and updates outnumber plain writes, so that many programs are free of races; the third mix has threads of
      // both SIMD-groups read one word before a SIMD-group barrier, which the reads that are remembered must outlive.
      const kinds = [
        [0, 0, 1, 1, 2, 2, 3],
        [0, 1, 1, 2, 4, 4, 4, 5],
        [3, 0, 0, 0, 1],
      ][trial % 3] as number[];
      const start = trial % 3 === 2 ? [2, 2, 2, 1, 3] : [];
      const ops: readonly Op[] = Array.from({ length: 16 }, (_, i) => [
        start[i] ?? (kinds[random(kinds.length)] as number),
        random(8),
        i < start.length ? 0 : random(2),
      ]);
      const buffers: readonly BufferArgument[] = [
        read("ops", Uint32Array.from(ops.flat())),
        { ...write("y", 8), type: "u32" },
      ];
      const schedule = SCHEDULES[random(3)] as Schedule;
      const run = runMetal({
        text,
        kernel: "f",
        grid: [1, 1, 1],
        threads: [8, 1, 1],
        lanes: 4,
        buffers,
        schedule,
        seed: trial,
      });
      if (racy(ops)) races++;
      expect(
        run.errors.some((e) => e.kind === "race"),
        JSON.stringify(ops),
      ).toBe(racy(ops));
      expect(run.errors.every((e) => e.kind === "race")).toBe(true);
    }
    expect(races).toBeGreaterThan(30);
    expect(races).toBeLessThan(150);
  });

  it("reports accesses outside a buffer with their line, on both sides", () => {
    const over = runBody("  float v = tid < 8 ? x[0] : 0.0f;\n  y[tid] = x[tid + 1] + v;");
    expect(found(over)).toEqual(["bounds:6"]);
    expect(over.errors[0]?.message).toContain("bytes 256..260 of x (element 64), which has 256 bytes");
    expect(over.complete).toBe(false);
    expect(found(runBody("  y[tid] = x[int(tid) - 1];"))).toEqual(["bounds:5"]);
    expect(found(runBody("  y[tid + 4000000000u] = x[tid];"))).toEqual(["bounds:5"]);
    expect(
      found(runBody("  float4 v = ((device const float4*)x)[tid];\n  y[tid] = v.x + v.w;", { threads: 64 })),
    ).toEqual(["bounds:5"]);
  });

  it("reports accesses outside threadgroup, private and constant arrays", () => {
    expect(found(runBody("  threadgroup float t[64];\n  t[tid + 1] = x[tid];\n  y[tid] = 0.0f;"))).toEqual([
      "bounds:6",
    ]);
    expect(found(runBody("  float t[4];\n  for (uint i = 0; i < 4; i++) t[i] = x[i];\n  y[tid] = t[tid];"))).toEqual([
      "bounds:7",
    ]);
    expect(
      found(runBody("  y[tid] = table[tid];", { before: "constant float table[4] = {1.0f, 2.0f, 3.0f, 4.0f}; " })),
    ).toEqual(["bounds:5"]);
  });

  it("reports a misaligned vector load", () => {
    expect(found(runBody("  y[tid] = ((device const float4*)(x + 1))[0].y;"))).toEqual(["bounds:5"]);
    expect(found(runBody("  float4 v = *(device const float4*)(x + 2);\n  y[tid] = v.x;"))).toEqual(["bounds:5"]);
  });

  it("reports a write to a read-only buffer that a cast let through", () => {
    expect(found(runBody("  ((device float*)x)[tid] = 1.0f;\n  y[tid] = 0.0f;"))).toEqual(["bounds:5"]);
  });

  it("reports reads of memory that nobody wrote", () => {
    const run = runBody(
      "  threadgroup float t[64];\n  if (tid != 5) t[tid] = x[tid];\n  threadgroup_barrier(mem_flags::mem_threadgroup);\n  y[tid] = t[tid];",
    );
    expect(found(run)).toEqual(["uninitialised:8"]);
    expect(Number.isNaN(floats(run, "y")[5])).toBe(true);
    expect(found(runBody("  y[tid] += x[tid];"))).toEqual(["uninitialised:5"]);
  });

  it("starts each threadgroup with fresh threadgroup memory", () => {
    const run = runBody(
      "  threadgroup float t[64];\n  if (group == 0) t[tid] = x[tid];\n  threadgroup_barrier(mem_flags::mem_threadgroup);\n  y[group * 64 + tid] = t[tid];",
      { groups: 2, y: 128 },
    );
    expect(found(run)).toEqual(["uninitialised:8"]);
  });

  it("reports a SIMD-group function that only some lanes reach", () => {
    const run = runBody("  float v = x[tid];\n  if (lane < 16) v = simd_sum(v);\n  v = simd_max(v);\n  y[tid] = v;");
    expect(found(run)).toEqual(["divergence:6"]);
    expect(run.errors[0]?.message).toContain("16 wait at simd_sum (line 6");
    expect(run.errors[0]?.message).toContain("16 wait at simd_max (line 7");
    expect(
      found(runBody("  float v = lane < 16 ? simd_sum(x[tid]) : simd_sum(x[tid] + 1.0f);\n  y[tid] = v;")),
    ).toEqual(["divergence:5"]);
  });

  it("reports a barrier that only some threads reach", () => {
    const run = runBody("  if (tid < 32) threadgroup_barrier(mem_flags::mem_threadgroup);\n  y[tid] = x[tid];");
    expect(found(run)).toEqual(["divergence:5"]);
    expect(run.errors[0]?.message).toContain("32 wait at threadgroup_barrier (line 5");
    expect(run.errors[0]?.message).toContain("32 have returned");
  });

  it("reports a shuffle from a lane that is not there", () => {
    expect(
      found(runBody("  if (lane == 7) return;\n  y[tid] = simd_shuffle_xor(x[tid], 1);", { threads: 32 })),
    ).toEqual(["divergence:6"]);
    expect(found(runBody("  y[tid] = simd_shuffle(x[tid], lane + 1);", { threads: 32 }))).toEqual(["divergence:5"]);
  });

  it("reports arithmetic that the language leaves undefined", () => {
    expect(found(runBody("  y[tid] = float(1u << (tid + 1));", { threads: 32 }))).toEqual(["undefined:5"]);
    expect(found(runBody("  y[tid] = float(int(x[tid] * 3.0e9f));", { threads: 32 }))).toEqual(["undefined:5"]);
  });

  it("agrees with the definitions of the SIMD-group functions", () => {
    const body = `  y[0 * 8 + lane] = simd_shuffle_xor(x[lane], 3);
  y[1 * 8 + lane] = simd_shuffle(x[lane], 7 - lane);
  y[2 * 8 + lane] = simd_broadcast(x[lane], 5);
  y[3 * 8 + lane] = simd_max(x[lane]);
  y[4 * 8 + lane] = simd_prefix_exclusive_sum(x[lane]);
  y[5 * 8 + lane] = float(static_cast<ulong>(simd_ballot(lane % 3 == 0)));
  y[6 * 8 + lane] = float(simd_any(lane == 3)) + 2.0f * float(simd_all(lane < 8)) + 4.0f * float(simd_is_first());
  y[7 * 8 + lane] = simd_sum(x[lane]) + float(simd_xor(1u << lane));`;
    const x = [1, 2, 4, 8, 16, 32, 64, 128];
    const expected = [
      [8, 4, 2, 1, 128, 64, 32, 16],
      [...x].reverse(),
      Array(8).fill(32),
      Array(8).fill(128),
      [0, 1, 3, 7, 15, 31, 63, 127],
      Array(8).fill(0b01001001),
      [7, 3, 3, 3, 3, 3, 3, 3],
      Array(8).fill(255 + 255),
    ];
    for (const schedule of SCHEDULES) {
      const run = runBody(body, { x, y: 64, threads: 8, lanes: 8, schedule });
      expect(run.errors).toEqual([]);
      expect(floats(run, "y")).toEqual(expected.flat());
    }
  });

  it("rounds half arithmetic after every operation", () => {
    // 2049 is not a half: 2048 + 1 rounds to 2048 and + 1 again stays, where float would reach 2050.
    const run = runBody(
      "  half a = half(x[0]); half b = 1.0h;\n  y[tid] = float(half(a + b) + b) + float(half2(a, b).y) + float((half4(x[0]) * 0.5h).w);",
      { x: [2048], y: 1, threads: 1 },
    );
    expect(floats(run, "y")).toEqual([2048 + 1 + 1024]);
  });

  it.each([8, 32])("multiplies 8×8 matrices at SIMD width %i", (lanes) => {
    const text = `${HEAD}kernel void f(device const half* a [[buffer(0)]], device const half* b [[buffer(1)]], device float* c [[buffer(2)]],
    uint tid [[thread_index_in_threadgroup]]) {
  threadgroup half staged[64];
  for (uint i = tid; i < 64; i += ${lanes}) staged[i] = b[i];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_half8x8 ma, mb;
  simdgroup_float8x8 mc = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
  simdgroup_load(ma, a, 8);
  simdgroup_load(mb, staged, 8, ulong2(0, 0), true);
  simdgroup_multiply_accumulate(mc, ma, mb, mc);
  simdgroup_store(mc, c, 8);
}`;
    expect(checkMetal(text)).toEqual([]);
    // Halves 0, 1, 2, 3 and 4.
    const table = [0, 0x3c00, 0x4000, 0x4200, 0x4400];
    const a = Array.from({ length: 64 }, (_, i) => (i * 7 + 3) % 5);
    const b = Array.from({ length: 64 }, (_, i) => (i * i + 1) % 5);
    const expected = Array.from({ length: 64 }, (_, i) => {
      let sum = 1;
      for (let k = 0; k < 8; k++) sum += (a[(i >> 3) * 8 + k] as number) * (b[(i & 7) * 8 + k] as number);
      return sum;
    });
    const half = (v: readonly number[]): Uint16Array => Uint16Array.from(v, (n) => table[n] as number);
    const run = runMetal({
      text,
      kernel: "f",
      grid: [1, 1, 1],
      threads: [lanes, 1, 1],
      lanes,
      schedule: "random",
      buffers: [read("a", half(a)), read("b", half(b)), write("c", 64)],
    });
    expect(run.errors).toEqual([]);
    expect(floats(run, "c")).toEqual(expected);
  });

  it("computes the same without checks", () => {
    const options = {
      text: GEMV.replace("gemv", "g"),
      kernel: "g",
      grid: [1, 1, 1],
      threads: [32, 1, 1],
      lanes: 32,
    } as const;
    const buffers = [
      read("w", new Uint32Array(32).fill(0x11111111)),
      read("scale", new Uint16Array(8).fill(0x3c00)),
      read("x", new Float32Array(256).fill(2)),
      write("y", 1),
      read("shape", Uint32Array.of(1, 256)),
    ];
    for (const checks of ["all", "none"] as const)
      expect(floats(runMetal({ ...options, buffers, checks }), "y")).toEqual([512]);
  });

  it("passes clang's words on for text that it rejects", () => {
    expect(() => runBody("  y[tid] = float4(1.0f, 2.0f).x;")).toThrow(/a vector takes as many components/);
    expect(() => runBody("  y[tid] = undeclared;")).toThrow(/kernel\.metal:5.*undeclared/s);
  });
});
