/** Scalar semantics against independent definitions: enumerated halves, big-integer arithmetic, exact rationals. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileExpr, compileExprs } from "../../ir/eval/expr.ts";
import { bitsFn, castFn, roundQuotient, scalarFn } from "../../ir/eval/scalar.ts";
import { ExprBuilder, type Op } from "../../ir/expr.ts";
import { bf16Round, bf16ToBits, bitsToBf16, bitsToF16, f16Round, f16ToBits, rint } from "../../ir/float.ts";
import type { Scalar } from "../../ir/scalar.ts";

const f32 = fc.float({ noNaN: true, noDefaultInfinity: true });
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function typed(op: Op, types: readonly Scalar[], ...args: number[]): number {
  const { fn } = scalarFn(op, types, "typed");
  return (fn as (...values: number[]) => number)(...args);
}

/** A double as an exact fraction. */
function exact(x: number): readonly [bigint, bigint] {
  let den = 1n;
  let value = x;
  while (!Number.isInteger(value)) {
    value *= 2;
    den *= 2n;
  }
  return [BigInt(value), den];
}

describe("float.ts", () => {
  const halves = Array.from({ length: 0x7c01 }, (_, bits) => bitsToF16(bits));

  it("enumerates the non-negative halves in increasing order", () => {
    expect(halves[1]).toBe(2 ** -24);
    expect(halves[0x3c00]).toBe(1);
    expect(halves[0x7bff]).toBe(65504);
    for (let i = 1; i < halves.length; i++) expect(halves[i]! > halves[i - 1]!).toBe(true);
    halves.forEach((value, bits) => {
      expect(f16ToBits(value)).toBe(bits);
      expect(f16ToBits(-value)).toBe(bits | 0x8000);
    });
  });

  it("rounds to the nearest half, ties to the even code", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halves[bits]!, halves[bits + 1]!];
      const middle = (low + high) / 2;
      expect(f16Round(middle)).toBe(bits % 2 === 0 ? low : high);
      expect(f16Round(middle * (1 - 2 ** -50))).toBe(low);
      expect(f16Round(middle * (1 + 2 ** -50))).toBe(high);
    }
    expect(f16Round(65519.99)).toBe(65504);
    expect(f16Round(65520)).toBe(Number.POSITIVE_INFINITY);
  });

  it("rounds to the nearest bf16, ties to even", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7f7e }), (bits) => {
        const [low, high] = [bitsToBf16(bits), bitsToBf16(bits + 1)];
        const middle = (low + high) / 2;
        expect(bf16Round(middle)).toBe(bits % 2 === 0 ? low : high);
        expect(bf16Round(low + (high - low) * 0.501)).toBe(high);
        expect(bf16ToBits(-low)).toBe(bits | 0x8000);
      }),
    );
  });

  it("rounds ties to even integers at any size", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994].map(rint)).toEqual([0, 2, 2, -0, -2, 0]);
    expect(rint(2 ** 51 + 0.5)).toBe(2 ** 51);
    expect(rint(2 ** 51 + 1.5)).toBe(2 ** 51 + 2);
  });
});

