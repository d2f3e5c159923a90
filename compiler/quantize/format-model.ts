/**
 * What a declared format does, found by evaluating its value expression: value = Π scales · grid[choice][code] + offset.
 *
 * Encoders need that form; the declaration may spell it in any way. The model is read off a few evaluations and then
 * checked against random others, so that a format which only looks like it is never encoded wrongly.
 */
import { internal } from "../../ir/diagnostics.ts";
import { compileExpr, reachable } from "../../ir/eval/expr.ts";
import type { Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { floorLog2 } from "./mx.ts";

/** A field that multiplies every value of its scope. */
export interface ScaleField {
  readonly field: Field;
  /** Integer fields: the factor of each code, in the order of codes from the type's least value. Absent: itself. */
  readonly factors?: Float64Array;
  /** A code whose factor is not zero. */
  readonly unit?: number;
}

/** A part of a value's code: (what it holds − first) · stride. */
export interface CodeField {
  readonly field: Field;
  readonly first: number;
  readonly size: number;
  readonly stride: number;
}

export interface FormatModel {
  /** The integers of a value, widest first: together they are its code, the first one its lowest digits. */
  readonly codes: readonly CodeField[];
  readonly scales: readonly ScaleField[];
  /** Fields that choose a grid, and what they hold for each grid. */
  readonly selectors: readonly Field[];
  readonly choices: readonly (readonly number[])[];
  /** Values of each choice by code, all scales 1, zero point 0, offset 0; NaN for codes that are no numbers. */
  readonly grids: readonly (readonly number[])[];
  /** An integer that is subtracted from the code. */
  readonly zero?: Field;
  /** A float that is added to the scaled value, times `sign`. */
  readonly offset?: { readonly field: Field; readonly sign: 1 | -1 };
}

const MAX_CODE_BITS = 12;
const MAX_PARAMETER_BITS = 8;
const MAX_CHOICES = 256;
const SAMPLES = 400;

type Values = ReadonlyMap<Field, number>;
/** The value of a code. */
type Evaluate = (code: number, values: Values) => number;

/** The model of a format, or undefined where its values have another form. */
export function modelOf(format: Format): FormatModel | undefined {
  const digits = codeFieldsOf(format);
  if (digits === undefined) return undefined;
  const own = digits.map((d) => d.field);
  const parameters = format.fields.filter((f) => !own.includes(f));
  if (parameters.some((f) => f.count !== 1 || !isUsable(f)) || !standsAlone(format, own)) return undefined;
  const evaluate = evaluatorOf(format, digits);
  const codes = Array.from({ length: digits.reduce((n, d) => n * d.size, 1) }, (_, i) => i);
  const parts = classify(parameters, codes, evaluate);
  if (parts === undefined) return undefined;
  const choices = choicesOf(parts.selectors);
  if (choices === undefined) return undefined;
  const grids = choices.map((choice) => {
    const values = neutral(parameters, parts, choice);
    const unit = parts.scales.reduce((product, s) => product * factorOf(s, values.get(s.field)!), 1);
    return codes.map((c) => evaluate(c, values) / unit);
  });
  if (grids.some((grid) => !grid.some(Number.isFinite))) return undefined;
  const { scales, selectors, zero, offset } = parts;
  const found = { codes: digits, scales, selectors, choices, grids };
  const model = { ...found, ...(zero && { zero }), ...(offset && { offset }) };
  return holds(model, parameters, codes, evaluate) ? model : undefined;
}

/** The fields with an integer for each value. */
function codeFieldsOf(format: Format): readonly CodeField[] | undefined {
  const own = format.fields.filter((f) => f.scope === "block" && f.count === format.block && isInt(f.type));
  const bits = own.reduce((sum, f) => sum + bitsOf(f.type), 0);
  if (own.length === 0 || bits > MAX_CODE_BITS) return undefined;
  // In blocks of one value nothing tells codes from parameters, unless there is only one.
  if (format.block === 1 && own.length > 1 && format.fields.length > own.length + 1) return undefined;
  const sorted = own.toSorted((a, b) => bitsOf(b.type) - bitsOf(a.type));
  let stride = 1;
  return sorted.map((field) => {
    const size = 2 ** bitsOf(field.type);
    const digit = { field, first: valuesOf(field)[0]!, size, stride };
    stride *= size;
    return digit;
  });
}

/** What a field holds for a code. */
export function digitOf({ first, size, stride }: CodeField, code: number): number {
  return first + (Math.floor(code / stride) % size);
}

const isUsable = (field: Field): boolean =>
  isFloat(field.type) || (isInt(field.type) && bitsOf(field.type) <= MAX_PARAMETER_BITS);

/** True where element i's value depends on nothing but its own code and the parameters. */
function standsAlone(format: Format, codes: readonly Field[]): boolean {
  const usesIndex = reachable(format.exprs, [format.value]).some((id) => format.exprs.exprs[id]!.kind === "symbol");
  return (
    !usesIndex &&
    format.uses.every(({ field, index }) => {
      const at = format.exprs.exprs[index]!;
      return !codes.some((c) => c.name === field) || format.block === 1 || at.kind === "symbol";
    })
  );
}

function evaluatorOf(format: Format, codes: readonly CodeField[]): Evaluate {
  const state: { code: number; values: Values } = { code: 0, values: new Map() };
  const fields = format.uses.map((use) => format.fields.find((f) => f.name === use.field));
  const value = compileExpr(format.exprs, format.value, {
    arithmetic: "real",
    input: (n) => {
      const field = fields[n] ?? internal(`use ${n} of no field`);
      const digit = codes.find((c) => c.field === field);
      return digit === undefined ? () => state.values.get(field)! : () => digitOf(digit, state.code);
    },
    table: (name) => format.tables.find((t) => t.name === name),
  });
  return (c, values) => {
    state.code = c;
    state.values = values;
    return value();
  };
}

interface Parts {
  readonly scales: ScaleField[];
  readonly selectors: Field[];
  zero?: Field;
  offset?: { readonly field: Field; readonly sign: 1 | -1 };
}

function classify(parameters: readonly Field[], codes: readonly number[], evaluate: Evaluate): Parts | undefined {
  const parts: Parts = { scales: [], selectors: [] };
  const base = new Map(parameters.map((f) => [f, 1]));
  // Codes that are no numbers say nothing about scales.
  const usable = codes.filter((c) => Number.isFinite(evaluate(c, base)));
  if (usable.length === 0) return undefined;
  const rowOf = (field: Field) => (value: number): readonly number[] => {
    const values = new Map(base).set(field, value);
    return usable.map((c) => evaluate(c, values));
  }; // biome-ignore format: a function of two steps
  // Offsets first: only without them do scales show.
  for (const field of parameters.filter((f) => isFloat(f.type))) {
    const sign = offsetSign(rowOf(field));
    if (sign === undefined) continue;
    if (parts.offset !== undefined) return undefined;
    parts.offset = { field, sign };
    base.set(field, 0);
  }
  for (const field of parameters) {
    if (field === parts.offset?.field) continue;
    const row = rowOf(field);
    if (isFloat(field.type)) {
      if (!isProportional(row(2), row(1), 2) || !row(0).every((v) => v === 0 || Number.isNaN(v))) return undefined;
      parts.scales.push({ field });
      continue;
    }
    const rows = valuesOf(field).map(row);
    const found = factorsOf(rows);
    if (found !== undefined) parts.scales.push({ field, factors: found.factors, unit: valuesOf(field)[found.unit]! });
    else if (parts.zero === undefined && isZeroPoint(valuesOf(field), rows)) parts.zero = field;
    else parts.selectors.push(field);
  }
  return parts;
}

function valuesOf(field: Field): readonly number[] {
  if (!isInt(field.type)) return internal(`${field.name} is no integer`);
  const [min, max] = rangeOf(field.type);
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}

const close = (a: number, b: number): boolean =>
  Object.is(a, b) || Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b));

