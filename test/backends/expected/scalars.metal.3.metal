#include <metal_stdlib>
using namespace metal;

constant float nf4[16] = {
    -1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f, 0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f};

// 1 × 1 × 1 threadgroups of 4 × 32 threads
kernel void scalars(
    const device uint* x [[buffer(0)]],
    device float* picked [[buffer(1)]],
    device uint* shifted [[buffer(2)]],
    device int* dots [[buffer(3)]],
    device float* mixed [[buffer(4)]],
    device half* halved [[buffer(5)]],
    device uint* total [[buffer(6)]],
    uint lane_index [[thread_index_in_simdgroup]],
    uint warp_index [[simdgroup_index_in_threadgroup]]) {
  const int thread_index = int(warp_index * 32 + lane_index);
  const uint v = x[thread_index];
  picked[thread_index] = nf4[(v >> 4u) & 15u];
  const int t0 = int(v);
  const uint t1 = uint(thread_index) & 63u;
  shifted[thread_index] = ~((v << (t1 & 31u)) + uint(t0 >> (int(t1) & 31)));
  const uint t2 = v ^ 0x80ff017fu;
  dots[thread_index] = 5 - int(popcount(v)) + (int(v << 24u) >> 24) * (int(t2 << 24u) >> 24) + (int(v << 16u) >> 24) * (int(t2 << 16u) >> 24) + (int(v << 8u) >> 24) * (int(t2 << 8u) >> 24) + (t0 >> 24) * (int(t2) >> 24);
  const float t3 = float(t0 % 1000 - 3);
  mixed[thread_index] = (t3 < 0.0f && !(t3 > -300.0f)) || v % 3u == 0u ? fma(floor(t3 / 4.0f), rint(t3 * 0.5f), min(max(-t3, -7.5f), ceil(t3 * 0.25f) - (t3 - -1.0f))) : sqrt(fabs(t3));
  halved[thread_index] = half(as_type<float>(v & 0x8fffffffu) * exp2(float((t0 & 0) + 100)));
  atomic_fetch_add_explicit(reinterpret_cast<device atomic_uint*>(&total[0]), v & 255u, memory_order_relaxed);
}
