/** Records and streams: taking blocks apart and putting them together are inverse, whatever the layout. */
import { describe, expect, it } from "vitest";
import { packRecords, recordBytes, unpackRecords } from "../../compiler/records.ts";
import { stdFiles } from "../../compiler/std.ts";
import { fromWords, toWords } from "../../ir/storage.ts";
import { random } from "../passes/support.ts";
import { decodingOf } from "./support.ts";

const NAMES = stdFiles().flatMap((file) => file.formats);

describe("records", () => {
  it.each(NAMES)("%s: bytes to fields to streams and back", (name) => {
    const { format } = decodingOf(name, 1, decodingOf(name, 1, 4096 * 5).format.block);
    const blocks = 3;
    const { program } = decodingOf(name, 1, blocks * format.block);
    const next = random(3);
    const bytes = Uint8Array.from({ length: recordBytes(format, blocks) }, () => Math.floor(next() * 256));
    // Bits behind the last record belong to nothing.
    const extra = 8 * bytes.length - blocks * format.recordBits;
    bytes[bytes.length - 1] = bytes.at(-1)! & (0xff >> extra);
    const fields = unpackRecords(format, bytes, blocks);
    // A NaN has many codes; its payload is not kept.
    const floats = format.fields.some((f) => f.scope === "block" && /^b?f/.test(f.type));
    if (!floats) expect(packRecords(format, fields, blocks)).toEqual(bytes);
    const kept = packRecords(format, fields, blocks);
    expect(unpackRecords(format, kept, blocks)).toEqual(fields);
    for (const field of format.fields) {
      if (field.scope !== "block") continue;
      const tensor =
        program.tensors.find((t) => t.id === `w.${field.name}`) ?? program.tensors.find((t) => t.id === "w")!;
      const words = toWords(tensor, fields[field.name]!);
      expect(fromWords(tensor, words)).toEqual(fields[field.name]);
    }
  });

  it("puts q4_0's bytes where ggml does", () => {
    const { format } = decodingOf("q4_0", 1, 32);
    // 1.0 in f16 is 0x3c00; value i has code i % 16, so byte j holds j and j.
    const fields = { d: Float64Array.of(1), q: Float64Array.from({ length: 32 }, (_, i) => i % 16) };
    const bytes = packRecords(format, fields, 1);
    expect([...bytes]).toEqual([0x00, 0x3c, ...Array.from({ length: 16 }, (_, j) => j * 17)]);
  });
});
