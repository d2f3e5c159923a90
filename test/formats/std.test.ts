/** Every format of the standard library: decoded values against a second reading of its bits, sizes against published ones. */
import { describe, expect, it } from "vitest";
import { stdFiles } from "../../compiler/std.ts";
import { bitsPerValue } from "../../ir/format.ts";
import { compileAddress, enumerate } from "../../ir/layout/apply.ts";
import { DECODERS } from "./decoders.ts";
import { decodeReal, decodingOf, randomSample } from "./support.ts";

const INTEGERS = /^([iu]\d(_tensor|_row|_g\d+)?|int4_g128)$/;
const NAMES = stdFiles()
  .flatMap((file) => file.formats)
  .filter((name) => !INTEGERS.test(name));

/** Rows and columns: several blocks, at least 256 values a row. */
const shapeOf = (block: number): readonly [rows: number, columns: number] => [
  2,
  block * Math.max(2, Math.ceil(256 / block)),
];

describe("formats of the standard library", () => {
  it("have a second reading, all but the families of integers", () => {
    expect(NAMES.toSorted()).toEqual(Object.keys(DECODERS).toSorted());
  });

  it.each(NAMES)("%s decodes as its bits say", (name) => {
    const decoder = DECODERS[name]!;
    const [rows, columns] = shapeOf(decoder.block);
    const decoding = decodingOf(name, rows, columns);
    expect(decoding.format.block).toBe(decoder.block);
    expect(decoding.format.recordBits).toBe(decoder.bits);
    const { inputs, expected } = randomSample(decoding, decoder, rows, columns);
    const result = decodeReal(decoding, inputs);
    let numbers = 0;
    for (const [n, value] of expected.entries()) {
      if (Number.isNaN(value)) {
        expect(result[n]).toBeNaN();
        continue;
      }
      numbers++;
      if (result[n] === value) continue;
      expect(Math.abs(result[n]! - value) / Math.abs(value), `${name}[${n}]: ${result[n]} and ${value}`).toBeLessThan(
        1e-12,
      );
    }
    expect(numbers).toBeGreaterThan(columns);
  });

  it.each(NAMES)("%s takes as many bits as it is said to", (name) => {
    const decoder = DECODERS[name]!;
    const { format } = decodingOf(name, 1, decoder.block);
    expect(bitsPerValue(format, 4096, 4096)).toBeCloseTo(decoder.bitsPerValue, 10);
  });

  it.each(NAMES)("%s gives every bit of a record and of a stream its own place", (name) => {
    const decoder = DECODERS[name]!;
    const [rows, columns] = shapeOf(decoder.block);
    const { format, program } = decodingOf(name, rows, columns);
    const taken = new Set<number>();
    let bits = 0;
    for (const field of format.fields.filter((f) => f.scope === "block")) {
      for (const address of enumerate(field.layout)) taken.add(address);
      bits += enumerate(field.layout).length;
    }
    expect(taken.size).toBe(bits);
    expect(Math.max(...taken)).toBe(format.recordBits - 1);
    for (const tensor of program.tensors) {
      // Codebooks that a tensor brings along lie in order; listing millions of bits proves nothing more.
      if (tensor.layout === undefined || tensor.shape.reduce((n, e) => n * e, 1) > 2 ** 18) continue;
      const addresses = enumerate(tensor.layout);
      expect(new Set(addresses).size).toBe(addresses.length);
      expect(
        compileAddress(tensor.layout, [...tensor.axes, "bit"])(...tensor.axes.map(() => 0), 0),
      ).toBeGreaterThanOrEqual(0);
    }
  });
});
