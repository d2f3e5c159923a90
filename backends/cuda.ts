/** CUDA targets: one table an architecture. */
import { type Rates, rowsOn } from "./cuda-rows.ts";
import { cudaSyntax } from "./cuda-text.ts";
import { emitCuda } from "./hosts/cuda.ts";
import { C_RULES } from "./rules.ts";
import { MAGIC_DECODE, PAIR_DECODE, PAIR_MOVE } from "./rules-decode.ts";
import type { Backend } from "./syntax.ts";

interface Architecture {
  /** As nvcc's -arch names it, without "sm_". */
  readonly sm: string;
  readonly about: string;
  readonly b1: "native" | "emulated";
  /** Largest shared memory of one block in bytes (CUDA C++ Programming Guide, table of compute capabilities). */
  readonly sharedBytes: number;
  /** mbarriers and bulk copies (PTX ISA 8.0: sm_90). */
  readonly asynchronous: boolean;
  readonly rates?: Rates;
  /** The model that reports use: the nearest that there is. */
  readonly model: string;
}

/** A measured or published rate in TOPS (two operations a multiply–accumulate) as multiply–accumulates a cycle and SM. */
function perCycle(tops: number, sms: number, clockMHz: number): number {
  return Math.round((tops * 1e6) / (2 * sms * clockMHz));
}

/** NVIDIA A100 Tensor Core GPU Architecture (2020), table 1: 108 SMs at 1410 MHz; dense 4992 / 624 / 312 TOPS. */
const A100: Rates = {
  "mma.m16n8k256.b1": perCycle(4992, 108, 1410),
  "mma.m16n8k32.s8": perCycle(624, 108, 1410),
  "mma.m16n8k16.f16": perCycle(312, 108, 1410),
};

/** Measured on an H100 SXM (132 SMs at about 1755 MHz) through mma.sync, which stays below wgmma: 10 220 and 1327 TOPS. */
const H100: Rates = {
  "mma.m16n8k256.b1": perCycle(10220, 132, 1755),
  "mma.m16n8k32.s8": perCycle(1327, 132, 1755),
};

const KIB = 1024;

const ARCHITECTURES: readonly Architecture[] = [
  {
    sm: "80",
    about: "Ampere, A100: b1, s8 and f16 tensor cores",
    b1: "native",
    sharedBytes: 163 * KIB,
    asynchronous: false,
    rates: A100,
    model: "a100-sxm",
  },
  {
    sm: "86",
    about: "Ampere, RTX 30: b1, s8 and f16 tensor cores",
    b1: "native",
    sharedBytes: 99 * KIB,
    asynchronous: false,
    model: "a100-sxm",
  },
  {
    sm: "89",
    about: "Ada, RTX 40 and L40: b1, s8 and f16 tensor cores",
    b1: "native",
    sharedBytes: 99 * KIB,
    asynchronous: false,
    model: "a100-sxm",
  },
  {
    sm: "90a",
    about: "Hopper, H100: b1, s8 and f16 tensor cores, bulk copies",
    b1: "native",
    sharedBytes: 227 * KIB,
    asynchronous: true,
    rates: H100,
    model: "h100-sxm",
  },
  {
    sm: "100a",
    about: "Blackwell, B200: s8 and f16 tensor cores; b1 only emulated",
    b1: "emulated",
    sharedBytes: 227 * KIB,
    asynchronous: true,
    model: "h100-sxm",
  },
  {
    sm: "120a",
    about: "Blackwell, RTX 50: s8 and f16 tensor cores; b1 only emulated",
    b1: "emulated",
    sharedBytes: 99 * KIB,
    asynchronous: true,
    model: "h100-sxm",
  },
];

function target(arch: Architecture): Backend {
  const backend: Backend = {
    name: `cuda.sm${arch.sm}`,
    family: "cuda",
    about: arch.about,
    lanes: 32,
    exchange: "warp",
    warps: 4,
    types: ["bool", "i32", "u32", "u16", "u64", "f16", "bf16", "f32"],
    stores: { f16: "f16" },
    vectorWords: 4,
    rows: rowsOn(arch.b1, arch.rates),
    tables: "shared",
    limits: {
      // CUDA C++ Programming Guide, technical specifications: the same for all these capabilities.
      threads: 1024,
      sharedBytes: arch.sharedBytes,
      registersPerLane: 255,
      bindings: 64,
      gridX: 2 ** 31 - 1,
      gridYZ: 65535,
    },
    rules: [...C_RULES, MAGIC_DECODE, PAIR_DECODE, PAIR_MOVE],
    model: arch.model,
    syntax: cudaSyntax(arch.asynchronous),
    emit: (unit) => emitCuda(unit, backend),
  };
  return backend;
}

/** All CUDA targets. */
export const CUDA_TARGETS: readonly Backend[] = ARCHITECTURES.map(target);

/** Other names for them: the plain capability stands for its architecture-specific form. */
export const CUDA_ALIASES: Readonly<Record<string, string>> = {
  "cuda.sm90": "cuda.sm90a",
  "cuda.sm100": "cuda.sm100a",
  "cuda.sm120": "cuda.sm120a",
  cuda: "cuda.sm90a",
};

/** The value of nvcc's -gencode for a target of this file ("cuda.sm90a" → "arch=compute_90a,code=sm_90a"). */
export function gencode(name: string): string {
  const sm = name.replace("cuda.sm", "");
  return `arch=compute_${sm},code=sm_${sm}`;
}
