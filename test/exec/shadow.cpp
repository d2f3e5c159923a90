// Memory checks of executed kernels: each instrumented access is tested for bounds, initialisation and races.
//
// Kernel text is compiled with clang's thread-sanitizer instrumentation, but linked against the hooks below. A GPU needs
// no vector clocks: within a threadgroup two accesses are ordered by the same thread, by a threadgroup barrier, or by a
// SIMD-group barrier of their common SIMD-group, so an epoch counter for each barrier scope decides exactly. Because the
// test is on barriers and not on the interleaving that happened to run, a race is found under any schedule.
#include "runtime.h"

#include <string.h>
#include <sys/mman.h>

namespace bitloom {
namespace {

constexpr u64 kFirstWindow = u64(1) << 44;
constexpr u32 kWindowShift = 37;
constexpr u64 kLead = u64(1) << (kWindowShift - 1);
constexpr u32 kMaxRegions = 192;

struct Stamp {
  u32 group;  // linear index + 1; 0: no access yet
  u32 thread;
  u32 groupEpoch;
  u32 simdEpoch;
  u32 pc;  // executables are linked below 4 GiB
};

/// Enough of the past accesses of one kind to find every race of the next one: see `remember` for why three do.
struct Past {
  Stamp stamps[3];
};

/// The past of one byte. A plain write comes after everything before it, or has raced already: one is enough.
struct Cell {
  Stamp write;
  Past reads;
  u32 hasAtomics;
  Past atomicWrites;
  Past atomicReads;
};

struct Region {
  const char* name;
  char* base;
  u64 bytes;
  u32 elementBytes;
  Space space;
  RegionAccess access;
  u8* written;  // one a byte; null where the host gave the contents
  Cell* cells;  // one a byte; null where nothing writes
};

Region regions[kMaxRegions];
u32 regionCount = 0;

void* mapZeros(u64 bytes, void* at = nullptr) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at == nullptr ? 0 : MAP_FIXED_NOREPLACE);
  void* p = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

Region* find(u64 address) {
  u64 window = (address - kFirstWindow) >> kWindowShift;
  return window < regionCount ? &regions[window] : nullptr;
}

bool ordered(const Stamp& past, const Stamp& now, Space space) {
  if (past.group == 0) return true;
  // Threadgroup memory of another threadgroup is other memory that happens to reuse these bytes.
  if (past.group != now.group) return space == kShared;
  if (past.thread == now.thread || past.groupEpoch != now.groupEpoch) return true;
  return past.thread / launch.lanes == now.thread / launch.lanes && past.simdEpoch != now.simdEpoch;
}

void describeThread(char* out, u64 size, u32 group, u32 thread) {
  u32 x = group % launch.grid.x, y = group / launch.grid.x % launch.grid.y, z = group / launch.grid.x / launch.grid.y;
  snprintf(out, size, "thread %u of threadgroup (%u, %u, %u)", thread, x, y, z);
}

/// "bytes 16..32 of y, element 4": the element only where the host said how large one is.
void describePlace(char* out, u64 size, const Region& region, int64_t offset, u64 bytes) {
  int n = snprintf(out, size, "bytes %lld..%lld of %s", (long long)offset, (long long)(offset + int64_t(bytes)), region.name);
  if (region.elementBytes > 0 && offset >= 0 && n > 0 && u64(n) < size)
    snprintf(out + n, size - u64(n), " (element %lld)", (long long)(offset / region.elementBytes));
}

[[gnu::noinline]] void reportRace(const Region& region, u64 offset, u64 bytes, const char* verb, const char* pastVerb,
                                  const Stamp& past, u64 pc) {
  char me[96], them[96], place[160];
  describeThread(me, sizeof me, running.group, running.thread);
  describeThread(them, sizeof them, past.group - 1, past.thread);
  describePlace(place, sizeof place, region, int64_t(offset), bytes);
  const char* cause = past.group - 1 != running.group ? "threadgroups are never ordered"
                      : past.thread / launch.lanes == running.simdgroup ? "no barrier of their SIMD-group lies between"
                                                                        : "no threadgroup barrier lies between";
  report("race", pc, past.pc, 0, "%s %s %s at line {line}; %s %s it at line {other}; %s", me, verb, place, them, pastVerb,
         cause);
}

/// Accesses from two SIMD-groups conflict with any third (one of them is foreign to it), and those of two threads of one
/// SIMD-group with any within it: kept are the newest, one of another SIMD-group, one of another thread of its own.
void remember(Past& past, const Stamp& now, Space space) {
  Stamp& newest = past.stamps[0];
  const bool sameThread = newest.group == now.group && newest.thread == now.thread;
  if (newest.group != 0 && !sameThread && !ordered(newest, now, space)) {
    bool sameSimdgroup = newest.group == now.group && newest.thread / launch.lanes == now.thread / launch.lanes;
    past.stamps[sameSimdgroup ? 2 : 1] = newest;
  }
  newest = now;
}

void checkRaces(Region& region, u64 offset, u64 bytes, bool write, bool atomic, u64 pc) {
  const Space space = region.space;
  const Stamp now = {running.group + 1, running.thread, running.groupEpoch[space], running.simdEpoch[space], u32(pc)};
  bool reported = false;
  auto against = [&](const Stamp& past, const char* pastVerb) {
    if (reported || ordered(past, now, space)) return;
    reported = true;
    reportRace(region, offset, bytes, write ? "writes" : "reads", pastVerb, past, pc);
  };
  auto againstAll = [&](const Past& past, const char* pastVerb) {
    for (const Stamp& stamp : past.stamps) against(stamp, pastVerb);
  };
  for (u64 i = offset; i < offset + bytes; i++) {
    Cell& cell = region.cells[i];
    against(cell.write, "wrote");
    if (write) againstAll(cell.reads, "read");
    if (cell.hasAtomics && !atomic) {
      againstAll(cell.atomicWrites, "updated");
      if (write) againstAll(cell.atomicReads, "read");
    }
    if (atomic) cell.hasAtomics = 1;
    if (write && !atomic) cell.write = now;
    else remember(write ? cell.atomicWrites : atomic ? cell.atomicReads : cell.reads, now, space);
  }
}

[[gnu::noinline]] void wildAccess(u64 address, u64 bytes, bool write, u64 pc) {
  char me[96];
  describeThread(me, sizeof me, running.group, running.thread);
  report("bounds", pc, 0, 0, "%s %s %llu bytes at address %#llx, which no buffer is near, at line {line}", me,
         write ? "writes" : "reads", (unsigned long long)bytes, (unsigned long long)address);
  stop();
}

[[gnu::noinline]] void outOfBounds(const Region& region, int64_t offset, u64 bytes, bool write, u64 pc) {
  char me[96], place[160];
  describeThread(me, sizeof me, running.group, running.thread);
  describePlace(place, sizeof place, region, offset, bytes);
  report("bounds", pc, 0, 0, "%s %s %s, which has %llu bytes, at line {line}", me, write ? "writes" : "reads", place,
         (unsigned long long)region.bytes);
  stop();
}

extern "C" char __executable_start[], _end[];

bool isGlobal(u64 address) {
  return address >= reinterpret_cast<u64>(__executable_start) && address < reinterpret_cast<u64>(_end);
}

}  // namespace

