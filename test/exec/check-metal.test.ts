/** The static check of Metal text: what it accepts, and one text for each thing that it rejects. */
import { expect, it } from "vitest";
import { describeWith } from "../tools.ts";
import { checkMetal } from "./metal.ts";

const HEAD = "#include <metal_stdlib>\nusing namespace metal;\n";
const codes = (body: string): readonly string[] => checkMetal(HEAD + body).map((d) => `${d.code}:${d.line}`);
const inKernel = (body: string): readonly string[] =>
  codes(`kernel void f(device float* y [[buffer(0)]], device const uint4* w [[buffer(1)]], constant uint& n [[buffer(2)]],
  uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
${body}
}`);

describeWith(["clang-16"], "checkMetal", () => {
  it("accepts what a printer of Metal should write", () => {
    const text = `${HEAD}
constant float table[4] = {0.0f, 1.0f, 2.0f, -1.0f};
struct Shape { uint n; uint k; };
inline float add(threadgroup float* t, thread float& acc, uint i) { acc += t[i]; return acc; }
template <typename T> inline T twice(device const T* p) { return p[0] * T(2); }
kernel void f(device const uint* w [[buffer(0)]], device half* y [[buffer(1)]], constant Shape& shape [[buffer(2)]],
    device atomic_uint* count [[buffer(3)]], constant uint& n [[buffer(30)]],
    uint3 group [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]],
    uint tid [[thread_index_in_threadgroup]], uint warp [[simdgroup_index_in_threadgroup]]) {
  threadgroup float tile[32];
  threadgroup half4 quads[8], one;
  tile[lane] = table[lane & 3];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float acc = 0.0f;
  acc = add(tile, acc, lane);
  float sums[4];
  for (uint i = 0; i < 4; i++) sums[i] = 0.0f;
  uint4 x = ((device const uint4*)w)[lane];
  device const uint4* v = reinterpret_cast<device const uint4*>(w + 4);
  float4 f4 = float4(x) * 2.0f + float4(1.0f, 2.0f, 3.0f, 4.0f);
  half2 h = as_type<half2>(x.x);
  ulong votes = static_cast<ulong>(simd_ballot(x.y > 1u));
  acc = simd_sum(acc + f4.x * float(h.x)) + fma(acc, 2.0f, 1.0f) + float(popcount(uint(votes))) + min(1.0f, acc);
  atomic_fetch_add_explicit(count, v->x & shape.k, memory_order_relaxed);
  simdgroup_matrix<half, 8, 8> a;
  simdgroup_float8x8 c = simdgroup_float8x8(0.0f);
  simdgroup_load(a, y, 8);
  simdgroup_multiply_accumulate(c, a, a, c);
  quads[tid & 7] = half4(f4);
  one = quads[0];
  y[group.x * n + warp] = half(acc + sums[1] + float(one.x)) + half(shape.n);
}`;
    expect(checkMetal(text)).toEqual([]);
  });

  it("rejects a device pointer where a threadgroup one is wanted", () => {
    expect(
      codes(`float g(threadgroup float* t) { return t[0]; }
kernel void f(device float* y [[buffer(0)]]) {
  y[0] = g(y);
}`),
    ).toEqual(["metal/clang:5"]);
  });

  it("rejects threadgroup memory bound to a device pointer", () => {
    expect(inKernel("threadgroup float t[4];\ndevice float* p = t;\np[0] = 1.0f;")).toEqual(["metal/clang:6"]);
  });

  it("rejects a write through const device", () => {
    expect(inKernel("y[0] = 0.0f;\nw[0].x = 1u;")).toEqual(["metal/clang:6"]);
  });

  it("rejects threadgroup variables in an inner scope and outside kernels", () => {
    expect(inKernel("if (n > 1) {\n  threadgroup float t[4];\n  t[0] = 1.0f;\n}")).toEqual(["metal/clang:6"]);
    expect(codes("void g(device float* y) {\n  threadgroup float t[4];\n  y[0] = t[0];\n}")).toEqual(["metal/clang:4"]);
  });

  it("asks for an address space on every pointer and reference", () => {
    expect(codes("void g(device float* y, const float* x) { y[0] = x[0]; }")).toEqual(["metal/pointer-space:3"]);
    expect(codes("void g(float4& x) { x.y = 1.0f; }")).toEqual(["metal/pointer-space:3"]);
    expect(codes("struct S { int a; };\nint g(S& s) { return s.a; }")).toEqual(["metal/pointer-space:4"]);
    expect(inKernel("uint a = n;\nuint b = a * n & a;\ny[b] = float(sizeof(uint) * b);")).toEqual([]);
  });

  it("rejects vector casts in parentheses, and only those", () => {
    expect(inKernel("float4 v = (float4)w[0];\ny[0] = v.x;")).toContain("metal/vector-cast:5");
    expect(inKernel("y[0] = (float)n + float4(w[0]).x + float(sizeof(float4) - 16);")).toEqual([]);
  });

  it("counts buffers", () => {
    expect(codes("kernel void f(device float* y [[buffer(31)]]) { y[0] = 1.0f; }")).toEqual(["metal/buffer-index:3"]);
    expect(
      codes("kernel void f(device float* y [[buffer(0)]],\n device float* z [[buffer(0)]]) { y[0] = z[0]; }"),
    ).toEqual(["metal/buffer-index:4"]);
  });

  it("adds up the threadgroup memory of each kernel", () => {
    const kernel = (name: string, floats: number): string =>
      `kernel void ${name}(device float* y [[buffer(0)]]) {
  threadgroup float a[4000 + 96];
  threadgroup half4 b[${floats}];
  a[0] = b[0].x; y[0] = a[0];
}
`;
    expect(codes(kernel("f", 2048) + kernel("g", 2048))).toEqual([]);
    expect(codes(kernel("f", 2048) + kernel("g", 2049))).toEqual(["metal/threadgroup-memory:10"]);
  });

  it("knows the attributes and their types", () => {
    expect(
      codes("kernel void f(device float* y [[buffer(0)]], int i [[thread_position_in_grid]]) { y[i] = 1.0f; }"),
    ).toEqual(["metal/attribute:3"]);
    expect(
      codes("kernel void f(device float* y [[buffer(0)]], uint2 i [[thread_index_in_simdgroup]]) { y[i.x] = 1.0f; }"),
    ).toEqual(["metal/attribute:3"]);
    expect(
      codes(
        "kernel void f(device float* y [[buffer(0)]], uint2 i [[thread_position_in_grid]],\n uint n [[threads_per_grid]]) { y[i.x] = float(n); }",
      ),
    ).toEqual(["metal/attribute:4"]);
    expect(codes("kernel void f(device float* y [[buffer(0)]], uint i [[thread_id]]) { y[i] = 1.0f; }")).toEqual([
      "metal/attribute:3",
    ]);
  });

  it("rejects keywords as names and double", () => {
    const found = codes(
      "kernel void f(device float* y [[buffer(0)]], uint thread [[thread_index_in_threadgroup]]) { y[0] = 1.0f; }",
    );
    expect(found).toContain("metal/reserved-name:3");
    expect(inKernel("double d = 1.0; y[0] = float(d);")).toContain("metal/type:5");
  });
});
