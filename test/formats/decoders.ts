/**
 * What the formats of the standard library mean, written a second time: numbers straight from the bits of one block, in
 * binary64, with bit offsets counted by hand. Nothing here looks at the declarations.
 */

/** The bits of one block. */
export class BlockBits {
  readonly #bytes: Uint8Array;
  readonly #base: number;

  constructor(bytes: Uint8Array, base: number) {
    this.#bytes = bytes;
    this.#base = base;
  }

  /** The unsigned number in `count` bits from bit `at` on. */
  u(at: number, count: number): number {
    let value = 0;
    for (let n = count - 1; n >= 0; n--) {
      const bit = this.#base + at + n;
      value = value * 2 + ((this.#bytes[Math.floor(bit / 8)]! >> (bit % 8)) & 1);
    }
    return value;
  }

  i(at: number, count: number): number {
    const value = this.u(at, count);
    return value >= 2 ** (count - 1) ? value - 2 ** count : value;
  }

  f16(at: number): number {
    return ieee(this.u(at, 16), 5, 10);
  }

  f32(at: number): number {
    return ieee(this.u(at, 32), 8, 23);
  }
}

/** Fields that a row or the tensor has once, by name. */
export type Outer = Readonly<Record<string, ArrayLike<number>>>;

export interface Decoder {
  /** Values per block, and bits of a block's record. */
  readonly block: number;
  readonly bits: number;
  /** The value of element i. */
  readonly value: (b: BlockBits, i: number, outer: Outer) => number;
  /** Fields whose values only matter below a limit: random ones are taken modulo it. */
  readonly below?: Readonly<Record<string, number>>;
  /** Bits per value as published (or counted by hand), for a tensor of 4096 × 4096. */
  readonly bitsPerValue: number;
}

function parts(code: number, exponent: number, fraction: number) {
  const m = code % 2 ** fraction;
  const e = Math.floor(code / 2 ** fraction) % 2 ** exponent;
  const sign = Math.floor(code / 2 ** (fraction + exponent)) % 2 === 1 ? -1 : 1;
  return { sign, e, m };
}

/** Sign, exponent and fraction bits; exponent 0 is subnormal, no code is special. */
export function small(code: number, exponent: number, fraction: number, bias: number): number {
  const { sign, e, m } = parts(code, exponent, fraction);
  if (e === 0) return sign * m * 2 ** (1 - bias - fraction);
  return sign * (1 + m / 2 ** fraction) * 2 ** (e - bias);
}

export function ieee(code: number, exponent: number, fraction: number): number {
  const { sign, e, m } = parts(code, exponent, fraction);
  if (e === 2 ** exponent - 1) return m === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return small(code, exponent, fraction, 2 ** (exponent - 1) - 1);
}

export const e4m3 = (c: number): number => (c % 128 === 127 ? Number.NaN : small(c, 4, 3, 7));
export const e5m2 = (c: number): number => ieee(c, 5, 2);
export const e8m0 = (c: number): number => (c === 255 ? Number.NaN : 2 ** (c - 127));
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];
const twos = (c: number, bits: number): number => (c >= 2 ** (bits - 1) ? c - 2 ** bits : c);

/** ANT's flint from its decoding rule: below a 1 in front, the next 1 says the exponent (id 62067097414 of the notes). */
export function flint(code: number, bits: number): number {
  const rest = code % 2 ** (bits - 1);
  if (code < 2 ** (bits - 1)) return rest;
  const text = rest.toString(2).padStart(bits - 1, "0");
  const leading = text.includes("1") ? text.indexOf("1") : bits - 1;
  const mantissa = text.slice(leading + 1);
  const fraction = mantissa === "" ? 0 : Number.parseInt(mantissa, 2) / 2 ** mantissa.length;
  return 2 ** (bits + leading - 1) * (1 + fraction);
}

const signedFlint = (c: number, bits: number): number =>
  c < 2 ** (bits - 1) ? flint(c, bits - 1) : -flint(c - 2 ** (bits - 1), bits - 1);

export function abfloat(code: number, exponent: number, fraction: number, bias: number): number {
  const { sign, e, m } = parts(code, exponent, fraction);
  return sign * (2 ** fraction + m) * 2 ** (e + bias);
}

const pot = (c: number): number => (c % 8 === 0 ? 0 : 2 ** ((c % 8) - 1)) * (c >= 8 ? -1 : 1);

/** QLoRA, appendix E. */
export const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]; // biome-ignore format: a table

