#include <metal_stdlib>
using namespace metal;

// 2 × 1 × 1 threadgroups of 4 × 32 threads
kernel void gemv(
    const device uint* x [[buffer(0)]],
    const device uint* w_q [[buffer(1)]],
    const device uint* w_scale [[buffer(2)]],
    device half* y [[buffer(3)]],
    uint3 group_index [[threadgroup_position_in_grid]],
    uint lane_index [[thread_index_in_simdgroup]],
    uint warp_index [[simdgroup_index_in_threadgroup]]) {
  const int group = int(group_index.x);
  const int warp = int(warp_index);
  const int lane = int(lane_index);
  const int t0 = group * 4 + warp;
  const int row = t0;
  const bool inside = t0 < 6;
  float acc = 0.0f;
  #pragma unroll
  for (int step = 0; step < 64; step += 32) {
    const uint4 q = inside ? *reinterpret_cast<const device uint4*>(w_q + row * 256 + step * 4 + lane * 4) : uint4(0u, 0u, 0u, 0u);
    const int t1 = step * 16 + lane * 16;
    const uint4 x_2 = *reinterpret_cast<const device uint4*>(x + t1);
    acc = acc + float(as_type<half2>(x_2.x).x) * float(int(q.x & 15u) - 8) + float(as_type<half2>(x_2.x).y) * float(int((q.x >> 4u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_2.y).x) * float(int((q.x >> 8u) & 15u) - 8) + float(as_type<half2>(x_2.y).y) * float(int((q.x >> 12u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_2.z).x) * float(int((q.x >> 16u) & 15u) - 8) + float(as_type<half2>(x_2.z).y) * float(int((q.x >> 20u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_2.w).x) * float(int((q.x >> 24u) & 15u) - 8) + float(as_type<half2>(x_2.w).y) * float(int((q.x >> 28u) & 15u) - 8);
    const uint4 x_3 = *reinterpret_cast<const device uint4*>(x + t1 + 4);
    acc = acc + float(as_type<half2>(x_3.x).x) * float(int(q.y & 15u) - 8) + float(as_type<half2>(x_3.x).y) * float(int((q.y >> 4u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_3.y).x) * float(int((q.y >> 8u) & 15u) - 8) + float(as_type<half2>(x_3.y).y) * float(int((q.y >> 12u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_3.z).x) * float(int((q.y >> 16u) & 15u) - 8) + float(as_type<half2>(x_3.z).y) * float(int((q.y >> 20u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_3.w).x) * float(int((q.y >> 24u) & 15u) - 8) + float(as_type<half2>(x_3.w).y) * float(int((q.y >> 28u) & 15u) - 8);
    const uint4 x_4 = *reinterpret_cast<const device uint4*>(x + t1 + 8);
    acc = acc + float(as_type<half2>(x_4.x).x) * float(int(q.z & 15u) - 8) + float(as_type<half2>(x_4.x).y) * float(int((q.z >> 4u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_4.y).x) * float(int((q.z >> 8u) & 15u) - 8) + float(as_type<half2>(x_4.y).y) * float(int((q.z >> 12u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_4.z).x) * float(int((q.z >> 16u) & 15u) - 8) + float(as_type<half2>(x_4.z).y) * float(int((q.z >> 20u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_4.w).x) * float(int((q.z >> 24u) & 15u) - 8) + float(as_type<half2>(x_4.w).y) * float(int((q.z >> 28u) & 15u) - 8);
    const uint4 x_5 = *reinterpret_cast<const device uint4*>(x + t1 + 12);
    acc = acc + float(as_type<half2>(x_5.x).x) * float(int(q.w & 15u) - 8) + float(as_type<half2>(x_5.x).y) * float(int((q.w >> 4u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_5.y).x) * float(int((q.w >> 8u) & 15u) - 8) + float(as_type<half2>(x_5.y).y) * float(int((q.w >> 12u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_5.z).x) * float(int((q.w >> 16u) & 15u) - 8) + float(as_type<half2>(x_5.z).y) * float(int((q.w >> 20u) & 15u) - 8);
    acc = acc + float(as_type<half2>(x_5.w).x) * float(int((q.w >> 24u) & 15u) - 8) + float(as_type<half2>(x_5.w).y) * float(int((q.w >> 28u) & 15u) - 8);
  }
  const float total = simd_sum(acc);
  const uint s = inside ? w_scale[row / 2] : 0u;
  const float scale = row % 2 == 0 ? float(as_type<half2>(s).x) : float(as_type<half2>(s).y);
  if (inside && lane == 0) {
    y[row] = half(total * scale);
  }
}
