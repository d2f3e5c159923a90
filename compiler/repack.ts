/**
 * Repackers: from records as files store them (18 bytes a block of 32, say) to the aligned streams that kernels read, and
 * back. Both directions follow from the format's declaration and the streams' layouts.
 */
import type { Field } from "../ir/format.ts";
import { compileAddress } from "../ir/layout/apply.ts";
import { addressBits } from "../ir/layout/build.ts";
import { BIT } from "../ir/layout/layout.ts";
import type { Program, Tensor } from "../ir/program.ts";
import { bitsOf } from "../ir/scalar.ts";
import { fieldAddress } from "./instantiate/stream-layouts.ts";

/** Neighbouring bits: `count` of them from bit `record` of a block's record are those from bit `stream` of its part. */
interface Move {
  readonly record: number;
  readonly stream: number;
  readonly count: number;
}

/** How one field lies in its stream: block b of row r begins at r · rowBits + b · blockBits. */
interface StreamPlan {
  /** The stream's tensor: "w.q". */
  readonly tensor: string;
  readonly words: number;
  readonly rowBits: number;
  readonly blockBits: number;
  readonly moves: readonly Move[];
}

/** All that repacking one operand takes; bits are counted from the lowest of the first byte. */
export interface RepackPlan {
  readonly operand: string;
  readonly format: string;
  readonly rows: number;
  /** Blocks of a row; records follow each other without gaps, rows too. */
  readonly blocks: number;
  readonly recordBits: number;
  readonly streams: readonly StreamPlan[];
}

/** Moves are at most this long, so that a 64-bit window holds one wherever it begins. */
const LONGEST = 32;

/** Bits of a field from record to stream, in order, joined where both sides run on. */
function movesOf(field: Field, streamBit: (e: number, bit: number) => number): readonly Move[] {
  const bits = bitsOf(field.type);
  const moves: Move[] = [];
  for (let e = 0; e < field.count; e++)
    for (let bit = 0; bit < bits; bit++) {
      const [record, stream] = [fieldAddress(field.layout, e, bit, bits), streamBit(e, bit)];
      const last = moves.at(-1);
      const joins = last !== undefined && last.record + last.count === record && last.stream + last.count === stream;
      if (joins && last.count < LONGEST) moves[moves.length - 1] = { ...last, count: last.count + 1 };
      else moves.push({ record, stream, count: 1 });
    }
  return moves;
}

/** Where a block's part begins, from the addresses of the first blocks and rows: both are as far apart everywhere. */
function streamPlan(field: Field, tensor: Tensor, rows: number): StreamPlan | undefined {
  if (tensor.layout === undefined) return undefined;
  const address = compileAddress(tensor.layout, [...tensor.axes, BIT]);
  const outer = tensor.axes.slice(0, -1).map(() => 0);
  const nextRow = [...outer];
  if (rows > 1) nextRow[tensor.shape.slice(0, -1).findLastIndex((extent) => extent > 1)] = 1;
  const at = (row: readonly number[], e: number, bit: number): number => address(...row, e, bit);
  const first = at(outer, 0, 0);
  const blocks = tensor.shape.at(-1)! / field.count;
  const blockBits = blocks > 1 ? at(outer, field.count, 0) - first : 0;
  return {
    tensor: tensor.id,
    words: Math.ceil(addressBits(tensor.layout) / 32),
    rowBits: rows > 1 ? at(nextRow, 0, 0) - first : 0,
    blockBits,
    moves: movesOf(field, (e, bit) => at(outer, e, bit)),
  };
}

/** The plan of a coded operand whose blocks lie along its last axis; undefined where it has no block of its own. */
export function repackPlan(program: Program, operand: string): RepackPlan | undefined {
  const streams = program.tensors.filter((t) => t.origin?.operand === operand && t.role === "input");
  const format = program.formats.find((f) => f.name === streams[0]?.origin?.format);
  if (format === undefined) return undefined;
  const fields = format.fields.filter((f) => f.scope === "block");
  const tensors = fields.map((f) => streams.find((t) => t.origin?.field === f.name));
  const [field, tensor] = [fields[0], tensors[0]];
  if (field === undefined || tensor === undefined) return undefined;
  const blocks = tensor.shape.at(-1)! / field.count;
  const rows = tensor.shape.slice(0, -1).reduce((n, e) => n * e, 1);
  const plans = fields.map((f, n) => tensors[n] && streamPlan(f, tensors[n], rows));
  if (!Number.isInteger(blocks) || !plans.every((p): p is StreamPlan => p !== undefined)) return undefined;
  return { operand, format: format.name, rows, blocks, recordBits: format.recordBits, streams: plans };
}

function getBits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let done = 0; done < count; ) {
    const offset = (at + done) & 7;
    const take = Math.min(8 - offset, count - done);
    value += ((bytes[(at + done) >>> 3]! >> offset) & ((1 << take) - 1)) * 2 ** done;
    done += take;
  }
  return value;
}

function putBits(bytes: Uint8Array, at: number, count: number, value: number): void {
  for (let done = 0; done < count; ) {
    const offset = (at + done) & 7;
    const take = Math.min(8 - offset, count - done);
    const mask = ((1 << take) - 1) << offset;
    const index = (at + done) >>> 3;
    bytes[index] = (bytes[index]! & ~mask) | ((Math.floor(value / 2 ** done) << offset) & mask);
    done += take;
  }
}

