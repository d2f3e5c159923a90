/** Every format of the standard library: decoded values against a second reading of its bits, sizes against published ones. */
import { describe, expect, it } from "vitest";
import { stdFiles } from "../../compiler/std.ts";
import { internal } from "../../ir/diagnostics.ts";
import { bitsPerValue } from "../../ir/format.ts";
import { compileAddress, enumerate } from "../../ir/layout/apply.ts";
import { DECODERS, type Decoder } from "./decoders.ts";
import { INSTANCE_NAMES, secondReading } from "./families.ts";
import { decodeReal, decodingOf, randomSample } from "./support.ts";

const NAMES = stdFiles().flatMap((file) => file.formats);
/** Every name, and instances of the families with parameters. */
const ALL = [...NAMES, ...INSTANCE_NAMES];
/** The integers differ in their width and scope alone: layouts of some of them speak for all. */
const LAYOUTS = ALL.filter((name) => !/^[iu][1-8]_/.test(name) || /^[iu][35]_/.test(name));

const decoderOf = (name: string): Decoder => secondReading(name) ?? internal(`nobody read ${name} twice`);

/** Rows and columns: several blocks, at least 256 values a row. */
const shapeOf = (block: number): readonly [rows: number, columns: number] => [
  2,
  block * Math.max(2, Math.ceil(256 / block)),
];

describe("formats of the standard library", () => {
  it("have a second reading, every name and every family", () => {
    expect(ALL.filter((name) => secondReading(name) === undefined)).toEqual([]);
    const families = stdFiles().flatMap((file) => file.generics);
    expect(families.filter((name) => !INSTANCE_NAMES.some((i) => i.startsWith(`${name}<`)))).toEqual([]);
    expect(Object.keys(DECODERS).filter((name) => !NAMES.includes(name))).toEqual([]);
  });

  it.each(ALL)("%s decodes as its bits say", (name) => {
    const decoder = decoderOf(name);
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

  it.each(ALL)("%s takes as many bits as it is said to", (name) => {
    const decoder = decoderOf(name);
    const { format } = decodingOf(name, 1, decoder.block);
    expect(bitsPerValue(format, 4096, 4096)).toBeCloseTo(decoder.bitsPerValue, 10);
  });

  it.each(LAYOUTS)("%s gives every bit of a record and of a stream its own place", (name) => {
    const decoder = decoderOf(name);
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
