// Stack switching: one call saves the running fiber and resumes another.
#pragma once
#include <stdint.h>
#include <sys/mman.h>

#include "runtime.h"

namespace bitloom {

constexpr uint64_t kGuardBytes = 16 << 10;

/// `count` stacks with a guard page range under each; returns the lowest address of the whole block.
inline char* mapStacks(uint32_t count) {
  const uint64_t stride = kStackBytes + kGuardBytes;
  void* block = mmap(nullptr, stride * count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) return nullptr;
  for (uint32_t i = 0; i < count; i++)
    mprotect(static_cast<char*>(block) + i * stride + kGuardBytes, kStackBytes, PROT_READ | PROT_WRITE);
  return static_cast<char*>(block);
}

#if !defined(__x86_64__)
#error "the stack switch is written for x86-64"
#endif

using Context = void*;

extern "C" void bitloom_switch(Context* from, Context to);
// System V: rbx, rbp and r12–r15 belong to the caller; everything else is already saved around the call.
__asm__(
    ".text\n.globl bitloom_switch\n.type bitloom_switch,@function\nbitloom_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n"
    ".size bitloom_switch,.-bitloom_switch\n");

/// A context that runs `start` on the given stack; `start` must never return.
inline void makeContext(Context* context, char* stack, void (*start)()) {
  uint64_t* top = reinterpret_cast<uint64_t*>(stack + kStackBytes);
  top[-1] = 0;
  top[-2] = reinterpret_cast<uint64_t>(start);
  for (int i = 3; i <= 8; i++) top[-i] = 0;
  *context = top - 8;
}

inline void switchTo(Context* from, Context* to) { bitloom_switch(from, *to); }

}  // namespace bitloom
