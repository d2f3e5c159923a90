// CUDA C++ for the processor: built-in variables, warp functions, barriers, cached loads and atomics call the runtime.
#pragma once
#include "cuda_half.h"
#include "gpu.h"

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(N) alignas(N)

#define threadIdx (bitloom::bitloom_index(bitloom::kThreadInGroup))
#define blockIdx (bitloom::bitloom_index(bitloom::kGroupInGrid))
#define blockDim (bitloom::bitloom_index(bitloom::kThreadsPerGroup))
#define gridDim (bitloom::bitloom_index(bitloom::kGroupsPerGrid))
constexpr int warpSize = 32;

inline void __syncthreads(BITLOOM_SITE) {
  // From Volta on, the barrier waits for the threads that have not returned (CUDA C++ Programming Guide).
  bitloom::bitloom_barrier(bitloom::kThreadgroup, bitloom::kDevice | bitloom::kShared, "__syncthreads", line, column, 1);
}
inline void __syncwarp(unsigned int mask = 0xFFFFFFFFu, BITLOOM_SITE) {
  bitloom::bitloom_barrier(bitloom::kSimdgroup, bitloom::kDevice | bitloom::kShared, "__syncwarp", line, column, mask);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

/// Lanes exchange within segments of `width`; a source beyond the segment leaves a lane its own value.
template <class T>
inline T __shfl_sync(unsigned int mask, T value, int from, int width = 32, BITLOOM_SITE) {
  const unsigned int lane = bitloom::bitloom_lane(), w = (unsigned int)width;
  const unsigned int source = (lane & ~(w - 1)) + ((unsigned int)from & (w - 1));
  return bitloom::exchange("__shfl_sync", value, source, mask, line, column);
}
template <class T>
inline T __shfl_xor_sync(unsigned int mask, T value, int bits, int width = 32, BITLOOM_SITE) {
  const unsigned int lane = bitloom::bitloom_lane(), w = (unsigned int)width, other = lane ^ (unsigned int)bits;
  return bitloom::exchange("__shfl_xor_sync", value, other >= (lane & ~(w - 1)) + w ? lane : other, mask, line, column);
}
template <class T>
inline T __shfl_down_sync(unsigned int mask, T value, unsigned int by, int width = 32, BITLOOM_SITE) {
  const unsigned int lane = bitloom::bitloom_lane(), w = (unsigned int)width;
  return bitloom::exchange("__shfl_down_sync", value, (lane & (w - 1)) + by >= w ? lane : lane + by, mask, line, column);
}
template <class T>
inline T __shfl_up_sync(unsigned int mask, T value, unsigned int by, int width = 32, BITLOOM_SITE) {
  const unsigned int lane = bitloom::bitloom_lane(), w = (unsigned int)width;
  return bitloom::exchange("__shfl_up_sync", value, (lane & (w - 1)) < by ? lane : lane - by, mask, line, column);
}

inline unsigned int __ballot_sync(unsigned int mask, int predicate, BITLOOM_SITE) {
  return (unsigned int)bitloom::vote("__ballot_sync", predicate != 0, mask, line, column).yes;
}
inline int __any_sync(unsigned int mask, int predicate, BITLOOM_SITE) {
  return bitloom::vote("__any_sync", predicate != 0, mask, line, column).yes != 0;
}
inline int __all_sync(unsigned int mask, int predicate, BITLOOM_SITE) {
  const bitloom::Vote v = bitloom::vote("__all_sync", predicate != 0, mask, line, column);
  return v.yes == v.all;
}

#define REDUCE(NAME, OP)                                                                       \
  inline int NAME(unsigned int mask, int value, BITLOOM_SITE) {                                \
    return int(bitloom::reduce<bitloom::OP>(#NAME, bitloom_##OP(value), mask, line, column));  \
  }                                                                                            \
  inline unsigned int NAME(unsigned int mask, unsigned int value, BITLOOM_SITE) {              \
    return bitloom::reduce<bitloom::OP>(#NAME, value, mask, line, column);                     \
  }
// A sum of ints wraps, which C++ leaves undefined unless the addition is unsigned.
inline unsigned int bitloom_Add(int v) { return (unsigned int)v; }
inline int bitloom_Min(int v) { return v; }
inline int bitloom_Max(int v) { return v; }
inline int bitloom_And(int v) { return v; }
inline int bitloom_Or(int v) { return v; }
inline int bitloom_Xor(int v) { return v; }
REDUCE(__reduce_add_sync, Add) REDUCE(__reduce_min_sync, Min) REDUCE(__reduce_max_sync, Max)
REDUCE(__reduce_and_sync, And) REDUCE(__reduce_or_sync, Or) REDUCE(__reduce_xor_sync, Xor)
#undef REDUCE

#define LOAD(NAME) template <class T> inline T NAME(const T* p) { return *p; }
LOAD(__ldg) LOAD(__ldca) LOAD(__ldcg) LOAD(__ldcs) LOAD(__ldlu) LOAD(__ldcv)
#undef LOAD
#define STORE(NAME) template <class T> inline void NAME(T* p, T value) { *p = value; }
STORE(__stwb) STORE(__stcg) STORE(__stcs) STORE(__stwt)
#undef STORE

template <class T> struct bitloom_same { using type = T; };
#define ATOMIC(NAME, RESULT)                                                            \
  template <class T>                                                                    \
  inline T NAME(T* p, typename bitloom_same<T>::type value) {                           \
    bitloom::bitloom_atomic(p, sizeof(T), bitloom::kUpdate);                            \
    const T old = bitloom::raw(p);                                                      \
    bitloom::set(p, T(RESULT));                                                         \
    return old;                                                                         \
  }
ATOMIC(atomicAdd, old + value) ATOMIC(atomicSub, old - value) ATOMIC(atomicExch, value)
ATOMIC(atomicMin, value < old ? value : old) ATOMIC(atomicMax, old < value ? value : old)
ATOMIC(atomicAnd, old & value) ATOMIC(atomicOr, old | value) ATOMIC(atomicXor, old ^ value)
#undef ATOMIC
