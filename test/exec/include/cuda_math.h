// CUDA's scalar intrinsics: bits, integer dot products, conversions with their rounding, single-precision functions.
#pragma once
#include "cuda_vector.h"

extern "C" {
float rintf(float) noexcept;
float roundf(float) noexcept;
float floorf(float) noexcept;
float ceilf(float) noexcept;
float truncf(float) noexcept;
float fabsf(float) noexcept;
float sqrtf(float) noexcept;
float exp2f(float) noexcept;
float expf(float) noexcept;
float log2f(float) noexcept;
float logf(float) noexcept;
float tanhf(float) noexcept;
float powf(float, float) noexcept;
float fmodf(float, float) noexcept;
float fminf(float, float) noexcept;
float fmaxf(float, float) noexcept;
float fmaf(float, float, float) noexcept;
float ldexpf(float, int) noexcept;
float copysignf(float, float) noexcept;
double fma(double, double, double) noexcept;
double sqrt(double) noexcept;
double rint(double) noexcept;
int abs(int) noexcept;
}

#define ORDERED(T)                                         \
  inline T min(T a, T b) { return b < a ? b : a; }         \
  inline T max(T a, T b) { return a < b ? b : a; }
ORDERED(int) ORDERED(unsigned int) ORDERED(long) ORDERED(unsigned long) ORDERED(long long) ORDERED(unsigned long long)
#undef ORDERED
inline unsigned int min(int a, unsigned int b) { return min((unsigned int)a, b); }
inline unsigned int min(unsigned int a, int b) { return min(a, (unsigned int)b); }
inline unsigned int max(int a, unsigned int b) { return max((unsigned int)a, b); }
inline unsigned int max(unsigned int a, int b) { return max(a, (unsigned int)b); }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline float abs(float a) { return fabsf(a); }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline float exp2(float a) { return exp2f(a); }
inline float fma(float a, float b, float c) { return fmaf(a, b, c); }

inline float __expf(float a) { return expf(a); }
inline float __logf(float a) { return logf(a); }
inline float __log2f(float a) { return log2f(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __saturatef(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }

/// Out of range saturates and NaN becomes 0, as the conversion instructions of the GPU do.
inline int bitloom_to_int(float a) {
  return a != a ? 0 : a >= 2147483648.0f ? 2147483647 : a <= -2147483648.0f ? -2147483647 - 1 : int(a);
}
inline unsigned int bitloom_to_uint(float a) { return !(a > 0.0f) ? 0 : a >= 4294967296.0f ? 0xFFFFFFFFu : (unsigned int)a; }
inline int __float2int_rn(float a) { return bitloom_to_int(rintf(a)); }
inline int __float2int_rz(float a) { return bitloom_to_int(truncf(a)); }
inline int __float2int_rd(float a) { return bitloom_to_int(floorf(a)); }
inline int __float2int_ru(float a) { return bitloom_to_int(ceilf(a)); }
inline unsigned int __float2uint_rn(float a) { return bitloom_to_uint(rintf(a)); }
inline unsigned int __float2uint_rz(float a) { return bitloom_to_uint(truncf(a)); }
inline float __int2float_rn(int a) { return float(a); }
inline float __uint2float_rn(unsigned int a) { return float(a); }

template <class To, class From>
inline To bitloom_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}
inline float __uint_as_float(unsigned int a) { return bitloom_bits<float>(a); }
inline float __int_as_float(int a) { return bitloom_bits<float>(a); }
inline unsigned int __float_as_uint(float a) { return bitloom_bits<unsigned int>(a); }
inline int __float_as_int(float a) { return bitloom_bits<int>(a); }

inline int __popc(unsigned int a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __clz(int a) { return a == 0 ? 32 : __builtin_clz((unsigned int)a); }
inline int __clzll(long long a) { return a == 0 ? 64 : __builtin_clzll((unsigned long long)a); }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline unsigned int __brev(unsigned int a) { return __builtin_bitreverse32(a); }
inline unsigned long long __brevll(unsigned long long a) { return __builtin_bitreverse64(a); }
inline int __mulhi(int a, int b) { return int(((long long)a * b) >> 32); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)(((unsigned long long)a * b) >> 32); }
inline int __mul24(int a, int b) { return int((unsigned int)((a << 8) >> 8) * (unsigned int)((b << 8) >> 8)); }

/// Shift amounts are taken modulo 32.
inline unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int by) {
  return (unsigned int)((((unsigned long long)high << 32) | low) >> (by & 31));
}
inline unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int by) {
  return (unsigned int)(((((unsigned long long)high << 32) | low) << (by & 31)) >> 32);
}

/// Byte i of the result is byte (selector nibble i) of b:a; a nibble's top bit asks for the byte's sign eight times.
inline unsigned int __byte_perm(unsigned int a, unsigned int b, unsigned int selector) {
  const unsigned long long both = ((unsigned long long)b << 32) | a;
  unsigned int result = 0;
  for (int i = 0; i < 4; i++) {
    const unsigned int nibble = selector >> (4 * i);
    unsigned int byte = (unsigned int)(both >> (8 * (nibble & 7))) & 0xFF;
    if (nibble & 8) byte = byte & 0x80 ? 0xFF : 0;
    result |= byte << (8 * i);
  }
  return result;
}

inline int __dp4a(int a, int b, int c) {
  unsigned int sum = (unsigned int)c;
  for (int i = 0; i < 32; i += 8) sum += (unsigned int)(int((signed char)(a >> i)) * int((signed char)(b >> i)));
  return int(sum);
}
inline unsigned int __dp4a(unsigned int a, unsigned int b, unsigned int c) {
  for (int i = 0; i < 32; i += 8) c += ((a >> i) & 0xFF) * ((b >> i) & 0xFF);
  return c;
}
inline int __dp4a(char4 a, char4 b, int c) { return __dp4a(bitloom_bits<int>(a), bitloom_bits<int>(b), c); }
inline unsigned int __dp4a(uchar4 a, uchar4 b, unsigned int c) {
  return __dp4a(bitloom_bits<unsigned int>(a), bitloom_bits<unsigned int>(b), c);
}
