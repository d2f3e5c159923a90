/** GGUF's block types: their sizes, and what the bytes of a block mean, bit for bit as ggml's reference decodes them. */
import { bitsToF16, bitsToF32 } from "../../ir/float.ts";

/**
 * Writes the values of one block from `at` on into `out` from `to` on. Every expression is exact in binary64, so that the
 * store into `out` is the one rounding, as in the reference's f32 arithmetic.
 */
type DecodeBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

export interface BlockType {
  readonly name: string;
  /** As stored in tensor infos (`enum ggml_type`). */
  readonly id: number;
  readonly valuesPerBlock: number;
  readonly bytesPerBlock: number;
  /** Absent: files with it can be listed, but its tensors not decoded. */
  readonly decode?: DecodeBlock;
}

/** The f16 value stored little-endian at `at`. */
const half = (b: Uint8Array, at: number): number => bitsToF16(b[at]! | (b[at + 1]! << 8));

const signed = (byte: number): number => (byte << 24) >> 24;

/** 16 bytes hold elements 0 … 15 in their low and 16 … 31 in their high halves. */
function nibbles(
  b: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  value: (code: number, i: number) => number,
  count = 16,
): void {
  for (let i = 0; i < count; i++) {
    out[to + i] = value(b[at + i]! & 15, i);
    out[to + count + i] = value(b[at + i]! >> 4, count + i);
  }
}

const q1_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  for (let i = 0; i < 128; i++) out[to + i] = (b[at + 2 + (i >> 3)]! >> (i & 7)) & 1 ? d : -d;
};

const q2_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  for (let i = 0; i < 64; i++) out[to + i] = (((b[at + 2 + (i >> 2)]! >> (2 * (i & 3))) & 3) - 1) * d;
};

const q4_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  nibbles(b, at + 2, out, to, (q) => (q - 8) * d);
};

const q4_1: DecodeBlock = (b, at, out, to) => {
  const [d, m] = [half(b, at), half(b, at + 2)];
  nibbles(b, at + 4, out, to, (q) => q * d + m);
};

/** Bit i of the four bytes that hold the fifth bits of a block of 32. */
const fifth = (b: Uint8Array, at: number, i: number): number => ((b[at + (i >> 3)]! >> (i & 7)) & 1) << 4;

const q5_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  nibbles(b, at + 6, out, to, (q, i) => ((q | fifth(b, at + 2, i)) - 16) * d);
};

const q5_1: DecodeBlock = (b, at, out, to) => {
  const [d, m] = [half(b, at), half(b, at + 2)];
  nibbles(b, at + 8, out, to, (q, i) => (q | fifth(b, at + 4, i)) * d + m);
};

const q8_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  for (let i = 0; i < 32; i++) out[to + i] = signed(b[at + 2 + i]!) * d;
};

const q8_1: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  for (let i = 0; i < 32; i++) out[to + i] = signed(b[at + 4 + i]!) * d;
};

/** Byte and shift of the two-bit codes of K-quants: 32 bytes hold four runs of 32 elements, lowest bits first. */
const twoBits = (b: Uint8Array, at: number, i: number): number =>
  (b[at + 32 * (i >> 7) + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;

const q2K: DecodeBlock = (b, at, out, to) => {
  const [d, dmin] = [half(b, at + 80), half(b, at + 82)];
  for (let i = 0; i < 256; i++) {
    const scales = b[at + (i >> 4)]!;
    out[to + i] = d * (scales & 15) * twoBits(b, at + 16, i) - dmin * (scales >> 4);
  }
};

/** The j-th of 16 six-bit scales in 12 bytes: low four bits in bytes 0 … 7, high two in bytes 8 … 11. */
function scale6(b: Uint8Array, at: number, j: number): number {
  const low = j < 8 ? b[at + j]! & 15 : b[at + j - 8]! >> 4;
  return low | (((b[at + 8 + (j & 3)]! >> (2 * (j >> 2))) & 3) << 4);
}

const q3K: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 108);
  for (let i = 0; i < 256; i++) {
    const high = (b[at + (i & 31)]! >> (i >> 5)) & 1;
    const scale = scale6(b, at + 96, i >> 4) - 32;
    out[to + i] = d * scale * (twoBits(b, at + 32, i) - (high === 1 ? 0 : 4));
  }
};

