/** Every GGUF block type against values that ggml's own reference functions computed, bit for bit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { BLOCK_TYPES, blockTypeOf, decodeBlocks } from "../../compiler/io/gguf-blocks.ts";
import { decodeByDeclaration } from "../../compiler/quantize/format-decode.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { record } from "../../ir/layout/build.ts";
import { unpackStream, wordsOfBytes } from "../../ir/pack.ts";
import { ROOT } from "../meta/sources.ts";

interface Golden {
  readonly types: Readonly<
    Record<
      string,
      {
        readonly id: number;
        readonly block: number;
        readonly bytes: number;
        readonly stored: string;
        readonly values: string;
      }
    >
  >;
}

const GOLDEN = JSON.parse(readFileSync(join(ROOT, "test/data/formats/gguf-golden.json"), "utf8")) as Golden;
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));

describe("GGUF blocks", () => {
  it.each(Object.entries(GOLDEN.types))("%s decodes to ggml's bits", (name, golden) => {
    const type = blockTypeOf(golden.id)!;
    expect([type.name, type.valuesPerBlock, type.bytesPerBlock]).toEqual([name, golden.block, golden.bytes]);
    const values = decodeBlocks(type, bytesOf(golden.stored))!;
    // Compared as bits: the sign of zero counts.
    const bits = (bytes: Uint8Array) => [...new Uint32Array(bytes.buffer)];
    expect(bits(new Uint8Array(values.buffer))).toEqual(bits(bytesOf(golden.values)));
    expect(values.length).toBeGreaterThan(700);
  });

  const formats = new Map(
    check(
      stdFiles().map((f) => f.source),
      new Diagnostics(),
    ).formats.map((f) => [f.name, f]),
  );
  const declared = Object.entries(GOLDEN.types).flatMap(([name, golden]) => {
    const format = formats.get(`gguf_${name.toLowerCase()}`) ?? formats.get(name.toLowerCase());
    return format === undefined ? [] : [[format.name, format, golden] as const];
  });

  it.each(declared)("the declaration %s means what ggml's reference computes", (_, format, golden) => {
    const bytes = bytesOf(golden.stored);
    const columns = (bytes.length / golden.bytes) * golden.block;
    expect([format.block, format.recordBits]).toEqual([golden.block, golden.bytes * 8]);
    const fields = new Map(
      format.fields.map((field) => {
        const layout = record(format, field, { axes: ["n", "k"], shape: [1, columns] });
        return [field.name, unpackStream(wordsOfBytes(bytes), field.type, layout)] as const;
      }),
    );
    const values = decodeByDeclaration(format)(fields, columns);
    const zero = (v: number) => (v === 0 ? 0 : v);
    expect([...values].map(zero)).toEqual([...new Float32Array(bytesOf(golden.values).buffer)].map(zero));
  });

  it("covers every type that stores blocks and can be decoded", () => {
    const decoded = BLOCK_TYPES.filter((t) => t.valuesPerBlock > 1 && t.decode !== undefined).map((t) => t.name);
    expect(decoded.filter((name) => GOLDEN.types[name] === undefined)).toEqual(["Q8_1"]);
  });

  it("decodes plain numbers", () => {
    const decode = (name: string, ...bytes: number[]) => [
      ...decodeBlocks(BLOCK_TYPES.find((t) => t.name === name)!, Uint8Array.of(...bytes))!,
    ];
    expect(decode("F16", 0, 0x3c, 0, 0xc0)).toEqual([1, -2]);
    expect(decode("BF16", 0x80, 0x3f, 0x40, 0xc0)).toEqual([1, -3]);
    expect(decode("F32", 0, 0, 0x20, 0x41)).toEqual([10]);
    expect(decode("F64", 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)).toEqual([1]);
    expect(decode("I8", 255)).toEqual([-1]);
    expect(decode("I16", 0, 128)).toEqual([-32768]);
    expect(decode("I32", 254, 255, 255, 255)).toEqual([-2]);
    expect(decode("I64", 7, 0, 0, 0, 0, 0, 0, 0)).toEqual([7]);
  });

  it("leaves what it does not know alone", () => {
    expect(decodeBlocks(blockTypeOf(16)!, new Uint8Array(66))).toBeUndefined();
    expect(blockTypeOf(4)).toBeUndefined();
  });
});
