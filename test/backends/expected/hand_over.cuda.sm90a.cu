__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ void mbarrier_init(unsigned long long* at, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(at)), "r"(count) : "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void mbarrier_arrive(unsigned long long* at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(at)) : "memory");
}

__device__ __forceinline__ void mbarrier_expect(unsigned long long* at, int bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared_address(at)), "r"(bytes) : "memory");
}

__device__ __forceinline__ void mbarrier_wait(unsigned long long* at, int parity) {
  unsigned done;
  do {
    asm volatile(
        "{\n"
        "  .reg .pred p;\n"
        "  mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "  selp.u32 %0, 1, 0, p;\n"
        "}"
        : "=r"(done)
        : "r"(shared_address(at)), "r"(parity)
        : "memory");
  } while (done == 0);
}

__device__ __forceinline__ void bulk_copy(void* to, const void* from, int bytes, unsigned long long* done) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes), "r"(shared_address(done))
               : "memory");
}

// 1 × 1 × 1 blocks of 2 × 32 threads, 272 bytes shared
extern "C" __global__ void __launch_bounds__(64)
hand_over(const unsigned* __restrict__ x,
          unsigned* __restrict__ out) {
  __shared__ __align__(128) unsigned tile[64];
  __shared__ __align__(128) unsigned long long bars[2];
  const int warp = int(threadIdx.x / 32);
  const int lane = int(threadIdx.x % 32);
  const bool t0 = warp == 0;
  if (t0) {
    if (threadIdx.x % 32 == 0) {
      mbarrier_init(bars, 1);
    }
    if (threadIdx.x % 32 == 0) {
      mbarrier_init(bars + 1, 1);
    }
  }
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  __syncthreads();
  unsigned sum = 0u;
  if (t0) {
    for (int i0 = 0; i0 < 3; ++i0) {
      mbarrier_wait(bars + 1, (i0 + 1) % 2);
      if (threadIdx.x % 32 == 0) {
        mbarrier_expect(bars, 256);
      }
      const bool x1 = threadIdx.x % 32 == 0;
      if (x1) {
        bulk_copy(tile, x + i0 * 64, 256, bars);
      }
      __syncwarp();
      if (threadIdx.x % 32 == 0) {
        mbarrier_arrive(bars);
      }
    }
  } else {
    for (int i2 = 0; i2 < 3; ++i2) {
      mbarrier_wait(bars, i2 % 2);
      const unsigned r3 = tile[lane];
      sum += r3;
      const unsigned r4 = tile[lane + 32];
      sum += r4;
      __syncwarp();
      if (threadIdx.x % 32 == 0) {
        mbarrier_arrive(bars + 1);
      }
    }
    out[lane] = sum;
  }
}
