/** CUDA's launcher: a C function that launches a unit's kernels, and a program around it that runs and times them. */
import { sharedLayout } from "../memory.ts";
import { printKernels } from "../print.ts";
import type { Backend, EmittedFile, Unit } from "../syntax.ts";
import { bindingsOf, type HostTensor, hostTensors, noOrigins, tensorOf } from "./tensors.ts";

/** One `.cu` file: kernels, `extern "C" cudaError_t <op>_launch(…)`, and under BITLOOM_MAIN a complete program. */
export function emitCuda(unit: Unit, target: Backend): readonly EmittedFile[] {
  const printed = printKernels(unit.kernels, target, [`${unit.name} for ${target.name}`]);
  const tensors = hostTensors(unit);
  const host = `\n${launcher(unit, target, tensors)}\n${program(unit, target, tensors)}`;
  const lines = [...printed.lines, ...noOrigins(host)];
  return [{ name: `${unit.name}.cu`, text: printed.text + host, lines }];
}

function parameter(tensor: HostTensor): string {
  return `${tensor.role === "input" ? "const " : ""}void* ${tensor.name}`;
}

function launcher(unit: Unit, target: Backend, tensors: readonly HostTensor[]): string {
  const list = tensors.map((t) => `//   ${t.name}: ${t.role}, ${t.bytes} bytes`);
  const parameters = [...tensors.map(parameter), "cudaStream_t stream"];
  const lines = [
    "#include <cuda_runtime.h>",
    "",
    `// Launches ${unit.name} on the stream. All tensors are in device memory, aligned to 16 bytes:`,
    ...list,
    `extern "C" cudaError_t ${unit.name}_launch(${parameters.join(", ")}) {`,
    "  cudaError_t error = cudaSuccess;",
    ...tensors.filter((t) => t.zeroed).flatMap((t) => checked(`cudaMemsetAsync(${t.name}, 0, ${t.bytes}, stream)`)),
    ...unit.kernels.flatMap((kernel) => launch(kernel, target, tensors)),
    "  return error;",
    "}",
    "",
  ];
  return lines.join("\n");
}

function checked(call: string): readonly string[] {
  return [`  error = ${call};`, "  if (error != cudaSuccess) return error;"];
}

function launch(kernel: Unit["kernels"][number], target: Backend, tensors: readonly HostTensor[]): readonly string[] {
  const dynamic = target.syntax.dynamicShared !== undefined && sharedLayout(kernel).bytes > target.syntax.dynamicShared;
  const bytes = dynamic ? sharedLayout(kernel).bytes : 0;
  const args = bindingsOf(kernel).map((buffer) => {
    const type = `${buffer.access === "read" ? "const " : ""}${target.syntax.types[buffer.type]}*`;
    return `static_cast<${type}>(${tensorOf(tensors, buffer).name})`;
  });
  const attribute = `cudaFuncSetAttribute(${kernel.name}, cudaFuncAttributeMaxDynamicSharedMemorySize, ${bytes})`;
  return [
    ...(dynamic ? checked(attribute) : []),
    `  ${kernel.name}<<<dim3(${kernel.grid.join(", ")}), ${kernel.lanes * kernel.warps}, ${bytes}, stream>>>(`,
    `      ${args.join(",\n      ")});`,
    ...checked("cudaGetLastError()"),
  ];
}

