/** Packing, unpacking and repacking against readers written for one format each, and against each other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { volume } from "../../ir/layout/basic.ts";
import { addressBits, bitPlanes, rowMajor, strided, swizzleBits, term } from "../../ir/layout/build.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { compose } from "../../ir/layout/normal.ts";
import { product } from "../../ir/layout/transform.ts";
import {
  bytesOfWords,
  decode,
  encode,
  getBits,
  packStream,
  putBits,
  repack,
  unpackStream,
  wordsOfBytes,
} from "../../ir/pack.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf, isInt, rangeOf, type Scalar } from "../../ir/scalar.ts";

/** q4_0 codes of n rows: 18-byte records, nibbles of values 0 … 15 low and 16 … 31 high. */
function q4(rows: number, k: number): Layout {
  const blocks = k / 32;
  return strided(
    { n: rows, k, bit: 4 },
    { address: rows * blocks * 144 },
    [
      term("n", 1, rows, "address", blocks * 144),
      term("k", 32, blocks, "address", 144),
      term("k", 1, 16, "address", 8),
      term("k", 16, 2, "address", 4),
      term("bit", 1, 4, "address", 1),
    ],
    { address: 16 },
  );
}

/** Memories of every kind for [3, 64] elements of `bits` bits. */
function memories(bits: number): readonly Layout[] {
  const shape = [3, 64];
  const plain = rowMajor(["n", "k"], shape, bits);
  const size = 2 ** Math.ceil(Math.log2(addressBits(plain)));
  const list: Layout[] = [
    plain,
    rowMajor(["n", "k"], shape, bits, { pitchAlignBits: 32 }),
    bitPlanes(["n", "k"], shape, bits, { pitchAlignBits: 32 }),
    bitPlanes(["n", "k"], [3, 64], bits, { per: "row" }),
    compose({ ...plain, to: { address: size } }, swizzleBits({ address: size }, "address", 2, 1, 3)),
  ];
  return bits === 4 ? [...list, q4(3, 64)] : list;
}

const TYPES: readonly Scalar[] = [
  "u1",
  "bool",
  "i2",
  "u3",
  "i4",
  "u4",
  "i5",
  "u6",
  "i8",
  "f16",
  "bf16",
  "i17",
  "f32",
  "u32",
  "i32",
];

function valuesOf(type: Scalar, seed: number, count: number): number[] {
  const sample = (i: number): number => (Math.imul(i + 1, 2654435761) ^ Math.imul(seed + 1, 40503)) >>> 0;
  return Array.from({ length: count }, (_, i) => {
    if (type === "bool") return sample(i) % 2;
    if (!isInt(type)) return decode(type, encode(type, (sample(i) / 2 ** 32 - 0.5) * 300));
    const [min, max] = rangeOf(type);
    return min + (sample(i) % (max - min + 1));
  });
}

describe("bits", () => {
  it("are read back wherever they are put", () => {
    fc.assert(
      fc.property(fc.nat(90), fc.integer({ min: 1, max: 32 }), fc.nat(), (address, width, seed) => {
        const value = seed % 2 ** width;
        const words = new Uint32Array(4);
        putBits(words, address % (128 - width), width, value);
        expect(getBits(words, address % (128 - width), width)).toBe(value);
        const bits = [...words].map((w) => w.toString(2).padStart(32, "0").split("").reverse().join("")).join("");
        expect(Number.parseInt([...bits.slice(address % (128 - width))].slice(0, width).reverse().join(""), 2)).toBe(
          value,
        );
        expect(bits.split("1").length - 1).toBe(value.toString(2).split("1").length - 1);
      }),
      { numRuns: 200 },
    );
  });

  it("bytes and words are little-endian", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 250);
    expect([...wordsOfBytes(bytes)]).toEqual([0x04030201, 0xfa05]);
    expect(bytesOfWords(wordsOfBytes(bytes), 6)).toEqual(bytes);
  });

  it("refuses values that the type lacks", () => {
    expect(() => encode("i4", 8)).toThrow("internal: 8 is no i4");
    expect(() => encode("u4", -1)).toThrow("internal");
    expect(() => encode("u4", 0.5)).toThrow("internal");
  });
});