char* addRegion(const char* name, u64 bytes, u32 elementBytes, Space space, RegionAccess access) {
  if (regionCount == kMaxRegions) return nullptr;
  char* base = reinterpret_cast<char*>(kFirstWindow + (u64(regionCount) << kWindowShift) + kLead);
  if (mapZeros(bytes == 0 ? 1 : bytes, base) == nullptr) return nullptr;
  Region& region = regions[regionCount];
  region = {name, base, bytes, elementBytes, space, access, nullptr, nullptr};
  if (space == kShared || access == kWriteOnly) region.written = static_cast<u8*>(mapZeros(bytes + 1));
  if (access != kReadOnly) region.cells = static_cast<Cell*>(mapZeros((bytes + 1) * sizeof(Cell)));
  regionCount++;
  return base;
}

void poison(char* base) {
  Region* region = find(reinterpret_cast<u64>(base));
  memset(base, 0xFF, region->bytes);
  memset(region->written, 0, region->bytes);
}

/// Of bytes that lie in a region: a wrong address is `checkAccess`'s to report.
void checkWritten(u64 address, u64 bytes, u64 pc) {
  const Region* region = quiet ? nullptr : find(address);
  if (region == nullptr || region->written == nullptr) return;
  const int64_t offset = int64_t(address - reinterpret_cast<u64>(region->base));
  if (offset < 0 || u64(offset) + bytes > region->bytes) return;
  if (memchr(region->written + offset, 0, bytes) == nullptr) return;
  char me[96], place[160];
  describeThread(me, sizeof me, running.group, running.thread);
  describePlace(place, sizeof place, *region, offset, bytes);
  report("uninitialised", pc, 0, 0, "%s reads %s at line {line} before anything wrote it", me, place);
}

void checkAccess(u64 address, u64 bytes, bool write, bool atomic, u64 pc) {
  if (quiet || address - reinterpret_cast<u64>(running.stack) < kStackBytes) return;
  Region* region = find(address);
  if (region == nullptr) {
    if (isGlobal(address) && !write) return;
    wildAccess(address, bytes, write, pc);
  }
  int64_t offset = int64_t(address - reinterpret_cast<u64>(region->base));
  if (offset < 0 || u64(offset) + bytes > region->bytes) outOfBounds(*region, offset, bytes, write, pc);
  if (write && region->access == kReadOnly) {
    char me[96], place[160];
    describeThread(me, sizeof me, running.group, running.thread);
    describePlace(place, sizeof place, *region, offset, bytes);
    report("bounds", pc, 0, 0, "%s writes %s, which is read-only, at line {line}", me, place);
    return;
  }
  if (!write) checkWritten(address, bytes, pc);
  else if (region->written != nullptr) memset(region->written + offset, 1, bytes);
  if (region->cells != nullptr) checkRaces(*region, u64(offset), bytes, write, atomic, pc);
}

