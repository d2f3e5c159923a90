// Metal's scalar functions, for each type that has them and component by component for vectors.
#pragma once
#include "metal_vector.h"

namespace metal {

template <class T> struct same { using type = T; };
/// A parameter that takes its type from another one, so that `min(v, 0.0f)` works for vectors.
template <class T> using like = typename same<T>::type;

#define FLOAT1(NAME, CALL)                                                                            \
  inline float NAME(float x) { return CALL(x); }                                                      \
  inline half NAME(half x) { return half(CALL(float(x))); }                                           \
  template <class T, int N>                                                                           \
  inline vec<T, N> NAME(vec<T, N> x) { BITLOOM_EACH x.e[i] = NAME(x.e[i]); return x; }
FLOAT1(rint, __builtin_rintf) FLOAT1(floor, __builtin_floorf) FLOAT1(ceil, __builtin_ceilf)
FLOAT1(trunc, __builtin_truncf) FLOAT1(round, __builtin_roundf) FLOAT1(fabs, __builtin_fabsf)
FLOAT1(exp2, __builtin_exp2f) FLOAT1(exp, __builtin_expf) FLOAT1(log2, __builtin_log2f) FLOAT1(log, __builtin_logf)
FLOAT1(sqrt, __builtin_sqrtf) FLOAT1(rsqrt, 1.0f / __builtin_sqrtf) FLOAT1(tanh, __builtin_tanhf)
FLOAT1(sin, __builtin_sinf) FLOAT1(cos, __builtin_cosf)
#undef FLOAT1

#define FLOAT2(NAME, CALL)                                                                            \
  inline float NAME(float x, float y) { return CALL(x, y); }                                          \
  inline half NAME(half x, half y) { return half(CALL(float(x), float(y))); }                         \
  template <class T, int N>                                                                           \
  inline vec<T, N> NAME(vec<T, N> x, like<vec<T, N>> y) { BITLOOM_EACH x.e[i] = NAME(x.e[i], y.e[i]); return x; }
FLOAT2(fmin, __builtin_fminf) FLOAT2(fmax, __builtin_fmaxf) FLOAT2(pow, __builtin_powf) FLOAT2(fmod, __builtin_fmodf)
FLOAT2(copysign, __builtin_copysignf)
#undef FLOAT2

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
// The product of two halves is exact in double, which is wide enough that rounding the sum twice is rounding it once.
inline half fma(half a, half b, half c) { return half(double(a) * double(b) + double(c)); }
template <class T, int N>
inline vec<T, N> fma(vec<T, N> a, like<vec<T, N>> b, like<vec<T, N>> c) {
  BITLOOM_EACH a.e[i] = fma(a.e[i], b.e[i], c.e[i]);
  return a;
}
inline float ldexp(float x, int k) { return __builtin_ldexpf(x, k); }
inline half ldexp(half x, int k) { return half(__builtin_ldexpf(float(x), k)); }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }

#define INTEGERS(X) X(char) X(uchar) X(short) X(ushort) X(int) X(uint) X(long) X(ulong)

// Overloads and not a template: a call that mixes types is ambiguous here exactly where it is in Metal.
#define ORDERED(T)                                                            \
  inline T min(T a, T b) { return b < a ? b : a; }                            \
  inline T max(T a, T b) { return a < b ? b : a; }                            \
  inline T clamp(T x, T low, T high) { return min(max(x, low), high); }       \
  inline T select(T no, T yes, bool which) { return which ? yes : no; }
INTEGERS(ORDERED)
#undef ORDERED
#define FLOATING(T)                                                           \
  inline T min(T a, T b) { return fmin(a, b); }                               \
  inline T max(T a, T b) { return fmax(a, b); }                               \
  inline T clamp(T x, T low, T high) { return fmin(fmax(x, low), high); }     \
  inline T saturate(T x) { return clamp(x, T(0), T(1)); }                     \
  inline T abs(T x) { return fabs(x); }                                       \
  inline T sign(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0); }    \
  inline T select(T no, T yes, bool which) { return which ? yes : no; }
FLOATING(float) FLOATING(half)
#undef FLOATING
inline bool select(bool no, bool yes, bool which) { return which ? yes : no; }

