/** What tests of formats share: a format as a decoding program, random blocks, and what they mean. */
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { packRecords, unpackRecords } from "../../compiler/records.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { f16Round } from "../../ir/float.ts";
import type { Field, Format } from "../../ir/format.ts";
import type { Program } from "../../ir/program.ts";
import { isInt, rangeOf } from "../../ir/scalar.ts";
import { random } from "../passes/support.ts";
import { BlockBits, type Decoder, type Outer } from "./decoders.ts";

export interface Decoding {
  readonly format: Format;
  readonly program: Program;
}

/** A program that decodes a tensor of `rows` × `columns` in a format; `prelude` may declare it. */
export function decodingOf(name: string, rows: number, columns: number, prelude = ""): Decoding {
  const text = `${prelude}\nop decode<N, K>(w: ${name}[N, K]) -> f32[N, K] { y[n, k] = w[n, k] }`;
  const diagnostics = new Diagnostics();
  const module = check([{ name: "decode.loom", text }], diagnostics);
  const program = instantiate(module, "decode", { N: rows, K: columns }, diagnostics);
  if (program === undefined || diagnostics.list.length > 0) internal(`${name}: ${JSON.stringify(diagnostics.list)}`);
  return { program, format: module.formats.find((f) => f.name === name) ?? internal(`no format ${name}`) };
}

/** Random values of a field outside blocks: any integer, numbers of moderate size that an f16 holds. */
function randomField(field: Field, count: number, next: () => number): Float64Array {
  const { type } = field;
  if (!isInt(type)) return Float64Array.from({ length: count }, () => f16Round((next() - 0.5) * 4));
  const [low, high] = rangeOf(type);
  return Float64Array.from({ length: count }, () => low + Math.floor(next() * (high - low + 1)));
}

export interface Sample {
  readonly inputs: Readonly<Record<string, Float64Array>>;
  /** Values by row and column, decoded from the bytes by the second reading. */
  readonly expected: Float64Array;
}

/**
 * Random records, row by row, as the program's inputs and as what the decoder makes of their bytes. `finite`: blocks with
 * infinities or NaN are all zeros instead.
 */
export function randomSample(
  { format, program }: Decoding,
  decoder: Decoder,
  rows: number,
  columns: number,
  finite = false,
): Sample {
  const next = random(format.name.length * 7919 + rows);
  const blocks = (rows * columns) / decoder.block;
  const bytes = Uint8Array.from({ length: Math.ceil((decoder.bits * blocks) / 8) }, () => Math.floor(next() * 256));
  const fields = unpackRecords(format, bytes, blocks);
  // Scales that are no numbers would hide everything else.
  for (const values of Object.values(fields))
    values.forEach((v, n) => {
      if (!Number.isFinite(v)) values[n] = 0.5;
    });
  const limited = (field: Field, values: Float64Array): Float64Array => {
    const limit = decoder.below?.[field.name];
    if (limit !== undefined) for (const [n, v] of values.entries()) values[n] = v % limit;
    return values;
  };
  const inputs: Record<string, Float64Array> = {};
  const outer: { readonly field: Field; readonly values: Float64Array }[] = [];
  for (const field of format.fields) {
    const instances = field.scope === "row" ? rows : 1;
    const drawn = field.scope === "block" ? fields[field.name]! : randomField(field, instances * field.count, next);
    const values = limited(field, drawn);
    if (field.scope !== "block") outer.push({ field, values });
    const id = program.tensors.some((t) => t.id === "w") ? "w" : `w.${field.name}`;
    inputs[id] = values;
  }
  const outerOf = (row: number): Outer =>
    Object.fromEntries(
      outer.map(({ field: { name, scope, count }, values }) => [
        name,
        scope === "row" ? values.subarray(row * count, (row + 1) * count) : values,
      ]),
    );
  const perRow = columns / decoder.block;
  const decode = (): Float64Array => {
    const record = packRecords(format, fields, blocks);
    const decoded = new Float64Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      const own = outerOf(row);
      for (let b = row * perRow; b < (row + 1) * perRow; b++) {
        const bits = new BlockBits(record, b * decoder.bits);
        for (let i = 0; i < decoder.block; i++) decoded[b * decoder.block + i] = decoder.value(bits, i, own);
      }
    }
    return decoded;
  };
  const expected = decode();
  const broken = [...expected.keys()].filter((n) => finite && !Number.isFinite(expected[n]));
  if (broken.length === 0) return { inputs, expected };
  for (const block of new Set(broken.map((n) => Math.floor(n / decoder.block))))
    for (const { name, scope, count } of format.fields)
      if (scope === "block") fields[name]!.fill(0, block * count, (block + 1) * count);
  return { inputs, expected: decode() };
}

/** The decoded tensor in real arithmetic. */
export function decodeReal({ program }: Decoding, inputs: Sample["inputs"]): Float64Array {
  return evalProgram(program, inputs, { arithmetic: "real", roundOutputs: false }).y!;
}
