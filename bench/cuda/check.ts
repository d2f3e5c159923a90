/**
 * Writes programs that check the CUDA kernels of every format (decode and product) and of the 64 pairs of integers on a
 * GPU, with operands and what a second reading of their bits expects: `node scripts/bench-cuda.mjs OUT --check`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostTensors } from "../../backends/hosts/tensors.ts";
import type { Compiled } from "../../compiler/driver.ts";
import { allFormats, caseOf, compileCase, type Kind, operandsOf, type Shape } from "../../test/formats/compiled.ts";
import { compilePair, pairOperands, pairs } from "../../test/formats/pairs.ts";

/** One token decodes and multiplies in lanes; nine fill matrix rows where the operands allow it. Odd numbers everywhere. */
const SHAPES: readonly (readonly [Kind, Shape])[] = [
  ["decode", { tokens: 1, channels: 3, columns: 416 }],
  ["linear", { tokens: 1, channels: 37, columns: 416 }],
  ["linear", { tokens: 9, channels: 37, columns: 512 }],
];

/** Odd, and in planes once more than a matrix row's 256 values. */
const PAIR_SIZES = { packed: { M: 9, N: 37, K: 1000 }, planes: { M: 9, N: 37, K: 1280 } } as const;

interface Check {
  readonly name: string;
  readonly made: Compiled;
  readonly words: Readonly<Record<string, Uint32Array>>;
  readonly expected: Float64Array;
  readonly magnitudes: Float64Array;
  /** Elements that must be met exactly. */
  readonly exact: ReadonlySet<number>;
}

function* checks(target: string): Generator<Check> {
  for (const name of allFormats())
    for (const [kind, shape] of SHAPES) {
      const c = caseOf(name, kind, shape);
      const made = compileCase(c, target, {});
      const operands = operandsOf(c, made.source);
      const { strategy } = made.report.schedule;
      const { M, N, K } = c.sizes;
      // Matrix rows round what they multiply to halves.
      const exact = strategy === "mma" ? new Set<number>() : operands.exact();
      // What halves cannot hold becomes infinite, as the bound says: nothing is asked of these channels.
      const tooLarge = (n: number): boolean =>
        operands.weights.subarray(n * K, (n + 1) * K).some((w) => Math.abs(w) > 65504);
      const beyond = new Set(strategy === "mma" ? [...Array(N).keys()].filter(tooLarge) : []);
      const magnitudes = operands.magnitudes().map((size, at) => (beyond.has(at % N) ? Number.MAX_VALUE : size));
      const id = `${name} ${kind} ${kind === "decode" ? "" : `${M}x`}${N}x${K} ${strategy}`;
      yield { name: id, made, words: operands.words, expected: operands.expected, magnitudes, exact };
    }
  for (const storage of ["packed", "planes"] as const)
    for (const pair of pairs(storage)) {
      const sizes = PAIR_SIZES[storage];
      const made = compilePair(pair, target, {}, sizes);
      const { words, expected } = pairOperands(pair, made, sizes);
      const { strategy } = made.report.schedule;
      const { M, N, K } = sizes;
      // Integers below 2^24: every element is exact.
      const exact = new Set(expected.keys());
      yield {
        name: `${pair.name} ${storage} ${M}x${N}x${K} ${strategy}`,
        made,
        words,
        expected,
        magnitudes: expected.map(Math.abs),
        exact,
      };
    }
}

/** Inputs as the launcher takes them, then expectations and magnitudes as doubles; -1 where the element must be exact. */
function dataOf({ made, words, expected, magnitudes, exact }: Check): Buffer {
  const inputs = hostTensors(made).filter((t) => t.role === "input");
  const parts = inputs.map((t) => {
    const own = Buffer.alloc(t.bytes);
    const given = words[t.id]!;
    Buffer.from(given.buffer, given.byteOffset, given.byteLength).copy(own);
    return own;
  });
  const asked = magnitudes.map((size, n) => (exact.has(n) ? -1 : size));
  return Buffer.concat([...parts, Buffer.from(expected.buffer), Buffer.from(asked.buffer)]);
}

/** The case's kernels and launcher under names of its own; its includes go to the head of the unit. */
function sourceOf({ made }: Check, index: number, head: Set<string>): string {
  const name = `c${index}`;
  const kernels = made.kernels.map((kernel, n) => ({ ...kernel, name: `${name}_k${n}` }));
  const [file] = made.target.emit({ name, program: made.program, kernels, report: made.report });
  const lines = file!.text.split("\n");
  for (const line of lines) if (line.startsWith("#include")) head.add(line);
  return `namespace n${index} {\n${lines.filter((line) => !line.startsWith("#include")).join("\n")}\n}`;
}

