// What the three parts of the runtime (scheduler, memory checks, driver) share.
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "gpu.h"

namespace bitloom {

constexpr u32 kMaxLanes = 64;
constexpr u32 kMaxThreads = 1024;
constexpr u64 kStackBytes = 256 << 10;

/// Who is running, and what the barriers so far have ordered: the other half of every race check.
struct Running {
  u32 group;   // linear index in the grid
  u32 thread;  // linear index in the threadgroup
  u32 simdgroup;
  u32 groupEpoch[3];  // [Space]: barriers of the threadgroup that ordered this space
  u32 simdEpoch[3];   // [Space]: barriers of the SIMD-group that ordered this space
  char* stack;
};

extern Running running;
/// True while code runs that is no GPU thread's own: start-up, the scheduler, the inside of a collective.
extern bool quiet;

enum RegionAccess { kReadOnly, kWriteOnly, kReadWrite };

struct Launch {
  Index grid;     // threadgroups
  Index threads;  // of one threadgroup
  u32 lanes;
  u32 schedule;  // 0 forward, 1 reverse, 2 random
  u64 seed;
  u64 dynamicSharedBytes;
  u32 kernel;  // index among the kernels of the text
};

extern Launch launch;

/// Maps `bytes` with nothing else within 64 GiB on either side, so that a wrong index is attributed to this region.
char* addRegion(const char* name, u64 bytes, u32 elementBytes, Space space, RegionAccess access);
/// Threadgroup memory holds 0xFF (NaN) in every byte, marked as never written.
void poison(char* base);

/// Adds a finding; repeats of the same place are dropped. In `format`, `{line}` stands for `pc` and `{other}` for `otherPc`.
void report(const char* kind, u64 pc, u64 otherPc, int line, const char* format, ...)
    __attribute__((format(printf, 5, 6)));
/// Ends the run: what follows a wild access or a deadlock means nothing.
[[noreturn]] void stop();
/// Runs every threadgroup of the grid to its end.
void runGrid();
/// Writes findings and outputs, and exits; `complete` says whether every thread reached its end.
[[noreturn]] void finish(bool complete);

}  // namespace bitloom

/// Compiled with the kernel text: runs one thread of one of its kernels.
extern "C" void bitloom_entry(bitloom::u32 kernel, void* const* buffers);
extern void* bitloom_buffers[64];
