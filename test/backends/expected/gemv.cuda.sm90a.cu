#include <cuda_fp16.h>

__device__ __forceinline__ float half_lo(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word & 0xffffu)));
}

__device__ __forceinline__ float half_hi(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
}

// 2 × 1 × 1 blocks of 4 × 32 threads
extern "C" __global__ void __launch_bounds__(128)
gemv(const unsigned* __restrict__ x,
     const unsigned* __restrict__ w_q,
     const unsigned* __restrict__ w_scale,
     __half* __restrict__ y) {
  const int group = int(blockIdx.x);
  const int warp = int(threadIdx.x / 32);
  const int lane = int(threadIdx.x % 32);
  const int t0 = group * 4 + warp;
  const int row = t0;
  const bool inside = t0 < 6;
  float acc = 0.0f;
  #pragma unroll
  for (int step = 0; step < 64; step += 32) {
    const uint4 q = inside ? *reinterpret_cast<const uint4*>(w_q + row * 256 + step * 4 + lane * 4) : make_uint4(0u, 0u, 0u, 0u);
    const int t1 = step * 16 + lane * 16;
    const uint4 x_2 = *reinterpret_cast<const uint4*>(x + t1);
    acc = acc + half_lo(x_2.x) * float(int(q.x & 15u) - 8) + half_hi(x_2.x) * float(int((q.x >> 4u) & 15u) - 8);
    acc = acc + half_lo(x_2.y) * float(int((q.x >> 8u) & 15u) - 8) + half_hi(x_2.y) * float(int((q.x >> 12u) & 15u) - 8);
    acc = acc + half_lo(x_2.z) * float(int((q.x >> 16u) & 15u) - 8) + half_hi(x_2.z) * float(int((q.x >> 20u) & 15u) - 8);
    acc = acc + half_lo(x_2.w) * float(int((q.x >> 24u) & 15u) - 8) + half_hi(x_2.w) * float(int((q.x >> 28u) & 15u) - 8);
    const uint4 x_3 = *reinterpret_cast<const uint4*>(x + t1 + 4);
    acc = acc + half_lo(x_3.x) * float(int(q.y & 15u) - 8) + half_hi(x_3.x) * float(int((q.y >> 4u) & 15u) - 8);
    acc = acc + half_lo(x_3.y) * float(int((q.y >> 8u) & 15u) - 8) + half_hi(x_3.y) * float(int((q.y >> 12u) & 15u) - 8);
    acc = acc + half_lo(x_3.z) * float(int((q.y >> 16u) & 15u) - 8) + half_hi(x_3.z) * float(int((q.y >> 20u) & 15u) - 8);
    acc = acc + half_lo(x_3.w) * float(int((q.y >> 24u) & 15u) - 8) + half_hi(x_3.w) * float(int((q.y >> 28u) & 15u) - 8);
    const uint4 x_4 = *reinterpret_cast<const uint4*>(x + t1 + 8);
    acc = acc + half_lo(x_4.x) * float(int(q.z & 15u) - 8) + half_hi(x_4.x) * float(int((q.z >> 4u) & 15u) - 8);
    acc = acc + half_lo(x_4.y) * float(int((q.z >> 8u) & 15u) - 8) + half_hi(x_4.y) * float(int((q.z >> 12u) & 15u) - 8);
    acc = acc + half_lo(x_4.z) * float(int((q.z >> 16u) & 15u) - 8) + half_hi(x_4.z) * float(int((q.z >> 20u) & 15u) - 8);
    acc = acc + half_lo(x_4.w) * float(int((q.z >> 24u) & 15u) - 8) + half_hi(x_4.w) * float(int((q.z >> 28u) & 15u) - 8);
    const uint4 x_5 = *reinterpret_cast<const uint4*>(x + t1 + 12);
    acc = acc + half_lo(x_5.x) * float(int(q.w & 15u) - 8) + half_hi(x_5.x) * float(int((q.w >> 4u) & 15u) - 8);
    acc = acc + half_lo(x_5.y) * float(int((q.w >> 8u) & 15u) - 8) + half_hi(x_5.y) * float(int((q.w >> 12u) & 15u) - 8);
    acc = acc + half_lo(x_5.z) * float(int((q.w >> 16u) & 15u) - 8) + half_hi(x_5.z) * float(int((q.w >> 20u) & 15u) - 8);
    acc = acc + half_lo(x_5.w) * float(int((q.w >> 24u) & 15u) - 8) + half_hi(x_5.w) * float(int((q.w >> 28u) & 15u) - 8);
  }
  float total = acc;
  #pragma unroll
  for (int rung = 16; rung > 0; rung /= 2) {
    total = total + __shfl_xor_sync(0xffffffffu, total, rung);
  }
  const unsigned s = inside ? w_scale[row / 2] : 0u;
  const float scale = row % 2 == 0 ? half_lo(s) : half_hi(s);
  if (inside && lane == 0) {
    y[row] = __float2half_rn(total * scale);
  }
}
