#include <metal_stdlib>
using namespace metal;

// 5 × 1 × 1 threadgroups of 32 threads
kernel void quantize(
    const device uint* x [[buffer(0)]],
    device uint* codes [[buffer(1)]],
    device float* scale [[buffer(2)]],
    uint3 group_index [[threadgroup_position_in_grid]],
    uint lane_index [[thread_index_in_simdgroup]]) {
  const int group = int(group_index.x);
  const int lane = int(lane_index);
  const uint pair = x[group * 16 + lane / 2];
  const float x_2 = lane % 2 == 0 ? float(as_type<half2>(pair).x) : float(as_type<half2>(pair).y);
  const float top = simd_max(fabs(x_2));
  const float m = top == 0.0f ? 1.0f : top;
  const float t0 = x_2 * 127.0f;
  const float t1 = rint(t0 / m);
  const float t2 = fma(-t1, m, t0);
  const float t3 = t2 + t2;
  const bool t4 = (int(t1) & 1) != 0;
  const float t5 = -m;
  const uint code = as_type<uint>(int(t1 + (t3 > m || (t3 == m && t4) ? 1.0f : (t3 < t5 || (t3 == t5 && t4) ? -1.0f : 0.0f))));
  const uint plane0 = simd_sum((code & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane1 = simd_sum(((code >> 1u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane2 = simd_sum(((code >> 2u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane3 = simd_sum(((code >> 3u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane4 = simd_sum(((code >> 4u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane5 = simd_sum(((code >> 5u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane6 = simd_sum(((code >> 6u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane7 = simd_sum(((code >> 7u) & 1u) != 0u ? 1u << lane_index : 0u);
  if (lane == 0) {
    const int t6 = group * 8;
    *reinterpret_cast<device uint4*>(codes + t6) = uint4(plane0, plane1, plane2, plane3);
    *reinterpret_cast<device uint4*>(codes + t6 + 4) = uint4(plane4, plane5, plane6, plane7);
    scale[group] = m / 127.0f;
  }
}
