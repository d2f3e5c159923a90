/** Records: the blocks of a format as files store them, taken apart into field values and put together again. */
import { internal } from "../ir/diagnostics.ts";
import type { Field, Format } from "../ir/format.ts";
import { decoderOf, encoderOf } from "../ir/pack.ts";
import { bitsOf } from "../ir/scalar.ts";
import { fieldAddress } from "./instantiate/stream-layouts.ts";

/** Values of block fields by name: element e of block b of a field is number b · count + e. */
export type RecordFields = Readonly<Record<string, Float64Array>>;

/** Consecutive bits of an element: `count` bits of the record from `address` on are those of the element from `shift` on. */
interface Run {
  readonly address: number;
  readonly shift: number;
  readonly count: number;
}

/** Bytes that `blocks` records take: they follow each other without gaps. */
export function recordBytes(format: Format, blocks: number): number {
  return Math.ceil((format.recordBits * blocks) / 8);
}

/** The fields of `blocks` consecutive records; bit b of the stream is bit b % 8 of byte ⌊b / 8⌋. */
export function unpackRecords(format: Format, bytes: Uint8Array, blocks: number): RecordFields {
  if (bytes.length < recordBytes(format, blocks)) internal(`${blocks} records of ${format.name} need more bytes`);
  const entries = blockFields(format).map((field) => {
    const runs = runsOf(field);
    const toValue = decoderOf(field.type);
    const values = new Float64Array(blocks * field.count);
    for (let b = 0; b < blocks; b++) {
      const base = b * format.recordBits;
      for (let e = 0; e < field.count; e++) {
        let code = 0;
        for (const { address, shift, count } of runs[e]!)
          code = (code | (readBits(bytes, base + address, count) << shift)) >>> 0;
        values[b * field.count + e] = toValue(code);
      }
    }
    return [field.name, values] as const;
  });
  return Object.fromEntries(entries);
}

/** The inverse of `unpackRecords`; bits that belong to no field are 0. */
export function packRecords(format: Format, fields: RecordFields, blocks: number): Uint8Array {
  const bytes = new Uint8Array(recordBytes(format, blocks));
  for (const field of blockFields(format)) {
    const runs = runsOf(field);
    const toCode = encoderOf(field.type);
    const values = fields[field.name] ?? internal(`no values of field ${field.name}`);
    for (let b = 0; b < blocks; b++) {
      const base = b * format.recordBits;
      for (let e = 0; e < field.count; e++) {
        const code = toCode(values[b * field.count + e]!);
        for (const { address, shift, count } of runs[e]!) writeBits(bytes, base + address, count, code >>> shift);
      }
    }
  }
  return bytes;
}

const blockFields = (format: Format): readonly Field[] => format.fields.filter((f) => f.scope === "block");

function runsOf(field: Field): readonly (readonly Run[])[] {
  const bits = bitsOf(field.type);
  return Array.from({ length: field.count }, (_, e) => {
    const runs: Run[] = [];
    for (let bit = 0; bit < bits; bit++) {
      const address = fieldAddress(field.layout, e, bit, bits);
      const last = runs.at(-1);
      if (last !== undefined && last.address + last.count === address)
        runs[runs.length - 1] = { ...last, count: last.count + 1 };
      else runs.push({ address, shift: bit, count: 1 });
    }
    return runs;
  });
}

function readBits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let done = 0; done < count; ) {
    const offset = (at + done) & 7;
    const take = Math.min(8 - offset, count - done);
    const part = (bytes[(at + done) >>> 3]! >> offset) & ((1 << take) - 1);
    value = (value | (part << done)) >>> 0;
    done += take;
  }
  return value;
}

function writeBits(bytes: Uint8Array, at: number, count: number, value: number): void {
  for (let done = 0; done < count; ) {
    const offset = (at + done) & 7;
    const take = Math.min(8 - offset, count - done);
    const mask = ((1 << take) - 1) << offset;
    const index = (at + done) >>> 3;
    bytes[index] = (bytes[index]! & ~mask) | (((value >>> done) << offset) & mask);
    done += take;
  }
}