/** bitsandbytes' tree of decisions for FP4. */
export function fp4(c: number): number {
  const sign = c & 8 ? -1 : 1;
  const [b4, b2, b1] = [c & 4, c & 2, c & 1];
  const size = b4 ? (b2 ? (b1 ? 0.25 : 1 / 6) : b1 ? 0.5 : 1 / 3) : b2 ? (b1 ? 1 : 2 / 3) : b1 ? 0.0625 / 12 : 0;
  return sign * size;
}

/** The dynamic map: powers of ten from 1e-6 to 1, power i with 2^i linear steps from 0.1 to 1; sorted, with 0 and 1. */
function dynamicMap(): readonly number[] {
  const values = [0, 1];
  for (let i = 0; i < 7; i++)
    for (let j = 0; j < 2 ** i; j++) {
      const middle = (0.1 + (0.9 * (j + 0.5)) / 2 ** i) * 10 ** (i - 6);
      values.push(middle, -middle);
    }
  return values.sort((a, b) => a - b);
}
const DYNAMIC = dynamicMap();

const perRow = (bits: number): number => bits / 4096;
const perTensor = (bits: number): number => bits / 4096 ** 2;

const plain = (bits: number, value: (c: number) => number): Decoder => ({
  block: 1,
  bits,
  value: (b) => value(b.u(0, bits)),
  bitsPerValue: bits,
});

const scaled = (bits: number, value: (c: number) => number, shared = perTensor(32)): Decoder => ({
  block: 1,
  bits,
  value: (b, _, o) => o.scale![0]! * value(b.u(0, bits)),
  bitsPerValue: bits + shared,
});

const mx = (bits: number, value: (c: number) => number): Decoder => ({
  block: 32,
  bits: 8 + 32 * bits,
  value: (b, i) => e8m0(b.u(0, 8)) * value(b.u(8 + bits * i, bits)),
  bitsPerValue: bits + 8 / 32,
});

export const bfp = (bits: number): Decoder => ({
  block: 16,
  bits: 8 + 16 * bits,
  value: (b, i) => (e8m0(b.u(0, 8)) * b.i(8 + bits * i, bits)) / 2 ** (bits - 2),
  bitsPerValue: bits + 8 / 16,
});

const bitmod = (bits: number, special: readonly number[], basic: readonly number[]): Decoder => ({
  block: 128,
  bits: 10 + 128 * bits,
  value: (b, i, o) => {
    const code = b.u(10 + bits * i, bits);
    const size = code === 2 ** (bits - 1) ? special[b.u(8, 2)]! : basic[code]!;
    return o.row![0]! * b.u(0, 8) * size;
  },
  bitsPerValue: bits + 10 / 128 + perRow(16),
});

export const bitmodInt = (bits: number): Decoder => ({
  block: 128,
  bits: 8 + 128 * bits,
  value: (b, i, o) => o.row![0]! * b.u(0, 8) * b.i(8 + bits * i, bits),
  bitsPerValue: bits + 8 / 128 + perRow(16),
});

const olive = (bits: number, normal: (c: number) => number, outlier: (c: number) => number): Decoder => ({
  block: 2,
  bits: 2 * bits,
  value: (b, i, o) => {
    const [own, partner] = [b.u(bits * i, bits), b.u(bits * (1 - i), bits)];
    const identifier = 2 ** (bits - 1);
    if (own === identifier) return 0;
    return o.tensor![0]! * (partner === identifier ? outlier(own) : normal(own));
  },
  bitsPerValue: bits + perTensor(32),
});

/** GGUF: sizes in bytes, as ggml's static assertions state them. */
const gguf = (block: number, bytes: number, value: Decoder["value"]): Decoder => ({
  block,
  bits: 8 * bytes,
  value,
  bitsPerValue: (8 * bytes) / block,
});
const byte = (b: BlockBits, n: number): number => b.u(8 * n, 8);
const nibble = (b: BlockBits, from: number, i: number): number =>
  i < 16 ? byte(b, from + i) % 16 : byte(b, from + i - 16) >> 4;
