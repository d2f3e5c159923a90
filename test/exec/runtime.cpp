// Runs GPU threads as fibers on one thread of the processor and holds them to the rules of barriers and collectives.
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include "fiber.h"

void* bitloom_buffers[64];

namespace bitloom {

Running running;
bool quiet = true;
Launch launch;

namespace {

enum State { kReady, kWaiting, kReturned };

/// One barrier or collective that some threads have reached: same call site, same lanes named.
struct Meeting {
  const char* name;
  int line;
  int column;
  u64 mask;     // SIMD scope: lanes that must come if they have not returned; threadgroup: 1 excuses those that have
  u64 arrived;  // SIMD scope: lanes that came
  u32 count;    // threads that came
};

struct Simdgroup {
  u64 ready;
  u64 live;
  Meeting meetings[kMaxLanes];
  u32 meetingCount;
  u32 epoch[3];
};

struct Fiber {
  Context context;
  char* stack;
  State state;
  void* slot;
  const Meeting* at;
  Meeting barrier;  // copy of the threadgroup barrier waited at, for the report
};

struct Shared {
  char* base;
  u64 bytes;
  u32 group;  // linear index + 1 of the threadgroup that last asked
};

Fiber fibers[kMaxThreads];
Simdgroup simdgroups[kMaxThreads];
Context scheduler;
u32 threadCount, simdgroupCount, liveCount, current;
u32 groupEpoch[3];
Index groupIndex;
Meeting barriers[kMaxThreads];
u32 barrierCount;
Shared sharedSlots[64];
Shared dynamicShared;
u64 randomState;
const Meeting* combining;

u32 random(u32 below) {
  randomState ^= randomState << 13;
  randomState ^= randomState >> 7;
  randomState ^= randomState << 17;
  return u32((randomState >> 33) % below);
}

u32 laneOf(u32 thread) { return thread % launch.lanes; }

void makeReady(u32 thread) {
  fibers[thread].state = kReady;
  fibers[thread].at = nullptr;
  simdgroups[thread / launch.lanes].ready |= u64(1) << laneOf(thread);
}

void setRunning(u32 thread) {
  const Simdgroup& simd = simdgroups[thread / launch.lanes];
  current = thread;
  running.thread = thread;
  running.simdgroup = thread / launch.lanes;
  running.stack = fibers[thread].stack;
  for (int space = 0; space < 3; space++) {
    running.groupEpoch[space] = groupEpoch[space];
    running.simdEpoch[space] = simd.epoch[space];
  }
}

void yieldToScheduler() {
  quiet = true;
  switchTo(&fibers[current].context, &scheduler);
  quiet = false;
}

/// Lanes in the order of the schedule: ascending, descending, or shuffled.
u32 orderLanes(u64 mask, u8* order) {
  u32 count = 0;
  for (u64 rest = mask; rest != 0; rest &= rest - 1) order[count++] = u8(__builtin_ctzl(rest));
  for (u32 i = 0; i + 1 < count; i++) {
    u32 j = launch.schedule == 0 ? i : launch.schedule == 1 ? count - 1 - i : i + random(count - i);
    if (launch.schedule == 1 && j <= i) break;
    u8 swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return count;
}

void release(u32 simdIndex, u32 meetingIndex, Combine combine, int spaces) {
  Simdgroup& simd = simdgroups[simdIndex];
  Meeting meeting = simd.meetings[meetingIndex];
  simd.meetings[meetingIndex] = simd.meetings[--simd.meetingCount];
  if (combine != nullptr) {
    void* slots[kMaxLanes] = {};
    u8 order[kMaxLanes];
    u32 count = orderLanes(meeting.arrived, order);
    for (u32 i = 0; i < count; i++) slots[order[i]] = fibers[simdIndex * launch.lanes + order[i]].slot;
    combining = &meeting;
    combine(slots, order, count);
    combining = nullptr;
  }
  // A barrier of some lanes orders only those; treating it as no order at all can only report too much.
  if (meeting.arrived == simd.live)
    for (int space = kDevice; space <= kShared; space++)
      if (spaces & space) simd.epoch[space]++;
  for (u64 rest = meeting.arrived; rest != 0; rest &= rest - 1)
    makeReady(simdIndex * launch.lanes + u32(__builtin_ctzl(rest)));
  // The moved meeting has a new address: refresh what its lanes point at.
  for (u32 i = 0; i < simd.meetingCount; i++)
    for (u64 rest = simd.meetings[i].arrived; rest != 0; rest &= rest - 1)
      fibers[simdIndex * launch.lanes + u32(__builtin_ctzl(rest))].at = &simd.meetings[i];
}

struct Pending {
  Combine combine;
  int spaces;
};
Pending pending[kMaxThreads];  // of the simdgroup's lanes; all lanes of one call site pass the same

void meetSimdgroup(const char* name, int line, int column, u64 mask, void* slot, Combine combine, int spaces) {
  u32 simdIndex = current / launch.lanes;
  Simdgroup& simd = simdgroups[simdIndex];
  u64 me = u64(1) << laneOf(current);
  if ((mask & me) == 0) {
    report("divergence", 0, 0, line, "lane %u calls %s at line %d with a mask that leaves it out", laneOf(current), name, line);
    stop();
  }
  u32 i = 0;
  while (i < simd.meetingCount && !(simd.meetings[i].line == line && simd.meetings[i].column == column && simd.meetings[i].mask == mask)) i++;
  if (i == simd.meetingCount) simd.meetings[simd.meetingCount++] = {name, line, column, mask, 0, 0};
  Meeting& meeting = simd.meetings[i];
  meeting.arrived |= me;
  meeting.count++;
  Fiber& fiber = fibers[current];
  fiber.slot = slot;
  fiber.state = kWaiting;
  fiber.at = &meeting;
  pending[current] = {combine, spaces};
  simd.ready &= ~me;
  quiet = true;
  if (meeting.arrived == (mask & simd.live)) release(simdIndex, i, combine, spaces);
  yieldToScheduler();
}

void releaseBarrier(u32 index, int spaces) {
  Meeting meeting = barriers[index];
  barriers[index] = barriers[--barrierCount];
  for (int space = kDevice; space <= kShared; space++)
    if (spaces & space) groupEpoch[space]++;
  for (u32 t = 0; t < threadCount; t++)
    if (fibers[t].state == kWaiting && fibers[t].at == &fibers[t].barrier && fibers[t].barrier.line == meeting.line &&
        fibers[t].barrier.column == meeting.column)
      makeReady(t);
}

/// Threads that must come to a barrier; Metal wants them all, CUDA those that have not returned.
u32 expected(const Meeting& barrier) { return barrier.mask ? liveCount : threadCount; }

void meetThreadgroup(const char* name, int line, int column, int spaces, u64 excuse) {
  u32 i = 0;
  while (i < barrierCount && !(barriers[i].line == line && barriers[i].column == column)) i++;
  if (i == barrierCount) barriers[barrierCount++] = {name, line, column, excuse, 0, 0};
  barriers[i].count++;
  Fiber& fiber = fibers[current];
  fiber.state = kWaiting;
  fiber.barrier = barriers[i];
  fiber.at = &fiber.barrier;
  simdgroups[current / launch.lanes].ready &= ~(u64(1) << laneOf(current));
  pending[current] = {nullptr, spaces};
  if (barriers[i].count == expected(barriers[i])) releaseBarrier(i, spaces);
  yieldToScheduler();
}

void leave() {
  quiet = true;
  u32 simdIndex = current / launch.lanes;
  Simdgroup& simd = simdgroups[simdIndex];
  u64 me = u64(1) << laneOf(current);
  fibers[current].state = kReturned;
  simd.ready &= ~me;
  simd.live &= ~me;
  liveCount--;
  // Lanes that wait for this one need wait no longer.
  for (u32 i = 0; i < simd.meetingCount; i++) {
    Meeting& meeting = simd.meetings[i];
    if (meeting.arrived == (meeting.mask & simd.live)) {
      const Pending& call = pending[simdIndex * launch.lanes + u32(__builtin_ctzl(meeting.arrived))];
      release(simdIndex, i, call.combine, call.spaces);
      i = ~0u;
    }
  }
  // One barrier's flags hold for all: a thread that waits there has them.
  if (barrierCount == 1 && liveCount > 0 && barriers[0].count == expected(barriers[0]))
    for (u32 t = 0; t < threadCount && barrierCount == 1; t++)
      if (fibers[t].at == &fibers[t].barrier) releaseBarrier(0, pending[t].spaces);
  switchTo(&fibers[current].context, &scheduler);
}

void startFiber() {
  quiet = false;
  bitloom_entry(launch.kernel, bitloom_buffers);
  leave();
  __builtin_unreachable();
}

/// The next thread to run: the first, the last, or any that is ready; `~0u` when none is.
u32 pick() {
  u32 n = simdgroupCount;
  u32 start = launch.schedule == 2 ? random(n) : 0;
  for (u32 i = 0; i < n; i++) {
    u32 s = launch.schedule == 1 ? n - 1 - i : (start + i) % n;
    u64 ready = simdgroups[s].ready;
    if (ready == 0) continue;
    u32 lane = u32(launch.schedule == 1 ? 63 - __builtin_clzl(ready) : __builtin_ctzl(ready));
    if (launch.schedule == 2)
      for (u32 skip = random(u32(__builtin_popcountl(ready))); skip > 0; skip--) {
        ready &= ready - 1;
        lane = u32(__builtin_ctzl(ready));
      }
    return s * launch.lanes + lane;
  }
  return ~0u;
}

/// Says where the threads of the first stuck SIMD-group are, or of the whole threadgroup where each one agrees in itself.
void reportDivergence() {
  char text[600];
  int n = 0, firstLine = 0;
  u32 from = 0, to = threadCount;
  for (u32 s = 0; s < simdgroupCount && to == threadCount; s++)
    if (simdgroups[s].meetingCount > 0) {
      from = s * launch.lanes;
      to = from + launch.lanes < threadCount ? from + launch.lanes : threadCount;
    }
  bool whole = from == 0 && to == threadCount;
  for (u32 t = from; t < to; t++) {
    const Meeting* at = fibers[t].at;
    bool returned = fibers[t].state == kReturned, seen = false;
    auto same = [&](u32 other) {
      const Meeting* there = fibers[other].at;
      if (returned || fibers[other].state == kReturned) return returned && fibers[other].state == kReturned;
      return there->line == at->line && there->column == at->column;
    };
    for (u32 before = from; before < t && !seen; before++) seen = same(before);
    if (seen) continue;
    u32 count = 0;
    for (u32 other = t; other < to; other++) count += same(other);
    const char* comma = n == 0 ? "" : ", ";
    u64 room = sizeof text - u64(n);
    n += returned ? snprintf(text + n, room, "%s%u have returned", comma, count)
                  : snprintf(text + n, room, "%s%u wait at %s (line %d, column %d)", comma, count, at->name, at->line, at->column);
    if (!returned && firstLine == 0) firstLine = at->line;
    if (n > 500) break;
  }
  char scope[64];
  if (whole) snprintf(scope, sizeof scope, "the %u threads", threadCount);
  else snprintf(scope, sizeof scope, "the %u lanes of SIMD-group %u", to - from, from / launch.lanes);
  report("divergence", 0, 0, firstLine, "%s of threadgroup (%u, %u, %u) do not come together: %s", scope, groupIndex.x,
         groupIndex.y, groupIndex.z, text);
  stop();
}

void runGroup(u32 linear) {
  running.group = linear;
  groupIndex = {linear % launch.grid.x, linear / launch.grid.x % launch.grid.y, linear / launch.grid.x / launch.grid.y};
  for (u32 s = 0; s < simdgroupCount; s++) {
    u32 lanes = threadCount - s * launch.lanes < launch.lanes ? threadCount - s * launch.lanes : launch.lanes;
    u64 mask = lanes == 64 ? ~u64(0) : (u64(1) << lanes) - 1;
    simdgroups[s].ready = simdgroups[s].live = mask;
    simdgroups[s].meetingCount = 0;
  }
  liveCount = threadCount;
  barrierCount = 0;
  for (u32 t = 0; t < threadCount; t++) {
    fibers[t].state = kReady;
    fibers[t].at = nullptr;
    makeContext(&fibers[t].context, fibers[t].stack, startFiber);
  }
  while (liveCount > 0) {
    u32 next = pick();
    if (next == ~0u) reportDivergence();
    setRunning(next);
    switchTo(&scheduler, &fibers[next].context);
  }
}

char* sharedMemory(Shared& shared, u64 bytes, const char* name) {
  if (shared.base == nullptr) {
    shared.base = addRegion(name, bytes, 0, kShared, kReadWrite);
    shared.bytes = bytes;
  }
  if (shared.group != running.group + 1) {
    shared.group = running.group + 1;
    poison(shared.base);
  }
  return shared.base;
}

}  // namespace

void runGrid() {
  threadCount = launch.threads.x * launch.threads.y * launch.threads.z;
  simdgroupCount = (threadCount + launch.lanes - 1) / launch.lanes;
  randomState = launch.seed * 0x9E3779B97F4A7C15ull + 0x2545F4914F6CDD1Dull;
  char* stacks = mapStacks(threadCount);
  for (u32 t = 0; t < threadCount; t++) fibers[t].stack = stacks + t * (kStackBytes + kGuardBytes) + kGuardBytes;
  u32 groups = launch.grid.x * launch.grid.y * launch.grid.z;
  for (u32 i = 0; i < groups; i++) runGroup(launch.schedule == 1 ? groups - 1 - i : i);
}

}  // namespace bitloom

using namespace bitloom;

extern "C" {

Index bitloom_index(int which) {
  const Index& t = launch.threads;
  const Index local = {current % t.x, current / t.x % t.y, current / t.x / t.y};
  switch (which) {
    case kThreadInGroup: return local;
    case kGroupInGrid: return groupIndex;
    case kThreadsPerGroup: return t;
    case kGroupsPerGrid: return launch.grid;
    case kThreadInGrid: return {groupIndex.x * t.x + local.x, groupIndex.y * t.y + local.y, groupIndex.z * t.z + local.z};
    default: return {launch.grid.x * t.x, launch.grid.y * t.y, launch.grid.z * t.z};
  }
}

u32 bitloom_lane() { return laneOf(current); }
u32 bitloom_lanes() { return launch.lanes; }
u32 bitloom_simdgroup() { return current / launch.lanes; }
u32 bitloom_simdgroups() { return simdgroupCount; }
u32 bitloom_thread() { return current; }

void bitloom_collective(const char* name, int line, int column, u64 mask, void* slot, Combine combine) {
  meetSimdgroup(name, line, column, mask, slot, combine, kNoSpace);
}

void bitloom_barrier(int scope, int spaces, const char* name, int line, int column, u64 mask) {
  if (scope == kSimdgroup) meetSimdgroup(name, line, column, mask, nullptr, nullptr, spaces);
  else meetThreadgroup(name, line, column, spaces, mask);
}

void* bitloom_shared(u32 slot, u64 bytes, const char* name) { return sharedMemory(sharedSlots[slot], bytes, name); }

void* bitloom_dynamic_shared(const char* name) { return sharedMemory(dynamicShared, launch.dynamicSharedBytes, name); }

void bitloom_absent_lane(u32 reader, u32 from) {
  if (from == kNoLane || from >= kMaxLanes)
    report("divergence", 0, 0, combining->line, "%s at line %d: lane %u reads from a lane that does not exist",
           combining->name, combining->line, reader);
  else
    report("divergence", 0, 0, combining->line, "%s at line %d: lane %u reads from lane %u, which takes no part",
           combining->name, combining->line, reader, from);
}
}
