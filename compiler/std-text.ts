/** The standard library's files as text. Made by scripts/embed-std.mjs from compiler/std: do not edit. */
import type { Source } from "../ir/diagnostics.ts";

export const STD_FILES: readonly Source[] = [
  {
    name: "std/floats.loom",
    text: `// Plain floating-point numbers: every value is stored as itself.

// IEEE 754-2019 binary16: 5 exponent bits, 10 fraction bits.
format f16 {
  v: f16
  value = v
}

// bfloat16: the upper half of a binary32; 8 exponent bits, 7 fraction bits.
format bf16 {
  v: bf16
  value = v
}

// IEEE 754-2019 binary32.
format f32 {
  v: f32
  value = v
}
`,
  },
  {
    name: "std/int4.loom",
    text: `// Four-bit weights with one scale per group of 128 values: symmetric GPTQ checkpoints, the operands of Marlin
// (Frantar et al., "MARLIN", PPoPP 2025). Codes are two's complement, -8 to 7; there is no zero point.
format int4_g128 {
  block 128
  scale: f16
  q: i4[128]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}
`,
  },
  {
    name: "std/integers.loom",
    text: `// Two's complement integers (iN) and unsigned integers (uN), 1 to 8 bits, with the scales that go with them:
//   iN          the code itself
//   iN_tensor   one f32 scale per tensor
//   iN_row      one f32 scale per row (all but the last axis): per output channel of weights, per token of activations
//   iN_gB       one f16 scale per group of B values along the last axis
// Signed formats are symmetric. Unsigned ones with a scale have a zero point beside it: value = scale * (q - zero).
// u4_g128 is the storage of asymmetric GPTQ and AWQ weights.

format i1 {
  q: i1
  value = q
}

format i2 {
  q: i2
  value = q
}

format i3 {
  q: i3
  value = q
}

format i4 {
  q: i4
  value = q
}

format i5 {
  q: i5
  value = q
}

format i6 {
  q: i6
  value = q
}

format i7 {
  q: i7
  value = q
}

format i8 {
  q: i8
  value = q
}

format u1 {
  q: u1
  value = q
}

format u2 {
  q: u2
  value = q
}

format u3 {
  q: u3
  value = q
}

format u4 {
  q: u4
  value = q
}

format u5 {
  q: u5
  value = q
}

format u6 {
  q: u6
  value = q
}

format u7 {
  q: u7
  value = q
}

format u8 {
  q: u8
  value = q
}

format i2_tensor {
  tensor scale: f32
  q: i2
  value = scale * q
  encode absmax(scale, q)
}

format i2_row {
  row scale: f32
  q: i2
  value = scale * q
  encode absmax(scale, q)
}

format i2_g32 {
  block 32
  scale: f16
  q: i2[32]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i2_g64 {
  block 64
  scale: f16
  q: i2[64]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i2_g128 {
  block 128
  scale: f16
  q: i2[128]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format u2_tensor {
  tensor scale: f32
  tensor zero: u2
  q: u2
  value = scale * (q - zero)
}

format u2_row {
  row scale: f32
  row zero: u2
  q: u2
  value = scale * (q - zero)
}

format u2_g32 {
  block 32
  scale: f16
  zero: u2
  q: u2[32]
  value(i) = scale * (q[i] - zero)
}

format u2_g64 {
  block 64
  scale: f16
  zero: u2
  q: u2[64]
  value(i) = scale * (q[i] - zero)
}

format u2_g128 {
  block 128
  scale: f16
  zero: u2
  q: u2[128]
  value(i) = scale * (q[i] - zero)
}

format i3_tensor {
  tensor scale: f32
  q: i3
  value = scale * q
  encode absmax(scale, q)
}

format i3_row {
  row scale: f32
  q: i3
  value = scale * q
  encode absmax(scale, q)
}

format i3_g32 {
  block 32
  scale: f16
  q: i3[32]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i3_g64 {
  block 64
  scale: f16
  q: i3[64]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i3_g128 {
  block 128
  scale: f16
  q: i3[128]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format u3_tensor {
  tensor scale: f32
  tensor zero: u3
  q: u3
  value = scale * (q - zero)
}

format u3_row {
  row scale: f32
  row zero: u3
  q: u3
  value = scale * (q - zero)
}

format u3_g32 {
  block 32
  scale: f16
  zero: u3
  q: u3[32]
  value(i) = scale * (q[i] - zero)
}

format u3_g64 {
  block 64
  scale: f16
  zero: u3
  q: u3[64]
  value(i) = scale * (q[i] - zero)
}

format u3_g128 {
  block 128
  scale: f16
  zero: u3
  q: u3[128]
  value(i) = scale * (q[i] - zero)
}

format i4_tensor {
  tensor scale: f32
  q: i4
  value = scale * q
  encode absmax(scale, q)
}

format i4_row {
  row scale: f32
  q: i4
  value = scale * q
  encode absmax(scale, q)
}

format i4_g32 {
  block 32
  scale: f16
  q: i4[32]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i4_g64 {
  block 64
  scale: f16
  q: i4[64]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i4_g128 {
  block 128
  scale: f16
  q: i4[128]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format u4_tensor {
  tensor scale: f32
  tensor zero: u4
  q: u4
  value = scale * (q - zero)
}

format u4_row {
  row scale: f32
  row zero: u4
  q: u4
  value = scale * (q - zero)
}

format u4_g32 {
  block 32
  scale: f16
  zero: u4
  q: u4[32]
  value(i) = scale * (q[i] - zero)
}

format u4_g64 {
  block 64
  scale: f16
  zero: u4
  q: u4[64]
  value(i) = scale * (q[i] - zero)
}

format u4_g128 {
  block 128
  scale: f16
  zero: u4
  q: u4[128]
  value(i) = scale * (q[i] - zero)
}

format i8_tensor {
  tensor scale: f32
  q: i8
  value = scale * q
  encode absmax(scale, q)
}

format i8_row {
  row scale: f32
  q: i8
  value = scale * q
  encode absmax(scale, q)
}

format i8_g32 {
  block 32
  scale: f16
  q: i8[32]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i8_g64 {
  block 64
  scale: f16
  q: i8[64]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format i8_g128 {
  block 128
  scale: f16
  q: i8[128]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format u8_tensor {
  tensor scale: f32
  tensor zero: u8
  q: u8
  value = scale * (q - zero)
}

format u8_row {
  row scale: f32
  row zero: u8
  q: u8
  value = scale * (q - zero)
}

format u8_g32 {
  block 32
  scale: f16
  zero: u8
  q: u8[32]
  value(i) = scale * (q[i] - zero)
}

format u8_g64 {
  block 64
  scale: f16
  zero: u8
  q: u8[64]
  value(i) = scale * (q[i] - zero)
}

format u8_g128 {
  block 128
  scale: f16
  zero: u8
  q: u8[128]
  value(i) = scale * (q[i] - zero)
}
`,
  },
  {
    name: "std/nf4.loom",
    text: `// NormalFloat4: Dettmers, Pagnoni, Holtzman and Zettlemoyer, "QLoRA", NeurIPS 2023 (arXiv:2305.14314), appendix E.
// The 16 values are quantiles of the standard normal distribution, scaled to -1 … 1; 0 is one of them.
codebook nf4_values = [
  -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1.0
]

// Blocks of 64 with the block's largest magnitude as scale (f32: without QLoRA's second quantization of the scales).
format nf4 {
  block 64
  absmax: f32
  q: u4[64]
  value(i) = absmax * nf4_values[q[i]]
}
`,
  },
  {
    name: "std/planes.loom",
    text: `// Bit planes: all bits of one weight together, so that one 32-bit word holds the same bit of 32 neighbouring values.
// The top plane of a two's complement code weighs -2^(N-1), plane b below it 2^b; products become popcounts of ands.
// The method is that of APNN-TC (Feng et al., SC 2021) and ABQ-LLM (Zeng et al., AAAI 2025, arXiv:2408.08554).

// Weights of two bits.
format i2_planes {
  block 128
  row scale: f32
  q: i2[128] @ i + 128 * bit
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

// Activations of eight bits; \`quantize\` makes the planes at run time.
format i8_planes {
  block 128
  row scale: f32
  q: i8[128] @ i + 128 * bit
  value(i) = scale * q[i]
  encode absmax(scale, q)
}
`,
  },
];
