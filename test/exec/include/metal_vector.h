// Metal's scalar and vector types as C++ classes: constructors, swizzles and operators convert as Metal's do.
#pragma once

using int8_t = char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned int;
using int64_t = long;
using uint64_t = unsigned long;
using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long;
using size_t = unsigned long;
using ptrdiff_t = long;
using half = _Float16;

constexpr half operator""h(long double value) { return half(value); }
constexpr half operator""h(unsigned long long value) { return half(value); }

namespace metal {

template <class T, int N>
struct vec;

/// Some components of a vector, in some order, living in the vector's own memory.
template <class T, class V, int N, int... I>
struct swizzle {
  T e[N];
  operator V() const { return V(e[I]...); }
  swizzle& operator=(const V& value) {
    const int to[] = {I...};
    for (int i = 0; i < int(sizeof...(I)); i++) e[to[i]] = value[i];
    return *this;
  }
  swizzle(const swizzle&) = default;
  swizzle() = default;
  swizzle& operator=(const swizzle& other) { return *this = V(other); }
  swizzle& operator+=(const V& value) { return *this = V(*this) + value; }
  swizzle& operator*=(const V& value) { return *this = V(*this) * value; }
};

// An assignment between swizzles must leave the other components alone, so they have one of their own; a union with such
// members gets none from the compiler. A constructor of our own makes clang check the alignment of what is copied.
#define BITLOOM_STORAGE(COUNT)                         \
  storage() = default;                                 \
  [[gnu::always_inline]] storage(const storage& other) { \
    for (int i = 0; i < COUNT; i++) e[i] = other.e[i]; \
  }                                                    \
  storage& operator=(const storage& other) {           \
    for (int i = 0; i < COUNT; i++) e[i] = other.e[i]; \
    return *this;                                      \
  }
#define BITLOOM_EACH for (int i = 0; i < N; i++)

template <class T, int N>
struct storage;

template <class T>
struct alignas(2 * sizeof(T)) storage<T, 2> {
  BITLOOM_STORAGE(2)
  union {
    T e[2];
    struct { T x, y; };
    struct { T r, g; };
  };
};

template <class T>
struct alignas(4 * sizeof(T)) storage<T, 3> {
  BITLOOM_STORAGE(3)
  union {
    T e[3];
    struct { T x, y, z; };
    struct { T r, g, b; };
    swizzle<T, vec<T, 2>, 3, 0, 1> xy;
    swizzle<T, vec<T, 2>, 3, 1, 2> yz;
    swizzle<T, vec<T, 2>, 3, 0, 2> xz;
  };
};

template <class T>
struct alignas(4 * sizeof(T)) storage<T, 4> {
  BITLOOM_STORAGE(4)
  union {
    T e[4];
    struct { T x, y, z, w; };
    struct { T r, g, b, a; };
    swizzle<T, vec<T, 2>, 4, 0, 1> xy;
    swizzle<T, vec<T, 2>, 4, 1, 2> yz;
    swizzle<T, vec<T, 2>, 4, 2, 3> zw;
    swizzle<T, vec<T, 2>, 4, 0, 2> xz;
    swizzle<T, vec<T, 2>, 4, 1, 3> yw;
    swizzle<T, vec<T, 3>, 4, 0, 1, 2> xyz;
    swizzle<T, vec<T, 3>, 4, 1, 2, 3> yzw;
    swizzle<T, vec<T, 4>, 4, 3, 2, 1, 0> wzyx;
  };
};

template <class T, int N>
struct vec : storage<T, N> {
  using storage<T, N>::e;

  vec() = default;
  vec(T value) { BITLOOM_EACH e[i] = value; }
  template <class U>
  explicit vec(const vec<U, N>& other) { BITLOOM_EACH e[i] = T(other.e[i]); }
  template <class A, class B, class... Rest>
  vec(const A& first, const B& second, const Rest&... rest) { fill<0>(first, second, rest...); }

  T& operator[](uint i) { return e[i]; }
  const T& operator[](uint i) const { return e[i]; }

  friend vec operator-(vec a) { BITLOOM_EACH a.e[i] = T(-a.e[i]); return a; }
  friend vec operator~(vec a) { BITLOOM_EACH a.e[i] = T(~a.e[i]); return a; }
  friend vec<bool, N> operator!(const vec& a) { vec<bool, N> r; BITLOOM_EACH r.e[i] = !a.e[i]; return r; }
#define ARITHMETIC(OP)                                                                                  \
  friend vec operator OP(const vec& a, const vec& b) { vec r; BITLOOM_EACH r.e[i] = T(a.e[i] OP b.e[i]); return r; } \
  vec& operator OP##=(const vec& b) { return *this = *this OP b; }
  ARITHMETIC(+) ARITHMETIC(-) ARITHMETIC(*) ARITHMETIC(/) ARITHMETIC(%)
  ARITHMETIC(&) ARITHMETIC(|) ARITHMETIC(^) ARITHMETIC(<<) ARITHMETIC(>>)
#undef ARITHMETIC
#define COMPARISON(OP)                                                                              \
  friend vec<bool, N> operator OP(const vec& a, const vec& b) {                                     \
    vec<bool, N> r; BITLOOM_EACH r.e[i] = a.e[i] OP b.e[i]; return r;                               \
  }
  COMPARISON(==) COMPARISON(!=) COMPARISON(<) COMPARISON(<=) COMPARISON(>) COMPARISON(>=)
  COMPARISON(&&) COMPARISON(||)
#undef COMPARISON

 private:
  template <int At>
  void fill() { static_assert(At == N, "a vector takes as many components as it has"); }
  template <int At, class... Rest>
  void fill(const T& value, const Rest&... rest) { e[At] = value; fill<At + 1>(rest...); }
  template <int At, class U, int M, class... Rest>
  void fill(const vec<U, M>& value, const Rest&... rest) {
    static_assert(At + M <= N, "a vector takes as many components as it has");
    for (int i = 0; i < M; i++) e[At + i] = T(value.e[i]);
    fill<At + M>(rest...);
  }
  template <int At, class V, int M, int... I, class... Rest>
  void fill(const swizzle<T, V, M, I...>& value, const Rest&... rest) { fill<At>(V(value), rest...); }
};

template <class T, int N>
struct packed_vec {
  T e[N];
  packed_vec() = default;
  packed_vec(const vec<T, N>& value) { BITLOOM_EACH e[i] = value[i]; }
  operator vec<T, N>() const { vec<T, N> r; BITLOOM_EACH r.e[i] = e[i]; return r; }
  T& operator[](uint i) { return e[i]; }
  const T& operator[](uint i) const { return e[i]; }
};

#define VECTORS(NAME, T)        \
  using NAME##2 = vec<T, 2>;    \
  using NAME##3 = vec<T, 3>;    \
  using NAME##4 = vec<T, 4>;    \
  using packed_##NAME##2 = packed_vec<T, 2>; \
  using packed_##NAME##3 = packed_vec<T, 3>; \
  using packed_##NAME##4 = packed_vec<T, 4>;
VECTORS(bool, bool) VECTORS(char, char) VECTORS(uchar, uchar) VECTORS(short, short) VECTORS(ushort, ushort)
VECTORS(int, int) VECTORS(uint, uint) VECTORS(long, long) VECTORS(ulong, ulong) VECTORS(half, half) VECTORS(float, float)
#undef VECTORS

template <class To, class From>
inline To as_type(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "as_type keeps the size");
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

}  // namespace metal

// Metal declares these in the global namespace too.
using metal::as_type;
