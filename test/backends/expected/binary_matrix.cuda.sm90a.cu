__device__ __forceinline__ void mma_m16n8k256_b1(int& d0, int& d1, int& d2, int& d3, unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0, unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+r"(d0), "+r"(d1), "+r"(d2), "+r"(d3)
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// 1 × 1 × 1 blocks of 32 threads
extern "C" __global__ void __launch_bounds__(32)
binary_matrix(const unsigned* __restrict__ a,
              const unsigned* __restrict__ b,
              int* __restrict__ d) {
  const int lane = int(threadIdx.x % 32);
  int d0 = 0;
  int d1 = 0;
  int d2 = 0;
  int d3 = 0;
  const int t0 = lane / 4;
  const int t1 = lane % 4;
  for (int chunk = 0; chunk < 16; chunk += 8) {
    const int t2 = chunk + t0 * 16 + t1;
    const unsigned a0 = a[t2];
    const unsigned a1 = a[t2 + 128];
    const int t3 = t2 + 4;
    const unsigned a2 = a[t3];
    const unsigned a3 = a[t2 + 132];
    const unsigned b0 = b[t2];
    const unsigned b1 = b[t3];
    mma_m16n8k256_b1(d0, d1, d2, d3, a0, a1, a2, a3, b0, b1);
  }
  const int t4 = t0 * 8 + t1 * 2;
  d[t4] = d0;
  d[t4 + 1] = d1;
  d[t4 + 64] = d2;
  d[t4 + 65] = d3;
}