function entryOf(check: Check, index: number): string {
  const tensors = hostTensors(check.made);
  const rows = tensors.map((t) => `{${t.bytes}, ${["input", "output", "workspace"].indexOf(t.role)}}`);
  const args = tensors.map((_, n) => `set[${n}]`).join(", ");
  const { bound } = check.made.report.accumulator;
  const numbers = [bound.relativeToMagnitude, bound.relativeToResult, bound.absolute].join(", ");
  return `  {"${check.name}", "data/${index}.bin", {${rows.join(", ")}}, ${check.expected.length}, ${numbers},
   [](void* const* set) { return n${index}::c${index}_launch(${args}, nullptr); }},`;
}

const HARNESS = `#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct Tensor { size_t bytes; int role; };
struct Check {
  const char* name; const char* data; std::vector<Tensor> tensors; size_t count;
  double relativeToMagnitude, relativeToResult, absolute;
  cudaError_t (*launch)(void* const*);
};

static void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\\n", what, cudaGetErrorString(error));
  std::exit(1);
}

// One line of JSON for each case: elements outside the bound, inexact ones that should be exact, the largest error in bounds.
static void run(const Check& c, const std::string& folder) {
  FILE* file = std::fopen((folder + "/" + c.data).c_str(), "rb");
  if (file == nullptr) { std::fprintf(stderr, "%s: cannot be read\\n", c.data); std::exit(3); }
  std::vector<void*> set;
  void* y = nullptr;
  for (const Tensor& t : c.tensors) {
    std::vector<char> host(t.bytes);
    if (t.role == 0 && std::fread(host.data(), 1, t.bytes, file) != t.bytes) std::exit(3);
    void* device;
    must(cudaMalloc(&device, t.bytes), c.name);
    must(cudaMemcpy(device, host.data(), t.bytes, cudaMemcpyHostToDevice), c.name);
    set.push_back(device);
    if (t.role == 1) y = device;
  }
  std::vector<double> expected(c.count), magnitude(c.count);
  if (std::fread(expected.data(), 8, c.count, file) != c.count || std::fread(magnitude.data(), 8, c.count, file) != c.count) std::exit(3);
  std::fclose(file);
  std::vector<float> result(c.count);
  cudaError_t error = c.launch(set.data());
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  must(error, c.name);
  must(cudaMemcpy(result.data(), y, 4 * c.count, cudaMemcpyDeviceToHost), c.name);
  for (void* p : set) cudaFree(p);
  size_t outside = 0, inexact = 0, worst = 0;
  double share = 0;
  for (size_t n = 0; n < c.count; ++n) {
    const double e = expected[n], s = magnitude[n], v = result[n];
    if (v == e || (std::isnan(v) && std::isnan(e))) continue;
    if (s < 0) { ++inexact; worst = n; continue; }
    if (!std::isfinite(e)) { ++outside; worst = n; continue; }
    if (s >= std::ldexp(1, 120)) continue;
    const double part = std::fabs(v - e) / (c.relativeToMagnitude * s + c.relativeToResult * std::fabs(e) + c.absolute);
    if (part > share) share = part;
    if (!(part <= 1)) { ++outside; worst = n; }
  }
  std::printf("{\\"name\\": \\"%s\\", \\"elements\\": %zu, \\"outside\\": %zu, \\"inexact\\": %zu, \\"largestErrorOverBound\\": %.4f", c.name, c.count, outside, inexact, share);
  if (outside + inexact > 0) std::printf(", \\"at\\": %zu, \\"found\\": \\"%.9g\\", \\"expected\\": \\"%.17g\\"", worst, double(result[worst]), expected[worst]);
  std::printf("}\\n");
}
`;

/** Cases of one program: enough programs for the cores of a machine, each a minute or so of nvcc. */
const PER_UNIT = 48;

export function generate(out: string, _source: string, target = "cuda.sm90a"): void {
  mkdirSync(join(out, "data"), { recursive: true });
  let unit: { parts: string[]; entries: string[]; head: Set<string> } = { parts: [], entries: [], head: new Set() };
  let count = 0;
  let units = 0;
  const flush = (): void => {
    if (unit.entries.length === 0) return;
    const main = `static const Check kChecks[] = {\n${unit.entries.join("\n")}\n};
int main(int, char** argv) { for (const Check& c : kChecks) run(c, argv[1]); }`;
    const text = [...unit.head, ...unit.parts, HARNESS, main, ""].join("\n");
    writeFileSync(join(out, `unit_${String(units++).padStart(2, "0")}.cu`), text);
    unit = { parts: [], entries: [], head: new Set() };
  };
  for (const check of checks(target)) {
    writeFileSync(join(out, "data", `${count}.bin`), dataOf(check));
    unit.parts.push(sourceOf(check, count, unit.head));
    unit.entries.push(entryOf(check, count));
    count++;
    if (unit.entries.length === PER_UNIT) flush();
  }
  flush();
}
