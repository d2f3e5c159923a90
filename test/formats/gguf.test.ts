/** GGUF's formats against blocks that ggml itself decoded: the same f32 numbers, bit for bit. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { recordBytes, unpackRecords } from "../../compiler/records.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { decodingOf } from "./support.ts";

interface Golden {
  readonly block: number;
  readonly bytes: number;
  readonly stored: string;
  readonly values: string;
}

const { types } = JSON.parse(readFileSync(new URL("../data/formats/gguf-golden.json", import.meta.url), "utf8")) as {
  readonly types: Readonly<Record<string, Golden>>;
};

const NAMES: Readonly<Record<string, string>> = { MXFP4: "gguf_mxfp4", NVFP4: "gguf_nvfp4" };
/** Types of activations, whose sums no value uses. */
const ACTIVATIONS = ["Q8_1", "Q8_K"];

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));

describe("GGUF", () => {
  it.each(Object.keys(types).filter((name) => !ACTIVATIONS.includes(name)))("%s", (name) => {
    const golden = types[name]!;
    const stored = bytesOf(golden.stored);
    const blocks = stored.length / golden.bytes;
    const columns = blocks * golden.block;
    const decoding = decodingOf(NAMES[name] ?? name.toLowerCase(), 1, columns);
    const { format, program } = decoding;
    expect(format.block).toBe(golden.block);
    expect(recordBytes(format, 1)).toBe(golden.bytes);
    const fields = unpackRecords(format, stored, blocks);
    const inputs = Object.fromEntries(Object.entries(fields).map(([field, values]) => [`w.${field}`, values]));
    const { y } = evalProgram(program, inputs, { arithmetic: "typed" });
    const values = bytesOf(golden.values);
    const expected = new Float32Array(values.buffer, 0, values.length / 4);
    expect(expected.length).toBe(columns);
    const wrong = [...expected.keys()].filter((n) => !Object.is(Math.fround(y![n]!), expected[n]));
    expect(wrong.map((n) => [n, y![n], expected[n]])).toEqual([]);
  });
});
