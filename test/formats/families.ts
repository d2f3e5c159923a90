/** Second readings of the standard library's families: integers of every width and scope, and formats with parameters. */
import {
  additive,
  type BlockBits,
  bfp,
  bitmodInt,
  complexUnit,
  DECODERS,
  type Decoder,
  flint,
  fp4,
  ieee,
  multiBase,
  NF4,
  nested,
  oneMad,
  powerGrid,
  residual,
  small,
  trellis,
  trellisHybrid,
} from "./decoders.ts";

const PER_ROW = 1 / 4096;
const PER_TENSOR = 1 / 4096 ** 2;

type Code = (b: BlockBits, at: number, bits: number) => number;
const signed: Code = (b, at, bits) => b.i(at, bits);
const unsigned: Code = (b, at, bits) => b.u(at, bits);

const bare = (bits: number, code: Code): Decoder => ({
  block: 1,
  bits,
  value: (b) => code(b, 0, bits),
  bitsPerValue: bits,
});

const shared = (bits: number, code: Code, zero: boolean, each: number): Decoder => ({
  block: 1,
  bits,
  value: (b, _, o) => o.scale![0]! * (code(b, 0, bits) - (zero ? o.zero![0]! : 0)),
  bitsPerValue: bits + each * (32 + (zero ? bits : 0)),
});

const grouped = (bits: number, group: number, code: Code, zero: boolean): Decoder => {
  const head = 16 + (zero ? bits : 0);
  return {
    block: group,
    bits: head + bits * group,
    value: (b, i) => b.f16(0) * (code(b, head + bits * i, bits) - (zero ? b.u(16, bits) : 0)),
    bitsPerValue: (Math.ceil(4096 / group) * (head + bits * group)) / 4096,
  };
};

/** `i4`, `u3_row`, `i2_g64`, `u8_tensor` and their like; undefined for any other name. */
function integer(name: string): Decoder | undefined {
  const [, kind, width, , scope] =
    /^([iu])(\d+)(_(tensor|row|g\d+))?$/.exec(name === "int4_g128" ? "i4_g128" : name) ?? [];
  if (kind === undefined) return undefined;
  const [bits, code, zero] = [Number(width), kind === "i" ? signed : unsigned, kind === "u"];
  if (scope === undefined) return bare(bits, code);
  if (scope === "tensor") return shared(bits, code, zero, PER_TENSOR);
  if (scope === "row") return shared(bits, code, zero, PER_ROW);
  return grouped(bits, Number(scope.slice(1)), code, zero);
}

const plain = (bits: number, value: (c: number) => number): Decoder => ({
  block: 1,
  bits,
  value: (b) => value(b.u(0, bits)),
  bitsPerValue: bits,
});

const scaled = (bits: number, value: (c: number) => number, each: number): Decoder => ({
  block: 1,
  bits,
  value: (b, _, o) => o.scale![0]! * value(b.u(0, bits)),
  bitsPerValue: bits + each,
});

const affine = (bits: number, group: number): Decoder => ({
  block: group,
  bits: 32 + bits * group,
  value: (b, i) => b.f16(0) * b.u(32 + bits * i, bits) + b.f16(16),
  bitsPerValue: bits + 32 / group,
});

/** Exponent 0 is a normal one; only the code of all zeros below the sign is 0. */
const flushed = (c: number, e: number, m: number, bias: number): number => {
  const size = c % 2 ** (e + m);
  const sign = Math.floor(c / 2 ** (e + m)) % 2 === 1 ? -1 : 1;
  if (size === 0) return 0;
  return sign * (1 + (size % 2 ** m) / 2 ** m) * 2 ** (Math.floor(size / 2 ** m) - bias);
};

const withSign = (bits: number, value: (c: number) => number) => (c: number) =>
  c < 2 ** (bits - 1) ? value(c) : -value(c - 2 ** (bits - 1));

const planesWithZero = (bits: number): Decoder => ({
  block: 128,
  bits: 128 * bits,
  value: (b, i, o) => {
    let code = 0;
    for (let p = 0; p < bits; p++) code += b.u(128 * p + i, 1) * 2 ** p;
    return o.scale![0]! * (code - o.zero![0]!);
  },
  bitsPerValue: bits + (32 + bits) * PER_ROW,
});