/** Scale and minimum j of 8 in 12 bytes: six bits each, those of the upper four split over two bytes. */
function scaleAndMin(b: Uint8Array, at: number, j: number): readonly [scale: number, min: number] {
  if (j < 4) return [b[at + j]! & 63, b[at + j + 4]! & 63];
  const both = b[at + j + 4]!;
  return [(both & 15) | ((b[at + j - 4]! >> 6) << 4), (both >> 4) | ((b[at + j]! >> 6) << 4)];
}

/** Q4_K and Q5_K: eight runs of 32; two runs share 32 bytes, the second one their high halves. */
function superBlocks(fifthBits: number | undefined, codes: number): DecodeBlock {
  return (b, at, out, to) => {
    const [d, dmin] = [half(b, at), half(b, at + 2)];
    for (let run = 0; run < 8; run++) {
      const [scale, min] = scaleAndMin(b, at + 4, run);
      for (let i = 0; i < 32; i++) {
        const byte = b[at + codes + 32 * (run >> 1) + i]!;
        const low = run & 1 ? byte >> 4 : byte & 15;
        const high = fifthBits === undefined ? 0 : ((b[at + fifthBits + i]! >> run) & 1) << 4;
        out[to + 32 * run + i] = d * scale * (low | high) - dmin * min;
      }
    }
  };
}

const q6K: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 208);
  for (let i = 0; i < 256; i++) {
    const [chunk, run, j] = [i >> 7, (i >> 5) & 3, i & 31];
    const byte = b[at + 64 * chunk + 32 * (run & 1) + j]!;
    const low = run & 2 ? byte >> 4 : byte & 15;
    const high = (b[at + 128 + 32 * chunk + j]! >> (2 * run)) & 3;
    const scale = signed(b[at + 192 + (i >> 4)]!);
    out[to + i] = d * scale * ((low | (high << 4)) - 32);
  }
};

const q8K: DecodeBlock = (b, at, out, to) => {
  const d = bitsToF32((b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0);
  for (let i = 0; i < 256; i++) out[to + i] = d * signed(b[at + 4 + i]!);
};

/** The non-linear 4-bit table of IQ4_NL and IQ4_XS. */
const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

const iq4Nl: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  nibbles(b, at + 2, out, to, (q) => d * IQ4[q]!);
};

const iq4Xs: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  const high = b[at + 2]! | (b[at + 3]! << 8);
  for (let run = 0; run < 8; run++) {
    const low = (b[at + 4 + (run >> 1)]! >> (4 * (run & 1))) & 15;
    const scale = d * ((low | (((high >> (2 * run)) & 3) << 4)) - 32);
    nibbles(b, at + 8 + 16 * run, out, to + 32 * run, (q) => scale * IQ4[q]!);
  }
};

const POWERS_OF_3 = [1, 3, 9, 27, 81] as const;

/** Digit n of a byte that holds five base-3 digits as a fraction of 256 (Q = ⌈digits · 256 / 243⌉). */
const trit = (byte: number, n: number): number => ((((byte * POWERS_OF_3[n]!) & 255) * 3) >> 8) - 1;

const tq1_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 52);
  let next = to;
  for (const [from, bytes, digits] of [[0, 32, 5], [32, 16, 5], [48, 4, 4]] as const) // biome-ignore format: a table
    for (let n = 0; n < digits; n++) for (let i = 0; i < bytes; i++) out[next++] = trit(b[at + from + i]!, n) * d;
};

const tq2_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 64);
  for (let i = 0; i < 256; i++) out[to + i] = (twoBits(b, at, i) - 1) * d;
};

/** E2M1 by code, doubled. */
const E2M1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

const mxfp4: DecodeBlock = (b, at, out, to) => {
  const d = 2 ** (b[at]! - 128);
  nibbles(b, at + 1, out, to, (q) => d * E2M1[q]!);
};

/** Half of an unsigned E4M3 number; the NaN code and the sign bit count as nothing. */
function halfUe4m3(code: number): number {
  if (code === 0 || code === 0x7f) return 0;
  const [exponent, mantissa] = [(code >> 3) & 15, code & 7];
  return exponent === 0 ? mantissa * 2 ** -10 : (1 + mantissa / 8) * 2 ** (exponent - 8);
}

const nvfp4: DecodeBlock = (b, at, out, to) => {
  for (let run = 0; run < 4; run++) {
    const d = halfUe4m3(b[at + run]!);
    nibbles(b, at + 4 + 8 * run, out, to + 16 * run, (q) => d * E2M1[q]!, 8);
  }
};

