// Metal's SIMD-group functions, barriers, atomics and 8×8 matrices, each of them a call into the runtime.
#pragma once
#include "gpu.h"
#include "metal_math.h"

namespace metal {

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4 };
constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }

inline void threadgroup_barrier(mem_flags flags, BITLOOM_SITE) {
  bitloom::bitloom_barrier(bitloom::kThreadgroup, int(flags) & 3, "threadgroup_barrier", line, column, 0);
}
inline void simdgroup_barrier(mem_flags flags, BITLOOM_SITE) {
  bitloom::bitloom_barrier(bitloom::kSimdgroup, int(flags) & 3, "simdgroup_barrier", line, column, ~0ul);
}

template <class T> struct is_vector { static constexpr bool value = false; using element = T; };
template <class T, int N> struct is_vector<vec<T, N>> { static constexpr bool value = true; using element = T; };
template <class T> struct is_bool { static constexpr bool value = false; };
template <> struct is_bool<bool> { static constexpr bool value = true; };

/// SIMD-group functions take scalars and vectors of 8-, 16- and 32-bit integers, half and float.
template <class T>
constexpr bool exchangeable() {
  return sizeof(typename is_vector<T>::element) <= 4 && !is_bool<typename is_vector<T>::element>::value;
}
#define BITLOOM_EXCHANGEABLE(NAME) static_assert(exchangeable<T>(), NAME " takes no bool and no 64-bit type")

