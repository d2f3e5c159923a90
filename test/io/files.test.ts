/** Reading and writing safetensors, GGUF and npy: what is sound is read to the bit, what is not is refused at its byte. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blobSource, memorySource } from "../../compiler/io/byte-source.ts";
import { ELEMENTS, encodeElements } from "../../compiler/io/elements.ts";
import { npyHeader } from "../../compiler/io/npy.ts";
import { openTensors } from "../../compiler/io/open.ts";
import { layOutSafetensors } from "../../compiler/io/safetensors.ts";
import { isReadable, readValues, type TensorFile } from "../../compiler/io/tensor-file.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { f32, gguf, join, safetensors, text, u32, u64, VALUE } from "./build.ts";

async function open(bytes: Uint8Array): Promise<{ readonly file?: TensorFile; readonly problems: readonly string[] }> {
  const sink = new Diagnostics();
  const file = await openTensors(memorySource(bytes), sink);
  const problems = sink.list.map((d) => `${d.span.start}-${d.span.end} ${d.code}: ${d.message}`);
  return file === undefined ? { problems } : { file, problems };
}

async function valuesOf(bytes: Uint8Array, name: string): Promise<readonly number[]> {
  const { file } = await open(bytes);
  const tensor = file!.tensors.find((t) => t.name === name)!;
  return [
    ...(await readValues(
      memorySource(bytes),
      tensor,
      0,
      tensor.shape.reduce((a, b) => a * b, 1),
    )),
  ];
}

describe("safetensors", () => {
  const good = safetensors(
    {
      __metadata__: { format: "pt" },
      "wäre.weight": { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] },
      b: { dtype: "BF16", shape: [1], data_offsets: [16, 18] },
      none: { dtype: "F16", shape: [0, 9], data_offsets: [18, 18] },
    },
    join(f32(1, -2, 3.5, 4), [0x80, 0x3f]),
  );

  it("reads tensors and metadata", async () => {
    const { file, problems } = await open(good);
    expect(problems).toEqual([]);
    expect(file!.tensors.map((t) => [t.name, t.type.name, t.shape])).toEqual([
      ["wäre.weight", "F32", [2, 2]],
      ["b", "BF16", [1]],
      ["none", "F16", [0, 9]],
    ]);
    expect(file!.metadata.get("format")).toBe("pt");
    expect(await valuesOf(good, "wäre.weight")).toEqual([1, -2, 3.5, 4]);
    expect(await valuesOf(good, "b")).toEqual([1]);
    expect(await valuesOf(good, "none")).toEqual([]);
  });

  it("reads the same from a Blob", async () => {
    const file = await openTensors(blobSource(new Blob([new Uint8Array(good)])), new Diagnostics());
    expect(file?.tensors.length).toBe(3);
  });

  const one = (entry: object, data = 16) => safetensors({ w: entry }, new Uint8Array(data));
  const entry = { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] };
  it.each([
    ["an empty file", new Uint8Array(), "0-0 file/truncated: a safetensors file begins with 8 bytes of header length; this one has 0"],
    ["a header longer than the file", join(u64(100), text("{}")), "0-8 file/truncated: the header claims 100 bytes; the file has 2 after its length"],
    ["a header of 2^64 − 1 bytes", join(u64(2n ** 64n - 1n), text("{}")), "0-8 file/range: the header claims 18446744073709552000 bytes; at most 16777216 are allowed"],
    ["broken JSON", safetensors('{"a": }'), "14-15 file/header: expected a JSON value, found `}`"],
    ["a place behind wide characters", safetensors('{"ä€": }'), "18-19 file/header: expected a JSON value, found `}`"],
    ["no UTF-8", join(u64(3), [0x7b, 0xff, 0x7d]), "8-11 file/header: the header is not UTF-8 text"],
    ["a name twice", safetensors('{"a": 1, "a": 2}'), "17-20 file/duplicate: `a` stands twice in this object"],
    ["an unknown type", one({ ...entry, dtype: "F12" }), "22-27 file/unsupported: tensor `w` has the unknown type `F12`"],
    ["a shape that overflows", one({ ...entry, shape: [2 ** 40, 2 ** 40] }), "13-88 file/range: tensor `w` of shape [1099511627776, 1099511627776] has too many values"],
    ["a negative extent", one({ ...entry, shape: [-1] }), "13-63 file/header: tensor `w` needs a `dtype`, a `shape` of whole numbers and two `data_offsets`"],
    ["offsets that do not fit the shape", one({ ...entry, data_offsets: [0, 12] }), "13-64 file/range: tensor `w` needs 16 bytes, its offsets [0, 12] are 12 apart"],
    ["offsets backwards", one({ ...entry, data_offsets: [16, 0] }), "13-64 file/range: tensor `w` needs 16 bytes, its offsets [16, 0] are -16 apart"],
    ["a missing end", one(entry, 9), "13-64 file/truncated: tensor `w` ends at byte 81, the file at byte 74"],
    ["bytes that belong to nothing", one(entry, 20), "8-65 file/range: 4 bytes of the file belong to no tensor"],
    ["overlaps", safetensors({ a: entry, b: { ...entry, data_offsets: [8, 24] } }, new Uint8Array(24)), "65-120 file/overlap: tensors `a` and `b` share bytes from 129 on"],
    ["no object", safetensors("[{}]"), "0-12 file/unknown: it is neither a safetensors, a GGUF nor an npy file"],
    ["metadata that is no text", safetensors({ __metadata__: { a: 1 } }), "29-30 file/header: metadata `a` is a text, not 1"],
    ["deep nesting", safetensors(`{"a":${"[".repeat(500)}`), "213-214 file/header: nested more than 200 deep"],
    ["a name of megabytes", safetensors(`{"${"a".repeat(12e6)}": 1}`), /file\/header: tensor `a/],
  ] as const)("refuses %s", async (_, bytes, problem) => {
    const { file, problems } = await open(bytes);
    expect(file).toBeUndefined();
    expect(problems).toEqual([typeof problem === "string" ? problem : expect.stringMatching(problem)]);
  }); // biome-ignore format: a table

  it("writes what it reads", async () => {
    const tensors = [
      { name: "w", type: "F32", shape: [3, 2] },
      { name: "s", type: "F16", shape: [3] },
      { name: "q", type: "U8", shape: [5] },
    ];
    const plan = layOutSafetensors(tensors, { made: "by hand" });
    const values = Float32Array.of(1, 2, 3, -4, 5, 6);
    const bytes = join(
      plan.header,
      encodeElements("F32", values),
      encodeElements("F16", Float32Array.of(0.5, -1, 65504)),
      [1, 2, 3, 4, 255],
    );
    expect(bytes.length).toBe(plan.size);
    expect(plan.starts[0]! % 8).toBe(0);
    const { file } = await open(bytes);
    expect(file!.tensors.map((t) => ({ name: t.name, type: t.type.name, shape: t.shape }))).toEqual(tensors);
    expect(file!.tensors.map((t) => t.start)).toEqual(plan.starts);
    expect(await valuesOf(bytes, "w")).toEqual([...values]);
    expect(await valuesOf(bytes, "s")).toEqual([0.5, -1, 65504]);
    expect(await valuesOf(bytes, "q")).toEqual([1, 2, 3, 4, 255]);
  });
});

describe("npy", () => {
  // Written by NumPy 2.4.6.
  const numpy = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
  const matrix = numpy(
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAACDAAADAvwAAAL8AAAA/AADAPwAAIEA=",
  );
  const list = numpy(
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPgDA",
  );
  const scalar = numpy(
    "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAAAAAAAAAA==",
  );
  it("reads a matrix, a list and a single number", async () => {
    expect(await valuesOf(matrix, "array")).toEqual([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]);
    expect((await open(matrix)).file!.tensors[0]!.shape).toEqual([2, 3]);
    expect(await valuesOf(list, "array")).toEqual([1.5, -2]);
    expect(await valuesOf(scalar, "array")).toEqual([7]);
  });
  it("writes NumPy's own bytes", () => {
    expect(npyHeader("F32", [2, 3])).toEqual(matrix.subarray(0, 128));
  });

  const npy = (dictionary: string, data = 0) =>
    join([0x93], text("NUMPY"), [1, 0, dictionary.length, 0], text(dictionary), new Uint8Array(data));
  it.each([
    ["Fortran order", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", 16), "file/unsupported"],
    ["big-endian numbers", npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", 4), "file/unsupported"],
    ["objects", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 4), "file/unsupported"],
    ["a missing end", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 4), "file/truncated"],
    ["too much", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 13), "file/range"],
    ["too large a shape", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 9)}"), "file/range"],
    ["a doubled entry", npy("{'descr': '<f4', 'descr': '<f4', 'shape': (3,)}"), "file/header"],
    ["code", npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}"), "file/header"],
    ["a cut header", npy("{'descr': '<f4', 'fort"), "file/header"],
    ["version 9", join([0x93], text("NUMPY"), [9, 0, 4, 0, 0, 0]), "file/unsupported"],
    ["nothing more", join([0x93], text("NUMPY"), [1, 0]), "file/truncated"],
  ] as const)("refuses %s", async (_, bytes, code) => {
    const { file, problems } = await open(bytes);
    expect([file, problems.length, problems[0]]).toEqual([undefined, 1, expect.stringContaining(` ${code}: `)]);
  }); // biome-ignore format: a table
});

describe("GGUF", () => {
  const q8 = join(
    [0, 0x3c],
    new Int8Array(32).map((_, i) => i - 16),
  );
  const good = gguf(
    {
      "general.architecture": VALUE.string("llama"),
      "llama.block_count": VALUE.u32(2),
      "tokenizer.ggml.tokens": VALUE.strings("a", "b", "ü"),
      "tokenizer.scores": VALUE.u32s(Array.from({ length: 100 }, (_, i) => i)),
      big: VALUE.u64(2n ** 60n),
      flag: VALUE.bool(true),
    },
    [
      { name: "w", extents: [32, 2], type: 8, offset: 0 },
      { name: "norm", extents: [3], type: 0, offset: 96 },
      { name: "future", extents: [256], type: 16, offset: 128 },
    ],
    join(q8, q8, new Uint8Array(28), f32(1, 2, 3), new Uint8Array(20), new Uint8Array(66)),
  );

  it("reads metadata, shapes with the slowest axis first, and values", async () => {
    const { file, problems } = await open(good);
    expect(problems).toEqual([]);
    expect(Object.fromEntries(file!.metadata)).toEqual({
      "general.architecture": "llama",
      "llama.block_count": 2,
      "tokenizer.ggml.tokens": { kind: "list", of: "string", length: 3, items: ["a", "b", "ü"] },
      "tokenizer.scores": { kind: "list", of: "u32", length: 100 },
      big: 2n ** 60n,
      flag: true,
    });
    expect(file!.tensors.map((t) => [t.name, t.type.name, t.shape, t.bytes])).toEqual([
      ["w", "Q8_0", [2, 32], 68],
      ["norm", "F32", [3], 12],
      ["future", "IQ2_XXS", [256], 66],
    ]);
    expect((await valuesOf(good, "w")).slice(30, 35)).toEqual([14, 15, -16, -15, -14]);
    expect(await valuesOf(good, "norm")).toEqual([1, 2, 3]);
    expect(file!.tensors.map(isReadable)).toEqual([true, true, false]);
  });

  it("reads a header of many windows", async () => {
    const tokens = VALUE.strings(...Array.from({ length: 30000 }, (_, i) => `token ${i}`));
    const { file } = await open(gguf({ tokens }, [{ name: "w", extents: [4], type: 0, offset: 0 }], f32(1, 2, 3, 4)));
    expect(file!.metadata.get("tokens")).toEqual({ kind: "list", of: "string", length: 30000 });
  });

  it("minds the alignment", async () => {
    const meta = { "general.alignment": VALUE.u32(256) };
    const bytes = gguf(meta, [{ name: "w", extents: [1], type: 0, offset: 0 }], f32(9), 256);
    expect(await valuesOf(bytes, "w")).toEqual([9]);
  });

  const w = { name: "w", extents: [32], type: 8, offset: 0 } as const;
  const header = (...parts: Uint8Array[]) => join(text("GGUF"), u32(3), ...parts);
  it.each([
    ["a cut number", good.subarray(0, 10), "file/truncated: the file ends inside the number of tensors"],
    ["version 1", join(text("GGUF"), u32(1), u64(0), u64(0)), "file/unsupported: GGUF version 1 is not read"],
    ["the other byte order", join(text("GGUF"), [0, 0, 0, 3], u64(0), u64(0)), "file/unsupported: the file is big-endian, which is not read"],
    ["2^63 tensors", header(u64(2n ** 63n), u64(0)), "file/range: the number of tensors is 9223372036854775808, more than any file holds"],
    ["2^40 values", header(u64(0), u64(2n ** 40n)), "file/range: the header claims 0 tensors and 1099511627776 values; at most 1048576 are allowed"],
    ["a key of 2^50 bytes", header(u64(0), u64(1), u64(2n ** 50n)), "file/truncated: the file ends inside a metadata key"],
    ["an unknown value type", header(u64(0), u64(1), u64(1), text("k"), u32(13)), "file/unsupported: metadata `k` has the unknown type 13"],
    ["a list longer than the file", header(u64(0), u64(1), u64(1), text("k"), u32(9), u32(4), u64(2n ** 52n)), "file/range: metadata `k` has 4503599627370496 items"],
    ["lists in lists in lists", header(u64(0), u64(1), u64(1), text("k"), u32(9), ...Array.from({ length: 9 }, () => join(u32(9), u64(1)))), "file/range: metadata `k` is nested more than 4 deep"],
    ["a key twice", header(u64(0), u64(2), u64(1), text("k"), u32(0), Uint8Array.of(1), u64(1), text("k"), u32(0), Uint8Array.of(1)), "file/duplicate: metadata `k` stands twice"],
    ["an unknown tensor type", gguf({}, [{ ...w, type: 99 }]), "file/unsupported: tensor `w` has the unknown type 99"],
    ["five axes", gguf({}, [{ ...w, extents: [1, 1, 1, 1, 1] }]), "file/range: tensor `w` has 5 axes; GGUF has at most 4"],
    ["rows of broken blocks", gguf({}, [{ ...w, extents: [16, 2] }]), "file/range: tensor `w` of shape [2, 16] and type Q8_0 does not have rows of whole 32-value blocks"],
    ["a shape that overflows", gguf({}, [{ ...w, extents: [2n ** 50n, 2n ** 50n] }]), /file\/range: tensor `w` of shape .* has too many values/],
    ["an offset that overflows", gguf({}, [{ ...w, offset: 2n ** 53n - 1n }]), "file/truncated: tensor `w` ends at byte"],
    ["a missing end", gguf({}, [w], new Uint8Array(33)), "file/truncated: tensor `w` ends at byte 98, the file at byte 97"],
    ["overlaps", gguf({}, [w, { ...w, name: "v", offset: 32 }], new Uint8Array(99)), "file/overlap: tensors `w` and `v` share bytes from 128 on"],
    ["a tensor twice", gguf({}, [w, w], new Uint8Array(99)), "file/duplicate: tensor `w` stands twice"],
    ["an alignment of 0", gguf({ "general.alignment": VALUE.u32(0) }, []), "file/header: the alignment 0 is no power of two"],
    ["an alignment of words", gguf({ "general.alignment": VALUE.string("x") }, []), "file/header: the alignment x is no power of two"],
  ] as const)("refuses %s", async (_, bytes, problem) => {
    const { file, problems } = await open(bytes);
    expect([file, problems.length]).toEqual([undefined, 1]);
    expect(problems[0]).toEqual(typeof problem === "string" ? expect.stringContaining(problem) : expect.stringMatching(problem));
  }); // biome-ignore format: a table
});

describe("fuzz", () => {
  const seeds = [
    safetensors({ w: { dtype: "F16", shape: [2, 2], data_offsets: [0, 8] }, v: { dtype: "I8", shape: [3], data_offsets: [8, 11] } }, new Uint8Array(11)),
    gguf({ k: VALUE.string("v"), n: VALUE.u32s([1, 2]) }, [{ name: "w", extents: [32, 2], type: 2, offset: 0 }], new Uint8Array(36)),
    join(npyHeader("F32", [2, 2]), new Uint8Array(16)),
  ]; // biome-ignore format: a table

  /** A valid file with some bytes changed, cut or added; or noise behind a valid beginning. */
  const files = fc
    .record({
      seed: fc.constantFrom(...seeds),
      edits: fc.array(fc.record({ at: fc.nat(400), to: fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 0x7b, 0x2c)) }), {
        maxLength: 6,
      }),
      cut: fc.option(fc.nat(400)),
      tail: fc.uint8Array({ maxLength: 40 }),
    })
    .map(({ seed, edits, cut, tail }) => {
      const bytes = join(seed.subarray(0, cut ?? seed.length), tail);
      for (const { at, to } of edits) if (bytes.length > 0) bytes[at % bytes.length] = to;
      return bytes;
    });

  it.each([
    ["changed files", files],
    ["noise", fc.uint8Array({ maxLength: 200 })],
  ])("never throws, and hands out only tensors that are there: %s", async (_, arbitrary) => {
    await fc.assert(
      fc.asyncProperty(arbitrary, async (bytes) => {
        const sink = new Diagnostics();
        const source = memorySource(bytes);
        const file = await openTensors(source, sink);
        expect(file === undefined).toBe(sink.failed);
        for (const { span } of sink.list) {
          expect(span.start).toBeGreaterThanOrEqual(0);
          expect(span.end).toBeGreaterThanOrEqual(span.start);
        }
        for (const tensor of file?.tensors ?? []) {
          expect(tensor.start + tensor.bytes).toBeLessThanOrEqual(bytes.length);
          const count = tensor.shape.reduce((a, b) => a * b, 1);
          if (isReadable(tensor)) expect((await readValues(source, tensor, 0, count)).length).toBe(count);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("elements", () => {
  it("decode every small type", () => {
    const decode = (name: string, ...bytes: number[]) => [...ELEMENTS.get(name)!.decode!(Uint8Array.from(bytes))];
    expect(decode("F8_E4M3", 0x38, 0x7e, 0x01, 0xff)).toEqual([1, 448, 2 ** -9, Number.NaN]);
    expect(decode("F8_E5M2", 0x3c, 0x7b, 0xfc)).toEqual([1, 57344, Number.NEGATIVE_INFINITY]);
    expect(decode("F8_E8M0", 127, 0, 255)).toEqual([1, 2 ** -127, Number.NaN]);
    expect(decode("BOOL", 0, 7)).toEqual([0, 1]);
    expect(decode("I16", 0xff, 0xff)).toEqual([-1]);
    expect(decode("U64", 1, 0, 0, 0, 0, 0, 0, 0)).toEqual([1]);
    expect(decode("F64", 0, 0, 0, 0, 0, 0, 0xf8, 0x3f)).toEqual([1.5]);
  });
  it("round once when written", () => {
    const third = Float32Array.of(1 / 3);
    expect([...ELEMENTS.get("F16")!.decode!(encodeElements("F16", third))]).toEqual([0.333251953125]);
    expect([...ELEMENTS.get("BF16")!.decode!(encodeElements("BF16", third))]).toEqual([0.333984375]);
    expect([...ELEMENTS.get("F32")!.decode!(encodeElements("F32", third))]).toEqual([...third]);
  });
});
