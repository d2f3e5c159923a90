/** The meaning of every operator and conversion on single numbers; both evaluators use these functions. */

import { internal } from "../diagnostics.ts";
import type { Op } from "../expr.ts";
import { bf16ToBits, bitsToBf16, bitsToF16, bitsToF32, f16ToBits, f32ToBits, rint, roundTo } from "../float.ts";
import { bitsOf, isFloat, isInt, isSigned, rangeOf, type Scalar } from "../scalar.ts";

/**
 * `typed`: floats round to their type after every operation. `real`: floats are exact up to f64, whatever their type.
 * Integers, bit operations and constants mean the same in both.
 */
export type Arithmetic = "typed" | "real";

export type Fn1 = (a: number) => number;
export type Fn2 = (a: number, b: number) => number;
export type Fn3 = (a: number, b: number, c: number) => number;
export type ScalarFn =
  | { readonly arity: 1; readonly fn: Fn1 }
  | { readonly arity: 2; readonly fn: Fn2 }
  | { readonly arity: 3; readonly fn: Fn3 };

/** Stops an evaluation: the program or kernel has no meaning. Prefixed `eval:` so that callers can tell it from our bugs. */
export function evalFault(message: string): never {
  throw new Error(`eval: ${message}`);
}

/** Brings an integer (up to 2^53 in size) into the type, modulo 2^width; anything but an integer type passes unchanged. */
export function wrapTo(type: Scalar): Fn1 {
  if (!isInt(type)) return (x) => x;
  const bits = bitsOf(type);
  if (bits > 32)
    return isSigned(type)
      ? (x) => Number(BigInt.asIntN(bits, BigInt(x)))
      : (x) => Number(BigInt.asUintN(bits, BigInt(x)));
  if (bits === 32) return isSigned(type) ? (x) => x | 0 : (x) => x >>> 0;
  const free = 32 - bits;
  return isSigned(type) ? (x) => (x << free) >> free : (x) => (x << free) >>> free;
}

/** How a computed value is brought back into its type: floats round in typed arithmetic, integers wrap always. */
export function settle(type: Scalar, arithmetic: Arithmetic): Fn1 {
  if (!isFloat(type)) return wrapTo(type);
  if (arithmetic === "real" || type === "f64") return (x) => x;
  return type === "f32" ? Math.fround : (x) => roundTo(type, x);
}

/** The number that a constant or table entry of this type is: its value rounded to the type, in both arithmetics. */
export function constantOf(value: number, type: Scalar): number {
  return isFloat(type) ? roundTo(type, value) : type === "bool" ? Number(value !== 0) : wrapTo(type)(value);
}

const bool =
  (test: (a: number, b: number) => boolean): Fn2 =>
  (a, b) =>
    test(a, b) ? 1 : 0;

function popCount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  x = (x + (x >>> 4)) & 0x0f0f0f0f;
  return Math.imul(x, 0x01010101) >>> 24;
}