#define SHUFFLE(NAME, FROM)                                                                 \
  template <class T>                                                                        \
  inline T NAME(T value, ushort by, BITLOOM_SITE) {                                         \
    BITLOOM_EXCHANGEABLE(#NAME);                                                            \
    const uint lane = bitloom::bitloom_lane(), lanes = bitloom::bitloom_lanes();            \
    const uint from = FROM;                                                                 \
    return bitloom::exchange(#NAME, value, from < lanes ? from : bitloom::kNoLane, ~0ul, line, column); \
  }
SHUFFLE(simd_shuffle, (void(lane), uint(by)))
SHUFFLE(simd_broadcast, (void(lane), uint(by)))
SHUFFLE(simd_shuffle_xor, lane ^ by)
SHUFFLE(simd_shuffle_up, lane - by)
SHUFFLE(simd_shuffle_down, lane + by)
SHUFFLE(simd_shuffle_rotate_up, (lane + lanes - by % lanes) % lanes)
SHUFFLE(simd_shuffle_rotate_down, (lane + by) % lanes)
SHUFFLE(quad_shuffle_xor, lane ^ (by & 3))
SHUFFLE(quad_broadcast, (lane & ~3u) + (by & 3))
SHUFFLE(quad_shuffle, (lane & ~3u) + (by & 3))
#undef SHUFFLE

#define REDUCE(NAME, OP)                                                                    \
  template <class T>                                                                        \
  inline T NAME(T value, BITLOOM_SITE) {                                                    \
    BITLOOM_EXCHANGEABLE(#NAME);                                                            \
    return bitloom::reduce<bitloom::OP>(#NAME, value, ~0ul, line, column);                  \
  }
REDUCE(simd_sum, Add) REDUCE(simd_product, Multiply) REDUCE(simd_min, Min) REDUCE(simd_max, Max)
REDUCE(simd_and, And) REDUCE(simd_or, Or) REDUCE(simd_xor, Xor)
#undef REDUCE

#define SCAN(NAME, OP, INCLUSIVE)                                                           \
  template <class T>                                                                        \
  inline T NAME(T value, BITLOOM_SITE) {                                                    \
    bitloom::Reduction<T> slot = {value, value};                                            \
    bitloom::bitloom_collective(#NAME, line, column, ~0ul, &slot, bitloom::scan<T, bitloom::OP, INCLUSIVE>); \
    return slot.result;                                                                     \
  }
SCAN(simd_prefix_inclusive_sum, Add, true) SCAN(simd_prefix_exclusive_sum, Add, false)
SCAN(simd_prefix_inclusive_product, Multiply, true) SCAN(simd_prefix_exclusive_product, Multiply, false)
#undef SCAN

template <class T>
inline T simd_broadcast_first(T value, BITLOOM_SITE) {
  const bitloom::Vote v = bitloom::vote("simd_broadcast_first", true, ~0ul, line, column);
  return bitloom::exchange("simd_broadcast_first", value, uint(__builtin_ctzl(v.all)), ~0ul, line, column);
}

class simd_vote {
 public:
  using vote_t = ulong;
  constexpr explicit simd_vote(vote_t bits = 0) : bits_(bits) {}
  constexpr explicit operator vote_t() const { return bits_; }
  bool any() const { return bits_ != 0; }
  bool all() const {
    const uint lanes = bitloom::bitloom_lanes();
    return bits_ == low_bits(lanes);
  }

 private:
  vote_t bits_;
};

inline simd_vote simd_ballot(bool value, BITLOOM_SITE) {
  return simd_vote(bitloom::vote("simd_ballot", value, ~0ul, line, column).yes);
}
inline simd_vote simd_active_threads_mask(BITLOOM_SITE) {
  return simd_vote(bitloom::vote("simd_active_threads_mask", true, ~0ul, line, column).yes);
}
inline bool simd_any(bool value, BITLOOM_SITE) { return bitloom::vote("simd_any", value, ~0ul, line, column).yes != 0; }
inline bool simd_all(bool value, BITLOOM_SITE) {
  const bitloom::Vote v = bitloom::vote("simd_all", value, ~0ul, line, column);
  return v.yes == v.all;
}
inline bool simd_is_first(BITLOOM_SITE) {
  return uint(__builtin_ctzl(bitloom::vote("simd_is_first", true, ~0ul, line, column).all)) == bitloom::bitloom_lane();
}

enum memory_order { memory_order_relaxed };

template <class T>
struct atomic {
  T value;
};

template <class T>
inline T atomic_load_explicit(const volatile atomic<T>* p, memory_order) {
  bitloom::bitloom_atomic(p, sizeof(T), bitloom::kRead);
  return bitloom::raw(&p->value);
}
template <class T>
inline void atomic_store_explicit(volatile atomic<T>* p, like<T> value, memory_order) {
  bitloom::bitloom_atomic(p, sizeof(T), bitloom::kWrite);
  bitloom::set(&p->value, value);
}
#define ATOMIC(NAME, RESULT)                                                                \
  template <class T>                                                                        \
  inline T NAME(volatile atomic<T>* p, like<T> value, memory_order) {                       \
    bitloom::bitloom_atomic(p, sizeof(T), bitloom::kUpdate);                                \
    const T old = bitloom::raw(&p->value);                                                  \
    bitloom::set(&p->value, T(RESULT));                                                     \
    return old;                                                                             \
  }
ATOMIC(atomic_exchange_explicit, value)
ATOMIC(atomic_fetch_add_explicit, old + value)
ATOMIC(atomic_fetch_sub_explicit, old - value)
ATOMIC(atomic_fetch_and_explicit, old & value)
ATOMIC(atomic_fetch_or_explicit, old | value)
ATOMIC(atomic_fetch_xor_explicit, old ^ value)
ATOMIC(atomic_fetch_min_explicit, value < old ? value : old)
ATOMIC(atomic_fetch_max_explicit, old < value ? value : old)
#undef ATOMIC

/// Lane `lane` of a 32-lane SIMD-group holds elements (row, column) and (row, column + 1), as on Apple's GPUs; at other
/// widths, where there is no hardware to follow, the elements go to the lanes in row-major order.
template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "SIMD-group matrices are 8 by 8");
  alignas(16) T own[16];  // 64 elements over at least four lanes
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T value) { for (uint i = 0; i < held(); i++) own[i] = value; }
  vec<T, 2>& thread_elements() { return *reinterpret_cast<vec<T, 2>*>(own); }

  static uint held() { return 64 / bitloom::bitloom_lanes(); }
  static uint row(uint lane, uint i) {
    if (bitloom::bitloom_lanes() != 32) return (lane * held() + i) / 8;
    return (lane / 4 & 4) + (lane / 2 & 3);
  }
  static uint column(uint lane, uint i) {
    if (bitloom::bitloom_lanes() != 32) return (lane * held() + i) % 8;
    return (lane / 4 & 2) * 2 + (lane & 1) * 2 + i;
  }
};

using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;

inline void together(const char* name, int line, int column) {
  bitloom::bitloom_collective(name, line, column, ~0ul, nullptr, [](void* const*, const bitloom::u8*, bitloom::u32) {});
}

template <class T>
inline simdgroup_matrix<T, 8, 8> make_filled_simdgroup_matrix(T value) { return simdgroup_matrix<T, 8, 8>(value); }
template <class T, int C, int R>
inline simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T value) { return simdgroup_matrix<T, C, R>(value); }

template <class T>
inline void simdgroup_load(simdgroup_matrix<T, 8, 8>& m, const T* from, ulong pitch = 8, ulong2 origin = ulong2(0),
                           bool transpose = false, BITLOOM_SITE) {
  together("simdgroup_load", line, column);
  const uint lane = bitloom::bitloom_lane();
  for (uint i = 0; i < m.held(); i++) {
    const ulong r = transpose ? m.column(lane, i) : m.row(lane, i), c = transpose ? m.row(lane, i) : m.column(lane, i);
    m.own[i] = from[(origin.y + r) * pitch + origin.x + c];
  }
}

template <class T>
inline void simdgroup_store(const simdgroup_matrix<T, 8, 8>& m, T* to, ulong pitch = 8, ulong2 origin = ulong2(0),
                            bool transpose = false, BITLOOM_SITE) {
  together("simdgroup_store", line, column);
  const uint lane = bitloom::bitloom_lane();
  for (uint i = 0; i < m.held(); i++) {
    const ulong r = transpose ? m.column(lane, i) : m.row(lane, i), c = transpose ? m.row(lane, i) : m.column(lane, i);
    to[(origin.y + r) * pitch + origin.x + c] = m.own[i];
  }
}

template <class D, class A, class B, class C>
struct Product {
  simdgroup_matrix<D, 8, 8>* d;
  const simdgroup_matrix<A, 8, 8>* a;
  const simdgroup_matrix<B, 8, 8>* b;
  const simdgroup_matrix<C, 8, 8>* c;
};

/// The whole 8×8×8 product, once for the SIMD-group; products and sums in float, one rounding at the end.
template <class D, class A, class B, class C>
inline void multiply(void* const* slots, const bitloom::u8*, bitloom::u32) {
  using Slot = Product<D, A, B, C>;
  using M = simdgroup_matrix<float, 8, 8>;
  float a[8][8] = {}, b[8][8] = {};
  const uint lanes = bitloom::bitloom_lanes(), held = M::held();
  for (uint lane = 0; lane < lanes; lane++)
    for (uint i = 0; slots[lane] != nullptr && i < held; i++) {
      const Slot* slot = static_cast<const Slot*>(slots[lane]);
      a[M::row(lane, i)][M::column(lane, i)] = float(slot->a->own[i]);
      b[M::row(lane, i)][M::column(lane, i)] = float(slot->b->own[i]);
    }
  for (uint lane = 0; lane < lanes; lane++)
    for (uint i = 0; slots[lane] != nullptr && i < held; i++) {
      const Slot* slot = static_cast<const Slot*>(slots[lane]);
      float sum = slot->c == nullptr ? 0.0f : float(slot->c->own[i]);
      for (uint k = 0; k < 8; k++) sum += a[M::row(lane, i)][k] * b[k][M::column(lane, i)];
      slot->d->own[i] = D(sum);
    }
}

template <class D, class A, class B, class C>
inline void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8>& a,
                                          simdgroup_matrix<B, 8, 8>& b, simdgroup_matrix<C, 8, 8>& c, BITLOOM_SITE) {
  Product<D, A, B, C> slot = {&d, &a, &b, &c};
  bitloom::bitloom_collective("simdgroup_multiply_accumulate", line, column, ~0ul, &slot, multiply<D, A, B, C>);
}

template <class D, class A, class B>
inline void simdgroup_multiply(simdgroup_matrix<D, 8, 8>& d, simdgroup_matrix<A, 8, 8>& a, simdgroup_matrix<B, 8, 8>& b,
                               BITLOOM_SITE) {
  Product<D, A, B, D> slot = {&d, &a, &b, nullptr};
  bitloom::bitloom_collective("simdgroup_multiply", line, column, ~0ul, &slot, multiply<D, A, B, D>);
}

}  // namespace metal

using atomic_int = metal::atomic<int>;
using atomic_uint = metal::atomic<uint>;
using atomic_float = metal::atomic<float>;
using metal::memory_order;
using metal::memory_order_relaxed;