/** GPTQ with `desc_act`: a column's group is looked up; scales and zero points are a row's tables. */
const actOrder = (bits: number, columns: number, group: number): Decoder => ({
  block: columns,
  bits: bits * columns,
  below: { groups: columns / group + 1 },
  value: (b, i, o) => {
    const g = Math.min(o.groups![i]!, columns / group - 1);
    return o.scale![g]! * (b.u(bits * i, bits) - o.zero![g]!);
  },
  bitsPerValue:
    (Math.ceil(4096 / columns) * bits * columns) / 4096 +
    PER_ROW * (columns / group) * (16 + bits) +
    PER_TENSOR * 16 * columns,
});

const tableOf = (bits: number, each: number): Decoder => ({
  block: 1,
  bits,
  value: (b, _, o) => o.values![b.u(0, bits)]!,
  bitsPerValue: bits + each * 2 ** bits,
});

/** QMoE's codes, one after the other from where the group begins: a code's numbers are at 28 times its own. */
const dictionary = (bits: number, total: number, group: number, codes: number): Decoder => ({
  block: group,
  bits: 29,
  below: { first: total - 2, lengths: 15, skip: 9 },
  value: (b, i, o) => {
    const code = (n: number): number => o.codes![Math.min(b.u(0, 24) + n, total - 1)]!;
    let left = i + b.u(24, 5);
    let n = 0;
    for (; n < codes && o.lengths![code(n)]! <= left; n++) left -= o.lengths![code(n)]!;
    const symbol = o.symbols![28 * code(n) + Math.min(left, 27)]!;
    return [0, o.low![0]!, o.high![0]!, o.high![0]!][symbol]!;
  },
  bitsPerValue: 29 / group + 32 * PER_ROW + PER_TENSOR * (5 * 2 ** bits + 56 * 2 ** bits + bits * total),
});

/** Signs of `levels` levels, plane by plane, each times a row's vector with a column's. */
const signStack = (levels: number, rank: number, columns: number): Decoder => ({
  block: columns,
  bits: levels * columns,
  value: (b, i, o) => {
    let sum = 0;
    for (let l = 0; l < levels; l++) {
      let product = 0;
      for (let r = l * rank; r < (l + 1) * rank; r++) product += o.left![r]! * o.right![r * columns + i]!;
      sum += b.u(l * columns + i, 1) === 1 ? product : -product;
    }
    return sum;
  },
  bitsPerValue:
    (Math.ceil(4096 / columns) * levels * columns) / 4096 +
    16 * levels * rank * PER_ROW +
    16 * levels * rank * columns * PER_TENSOR,
});

/** Columns of two sorts: a bit each, or four bits each behind all of those. */
const salientMix = (columns: number, fine: number, group: number): Decoder => ({
  block: columns,
  bits: columns - fine + 4 * fine,
  below: { place: columns },
  value: (b, i, o) => {
    const place = o.place![i]!;
    if (o.salient![i] === 1)
      return o.step![0]! * (b.u(columns - fine + 4 * Math.min(place, fine - 1), 4) - o.zero![0]!);
    return o.alpha![Math.floor(i / group)]! * (b.u(Math.min(place, columns - fine - 1), 1) === 1 ? 1 : -1);
  },
  bitsPerValue:
    (Math.ceil(4096 / columns) * (columns + 3 * fine)) / 4096 +
    PER_ROW * (20 + (16 * columns) / group) +
    PER_TENSOR * 17 * columns,
});

/** Integers in groups, and the row's entries of a compressed list. */
const sparse = (bits: number, columns: number, group: number, total: number, most: number): Decoder => ({
  block: columns,
  bits: bits * columns,
  below: { first: total + 3, count: most + 2, columns },
  value: (b, i, o) => {
    let value = o.scale![Math.floor(i / group)]! * b.i(bits * i, bits);
    for (let n = 0; n < Math.min(o.count![0]!, most); n++) {
      const entry = Math.min(o.first![0]! + n, total - 1);
      if (o.columns![entry] === i) value += o.extras![entry]!;
    }
    return value;
  },
  bitsPerValue:
    (Math.ceil(4096 / columns) * bits * columns) / 4096 +
    PER_ROW * (40 + (16 * columns) / group) +
    PER_TENSOR * 32 * total,
});