#define VECTOR2(NAME)                                                                                 \
  template <class T, int N>                                                                           \
  inline vec<T, N> NAME(vec<T, N> a, like<vec<T, N>> b) { BITLOOM_EACH a.e[i] = NAME(a.e[i], b.e[i]); return a; }
VECTOR2(min) VECTOR2(max)
#undef VECTOR2
template <class T, int N>
inline vec<T, N> clamp(vec<T, N> x, like<vec<T, N>> low, like<vec<T, N>> high) { return min(max(x, low), high); }
template <class T, int N>
inline vec<T, N> select(vec<T, N> no, like<vec<T, N>> yes, vec<bool, N> which) {
  BITLOOM_EACH no.e[i] = which.e[i] ? yes.e[i] : no.e[i];
  return no;
}
template <int N> inline bool any(vec<bool, N> v) { bool r = false; BITLOOM_EACH r |= v.e[i]; return r; }
template <int N> inline bool all(vec<bool, N> v) { bool r = true; BITLOOM_EACH r &= v.e[i]; return r; }
inline bool any(bool v) { return v; }
inline bool all(bool v) { return v; }
template <class T, int N>
inline T dot(vec<T, N> a, like<vec<T, N>> b) { T r = a.e[0] * b.e[0]; for (int i = 1; i < N; i++) r = T(r + a.e[i] * b.e[i]); return r; }

/// A mask of `bits` ones; `bits` may be the width of the type.
inline ulong low_bits(uint bits) { return bits >= 64 ? ~ulong(0) : (ulong(1) << bits) - 1; }

#define BITWISE(T)                                                                                          \
  inline T popcount(T x) { return T(__builtin_popcountl(ulong(x) & low_bits(8 * sizeof(T)))); }             \
  inline T clz(T x) {                                                                                       \
    ulong u = ulong(x) & low_bits(8 * sizeof(T));                                                           \
    return T(u == 0 ? 8 * sizeof(T) : __builtin_clzl(u) - (64 - 8 * sizeof(T)));                            \
  }                                                                                                         \
  inline T ctz(T x) { return T(x == 0 ? 8 * sizeof(T) : __builtin_ctzl(ulong(x))); }                        \
  inline T reverse_bits(T x) { return T(__builtin_bitreverse64(ulong(x)) >> (64 - 8 * sizeof(T))); }        \
  inline T rotate(T x, T by) {                                                                              \
    constexpr uint width = 8 * sizeof(T);                                                                   \
    uint k = uint(by) % width;                                                                              \
    ulong u = ulong(x) & low_bits(width);                                                                   \
    return k == 0 ? x : T((u << k) | (u >> (width - k)));                                                   \
  }                                                                                                         \
  inline T extract_bits(T x, uint offset, uint bits) {                                                      \
    if (bits == 0) return T(0);                                                                             \
    ulong field = ((ulong(x) & low_bits(8 * sizeof(T))) >> offset) & low_bits(bits);                        \
    return T(T(-1) < T(0) && (field >> (bits - 1) & 1) ? field | ~low_bits(bits) : field);                  \
  }                                                                                                         \
  inline T insert_bits(T base, T value, uint offset, uint bits) {                                           \
    ulong mask = low_bits(bits) << offset;                                                                  \
    return T((ulong(base) & ~mask) | ((ulong(value) << offset) & mask));                                    \
  }
INTEGERS(BITWISE)
#undef BITWISE
template <class T, int N>
inline vec<T, N> popcount(vec<T, N> x) { BITLOOM_EACH x.e[i] = popcount(x.e[i]); return x; }
template <class T, int N>
inline vec<T, N> extract_bits(vec<T, N> x, uint offset, uint bits) {
  BITLOOM_EACH x.e[i] = extract_bits(x.e[i], offset, bits);
  return x;
}
inline int abs(int x) { return x < 0 ? -x : x; }
inline short abs(short x) { return short(x < 0 ? -x : x); }
inline long abs(long x) { return x < 0 ? -x : x; }
template <class T, int N>
inline vec<T, N> abs(vec<T, N> x) { BITLOOM_EACH x.e[i] = abs(x.e[i]); return x; }
inline uint mulhi(uint a, uint b) { return uint((ulong(a) * b) >> 32); }
inline int mulhi(int a, int b) { return int((long(a) * b) >> 32); }

namespace precise { using namespace metal; }
namespace fast { using namespace metal; }

}  // namespace metal