const isProportional = (row: readonly number[], of: readonly number[], factor: number): boolean =>
  row.every((v, i) => close(v, of[i]! * factor));

function offsetSign(row: (value: number) => readonly number[]): 1 | -1 | undefined {
  const [one, three] = [row(1), row(3)];
  for (const sign of [1, -1] as const) if (three.every((v, i) => close(v - one[i]!, 2 * sign))) return sign;
  return undefined;
}

/**
 * The factor of each row where all are multiples of one (NaN for rows that are no numbers), and the row they are measured
 * by. Measured at the code with the fewest significant bits, so that factors and grid are exact wherever that is possible.
 */
function factorsOf(
  rows: readonly (readonly number[])[],
): { readonly factors: Float64Array; readonly unit: number } | undefined {
  // Codes that are no numbers whatever the field holds say nothing about it.
  const numbers = rows[0]!.map((_, code) => rows.some((row) => Number.isFinite(row[code]!)));
  const size = (row: readonly number[]): number =>
    row.reduce((m, v, c) => (numbers[c]! ? Math.max(m, Math.abs(v)) : m), 0);
  const finite = rows.flatMap((row, i) => (row.every((v, c) => !numbers[c]! || Number.isFinite(v)) ? [i] : []));
  const unit = finite.reduce((best, i) => (size(rows[i]!) > size(rows[best]!) ? i : best), finite[0] ?? 0);
  const peak = size(rows[unit]!);
  if (!(peak > 0)) return undefined;
  const codes = rows[unit]!.map((v, code) => ({ v, code })).filter(({ v }) => v !== 0 && Number.isFinite(v));
  const at = codes.reduce((best, c) => (oddPart(c.v) < oddPart(best.v) ? c : best)).code;
  const exponent = floorLog2(Math.abs(rows[unit]![at]!)) - floorLog2(peak);
  const factors = Float64Array.from(rows, (row) => (row[at]! * Math.sign(rows[unit]![at]!)) / 2 ** exponent);
  const isScale = factors.every((f, i) => {
    const factor = f / factors[unit]!;
    return !Number.isFinite(f) || rows[i]!.every((v, c) => !numbers[c]! || close(v, rows[unit]![c]! * factor));
  });
  if (!isScale || new Set(factors).size < 2) return undefined;
  // Whole multiples keep their meaning: integers are then exactly the codes. Others put the grid's peak at 1 … 2.
  const smallest = factors.reduce((least, f) => (f > 0 && f < least ? f : least), Number.POSITIVE_INFINITY);
  const whole = smallest > 2 ** -16 && factors.every((f) => Number.isInteger(f / smallest));
  return { factors: whole ? factors.map((f) => f / smallest) : factors, unit };
}

