// twice for metal.3
#include <metal_stdlib>
using namespace metal;

// 2 × 1 × 1 threadgroups of 32 threads
kernel void double_it(
    const device uint* x_values [[buffer(0)]],
    device uint* work [[buffer(1)]],
    uint3 group_index [[threadgroup_position_in_grid]],
    uint lane_index [[thread_index_in_simdgroup]],
    uint warp_index [[simdgroup_index_in_threadgroup]]) {
  const int thread_index = int(warp_index * 32 + lane_index);
  const int group = int(group_index.x);
  const int t0 = thread_index + group * 32;
  const uint r0 = x_values[t0];
  work[t0] = r0 * 2u;
}
// 2 × 1 × 1 threadgroups of 32 threads
kernel void add_one(
    const device uint* work [[buffer(0)]],
    device uint* y [[buffer(1)]],
    device uint* sum [[buffer(2)]],
    uint3 group_index [[threadgroup_position_in_grid]],
    uint lane_index [[thread_index_in_simdgroup]],
    uint warp_index [[simdgroup_index_in_threadgroup]]) {
  const int thread_index = int(warp_index * 32 + lane_index);
  const int group = int(group_index.x);
  const int t0 = thread_index + group * 32;
  const uint r0 = work[t0];
  const uint t1 = r0 + 1u;
  y[t0] = t1;
  atomic_fetch_add_explicit(reinterpret_cast<device atomic_uint*>(&sum[0]), t1, memory_order_relaxed);
}
