/** CUDA's text: names, forms, collectives and the helper functions that they call. */
import { internal } from "../ir/diagnostics.ts";
import type { Kernel } from "../ir/kernel.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import { C_OPS, C_RESERVED, cDeclarations, convert, cVector, LOGICAL, nonZero, remainder } from "./c-family.ts";
import { ROW_TEXTS, rowHelpers } from "./cuda-rows.ts";
import { shapeNote, sharedLayout } from "./memory.ts";
import { floatDigits, floatLiteral, intLiteral, noLiteral, wordDigits } from "./print-literal.ts";
import {
  type BufferText,
  call,
  type ExchangeText,
  type Form,
  type Forms,
  LEVEL,
  type SyncText,
  type Syntax,
  type Text,
  type TransferText,
  wrap,
} from "./syntax.ts";

const TYPES: Readonly<Partial<Record<Scalar, string>>> = {
  bool: "bool",
  i32: "int",
  u32: "unsigned",
  u16: "unsigned short",
  u64: "unsigned long long",
  f16: "__half",
  bf16: "__nv_bfloat16",
  f32: "float",
};
const VECTORS = { i32: "int", u32: "uint", f32: "float" };

/** Shared memory that a kernel may declare statically, in bytes (CUDA C++ Programming Guide, compute capabilities). */
const STATIC_SHARED_BYTES = 48 * 1024;

const float = (name: string, integer: string, count: number): Forms => {
  return (type) => call(isFloat(type) ? name : integer, count);
};

const CASTS: Readonly<Record<string, string>> = {
  "f32 f16": "__float2half_rn($0)",
  "f16 f32": "__half2float($0)",
  "i32 f16": "__int2half_rn($0)",
  "u32 f16": "__uint2half_rn($0)",
  "f32 bf16": "__float2bfloat16_rn($0)",
  "bf16 f32": "__bfloat162float($0)",
  // The intrinsics saturate; a C++ conversion of a value out of range is undefined.
  "f32 i32": "__float2int_rz($0)",
  "f32 u32": "__float2uint_rz($0)",
};

const BITS: Readonly<Record<string, string>> = {
  "u32 f32": "__uint_as_float($0)",
  "f32 u32": "__float_as_uint($0)",
  "i32 f32": "__int_as_float($0)",
  "f32 i32": "__float_as_int($0)",
  "u16 f16": "__ushort_as_half($0)",
  "f16 u16": "__half_as_ushort($0)",
  "u32 i32": "int($0)",
  "i32 u32": "unsigned($0)",
};

function cast(from: Scalar, to: Scalar): Form {
  const special = CASTS[`${from} ${to}`];
  if (special !== undefined) return wrap(special);
  if (to === "bool") return nonZero(literal(0, from).text);
  if (to === "u16") return wrap("static_cast<unsigned short>($0)");
  return convert(TYPES, to);
}

function bits(from: Scalar, to: Scalar): Form {
  return wrap(BITS[`${from} ${to}`] ?? internal(`no bits of ${from} as ${to}`));
}

function literal(value: number, type: Scalar): Text {
  switch (type) {
    case "bool":
      return { text: value === 0 ? "false" : "true", level: LEVEL.primary };
    case "i32":
      return intLiteral(value, "(-2147483647 - 1)");
    case "u32":
      return { text: `${wordDigits(value)}u`, level: LEVEL.primary };
    case "f32":
      return floatLiteral(value, "f", "__int_as_float(0x7f800000)");
    case "f16":
      return { text: `__float2half_rn(${floatDigits(value)}f)`, level: LEVEL.primary };
    default:
      return noLiteral(type);
  }
}

const MASK = "0xffffffffu";

/** Floats by a ladder of exchanges, which fixes the order of the sum; integers by one instruction (sm_80 and later). */
function reduce(x: ExchangeText, instruction: string, step: (value: string, other: string) => string): string[] {
  const [value] = x.args;
  if (!isFloat(x.type)) return [`const ${TYPES[x.type]} ${x.to} = ${instruction}(${MASK}, ${value});`];
  return [
    `${TYPES[x.type]} ${x.to} = ${value};`,
    "#pragma unroll",
    `for (int rung = ${x.lanes / 2}; rung > 0; rung /= 2) {`,
    `  ${x.to} = ${step(x.to, `__shfl_xor_sync(${MASK}, ${x.to}, rung)`)};`,
    "}",
  ];
}