const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** Runs of 32 values in the same 32 bytes, two bits each. */
const pairOfBits = (b: BlockBits, from: number, i: number): number => {
  const [half, run, j] = [i >> 7, (i >> 5) & 3, i & 31];
  return (byte(b, from + 32 * half + j) >> (2 * run)) & 3;
};

/** ggml's get_scale_min_k4. */
function scaleMin(b: BlockBits, j: number): readonly [number, number] {
  const q = (n: number): number => byte(b, 4 + n);
  if (j < 4) return [q(j) & 63, q(j + 4) & 63];
  return [(q(j + 4) & 15) | ((q(j - 4) >> 6) << 4), (q(j + 4) >> 4) | ((q(j) >> 6) << 4)];
}

/** ggml unpacks Q3_K's scales through four words; the k-th of sixteen. */
function scaleQ3(b: BlockBits, k: number): number {
  const word = (n: number): number => b.u(8 * (96 + 4 * n), 32);
  const [a0, a1, high] = [word(0), word(1), word(2)];
  const [m4, m2] = [0x0f0f0f0f, 0x03030303];
  const made = [
    (a0 & m4) | ((high & m2) << 4),
    (a1 & m4) | (((high >>> 2) & m2) << 4),
    ((a0 >>> 4) & m4) | (((high >>> 4) & m2) << 4),
    ((a1 >>> 4) & m4) | (((high >>> 6) & m2) << 4),
  ];
  return (made[k >> 2]! >>> (8 * (k & 3))) & 255;
}

const trit = (value: number, n: number): number => ((((value * [1, 3, 9, 27, 81][n]!) % 256) * 3) >> 8) - 1;

/** Sums of vectors of `length` values, one from each of `books` codebooks of 2^bits. */
export const additive = (books: number, bits: number, length = 8): Decoder => ({
  block: length,
  bits: books * bits,
  value: (b, i, o) => {
    let sum = 0;
    for (let c = 0; c < books; c++) sum += o.vectors![(c * 2 ** bits + b.u(c * bits, bits)) * length + i]!;
    return o.scale![0]! * sum;
  },
  bitsPerValue: (books * bits) / length + perRow(16) + perTensor(16 * length * books * 2 ** bits),
});

/** QTIP's decode_3inst on a state of 16 bits, with 32-bit words. */
export function threeInstructions(state: number): number {
  const x = (BigInt(state) * 89226354n + 64248484n) & 0xffffffffn;
  const bits = Number((x & 0x8fff8fffn) ^ 0x3b603b60n);
  return ieee(bits % 65536, 5, 10) + ieee(Math.floor(bits / 65536), 5, 10);
}

/** A code's magnitude to a power that the tensor chooses; 0 stays 0 whatever the power. */
export const powerGrid = (bits: number): Decoder => ({
  block: 1,
  bits,
  value: (b, _, o) => {
    const q = b.i(0, bits);
    return q === 0 ? 0 : o.scale![0]! * Math.sign(q) * Math.abs(q) ** o.exponent![0]!;
  },
  bitsPerValue: bits + perTensor(64),
});

/** The stream once around: the state is the last 16 bits up to and including those of step i of `steps`. */
export function trellisState(b: BlockBits, i: number, bits: number, steps: number): number {
  let state = 0;
  for (let j = 16 / bits - 1; j >= 0; j--) state = state * 2 ** bits + b.u(bits * ((i - j + steps) % steps), bits);
  return state;
}

export const trellis = (bits: number, compute = threeInstructions): Decoder => ({
  block: 256,
  bits: 256 * bits,
  value: (b, i, o) => o.scale![0]! * compute(trellisState(b, i, bits, 256)),
  bitsPerValue: bits + perRow(16),
});

/** Sign planes with a scale each. */
export const multiBase = (planes: number, group = 128): Decoder => ({
  block: group,
  bits: 16 * planes + group * planes,
  value: (b, i) => {
    let sum = 0;
    for (let p = 0; p < planes; p++) sum += b.f16(16 * p) * (b.u(16 * planes + group * p + i, 1) === 1 ? 1 : -1);
    return sum;
  },
  bitsPerValue: planes + (16 * planes) / group,
});

