#include <cuda_fp16.h>

__device__ __forceinline__ float half_lo(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word & 0xffffu)));
}

__device__ __forceinline__ float half_hi(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
}

// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
__device__ __forceinline__ float round_quotient(float a, float b) {
  // Wrong by one at most, even if the division is off by some ulp. The remainder is exact and tells.
  const float q = rintf(a / b);
  const float twice = 2.0f * fmaf(-q, b, a);
  const bool odd = (__float2int_rz(q) & 1) != 0;
  if (twice > b || (twice == b && odd)) {
    return q + 1.0f;
  }
  if (twice < -b || (twice == -b && odd)) {
    return q - 1.0f;
  }
  return q;
}

// 5 × 1 × 1 blocks of 32 threads
extern "C" __global__ void __launch_bounds__(32)
quantize(const unsigned* __restrict__ x,
         unsigned* __restrict__ codes,
         float* __restrict__ scale) {
  const int group = int(blockIdx.x);
  const int lane = int(threadIdx.x % 32);
  const unsigned pair = x[group * 16 + lane / 2];
  const float x_2 = lane % 2 == 0 ? half_lo(pair) : half_hi(pair);
  float top = fabsf(x_2);
  #pragma unroll
  for (int rung = 16; rung > 0; rung /= 2) {
    top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, rung));
  }
  const float m = top == 0.0f ? 1.0f : top;
  const unsigned code = unsigned(__float2int_rz(round_quotient(x_2 * 127.0f, m)));
  const unsigned plane0 = __ballot_sync(0xffffffffu, (code & 1u) != 0u);
  const unsigned plane1 = __ballot_sync(0xffffffffu, ((code >> 1u) & 1u) != 0u);
  const unsigned plane2 = __ballot_sync(0xffffffffu, ((code >> 2u) & 1u) != 0u);
  const unsigned plane3 = __ballot_sync(0xffffffffu, ((code >> 3u) & 1u) != 0u);
  const unsigned plane4 = __ballot_sync(0xffffffffu, ((code >> 4u) & 1u) != 0u);
  const unsigned plane5 = __ballot_sync(0xffffffffu, ((code >> 5u) & 1u) != 0u);
  const unsigned plane6 = __ballot_sync(0xffffffffu, ((code >> 6u) & 1u) != 0u);
  const unsigned plane7 = __ballot_sync(0xffffffffu, ((code >> 7u) & 1u) != 0u);
  if (lane == 0) {
    const int t0 = group * 8;
    *reinterpret_cast<uint4*>(codes + t0) = make_uint4(plane0, plane1, plane2, plane3);
    *reinterpret_cast<uint4*>(codes + t0 + 4) = make_uint4(plane4, plane5, plane6, plane7);
    scale[group] = m / 127.0f;
  }
}