const given = (x: ExchangeText, value: string): string[] => [`const ${TYPES[x.type]} ${x.to} = ${value};`];

const EXCHANGE: Syntax["exchange"] = {
  "warp.shuffleXor": (x) => given(x, `__shfl_xor_sync(${MASK}, ${x.args[0]}, ${x.args[1]})`),
  "warp.shuffleAt": (x) => given(x, `__shfl_sync(${MASK}, ${x.args[0]}, ${x.args[1]})`),
  "warp.broadcast": (x) => given(x, `__shfl_sync(${MASK}, ${x.args[0]}, 0)`),
  "warp.ballot": (x) => given(x, `__ballot_sync(${MASK}, ${x.args[0]})`),
  "warp.any": (x) => given(x, `__any_sync(${MASK}, ${x.args[0]}) != 0`),
  "warp.elect": (x) => given(x, `threadIdx.x % ${x.lanes} == 0`),
  "warp.sum": (x) => reduce(x, "__reduce_add_sync", (value, other) => `${value} + ${other}`),
  "warp.max": (x) => reduce(x, "__reduce_max_sync", (value, other) => `fmaxf(${value}, ${other})`),
};

const constant = (x: SyncText): number => x.constant ?? internal("a count that is no constant");

const SYNC: Syntax["sync"] = {
  "block.barrier": () => ["__syncthreads();"],
  "warp.barrier": () => ["__syncwarp();"],
  "warp.commit": () => ['asm volatile("cp.async.commit_group;" ::: "memory");'],
  "block.commit": () => ['asm volatile("cp.async.commit_group;" ::: "memory");'],
  "warp.drain": (x) => [`asm volatile("cp.async.wait_group ${constant(x)};" ::: "memory");`],
  "block.drain": (x) => [`asm volatile("cp.async.wait_group ${constant(x)};" ::: "memory");`],
};

/** An operation that a scope carries out once: by its first lane, after what its other lanes did where `after` says so. */
function once(scope: "warp" | "block", operation: string, after: boolean): string[] {
  const [meet, first] =
    scope === "warp" ? ["__syncwarp();", "threadIdx.x % 32 == 0"] : ["__syncthreads();", "threadIdx.x == 0"];
  return [...(after ? [meet] : []), `if (${first}) {`, `  ${operation}`, "}"];
}

/** mbarriers and bulk copies exist from sm_90 on (PTX ISA 8.0). */
const SYNC_90: Syntax["sync"] = Object.fromEntries(
  (["warp", "block"] as const).flatMap((scope) => [
    [`${scope}.init`, (x: SyncText) => once(scope, `mbarrier_init(${x.at}, ${x.count});`, false)],
    [`${scope}.arrive`, (x: SyncText) => once(scope, `mbarrier_arrive(${x.at});`, true)],
    [`${scope}.expect`, (x: SyncText) => once(scope, `mbarrier_expect(${x.at}, ${x.count});`, false)],
    [`${scope}.wait`, (x: SyncText) => [`mbarrier_wait(${x.at}, ${x.count});`]],
    [`${scope}.fence`, (x: SyncText) => [x.proxy === "matrix" ? MATRIX_FENCE : ASYNC_FENCE]],
  ]),
);
const ASYNC_FENCE = 'asm volatile("fence.proxy.async.shared::cta;" ::: "memory");';
const MATRIX_FENCE = 'asm volatile("wgmma.fence.sync.aligned;" ::: "memory");';

const guarded = (x: TransferText, line: string): string[] =>
  x.when === undefined ? [line] : [`if (${x.when}) {`, `  ${line}`, "}"];
const cpAsync = (x: TransferText): string[] => guarded(x, `cp_async<${x.bytes}>(${x.to}, ${x.from});`);
const bulk = (x: TransferText): string[] =>
  guarded(x, `bulk_copy(${x.to}, ${x.from}, ${x.bytes}, ${x.done ?? internal("a bulk copy without mbarrier")});`);

const SHARED_ADDRESS = `__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}`;

const CP_ASYNC = `template <int BYTES>
__device__ __forceinline__ void cp_async(void* to, const void* from) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  if (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared_address(to)), "l"(from), "n"(BYTES) : "memory");
  }
}`;

