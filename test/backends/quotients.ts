/** Pairs on which rounding a quotient is hard, and the exact answer in integers. */
import { words } from "./kernels.ts";

/** x = m · 2^e with integers, exactly. */
function parts(x: number): readonly [m: bigint, e: number] {
  let [m, e] = [x, 0];
  while (!Number.isInteger(m)) {
    m *= 2;
    e--;
  }
  return [BigInt(m), e];
}

/** The integer nearest to a / b, ties to even, by BigInt division: a second transcription of `roundQuotient`. */
export function exactRoundQuotient(a: number, b: number): number {
  const [am, ae] = parts(a);
  const [bm, be] = parts(b);
  const low = Math.min(ae, be);
  const numerator = (am < 0n ? -am : am) << BigInt(ae - low);
  const denominator = bm << BigInt(be - low);
  const floor = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  const up = twice > denominator || (twice === denominator && floor % 2n === 1n);
  const size = Number(floor + (up ? 1n : 0n));
  return am < 0n ? -size : size;
}

/** Drops all but the first 18 significant bits. */
function to18(x: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 17);
  return Math.trunc(x / unit) * unit;
}

/**
 * Pairs (a, b), b > 0, of at most 18 significant bits and |a / b| ≤ 2^15: ties and their neighbours, quantizer inputs
 * 127·x over max|x|, and random ones over many exponents.
 */
export function hardQuotients(count: number, seed: number): readonly (readonly [a: number, b: number])[] {
  const random = words(4 * count, seed);
  return Array.from({ length: count }, (_, i) => {
    const [r, s, t, u] = [0, 1, 2, 3].map((j) => random[4 * i + j]!) as [number, number, number, number];
    const sign = u % 2 === 0 ? 1 : -1;
    const scale = 2 ** ((u >>> 8) % 40) / 2 ** 20;
    if (i % 3 === 0) {
      // (q + 1/2) · b with short factors is exact in 18 bits; a step of the last bit makes it no tie.
      const b = ((s % 255) + 1) * scale;
      const tie = ((r % 511) + 0.5) * b;
      const step = 2 ** (Math.floor(Math.log2(tie)) - 17) * ((t % 3) - 1);
      return [sign * (tie + step), b];
    }
    if (i % 3 === 1) {
      const m = ((s % 1024) + 1024) * scale;
      return [sign * 127 * (((r % 1024) + 1024) * scale * 2 ** -((t % 6) + 1)), m];
    }
    const b = to18((1 + s / 2 ** 32) * scale);
    return [sign * to18((r / 2 ** 32) * b * 2 ** (t % 16)), b];
  });
}

/** Text of a quotient that is `off` half ulps off, as a language with loose division may compute it. */
export function slopped(quotient: string, off: number): string {
  return `(${quotient}) * ${(1 + off * 2 ** -24).toFixed(12)}f`;
}