/** Exact sign of 2a − (2f + 1)·b, all doubles with integer f: products of doubles do not fit doubles. */
function sideOfHalf(a: number, f: number, b: number): number {
  const [am, ae] = exactParts(a);
  const [bm, be] = exactParts(b);
  const low = Math.min(ae, be);
  const left = 2n * am * 2n ** BigInt(ae - low);
  const right = BigInt(2 * f + 1) * bm * 2n ** BigInt(be - low);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** x = m · 2^e with an integer m. */
function exactParts(x: number): readonly [m: bigint, e: number] {
  let scaled = x;
  let exponent = 0;
  while (!Number.isInteger(scaled)) {
    scaled *= 2 ** 32;
    exponent -= 32;
  }
  return [BigInt(scaled), exponent];
}

/** The integer nearest to a / b in real arithmetic, ties to even; NaN where b is 0 or an argument is not finite. */
export function roundQuotient(a: number, b: number): number {
  if (b < 0) return roundQuotient(-a, -b);
  const quotient = a / b;
  if (!Number.isFinite(quotient)) return Number.NaN;
  if (Math.abs(quotient) >= 2 ** 51) return quotient;
  const floor = Math.floor(quotient);
  const off = quotient - floor - 0.5;
  // The double quotient is off by half an ulp: only there the decision needs exact numbers.
  if (Math.abs(off) > Math.max(1, Math.abs(quotient)) * 2 ** -50) return off < 0 ? floor : floor + 1;
  const side = sideOfHalf(a, floor, b);
  return side < 0 || (side === 0 && floor % 2 === 0) ? floor : floor + 1;
}

/** a · b + c rounded once, for f32 and narrower types, whose products are exact doubles. */
function fmaNarrow(a: number, b: number, c: number, round: Fn1): number {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  if (error === 0 || !Number.isFinite(sum)) return round(sum);
  return round(toOdd(sum, error));
}

const ODD = new Float64Array(1);
const ODD_BITS = new BigUint64Array(ODD.buffer);

/** Rounds sum + error to odd: a later rounding to fewer bits then acts as if it saw the exact value (Boldo & Melquiond 2008). */
function toOdd(sum: number, error: number): number {
  ODD[0] = sum;
  const bits = ODD_BITS[0]!;
  if ((bits & 1n) === 1n) return sum;
  ODD_BITS[0] = error > 0 === sum > 0 ? bits + 1n : bits - 1n;
  return ODD[0]!;
}

function unary(op: Op, type: Scalar, arithmetic: Arithmetic): Fn1 | undefined {
  const put = settle(type, arithmetic);
  switch (op) {
    case "neg":
      return isFloat(type) ? (a) => -a : (a) => put(0 - a);
    case "not":
      return type === "bool" ? (a) => 1 - a : (a) => put(~a);
    case "abs":
      return isFloat(type) ? Math.abs : (a) => put(Math.abs(a));
    case "floor":
      return Math.floor;
    case "ceil":
      return Math.ceil;
    case "rint":
      return rint;
    case "sqrt":
      return (a) => put(Math.sqrt(a));
    case "exp2":
      return (a) => put(2 ** a);
    case "log2":
      return (a) => put(Math.log2(a));
    default:
      return undefined;
  }
}

function bitwise(op: Op, type: Scalar, put: Fn1): Fn2 | undefined {
  const bits = bitsOf(type);
  if (bits > 32) return wideBitwise(op, bits, put);
  // A count of a narrower type may be any integer; masking a power-of-two width and `%` agree on what `modulo` means.
  const count = (n: number): number => ((n % bits) + bits) % bits;
  switch (op) {
    case "and":
      return (a, b) => put(a & b);
    case "or":
      return (a, b) => put(a | b);
    case "xor":
      return (a, b) => put(a ^ b);
    case "shl":
      return (a, b) => put(a << count(b));
    case "shr":
      return isSigned(type) ? (a, b) => a >> count(b) : (a, b) => a >>> count(b);
    default:
      return undefined;
  }
}

function wideBitwise(op: Op, bits: number, put: Fn1): Fn2 | undefined {
  const big = (fn: (a: bigint, b: bigint) => bigint): Fn2 => {
    return (a, b) => put(Number(BigInt.asIntN(bits, fn(BigInt(a), BigInt(b)))));
  };
  const width = BigInt(bits);
  switch (op) {
    case "and":
      return big((a, b) => a & b);
    case "or":
      return big((a, b) => a | b);
    case "xor":
      return big((a, b) => a ^ b);
    case "shl":
      return big((a, b) => a << (((b % width) + width) % width));
    case "shr":
      return big((a, b) => a >> (((b % width) + width) % width));
    default:
      return undefined;
  }
}

function comparison(op: Op): Fn2 | undefined {
  switch (op) {
    case "eq":
      return bool((a, b) => a === b);
    case "ne":
      return bool((a, b) => a !== b);
    case "lt":
      return bool((a, b) => a < b);
    case "le":
      return bool((a, b) => a <= b);
    case "gt":
      return bool((a, b) => a > b);
    case "ge":
      return bool((a, b) => a >= b);
    default:
      return undefined;
  }
}

function binary(op: Op, type: Scalar, arithmetic: Arithmetic): Fn2 | undefined {
  const put = settle(type, arithmetic);
  switch (op) {
    case "add":
      return (a, b) => put(a + b);
    case "sub":
      return (a, b) => put(a - b);
    case "mul":
      return multiply(type, put);
    case "div":
      return isFloat(type)
        ? (a, b) => put(a / b)
        : (a, b) => (b === 0 ? evalFault("division by zero") : put(Math.trunc(a / b)));
    case "mod":
      return isFloat(type) ? (a, b) => put(a % b) : (a, b) => (b === 0 ? evalFault("division by zero") : put(a % b));
    case "min":
      return Math.min;
    case "max":
      return Math.max;
    case "roundQuotient":
      return roundQuotient;
    default:
      return comparison(op) ?? bitwise(op, type, put);
  }
}

function multiply(type: Scalar, put: Fn1): Fn2 {
  if (!isInt(type) || bitsOf(type) <= 26) return (a, b) => put(a * b);
  if (bitsOf(type) <= 32) return (a, b) => put(Math.imul(a, b));
  return (a, b) => put(Number(BigInt.asIntN(bitsOf(type), BigInt(a) * BigInt(b))));
}

function dot4(a: number, b: number, c: number): number {
  let sum = c;
  for (let shift = 24; shift >= 0; shift -= 8) sum += ((a << shift) >> 24) * ((b << shift) >> 24);
  return sum | 0;
}

function subtractHalves(a: number, b: number): number {
  const low = f16ToBits(bitsToF16(a & 0xffff) - bitsToF16(b & 0xffff));
  return (low | (f16ToBits(bitsToF16(a >>> 16) - bitsToF16(b >>> 16)) << 16)) >>> 0;
}

/** What `op` does on arguments of the types `args`. Comparisons, `select` and bit operations do not depend on `arithmetic`. */
export function scalarFn(op: Op, args: readonly Scalar[], arithmetic: Arithmetic): ScalarFn {
  const type = args[0] ?? internal(`${op} without arguments`);
  switch (op) {
    case "popc":
      return { arity: 1, fn: bitsOf(type) > 32 ? widePopCount(bitsOf(type)) : narrowPopCount(bitsOf(type)) };
    case "f16lo":
      return { arity: 1, fn: (a) => bitsToF16(a & 0xffff) };
    case "f16hi":
      return { arity: 1, fn: (a) => bitsToF16(a >>> 16) };
    case "packF16x2":
      return { arity: 2, fn: (a, b) => (f16ToBits(a) | (f16ToBits(b) << 16)) >>> 0 };
    case "subF16x2":
      return { arity: 2, fn: subtractHalves };
    case "select":
      return { arity: 3, fn: (c, a, b) => (c !== 0 ? a : b) };
    case "dot4":
      return { arity: 3, fn: dot4 };
    case "fma": {
      const put = settle(type, arithmetic);
      if (!isFloat(type)) {
        const times = multiply(type, put);
        return { arity: 3, fn: (a, b, c) => put(times(a, b) + c) };
      }
      if (arithmetic === "real" || type === "f64") return { arity: 3, fn: (a, b, c) => a * b + c };
      return { arity: 3, fn: (a, b, c) => fmaNarrow(a, b, c, put) };
    }
    default: {
      const one = unary(op, type, arithmetic);
      if (one !== undefined) return { arity: 1, fn: one };
      return { arity: 2, fn: binary(op, type, arithmetic) ?? internal(`no meaning for ${op}`) };
    }
  }
}

const narrowPopCount = (bits: number): Fn1 => {
  const mask = bits === 32 ? -1 : 2 ** bits - 1;
  return (a) => popCount(a & mask);
};

const widePopCount = (bits: number): Fn1 => {
  return (a) => BigInt.asUintN(bits, BigInt(a)).toString(2).replaceAll("0", "").length;
};

/**
 * `cast`. In real arithmetic floats convert to floats unchanged unless `final`, which rounds once to the target type
 * (the explicit cast of a result); everything else is the same in both arithmetics.
 */
export function castFn(from: Scalar, to: Scalar, arithmetic: Arithmetic, final = false): Fn1 {
  if (to === "bool") return (x) => (x !== 0 ? 1 : 0);
  if (isFloat(to)) return settle(to, final ? "typed" : arithmetic);
  if (!isFloat(from)) return wrapTo(to);
  const [min, max] = rangeOf(to);
  return (x) => (Number.isNaN(x) ? 0 : Math.min(max, Math.max(min, Math.trunc(x))) + 0);
}

/** The bits of a value of this type as an unsigned number; types of at most 32 bits. */
export function toBits(type: Scalar): Fn1 {
  if (type === "f16") return f16ToBits;
  if (type === "bf16") return bf16ToBits;
  if (type === "f32") return f32ToBits;
  const bits = bitsOf(type);
  if (bits > 32) return internal(`bits of ${type}`);
  return bits === 32 ? (x) => x >>> 0 : (x) => (x << (32 - bits)) >>> (32 - bits);
}

/** The value that unsigned bits mean in this type; types of at most 32 bits. */
export function fromBits(type: Scalar): Fn1 {
  if (type === "f16") return bitsToF16;
  if (type === "bf16") return bitsToBf16;
  if (type === "f32") return bitsToF32;
  return bitsOf(type) > 32 ? internal(`bits of ${type}`) : wrapTo(type);
}

/** `bits`: the same bits read as another type of the same width. */
export function bitsFn(from: Scalar, to: Scalar): Fn1 {
  if (bitsOf(from) !== bitsOf(to)) return internal(`bits of ${from} as ${to}`);
  const encode = toBits(from);
  const decode = fromBits(to);
  return (x) => decode(encode(x));
}
