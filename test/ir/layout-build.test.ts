/** Constructors of memory layouts against addresses written by hand from the formats' own descriptions. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_SPAN } from "../../ir/diagnostics.ts";
import type { Field } from "../../ir/format.ts";
import { apply } from "../../ir/layout/apply.ts";
import { type Point, toOf } from "../../ir/layout/basic.ts";
import {
  addressBits,
  addressWords,
  bitPlanes,
  fieldRange,
  inUnits,
  inWords,
  record,
  rowMajor,
  stream,
  strided,
  swizzle,
  term,
} from "../../ir/layout/build.ts";
import { equal, invert, isInjective } from "../../ir/layout/invert.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { bitsOf, type Scalar } from "../../ir/scalar.ts";
import { points } from "./layout-support.ts";

function field(
  name: string,
  type: Scalar,
  count: number,
  start: number,
  layout?: Layout,
  scope: Field["scope"] = "block",
): Field {
  const width = bitsOf(type);
  const contiguous = strided(
    { i: count, bit: width },
    { address: 1024 },
    [term("i", 1, count, "address", width), term("bit", 1, width, "address", 1)],
    { address: start },
  );
  return { name, type, count, scope, layout: layout ?? contiguous, span: NO_SPAN };
}

function expectAddresses(
  layout: Layout,
  extents: Readonly<Record<string, number>>,
  address: (p: Record<string, number>) => number,
): void {
  let wrong = 0;
  for (const point of points(extents)) if (apply(layout, point as Point).address !== address(point)) wrong++;
  expect(wrong).toBe(0);
  expect(isInjective(layout)).toBe(true);
}

// ggml/src/ggml-common.h, block_q4_0: ggml_half d; uint8_t qs[16]; low nibbles are values 0 … 15, high ones 16 … 31.
const q4Codes = field(
  "q",
  "u4",
  32,
  16,
  strided(
    { i: 32, bit: 4 },
    { address: 144 },
    [term("i", 1, 16, "address", 8), term("i", 16, 2, "address", 4), term("bit", 1, 4, "address", 1)],
    { address: 16 },
  ),
);
const q4Scale = field("d", "f16", 1, 0);
const q4 = { block: 32, recordBits: 144 };

describe("row-major and dense memories", () => {
  it("pads the row pitch to words", () => {
    const layout = rowMajor(["n", "k"], [3, 11], 3, { pitchAlignBits: 32 });
    expectAddresses(layout, { n: 3, k: 11, bit: 3 }, ({ n, k, bit }) => 64 * n! + 3 * k! + bit!);
    expect(addressBits(layout)).toBe(192);
    expect(addressWords(rowMajor(["n"], [3], 16))).toBe(2);
  });

  it("is contiguous without an alignment", () => {
    expectAddresses(
      rowMajor(["b", "m", "k"], [2, 3, 5], 16),
      { b: 2, m: 3, k: 5, bit: 16 },
      ({ b, m, k, bit }) => 16 * (15 * b! + 5 * m! + k!) + bit!,
    );
    expectAddresses(rowMajor([], [], 32), { bit: 32 }, ({ bit }) => bit!);
  });

  it("places bit planes per tensor and per row", () => {
    expectAddresses(
      bitPlanes(["n", "k"], [3, 40], 2, { pitchAlignBits: 32 }),
      { n: 3, k: 40, bit: 2 },
      ({ n, k, bit }) => 192 * bit! + 64 * n! + k!,
    );
    expectAddresses(
      bitPlanes(["n", "k"], [3, 40], 2, { pitchAlignBits: 32, per: "row" }),
      { n: 3, k: 40, bit: 2 },
      ({ n, k, bit }) => 128 * n! + 64 * bit! + k!,
    );
  });
});

describe("blocks", () => {
  it("q4_0 of GGUF: 18-byte records", () => {
    const layout = record(q4, q4Codes, { axes: ["n", "k"], shape: [3, 96] });
    expectAddresses(
      layout,
      { n: 3, k: 96, bit: 4 },
      ({ n, k, bit }) =>
        432 * n! + 144 * Math.floor(k! / 32) + 16 + 8 * (k! % 16) + 4 * (Math.floor(k! / 16) % 2) + bit!,
    );
    expect(layout.kind).toBe("strided");
    expect(addressBits(layout)).toBe(3 * 3 * 18 * 8);
    const scales = record(q4, q4Scale, { axes: ["n", "k"], shape: [3, 96] });
    expectAddresses(scales, { n: 3, g: 3, bit: 16 }, ({ n, g, bit }) => 432 * n! + 144 * g! + bit!);
  });

  it("q4_0 has an exact inverse", () => {
    const layout = record(q4, q4Codes, { axes: ["n", "k"], shape: [2, 4096] });
    const inverse = invert(layout)!;
    for (let n = 0; n < 2; n++)
      for (let k = 0; k < 4096; k += 7)
        expect(apply(inverse, apply(layout, { n, k, bit: k % 4 }))).toEqual({ n, k, bit: k % 4 });
  });

  it("streams drop the other fields and keep the order inside a block", () => {
    const codes = stream(q4, q4Codes, { axes: ["n", "k"], shape: [3, 96] });
    expectAddresses(
      codes,
      { n: 3, k: 96, bit: 4 },
      ({ n, k, bit }) => 384 * n! + 128 * Math.floor(k! / 32) + 8 * (k! % 16) + 4 * (Math.floor(k! / 16) % 2) + bit!,
    );
    const scales = stream(q4, q4Scale, { axes: ["n", "k"], shape: [3, 96] });
    expectAddresses(scales, { n: 3, g: 3, bit: 16 }, ({ n, g, bit }) => 64 * n! + 16 * g! + bit!);
  });

  it("a contiguous field's stream is row-major", () => {
    const codes = field("q", "i4", 128, 16);
    const layout = stream({ block: 128 }, codes, { axes: ["n", "k"], shape: [5, 512] });
    expect(layout).toEqual(rowMajor(["n", "k"], [5, 512], 4, { pitchAlignBits: 32 }));
    expect(fieldRange(codes)).toEqual({ start: 16, bits: 512, contiguous: true });
  });

  it("row and tensor fields, and fields with several elements a block", () => {
    const rows = { axes: ["n", "k"], shape: [5, 512] };
    expect(stream({ block: 128 }, field("row", "f16", 1, 0, undefined, "row"), rows)).toEqual(rowMajor(["n"], [5], 16));
    expect(stream({ block: 128 }, field("table", "f16", 3, 0, undefined, "row"), rows)).toEqual(
      rowMajor(["n", "i"], [5, 3], 16, { pitchAlignBits: 32 }),
    );
    expect(stream({ block: 128 }, field("t", "f32", 1, 0, undefined, "tensor"), rows)).toEqual(rowMajor([], [], 32));
    const sub = stream({ block: 256 }, field("s", "u6", 8, 32), { axes: ["n", "k"], shape: [2, 768] });
    expectAddresses(sub, { n: 2, g: 3, i: 8, bit: 6 }, ({ n, g, i, bit }) => 160 * n! + 48 * g! + 6 * i! + bit!);
  });

  it("keeps the holes of a field in two segments, and takes any axis names", () => {
    // Six-bit codes as four low bits, then (after an eight-bit scale) two high bits.
    const segments = strided({ i: 4, bit: 6 }, { address: 32 }, [
      term("i", 1, 4, "address", 4),
      term("bit", 1, 4, "address", 1),
    ]);
    const split: Layout = {
      kind: "table",
      from: { i: 4, bit: 6 },
      to: { address: 32 },
      map: points({ i: 4, bit: 6 }).map(({ i, bit }) =>
        bit! < 4 ? apply(segments, { i: i!, bit: bit! }).address! : 24 + 2 * i! + (bit! - 4),
      ),
    };
    const layout = stream({ block: 4 }, field("q", "u6", 4, 0, split), { axes: ["g", "i"], shape: [2, 8] });
    expectAddresses(
      layout,
      { g: 2, i: 8, bit: 6 },
      ({ g, i, bit }) =>
        64 * g! + 32 * Math.floor(i! / 4) + (bit! < 4 ? 4 * (i! % 4) + bit! : 24 + 2 * (i! % 4) + bit! - 4),
    );
  });

  it("addresses in units are addresses divided", () => {
    const layout = rowMajor(["n", "k"], [4, 64], 16, { pitchAlignBits: 32 });
    for (const point of points({ n: 4, k: 64, bit: 1 }))
      expect(apply(inUnits(layout, 16), point)).toEqual({ address: 64 * point.n! + point.k! });
    expect(toOf(inWords(layout))).toEqual({ word: 128, shift: 32 });
  });
});

describe("swizzles", () => {
  it("both forms of the 32-, 64- and 128-byte swizzle are the same", () => {
    for (const [bytes, mask, chunk] of [
      [32, 0x10, (r: number) => Math.floor(r / 4) % 2],
      [64, 0x30, (r: number) => Math.floor(r / 2) % 4],
      [128, 0x70, (r: number) => r % 8],
    ] as const) {
      const layout = swizzle(bytes, 8 * 4096);
      fc.assert(
        fc.property(fc.nat(4095), fc.nat(7), (o, bit) => {
          const { address } = apply(layout, { address: 8 * o + bit });
          expect(address).toBe(8 * (o ^ ((o >> 3) & mask)) + bit);
          const row = Math.floor(o / bytes);
          const inRow = o % bytes;
          const moved = 16 * (Math.floor(inRow / 16) ^ chunk(row)) + (inRow % 16);
          expect(address).toBe(8 * (row * bytes + moved) + bit);
        }),
        { numRuns: 300 },
      );
      expect(equal(invert(layout)!, layout)).toBe(true);
    }
  });
});