describe("integer operators", () => {
  const wrap: Record<string, (x: bigint) => number> = {
    i32: (x) => Number(BigInt.asIntN(32, x)),
    u32: (x) => Number(BigInt.asUintN(32, x)),
  };
  it.each([
    ["i32", i32],
    ["u32", u32],
  ] as const)("%s wraps like big integers", (type, any) => {
    fc.assert(
      fc.property(any, any, fc.integer({ min: 0, max: 31 }), (a, b, n) => {
        const [p, q] = [BigInt(a), BigInt(b)];
        const two: readonly Scalar[] = [type, type];
        const put = wrap[type]!;
        expect(typed("add", two, a, b)).toBe(put(p + q));
        expect(typed("sub", two, a, b)).toBe(put(p - q));
        expect(typed("mul", two, a, b)).toBe(put(p * q));
        expect(typed("neg", [type], a)).toBe(put(-p));
        expect(typed("not", [type], a)).toBe(put(~p));
        expect(typed("and", two, a, b)).toBe(put(p & q));
        expect(typed("xor", two, a, b)).toBe(put(p ^ q));
        expect(typed("shl", two, a, n)).toBe(put(p << BigInt(n)));
        expect(typed("shl", two, a, n + 32)).toBe(put(p << BigInt(n)));
        expect(typed("shr", two, a, n)).toBe(put(p >> BigInt(n)));
        if (b !== 0) {
          expect(typed("div", two, a, b)).toBe(put(p / q));
          expect(typed("mod", two, a, b)).toBe(put(p % q));
        }
        const ones = BigInt.asUintN(32, p).toString(2).split("1").length - 1;
        expect(typed("popc", [type], a)).toBe(ones);
      }),
    );
  });

  it("narrow and wide widths wrap at their own width", () => {
    expect(typed("add", ["i4", "i4"], 7, 1)).toBe(-8);
    expect(typed("mul", ["u8", "u8"], 255, 255)).toBe(1);
    expect(typed("add", ["i64", "i64"], 2 ** 40, 1)).toBe(2 ** 40 + 1);
    expect(typed("div", ["i64", "i64"], -7, 2)).toBe(-3);
    expect(() => typed("div", ["i32", "i32"], 1, 0)).toThrow("division by zero");
  });

  it("dot4 sums four signed byte products", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 8, maxLength: 8 }), i32, (bytes, c) => {
        const word = (four: number[]): number => new Int32Array(new Int8Array(four).buffer)[0]!;
        const [a, b] = [bytes.slice(0, 4), bytes.slice(4)];
        const sum = a.reduce((s, x, i) => s + x * b[i]!, c) | 0;
        expect(typed("dot4", ["i32", "i32", "i32"], word(a), word(b), c)).toBe(sum);
        expect(typed("dot4", ["u32", "u32", "i32"], word(a) >>> 0, word(b) >>> 0, c)).toBe(sum);
      }),
    );
  });
});