const MBARRIER = {
  mbarrier_init: `__device__ __forceinline__ void mbarrier_init(unsigned long long* at, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(at)), "r"(count) : "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}`,
  mbarrier_arrive: `__device__ __forceinline__ void mbarrier_arrive(unsigned long long* at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(at)) : "memory");
}`,
  mbarrier_expect: `__device__ __forceinline__ void mbarrier_expect(unsigned long long* at, int bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared_address(at)), "r"(bytes) : "memory");
}`,
  mbarrier_wait: `__device__ __forceinline__ void mbarrier_wait(unsigned long long* at, int parity) {
  unsigned done;
  do {
    asm volatile(
        "{\\n"
        "  .reg .pred p;\\n"
        "  mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\\n"
        "  selp.u32 %0, 1, 0, p;\\n"
        "}"
        : "=r"(done)
        : "r"(shared_address(at)), "r"(parity)
        : "memory");
  } while (done == 0);
}`,
  bulk_copy: `__device__ __forceinline__ void bulk_copy(void* to, const void* from, int bytes, unsigned long long* done) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes), "r"(shared_address(done))
               : "memory");
}`,
};

const HALVES = {
  half_lo: `__device__ __forceinline__ float half_lo(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word & 0xffffu)));
}`,
  pack_halves: `__device__ __forceinline__ unsigned pack_halves(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return static_cast<unsigned>(__half_as_ushort(__low2half(pair))) |
         (static_cast<unsigned>(__half_as_ushort(__high2half(pair))) << 16);
}`,
  sub_halves: `__device__ __forceinline__ unsigned sub_halves(unsigned a, unsigned b) {
  unsigned difference;
  asm("sub.f16x2 %0, %1, %2;" : "=r"(difference) : "r"(a), "r"(b));
  return difference;
}`,
  half_hi: `__device__ __forceinline__ float half_hi(unsigned word) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
}`,
};

/**
 * nvcc 13.0 makes dp4a of sums of products of narrow integers and gets some wrong (1-bit by 7-bit, 2- and 4-bit by 6-bit
 * codes on an H100, `bench/results/formats-h100.json`): said in PTX, a product stays a product.
 */
const MAD = `__device__ __forceinline__ int mad(int a, int b, int c) {
#ifdef __CUDA_ARCH__
  int sum;
  asm("mad.lo.s32 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
#else
  return int(unsigned(a) * unsigned(b) + unsigned(c));
#endif
}`;

const ROUND_QUOTIENT = `// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
__device__ __forceinline__ float round_quotient(float a, float b) {
  // Wrong by one at most, even if the division is off by some ulp. The remainder is exact and tells.
  const float q = rintf(a / b);
  const float twice = 2.0f * fmaf(-q, b, a);
  const bool odd = (__float2int_rz(q) & 1) != 0;
  if (twice > b || (twice == b && odd)) {
    return q + 1.0f;
  }
  if (twice < -b || (twice == -b && odd)) {
    return q - 1.0f;
  }
  return q;
}`;

const asHelpers = (texts: Readonly<Record<string, string>>): Syntax["helpers"] =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, () => text]));

const RESERVED = new Set([
  ...C_RESERVED,
  ..."threadIdx blockIdx blockDim gridDim warpSize group group_y group_z lane warp thread rung shared_bytes".split(" "),
  ..."fabsf fminf fmaxf floorf ceilf rintf sqrtf exp2f log2f fmaf fmodf atomicAdd dim3 int2 int4 uint2 uint4 float2 float4".split(
    " ",
  ),
]);

function shared(kernel: Kernel, array: BufferText): readonly string[] {
  const type = TYPES[array.buffer.type] ?? internal(`no type ${array.buffer.type}`);
  const { offsets, bytes } = sharedLayout(kernel);
  if (bytes <= STATIC_SHARED_BYTES) return [`__shared__ __align__(128) ${type} ${array.name}[${array.buffer.length}];`];
  const offset = offsets.get(array.buffer.id) ?? internal(`no place for ${array.buffer.id}`);
  const line = `${type}* const ${array.name} = reinterpret_cast<${type}*>(shared_bytes + ${offset});`;
  return offset === 0 ? ["extern __shared__ __align__(128) unsigned char shared_bytes[];", line] : [line];
}