/** A finite number without its factors of two: 1 for powers of two. */
function oddPart(x: number): number {
  let odd = Math.abs(x);
  while (!Number.isInteger(odd)) odd *= 2;
  while (odd % 2 === 0) odd /= 2;
  return odd;
}

const isZeroPoint = (values: readonly number[], rows: readonly (readonly number[])[]): boolean => {
  const [first, second] = [rows[0]!, rows[1]!];
  const step = first[0]! - second[0]!;
  return (
    step > 0 && rows.every((row, n) => row.every((v, i) => close(first[i]! - v, (values[n]! - values[0]!) * step)))
  );
};

function choicesOf(selectors: readonly Field[]): readonly (readonly number[])[] | undefined {
  const count = selectors.reduce((n, f) => n * valuesOf(f).length, 1);
  if (count > MAX_CHOICES) return undefined;
  return selectors.reduce<readonly (readonly number[])[]>(
    (all, field) => all.flatMap((choice) => valuesOf(field).map((v) => [...choice, v])),
    [[]],
  );
}

const factorOf = ({ field, factors }: ScaleField, value: number): number =>
  factors === undefined ? value : factors[value - valuesOf(field)[0]!]!;

function neutral(parameters: readonly Field[], parts: Parts, choice: readonly number[]): Values {
  return new Map(
    parameters.map((f) => {
      const selector = parts.selectors.indexOf(f);
      if (selector >= 0) return [f, choice[selector]!];
      if (f === parts.zero || f === parts.offset?.field) return [f, 0];
      return [f, parts.scales.find((s) => s.field === f)?.unit ?? 1];
    }),
  );
}

/** The value that the model gives a code, with the parameters as stored. */
export function modelValue(model: FormatModel, code: number, values: Values): number {
  const choice = model.choices.findIndex((c) => c.every((v, i) => values.get(model.selectors[i]!) === v));
  const grid = model.grids[choice] ?? internal("no such choice");
  const scale = model.scales.reduce((product, s) => product * factorOf(s, values.get(s.field)!), 1);
  const step = model.zero === undefined ? 0 : zeroStep(model);
  const zero = model.zero === undefined ? 0 : values.get(model.zero)! * step;
  const offset = model.offset === undefined ? 0 : model.offset.sign * values.get(model.offset.field)!;
  return scale * (grid[code]! - zero) + offset;
}

/** What one unit of the zero point subtracts: the distance of two codes. */
export function zeroStep({ grids }: FormatModel): number {
  return grids[0]![1]! - grids[0]![0]!;
}

/** Compares the model with the declaration at random codes and parameters. */
function holds(
  model: FormatModel,
  parameters: readonly Field[],
  codes: readonly number[],
  evaluate: Evaluate,
): boolean {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let n = 0; n < SAMPLES; n++) {
    const values = new Map(
      parameters.map((f) => {
        const all = isFloat(f.type) ? [0, 0.5, 1, 3, 2 ** -9, 40] : valuesOf(f);
        return [f, all[next(all.length)]!];
      }),
    );
    const code = codes[next(codes.length)]!;
    const expected = evaluate(code, values);
    const got = modelValue(model, code, values);
    if (Number.isFinite(expected) && !close(got, expected) && !(Math.abs(got - expected) < 1e-9)) return false;
  }
  return true;
}
