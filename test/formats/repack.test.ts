/** Repackers: streams are what the record reader makes of the same bytes, and going back gives the bytes again. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { unpackRecords } from "../../compiler/records.ts";
import { repackHeader, repackPlan, toRecords, toStreams } from "../../compiler/repack.ts";
import { bytesOfWords } from "../../ir/pack.ts";
import { toWords } from "../../ir/storage.ts";
import { describeWith } from "../tools.ts";
import { allFormats } from "./compiled.ts";
import { decodingOf } from "./support.ts";

const ROWS = 3;

/** Every format whose value comes in records with a place for every bit. */
function planOf(name: string) {
  const { block } = decodingOf(name, 1, 4096 * 15).format;
  const columns = block * 3;
  const decoding = decodingOf(name, ROWS, columns);
  return { ...decoding, plan: repackPlan(decoding.program, "w") };
}

const NAMES = allFormats().filter((name) => !/^[iu]\d_|^nf4_double|^fp4_double/.test(name) || /^[iu]3_/.test(name));
const FLOATS = /^b?f\d/;

it.each(NAMES)("%s: to streams and back", (name) => {
  const { format, program, plan } = planOf(name);
  if (plan === undefined) {
    // A single plain type is its own stream.
    expect(program.tensors.filter((t) => t.origin !== undefined)).toEqual([]);
    return;
  }
  const blocks = ROWS * plan.blocks;
  const length = Math.ceil((blocks * plan.recordBits) / 8);
  const used = new Set(
    plan.streams.flatMap((s) => s.moves.flatMap((m) => [...Array(m.count).keys()].map((n) => m.record + n))),
  );
  expect(used.size).toBe(plan.recordBits);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (records) => {
      const extra = 8 * length - blocks * plan.recordBits;
      records[length - 1] = records[length - 1]! & (0xff >> extra);
      const streams = toStreams(plan, records);
      expect(toRecords(plan, streams)).toEqual(records);
      const fields = unpackRecords(format, records, blocks);
      for (const tensor of program.tensors.filter((t) => streams[t.id] !== undefined && !FLOATS.test(t.type)))
        expect(streams[tensor.id]).toEqual(bytesOfWords(toWords(tensor, fields[tensor.origin!.field]!)));
    }),
    { numRuns: 3, seed: 5 },
  );
});

describeWith(["clang-16"], "the generated header", () => {
  it.each(["q4_0", "q6_k", "mxfp6_e2m3"])("%s does the same in C++", (name) => {
    const { plan } = planOf(name);
    const folder = mkdtempSync(join(tmpdir(), "bitloom-repack-"));
    const sizes = plan!.streams.map((s) => 4 * s.words);
    const length = (plan!.rows * plan!.blocks * plan!.recordBits) / 8;
    const names = plan!.streams.map((_, n) => `s${n}.data()`).join(", ");
    const main = `#include "repack.h"
#include <cstdio>
#include <vector>
int main() {
  std::vector<uint8_t> records(${length}), back(${length});
  if (std::fread(records.data(), 1, records.size(), stdin) != records.size()) return 3;
  ${sizes.map((bytes, n) => `std::vector<uint8_t> s${n}(${bytes});`).join(" ")}
  op_w_to_streams(records.data(), ${names});
  op_w_to_records(back.data(), ${names});
  if (back != records) return 1;
  ${sizes.map((_, n) => `std::fwrite(s${n}.data(), 1, s${n}.size(), stdout);`).join(" ")}
}`;
    writeFileSync(join(folder, "repack.h"), repackHeader(plan!, "op"));
    writeFileSync(join(folder, "main.cpp"), main);
    const flags = ["-O1", "-Wall", "-Wextra", "-Werror"];
    execFileSync("clang++-16", [...flags, "-o", join(folder, "main"), join(folder, "main.cpp")]);
    const records = Uint8Array.from({ length }, (_, n) => (n * 73 + 11) % 251);
    const out = execFileSync(join(folder, "main"), { input: records });
    rmSync(folder, { recursive: true });
    const streams = toStreams(plan!, records);
    expect(new Uint8Array(out)).toEqual(new Uint8Array(Buffer.concat(plan!.streams.map((s) => streams[s.tensor]!))));
  });
});