/** Reads inputs, runs once for the outputs and `repeat` times for the clock, and prints one line of JSON. */
function program(unit: Unit, target: Backend, tensors: readonly HostTensor[]): string {
  const rows = tensors.map((t) => `    {"${t.id}", ${t.bytes}, ${t.role === "input"}, ${t.role === "output"}},`);
  const args = tensors.map((_, i) => `set[${i}]`);
  return `#ifdef BITLOOM_MAIN
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

struct Tensor {
  const char* name;
  size_t bytes;
  bool input;
  bool output;
};

static const Tensor kTensors[] = {
${rows.join("\n")}
};
static constexpr size_t kCount = sizeof(kTensors) / sizeof(kTensors[0]);

static void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\\n", what, cudaGetErrorString(error));
  std::exit(1);
}

static std::vector<char> load(const std::string& path, size_t bytes) {
  std::vector<char> data(bytes);
  FILE* file = std::fopen(path.c_str(), "rb");
  const bool complete = file != nullptr && std::fread(data.data(), 1, bytes, file) == bytes && std::fgetc(file) == EOF;
  if (file != nullptr) std::fclose(file);
  if (complete) return data;
  std::fprintf(stderr, "%s: not a readable file of %zu bytes\\n", path.c_str(), bytes);
  std::exit(3);
}

static void save(const std::string& path, const std::vector<char>& data) {
  FILE* file = std::fopen(path.c_str(), "wb");
  const bool complete = file != nullptr && std::fwrite(data.data(), 1, data.size(), file) == data.size();
  if (file != nullptr && std::fclose(file) == 0 && complete) return;
  std::fprintf(stderr, "%s: cannot be written\\n", path.c_str());
  std::exit(3);
}

static void launch(void* const* set) {
  check(${unit.name}_launch(${[...args, "nullptr"].join(", ")}), "launch");
}

int main(int argc, char** argv) {
  std::string folder;
  size_t repeat = 20;
  size_t rotate = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--repeat" && i + 1 < argc) {
      repeat = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--rotate" && i + 1 < argc) {
      rotate = std::strtoull(argv[++i], nullptr, 10);
    } else if (folder.empty() && argument[0] != '-') {
      folder = argument;
    } else {
      folder.clear();
      break;
    }
  }
  if (folder.empty()) {
    std::fprintf(stderr, "usage: %s DIR [--repeat N] [--rotate BYTES]\\n", argv[0]);
    return 2;
  }

  // Copies of the inputs that together exceed --rotate bytes: each launch then finds its own not in the cache.
  size_t inputBytes = 0;
  size_t outputBytes = 0;
  for (const Tensor& tensor : kTensors) {
    if (tensor.input) inputBytes += tensor.bytes;
    if (tensor.output) outputBytes += tensor.bytes;
  }
  const size_t copies = rotate == 0 || inputBytes == 0 ? 1 : rotate / inputBytes + 1;
  std::vector<std::vector<void*>> sets(copies, std::vector<void*>(kCount));
  for (size_t i = 0; i < kCount; ++i) {
    const Tensor& tensor = kTensors[i];
    const std::vector<char> data =
        tensor.input ? load(folder + "/" + tensor.name + ".bin", tensor.bytes) : std::vector<char>(tensor.bytes);
    for (std::vector<void*>& set : sets) {
      check(cudaMalloc(&set[i], tensor.bytes), "cudaMalloc");
      check(cudaMemcpy(set[i], data.data(), tensor.bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    }
  }

  launch(sets[0].data());
  check(cudaDeviceSynchronize(), "run");
  for (size_t i = 0; i < kCount; ++i) {
    if (!kTensors[i].output) continue;
    std::vector<char> data(kTensors[i].bytes);
    check(cudaMemcpy(data.data(), sets[0][i], data.size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
    save(folder + "/" + kTensors[i].name + ".out.bin", data);
  }

  cudaEvent_t start;
  cudaEvent_t stop;
  check(cudaEventCreate(&start), "cudaEventCreate");
  check(cudaEventCreate(&stop), "cudaEventCreate");
  for (size_t i = 0; i < copies; ++i) launch(sets[i].data());
  std::vector<double> microseconds;
  for (size_t i = 0; i < repeat; ++i) {
    float milliseconds = 0.0f;
    check(cudaEventRecord(start), "cudaEventRecord");
    launch(sets[i % copies].data());
    check(cudaEventRecord(stop), "cudaEventRecord");
    check(cudaEventSynchronize(stop), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&milliseconds, start, stop), "cudaEventElapsedTime");
    microseconds.push_back(1000.0 * static_cast<double>(milliseconds));
  }
  std::sort(microseconds.begin(), microseconds.end());

  // Launches one after the other without waiting: what is left is the kernels' own time.
  float streamed = 0.0f;
  check(cudaEventRecord(start), "cudaEventRecord");
  for (size_t i = 0; i < repeat; ++i) launch(sets[i % copies].data());
  check(cudaEventRecord(stop), "cudaEventRecord");
  check(cudaEventSynchronize(stop), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&streamed, start, stop), "cudaEventElapsedTime");

  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  std::printf("{\\"device\\":\\"%s\\",\\"op\\":\\"${unit.name}\\",\\"target\\":\\"${target.name}\\",\\"repeat\\":%zu,\\"copies\\":%zu,"
              "\\"inputBytes\\":%zu,\\"outputBytes\\":%zu",
              device.name, repeat, copies, inputBytes, outputBytes);
  if (!microseconds.empty()) {
    std::printf(",\\"microseconds\\":{\\"median\\":%.3f,\\"min\\":%.3f,\\"max\\":%.3f,\\"streamed\\":%.3f}",
                microseconds[microseconds.size() / 2], microseconds.front(), microseconds.back(),
                1000.0 * static_cast<double>(streamed) / static_cast<double>(repeat));
  }
  std::printf("}\\n");

  check(cudaEventDestroy(start), "cudaEventDestroy");
  check(cudaEventDestroy(stop), "cudaEventDestroy");
  for (std::vector<void*>& set : sets) {
    for (void* pointer : set) check(cudaFree(pointer), "cudaFree");
  }
  return 0;
}
#endif  // BITLOOM_MAIN
`;
}
