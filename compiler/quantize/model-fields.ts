/** Codes and parameters of a modelled format, brought into its fields and out of them again. */
import { internal } from "../../ir/diagnostics.ts";
import { isFloat } from "../../ir/scalar.ts";
import type { FieldValues } from "./encoder.ts";
import { digitOf, type PackedCodes, type Parameter, type Storage } from "./format-probe.ts";

/** What parameters hold: instances row by row, several elements of an instance side by side. */
export type ParameterValues = ReadonlyMap<Parameter, ArrayLike<number>>;

/** The fields that hold codes (one a value) and parameters. */
export function splitFields(
  { codes: digits, packed, parameters }: Storage,
  block: number,
  columns: number,
  codes: Uint16Array,
  values: ParameterValues,
): FieldValues {
  const out = new Map<string, ArrayLike<number>>();
  if (packed !== undefined) out.set(packed.field.name, packCodes(packed, digits[0]!.size, block, columns, codes));
  else
    for (const { field, first, size, stride } of digits) {
      const own = new Int16Array(codes.length);
      for (let i = 0; i < codes.length; i++) own[i] = first + (Math.floor(codes[i]! / stride) % size);
      out.set(field.name, own);
    }
  for (const parameter of parameters) {
    const held = values.get(parameter) ?? internal(`no values of ${parameter.name}`);
    if (parameter.digits.length === 1) out.set(parameter.name, held);
    else
      for (const digit of parameter.digits)
        out.set(
          digit.field.name,
          Float64Array.from(held, (v) => digitOf(digit, v)),
        );
  }
  return out;
}

/** The codes of values, in the order of the tensor. */
export function codesOf(
  { codes: digits, packed }: Storage,
  block: number,
  columns: number,
  fields: FieldValues,
): Uint16Array {
  if (packed !== undefined) return unpackCodes(packed, block, columns, fields);
  const out = new Uint16Array(fields.get(digits[0]!.field.name)!.length);
  for (const { field, first, stride } of digits) {
    const own = fields.get(field.name)!;
    for (let i = 0; i < out.length; i++) out[i]! += (own[i]! - first) * stride;
  }
  return out;
}

/** What a parameter's instances hold. */
export function heldBy(parameter: Parameter, fields: FieldValues): ArrayLike<number> {
  const [only, second] = parameter.digits;
  if (isFloat(parameter.type) || second === undefined) return fields.get(only!.field.name)!;
  const out = new Float64Array(fields.get(only!.field.name)!.length);
  for (const { field, first, stride } of parameter.digits) {
    const own = fields.get(field.name)!;
    for (let i = 0; i < out.length; i++) out[i]! += (own[i]! - first) * stride;
  }
  return out;
}

/** Where element e of a block's stored codes begins, and the members of it that the row still has. */
function packCodes(
  { members, pack, field }: PackedCodes,
  base: number,
  block: number,
  columns: number,
  codes: Uint16Array,
): Int16Array {
  const perRow = Math.ceil(columns / block);
  const rows = codes.length / columns;
  const out = new Int16Array(rows * perRow * field.count);
  for (let n = 0; n < rows * perRow; n++) {
    const column = (n % perRow) * block;
    const start = Math.floor(n / perRow) * columns + column;
    const left = Math.min(block, columns - column);
    for (let e = 0; e < field.count; e++) {
      let key = 0;
      const own = members[e]!;
      for (let m = own.length - 1; m >= 0; m--) key = key * base + (own[m]! < left ? codes[start + own[m]!]! : 0);
      out[n * field.count + e] = pack[e]![key]!;
    }
  }
  return out;
}

function unpackCodes(
  { members, unpack, field }: PackedCodes,
  block: number,
  columns: number,
  fields: FieldValues,
): Uint16Array {
  const stored = fields.get(field.name)!;
  const perRow = Math.ceil(columns / block);
  const blocks = stored.length / field.count;
  const first = field.type.startsWith("i") ? -(unpack[0]!.length / 2) : 0;
  const out = new Uint16Array((blocks / perRow) * columns);
  for (let n = 0; n < blocks; n++) {
    const column = (n % perRow) * block;
    const start = Math.floor(n / perRow) * columns + column;
    const left = Math.min(block, columns - column);
    for (let e = 0; e < field.count; e++) {
      const codes = unpack[e]![stored[n * field.count + e]! - first]!;
      for (const [m, i] of members[e]!.entries()) if (i < left) out[start + i] = codes[m]!;
    }
  }
  return out;
}
