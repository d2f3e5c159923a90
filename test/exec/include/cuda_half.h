// CUDA's half-precision types and intrinsics (cuda_fp16.h), rounded to nearest even after every operation.
#pragma once
#include "cuda_math.h"

struct __half_raw {
  unsigned short x;
};

struct alignas(2) __half {
  _Float16 value;
  __half() = default;
  __half(float v) : value(_Float16(v)) {}
  __half(const __half_raw& raw) : value(bitloom_bits<_Float16>(raw.x)) {}
  operator float() const { return float(value); }
  static __half of(_Float16 v) { __half h; h.value = v; return h; }
};
struct alignas(4) __half2 {
  __half x, y;
  __half2(__half x, __half y) : x(x), y(y) {}
  BITLOOM_COPIES(__half2, x(from.x) BITLOOM_COMMA y(from.y), x = from.x; y = from.y)
};
using half = __half;
using half2 = __half2;

inline float __half2float(__half a) { return float(a.value); }
inline __half __float2half(float a) { return __half(a); }
inline __half __float2half_rn(float a) { return __half(a); }
inline __half __int2half_rn(int a) { return __half::of(_Float16(a)); }
inline __half __uint2half_rn(unsigned int a) { return __half::of(_Float16(a)); }
inline __half __short2half_rn(short a) { return __half::of(_Float16(a)); }
inline __half __ushort2half_rn(unsigned short a) { return __half::of(_Float16(a)); }
inline int __half2int_rn(__half a) { return bitloom_to_int(rintf(float(a.value))); }
inline __half __ushort_as_half(unsigned short a) { return __half::of(bitloom_bits<_Float16>(a)); }
inline __half __short_as_half(short a) { return __half::of(bitloom_bits<_Float16>(a)); }
inline unsigned short __half_as_ushort(__half a) { return bitloom_bits<unsigned short>(a.value); }
inline short __half_as_short(__half a) { return bitloom_bits<short>(a.value); }

inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
inline __half2 make_half2(__half a, __half b) { return {a, b}; }
inline __half2 __half2half2(__half a) { return {a, a}; }
inline __half2 __float2half2_rn(float a) { return {__half(a), __half(a)}; }
inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
inline __half2 __float22half2_rn(float2 a) { return {__half(a.x), __half(a.y)}; }
inline float2 __half22float2(__half2 a) { return {__half2float(a.x), __half2float(a.y)}; }
inline __half __low2half(__half2 a) { return a.x; }
inline __half __high2half(__half2 a) { return a.y; }
inline float __low2float(__half2 a) { return __half2float(a.x); }
inline float __high2float(__half2 a) { return __half2float(a.y); }
inline __half2 __lowhigh2highlow(__half2 a) { return {a.y, a.x}; }

#define BINARY(NAME, OP)                                                                     \
  inline __half __h##NAME(__half a, __half b) { return __half::of(a.value OP b.value); }     \
  inline __half __h##NAME##_rn(__half a, __half b) { return __half::of(a.value OP b.value); } \
  inline __half2 __h##NAME##2(__half2 a, __half2 b) { return {__h##NAME(a.x, b.x), __h##NAME(a.y, b.y)}; } \
  inline __half operator OP(__half a, __half b) { return __h##NAME(a, b); }                  \
  inline __half2 operator OP(__half2 a, __half2 b) { return __h##NAME##2(a, b); }            \
  inline __half& operator OP##=(__half& a, __half b) { return a = a OP b; }                  \
  inline __half2& operator OP##=(__half2& a, __half2 b) { return a = a OP b; }
BINARY(add, +) BINARY(sub, -) BINARY(mul, *) BINARY(div, /)
#undef BINARY
#define COMPARISON(NAME, OP)                                                                 \
  inline bool __h##NAME(__half a, __half b) { return a.value OP b.value; }                   \
  inline bool operator OP(__half a, __half b) { return a.value OP b.value; }
COMPARISON(eq, ==) COMPARISON(ne, !=) COMPARISON(lt, <) COMPARISON(le, <=) COMPARISON(gt, >) COMPARISON(ge, >=)
#undef COMPARISON
inline __half __hneg(__half a) { return __half::of(-a.value); }
inline __half operator-(__half a) { return __hneg(a); }
inline __half __habs(__half a) { return a.value < 0 ? __hneg(a) : a; }
inline __half __hmin(__half a, __half b) { return b.value < a.value ? b : a; }
inline __half __hmax(__half a, __half b) { return a.value < b.value ? b : a; }
inline __half __hfma(__half a, __half b, __half c) {
  return __half::of(_Float16(double(a.value) * double(b.value) + double(c.value)));
}
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