const float16: DecodeBlock = (b, at, out, to) => {
  out[to] = half(b, at);
};
const bfloat16: DecodeBlock = (b, at, out, to) => {
  out[to] = bitsToF32((b[at]! * 65536 + b[at + 1]! * 16777216) >>> 0);
};
/** Numbers that a DataView reads; 64-bit integers lose what f32 cannot hold. */
const plain =
  (read: (view: DataView, at: number) => number): DecodeBlock =>
  (b, at, out, to) => {
    out[to] = read(new DataView(b.buffer, b.byteOffset, b.byteLength), at);
  };

const type = (
  name: string,
  id: number,
  valuesPerBlock: number,
  bytesPerBlock: number,
  decode?: DecodeBlock,
): BlockType => ({ name, id, valuesPerBlock, bytesPerBlock, ...(decode === undefined ? {} : { decode }) });

/** Every tensor type of GGUF (ggml, August 2026); numbers that are missing were withdrawn. */
export const BLOCK_TYPES: readonly BlockType[] = [
  type(
    "F32",
    0,
    1,
    4,
    plain((v, at) => v.getFloat32(at, true)),
  ),
  type("F16", 1, 1, 2, float16),
  type("Q4_0", 2, 32, 18, q4_0),
  type("Q4_1", 3, 32, 20, q4_1),
  type("Q5_0", 6, 32, 22, q5_0),
  type("Q5_1", 7, 32, 24, q5_1),
  type("Q8_0", 8, 32, 34, q8_0),
  type("Q8_1", 9, 32, 36, q8_1),
  type("Q2_K", 10, 256, 84, q2K),
  type("Q3_K", 11, 256, 110, q3K),
  type("Q4_K", 12, 256, 144, superBlocks(undefined, 16)),
  type("Q5_K", 13, 256, 176, superBlocks(16, 48)),
  type("Q6_K", 14, 256, 210, q6K),
  type("Q8_K", 15, 256, 292, q8K),
  type("IQ2_XXS", 16, 256, 66),
  type("IQ2_XS", 17, 256, 74),
  type("IQ3_XXS", 18, 256, 98),
  type("IQ1_S", 19, 256, 50),
  type("IQ4_NL", 20, 32, 18, iq4Nl),
  type("IQ3_S", 21, 256, 110),
  type("IQ2_S", 22, 256, 82),
  type("IQ4_XS", 23, 256, 136, iq4Xs),
  type(
    "I8",
    24,
    1,
    1,
    plain((v, at) => v.getInt8(at)),
  ),
  type(
    "I16",
    25,
    1,
    2,
    plain((v, at) => v.getInt16(at, true)),
  ),
  type(
    "I32",
    26,
    1,
    4,
    plain((v, at) => v.getInt32(at, true)),
  ),
  type(
    "I64",
    27,
    1,
    8,
    plain((v, at) => Number(v.getBigInt64(at, true))),
  ),
  type(
    "F64",
    28,
    1,
    8,
    plain((v, at) => v.getFloat64(at, true)),
  ),
  type("IQ1_M", 29, 256, 56),
  type("BF16", 30, 1, 2, bfloat16),
  type("TQ1_0", 34, 256, 54, tq1_0),
  type("TQ2_0", 35, 256, 66, tq2_0),
  type("MXFP4", 39, 32, 17, mxfp4),
  type("NVFP4", 40, 64, 36, nvfp4),
  type("Q1_0", 41, 128, 18, q1_0),
  type("Q2_0", 42, 64, 18, q2_0),
];

/** The block type with this number in a file. */
export function blockTypeOf(id: number): BlockType | undefined {
  return BLOCK_TYPES.find((t) => t.id === id);
}

/** The values of whole blocks, or undefined for a type that cannot be decoded. */
export function decodeBlocks(blockType: BlockType, bytes: Uint8Array): Float32Array | undefined {
  const { decode, valuesPerBlock, bytesPerBlock } = blockType;
  if (decode === undefined) return undefined;
  const blocks = Math.floor(bytes.length / bytesPerBlock);
  const out = new Float32Array(blocks * valuesPerBlock);
  for (let n = 0; n < blocks; n++) decode(bytes, n * bytesPerBlock, out, n * valuesPerBlock);
  return out;
}