function eachMove(
  plan: RepackPlan,
  stream: StreamPlan,
  move: (record: number, at: number, count: number) => void,
): void {
  for (let row = 0; row < plan.rows; row++)
    for (let block = 0; block < plan.blocks; block++) {
      const from = (row * plan.blocks + block) * plan.recordBits;
      const to = row * stream.rowBits + block * stream.blockBits;
      for (const m of stream.moves) move(from + m.record, to + m.stream, m.count);
    }
}

/** The streams' bytes by tensor, from the bytes of all records. */
export function toStreams(plan: RepackPlan, records: Uint8Array): Record<string, Uint8Array> {
  return Object.fromEntries(
    plan.streams.map((stream) => {
      const bytes = new Uint8Array(4 * stream.words);
      eachMove(plan, stream, (record, at, count) => putBits(bytes, at, count, getBits(records, record, count)));
      return [stream.tensor, bytes];
    }),
  );
}

/** The bytes of all records from the streams': the inverse. */
export function toRecords(plan: RepackPlan, streams: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const records = new Uint8Array(Math.ceil((plan.rows * plan.blocks * plan.recordBits) / 8));
  for (const stream of plan.streams) {
    const bytes = streams[stream.tensor]!;
    eachMove(plan, stream, (record, at, count) => putBits(records, record, count, getBits(bytes, at, count)));
  }
  return records;
}

/** A C and C++ header with both directions for one operand; needs no library but the language's own. */
export function repackHeader(plan: RepackPlan, name: string): string {
  const id = (text: string): string => text.replaceAll(/\W/g, "_");
  const prefix = `${id(name)}_${id(plan.operand)}`;
  const parameters = (read: boolean): string =>
    plan.streams.map((s) => `${read ? "const " : ""}uint8_t* ${id(s.tensor)}`).join(", ");
  const calls = (direction: 0 | 1): string =>
    plan.streams
      .map(
        (s) =>
          `  bitloom_repack(${direction}, (uint8_t*)records, (uint8_t*)${id(s.tensor)}, ${plan.rows}, ${plan.blocks}, ` +
          `${plan.recordBits}, ${s.rowBits}, ${s.blockBits}, ${prefix}_${id(s.tensor)}, ${s.moves.length});`,
      )
      .join("\n");
  const tables = plan.streams.map((s) => {
    const rows = s.moves.map((m) => `{${m.record}, ${m.stream}, ${m.count}}`).join(", ");
    return `static const bitloom_move ${prefix}_${id(s.tensor)}[] = {${rows}};  // ${4 * s.words} bytes`;
  });
  const bytes = Math.ceil((plan.rows * plan.blocks * plan.recordBits) / 8);
  return `// Repacks ${plan.operand}, ${plan.format}: ${plan.rows} rows of ${plan.blocks} records of ${plan.recordBits} bits (${bytes} bytes) to streams and back.
#ifndef BITLOOM_REPACK
#define BITLOOM_REPACK
#include <stddef.h>
#include <stdint.h>
typedef struct { uint32_t record, stream, count; } bitloom_move;
static inline uint32_t bitloom_get(const uint8_t* from, uint64_t at, uint32_t count) {
  uint64_t value = 0;
  for (uint32_t done = 0; done < count + (at & 7); done += 8) value |= (uint64_t)from[(at >> 3) + done / 8] << done;
  return (uint32_t)((value >> (at & 7)) & ((UINT64_C(1) << count) - 1));
}
static inline void bitloom_put(uint8_t* to, uint64_t at, uint32_t count, uint32_t value) {
  const uint64_t mask = ((UINT64_C(1) << count) - 1) << (at & 7), bits = (uint64_t)value << (at & 7);
  for (uint32_t done = 0; done < count + (at & 7); done += 8) {
    uint8_t* byte = to + (at >> 3) + done / 8;
    *byte = (uint8_t)((*byte & ~(mask >> done)) | ((bits & mask) >> done));
  }
}
static inline void bitloom_repack(int back, uint8_t* records, uint8_t* stream, uint64_t rows, uint64_t blocks, uint64_t recordBits,
                                  uint64_t rowBits, uint64_t blockBits, const bitloom_move* moves, size_t count) {
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t block = 0; block < blocks; ++block)
      for (size_t n = 0; n < count; ++n) {
        const uint64_t record = (row * blocks + block) * recordBits + moves[n].record;
        const uint64_t at = row * rowBits + block * blockBits + moves[n].stream;
        if (back) bitloom_put(records, record, moves[n].count, bitloom_get(stream, at, moves[n].count));
        else bitloom_put(stream, at, moves[n].count, bitloom_get(records, record, moves[n].count));
      }
}
#endif
${tables.join("\n")}
// Streams begin as zeros; what lies between their rows stays zero.
static inline void ${prefix}_to_streams(const uint8_t* records, ${parameters(false)}) {
${calls(0)}
}
static inline void ${prefix}_to_records(uint8_t* records, ${parameters(true)}) {
${calls(1)}
}
`;
}
