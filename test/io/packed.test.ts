/** Packed streams: the bits that compiled kernels read, whole files in pieces, and records that do not fit. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { packedViews } from "../../compiler/cli/dequantize.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { halvesOf, packRows, unpackRows, upperHalvesOf } from "../../compiler/io/bit-rows.ts";
import { ELEMENTS } from "../../compiler/io/elements.ts";
import {
  fieldTensor,
  layoutOf,
  PACKED_KEY,
  packField,
  parseRecord,
  streamBytes,
  unpackField,
} from "../../compiler/io/packed.ts";
import type { TensorFile } from "../../compiler/io/tensor-file.ts";
import { stdFiles } from "../../compiler/std.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { bf16ToBits, bitsToBf16, bitsToF16, f16ToBits } from "../../ir/float.ts";
import { addressBits } from "../../ir/layout/build.ts";
import { bytesOfWords, packStream } from "../../ir/pack.ts";
import { type IntType, isFloat, rangeOf } from "../../ir/scalar.ts";

const formats = check(
  stdFiles().map((f) => f.source),
  new Diagnostics(),
) // Instances of general formats have names of their own too.
  .formats.filter((f) => !f.name.includes("<"));

const ROWS = 70;
const COLUMNS = 150;

describe("streams", () => {
  it.each(formats.map((f) => [f.name, f] as const))(
    "%s: pieces of 32 rows make the stream of the whole",
    (_, format) => {
      for (const field of format.fields) {
        const blocks = Math.ceil(COLUMNS / format.block);
        const perRow =
          field.scope === "block" ? (field.count === format.block ? COLUMNS : blocks * field.count) : field.count;
        const length = field.scope === "tensor" ? field.count : ROWS * perRow;
        const low = isFloat(field.type) ? 0 : rangeOf(field.type as IntType)[0];
        const span = isFloat(field.type) ? 100 : rangeOf(field.type as IntType)[1] - low + 1;
        const values = Float64Array.from({ length }, (_, i) => low + ((i * 7919) % span));
        const whole = packField(format, field, values, ROWS, COLUMNS);
        expect(whole.length).toBe(streamBytes(format, field, ROWS, COLUMNS));
        expect(Float64Array.from(unpackField(format, field, whole, ROWS, COLUMNS))).toEqual(values);
        const layout = layoutOf(format, field, ROWS, COLUMNS)!;
        expect(whole).toEqual(bytesOfWords(packStream(values, field.type, layout)));
        if (field.scope === "tensor") continue;
        for (let row = 0; row < ROWS; row += 32) {
          const count = Math.min(32, ROWS - row);
          const piece = packField(format, field, values.subarray(row * perRow, (row + count) * perRow), count, COLUMNS);
          const at = streamBytes(format, field, row, COLUMNS);
          expect(whole.subarray(at, at + piece.length)).toEqual(piece);
        }
        const { type, shape } = fieldTensor("w", format, field, ROWS, COLUMNS);
        expect(shape.reduce((a, b) => a * b, 1) * ELEMENTS.get(type)!.bytesPerBlock).toBe(whole.length);
      }
    },
  );

  it("are those of the operands of a compiled operator", () => {
    const text =
      "op f<M, N, K>(x: f16[M, K], w: int4_g128[N, K]) -> f16[M, N] {\n  y[m, n] = sum k { x[m, k] * w[n, k] }\n}\n";
    const sink = new Diagnostics();
    const program = instantiate(check([{ name: "f.loom", text }], sink), "f", { M: 2, N: ROWS, K: 256 }, sink)!;
    const format = formats.find((f) => f.name === "int4_g128")!;
    for (const field of format.fields) {
      const layout = program.tensors.find((t) => t.id === `w.${field.name}`)!.layout!;
      expect(Math.ceil(addressBits(layout) / 32) * 4).toBe(streamBytes(format, field, ROWS, 256));
    }
  });
});

describe("rows of bits", () => {
  it.each(Array.from({ length: 32 }, (_, i) => i + 1))("of %i bits come back", (width) => {
    const values = Int32Array.from({ length: 3 * 37 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >> (32 - width));
    const words = packRows(values, width, 3, 37);
    expect(words.length).toBe(3 * Math.ceil((37 * width) / 32));
    expect(unpackRows(words, width, true, 3, 37)).toEqual(values);
    const mask = 2 ** width - 1;
    const unsigned = values.map((v) => Number(BigInt(v) & BigInt(mask)));
    expect(unpackRows(words, width, false, 3, 37)).toEqual(unsigned);
  });

  it("round to halves as one number at a time does", () => {
    const bits = Uint32Array.from({ length: 1 << 17 }, (_, i) => Math.imul(i, 32771) >>> 0);
    const edges = [
      0, 1, 0x33000000, 0x33000001, 0x387fffff, 0x38800000, 0x477fefff, 0x477ff000, 0x7f800000, 0x7fc00000,
    ];
    const negative = edges.map((e) => (e | 0x80000000) >>> 0);
    const values = new Float32Array(Uint32Array.from([...edges, ...negative, ...bits]).buffer);
    const wrong = (got: Uint16Array, of: (x: number) => number) =>
      [...values.keys()].filter((i) => !Number.isNaN(values[i]!) && got[i] !== of(values[i]!));
    expect(wrong(halvesOf(values), f16ToBits)).toEqual([]);
    expect(wrong(upperHalvesOf(values), bf16ToBits)).toEqual([]);
    const nan = Float32Array.of(Number.NaN);
    expect([bitsToF16(halvesOf(nan)[0]!), bitsToBf16(upperHalvesOf(nan)[0]!)]).toEqual([Number.NaN, Number.NaN]);
  });
});

/** A file with this record and no tensors. */
const fileWith = (record: string): TensorFile => ({
  container: "safetensors",
  metadata: new Map([[PACKED_KEY, record]]),
  tensors: [],
});

