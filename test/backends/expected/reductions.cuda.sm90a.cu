// 3 × 1 × 1 blocks of 4 × 32 threads, 1536 bytes shared
extern "C" __global__ void __launch_bounds__(128)
reductions(const unsigned* __restrict__ x,
           unsigned* __restrict__ mix,
           int* __restrict__ ints,
           float* __restrict__ floats) {
  __shared__ __align__(128) float exchange_f32[128];
  __shared__ __align__(128) int exchange_i32[128];
  __shared__ __align__(128) unsigned exchange_u32[128];
  const int group = int(blockIdx.x);
  const int thread = int(threadIdx.x);
  const int lane = int(threadIdx.x % 32);
  const int t0 = group * 128 + thread;
  const unsigned v = x[t0];
  const int whole = int(v % 2001u) - 1000;
  const float real = float(whole);
  float round = 0.0f;
  const int t1 = lane + 32;
  const int t2 = lane + 64;
  const int t3 = lane + 96;
  for (int pass = 0; pass < 2; ++pass) {
    __syncthreads();
    exchange_f32[thread] = real + float(pass);
    __syncthreads();
    const float part_0 = exchange_f32[lane];
    const float part_1 = exchange_f32[t1];
    const float part_2 = exchange_f32[t2];
    const float part_3 = exchange_f32[t3];
    float sum = part_0 + part_2 + (part_1 + part_3);
    #pragma unroll
    for (int rung = 16; rung > 0; rung /= 2) {
      sum = sum + __shfl_xor_sync(0xffffffffu, sum, rung);
    }
    round += sum;
  }
  exchange_i32[thread] = whole;
  __syncthreads();
  const int part_4 = exchange_i32[lane];
  const int part_5 = exchange_i32[t1];
  const int part_6 = exchange_i32[t2];
  const int part_7 = exchange_i32[t3];
  const int count = __reduce_add_sync(0xffffffffu, part_4 + part_6 + part_5 + part_7);
  __syncthreads();
  exchange_f32[thread] = real;
  __syncthreads();
  const float part_8 = exchange_f32[lane];
  const float part_9 = exchange_f32[t1];
  const float part_10 = exchange_f32[t2];
  const float part_11 = exchange_f32[t3];
  float top = fmaxf(fmaxf(part_8, part_10), fmaxf(part_9, part_11));
  #pragma unroll
  for (int rung = 16; rung > 0; rung /= 2) {
    top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, rung));
  }
  __syncthreads();
  exchange_i32[thread] = whole;
  __syncthreads();
  const int part_12 = exchange_i32[lane];
  const int part_13 = exchange_i32[t1];
  const int part_14 = exchange_i32[t2];
  const int part_15 = exchange_i32[t3];
  const int most = __reduce_max_sync(0xffffffffu, max(max(part_12, part_14), max(part_13, part_15)));
  exchange_u32[thread] = v % 97u == 5u ? 1u : 0u;
  __syncthreads();
  if (thread < 16) {
    const unsigned part_17 = exchange_u32[thread];
    const unsigned part_18 = exchange_u32[thread + 16];
    const unsigned part_19 = exchange_u32[thread + 32];
    const unsigned part_20 = exchange_u32[thread + 48];
    const unsigned part_21 = exchange_u32[thread + 64];
    const unsigned part_22 = exchange_u32[thread + 80];
    const unsigned part_23 = exchange_u32[thread + 96];
    const unsigned part_24 = exchange_u32[thread + 112];
    exchange_u32[thread] = part_17 | part_21 | (part_19 | part_23) | (part_18 | part_22 | (part_20 | part_24));
  }
  __syncthreads();
  if (thread < 2) {
    const unsigned part_25 = exchange_u32[thread];
    const unsigned part_26 = exchange_u32[thread + 2];
    const unsigned part_27 = exchange_u32[thread + 4];
    const unsigned part_28 = exchange_u32[thread + 6];
    const unsigned part_29 = exchange_u32[thread + 8];
    const unsigned part_30 = exchange_u32[thread + 10];
    const unsigned part_31 = exchange_u32[thread + 12];
    const unsigned part_32 = exchange_u32[thread + 14];
    exchange_u32[thread] = part_25 | part_29 | (part_27 | part_31) | (part_26 | part_30 | (part_28 | part_32));
  }
  __syncthreads();
  const unsigned part_33 = exchange_u32[0];
  const unsigned part_34 = exchange_u32[1];
  const unsigned part_16 = part_33 | part_34;
  const bool some = part_16 != 0u;
  __syncthreads();
  exchange_u32[thread] = v;
  __syncthreads();
  const unsigned first = exchange_u32[0];
  __syncthreads();
  exchange_u32[thread] = v;
  __syncthreads();
  const unsigned other = exchange_u32[thread ^ 64];
  __syncthreads();
  exchange_u32[thread] = v;
  __syncthreads();
  const unsigned next = exchange_u32[(thread + 1) % 128];
  const bool chosen = thread == 0;
  const unsigned mixed = first ^ other ^ next;
  mix[t0] = mixed;
  if (chosen) {
    *reinterpret_cast<int4*>(ints + group * 4) = make_int4(count, most, some ? 1 : 0, -count);
    *reinterpret_cast<float2*>(floats + group * 2) = make_float2(round, top);
  }
}