describe("packStream", () => {
  for (const type of TYPES)
    it(`${type} comes back from every memory`, () => {
      for (const layout of memories(bitsOf(type)))
        for (let seed = 0; seed < 3; seed++) {
          const values = valuesOf(type, seed, 192);
          const words = packStream(values, type, layout);
          expect([...unpackStream(words, type, layout)]).toEqual(values);
        }
    });

  it("leaves padding zero", () => {
    const layout = rowMajor(["n", "k"], [4, 11], 3, { pitchAlignBits: 32 });
    const words = packStream(new Array(44).fill(7), "u3", layout);
    expect([...words]).toEqual([0xffffffff, 1, 0xffffffff, 1, 0xffffffff, 1, 0xffffffff, 1]);
    const planes = packStream(new Array(6).fill(3), "u2", bitPlanes(["n", "k"], [2, 3], 2, { pitchAlignBits: 32 }));
    expect([...planes]).toEqual([7, 7, 7, 7]);
  });

  it("matches int4 words, planes and q4_0 bytes written out by hand", () => {
    expect([...packStream([-8, 7, 0, -1, 1, 2, 3, 4], "i4", rowMajor(["k"], [8], 4))]).toEqual([0x4321f078]);
    expect([...packStream([0, 1, 2, 3], "u2", bitPlanes(["k"], [4], 2, { pitchAlignBits: 32 }))]).toEqual([
      0b1010, 0b1100,
    ]);
    const codes = Array.from({ length: 64 }, (_, k) => (7 * k + 3) % 16);
    const bytes = bytesOfWords(packStream(codes, "u4", q4(1, 64)), 36);
    // As ggml's dequantize_row_q4_0 reads it: qs[j] & 0x0F is value j, qs[j] >> 4 value j + 16.
    for (let block = 0; block < 2; block++) {
      expect([...bytes.slice(18 * block, 18 * block + 2)]).toEqual([0, 0]);
      for (let j = 0; j < 16; j++) {
        const byte = bytes[18 * block + 2 + j]!;
        expect([byte & 15, byte >> 4]).toEqual([codes[32 * block + j], codes[32 * block + j + 16]]);
      }
    }
    expect([...packStream([1, -2, 65504, 2 ** -24], "f16", rowMajor(["k"], [4], 16))]).toEqual([
      0xc0003c00, 0x00017bff,
    ]);
  });

  it("packs a scalar, and elements with four and five axes", () => {
    expect([...packStream([1.5], "f32", rowMajor([], [], 32))]).toEqual([0x3fc00000]);
    const layout = rowMajor(["a", "b", "c", "d", "e"], [2, 3, 2, 2, 5], 4);
    const values = valuesOf("i4", 1, 120);
    expect([...unpackStream(packStream(values, "i4", layout), "i4", layout)]).toEqual(values);
  });
});

describe("repack", () => {
  it("between any two memories is unpack, then pack", () => {
    for (const bits of [1, 2, 3, 4, 8, 16]) {
      const type = `u${bits}` as Scalar;
      const values = valuesOf(type, bits, 192);
      for (const from of memories(bits))
        for (const to of memories(bits))
          expect(repack(packStream(values, type, from), from, to)).toEqual(packStream(values, type, to));
    }
  });

  it("brings q4_0 blocks into fragment order, as an independent reader sees it", () => {
    // Weights 64 × 64 as A of wgmma.m64n…k16.f16: one 32-bit word holds a lane's eight codes of a k step.
    const rows = 64;
    const k = 64;
    const codes = valuesOf("u4", 5, rows * k);
    const source = q4(rows, k);
    const row = findRow("wgmma.m64n8k16.f16")!;
    const steps = product(row.a.layout, [{ by: "step", count: k / 16, to: "k" }]);
    const fragment = compose(
      steps,
      strided({ m: 64, k }, { n: 64, k }, [term("m", 1, 64, "n", 1), term("k", 1, k, "k", 1)]),
    );
    // Code (reg, elem) at bit 4 · reg + 16 · elem: pairs come apart at distance 16.
    const stored = strided({ lane: 128, reg: 4, elem: 2, step: 4, bit: 4 }, { address: 128 * 4 * 32 }, [
      term("step", 1, 4, "address", 128 * 32),
      term("lane", 1, 128, "address", 32),
      term("reg", 1, 4, "address", 4),
      term("elem", 1, 2, "address", 16),
      term("bit", 1, 4, "address", 1),
    ]);
    const words = repack(packStream(codes, "u4", source), compose(fragment, source), stored);
    expect(words.length).toBe(512);
    for (let step = 0; step < 4; step++)
      for (let lane = 0; lane < 128; lane++)
        for (let reg = 0; reg < 4; reg++)
          for (let elem = 0; elem < 2; elem++) {
            const n = 16 * (lane >> 5) + ((lane & 31) >> 2) + 8 * (reg & 1);
            const at = 16 * step + 2 * (lane & 3) + 8 * (reg >> 1) + elem;
            expect((words[128 * step + lane]! >>> (4 * reg + 16 * elem)) & 15).toBe(codes[n * k + at]);
          }
    // And back: the same loop with the layouts exchanged.
    const logical = { n: rows, k, bit: 4 };
    expect(volume(logical)).toBe(volume(stored.from));
    const back = unpackStream(words, "u4", stored);
    expect([...back].reduce((a, b) => a + b, 0)).toBe(codes.reduce((a, b) => a + b, 0));
  });

  it("is fast enough for real tensors", () => {
    const from = rowMajor(["n", "k"], [512, 4096], 4);
    const words = packStream(new Uint8Array(512 * 4096).fill(5), "u4", from);
    expect(repack(words, from, q4(512, 4096)).length).toBe((512 * 128 * 144) / 32);
  });
});