/// How the data of every check that clang compiles in begins.
struct SourceLocation {
  const char* file;
  u32 line;
  u32 column;
};

/// A run-time check that clang compiled in has failed: an index beyond an array of known size, undefined arithmetic.
void reportUndefined(const char* kind, const char* what, const void* data, u64 pc) {
  if (quiet) return;
  const SourceLocation* at = static_cast<const SourceLocation*>(data);
  // Shim headers have absolute paths; there the caller's line is wanted, which only the program counter leads to.
  int line = at->file != nullptr && at->file[0] != '/' ? int(at->line) : 0;
  char me[96];
  describeThread(me, sizeof me, running.group, running.thread);
  report(kind, pc, 0, line, "%s: %s at line {line}", me, what);
  if (kind[0] == 'b') stop();
}

}  // namespace bitloom

using bitloom::u64;

extern "C" char __start_bitloom_kernel[], __stop_bitloom_kernel[];

/// Where in the kernel text the caller of a hook is, or was when it called the shim that calls the hook.
[[gnu::always_inline]] static inline u64 kernelPc(void* const* frame, u64 pc) {
  const u64 start = reinterpret_cast<u64>(__start_bitloom_kernel), stop = reinterpret_cast<u64>(__stop_bitloom_kernel);
  const u64 stack = reinterpret_cast<u64>(bitloom::running.stack);
  for (u64 at = pc; !bitloom::quiet; at = reinterpret_cast<u64>(frame[1])) {
    if (at - start < stop - start) return at;
    frame = static_cast<void* const*>(frame[0]);
    if (reinterpret_cast<u64>(frame) - stack >= bitloom::kStackBytes - 16) break;
  }
  return pc;
}
#define BITLOOM_PC \
  kernelPc(static_cast<void* const*>(__builtin_frame_address(0)), reinterpret_cast<u64>(__builtin_return_address(0)))

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define HOOKS(N)                                                                                                    \
  void __tsan_read##N(void* p) { bitloom::checkAccess(u64(p), N, false, false, BITLOOM_PC); }                       \
  void __tsan_write##N(void* p) { bitloom::checkAccess(u64(p), N, true, false, BITLOOM_PC); }                       \
  void __tsan_read_write##N(void* p) {                                                                              \
    bitloom::checkAccess(u64(p), N, false, false, BITLOOM_PC);                                                      \
    bitloom::checkAccess(u64(p), N, true, false, BITLOOM_PC);                                                       \
  }                                                                                                                 \
  void __tsan_unaligned_read##N(void* p) { bitloom::checkAccess(u64(p), N, false, false, BITLOOM_PC); }             \
  void __tsan_unaligned_write##N(void* p) { bitloom::checkAccess(u64(p), N, true, false, BITLOOM_PC); }             \
  void __tsan_unaligned_read_write##N(void* p) {                                                                    \
    bitloom::checkAccess(u64(p), N, false, false, BITLOOM_PC);                                                      \
    bitloom::checkAccess(u64(p), N, true, false, BITLOOM_PC);                                                       \
  }
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)

void* __tsan_memcpy(void* to, const void* from, u64 bytes) {
  bitloom::checkAccess(u64(from), bytes, false, false, BITLOOM_PC);
  bitloom::checkAccess(u64(to), bytes, true, false, BITLOOM_PC);
  return memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, u64 bytes) {
  bitloom::checkAccess(u64(from), bytes, false, false, BITLOOM_PC);
  bitloom::checkAccess(u64(to), bytes, true, false, BITLOOM_PC);
  return memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, u64 bytes) {
  bitloom::checkAccess(u64(to), bytes, true, false, BITLOOM_PC);
  return memset(to, value, bytes);
}

void bitloom_atomic(const volatile void* address, u64 bytes, int access) {
  if (access == bitloom::kUpdate) bitloom::checkWritten(u64(address), bytes, BITLOOM_PC);
  bitloom::checkAccess(u64(address), bytes, access != bitloom::kRead, true, BITLOOM_PC);
}

#define UNDEFINED(NAME, KIND, WHAT, ...) \
  void __ubsan_handle_##NAME(const void* data, __VA_ARGS__) { bitloom::reportUndefined(KIND, WHAT, data, BITLOOM_PC); }
UNDEFINED(out_of_bounds, "bounds", "index beyond the array", u64)
UNDEFINED(shift_out_of_bounds, "undefined", "shift by the width of the type or more", u64, u64)
UNDEFINED(divrem_overflow, "undefined", "division by zero or overflow", u64, u64)
UNDEFINED(add_overflow, "undefined", "signed addition overflows", u64, u64)
UNDEFINED(sub_overflow, "undefined", "signed subtraction overflows", u64, u64)
UNDEFINED(mul_overflow, "undefined", "signed multiplication overflows", u64, u64)
UNDEFINED(negate_overflow, "undefined", "signed negation overflows", u64)
UNDEFINED(float_cast_overflow, "undefined", "float does not fit the integer it is converted to", u64)
UNDEFINED(type_mismatch_v1, "bounds", "address is not aligned to the type accessed", u64)
}
