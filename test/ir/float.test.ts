/** Half floats, exhaustively: every f16 and bf16 against its fields, every rounding boundary against nearest-to-even. */
import { describe, expect, it } from "vitest";
import { bf16Round, bf16ToBits, bitsToBf16, bitsToF16, f16Round, f16ToBits } from "../../ir/float.ts";

interface Kind {
  readonly name: string;
  readonly exponentBits: number;
  readonly fractionBits: number;
  readonly decode: (bits: number) => number;
  readonly encode: (x: number) => number;
  readonly round: (x: number) => number;
}
const KINDS: readonly Kind[] = [
  { name: "f16", exponentBits: 5, fractionBits: 10, decode: bitsToF16, encode: f16ToBits, round: f16Round },
  { name: "bf16", exponentBits: 8, fractionBits: 7, decode: bitsToBf16, encode: bf16ToBits, round: bf16Round },
];

/** The value of a pattern by way of binary64 fields: sign, exponent and fraction moved over, subnormals normalised. */
function byFields({ exponentBits, fractionBits }: Kind, bits: number): number {
  const view = new DataView(new ArrayBuffer(8));
  const sign = BigInt(bits >> 15);
  let exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  let fraction = bits & (2 ** fractionBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  let wide = 0n;
  if (exponent === 2 ** exponentBits - 1) wide = 2047n;
  else if (exponent !== 0 || fraction !== 0) {
    if (exponent === 0) {
      exponent = 1;
      while (fraction < 2 ** fractionBits) {
        fraction *= 2;
        exponent--;
      }
      fraction -= 2 ** fractionBits;
    }
    wide = BigInt(exponent - bias + 1023);
  }
  view.setBigUint64(0, (sign << 63n) | (wide << 52n) | (BigInt(fraction) << BigInt(52 - fractionBits)));
  return view.getFloat64(0);
}

for (const kind of KINDS)
  describe(kind.name, () => {
    const infinity = (2 ** kind.exponentBits - 1) << kind.fractionBits;

    it("decodes every pattern, and encodes it back", () => {
      let wrong = 0;
      for (let bits = 0; bits < 65536; bits++) {
        const value = kind.decode(bits);
        if (!Object.is(value, byFields(kind, bits))) wrong++;
        if (!Number.isNaN(value) && kind.encode(value) !== bits) wrong++;
        if (Number.isNaN(value) && !Number.isNaN(kind.decode(kind.encode(value)))) wrong++;
      }
      expect(wrong).toBe(0);
    });

    it("rounds at every boundary to nearest, ties to even, also where binary32 would round twice", () => {
      let wrong = 0;
      const expectBits = (x: number, bits: number): void => {
        if (kind.encode(x) !== bits || kind.encode(-x) !== bits + 0x8000) wrong++;
        if (!Object.is(kind.round(x), kind.decode(bits))) wrong++;
      };
      for (let bits = 0; bits < infinity; bits++) {
        const low = byFields(kind, bits);
        // The value after the largest one would be the next power of two: overflow rounds as if it existed.
        const high = bits + 1 === infinity ? low + (low - byFields(kind, bits - 1)) : byFields(kind, bits + 1);
        const middle = low + (high - low) / 2; // exact in binary64
        expectBits(middle, bits % 2 === 0 ? bits : bits + 1);
        expectBits(middle - middle * 2 ** -52, bits);
        expectBits(middle + middle * 2 ** -52, bits + 1);
      }
      expect(wrong).toBe(0);
      expect(kind.encode(0)).toBe(0);
      expect(kind.encode(-0)).toBe(0x8000);
      expect(kind.encode(Number.POSITIVE_INFINITY)).toBe(infinity);
      expect(kind.encode(Number.MAX_VALUE)).toBe(infinity);
      expect(kind.encode(Number.MIN_VALUE)).toBe(0);
    });
  });
