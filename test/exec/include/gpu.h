// The calls that executed kernel text makes into the runtime: identity, collectives, barriers, shared memory, atomics.
#pragma once

#define BITLOOM_SITE int line = __builtin_LINE(), int column = __builtin_COLUMN()

namespace bitloom {

using u8 = unsigned char;
using u32 = unsigned int;
using u64 = unsigned long;

struct Index {
  u32 x, y, z;
};

/// Which position or size `bitloom_index` returns.
enum Which { kThreadInGroup, kGroupInGrid, kThreadsPerGroup, kGroupsPerGrid, kThreadInGrid, kThreadsPerGrid };

/// Memory that a barrier orders; the values may be or-ed.
enum Space { kNoSpace = 0, kDevice = 1, kShared = 2 };

enum Scope { kSimdgroup, kThreadgroup };

enum Access { kRead, kWrite, kUpdate };

/// Runs once a collective is complete, on the last lane to arrive. `slots[lane]` is what that lane passed; `order` lists
/// the `count` lanes that take part, in the order of the schedule, so that a sum does not silently rely on one order.
using Combine = void (*)(void* const* slots, const u8* order, u32 count);

/// No lane: a shuffle from it leaves the result undefined.
constexpr u32 kNoLane = ~0u;

extern "C" {
Index bitloom_index(int which) __attribute__((const));
u32 bitloom_lane() __attribute__((const));
u32 bitloom_lanes() __attribute__((const));
u32 bitloom_simdgroup() __attribute__((const));
u32 bitloom_simdgroups() __attribute__((const));
u32 bitloom_thread() __attribute__((const));
void bitloom_collective(const char* name, int line, int column, u64 mask, void* slot, Combine combine);
void bitloom_barrier(int scope, int spaces, const char* name, int line, int column, u64 mask);
void* bitloom_shared(u32 slot, u64 bytes, const char* name);
void* bitloom_dynamic_shared(const char* name);
void bitloom_atomic(const volatile void* address, u64 bytes, int access);
/// Reports that a lane of the running collective read from a lane that takes no part in it.
void bitloom_absent_lane(u32 reader, u32 from);
}

/// The array that `threadgroup T name[…]` or `__shared__ T name[…]` declares, one for each threadgroup.
template <class Array>
inline Array& shared(u32 slot, const char* name) {
  return *static_cast<Array*>(bitloom_shared(slot, sizeof(Array), name));
}

/// Memory access of an atomic function, which `bitloom_atomic` has already checked.
template <class T>
[[gnu::noinline]] __attribute__((no_sanitize("thread"))) T raw(const volatile T* p) { return *p; }
template <class T>
[[gnu::noinline]] __attribute__((no_sanitize("thread"))) void set(volatile T* p, T value) { *p = value; }

template <class T>
struct Exchange {
  T value;
  u32 from;
  T result;
};

/// Gives each lane the value of the lane it names; `from` must be below the number of lanes or `kNoLane`.
template <class T>
inline void gather(void* const* slots, const u8* order, u32 count) {
  for (u32 i = 0; i < count; i++) {
    Exchange<T>* mine = static_cast<Exchange<T>*>(slots[order[i]]);
    const Exchange<T>* theirs = mine->from < 64 ? static_cast<const Exchange<T>*>(slots[mine->from]) : nullptr;
    if (theirs == nullptr) bitloom_absent_lane(order[i], mine->from);
    mine->result = theirs == nullptr ? mine->value : theirs->value;
  }
}

template <class T>
inline T exchange(const char* name, T value, u32 from, u64 mask, int line, int column) {
  Exchange<T> slot = {value, from, value};
  bitloom_collective(name, line, column, mask, &slot, gather<T>);
  return slot.result;
}

template <class T>
struct Reduction {
  T value;
  T result;
};

template <class T, class Op>
inline void fold(void* const* slots, const u8* order, u32 count) {
  T total = static_cast<Reduction<T>*>(slots[order[0]])->value;
  for (u32 i = 1; i < count; i++) total = Op::apply(total, static_cast<Reduction<T>*>(slots[order[i]])->value);
  for (u32 i = 0; i < count; i++) static_cast<Reduction<T>*>(slots[order[i]])->result = total;
}

template <class Op, class T>
inline T reduce(const char* name, T value, u64 mask, int line, int column) {
  Reduction<T> slot = {value, value};
  bitloom_collective(name, line, column, mask, &slot, fold<T, Op>);
  return slot.result;
}

/// `Inclusive` says whether a lane's own value counts.
template <class T, class Op, bool Inclusive>
inline void scan(void* const* slots, const u8*, u32) {
  T total = Op::template identity<T>();
  for (u32 lane = 0; lane < 64; lane++) {
    Reduction<T>* slot = static_cast<Reduction<T>*>(slots[lane]);
    if (slot == nullptr) continue;
    T next = Op::apply(total, slot->value);
    slot->result = Inclusive ? next : total;
    total = next;
  }
}

struct Vote {
  bool value;
  u64 yes;
  u64 all;
};

inline void tally(void* const* slots, const u8* order, u32 count) {
  u64 yes = 0, all = 0;
  for (u32 i = 0; i < count; i++) {
    all |= u64(1) << order[i];
    if (static_cast<Vote*>(slots[order[i]])->value) yes |= u64(1) << order[i];
  }
  for (u32 i = 0; i < count; i++) {
    static_cast<Vote*>(slots[order[i]])->yes = yes;
    static_cast<Vote*>(slots[order[i]])->all = all;
  }
}

inline Vote vote(const char* name, bool value, u64 mask, int line, int column) {
  Vote slot = {value, 0, 0};
  bitloom_collective(name, line, column, mask, &slot, tally);
  return slot;
}

struct Add {
  template <class T> static T apply(T a, T b) { return T(a + b); }
  template <class T> static T identity() { return T(0); }
};
struct Multiply {
  template <class T> static T apply(T a, T b) { return T(a * b); }
  template <class T> static T identity() { return T(1); }
};
struct Min {
  template <class T> static T apply(T a, T b) { return b < a ? b : a; }
};
struct Max {
  template <class T> static T apply(T a, T b) { return a < b ? b : a; }
};
struct And {
  template <class T> static T apply(T a, T b) { return T(a & b); }
};
struct Or {
  template <class T> static T apply(T a, T b) { return T(a | b); }
};
struct Xor {
  template <class T> static T apply(T a, T b) { return T(a ^ b); }
};

}  // namespace bitloom
