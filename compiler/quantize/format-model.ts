/**
 * What a declared format does, found by evaluating its value expression:
 * value = (Π scales + bias) · (grid[choice][code] − zero) + offset.
 *
 * Encoders need that form; the declaration may spell it in any way. The model is read off a few evaluations and then
 * checked against random others, so that a format which only looks like it is never encoded wrongly. Every parameter
 * belongs to a tensor, a row, a block or a part of a block: super-blocks of K-quants and nested scales are of this form.
 */
import { internal } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { type Evaluate, evaluatorOf, type Parameter, type Storage, storagesOf, type Values, valuesOf } from "./format-probe.ts"; // biome-ignore format: one line
import { floorLog2 } from "./mx.ts";

/** A parameter that multiplies every value of its scope. */
export interface ScaleField {
  readonly field: Parameter;
  /** Integers: the factor of each code, in the order of codes from the type's least value. Absent: itself. */
  readonly factors?: Float64Array;
  /** A code whose factor is not zero. */
  readonly unit?: number;
}

/** A float that is added to the scaled value, times `sign` and the factor of `coded`. */
export interface OffsetField {
  readonly field: Parameter;
  readonly sign: 1 | -1;
  readonly coded?: ScaleField;
}

export interface FormatModel {
  readonly storage: Storage;
  readonly scales: readonly ScaleField[];
  /** A float that is added to the product of the scales (QLoRA's mean of the absmax). */
  readonly bias?: Parameter;
  /** Parameters that choose a grid, and what they hold for each grid. */
  readonly selectors: readonly Parameter[];
  readonly choices: readonly (readonly number[])[];
  /** Values of each choice by code, all scales 1, zero point 0, offset 0; NaN for codes that are no numbers. */
  readonly grids: readonly (readonly number[])[];
  /** An integer that is subtracted from the code. */
  readonly zero?: Parameter;
  readonly offset?: OffsetField;
}

const MAX_CHOICES = 256;
const SAMPLES = 400;

const known = new WeakMap<Format, FormatModel | "none">();

/** The model of a format, or undefined where its values have another form. */
export function modelOf(format: Format): FormatModel | undefined {
  const before = known.get(format);
  if (before !== undefined) return before === "none" ? undefined : before;
  const model = readModel(format);
  known.set(format, model ?? "none");
  return model;
}

function readModel(format: Format): FormatModel | undefined {
  for (const storage of storagesOf(format)) {
    const evaluate = evaluatorOf(format, storage);
    const floats = storage.parameters.filter((p) => isFloat(p.type));
    for (const bias of [undefined, ...floats]) {
      const model = modelWith(storage, evaluate, bias);
      if (model !== undefined) return model;
    }
  }
  return undefined;
}

function modelWith(storage: Storage, evaluate: Evaluate, bias: Parameter | undefined): FormatModel | undefined {
  const { parameters } = storage;
  const codes = Array.from({ length: storage.codes.reduce((n, d) => n * d.size, 1) }, (_, i) => i);
  const parts = classify(parameters, codes, evaluate, bias);
  const choices = parts === undefined ? undefined : choicesOf(parts.selectors);
  if (parts === undefined || choices === undefined) return undefined;
  const grids = choices.map((choice) => {
    const values = neutral(parameters, parts, choice);
    const unit = parts.scales.reduce((product, s) => product * factorOf(s, values.get(s.field)!), 1);
    return codes.map((c) => evaluate(c, values) / unit);
  });
  if (grids.some((grid) => !grid.some(Number.isFinite))) return undefined;
  const { zero, offset } = parts;
  const model = {
    storage,
    scales: parts.scales,
    selectors: parts.selectors,
    choices,
    grids,
    ...(bias && { bias }),
    ...(zero && { zero }),
    ...(offset && { offset }),
  };
  return holds(model, codes, evaluate) ? model : undefined;
}

interface Parts {
  readonly scales: ScaleField[];
  readonly selectors: Parameter[];
  readonly bias: Parameter | undefined;
  zero?: Parameter;
  offset?: OffsetField;
}

