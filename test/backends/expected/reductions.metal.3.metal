#include <metal_stdlib>
using namespace metal;

// 3 × 1 × 1 threadgroups of 4 × 32 threads, 1536 bytes of threadgroup memory
kernel void reductions(
    const device uint* x [[buffer(0)]],
    device uint* mix [[buffer(1)]],
    device int* ints [[buffer(2)]],
    device float* floats [[buffer(3)]],
    uint3 group_index [[threadgroup_position_in_grid]],
    uint lane_index [[thread_index_in_simdgroup]],
    uint warp_index [[simdgroup_index_in_threadgroup]]) {
  threadgroup float exchange_f32[128];
  threadgroup int exchange_i32[128];
  threadgroup uint exchange_u32[128];
  const int group = int(group_index.x);
  const int thread_index = int(warp_index * 32 + lane_index);
  const int lane = int(lane_index);
  const int t0 = group * 128 + thread_index;
  const uint v = x[t0];
  const int whole = int(v % 2001u) - 1000;
  const float real = float(whole);
  float round = 0.0f;
  const int t1 = lane + 32;
  const int t2 = lane + 64;
  const int t3 = lane + 96;
  for (int pass = 0; pass < 2; ++pass) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    exchange_f32[thread_index] = real + float(pass);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float part_0 = exchange_f32[lane];
    const float part_1 = exchange_f32[t1];
    const float part_2 = exchange_f32[t2];
    const float part_3 = exchange_f32[t3];
    const float sum = simd_sum(part_0 + part_2 + (part_1 + part_3));
    round += sum;
  }
  exchange_i32[thread_index] = whole;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const int part_4 = exchange_i32[lane];
  const int part_5 = exchange_i32[t1];
  const int part_6 = exchange_i32[t2];
  const int part_7 = exchange_i32[t3];
  const int count = simd_sum(part_4 + part_6 + part_5 + part_7);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  exchange_f32[thread_index] = real;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float part_8 = exchange_f32[lane];
  const float part_9 = exchange_f32[t1];
  const float part_10 = exchange_f32[t2];
  const float part_11 = exchange_f32[t3];
  const float top = simd_max(max(max(part_8, part_10), max(part_9, part_11)));
  threadgroup_barrier(mem_flags::mem_threadgroup);
  exchange_i32[thread_index] = whole;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const int part_12 = exchange_i32[lane];
  const int part_13 = exchange_i32[t1];
  const int part_14 = exchange_i32[t2];
  const int part_15 = exchange_i32[t3];
  const int most = simd_max(max(max(part_12, part_14), max(part_13, part_15)));
  exchange_u32[thread_index] = v % 97u == 5u ? 1u : 0u;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index < 16) {
    const uint part_17 = exchange_u32[thread_index];
    const uint part_18 = exchange_u32[thread_index + 16];
    const uint part_19 = exchange_u32[thread_index + 32];
    const uint part_20 = exchange_u32[thread_index + 48];
    const uint part_21 = exchange_u32[thread_index + 64];
    const uint part_22 = exchange_u32[thread_index + 80];
    const uint part_23 = exchange_u32[thread_index + 96];
    const uint part_24 = exchange_u32[thread_index + 112];
    exchange_u32[thread_index] = part_17 | part_21 | (part_19 | part_23) | (part_18 | part_22 | (part_20 | part_24));
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (thread_index < 2) {
    const uint part_25 = exchange_u32[thread_index];
    const uint part_26 = exchange_u32[thread_index + 2];
    const uint part_27 = exchange_u32[thread_index + 4];
    const uint part_28 = exchange_u32[thread_index + 6];
    const uint part_29 = exchange_u32[thread_index + 8];
    const uint part_30 = exchange_u32[thread_index + 10];
    const uint part_31 = exchange_u32[thread_index + 12];
    const uint part_32 = exchange_u32[thread_index + 14];
    exchange_u32[thread_index] = part_25 | part_29 | (part_27 | part_31) | (part_26 | part_30 | (part_28 | part_32));
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint part_33 = exchange_u32[0];
  const uint part_34 = exchange_u32[1];
  const uint part_16 = part_33 | part_34;
  const bool some = part_16 != 0u;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  exchange_u32[thread_index] = v;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint first = exchange_u32[0];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  exchange_u32[thread_index] = v;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint other = exchange_u32[thread_index ^ 64];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  exchange_u32[thread_index] = v;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint next = exchange_u32[(thread_index + 1) % 128];
  const bool chosen = thread_index == 0;
  const uint mixed = first ^ other ^ next;
  mix[t0] = mixed;
  if (chosen) {
    *reinterpret_cast<device int4*>(ints + group * 4) = int4(count, most, some ? 1 : 0, -count);
    *reinterpret_cast<device float2*>(floats + group * 2) = float2(round, top);
  }
}
