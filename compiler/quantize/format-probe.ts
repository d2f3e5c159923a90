/** What is stored in a format, seen by evaluating its declaration: which fields are codes, which hold for several values. */
import { internal } from "../../ir/diagnostics.ts";
import { compileExpr, reachable } from "../../ir/eval/expr.ts";
import type { Field, FieldScope, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, rangeOf, type Scalar } from "../../ir/scalar.ts";

/** A part of an integer: (what the field holds − first) · stride. */
export interface Digit {
  readonly field: Field;
  readonly first: number;
  readonly size: number;
  readonly stride: number;
}

/** A number that several values share: a float, or an integer in one field or, digit by digit, in several. */
export interface Parameter {
  readonly name: string;
  readonly type: Scalar;
  readonly scope: FieldScope;
  /** Elements per instance, and values of the block that share one. */
  readonly count: number;
  readonly span: number;
  /** The fields that hold it, widest first where they are several. */
  readonly digits: readonly Digit[];
}

/** Codes of several values in one element: base-3 digits in bytes. */
export interface PackedCodes {
  readonly field: Field;
  /** For each element the values of the block that it holds. */
  readonly members: readonly (readonly number[])[];
  /** By element and stored code (from the type's least value on): the code of each member. */
  readonly unpack: readonly (readonly Uint8Array[])[];
  /** By element: the stored code of the members' codes, first member lowest, in base `codes`. */
  readonly pack: readonly Int32Array[];
}

/** Where codes and parameters lie. `packed` replaces `codes`, whose one digit is then of no field in the file. */
export interface Storage {
  readonly codes: readonly Digit[];
  readonly packed?: PackedCodes;
  readonly parameters: readonly Parameter[];
}

export type Values = ReadonlyMap<Parameter, number>;
/** The value of a code under these parameters. */
export type Evaluate = (code: number, values: Values) => number;

const MAX_CODE_BITS = 12;
const MAX_PARAMETER_BITS = 8;
/** More values than this are no grid of packed codes. */
const MAX_PACKED_CODES = 4;

/** All integers that a type holds, in order. */
export function valuesOf(type: Scalar): readonly number[] {
  if (!isInt(type)) return internal(`${type} is no integer`);
  const [min, max] = rangeOf(type);
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}

/** What a field holds for a code. */
export function digitOf({ first, size, stride }: Digit, code: number): number {
  return first + (Math.floor(code / stride) % size);
}

/** Fields as digits of one integer, the widest lowest. */
export function digitsOf(fields: readonly Field[]): readonly Digit[] {
  let stride = 1;
  return fields
    .toSorted((a, b) => bitsOf(b.type) - bitsOf(a.type))
    .map((field) => {
      const size = 2 ** bitsOf(field.type);
      const digit = { field, first: isInt(field.type) ? rangeOf(field.type)[0] : 0, size, stride };
      stride *= size;
      return digit;
    });
}

/** The storages that a declaration may have, the likeliest first. */
export function storagesOf(format: Format): readonly Storage[] {
  const codes = format.fields.filter((f) => f.scope === "block" && f.count === format.block && isInt(f.type));
  const others = format.fields.filter((f) => !codes.includes(f));
  const parameters = parametersOf(format, others);
  if (codes.length === 0) {
    const packed = packedOf(format);
    return packed === undefined ? [] : [packed];
  }
  const bits = codes.reduce((sum, f) => sum + bitsOf(f.type), 0);
  if (parameters === undefined || bits > MAX_CODE_BITS || !standAlone(format, codes)) return [];
  // In blocks of one value nothing tells codes from parameters, unless there is only one.
  if (format.block === 1 && codes.length > 1 && format.fields.length > codes.length + 1) return [];
  const plain = { codes: digitsOf(codes), parameters };
  const joined = joinDigits(parameters);
  return joined === undefined ? [plain] : [plain, { ...plain, parameters: joined }];
}

/** The fields beside the codes as parameters, or undefined where one is used in another way. */
function parametersOf(format: Format, fields: readonly Field[]): readonly Parameter[] | undefined {
  const parameters: Parameter[] = [];
  for (const field of fields) {
    const usable = isFloat(field.type) || bitsOf(field.type) <= MAX_PARAMETER_BITS;
    const span = field.scope === "block" ? format.block / field.count : Number.POSITIVE_INFINITY;
    if (!usable || (span !== Number.POSITIVE_INFINITY && !Number.isInteger(span))) return undefined;
    if (span === Number.POSITIVE_INFINITY && field.count !== 1) return undefined;
    const { name, type, scope, count } = field;
    const places = placesOf(format, field);
    const regular = places.every((at) => at?.every((e, i) => e === (count === 1 ? 0 : Math.floor(i / span))));
    if (!regular) return undefined;
    parameters.push({ name, type, scope, count, span, digits: digitsOf([field]) });
  }
  return parameters;
}

/** For each use of a field the element that each value reads; undefined for a use that depends on what is stored. */
function placesOf(format: Format, field: Field): readonly (readonly number[] | undefined)[] {
  return format.uses
    .filter((use) => use.field === field.name)
    .map(({ index }) => {
      if (reachable(format.exprs, [index]).some((id) => format.exprs.exprs[id]!.kind === "input")) return undefined;
      const state = { i: 0 };
      const at = compileExpr(format.exprs, index, { arithmetic: "real", symbol: () => () => state.i });
      return Array.from({ length: format.block }, (_, i) => {
        state.i = i;
        return at();
      });
    });
}