/** `const unsigned* __restrict__ x`; no `__restrict__` where two buffers show one tensor. */
function parameter(kernel: Kernel, b: BufferText): string {
  const type = TYPES[b.buffer.type] ?? internal(`no type ${b.buffer.type}`);
  const alone = kernel.buffers.filter((o) => o.tensor !== undefined && o.tensor === b.buffer.tensor).length <= 1;
  return `${b.buffer.access === "read" ? "const " : ""}${type}* ${alone ? "__restrict__ " : ""}${b.name}`;
}

/** `asynchronous`: the architecture has mbarriers and bulk copies. */
export function cudaSyntax(asynchronous: boolean): Syntax {
  const at = (text: string): Text => ({ text, level: LEVEL.primary });
  return {
    extension: ".cu",
    types: TYPES,
    ops: {
      ...C_OPS,
      abs: float("fabsf", "abs", 1),
      min: float("fminf", "min", 2),
      max: float("fmaxf", "max", 2),
      mod: remainder("fmodf"),
      popc: call("__popc", 1),
      floor: call("floorf", 1),
      ceil: call("ceilf", 1),
      rint: call("rintf", 1),
      sqrt: call("sqrtf", 1),
      exp2: call("exp2f", 1),
      log2: call("log2f", 1),
      fma: (type) => call(isFloat(type) ? "fmaf" : "mad", 3),
      f16lo: call("half_lo", 1),
      f16hi: call("half_hi", 1),
      dot4: { ...call("__dp4a", 3), as: ["i32", "i32", "i32"] },
      roundQuotient: call("round_quotient", 2),
      packF16x2: call("pack_halves", 2),
      subF16x2: call("sub_halves", 2),
    },
    logical: LOGICAL,
    cast,
    bits,
    literal,
    builtins: {
      group: (dim) => {
        const name = ["group", "group_y", "group_z"][dim]!;
        return { use: at(name), declare: `const int ${name} = int(blockIdx.${"xyz"[dim]});` };
      },
      warp: (_, k) => ({ use: at("warp"), declare: `const int warp = int(threadIdx.x / ${k.lanes});` }),
      lane: (_, k) => ({ use: at("lane"), declare: `const int lane = int(threadIdx.x % ${k.lanes});` }),
      thread: () => ({ use: at("thread"), declare: "const int thread = int(threadIdx.x);" }),
    },
    reserved: RESERVED,
    vectors: {
      kind: "pointer",
      place: (buffer, type, pointer) =>
        `*reinterpret_cast<${buffer.access === "read" ? "const " : ""}${type}*>(${pointer})`,
    },
    vector: cVector(VECTORS),
    make: (vector, elements) => `make_${vector}(${elements.join(", ")})`,
    load: (place, buffer, cache) =>
      cache === "stream" && buffer.space === "global" && buffer.access === "read"
        ? `__ldcs(${place.startsWith("*") ? place.slice(1) : `&${place}`})`
        : place,
    ...cDeclarations(TYPES),
    atomicAdd: (place, value) => `atomicAdd(&${place}, ${value});`,
    exchange: EXCHANGE,
    sync: asynchronous ? { ...SYNC, ...SYNC_90 } : SYNC,
    transfer: asynchronous ? { cpAsync, bulk } : { cpAsync },
    matrix: ROW_TEXTS,
    helpers: {
      ...asHelpers(HALVES),
      mad: () => MAD,
      ...asHelpers(MBARRIER),
      ...rowHelpers(),
      round_quotient: () => ROUND_QUOTIENT,
      cp_async: () => CP_ASYNC,
      shared_address: () => SHARED_ADDRESS,
    },
    parameters: {},
    directives: [
      { when: /__half|__float2half/, text: "#include <cuda_fp16.h>" },
      { when: /__nv_bfloat16|bfloat16/, text: "#include <cuda_bf16.h>" },
    ],
    table: (name, type, values) => [
      `static __device__ const ${type} ${name}[${values.length}] = {`,
      `    ${values.join(", ")}};`,
    ],
    shared,
    dynamicShared: STATIC_SHARED_BYTES,
    sharedAt: "kernel",
    entry: (kernel, name, buffers) => ({
      before: [`// ${shapeNote(kernel, { group: "blocks", lane: "threads", shared: "shared" })}`],
      open: [
        `extern "C" __global__ void __launch_bounds__(${kernel.lanes * kernel.warps})`,
        `${name}(${buffers.map((b) => parameter(kernel, b)).join(`,\n${" ".repeat(name.length + 1)}`)}) {`,
      ],
    }),
  };
}
