/** The bit map: every bit has one owner, and what the picture says to shift and mask is what was stored. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { bitMap, decodeBlock, piecesOf, sampleBlock, storedNumber } from "../../compiler/language/bit-map.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { bitsOf } from "../../ir/scalar.ts";

const FORMATS = check(STD_FILES, new Diagnostics()).formats.filter((f) => f.recordBits <= 8192 && f.block <= 512);
const named = (name: string): Format => FORMATS.find((f) => f.name === name)!;

function numbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 32;
  };
}

describe("bit map", () => {
  it("sees the library", () => {
    expect(FORMATS.length).toBeGreaterThan(40);
  });

  it.each(FORMATS.map((f) => [f.name, f] as const))("%s: shifts and masks give back what was stored", (_, format) => {
    const block = sampleBlock(format, numbers());
    const map = bitMap(format, (name, index) => {
      const field = format.fields.find((f) => f.name === name)!;
      return storedNumber(field, block.get(name)![index]!);
    });
    // The record as words, put together bit by bit from the owners.
    const words = Array<bigint>(Math.ceil(format.recordBits / 32)).fill(0n);
    map.owners.forEach((owner, at) => {
      if (owner === undefined) return;
      const raw = BigInt(block.get(format.fields[owner.field]!.name)![owner.index]!);
      words[Math.floor(at / 32)]! |= ((raw >> BigInt(owner.bit)) & 1n) << BigInt(at % 32);
    });
    for (const elements of map.reads)
      for (const { field, index, places } of elements) {
        if (places.length === 0) continue;
        const parts = piecesOf(places).map(
          ({ word, shift, bits, to }) => ((words[word]! >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n)) << BigInt(to),
        );
        expect(Number(parts.reduce((a, b) => a | b))).toBe(block.get(format.fields[field]!.name)![index]);
      }
  });

  it.each(FORMATS.map((f) => [f.name, f] as const))("%s: fields own as many bits as they have", (_, format) => {
    const owned = bitMap(format).owners.filter((o) => o !== undefined);
    const stored = format.fields.filter((f) => f.scope === "block").reduce((n, f) => n + f.count * bitsOf(f.type), 0);
    expect(owned).toHaveLength(stored);
  });

  it("knows ggml's nibble order: value i and i + 16 share byte 2 + i", () => {
    const map = bitMap(named("q4_0"));
    const code = (i: number): readonly number[] => map.reads[i]!.find((e) => e.places.length === 4)!.places;
    for (let i = 0; i < 16; i++) {
      expect(code(i)[0]).toBe(8 * (2 + i));
      expect(code(i + 16)[0]).toBe(8 * (2 + i) + 4);
    }
  });

  it("decodes a block as the formula says: q4_0 is d · (q − 8)", () => {
    const format = named("q4_0");
    const block = new Map([
      ["d", [0x3800]], // 0.5 in half precision
      ["q", Array.from({ length: 32 }, (_, i) => i % 16)],
    ]);
    expect(decodeBlock(format, block)).toEqual(Array.from({ length: 32 }, (_, i) => 0.5 * ((i % 16) - 8)));
  });

  it("reads the encodings of numbers", () => {
    const field = (type: Format["fields"][number]["type"]) => ({ ...named("q4_0").fields[0]!, type });
    expect(storedNumber(field("f16"), 0xc500)).toBe(-5);
    expect(storedNumber(field("f16"), 0x0001)).toBe(2 ** -24);
    expect(storedNumber(field("bf16"), 0x4049)).toBe(3.140625);
    expect(storedNumber(field("f32"), 0x40490fdb)).toBe(Math.fround(Math.PI));
    expect(storedNumber(field("i4"), 0xf)).toBe(-1);
    expect(storedNumber(field("u4"), 0xf)).toBe(15);
  });
});
