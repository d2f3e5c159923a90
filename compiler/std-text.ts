/** The standard library's files as text. Made by scripts/embed-std.mjs from compiler/std: do not edit. */
import type { Source } from "../ir/diagnostics.ts";

export const STD_FILES: readonly Source[] = [
  {
    name: "std/accelerators.loom",
    text: `// Formats of quantized accelerators.

codebook fp3_values = [0, 1, 2, 4, _, -1, -2, -4]

// BitMoD (Chen et al., HPCA 2025): groups of 128 choose one of four values for the code of negative zero, extended in
// resolution (ER) or in asymmetry (EA); an 8-bit scale per group under one f16 scale per output channel.
format bitmod3 {
  block 128
  row: f16
  scale: u8
  special: u2
  q: u3[128]
  value(i) = row * scale * (q[i] == 4 ? [3, -3, 6, -6][special] : fp3_values[q[i]])
}

format bitmod4 {
  block 128
  row: f16
  scale: u8
  special: u2
  q: u4[128]
  value(i) = row * scale * (q[i] == 8 ? [5, -5, 8, -8][special] : minifloat(q[i], 2, 1, 1))
}

// BitMoD's near-lossless configurations: symmetric integers of 5 to 8 bits under the same two scales.
format bitmod_int<B> {
  block 128
  row: f16
  scale: u8
  q: i<B>[128]
  value(i) = row * scale * q[i]
}

format bitmod_int5 = bitmod_int<5>
format bitmod_int6 = bitmod_int<6>
format bitmod_int8 = bitmod_int<8>

// OliVe (Guo et al., ISCA 2023): a pair of values takes a pair of codes. The code of the lowest integer says that this
// value is a victim, 0, and that its partner is an outlier in abfloat.
format olive_int4 {
  block 2
  tensor: f32
  q: u4[2]
  value(i) = q[i] == 8 ? 0 : tensor * (q[1 - i] == 8 ? abfloat(q[i], 2, 1, 2) : signed(q[i], 4))
}

format olive_flint4 {
  block 2
  tensor: f32
  q: u4[2]
  value(i) = {
    let normal = q[i] < 8 ? flint(q[i], 3) : -flint(q[i] & 7, 3)
    q[i] == 8 ? 0 : tensor * (q[1 - i] == 8 ? abfloat(q[i], 2, 1, 3) : normal)
  }
}

// Outliers of eight bits as OliVe's published code has them: two exponent bits, five of fraction.
format olive_int8 {
  block 2
  tensor: f32
  q: u8[2]
  value(i) = q[i] == 128 ? 0 : tensor * (q[1 - i] == 128 ? abfloat(q[i], 2, 5, 2) : signed(q[i], 8))
}

// The same as the paper's text has them: E4M3, in units of which 128 is the smallest.
format olive_int8_e4m3 {
  block 2
  tensor: f32
  q: u8[2]
  value(i) = q[i] == 128 ? 0 : tensor * (q[1 - i] == 128 ? abfloat(q[i], 4, 3, 4) : signed(q[i], 8))
}

// ANT (Guo et al., MICRO 2022): a tensor is of one of four types, chosen by the error. Signed codes of B bits.
format ant_int<B> {
  tensor scale: f32
  q: i<B>
  value = scale * q
}

format ant_flint<B> {
  tensor scale: f32
  q: u<B>
  value = scale * (q < 1 << B - 1 ? flint(q, B - 1) : -flint(q & (1 << B - 1) - 1, B - 1))
}

format ant_pot<B> {
  tensor scale: f32
  q: u<B>
  value = scale * power(q, B - 1)
}

// The smallest subnormal number is 1.
format ant_float<E, M> {
  tensor scale: f32
  q: u<(1 + E + M)>
  value = scale * minifloat(q, E, M, 1 - M)
}

// The same with the choice stored: 0 int, 1 flint, 2 power of two, 3 float (E2M1).
format ant4 {
  tensor scale: f32
  tensor kind: u2
  q: u4
  value = {
    let flint4 = q < 8 ? flint(q, 3) : -flint(q & 7, 3)
    let exponential = kind == 2 ? power(q, 3) : minifloat(q, 2, 1, 0)
    scale * (kind == 0 ? signed(q, 4) : kind == 1 ? flint4 : exponential)
  }
}

format ant_int4 = ant_int<4>
format ant_flint4 = ant_flint<4>
format ant_pot4 = ant_pot<4>
format ant_float4 = ant_float<2, 1>

// AdaptivFloat (Tambe et al., DAC 2020): the tensor chooses its exponent range; no subnormal numbers.
format adaptivfloat<E, M> {
  tensor bias: i8
  q: u<(1 + E + M)>
  value = no_subnormals(q, E, M, 0) * exp2(bias)
}

format adaptivfloat8 = adaptivfloat<4, 3>

// Negative powers of two, for what a softmax yields (RepQ-ViT, arXiv:2212.08254).
format log2_grid<B> {
  tensor scale: f32
  q: u<B>
  value = scale * exp2(-q)
}

format log2_grid4 = log2_grid<4>

// The same with finer steps where the distribution asks for them: powers of 2^(2^-root) ("PTQ4SAM", CVPR 2024).
format log_root_grid<B> {
  tensor scale: f32
  tensor root: u3
  q: u<B>
  value = scale * exp2(-q * exp2(-root))
}

format log_root_grid4 = log_root_grid<4>

// Power-exponent grids (Yvinec et al., "NUPES", arXiv:2308.05600): the code's magnitude to a power that the tensor chooses.
format power_grid<B> {
  tensor scale: f32
  tensor exponent: f32
  q: i<B>
  value = {
    let size = exp2(exponent * log2(max(abs(q), 1)))
    scale * (q == 0 ? 0 : q < 0 ? -size : size)
  }
}

format power_grid4 = power_grid<4>
`,
  },
  {
    name: "std/bits.loom",
    text: `// One to two bits per value: signs, ternary numbers, sums of scaled signs.

// Every bit is a sign, so that codes are odd numbers around 0: B bits reach from 1 - 2^B to 2^B - 1 (APT-LLM,
// arXiv:2508.19087). With one bit the value is scale or -scale.
format bipolar<B, G> {
  block G
  scale: f16
  q: u<B>[G]
  value(i) = scale * (2 * q[i] - ((1 << B) - 1))
}

format sign_g128 = bipolar<1, 128>
format bipolar2_g128 = bipolar<2, 128>

// Ternary weights with one scale per tensor (BitNet b1.58, arXiv:2402.17764) in two bits, two's complement: -1, 0, 1.
format ternary {
  tensor scale: f32
  q: i2
  value = scale * q
}

// The same as two planes, the positive and the negative ones: products are a difference of two popcounts.
format ternary_planes {
  block 128
  tensor scale: f32
  positive: u1[128]
  negative: u1[128]
  value(i) = scale * (positive[i] - negative[i])
}

// The same with five digits of base 3 in a byte: digit j of byte b is b / 3^j % 3.
format ternary_base3 {
  block 40
  tensor scale: f32
  q: u8[8]
  value(i) = {
    let j = i % 5
    let place = j == 0 ? 1 : j == 1 ? 3 : j == 2 ? 9 : j == 3 ? 27 : 81
    scale * (q[i / 5] / place % 3 - 1)
  }
}

// Two binary planes with a scale each (Chen et al., "DB-LLM", arXiv:2402.11960): a sum of two independent terms.
format dual_binary {
  block 64
  a: f16[2]
  low: u1[64]
  high: u1[64]
  value(i) = a[0] * low[i] + a[1] * high[i]
}

// P sign planes with a scale each: multi-base binary weights, residual stacks of signs (LUT-GEMM, BitStack).
format multi_base<P, G> {
  block G
  scale: f16[P]
  q: u<P>[G] @ 16 * P + i + G * bit
  value(i) = sum p < P { scale[p] * (2 * (q[i] >> p & 1) - 1) }
}

format multi_base2_g128 = multi_base<2, 128>
format multi_base3_g128 = multi_base<3, 128>
format multi_base4_g128 = multi_base<4, 128>

// Residual stacks of signs: each of L levels is a sign for every value times a product of rank R (Wang et al., "BitStack",
// arXiv:2410.23918). The left factors belong to the row, the right ones to the K columns.
format sign_stack<L, R, K> {
  block K
  tensor right: f16[L * R * K]
  row left: f16[L * R]
  q: u<L>[K] @ i + K * bit
  value(i) = sum l < L {
    (2 * (q[i] >> l & 1) - 1) * sum r < R { left[l * R + r] * right[(l * R + r) * K + i] }
  }
}

// Complex weights 1, i, -1, -i with a scale for real and one for imaginary parts ("iFairy", arXiv:2508.05571), G of them a
// block. The two parts of a number follow each other along the operand's axis, so each takes one bit.
format complex_unit<G> {
  block 2 * G
  tensor scale: f32[2]
  q: u2[G]
  value(i) = scale[i % 2] * [1, 0, -1, 0, 0, 1, 0, -1][q[i / 2] + 4 * (i % 2)]
}

// Signs with a scale per group, but S of K columns, the same in every row, in four bits ("PTQ1.61", arXiv:2502.13179): a
// table says of each column which sort it is and which number it has among its sort.
format salient_mix<K, S, G> {
  block K
  tensor salient: u1[K]
  tensor place: u16[K]
  row step: f16
  row zero: u4
  row alpha: f16[K / G]
  low: u1[K - S]
  high: u4[S]
  value(i) = {
    let fine = step * (high[min(place[i], S - 1)] - zero)
    let coarse = alpha[i / G] * (2 * low[min(place[i], K - S - 1)] - 1)
    salient[i] == 1 ? fine : coarse
  }
}
`,
  },
  {
    name: "std/block-scaled.loom",
    text: `// Blocks that share a power of two or a small float as their scale.

// OCP Microscaling Formats (MX) Specification 1.0, section 5: blocks of 32 under an E8M0 scale.
format mxfp8_e5m2 {
  block 32
  scale: e8m0
  q: e5m2[32]
  value(i) = scale * q[i]
}

format mxfp8_e4m3 {
  block 32
  scale: e8m0
  q: e4m3[32]
  value(i) = scale * q[i]
}

format mxfp6_e3m2 {
  block 32
  scale: e8m0
  q: e3m2[32]
  value(i) = scale * q[i]
}

format mxfp6_e2m3 {
  block 32
  scale: e8m0
  q: e2m3[32]
  value(i) = scale * q[i]
}

format mxfp4 {
  block 32
  scale: e8m0
  q: e2m1[32]
  value(i) = scale * q[i]
}

// Two's complement with six fraction bits.
format mxint8 {
  block 32
  scale: e8m0
  q: i8[32]
  value(i) = q[i] * exp2(-6) * scale
}

// NVFP4 (NVIDIA Blackwell): blocks of 16 under an E4M3 scale, and one f32 scale for the tensor.
format nvfp4 {
  block 16
  tensor: f32
  scale: e4m3
  q: e2m1[16]
  value(i) = tensor * scale * q[i]
}

// Block floating point: G numbers of B bits in two's complement under one exponent, B - 2 bits behind the point.
format bfp<B, G> {
  block G
  scale: e8m0
  q: i<B>[G]
  value(i) = q[i] * exp2(2 - B) * scale
}

format bfp4 = bfp<4, 16>
format bfp6 = bfp<6, 16>
format bfp8 = bfp<8, 16>

// Integers whose scale is a power of two, so that rescaling is a shift (ShiftQuant).
format int_shift<B, G> {
  block G
  shift: i8
  q: i<B>[G]
  value(i) = exp2(shift) * q[i]
}

format i4_shift_g32 = int_shift<4, 32>
format i8_shift_g32 = int_shift<8, 32>
`,
  },
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
    name: "std/gguf.loom",
    text: `// The block types of GGUF, bit for bit as ggml stores them (ggml-common.h, ggml-quants.c): offsets count the bits of a
// block from its first byte on. Values are products and sums of f32 numbers in the order of ggml's reference.

format q4_0 {
  block 32
  d: f16
  q: u4[32] @ 16 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = d * (q[i] - 8)
}

format q4_1 {
  block 32
  d: f16
  m: f16
  q: u4[32] @ 32 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = d * q[i] + m
}

format q5_0 {
  block 32
  d: f16
  high: u1[32]
  q: u4[32] @ 48 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = d * ((q[i] | high[i] << 4) - 16)
}

format q5_1 {
  block 32
  d: f16
  m: f16
  high: u1[32]
  q: u4[32] @ 64 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = d * (q[i] | high[i] << 4) + m
}

format q8_0 {
  block 32
  d: f16
  q: i8[32]
  value(i) = d * q[i]
}

// Super-blocks of 256: scales (and minima) of 16 or 32 values are small integers under one f16 number.
format q2_k {
  block 256
  scale: u4[16] @ 8 * i
  min: u4[16] @ 8 * i + 4
  q: u2[256] @ 128 + 256 * (i / 128) + 8 * (i % 32) + 2 * (i / 32 % 4)
  d: f16
  dmin: f16
  value(i) = d * scale[i / 16] * q[i] - dmin * min[i / 16]
}

// A scale's low four bits lie in bytes 96 to 103, its high two in bytes 104 to 107.
format q3_k {
  block 256
  high: u1[256] @ 8 * (i % 32) + i / 32
  q: u2[256] @ 256 + 256 * (i / 128) + 8 * (i % 32) + 2 * (i / 32 % 4)
  scale: u6[16] @ 768 + (
    bit < 4 ? 8 * (i % 8) + 4 * (i / 8) + bit : 60 + 8 * (i % 4) + 2 * (i / 4) + bit
  )
  d: f16
  value(i) = d * (scale[i / 16] - 32) * (q[i] + 4 * high[i] - 4)
}

// Eight scales and eight minima of six bits share twelve bytes; those of the upper four are split.
format q4_k {
  block 256
  d: f16
  dmin: f16
  scale: u6[8] @ 32 + (i < 4 ? 8 * i + bit : bit < 4 ? 32 + 8 * i + bit : 8 * i - 30 + bit)
  min: u6[8] @ 64 + (i < 4 ? 8 * i + bit : bit < 4 ? 8 * i + 4 + bit : 8 * i - 30 + bit)
  q: u4[256] @ 128 + 256 * (i / 64) + 8 * (i % 32) + 4 * (i / 32 % 2)
  value(i) = d * scale[i / 32] * q[i] - dmin * min[i / 32]
}

format q5_k {
  block 256
  d: f16
  dmin: f16
  scale: u6[8] @ 32 + (i < 4 ? 8 * i + bit : bit < 4 ? 32 + 8 * i + bit : 8 * i - 30 + bit)
  min: u6[8] @ 64 + (i < 4 ? 8 * i + bit : bit < 4 ? 8 * i + 4 + bit : 8 * i - 30 + bit)
  high: u1[256] @ 128 + 8 * (i % 32) + i / 32
  q: u4[256] @ 384 + 256 * (i / 64) + 8 * (i % 32) + 4 * (i / 32 % 2)
  value(i) = d * scale[i / 32] * (q[i] | high[i] << 4) - dmin * min[i / 32]
}

format q6_k {
  block 256
  low: u4[256] @ 512 * (i / 128) + 8 * (i % 64) + 4 * (i / 64 % 2)
  high: u2[256] @ 1024 + 256 * (i / 128) + 8 * (i % 32) + 2 * (i / 32 % 4)
  scale: i8[16]
  d: f16
  value(i) = d * scale[i / 16] * ((low[i] | high[i] << 4) - 32)
}

codebook iq4_values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

format iq4_nl {
  block 32
  d: f16
  q: u4[32] @ 16 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = d * iq4_values[q[i]]
}

format iq4_xs {
  block 256
  d: f16
  high: u2[8]
  low: u4[8]
  q: u4[256] @ 64 + 128 * (i / 32) + 8 * (i % 16) + 4 * (i / 16 % 2)
  value(i) = d * ((low[i / 32] | high[i / 32] << 4) - 32) * iq4_values[q[i]]
}

// Ternary numbers. A byte of tq1_0 is a fraction of 256 in base 3: its five digits come out of the top, one after the other.
format tq1_0 {
  block 256
  q: u8[52]
  d: f16
  value(i) = {
    let byte = q[i < 160 ? i % 32 : i < 240 ? 32 + i % 16 : 48 + i % 4]
    let n = i < 160 ? i / 32 : i < 240 ? i / 16 - 10 : i / 4 - 60
    let place = n == 0 ? 1 : n == 1 ? 3 : n == 2 ? 9 : n == 3 ? 27 : 81
    d * ((byte * place & 255) * 3 / 256 - 1)
  }
}

format tq2_0 {
  block 256
  q: u2[256] @ 256 * (i / 128) + 8 * (i % 32) + 2 * (i / 32 % 4)
  d: f16
  value(i) = d * (q[i] - 1)
}

format q1_0 {
  block 128
  d: f16
  q: u1[128]
  value(i) = d * (2 * q[i] - 1)
}

format q2_0 {
  block 64
  d: f16
  q: u2[64]
  value(i) = d * (q[i] - 1)
}

codebook doubled_e2m1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

// MXFP4 and NVFP4 in GGUF's order of nibbles; their scales have no NaN, and nvfp4's no sign.
format gguf_mxfp4 {
  block 32
  e: u8
  q: u4[32] @ 8 + 8 * (i % 16) + 4 * (i / 16)
  value(i) = exp2(e - 128) * doubled_e2m1[q[i]]
}

format gguf_nvfp4 {
  block 64
  scale: u8[4]
  q: u4[64] @ 32 + 64 * (i / 16) + 8 * (i % 8) + 4 * (i / 8 % 2)
  value(i) = {
    let s = scale[i / 16]
    (s == 0x7F ? 0 : magnitude(s & 0x7F, 4, 3, 8)) * doubled_e2m1[q[i]]
  }
}
`,
  },
  {
    name: "std/int4.loom",
    text: `// Four-bit weights with one scale per group of 128 values: symmetric GPTQ checkpoints, the operands of Marlin
// (Frantar et al., "MARLIN", PPoPP 2025). Codes are two's complement, -8 to 7; there is no zero point.
format int4_g128 = int<4, 128>
`,
  },
  {
    name: "std/integers.loom",
    text: `// Two's complement integers (iN) and unsigned integers (uN), 1 to 8 bits (u16 for places), with the scales that go with them:
//   iN          the code itself
//   iN_tensor   one f32 scale per tensor
//   iN_row      one f32 scale per row (all but the last axis): per output channel of weights, per token of activations
//   iN_gB       one f16 scale per group of B values along the last axis
// Signed formats are symmetric. Unsigned ones with a scale have a zero point beside it: value = scale * (q - zero).
// u4_g128 is the storage of asymmetric GPTQ and AWQ weights. Other widths and groups: int<3, 96>, uint<5, 16>.

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

// Places in other tensors: \`x[m, columns[j]]\`.
format u16 {
  q: u16
  value = q
}

// B bits with a scale per tensor, per row, or per group of G.
format int_tensor<B> {
  tensor scale: f32
  q: i<B>
  value = scale * q
  encode absmax(scale, q)
}

format int_row<B> {
  row scale: f32
  q: i<B>
  value = scale * q
  encode absmax(scale, q)
}

format int<B, G> {
  block G
  scale: f16
  q: i<B>[G]
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

// The same with an integer zero point.
format uint_tensor<B> {
  tensor scale: f32
  tensor zero: u<B>
  q: u<B>
  value = scale * (q - zero)
}

format uint_row<B> {
  row scale: f32
  row zero: u<B>
  q: u<B>
  value = scale * (q - zero)
}

format uint<B, G> {
  block G
  scale: f16
  zero: u<B>
  q: u<B>[G]
  value(i) = scale * (q[i] - zero)
}

// A floating-point offset in place of the zero point: decoupleQ (Guo et al., arXiv:2404.12759), KIVI's groups.
format affine<B, G> {
  block G
  scale: f16
  offset: f16
  q: u<B>[G]
  value(i) = scale * q[i] + offset
}

// Groups by order of activation: column k of K belongs to group groups[k] of K / G (GPTQ with \`desc_act\`).
format act_order<B, K, G> {
  block K
  tensor groups: u16[K]
  row scale: f16[K / G]
  row zero: u<B>[K / G]
  q: u<B>[K]
  value(i) = {
    let g = min(groups[i], K / G - 1)
    scale[g] * (q[i] - zero[g])
  }
}

// Groups of integers and a sparse rest in compressed rows (SqueezeLLM, SpQR): a row has \`count\` of the tensor's T entries,
// C at most, from \`first\` on; they are added to what lies in their columns.
format sparse_outliers<B, K, G, T, C> {
  block K
  tensor columns: u16[T]
  tensor extras: f16[T]
  row first: u24
  row count: u16
  row scale: f16[K / G]
  q: i<B>[K]
  value(i) = {
    let rest = sum j < C {
      (j < count) & (columns[min(first + j, T - 1)] == i) ? extras[min(first + j, T - 1)] : 0
    }
    scale[i / G] * q[i] + rest
  }
}

format i2_tensor = int_tensor<2>
format i2_row = int_row<2>
format i2_g32 = int<2, 32>
format i2_g64 = int<2, 64>
format i2_g128 = int<2, 128>
format i3_tensor = int_tensor<3>
format i3_row = int_row<3>
format i3_g32 = int<3, 32>
format i3_g64 = int<3, 64>
format i3_g128 = int<3, 128>
format i4_tensor = int_tensor<4>
format i4_row = int_row<4>
format i4_g32 = int<4, 32>
format i4_g64 = int<4, 64>
format i4_g128 = int<4, 128>
format i5_tensor = int_tensor<5>
format i5_row = int_row<5>
format i5_g32 = int<5, 32>
format i5_g64 = int<5, 64>
format i5_g128 = int<5, 128>
format i6_tensor = int_tensor<6>
format i6_row = int_row<6>
format i6_g32 = int<6, 32>
format i6_g64 = int<6, 64>
format i6_g128 = int<6, 128>
format i7_tensor = int_tensor<7>
format i7_row = int_row<7>
format i7_g32 = int<7, 32>
format i7_g64 = int<7, 64>
format i7_g128 = int<7, 128>
format i8_tensor = int_tensor<8>
format i8_row = int_row<8>
format i8_g32 = int<8, 32>
format i8_g64 = int<8, 64>
format i8_g128 = int<8, 128>
format u1_tensor = uint_tensor<1>
format u1_row = uint_row<1>
format u1_g32 = uint<1, 32>
format u1_g64 = uint<1, 64>
format u1_g128 = uint<1, 128>
format u2_tensor = uint_tensor<2>
format u2_row = uint_row<2>
format u2_g32 = uint<2, 32>
format u2_g64 = uint<2, 64>
format u2_g128 = uint<2, 128>
format u3_tensor = uint_tensor<3>
format u3_row = uint_row<3>
format u3_g32 = uint<3, 32>
format u3_g64 = uint<3, 64>
format u3_g128 = uint<3, 128>
format u4_tensor = uint_tensor<4>
format u4_row = uint_row<4>
format u4_g32 = uint<4, 32>
format u4_g64 = uint<4, 64>
format u4_g128 = uint<4, 128>
format u5_tensor = uint_tensor<5>
format u5_row = uint_row<5>
format u5_g32 = uint<5, 32>
format u5_g64 = uint<5, 64>
format u5_g128 = uint<5, 128>
format u6_tensor = uint_tensor<6>
format u6_row = uint_row<6>
format u6_g32 = uint<6, 32>
format u6_g64 = uint<6, 64>
format u6_g128 = uint<6, 128>
format u7_tensor = uint_tensor<7>
format u7_row = uint_row<7>
format u7_g32 = uint<7, 32>
format u7_g64 = uint<7, 64>
format u7_g128 = uint<7, 128>
format u8_tensor = uint_tensor<8>
format u8_row = uint_row<8>
format u8_g32 = uint<8, 32>
format u8_g64 = uint<8, 64>
format u8_g128 = uint<8, 128>
`,
  },
  {
    name: "std/minifloats.loom",
    text: `// Numbers of 3 to 8 bits: single values, and types for the fields of other formats.

// Any width: a sign, E exponent bits with bias B, M fraction bits; subnormal numbers, no infinities, no NaN.
format float<E, M, B> {
  q: u<(1 + E + M)>
  value = minifloat(q, E, M, B)
}

// IEEE 754's rules in E + M + 1 bits: subnormal numbers, infinities, NaN, bias 2^(E-1) - 1.
format ieee_float<E, M> {
  q: u<(1 + E + M)>
  value = ieee(q, E, M)
}

// Without subnormal numbers: exponent 0 is as any other, and only its smallest code is 0.
format flushed_float<E, M, B> {
  q: u<(1 + E + M)>
  value = no_subnormals(q, E, M, B)
}

// OCP Microscaling Formats (MX) Specification 1.0, section 5.3: FP6 and FP4 have neither infinities nor NaN.
format e2m1 = float<2, 1, 1>
format e2m3 = float<2, 3, 1>
format e3m2 = float<3, 2, 3>

// OCP 8-bit Floating Point Specification 1.0: E5M2 follows IEEE 754; E4M3 has no infinities, and one NaN beside each sign.
format e5m2 {
  q: u8
  value = as_f16(q << 8)
}

format e4m3 {
  q: u8
  value = minifloat(q, 4, 3, 7) + nan_if((q & 0x7F) == 0x7F)
}

// Finite, unsigned zero (Noune et al., "8-bit numerical formats for deep neural networks", arXiv:2206.02915): the code of
// negative zero is the only NaN, and the bias is one larger.
format e4m3fnuz {
  q: u8
  value = minifloat(q, 4, 3, 8) + nan_if(q == 0x80)
}

format e5m2fnuz {
  q: u8
  value = minifloat(q, 5, 2, 16) + nan_if(q == 0x80)
}

// MX, section 5.4.1: a power of two with bias 127, and one NaN.
format e8m0 {
  q: u8
  value = as_f32(q == 0 ? 0x00400000 : q == 0xFF ? 0x7FC00000 : q << 23)
}

// Weights as minifloats with a scale for each row.
format float_row<E, M, B> {
  row scale: f16
  q: float<E, M, B>
  value = scale * q
}

// FP6 in parts of four and two bits, so that loads are aligned (Xia et al., "FP6-LLM", USENIX ATC 2024; ZeroQuant(4+2)).
format fp6_split {
  row scale: f16
  low: u4
  high: u2
  value = scale * minifloat(high << 4 | low, 3, 2, 3)
}

format fp5_split {
  row scale: f16
  low: u4
  high: u1
  value = scale * minifloat(high << 4 | low, 2, 2, 1)
}
`,
  },
  {
    name: "std/numbers.loom",
    text: `// What codes of few bits mean: functions for formats.

// Two's complement of B bits.
fn signed(c, B) = c - (c >> B - 1 << B)

// The largest integer whose power of two is at most c; 0 for 0 and 1. For codes of up to 16 bits.
fn log2_floor(c) = sum k < 15 { select(c >> k + 1 > 0, 1, 0) }

// E exponent bits with bias B and M fraction bits, no sign. Exponent 0 holds the subnormal numbers, every code is finite.
fn magnitude(c, E, M, B) = {
  let e = c >> M & (1 << E) - 1
  let m = c & (1 << M) - 1
  select(e == 0, m * exp2(1 - B - M), (m | 1 << M) * exp2(e - B - M))
}

// The same below a sign bit.
fn minifloat(c, E, M, B) = {
  let size = magnitude(c, E, M, B)
  select((c >> E + M & 1) == 1, -size, size)
}

// Below a sign bit, IEEE 754's rules: the largest exponent holds infinity (fraction 0) and NaN.
fn ieee(c, E, M) = {
  let top = (1 << E) - 1
  let special = as_f32((c & (1 << M) - 1) == 0 ? 0x7F800000 : 0x7FC00000)
  let size = (c >> M & top) == top ? special : magnitude(c, E, M, (1 << E - 1) - 1)
  select((c >> E + M & 1) == 1, -size, size)
}

// 0, or NaN where the condition holds: added to a value, it makes a code of it that is no number.
fn nan_if(c) = as_f32(c ? 0x7FC00000 : 0)

// Below a sign bit, no subnormal numbers: only the smallest code is 0, every other one has a hidden leading 1.
fn no_subnormals(c, E, M, B) = {
  let e = c >> M & (1 << E) - 1
  let size = (c & (1 << E + M) - 1) == 0 ? 0 : ((c & (1 << M) - 1) + (1 << M)) * exp2(e - B - M)
  select((c >> E + M & 1) == 1, -size, size)
}

// Flint of N bits without a sign (Guo et al., "ANT", MICRO 2022): below a leading 0 an integer; below a leading 1 the
// position of the next 1 is the exponent, and what follows it the fraction.
fn flint(c, N) = {
  let r = c & (1 << N - 1) - 1
  let large = r == 0 ? 1 << 2 * N - 2 : r << max(2 * N - 3 - 2 * log2_floor(r), 0)
  select((c >> N - 1 & 1) == 0, r, large)
}

// A power of two below a sign bit: N bits of exponent, 0 for 0 (ANT).
fn power(c, N) = {
  let e = c & (1 << N) - 1
  let size = select(e == 0, 0, exp2(e - 1))
  select((c >> N & 1) == 1, -size, size)
}

// Adaptive biased float (Guo et al., "OliVe", ISCA 2023): an integer (1 << M) + fraction, shifted by exponent + bias.
fn abfloat(c, E, M, B) = {
  let size = ((c & (1 << M) - 1) + (1 << M)) * exp2((c >> M & (1 << E) - 1) + B)
  select((c >> E + M & 1) == 1, -size, size)
}
`,
  },
  {
    name: "std/planes.loom",
    text: `// Bit planes: all bits of one weight together, so that one 32-bit word holds the same bit of 32 neighbouring values.
// The top plane of a two's complement code weighs -2^(N-1), plane b below it 2^b; products become popcounts of ands.
// The method is that of APNN-TC (Feng et al., SC 2021) and ABQ-LLM (Zeng et al., AAAI 2025, arXiv:2408.08554).
format int_planes<B> {
  block 128
  row scale: f32
  q: i<B>[128] @ i + 128 * bit
  value(i) = scale * q[i]
  encode absmax(scale, q)
}

format uint_planes<B> {
  block 128
  row scale: f32
  row zero: u<B>
  q: u<B>[128] @ i + 128 * bit
  value(i) = scale * (q[i] - zero)
}

// Weights of two bits, activations of eight: \`quantize\` makes the planes at run time.
format i2_planes = int_planes<2>
format i3_planes = int_planes<3>
format i4_planes = int_planes<4>
format i5_planes = int_planes<5>
format i6_planes = int_planes<6>
format i7_planes = int_planes<7>
format i8_planes = int_planes<8>
`,
  },
  {
    name: "std/tables.loom",
    text: `// Tables: a code selects one of the values that a format, a row or the tensor names.

// NormalFloat4: Dettmers, Pagnoni, Holtzman and Zettlemoyer, "QLoRA", NeurIPS 2023 (arXiv:2305.14314), appendix E.
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

// bitsandbytes' FP4: a sign and three bits, in twelfths of the largest value.
codebook fp4_sizes = [0, 0.0625 / 12, 8 / 12, 1, 4 / 12, 6 / 12, 2 / 12, 3 / 12]

format fp4 {
  block 64
  absmax: f32
  q: u4[64]
  value(i) = {
    let size = fp4_sizes[q[i] & 7]
    absmax * (q[i] < 8 ? size : -size)
  }
}

// bitsandbytes' dynamic map of eight bits with a sign (Dettmers et al., "8-bit Optimizers via Block-wise Quantization",
// ICLR 2022): the first 1 below the sign says the power of ten, the bits behind it a linear fraction.
codebook dynamic8 = [
  -0.99296875, -0.9789063, -0.96484375, -0.9507812, -0.93671875, -0.92265625, -0.9085938,
  -0.89453125, -0.8804687, -0.86640625, -0.85234375, -0.8382813, -0.82421875, -0.8101562,
  -0.79609375, -0.78203125, -0.7679688, -0.75390625, -0.7398437, -0.72578125, -0.71171875,
  -0.6976563, -0.68359375, -0.6695312, -0.65546875, -0.64140625, -0.6273438, -0.61328125,
  -0.5992187, -0.58515625, -0.57109375, -0.5570313, -0.54296875, -0.52890625, -0.51484375,
  -0.50078125, -0.48671875, -0.47265625, -0.45859375, -0.44453125, -0.43046875, -0.41640625,
  -0.40234375, -0.38828125, -0.37421875, -0.36015625, -0.34609375, -0.33203125, -0.31796875,
  -0.30390625, -0.28984375, -0.27578125, -0.26171875, -0.24765625, -0.23359375, -0.21953125,
  -0.20546875, -0.19140625, -0.17734375, -0.16328125, -0.14921875, -0.13515625, -0.12109375,
  -0.10703125, -0.09859375, -0.09578125, -0.09296875, -0.09015625, -0.08734375, -0.08453125,
  -0.08171875, -0.07890625, -0.07609375, -0.07328125, -0.07046875, -0.06765625, -0.06484375,
  -0.06203125, -0.05921875, -0.05640625, -0.05359375, -0.05078125, -0.04796875, -0.04515625,
  -0.04234375, -0.03953125, -0.03671875, -0.03390625, -0.03109375, -0.02828125, -0.02546875,
  -0.02265625, -0.01984375, -0.01703125, -0.01421875, -0.01140625, -0.00971875, -0.00915625,
  -0.00859375, -0.00803125, -0.00746875, -0.00690625, -0.00634375, -0.00578125, -0.00521875,
  -0.00465625, -0.00409375, -0.00353125, -0.00296875, -0.00240625, -0.00184375, -0.00128125,
  -0.00094375, -0.00083125, -0.00071875, -0.00060625, -0.00049375, -0.00038125, -0.00026875,
  -0.00015625, -8.875e-5, -6.625e-5, -4.375e-5, -2.125e-5, -7.75e-6, -3.25e-6, -5.5e-7, 0.0, 5.5e-7,
  3.25e-6, 7.75e-6, 2.125e-5, 4.375e-5, 6.625e-5, 8.875e-5, 0.00015625, 0.00026875, 0.00038125,
  0.00049375, 0.00060625, 0.00071875, 0.00083125, 0.00094375, 0.00128125, 0.00184375, 0.00240625,
  0.00296875, 0.00353125, 0.00409375, 0.00465625, 0.00521875, 0.00578125, 0.00634375, 0.00690625,
  0.00746875, 0.00803125, 0.00859375, 0.00915625, 0.00971875, 0.01140625, 0.01421875, 0.01703125,
  0.01984375, 0.02265625, 0.02546875, 0.02828125, 0.03109375, 0.03390625, 0.03671875, 0.03953125,
  0.04234375, 0.04515625, 0.04796875, 0.05078125, 0.05359375, 0.05640625, 0.05921875, 0.06203125,
  0.06484375, 0.06765625, 0.07046875, 0.07328125, 0.07609375, 0.07890625, 0.08171875, 0.08453125,
  0.08734375, 0.09015625, 0.09296875, 0.09578125, 0.09859375, 0.10703125, 0.12109375, 0.13515625,
  0.14921875, 0.16328125, 0.17734375, 0.19140625, 0.20546875, 0.21953125, 0.23359375, 0.24765625,
  0.26171875, 0.27578125, 0.28984375, 0.30390625, 0.31796875, 0.33203125, 0.34609375, 0.36015625,
  0.37421875, 0.38828125, 0.40234375, 0.41640625, 0.43046875, 0.44453125, 0.45859375, 0.47265625,
  0.48671875, 0.50078125, 0.51484375, 0.52890625, 0.54296875, 0.5570313, 0.57109375, 0.58515625,
  0.5992187, 0.61328125, 0.6273438, 0.64140625, 0.65546875, 0.6695312, 0.68359375, 0.6976563,
  0.71171875, 0.72578125, 0.7398437, 0.75390625, 0.7679688, 0.78203125, 0.79609375, 0.8101562,
  0.82421875, 0.8382813, 0.85234375, 0.86640625, 0.8804687, 0.89453125, 0.9085938, 0.92265625,
  0.93671875, 0.9507812, 0.96484375, 0.9789063, 0.99296875, 1.0
]

// The absmax of 64 values in eight bits: G of them share a scale, the tensor has their mean (QLoRA's double quantization).
format nf4_nested<G> {
  block 64 * G
  tensor mean: f32
  scale: f32
  absmax: u8[G]
  q: u4[64 * G]
  value(i) = (dynamic8[absmax[i / 64]] * scale + mean) * nf4_values[q[i]]
}

format fp4_nested<G> {
  block 64 * G
  tensor mean: f32
  scale: f32
  absmax: u8[G]
  q: u4[64 * G]
  value(i) = {
    let size = fp4_sizes[q[i] & 7]
    (dynamic8[absmax[i / 64]] * scale + mean) * (q[i] < 8 ? size : -size)
  }
}

format nf4_double = nf4_nested<64>
format fp4_double = fp4_nested<64>

// Any table of 2^B values that the tensor brings along, one scale per group: abnormal floats, learned NF, HIGGS grids.
format table_group<B, G> {
  block G
  tensor values: f16[1 << B]
  scale: f16
  q: u<B>[G]
  value(i) = scale * values[q[i]]
}

format table4_g64 = table_group<4, 64>

// Any table for each row, without scales: SqueezeLLM (Kim et al., ICML 2024), the dense part; GOBO's dictionary per row.
format table_row<B> {
  row values: f16[1 << B]
  q: u<B>
  value = values[q]
}

format table3_row = table_row<3>
format table4_row = table_row<4>

// One dictionary for the tensor: GOBO (Zadeh et al., MICRO 2020) without its list of outliers.
format table_tensor<B> {
  tensor values: f32[1 << B]
  q: u<B>
  value = values[q]
}

format gobo3 = table_tensor<3>
`,
  },
  {
    name: "std/vectors.loom",
    text: `// Vectors: a code selects several neighbouring values at once.

// C additive codebooks of 2^B vectors of V values (Egiazarian et al., "AQLM", ICML 2024); with one, VPTQ (Liu et al.,
// EMNLP 2024), with several its residual ones. The tensor brings the codebooks, one vector after the other.
format additive<C, B, V> {
  block V
  tensor vectors: f16[C * V << B]
  row scale: f16
  q: u<B>[C]
  value(i) = scale * sum c < C { vectors[(c << B) * V + q[c] * V + i] }
}

format aqlm_2x8 = additive<2, 8, 8>
format aqlm_1x16 = additive<1, 16, 8>
format vptq_8x12 = additive<1, 12, 8>

// VPTQ's residual form: a second codebook of another size for what the first one leaves.
format residual<A, B, V> {
  block V
  tensor vectors: f16[V << A]
  tensor residuals: f16[V << B]
  row scale: f16
  first: u<A>
  second: u<B>
  value(i) = scale * (vectors[first * V + i] + residuals[second * V + i])
}

// Points of an E8 lattice (Tseng et al., "QuIP#", ICML 2024): eight bits select the magnitudes of eight values, seven their
// signs, the eighth sign makes the sign bits even or odd as the magnitudes are, and one bit shifts all by a quarter.
format lattice_e8 {
  block 8
  tensor sizes: f16[2048]
  tensor odd: u1[256]
  row scale: f16
  sign: u7
  shift: u1
  q: u8
  value(i) = {
    let last = sum j < 7 { sign >> j & 1 } + odd[q] & 1
    let negative = i == 7 ? last : sign >> min(i, 6) & 1
    let size = sizes[8 * q + i]
    scale * (select(negative == 1, -size, size) + select(shift == 1, 0.25, -0.25))
  }
}

// A trellis of 2^16 states (Tseng et al., "QTIP", NeurIPS 2024): the state at a value is the newest 16 bits of a stream that
// bites its tail, B new ones for each value. The state computes the value with three instructions, without a table.
fn three_instructions(state) = {
  let x = (state * 89226354 + 64248484 & -0x70007001) ^ 0x3B603B60
  as_f16(x & 0xFFFF) + as_f16(x >> 16 & 0xFFFF)
}

format trellis<B> {
  block 256
  row scale: f16
  q: u<B>[256]
  value(i) = scale * three_instructions(sum j < (16 / B) { q[(i - j + 256) % 256] << B * j })
}

format trellis2 = trellis<2>
format trellis4 = trellis<4>

// QTIP's other computed code: one multiply-add, then the sum of its four bytes.
fn one_mad(state) = {
  let x = state * 34038481 + 76625530
  let bytes = (x & 255) + (x >> 8 & 255) + (x >> 16 & 255) + (x >> 24 & 255)
  (bytes - 510) / 147.800537109375
}

format trellis_mad<B> {
  block 256
  row scale: f16
  q: u<B>[256]
  value(i) = scale * one_mad(sum j < (16 / B) { q[(i - j + 256) % 256] << B * j })
}

// QTIP's hybrid code: a state stands for two values, 2 B bits follow each other state. A hash of the state selects one of
// 512 pairs that the tensor brings along, and the sign of its first number.
format trellis_hybrid<B> {
  block 256
  tensor pairs: f16[1024]
  row scale: f16
  q: u<(2 * B)>[128]
  value(i) = {
    let state = sum j < (8 / B) { q[(i / 2 - j + 128) % 128] << 2 * B * j }
    let hash = state * (state + 1)
    let size = pairs[2 * (hash >> 6 & 511) + i % 2]
    scale * ((i % 2 == 0) & ((hash >> 15 & 1) == 1) ? -size : size)
  }
}

// Dictionary codes of variable length (Frantar and Alistarh, "QMoE", arXiv:2310.16795): a code of B bits stands for up to 28
// numbers 0, low or high of the row. A tensor has T codes, one after the other. A group of G values begins \`skip\` values
// into code \`first\` and reaches over C codes at most.
format dictionary<B, T, G, C> {
  block G
  tensor lengths: u5[1 << B]
  tensor symbols: u2[28 << B]
  tensor codes: u<B>[T]
  row low: f16
  row high: f16
  first: u24
  skip: u5
  value(i) = {
    let at = i + skip
    let passed = sum j < C {
      (sum l < C { l <= j ? lengths[codes[min(first + l, T - 1)]] : 0 }) <= at ? 1 : 0
    }
    let before = sum j < C {
      (
        sum l < C { l <= j ? lengths[codes[min(first + l, T - 1)]] : 0 }
      ) <= at ? lengths[codes[min(first + j, T - 1)]] : 0
    }
    let symbol = symbols[28 * codes[min(first + passed, T - 1)] + min(max(at - before, 0), 27)]
    symbol == 0 ? 0 : symbol == 1 ? low : high
  }
}
`,
  },
];