describe("float operators", () => {
  /** Compares |2·exact − 2·candidate| with the distances of both neighbours, in exact fractions. */
  function nearestF32(num: bigint, den: bigint, got: number): boolean {
    const word = new Float32Array([got]);
    const bits = new Int32Array(word.buffer);
    const distance = (x: number): bigint => {
      const [n, d] = exact(x);
      const top = num * d - n * den;
      return (top < 0n ? -top : top) * (2n ** 400n / d);
    };
    const mine = distance(got);
    return [-1, 1].every((step) => {
      const other = new Float32Array(new Int32Array([bits[0]! + step]).buffer)[0]!;
      if (!Number.isFinite(other)) return true;
      const theirs = distance(other);
      return mine < theirs || (mine === theirs && bits[0]! % 2 === 0);
    });
  }

  it("fma rounds once", () => {
    const scaled = fc
      .tuple(f32, f32, f32)
      .filter((v) => v.every((x) => x !== 0 && Math.abs(x) > 1e-15 && Math.abs(x) < 1e15));
    fc.assert(
      fc.property(scaled, ([a, b, c]) => {
        const got = typed("fma", ["f32", "f32", "f32"], a, b, c);
        const [an, ad] = exact(a);
        const [bn, bd] = exact(b);
        const [cn, cd] = exact(c);
        const num = an * bn * cd + cn * ad * bd;
        if (num !== 0n) expect(nearestF32(num, ad * bd * cd, got)).toBe(true);
      }),
      { numRuns: 2000 },
    );
    // 1 + 2^-23 + 2^-24 − 2^-60: a double cannot hold it, and rounding to double first would make it a tie.
    const product = [(1 + 2 ** -18) * 2 ** -24, 1 - 2 ** -18] as const;
    expect(typed("fma", ["f32", "f32", "f32"], ...product, 1 + 2 ** -23)).toBe(1 + 2 ** -23);
    expect(typed("fma", ["f32", "f32", "f32"], -product[0], product[1], -1 - 2 ** -23)).toBe(-1 - 2 ** -23);
    // 1 + 2^-24 + 2^-60, above the tie.
    const above = [(1 + 2 ** -19) ** 2 * 2 ** -25, 2] as const;
    expect(typed("fma", ["f32", "f32", "f32"], Math.fround(above[0]), above[1], 1)).toBe(1 + 2 ** -23);
  });

  it("casts saturate, wrap and round", () => {
    expect([300.9, -300.9, Number.NaN, -0.5].map(castFn("f32", "i8", "typed"))).toEqual([127, -128, 0, 0]);
    expect([-1, 4.7e9].map(castFn("f32", "u32", "typed"))).toEqual([0, 4294967295]);
    expect([200, -129].map(castFn("i32", "i8", "typed"))).toEqual([-56, 127]);
    expect(castFn("i32", "f32", "typed")(16777217)).toBe(16777216);
    expect(castFn("i32", "f32", "real")(16777217)).toBe(16777217);
    expect(castFn("f32", "f16", "real")(1 / 3)).toBe(1 / 3);
    expect(castFn("f32", "f16", "real", true)(1 / 3)).toBe(f16Round(1 / 3));
    expect(bitsFn("f32", "u32")(1)).toBe(0x3f800000);
    expect(bitsFn("u32", "f32")(0xc0000000)).toBe(-2);
    expect(bitsFn("u16", "f16")(0x3555)).toBe(f16Round(1 / 3));
  });

  it("roundQuotient is exact at and around ties", () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const divisor = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
    const check = (a: number, b: number): void => {
      const got = BigInt(roundQuotient(a, b));
      const [an, ad] = exact(a);
      const [bn, bd] = exact(b);
      // |a/b − got| against 1/2, cleared of denominators.
      const top = 2n * (an * bd - got * bn * ad);
      const half = bn * ad;
      const size = top < 0n ? -top : top;
      expect(size < half || (size === half && got % 2n === 0n)).toBe(true);
    };
    fc.assert(fc.property(value, divisor, check));
    fc.assert(fc.property(fc.integer({ min: -40000, max: 40000 }), divisor, (n, b) => check((n + 0.5) * b, b)));
    expect([1, 3, 5, -1, -3].map((n) => roundQuotient(n, 2))).toEqual([0, 2, 2, 0, -2]);
    expect(roundQuotient(1, 0)).toBeNaN();
  });
});

describe("compileExpr", () => {
  it("computes shared entries once and reads leaves afresh", () => {
    const b = new ExprBuilder();
    const x = b.symbol("x");
    const y = b.mul(x, x);
    const sum = b.add(y, y);
    let reads = 0;
    let value = 3;
    const env = {
      arithmetic: "typed" as const,
      symbol: () => () => {
        reads++;
        return value;
      },
    };
    const thunk = compileExpr(b, sum, env);
    expect(thunk()).toBe(18);
    expect(reads).toBe(1);
    value = 4;
    expect(thunk()).toBe(32);
    const both = compileExprs(b, [y, sum], env);
    both.run();
    expect(both.slots.map((slot) => both.values[slot])).toEqual([16, 32]);
  });

  it("rounds constants and tables to their types and checks table bounds", () => {
    const b = new ExprBuilder();
    const table = { name: "t", type: "f32" as const, values: [0.1, 2] };
    const i = b.symbol("i");
    const root = b.add(b.table(table, i), b.constant(0.1, "f32"));
    let at = 0;
    const thunk = compileExpr(b, root, { arithmetic: "real", symbol: () => () => at, table: () => table });
    expect(thunk()).toBe(2 * Math.fround(0.1));
    at = 2;
    expect(thunk).toThrow("outside table t");
  });
});
