__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

template <int BYTES>
__device__ __forceinline__ void cp_async(void* to, const void* from) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  if (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared_address(to)), "l"(from), "n"(BYTES) : "memory");
  }
}

// 1 × 1 × 1 blocks of 2 × 32 threads, 2048 bytes shared
extern "C" __global__ void __launch_bounds__(64)
pipelined(const unsigned* __restrict__ x,
          unsigned* __restrict__ out) {
  __shared__ __align__(128) unsigned stage[512];
  const int thread = int(threadIdx.x);
  unsigned sum = 0u;
  const int t0 = thread * 4;
  if (true) {
    cp_async<16>(stage + t0, x + t0);
  }
  asm volatile("cp.async.commit_group;" ::: "memory");
  const int t1 = t0 + 256;
  if (true) {
    cp_async<16>(stage + t1, x + t1);
  }
  asm volatile("cp.async.commit_group;" ::: "memory");
  for (int i0 = 0; i0 < 5; ++i0) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    const uint4 r = *reinterpret_cast<uint4*>(stage + (thread ^ 63) * 4 + i0 % 2 * 256);
    sum += r.x;
    sum += r.y;
    sum += r.z;
    sum += r.w;
    __syncthreads();
    const int t2 = i0 + 2;
    if (t2 < 5) {
      cp_async<16>(stage + t0 + t2 % 2 * 256, x + t0 + i0 * 256 + 512);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
  }
  asm volatile("cp.async.wait_group 0;" ::: "memory");
  out[thread] = sum;
}