/** True where element i's value depends on nothing but its own code and the parameters. */
function standAlone(format: Format, codes: readonly Field[]): boolean {
  const usesIndex = reachable(format.exprs, [format.value]).some((id) => format.exprs.exprs[id]!.kind === "symbol");
  return !usesIndex && codes.every((field) => placesOf(format, field).every((at) => at?.every((e, i) => e === i)));
}

/** Integers of equal places as digits of one parameter each: the low and high bits of a scale. */
function joinDigits(parameters: readonly Parameter[]): readonly Parameter[] | undefined {
  const out: Parameter[] = [];
  for (const p of parameters) {
    const mates = isInt(p.type)
      ? parameters.filter((o) => isInt(o.type) && o.scope === p.scope && o.count === p.count)
      : [p];
    if (mates[0] !== p) continue;
    const digits = digitsOf(mates.flatMap((m) => m.digits.map((d) => d.field)));
    const bits = digits.reduce((sum, d) => sum + Math.log2(d.size), 0);
    if (mates.length === 1 || bits > MAX_PARAMETER_BITS) out.push(p);
    else out.push({ ...p, name: mates.map((m) => m.name).join("|"), type: `u${bits}`, digits });
  }
  return out.length === parameters.length ? undefined : out;
}

/** What evaluates a format's value from codes and parameters; for packed codes that of the first element's first member. */
export function evaluatorOf(format: Format, { codes, parameters, packed }: Storage): Evaluate {
  const state: { code: number; values: Values } = { code: 0, values: new Map() };
  const fields = format.uses.map((use) => format.fields.find((f) => f.name === use.field));
  const first = packed === undefined ? 0 : packed.members[0]![0]!;
  const value = compileExpr(format.exprs, format.value, {
    arithmetic: "real",
    symbol: () => () => first,
    input: (n) => {
      const field = fields[n] ?? internal(`use ${n} of no field`);
      if (field === packed?.field) return () => packed.pack[0]![state.code]!;
      const code = codes.find((c) => c.field === field);
      if (code !== undefined) return () => digitOf(code, state.code);
      const parameter = parameters.find((p) => p.digits.some((d) => d.field === field));
      const digit = parameter?.digits.find((d) => d.field === field);
      if (parameter === undefined || digit === undefined)
        return internal(`${field.name} is neither code nor parameter`);
      if (isFloat(parameter.type) || parameter.digits.length === 1) return () => state.values.get(parameter)!;
      return () => digitOf(digit, state.values.get(parameter)!);
    },
    table: (name) => format.tables.find((t) => t.name === name),
  });
  return (c, values) => {
    state.code = c;
    state.values = values;
    return value();
  };
}

/** Codes of several values in each element of the only integer field. */
function packedOf(format: Format): Storage | undefined {
  const integers = format.fields.filter((f) => isInt(f.type));
  const [field] = integers;
  if (field === undefined || integers.length > 1 || field.scope !== "block" || bitsOf(field.type) > 8) return undefined;
  const floats = parametersOf(format, format.fields.filter((f) => f !== field)); // biome-ignore format: one line
  const [at, ...more] = placesOf(format, field);
  if (floats === undefined || at === undefined || more.some((m) => m?.some((e, i) => e !== at[i]))) return undefined;
  const members = Array.from({ length: field.count }, (_, e) => [...at.keys()].filter((i) => at[i] === e));
  const state = { i: 0, code: 0 };
  const fields = format.uses.map((use) => format.fields.find((f) => f.name === use.field));
  const value = compileExpr(format.exprs, format.value, {
    arithmetic: "real",
    symbol: () => () => state.i,
    input: (n) => (fields[n] === field ? () => state.code : () => 1),
    table: (name) => format.tables.find((t) => t.name === name),
  });
  const stored = valuesOf(field.type);
  const valueAt = (i: number, code: number): number => {
    state.i = i;
    state.code = code;
    return value();
  };
  const grid = [...new Set(at.flatMap((_, i) => stored.map((code) => valueAt(i, code))))].sort((a, b) => a - b);
  if (grid.length > MAX_PACKED_CODES || !grid.every(Number.isFinite)) return undefined;
  const unpack = members.map((own) => stored.map((c) => Uint8Array.from(own, (i) => grid.indexOf(valueAt(i, c)))));
  const pack = unpack.map((codes) => packTable(codes, stored, grid.length));
  if (pack.some((table) => table === undefined)) return undefined;
  // Codes by value, as a field of the format would hold them.
  const bits = Math.ceil(Math.log2(grid.length));
  const own: Field = { ...field, type: `u${bits}`, count: format.block };
  const packed = { field, members, unpack, pack: pack.map((t) => t ?? internal("checked")) };
  return { codes: [{ field: own, first: 0, size: grid.length, stride: 1 }], packed, parameters: floats };
}

/** The first stored code of every combination of members' codes; undefined where one has none. */
function packTable(codes: readonly Uint8Array[], stored: readonly number[], base: number): Int32Array | undefined {
  const count = codes[0]!.length;
  const table = new Int32Array(base ** count);
  const seen = new Uint8Array(base ** count);
  for (const [n, own] of codes.entries()) {
    const key = own.reduceRight((sum, c) => sum * base + c, 0);
    if (seen[key] === 1) continue;
    seen[key] = 1;
    table[key] = stored[n]!;
  }
  return seen.every((s) => s === 1) ? table : undefined;
}