/** Sixteen values under an absmax that a byte of the dynamic map stands for: `groups` bytes under one scale. */
export const nested = (groups: number, value: (code: number) => number): Decoder => {
  const head = 32 + 8 * groups;
  return {
    block: 64 * groups,
    bits: head + 256 * groups,
    value: (b, i, o) => {
      const absmax = Math.fround(DYNAMIC[byte(b, 4 + Math.floor(i / 64))]!) * b.f32(0) + o.mean![0]!;
      return absmax * Math.fround(value(b.u(head + 4 * i, 4)));
    },
    bitsPerValue: (Math.ceil(4096 / (64 * groups)) * (head + 256 * groups)) / 4096 + perTensor(32),
  };
};

const planes = (bits: number): Decoder => ({
  block: 128,
  bits: 128 * bits,
  value: (b, i, o) => {
    let code = 0;
    for (let p = 0; p < bits; p++) code += b.u(128 * p + i, 1) * (p === bits - 1 ? -(2 ** p) : 2 ** p);
    return o.scale![0]! * code;
  },
  bitsPerValue: bits + perRow(32),
});

/** QTIP's decode_1mad on a state of 16 bits, with 32-bit words. */
export function oneMad(state: number): number {
  const x = Number((BigInt(state) * 34038481n + 76625530n) & 0xffffffffn);
  const bytes = [0, 8, 16, 24].map((at) => (x >>> at) & 255);
  return (bytes.reduce((a, b) => a + b, 0) - 510) / 147.800537109375;
}

/** QTIP's quantlut_sym with 512 pairs: a state of 16 bits for two values, the sign of the first from the hash. */
export const trellisHybrid = (bits: number): Decoder => ({
  block: 256,
  bits: 256 * bits,
  value: (b, i, o) => {
    const state = BigInt(trellisState(b, Math.floor(i / 2), 2 * bits, 128));
    const hash = (state + 1n) * state;
    const entry = Number((hash >> 6n) & 511n);
    const flipped = i % 2 === 0 && ((hash >> 15n) & 1n) === 1n;
    return o.scale![0]! * o.pairs![2 * entry + (i % 2)]! * (flipped ? -1 : 1);
  },
  bitsPerValue: bits + perRow(16) + perTensor(16 * 1024),
});

/** Powers of i, two bits each: cos and sin of a quarter turn for each step of the code. */
export const complexUnit = (numbers: number): Decoder => ({
  block: 2 * numbers,
  bits: 2 * numbers,
  value: (b, i, o) => {
    const turn = (b.u(i - (i % 2), 2) * Math.PI) / 2;
    return o.scale![i % 2]! * Math.round(i % 2 === 0 ? Math.cos(turn) : Math.sin(turn));
  },
  bitsPerValue: 1 + perTensor(64),
});

/** A codebook of 2^a vectors and one of 2^b for the rest. */
export const residual = (a: number, b: number, length: number): Decoder => ({
  block: length,
  bits: a + b,
  value: (bits, i, o) => {
    const [first, second] = [bits.u(0, a), bits.u(a, b)];
    return o.scale![0]! * (o.vectors![first * length + i]! + o.residuals![second * length + i]!);
  },
  bitsPerValue: (Math.ceil(4096 / length) * (a + b)) / 4096 + perRow(16) + perTensor(16 * length * (2 ** a + 2 ** b)),
});

