// The program around one kernel: reads a launch from standard input, runs it, writes findings and outputs.
//
// Input: one line `gx gy gz tx ty tz lanes schedule seed sharedBytes kernel buffers`, one line `name bytes elementBytes access`
// for each buffer, then the contents in that order. Output: the findings' length in bytes and `complete`, a line; the
// findings as JSON; then the contents of every buffer that is not read-only.
#include "runtime.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace bitloom {
namespace {

struct Buffer {
  char name[64];
  u64 bytes;
  u32 elementBytes;
  u32 access;
  char* base;
};

struct Finding {
  const char* kind;
  u64 pc, otherPc;
  int line;
};

Buffer buffers[64];
u32 bufferCount;
constexpr u32 kMaxFindings = 24;
Finding seen[kMaxFindings];
u32 findingCount;
char json[32768];
u64 jsonLength;

void append(const char* format, ...) __attribute__((format(printf, 1, 2)));
void append(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  jsonLength += u64(vsnprintf(json + jsonLength, sizeof json - jsonLength, format, arguments));
  va_end(arguments);
}

void readExactly(char* to, u64 bytes) {
  if (fread(to, 1, bytes, stdin) != bytes) _exit(3);
}

void readLaunch() {
  Launch& l = launch;
  if (scanf("%u %u %u %u %u %u %u %u %lu %lu %u %u", &l.grid.x, &l.grid.y, &l.grid.z, &l.threads.x, &l.threads.y, &l.threads.z,
            &l.lanes, &l.schedule, &l.seed, &l.dynamicSharedBytes, &l.kernel, &bufferCount) != 12)
    _exit(3);
  for (u32 i = 0; i < bufferCount; i++)
    if (scanf("%63s %lu %u %u", buffers[i].name, &buffers[i].bytes, &buffers[i].elementBytes, &buffers[i].access) != 4)
      _exit(3);
  if (getchar() != '\n') _exit(3);
  for (u32 i = 0; i < bufferCount; i++) {
    Buffer& b = buffers[i];
    b.base = addRegion(b.name, b.bytes, b.elementBytes, kDevice, static_cast<RegionAccess>(b.access));
    if (b.base == nullptr) _exit(4);
    readExactly(b.base, b.bytes);
    if (b.access == kWriteOnly) poison(b.base);
    bitloom_buffers[i] = b.base;
  }
}

}  // namespace

void report(const char* kind, u64 pc, u64 otherPc, int line, const char* format, ...) {
  for (u32 i = 0; i < findingCount; i++)
    if (!strcmp(seen[i].kind, kind) && seen[i].pc == pc && seen[i].otherPc == otherPc && seen[i].line == line) return;
  if (findingCount == kMaxFindings) return;
  seen[findingCount] = {kind, pc, otherPc, line};
  char message[900];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  append("%s{\"kind\":\"%s\",\"pc\":%lu,\"otherPc\":%lu,\"line\":%d,\"message\":\"%s\"}", findingCount == 0 ? "" : ",", kind,
         pc, otherPc, line, message);
  findingCount++;
}

void finish(bool complete) {
  printf("%lu %d\n[%s]", jsonLength + 2, complete ? 1 : 0, json);
  for (u32 i = 0; i < bufferCount; i++)
    if (buffers[i].access != kReadOnly) fwrite(buffers[i].base, 1, buffers[i].bytes, stdout);
  fflush(stdout);
  _exit(0);
}

void stop() { finish(false); }

}  // namespace bitloom

int main() {
  bitloom::readLaunch();
  bitloom::runGrid();
  bitloom::finish(true);
}