/** One instance, or some, of every format with parameters. */
const INSTANCES: Readonly<Record<string, Decoder>> = {
  "int_tensor<5>": shared(5, signed, false, PER_TENSOR),
  "int_row<3>": shared(3, signed, false, PER_ROW),
  "int<3, 96>": grouped(3, 96, signed, false),
  "uint_tensor<5>": shared(5, unsigned, true, PER_TENSOR),
  "uint_row<3>": shared(3, unsigned, true, PER_ROW),
  "uint<5, 16>": grouped(5, 16, unsigned, true),
  "affine<2, 64>": affine(2, 64),
  "act_order<4, 256, 64>": actOrder(4, 256, 64),
  "int_planes<2>": DECODERS.i2_planes!,
  "uint_planes<1>": planesWithZero(1),
  "uint_planes<3>": planesWithZero(3),
  "float<2, 2, 1>": plain(5, (c) => small(c, 2, 2, 1)),
  "float<3, 1, 3>": plain(5, (c) => small(c, 3, 1, 3)),
  "ieee_float<3, 2>": plain(6, (c) => ieee(c, 3, 2)),
  "flushed_float<2, 1, 1>": plain(4, (c) => flushed(c, 2, 1, 1)),
  "float_row<3, 2, 3>": scaled(6, (c) => small(c, 3, 2, 3), 16 * PER_ROW),
  "bfp<5, 16>": bfp(5),
  "int_shift<3, 32>": { block: 32, bits: 104, value: (b, i) => 2 ** b.i(0, 8) * b.i(8 + 3 * i, 3), bitsPerValue: 3.25 },
  "nf4_nested<4>": nested(4, (c) => NF4[c]!),
  "fp4_nested<4>": nested(4, fp4),
  "table_group<3, 32>": {
    block: 32,
    bits: 112,
    value: (b, i, o) => b.f16(0) * o.values![b.u(16 + 3 * i, 3)]!,
    bitsPerValue: 3.5 + 128 * PER_TENSOR,
  },
  "table_row<2>": tableOf(2, 16 * PER_ROW),
  "table_tensor<4>": tableOf(4, 32 * PER_TENSOR),
  "additive<2, 4, 4>": additive(2, 4, 4),
  "additive<3, 5, 8>": additive(3, 5, 8),
  "complex_unit<8>": complexUnit(8),
  "residual<4, 3, 4>": residual(4, 3, 4),
  "trellis_mad<4>": trellis(4, oneMad),
  "trellis_hybrid<4>": trellisHybrid(4),
  "dictionary<4, 64, 32, 6>": dictionary(4, 64, 32, 6),
  "sign_stack<2, 3, 64>": signStack(2, 3, 64),
  "salient_mix<128, 24, 32>": salientMix(128, 24, 32),
  "sparse_outliers<3, 128, 32, 40, 6>": sparse(3, 128, 32, 40, 6),
  "log_root_grid<3>": {
    block: 1,
    bits: 3,
    value: (b, _, o) => o.scale![0]! * 2 ** (-b.u(0, 3) / 2 ** o.root![0]!),
    bitsPerValue: 3 + 35 * PER_TENSOR,
  },
  "trellis<8>": trellis(8),
  "bitmod_int<7>": bitmodInt(7),
  "ant_int<3>": scaled(3, (c) => (c >= 4 ? c - 8 : c), 32 * PER_TENSOR),
  "ant_flint<5>": scaled(
    5,
    withSign(5, (c) => flint(c, 4)),
    32 * PER_TENSOR,
  ),
  "ant_pot<3>": scaled(
    3,
    withSign(3, (c) => (c === 0 ? 0 : 2 ** (c - 1))),
    32 * PER_TENSOR,
  ),
  "ant_float<3, 2>": scaled(6, (c) => 4 * small(c, 3, 2, 1), 32 * PER_TENSOR),
  "adaptivfloat<3, 2>": {
    block: 1,
    bits: 6,
    value: (b, _, o) => flushed(b.u(0, 6), 3, 2, 0) * 2 ** o.bias![0]!,
    bitsPerValue: 6 + 8 * PER_TENSOR,
  },
  "log2_grid<3>": scaled(3, (c) => 2 ** -c, 32 * PER_TENSOR),
  "power_grid<5>": powerGrid(5),
  "bipolar<3, 32>": {
    block: 32,
    bits: 112,
    value: (b, i) => b.f16(0) * (2 * b.u(16 + 3 * i, 3) - 7),
    bitsPerValue: 3.5,
  },
  "multi_base<5, 64>": multiBase(5, 64),
};

/** What a format of the standard library means, by name (with arguments); undefined where nobody read it twice. */
export function secondReading(name: string): Decoder | undefined {
  return DECODERS[name] ?? INSTANCES[name] ?? integer(name);
}

/** Names of instances of the formats with parameters, one at least of each. */
export const INSTANCE_NAMES: readonly string[] = Object.keys(INSTANCES);
