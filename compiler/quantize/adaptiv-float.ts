/** AdaptivFloat (Tambe et al., DAC 2020): floating point whose exponent bias follows the tensor's largest magnitude. */
import { rint } from "../../ir/float.ts";
import { peakOf } from "./groups.ts";
import { floorLog2 } from "./mx.ts";

export interface AdaptivFloat {
  readonly bits: number;
  readonly exponentBits: number;
}

/** Sign, exponent and mantissa of each value, from the top; code 0 is zero (no subnormals, no negative zero). */
export interface AdaptivFloatCodes {
  readonly codes: Uint16Array;
  /** value = ± 2^(exponent − bias) · (1 + mantissa / 2^mantissaBits), exponent from 1 − 2^(e−1) up. */
  readonly bias: number;
}

/** Encodes a tensor; the default of the published code is 8 bits with 4 of exponent. */
export function encodeAdaptivFloat(values: Float32Array, { bits, exponentBits }: AdaptivFloat): AdaptivFloatCodes {
  const mantissaBits = bits - 1 - exponentBits;
  const half = 2 ** (exponentBits - 1);
  const peak = peakOf(values, 0, values.length);
  const bias = peak > 0 ? half - 1 - floorLog2(peak) : 0;
  const least = 2 - half - bias;
  const most = half - 1 - bias;
  const largest = 2 ** most * (2 - 2 ** -mantissaBits);
  const codes = Uint16Array.from(values, (x) => {
    const size = Math.min(Math.abs(x), largest);
    if (!(size >= 2 ** least)) return 0;
    let exponent = floorLog2(size);
    let mantissa = rint((size / 2 ** exponent - 1) * 2 ** mantissaBits);
    if (mantissa === 2 ** mantissaBits) [exponent, mantissa] = [exponent + 1, 0];
    // Exponents are stored from 1 on: the exponent field 0 is what remains for zero.
    const field = exponent - least + 1;
    return (x < 0 ? 2 ** (bits - 1) : 0) + field * 2 ** mantissaBits + mantissa;
  });
  return { codes, bias };
}

/** The values that the codes stand for. */
export function decodeAdaptivFloat({ codes, bias }: AdaptivFloatCodes, type: AdaptivFloat): Float32Array {
  const mantissaBits = type.bits - 1 - type.exponentBits;
  const least = 2 - 2 ** (type.exponentBits - 1) - bias;
  return Float32Array.from(codes, (code) => {
    const size = code % 2 ** (type.bits - 1);
    if (size === 0) return 0;
    const exponent = Math.floor(size / 2 ** mantissaBits) - 1 + least;
    const value = 2 ** exponent * (1 + (size % 2 ** mantissaBits) / 2 ** mantissaBits);
    return code >= 2 ** (type.bits - 1) ? -value : value;
  });
}
