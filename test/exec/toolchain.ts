/** Finds clang-16, compiles kernel text against the shims with a cache keyed by content, and runs the result. */
import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const CLANG = "clang++-16";
const CACHE_ENTRIES = 200;

/** `all` compiles every memory and arithmetic check in; `none` is several times faster and only computes. */
export type Checks = "all" | "none";

// Clang's instrumentation without clang's run-time libraries: `shadow.cpp` answers its calls. Unoptimised, so that every
// access of the text is really made; compiling long texts then takes a quarter of the time, and running them no longer.
const INSTRUMENT = [
  "-O0",
  "-fno-omit-frame-pointer",
  "-fsanitize=thread,bounds,alignment,shift-exponent,signed-integer-overflow,integer-divide-by-zero,float-cast-overflow",
  "-fno-sanitize-link-runtime",
  "-mllvm",
  "-tsan-instrument-func-entry-exit=0",
  "-mllvm",
  "-tsan-instrument-read-before-write=1",
];

const KERNEL_FLAGS = [
  "-gline-tables-only",
  "-w",
  "-march=native",
  "-fno-vectorize",
  "-fno-slp-vectorize",
  "-fno-strict-aliasing",
  "-fsigned-char",
  "-fno-exceptions",
  "-fno-rtti",
  "-ffp-contract=off",
  // Without this, clang computes half expressions in float and rounds once at the end.
  "-Xclang",
  "-ffloat16-excess-precision=none",
  // Variables that nobody initialised hold a pattern, not a lucky zero.
  "-ftrivial-auto-var-init=pattern",
];

// Position-dependent code keeps program counters below 4 GiB, as the stamps of `shadow.cpp` want them.
const LINK_FLAGS = ["-no-pie", "-nostdlib++", "-lm"];
const RUNTIME_FLAGS = ["-std=c++17", "-O2", "-fno-pie", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror"];
const RUNTIME_SOURCES = ["runtime.cpp", "shadow.cpp", "driver.cpp"];

function cacheFolder(): string {
  const folder = join(tmpdir(), `bitloom-exec-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

function shimSources(): string {
  const files = [
    ...RUNTIME_SOURCES,
    "runtime.h",
    "fiber.h",
    ...readdirSync(join(HERE, "include")).map((f) => `include/${f}`),
  ];
  return files.map((file) => readFileSync(join(HERE, file), "utf8")).join("\0");
}

function hash(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 32);
}

/** Drops the entries used longest ago. */
function prune(folder: string): void {
  const entries = readdirSync(folder).map((name) => ({
    name,
    usedMs: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  }));
  entries.sort((a, b) => b.usedMs - a.usedMs);
  for (const { name } of entries.slice(CACHE_ENTRIES)) rmSync(join(folder, name), { force: true });
}

/** Makes `name` in the cache by running clang once, unless it is there; the file appears whole or not at all. */
function cached(name: string, args: readonly string[], input: string): string {
  const folder = cacheFolder();
  const path = join(folder, name);
  if (existsSync(path)) {
    const now = new Date();
    utimesSync(path, now, now);
    return path;
  }
  const partial = `${path}.${randomUUID()}`;
  const run = spawnSync(CLANG, [...args, "-o", partial], { input, encoding: "utf8" });
  if (run.status !== 0) {
    rmSync(partial, { force: true });
    throw new Error(`${CLANG} failed:\n${run.stderr}`);
  }
  renameSync(partial, path);
  prune(folder);
  return path;
}

/** An executable that reads a launch and runs the kernel of `source`, a C++ translation unit with `bitloom_entry` (see `runtime.h`). */
export function compileKernel(source: string, file: string, standard: string, checks: Checks): string {
  const shims = shimSources();
  const objects = RUNTIME_SOURCES.map((file) =>
    cached(
      `${hash("runtime", file, shims, RUNTIME_FLAGS.join(" "))}.o`,
      [...RUNTIME_FLAGS, "-I", HERE, "-I", join(HERE, "include"), "-c", join(HERE, file)],
      "",
    ),
  );
  // The debug information of a text from standard input would call its first file "-".
  const name = ["-Xclang", "-main-file-name", "-Xclang", file];
  const flags = [
    `-std=${standard}`,
    ...name,
    ...KERNEL_FLAGS,
    "-fno-pie",
    ...(checks === "all" ? INSTRUMENT : ["-O2"]),
  ];
  const args = [...flags, "-I", join(HERE, "include"), "-x", "c++", "-", "-x", "none", ...objects, ...LINK_FLAGS];
  return cached(hash("kernel", source, shims, args.join(" ")), args, source);
}

/** Runs an executable of `compileKernel`; throws when it does not end by itself within the time. */
export function execute(path: string, input: Uint8Array, timeoutMs: number): Buffer {
  const run = spawnSync(path, [], { input, timeout: timeoutMs, maxBuffer: 2 ** 31 - 1 });
  if (run.error !== undefined) throw new Error(`the kernel did not end: ${run.error.message}`);
  if (run.status !== 0)
    throw new Error(`the kernel crashed: status ${run.status}, signal ${run.signal}, ${run.stderr}`);
  return run.stdout;
}

/** For each program counter, the innermost line of the file called `file` that it belongs to (0 when none does). */
export function linesOf(path: string, counters: readonly number[], file: string): ReadonlyMap<number, number> {
  const lines = new Map<number, number>();
  if (counters.length === 0) return lines;
  // A return address points behind the call, maybe already into the next line.
  const addresses = counters.map((pc) => `0x${(pc - 1).toString(16)}`);
  const run = spawnSync("addr2line", ["-a", "-i", "-e", path, ...addresses], { encoding: "utf8" });
  let current = -1;
  for (const line of (run.stdout ?? "").split("\n")) {
    if (line.startsWith("0x")) {
      current++;
      continue;
    }
    const match = /^(.*):(\d+)/.exec(line);
    const pc = counters[current];
    if (match?.[1]?.endsWith(file) && pc !== undefined && !lines.has(pc)) lines.set(pc, Number(match[2]));
  }
  return lines;
}

/** Checks text without making code; returns clang's diagnostics, one a line, `file:line:column: severity: message`. */
export function syntaxCheck(args: readonly string[], input: string): string {
  const run = spawnSync(CLANG, [...args, "-fsyntax-only", "-I", join(HERE, "static"), "-"], {
    input,
    encoding: "utf8",
  });
  return run.stderr;
}