function classify(
  parameters: readonly Parameter[],
  codes: readonly number[],
  evaluate: Evaluate,
  bias: Parameter | undefined,
): Parts | undefined {
  const parts: Parts = { scales: [], selectors: [], bias };
  const base = new Map(parameters.map((p) => [p, p === bias ? 0 : 1]));
  // Codes that are no numbers say nothing about scales.
  const usable = codes.filter((c) => Number.isFinite(evaluate(c, base)));
  if (usable.length === 0) return undefined;
  const rowOf = (field: Parameter) => (value: number): readonly number[] => {
    const values = new Map(base).set(field, value);
    return usable.map((c) => evaluate(c, values));
  }; // biome-ignore format: a function of two steps
  // Offsets first: only without them do scales show.
  for (const field of parameters.filter((p) => isFloat(p.type) && p !== bias)) {
    const sign = offsetSign(rowOf(field));
    if (sign === undefined) continue;
    if (parts.offset !== undefined) return undefined;
    parts.offset = { field, sign };
    base.set(field, 0);
  }
  const { offset } = parts;
  for (const field of parameters) {
    if (field === offset?.field || field === bias) continue;
    const row = rowOf(field);
    if (isFloat(field.type)) {
      if (!isProportional(row(2), row(1), 2) || !row(0).every((v) => v === 0 || Number.isNaN(v))) return undefined;
      parts.scales.push({ field });
      continue;
    }
    const values = valuesOf(field.type);
    const rows = values.map(row);
    const found = factorsOf(rows);
    if (found !== undefined) parts.scales.push({ field, factors: found.factors, unit: values[found.unit]! });
    else if (parts.zero === undefined && isZeroPoint(values, rows)) parts.zero = field;
    else if (
      offset !== undefined &&
      offset.coded === undefined &&
      rows.every((r) => r.every((v, i) => close(v, rows[0]![i]!)))
    ) {
      // Without effect while the offset is 0: its factor.
      const first = usable[0]!;
      const factors = Float64Array.from(values, (v) => {
        const at = (o: number): number => evaluate(first, new Map(base).set(field, v).set(offset.field, o));
        return offset.sign * (at(1) - at(0));
      });
      parts.offset = { ...offset, coded: { field, factors } };
    } else parts.selectors.push(field);
  }
  return parts;
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
  const sign = Math.sign(rows[unit]![at]!);
  const upward = Float64Array.from(rows, (row) => (row[at]! * sign) / 2 ** exponent);
  // Of factors with both signs the larger codes are the positive ones.
  const factors = upward.at(-1)! < 0 && upward[0]! > 0 ? upward.map((v) => -v) : upward;
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

function choicesOf(selectors: readonly Parameter[]): readonly (readonly number[])[] | undefined {
  const count = selectors.reduce((n, p) => n * valuesOf(p.type).length, 1);
  if (count > MAX_CHOICES) return undefined;
  return selectors.reduce<readonly (readonly number[])[]>(
    (all, p) => all.flatMap((choice) => valuesOf(p.type).map((v) => [...choice, v])),
    [[]],
  );
}

/** What an integer parameter's first code is; 0 for floats, whose values stand for themselves. */
export function firstOf({ type }: Parameter): number {
  return isInt(type) ? rangeOf(type)[0] : 0;
}

/** What a parameter multiplies by when it holds a value. */
export function factorOf({ field, factors }: ScaleField, value: number): number {
  return factors === undefined ? value : factors[value - firstOf(field)]!;
}

function neutral(parameters: readonly Parameter[], parts: Parts, choice: readonly number[]): Values {
  return new Map(
    parameters.map((p) => {
      const selector = parts.selectors.indexOf(p);
      if (selector >= 0) return [p, choice[selector]!];
      if (p === parts.zero || p === parts.offset?.field || p === parts.bias) return [p, 0];
      return [p, parts.scales.find((s) => s.field === p)?.unit ?? 1];
    }),
  );
}

/** The value that the model gives a code, with the parameters as stored. */
export function modelValue(model: FormatModel, code: number, values: Values): number {
  const choice = model.choices.findIndex((c) => c.every((v, i) => values.get(model.selectors[i]!) === v));
  const grid = model.grids[choice] ?? internal("no such choice");
  const product = model.scales.reduce((p, s) => p * factorOf(s, values.get(s.field)!), 1);
  const scale = model.bias === undefined ? product : product + values.get(model.bias)!;
  const zero = model.zero === undefined ? 0 : values.get(model.zero)! * zeroStep(model);
  return scale * (grid[code]! - zero) + offsetOf(model, (p) => values.get(p)!);
}

/** What is added to the scaled value; −0, which changes no number, where nothing is. */
export function offsetOf({ offset }: FormatModel, at: (parameter: Parameter) => number): number {
  if (offset === undefined) return -0;
  const { field, sign, coded } = offset;
  return sign * at(field) * (coded === undefined ? 1 : factorOf(coded, at(coded.field)));
}

/** What one unit of the zero point subtracts: the distance of two codes. */
export function zeroStep({ grids }: FormatModel): number {
  return grids[0]![1]! - grids[0]![0]!;
}

/** Compares the model with the declaration at random codes and parameters. */
function holds(model: FormatModel, codes: readonly number[], evaluate: Evaluate): boolean {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const candidates = model.storage.parameters.map(
    (p) => [p, isFloat(p.type) ? [0, 0.5, 1, 3, 2 ** -9, 40] : valuesOf(p.type)] as const,
  );
  for (let n = 0; n < SAMPLES; n++) {
    const values = new Map(candidates.map(([p, all]) => [p, all[next(all.length)]!]));
    const code = codes[next(codes.length)]!;
    const expected = evaluate(code, values);
    const got = modelValue(model, code, values);
    if (Number.isFinite(expected) && !close(got, expected) && !(Math.abs(got - expected) < 1e-9)) return false;
  }
  return true;
}