/** By format name. */
export const DECODERS: Readonly<Record<string, Decoder>> = {
  f16: plain(16, (c) => ieee(c, 5, 10)),
  bf16: plain(16, (c) => ieee(c, 8, 7)),
  f32: plain(32, (c) => ieee(c, 8, 23)),
  e2m1: plain(4, (c) => E2M1[c]!),
  e2m3: plain(6, (c) => small(c, 2, 3, 1)),
  e3m2: plain(6, (c) => small(c, 3, 2, 3)),
  e4m3: plain(8, e4m3),
  e5m2: plain(8, e5m2),
  e4m3fnuz: plain(8, (c) => (c === 128 ? Number.NaN : small(c, 4, 3, 8))),
  e5m2fnuz: plain(8, (c) => (c === 128 ? Number.NaN : small(c, 5, 2, 16))),
  e8m0: plain(8, e8m0),
  fp6_split: {
    block: 1,
    bits: 6,
    value: (b, _, o) => o.scale![0]! * small(b.u(4, 2) * 16 + b.u(0, 4), 3, 2, 3),
    bitsPerValue: 6 + perRow(16),
  },
  fp5_split: {
    block: 1,
    bits: 5,
    value: (b, _, o) => o.scale![0]! * small(b.u(4, 1) * 16 + b.u(0, 4), 2, 2, 1),
    bitsPerValue: 5 + perRow(16),
  },
  mxfp8_e5m2: mx(8, e5m2),
  mxfp8_e4m3: mx(8, e4m3),
  mxfp6_e3m2: mx(6, (c) => small(c, 3, 2, 3)),
  mxfp6_e2m3: mx(6, (c) => small(c, 2, 3, 1)),
  mxfp4: mx(4, (c) => E2M1[c]!),
  mxint8: mx(8, (c) => twos(c, 8) / 64),
  nvfp4: {
    block: 16,
    bits: 8 + 64,
    value: (b, i, o) => o.tensor![0]! * e4m3(b.u(0, 8)) * E2M1[b.u(8 + 4 * i, 4)]!,
    bitsPerValue: 4.5 + perTensor(32),
  },
  bfp4: bfp(4),
  bfp6: bfp(6),
  bfp8: bfp(8),
  i4_shift_g32: {
    block: 32,
    bits: 8 + 128,
    value: (b, i) => 2 ** b.i(0, 8) * b.i(8 + 4 * i, 4),
    bitsPerValue: 4.25,
  },
  i8_shift_g32: {
    block: 32,
    bits: 8 + 256,
    value: (b, i) => 2 ** b.i(0, 8) * b.i(8 + 8 * i, 8),
    bitsPerValue: 8.25,
  },
  bitmod3: bitmod(3, [3, -3, 6, -6], [0, 1, 2, 4, 0, -1, -2, -4]),
  bitmod4: bitmod(4, [5, -5, 8, -8], E2M1),
  bitmod_int5: bitmodInt(5),
  bitmod_int6: bitmodInt(6),
  bitmod_int8: bitmodInt(8),
  olive_int4: olive(
    4,
    (c) => twos(c, 4),
    (c) => abfloat(c, 2, 1, 2),
  ),
  olive_flint4: olive(
    4,
    (c) => signedFlint(c, 4),
    (c) => abfloat(c, 2, 1, 3),
  ),
  olive_int8: olive(
    8,
    (c) => twos(c, 8),
    (c) => abfloat(c, 2, 5, 2),
  ),
  olive_int8_e4m3: olive(
    8,
    (c) => twos(c, 8),
    (c) => abfloat(c, 4, 3, 4),
  ),
  ant_int4: scaled(4, (c) => twos(c, 4)),
  ant_flint4: scaled(4, (c) => signedFlint(c, 4)),
  ant_pot4: scaled(4, pot),
  ant_float4: scaled(4, (c) => 2 * E2M1[c]!),
  ant4: {
    block: 1,
    bits: 4,
    value: (b, _, o) => {
      const code = b.u(0, 4);
      const kinds = [twos(code, 4), signedFlint(code, 4), pot(code), 2 * E2M1[code]!];
      return o.scale![0]! * kinds[o.kind![0]!]!;
    },
    bitsPerValue: 4 + perTensor(34),
  },
  adaptivfloat8: {
    block: 1,
    bits: 8,
    value: (b, _, o) => {
      const { sign, e, m } = parts(b.u(0, 8), 4, 3);
      return e === 0 && m === 0 ? 0 : sign * (1 + m / 8) * 2 ** (e + o.bias![0]!);
    },
    bitsPerValue: 8 + perTensor(8),
  },
  log_root_grid4: {
    block: 1,
    bits: 4,
    value: (b, _, o) => o.scale![0]! * 2 ** (-b.u(0, 4) / 2 ** o.root![0]!),
    bitsPerValue: 4 + perTensor(35),
  },
  log2_grid4: scaled(4, (c) => 2 ** -c),
  power_grid4: powerGrid(4),
  sign_g128: {
    block: 128,
    bits: 16 + 128,
    value: (b, i) => b.f16(0) * (b.u(16 + i, 1) === 1 ? 1 : -1),
    bitsPerValue: 1.125,
  },
  bipolar2_g128: {
    block: 128,
    bits: 16 + 256,
    value: (b, i) => b.f16(0) * [-3, -1, 1, 3][b.u(16 + 2 * i, 2)]!,
    bitsPerValue: 2.125,
  },
  ternary: scaled(2, (c) => twos(c, 2)),
  ternary_planes: {
    block: 128,
    bits: 256,
    value: (b, i, o) => o.scale![0]! * (b.u(i, 1) - b.u(128 + i, 1)),
    bitsPerValue: 2 + perTensor(32),
  },
  ternary_base3: {
    block: 40,
    bits: 64,
    value: (b, i, o) => {
      const digits = byte(b, Math.floor(i / 5))
        .toString(3)
        .padStart(6, "0");
      return o.scale![0]! * (Number(digits[5 - (i % 5)]) - 1);
    },
    bitsPerValue: (Math.ceil(4096 / 40) * 64) / 4096 + perTensor(32),
  },
  dual_binary: {
    block: 64,
    bits: 32 + 128,
    value: (b, i) => b.f16(0) * b.u(32 + i, 1) + b.f16(16) * b.u(96 + i, 1),
    bitsPerValue: 2.5,
  },
  multi_base2_g128: multiBase(2),
  multi_base3_g128: multiBase(3),
  multi_base4_g128: multiBase(4),
  ...Object.fromEntries([2, 3, 4, 5, 6, 7, 8].map((bits) => [`i${bits}_planes`, planes(bits)])),
  nf4: {
    block: 64,
    bits: 32 + 256,
    value: (b, i) => b.f32(0) * Math.fround(NF4[b.u(32 + 4 * i, 4)]!),
    bitsPerValue: 4.5,
  },
  fp4: {
    block: 64,
    bits: 32 + 256,
    value: (b, i) => b.f32(0) * Math.fround(fp4(b.u(32 + 4 * i, 4))),
    bitsPerValue: 4.5,
  },
  // QLoRA, section 3: 0.127 bits a parameter for constants, here with one f32 per 4096 in place of 256 · 64.
  nf4_double: nested(64, (c) => NF4[c]!),
  fp4_double: nested(64, fp4),
  table4_g64: {
    block: 64,
    bits: 16 + 256,
    value: (b, i, o) => b.f16(0) * o.values![b.u(16 + 4 * i, 4)]!,
    bitsPerValue: 4.25 + perTensor(256),
  },
  table3_row: { block: 1, bits: 3, value: (b, _, o) => o.values![b.u(0, 3)]!, bitsPerValue: 3 + perRow(128) },
  table4_row: { block: 1, bits: 4, value: (b, _, o) => o.values![b.u(0, 4)]!, bitsPerValue: 4 + perRow(256) },
  gobo3: { block: 1, bits: 3, value: (b, _, o) => o.values![b.u(0, 3)]!, bitsPerValue: 3 + perTensor(256) },
  aqlm_2x8: additive(2, 8),
  aqlm_1x16: additive(1, 16),
  vptq_8x12: additive(1, 12),
  lattice_e8: {
    block: 8,
    bits: 16,
    value: (b, i, o) => {
      const [signs, shift, index] = [b.u(0, 7), b.u(7, 1), b.u(8, 8)];
      const ones = [...signs.toString(2)].filter((d) => d === "1").length;
      const all = signs + 128 * ((ones + o.odd![index]!) % 2);
      const size = o.sizes![8 * index + i]! * ((all >> i) & 1 ? -1 : 1);
      return o.scale![0]! * (size + (shift === 1 ? 0.25 : -0.25));
    },
    bitsPerValue: 2 + perRow(16) + perTensor(16 * 2048 + 256),
  },
  trellis2: trellis(2),
  trellis4: trellis(4),
  q4_0: gguf(32, 18, (b, i) => b.f16(0) * (nibble(b, 2, i) - 8)),
  q4_1: gguf(32, 20, (b, i) => b.f16(0) * nibble(b, 4, i) + b.f16(16)),
  q5_0: gguf(32, 22, (b, i) => b.f16(0) * (nibble(b, 6, i) + 16 * b.u(16 + i, 1) - 16)),
  q5_1: gguf(32, 24, (b, i) => b.f16(0) * (nibble(b, 8, i) + 16 * b.u(32 + i, 1)) + b.f16(16)),
  q8_0: gguf(32, 34, (b, i) => b.f16(0) * b.i(16 + 8 * i, 8)),
  q2_k: gguf(256, 84, (b, i) => {
    const scales = byte(b, i >> 4);
    return b.f16(8 * 80) * (scales & 15) * pairOfBits(b, 16, i) - b.f16(8 * 82) * (scales >> 4);
  }),
  q3_k: gguf(256, 110, (b, i) => {
    const high = (byte(b, i & 31) >> (i >> 5)) & 1;
    return b.f16(8 * 108) * (scaleQ3(b, i >> 4) - 32) * (pairOfBits(b, 32, i) - (high === 1 ? 0 : 4));
  }),
  q4_k: gguf(256, 144, (b, i) => {
    const [scale, min] = scaleMin(b, i >> 5);
    const code = nibble32(b, 16, i);
    return b.f16(0) * scale * code - b.f16(16) * min;
  }),
  q5_k: gguf(256, 176, (b, i) => {
    const [scale, min] = scaleMin(b, i >> 5);
    const high = (byte(b, 16 + (i & 31)) >> (i >> 5)) & 1;
    return b.f16(0) * scale * (nibble32(b, 48, i) + 16 * high) - b.f16(16) * min;
  }),
  q6_k: gguf(256, 210, (b, i) => {
    const [half, run, j] = [i >> 7, (i >> 5) & 3, i & 31];
    const from = byte(b, 64 * half + j + (run & 1 ? 32 : 0));
    const low = run < 2 ? from & 15 : from >> 4;
    const high = (byte(b, 128 + 32 * half + j) >> (2 * run)) & 3;
    return b.f16(8 * 208) * b.i(8 * (192 + (i >> 4)), 8) * (low + 16 * high - 32);
  }),
  iq4_nl: gguf(32, 18, (b, i) => b.f16(0) * IQ4[nibble(b, 2, i)]!),
  iq4_xs: gguf(256, 136, (b, i) => {
    const run = i >> 5;
    const low = (byte(b, 4 + (run >> 1)) >> (4 * (run & 1))) & 15;
    const high = (b.u(16, 16) >> (2 * run)) & 3;
    return b.f16(0) * (low + 16 * high - 32) * IQ4[nibble(b, 8 + 16 * run, i & 31)]!;
  }),
  tq1_0: gguf(256, 54, (b, i) => {
    const d = b.f16(8 * 52);
    if (i < 160) return d * trit(byte(b, i % 32), Math.floor(i / 32));
    if (i < 240) return d * trit(byte(b, 32 + ((i - 160) % 16)), Math.floor((i - 160) / 16));
    return d * trit(byte(b, 48 + ((i - 240) % 4)), Math.floor((i - 240) / 4));
  }),
  tq2_0: gguf(256, 66, (b, i) => b.f16(8 * 64) * (pairOfBits(b, 0, i) - 1)),
  q1_0: gguf(128, 18, (b, i) => b.f16(0) * (b.u(16 + i, 1) === 1 ? 1 : -1)),
  q2_0: gguf(64, 18, (b, i) => b.f16(0) * (b.u(16 + 2 * i, 2) - 1)),
  gguf_mxfp4: gguf(32, 17, (b, i) => 2 ** (byte(b, 0) - 127) * E2M1[nibble(b, 1, i)]!),
  gguf_nvfp4: gguf(64, 36, (b, i) => {
    const scale = byte(b, i >> 4);
    const run = i & 15;
    const code = run < 8 ? byte(b, 4 + 8 * (i >> 4) + run) & 15 : byte(b, 4 + 8 * (i >> 4) + run - 8) >> 4;
    return (scale === 127 ? 0 : small(scale % 128, 4, 3, 7)) * E2M1[code]!;
  }),
};

/** Pairs of runs of 32 in 32 bytes: the first in the low halves. */
function nibble32(b: BlockBits, from: number, i: number): number {
  const at = byte(b, from + 32 * (i >> 6) + (i & 31));
  return (i >> 5) & 1 ? at >> 4 : at & 15;
}
