/** OliVe's array at depth `pe` (ISCA 2023): outlier–victim decoders at the borders, PEs that multiply exponent–integer pairs. */
import { internal } from "../../ir/diagnostics.ts";
import { type PeArray, type PeRun, stepArray } from "./array.ts";
import type { Datapath } from "./output-stationary.ts";

/** integer · 2^exponent: what a border decoder hands to the PEs. */
export interface Pair {
  readonly exponent: number;
  readonly integer: number;
}

/** A pair-coded format: two neighbouring codes mean something together. */
export interface PairFormat {
  readonly bits: 4 | 8;
  readonly normal: "int" | "flint";
  /** Fraction bits and bias of an outlier's abfloat: (2^fraction + mantissa) · 2^(exponent + bias). */
  readonly fractionBits: number;
  readonly bias: number;
}

/** OliVe's formats by the names that the language's library gives them. */
export const PAIR_FORMATS: Readonly<Record<string, PairFormat>> = {
  olive_int4: { bits: 4, normal: "int", fractionBits: 1, bias: 2 },
  olive_flint4: { bits: 4, normal: "flint", fractionBits: 1, bias: 3 },
  olive_int8: { bits: 8, normal: "int", fractionBits: 5, bias: 2 },
};

/** flint4's magnitudes: leading zeros of the code decide how many of its bits are mantissa. */
const FLINT: readonly Pair[] = [
  { exponent: 0, integer: 0 },
  { exponent: 0, integer: 1 },
  { exponent: 0, integer: 2 },
  { exponent: 0, integer: 3 },
  { exponent: 4, integer: 1 },
  { exponent: 3, integer: 1 },
  { exponent: 2, integer: 1 },
  { exponent: 1, integer: 3 },
];

const ZERO: Pair = { exponent: 0, integer: 0 };

function decodeNormal({ bits, normal }: PairFormat, code: number): Pair {
  const sign = 2 ** (bits - 1);
  if (normal === "int") return { exponent: 0, integer: code < sign ? code : code - 2 * sign };
  const { exponent, integer } = FLINT[code % sign] ?? internal(`no flint code ${code}`);
  return { exponent, integer: code < sign ? integer : -integer };
}

function decodeOutlier({ bits, fractionBits, bias }: PairFormat, code: number): Pair {
  const magnitude = code % 2 ** (bits - 1);
  const integer = 2 ** fractionBits + (magnitude % 2 ** fractionBits);
  const exponent = Math.floor(magnitude / 2 ** fractionBits) + bias;
  return { exponent, integer: code < 2 ** (bits - 1) ? integer : -integer };
}

/**
 * What a border decoder makes of one code and its neighbour in the pair. The code of the lowest integer says: this value
 * is a victim, and the neighbour is an outlier. No other state is needed.
 */
export function decodePair(format: PairFormat, code: number, neighbour: number): Pair {
  const identifier = 2 ** (format.bits - 1);
  if (code === identifier) return ZERO;
  return neighbour === identifier ? decodeOutlier(format, code) : decodeNormal(format, code);
}

/** PEs take integers of four bits: an operand of eight goes to two of them, its upper half with four more of exponent. */
export function split({ exponent, integer }: Pair, bits: 4 | 8): readonly Pair[] {
  if (bits === 4) return [{ exponent, integer }];
  // Normal values are two's complement: the upper half carries the sign. An outlier's six bits are sign and magnitude.
  const upper = exponent === 0 ? integer >> 4 : Math.trunc(integer / 16);
  return [
    { exponent: exponent + 4, integer: upper },
    { exponent, integer: integer - 16 * upper },
  ];
}

/** Pair-coded numbers, row-major; pairs lie along a row, and rows have an even length. */
export interface PairOperand {
  readonly codes: ArrayLike<number>;
  readonly format: PairFormat;
}

/** The decoded operand: entry 0 is zero, then `parts` pairs for each value. */
interface Decoded {
  readonly parts: number;
  readonly exponent: Uint8Array;
  readonly integer: Int8Array;
}

function decodeAll({ codes, format }: PairOperand): Decoded {
  const parts = format.bits / 4;
  const size = parts * (codes.length + 1);
  const out = { parts, exponent: new Uint8Array(size), integer: new Int8Array(size) };
  for (let i = 0; i < codes.length; i++)
    split(decodePair(format, codes[i]!, codes[i ^ 1]!), format.bits).forEach((pair, part) => {
      out.exponent[parts * (i + 1) + part] = pair.exponent;
      out.integer[parts * (i + 1) + part] = pair.integer;
    });
  return out;
}

/** One PE at every place of the array, for operands of four bits. */
function singles(x: Decoded, w: Decoded, places: number): Datapath {
  const sums = new Int32Array(places);
  return {
    multiply(at, a, b, first) {
      const product = (x.integer[a]! * w.integer[b]!) << (x.exponent[a]! + w.exponent[b]!);
      sums[at] = first ? product : sums[at]! + product;
    },
    sumOf: (at) => sums[at]!,
  };
}

/** A gang of PEs at every place of the array: one for each part of the one operand with each of the other. */
function gangs(x: Decoded, w: Decoded, places: number): Datapath {
  const size = x.parts * w.parts;
  const sums = new Int32Array(places * size);
  return {
    multiply(at, a, b, first) {
      for (let i = 0, pe = at * size; i < x.parts; i++)
        for (let j = 0; j < w.parts; j++, pe++) {
          const left = a * x.parts + i;
          const up = b * w.parts + j;
          const product = (x.integer[left]! * w.integer[up]!) << (x.exponent[left]! + w.exponent[up]!);
          // Accumulators are int32 and wrap.
          sums[pe] = (first ? 0 : sums[pe]!) + product;
        }
    },
    sumOf(at) {
      let sum = 0;
      for (let pe = at * size; pe < (at + 1) * size; pe++) sum = (sum + sums[pe]!) | 0;
      return sum;
    },
  };
}

/**
 * Steps a product of pair-coded operands: y[m, n] = Σ_k x[m, k] · w[n, k] in units of both scales, as int32. `array` is
 * that of gangs: an operand of eight bits takes two PEs in its direction.
 */
export function stepOlive(
  array: PeArray,
  product: {
    readonly m: number;
    readonly n: number;
    readonly k: number;
    readonly x: PairOperand;
    readonly w: PairOperand;
  },
  withStates = false,
): PeRun {
  const { m, n, k } = product;
  if (array.dataflow !== "os") internal("OliVe's PEs keep their sums");
  if (k % 2 !== 0) internal("rows of pairs have an even length");
  const [x, w] = [decodeAll(product.x), decodeAll(product.w)];
  // Registers carry the place of an operand in its table; 0 is the zero beyond the edges.
  const places = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => i + 1);
  const make = x.parts * w.parts === 1 ? singles : gangs;
  const datapath = make(x, w, array.rows * array.columns);
  const run = stepArray(array, { m, n, k, x: places(m * k), w: places(n * k) }, withStates, datapath);
  return { ...run, peCycles: run.peCycles * x.parts * w.parts };
}
