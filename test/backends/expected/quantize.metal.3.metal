#include <metal_stdlib>
using namespace metal;

// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
static inline float round_quotient(float a, float b) {
  // Wrong by one at most, even if the division is off by some ulp. The remainder is exact and tells.
  const float q = rint(a / b);
  const float twice = 2.0f * fma(-q, b, a);
  const bool odd = (int(q) & 1) != 0;
  if (twice > b || (twice == b && odd)) {
    return q + 1.0f;
  }
  if (twice < -b || (twice == -b && odd)) {
    return q - 1.0f;
  }
  return q;
}

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
  const uint code = as_type<uint>(int(round_quotient(x_2 * 127.0f, m)));
  const uint plane0 = simd_sum((code & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane1 = simd_sum(((code >> 1u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane2 = simd_sum(((code >> 2u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane3 = simd_sum(((code >> 3u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane4 = simd_sum(((code >> 4u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane5 = simd_sum(((code >> 5u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane6 = simd_sum(((code >> 6u) & 1u) != 0u ? 1u << lane_index : 0u);
  const uint plane7 = simd_sum(((code >> 7u) & 1u) != 0u ? 1u << lane_index : 0u);
  if (lane == 0) {
    const int t0 = group * 8;
    *reinterpret_cast<device uint4*>(codes + t0) = uint4(plane0, plane1, plane2, plane3);
    *reinterpret_cast<device uint4*>(codes + t0 + 4) = uint4(plane4, plane5, plane6, plane7);
    scale[group] = m / 127.0f;
  }
}
