// CUDA's bfloat16 type and conversions (cuda_bf16.h), rounded to nearest even.
#pragma once
#include "cuda_shim.h"

struct alignas(2) __nv_bfloat16 {
  unsigned short bits;
};
using nv_bfloat16 = __nv_bfloat16;

inline float __bfloat162float(__nv_bfloat16 a) { return __uint_as_float((unsigned int)a.bits << 16); }
inline __nv_bfloat16 __float2bfloat16_rn(float a) {
  const unsigned int u = __float_as_uint(a);
  if (a != a) return {0x7fff};
  return {(unsigned short)((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16(float a) { return __float2bfloat16_rn(a); }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short a) { return {a}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) { return a.bits; }