describe("records", () => {
  const entry = { format: "i8_row", shape: [2, 3], type: "F32", rule: "absmax", error: { sqnrDb: null, maxError: 0 } };
  const record = (tensors: object, sources: unknown = []) => JSON.stringify({ version: 1, sources, tensors });
  it("are read back", () => expect(parseRecord(record({ w: entry }))).toEqual(JSON.parse(record({ w: entry }))));

  it.each([
    ["no JSON", "{", /it is no JSON object/],
    ["a list", "[]", /it is no JSON object/],
    ["another version", '{"version": 2}', /version 2 is unknown/],
    ["no sources", record({}, 3), /`sources` is a list/],
    ["a shape of text", record({ w: { ...entry, shape: ["2"] } }), /the entry of tensor `w` is incomplete/],
    ["a negative shape", record({ w: { ...entry, shape: [-2, 3] } }), /the entry of tensor `w` is incomplete/],
    ["an endless shape", record({ w: { ...entry, shape: [2 ** 50, 2 ** 50] } }), /`w` cannot have the shape/],
    ["an unknown format", record({ w: { ...entry, format: "i8_rows" } }), /do not give the format `i8_rows`/],
    [
      "code for a name",
      record({ w: { ...entry, format: "i8_row[N, K]) -> f32[N, K] {} op z(x: f16" } }),
      /do not give the format/,
    ],
    [
      "a broken declaration",
      record({ w: { ...entry, format: "f" } }, [{ name: "a", text: "format f {" }]),
      /do not give/,
    ],
    [
      "a rotation of a third",
      record({ w: { ...entry, rotation: { block: 3, seed: 1 } } }),
      /the entry of tensor `w` is incomplete/,
    ],
    [
      "a rotation beyond the row",
      record({ w: { ...entry, rotation: { block: 4, seed: 1 } } }),
      /rows of `w` are no multiple of 4/,
    ],
    ["fewer than no outliers", record({ w: { ...entry, outliers: -1 } }), /the entry of tensor `w` is incomplete/],
    ["a missing field", record({ w: entry }), /`w` lacks the tensor `w.scale`/],
  ] as const)("with %s are refused", (_, text, message) => {
    const sink = new Diagnostics();
    expect(packedViews(fileWith(text), sink)).toBeUndefined();
    expect(sink.list.map((d) => [d.code, d.message])).toEqual([["file/packed", expect.stringMatching(message)]]);
  });

  it("of any content never throw", () => {
    const value = fc.oneof(
      fc.constantFrom("i8_row", "int4_g128", "i4", "\u0000", "__proto__"),
      fc.integer(),
      fc.constant(null),
    );
    const shape = fc.array(fc.oneof(fc.integer({ min: -2, max: 300 }), fc.constantFrom(2 ** 31, 2 ** 53)), {
      maxLength: 4,
    });
    const odd = fc.oneof(
      fc.integer(),
      fc.constantFrom(null, true, "4", 2 ** 53),
      fc.record({ block: fc.oneof(fc.integer(), fc.constantFrom("4", 2)), seed: fc.integer() }),
    );
    const tensor = fc.record(
      {
        format: value,
        shape,
        type: value,
        rule: value,
        error: fc.constant(entry.error),
        rotation: odd,
        channels: odd,
        outliers: odd,
      },
      { requiredKeys: ["format", "shape", "type", "rule", "error"] },
    );
    const any = fc.record({
      version: fc.constant(1),
      sources: fc.array(fc.record({ name: fc.string(), text: fc.string() }), { maxLength: 2 }),
      tensors: fc.dictionary(fc.string(), tensor, { maxKeys: 3 }),
    });
    fc.assert(
      fc.property(any, (content) => {
        const sink = new Diagnostics();
        const views = packedViews(fileWith(JSON.stringify(content)), sink);
        expect(views === undefined).toBe(sink.failed);
      }),
      { numRuns: 300 },
    );
  });
});
