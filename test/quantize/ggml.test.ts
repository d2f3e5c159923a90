/** GGUF's block types against blocks that ggml's reference quantizers made: the same bytes. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { studyTensor } from "../../compiler/quantize/encoder.ts";
import { decoderOfFormat } from "../../compiler/quantize/format-decode.ts";
import { encoderOfFormat } from "../../compiler/quantize/format-encode.ts";
import { packRecords } from "../../compiler/records.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { COLUMNS, INPUT, meanSquare } from "./golden.ts";

const { blocks } = JSON.parse(readFileSync(new URL("../data/formats/ggml-encode.json", import.meta.url), "utf8")) as {
  readonly blocks: Readonly<Record<string, string>>;
};

/** Rows that make trouble: zeros, one number, positive numbers only, whole sub-blocks of zeros, a coarse pattern. */
const EDGES: readonly ((i: number) => number)[] = [
  () => 0,
  () => 0.375,
  (i) => 1 + i / 1000,
  (i) => (i % 64 < 32 ? 0 : (((i * 37) % 101) - 50) / 50),
  (i) => (((i * 53) % 97) - 40) / 8,
];
const VALUES = Float32Array.of(
  ...INPUT,
  ...EDGES.flatMap((edge) => Array.from({ length: COLUMNS }, (_, i) => edge(i))),
);

const formats = check(stdFiles().map((f) => f.source), new Diagnostics()).formats; // biome-ignore format: one line

describe("ggml's quantizers", () => {
  it.each(Object.keys(blocks))("%s, byte for byte", (name) => {
    const format = formats.find((f) => f.name === name)!;
    const encoder = encoderOfFormat(format)!;
    const fields = encoder.encode(VALUES, COLUMNS, studyTensor(encoder, VALUES, COLUMNS));
    const stored = Object.fromEntries([...fields].map(([field, values]) => [field, Float64Array.from(values)]));
    const got = packRecords(format, stored, VALUES.length / format.block);
    const expected = new Uint8Array(Buffer.from(blocks[name]!, "base64"));
    const size = format.recordBits / 8;
    const wrong = [...expected.keys()].filter((i) => got[i] !== expected[i]).map((i) => Math.floor(i / size));
    expect(got.length).toBe(expected.length);
    expect([...new Set(wrong)]).toEqual([]);
  });

  it.each(["q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"])(
    "%s: the search is better than uncoded scales of the range",
    (name) => {
      const format = formats.find((f) => f.name === name)!;
      const encoder = encoderOfFormat(format)!;
      const searched = decoderOfFormat(format)(encoder.encode(INPUT, COLUMNS, studyTensor(encoder, INPUT, COLUMNS)), COLUMNS); // biome-ignore format: one line
      // Round to nearest with as many bits and as many scales, not coded.
      const [bits, span, affine] = ({ q3_k: [3, 16, false], q4_k: [4, 32, true], q5_k: [5, 32, true], q6_k: [6, 16, false], iq4_xs: [4, 32, false] } as const)[name]!; // biome-ignore format: a table
      const rounded = INPUT.map((_, i) => {
        const own = INPUT.subarray(i - (i % span), i - (i % span) + span);
        const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
        const peak = Math.max(-low, high);
        const scale = affine ? (high - low) / (2 ** bits - 1) : peak / (2 ** (bits - 1) - 1);
        return affine ? Math.round((INPUT[i]! - low) / scale) * scale + low : Math.round(INPUT[i]! / scale) * scale;
      });
      expect(meanSquare(searched, INPUT)).toBeLessThan(meanSquare(rounded, INPUT));
    },
  );
});
