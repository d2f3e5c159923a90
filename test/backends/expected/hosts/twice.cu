// twice for cuda.sm80

// 2 × 1 × 1 blocks of 32 threads
extern "C" __global__ void __launch_bounds__(32)
double_it(const unsigned* __restrict__ x_values,
          unsigned* __restrict__ work) {
  const int thread = int(threadIdx.x);
  const int group = int(blockIdx.x);
  const int t0 = thread + group * 32;
  const unsigned r0 = x_values[t0];
  work[t0] = r0 * 2u;
}
// 2 × 1 × 1 blocks of 32 threads
extern "C" __global__ void __launch_bounds__(32)
add_one(const unsigned* __restrict__ work,
        unsigned* __restrict__ y,
        unsigned* __restrict__ sum) {
  const int thread = int(threadIdx.x);
  const int group = int(blockIdx.x);
  const int t0 = thread + group * 32;
  const unsigned r0 = work[t0];
  const unsigned t1 = r0 + 1u;
  y[t0] = t1;
  atomicAdd(&sum[0], t1);
}

#include <cuda_runtime.h>

// Launches twice on the stream. All tensors are in device memory, aligned to 16 bytes:
//   x_values: input, 256 bytes
//   y: output, 256 bytes
//   sum: output, 4 bytes
//   work: workspace, 256 bytes
extern "C" cudaError_t twice_launch(const void* x_values, void* y, void* sum, void* work, cudaStream_t stream) {
  cudaError_t error = cudaSuccess;
  error = cudaMemsetAsync(sum, 0, 4, stream);
  if (error != cudaSuccess) return error;
  double_it<<<dim3(2, 1, 1), 32, 0, stream>>>(
      static_cast<const unsigned*>(x_values),
      static_cast<unsigned*>(work));
  error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  add_one<<<dim3(2, 1, 1), 32, 0, stream>>>(
      static_cast<const unsigned*>(work),
      static_cast<unsigned*>(y),
      static_cast<unsigned*>(sum));
  error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  return error;
}

#ifdef BITLOOM_MAIN
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
    {"x.values", 256, true, false},
    {"y", 256, false, true},
    {"sum", 4, false, true},
    {"work", 256, false, false},
};
static constexpr size_t kCount = sizeof(kTensors) / sizeof(kTensors[0]);

static void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

static std::vector<char> load(const std::string& path, size_t bytes) {
  std::vector<char> data(bytes);
  FILE* file = std::fopen(path.c_str(), "rb");
  const bool complete = file != nullptr && std::fread(data.data(), 1, bytes, file) == bytes && std::fgetc(file) == EOF;
  if (file != nullptr) std::fclose(file);
  if (complete) return data;
  std::fprintf(stderr, "%s: not a readable file of %zu bytes\n", path.c_str(), bytes);
  std::exit(3);
}

static void save(const std::string& path, const std::vector<char>& data) {
  FILE* file = std::fopen(path.c_str(), "wb");
  const bool complete = file != nullptr && std::fwrite(data.data(), 1, data.size(), file) == data.size();
  if (file != nullptr && std::fclose(file) == 0 && complete) return;
  std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
  std::exit(3);
}

static void launch(void* const* set) {
  check(twice_launch(set[0], set[1], set[2], set[3], nullptr), "launch");
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
    std::fprintf(stderr, "usage: %s DIR [--repeat N] [--rotate BYTES]\n", argv[0]);
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
  std::printf("{\"device\":\"%s\",\"op\":\"twice\",\"target\":\"cuda.sm80\",\"repeat\":%zu,\"copies\":%zu,"
              "\"inputBytes\":%zu,\"outputBytes\":%zu",
              device.name, repeat, copies, inputBytes, outputBytes);
  if (!microseconds.empty()) {
    std::printf(",\"microseconds\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"streamed\":%.3f}",
                microseconds[microseconds.size() / 2], microseconds.front(), microseconds.back(),
                1000.0 * static_cast<double>(streamed) / static_cast<double>(repeat));
  }
  std::printf("}\n");

  check(cudaEventDestroy(start), "cudaEventDestroy");
  check(cudaEventDestroy(stop), "cudaEventDestroy");
  for (std::vector<void*>& set : sets) {
    for (void* pointer : set) check(cudaFree(pointer), "cudaFree");
  }
  return 0;
}
#endif  // BITLOOM_MAIN
