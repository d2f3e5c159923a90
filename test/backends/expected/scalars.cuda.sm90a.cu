#include <cuda_fp16.h>

static __device__ const float nf4[16] = {
    -1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f, 0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f};

// 1 × 1 × 1 blocks of 4 × 32 threads
extern "C" __global__ void __launch_bounds__(128)
scalars(const unsigned* __restrict__ x,
        float* __restrict__ picked,
        unsigned* __restrict__ shifted,
        int* __restrict__ dots,
        float* __restrict__ mixed,
        __half* __restrict__ halved,
        unsigned* __restrict__ total) {
  const int thread = int(threadIdx.x);
  const unsigned v = x[thread];
  picked[thread] = nf4[(v >> 4u) & 15u];
  const int t0 = int(v);
  const unsigned t1 = unsigned(thread) & 63u;
  shifted[thread] = ~((v << (t1 & 31u)) + unsigned(t0 >> (int(t1) & 31)));
  dots[thread] = __dp4a(int(v), int(v ^ 0x80ff017fu), 5 - __popc(v));
  const float t2 = float(t0 % 1000 - 3);
  mixed[thread] = (t2 < 0.0f && !(t2 > -300.0f)) || v % 3u == 0u ? fmaf(floorf(t2 / 4.0f), rintf(t2 * 0.5f), fminf(fmaxf(-t2, -7.5f), ceilf(t2 * 0.25f) - (t2 - -1.0f))) : sqrtf(fabsf(t2));
  halved[thread] = __float2half_rn(__uint_as_float(v & 0x8fffffffu) * exp2f(float((t0 & 0) + 100)));
  atomicAdd(&total[0], v & 255u);
}
