// CUDA's vector structures (vector_types.h, vector_functions.h): plain members, no operators, CUDA's alignments.
#pragma once
#include <stdint.h>

// CUDA's are aggregates; these have constructors, because clang checks the alignment of what a copy constructor binds.
#define BITLOOM_COPIES(NAME, INIT, ASSIGN)                   \
  NAME() = default;                                          \
  [[gnu::always_inline]] NAME(const NAME& from) : INIT {}    \
  NAME& operator=(const NAME& from) { ASSIGN; return *this; }
#define VECTORS(NAME, T, A2, A4)                                                                                    \
  struct NAME##1 { T x; };                                                                                          \
  struct alignas(A2) NAME##2 {                                                                                      \
    T x, y;                                                                                                         \
    constexpr NAME##2(T x, T y) : x(x), y(y) {}                                                                     \
    BITLOOM_COPIES(NAME##2, x(from.x) BITLOOM_COMMA y(from.y), x = from.x; y = from.y)                              \
  };                                                                                                                \
  struct NAME##3 { T x, y, z; };                                                                                    \
  struct alignas(A4) NAME##4 {                                                                                      \
    T x, y, z, w;                                                                                                   \
    constexpr NAME##4(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}                                               \
    BITLOOM_COPIES(NAME##4, x(from.x) BITLOOM_COMMA y(from.y) BITLOOM_COMMA z(from.z) BITLOOM_COMMA w(from.w),      \
                   x = from.x; y = from.y; z = from.z; w = from.w)                                                  \
  };                                                                                                                \
  inline NAME##1 make_##NAME##1(T x) { return {x}; }                                                                \
  inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                                                        \
  inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }                                                \
  inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define BITLOOM_COMMA ,
VECTORS(char, signed char, 2, 4)
VECTORS(uchar, unsigned char, 2, 4)
VECTORS(short, short, 4, 8)
VECTORS(ushort, unsigned short, 4, 8)
VECTORS(int, int, 8, 16)
VECTORS(uint, unsigned int, 8, 16)
VECTORS(longlong, long long, 16, 16)
VECTORS(ulonglong, unsigned long long, 16, 16)
VECTORS(float, float, 8, 16)
VECTORS(double, double, 16, 16)
#undef VECTORS

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z) {}
};
