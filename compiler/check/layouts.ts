/** Bit offsets: from the expression behind `@` to the layout of a field inside its block's record. */
import { type Diagnostics, internal } from "../../ir/diagnostics.ts";
import { ADDRESS, BIT, type Layout, type Term } from "../../ir/layout/layout.ts";
import { didYouMean, report } from "../report.ts";
import type { BinaryOperator, Expression } from "../syntax/ast.ts";
import { applyInteger, evaluateInteger } from "./constants.ts";
import { OPERATORS } from "./functions.ts";

/** A record may not reach further than this many bits. */
export const MAX_RECORD_BITS = 2 ** 24;

/** base + Σ stride · (⌊from / div⌋ mod size): what most packings are. */
interface Affine {
  readonly base: number;
  readonly terms: readonly AffineTerm[];
}

interface AffineTerm {
  readonly from: string;
  readonly div: number;
  readonly size: number;
  readonly stride: number;
  /** How many values `from` takes. */
  readonly extent: number;
}

/** A field's elements one after the other from bit `base`. */
export function contiguousLayout(count: number, bits: number, base: number, recordBits: number): Layout {
  return strided({ i: count, [BIT]: bits }, { base, terms: contiguousTerms(count, bits) }, recordBits);
}

const contiguousTerms = (count: number, bits: number): Affine["terms"] => [
  { from: "i", div: 1, size: count, stride: bits, extent: count },
  { from: BIT, div: 1, size: bits, stride: 1, extent: bits },
];

function strided(from: Readonly<Record<string, number>>, affine: Affine, recordBits: number): Layout {
  const terms: Term[] = affine.terms
    .filter((t) => t.size > 1 && t.stride !== 0)
    .map((t) => ({ from: t.from, div: t.div, size: t.size, to: ADDRESS, stride: t.stride }));
  const base = affine.base === 0 ? {} : { base: { [ADDRESS]: affine.base } };
  return { kind: "strided", from, to: { [ADDRESS]: recordBits }, terms, ...base };
}

/**
 * Bit address of every (element, bit) of a field, element-major, or undefined after reporting. An offset without `bit`
 * places an element's bits next to each other.
 */
export function offsetAddresses(
  offset: Expression,
  count: number,
  bits: number,
  diagnostics: Diagnostics,
): readonly number[] | undefined {
  if (!checkOffset(offset, diagnostics)) return undefined;
  const placesBits = mentionsBit(offset);
  const addresses: number[] = [];
  for (let i = 0; i < count; i++) {
    for (let bit = 0; bit < bits; bit++) {
      const at = evaluateInteger(offset, (name) => (name === "i" ? i : bit));
      const address = placesBits ? at : at + bit;
      if (!Number.isInteger(address) || address < 0 || address >= MAX_RECORD_BITS) {
        const where = `element ${i}${placesBits ? `, bit ${bit}` : ""}`;
        const message = Number.isInteger(address)
          ? `the offset of ${where} is ${address}: a record begins at bit 0 and has at most ${MAX_RECORD_BITS} bits`
          : `the offset of ${where} divides by zero`;
        report(diagnostics, "format/offset-range", offset.span, message);
        return undefined;
      }
      addresses.push(address);
    }
  }
  return addresses;
}

/**
 * The layout with these addresses: strided where the offset is a sum of scaled quotients and remainders, or where every
 * binary digit of the element and of the bit adds a part of its own; else a table.
 */
export function offsetLayout(
  offset: Expression,
  addresses: readonly number[],
  count: number,
  bits: number,
  recordBits: number,
): Layout {
  const from = { i: count, [BIT]: bits };
  const extents: Readonly<Record<string, number>> = { i: count, bit: bits };
  const found = affineOf(offset, extents);
  if (found === undefined) {
    const digits = digitTerms(addresses, count, bits);
    if (digits !== undefined) return strided(from, digits, recordBits);
    return { kind: "table", from, to: { [ADDRESS]: recordBits }, map: addresses };
  }
  const own = mentionsBit(offset) ? [] : [{ from: BIT, div: 1, size: bits, stride: 1, extent: bits }];
  return strided(from, { base: found.base, terms: [...found.terms, ...own] }, recordBits);
}

/** The addresses as a sum of one part for each binary digit, where they are one. */
function digitTerms(addresses: readonly number[], count: number, bits: number): Affine | undefined {
  const base = addresses[0]!;
  const digits = (from: string, extent: number, step: number): AffineTerm[] => {
    const terms: AffineTerm[] = [];
    for (let div = 1; div < extent; div *= 2) {
      const stride = addresses[div * step]! - base;
      const last = terms.at(-1);
      if (last !== undefined && last.stride * last.size === stride)
        terms.splice(-1, 1, { ...last, size: last.size * 2 });
      else terms.push({ from, div, size: 2, stride, extent });
    }
    return terms;
  };
  const [elements, inside] = [digits("i", count, bits), digits(BIT, bits, 1)];
  const part = (terms: readonly AffineTerm[], x: number): number =>
    terms.reduce((sum, t) => sum + t.stride * (Math.floor(x / t.div) % t.size), 0);
  const parts = Array.from({ length: bits }, (_, bit) => part(inside, bit));
  const fits = Array.from({ length: count }, (_, i) => base + part(elements, i)).every((start, i) =>
    parts.every((add, bit) => addresses[i * bits + bit] === start + add),
  );
  return fits ? { base, terms: [...elements, ...inside] } : undefined;
}

/** What an offset's expression yields; undefined after reporting. */
function offsetKind(e: Expression, diagnostics: Diagnostics): "integer" | "condition" | undefined {
  switch (e.kind) {
    case "number": {
      if (/^(\d+|0x[\da-f]+|0b[01]+)$/i.test(e.text) && e.value < 2 ** 31) return "integer";
      report(diagnostics, "format/offset", e.span, "a bit offset is made of integers");
      return undefined;
    }
    case "name": {
      if (e.name === "i" || e.name === "bit") return "integer";
      const notes = [{ message: "an offset may use `i`, the element, and `bit`, the bit inside the element" }];
      const fix = didYouMean(e.name, e.span, ["i", "bit"]);
      report(diagnostics, "name/unknown", e.span, `\`${e.name}\` is not known in a bit offset`, notes, fix);
      return undefined;
    }
    case "negate":
      return checkOffset(e.of, diagnostics) ? "integer" : undefined;
    case "binary": {
      const [left, right] = [offsetKind(e.left, diagnostics), offsetKind(e.right, diagnostics)];
      if (left === undefined || right === undefined) return undefined;
      const { op, on } = OPERATORS[e.operator];
      const logical = left === "condition" && right === "condition" && (op === "and" || op === "or");
      if (logical) return "condition";
      if (left === "integer" && right === "integer") return on === "compare" ? "condition" : "integer";
      report(diagnostics, "format/offset", e.operatorSpan, `\`${e.operator}\` does not take a condition here`);
      return undefined;
    }
    case "conditional": {
      const condition = offsetKind(e.condition, diagnostics);
      const cases = [checkOffset(e.yes, diagnostics), checkOffset(e.no, diagnostics)];
      if (condition === "integer") report(diagnostics, "format/offset", e.condition.span, "a condition is needed here");
      return condition === "condition" && cases[0] && cases[1] ? "integer" : undefined;
    }
    case "missing":
      return undefined;
    default: {
      const notes = [{ message: "offsets are integer arithmetic over `i`, `bit` and numbers" }];
      report(diagnostics, "format/offset", e.span, "this has no meaning in a bit offset", notes);
      return undefined;
    }
  }
}

function checkOffset(e: Expression, diagnostics: Diagnostics): boolean {
  const kind = offsetKind(e, diagnostics);
  if (kind === "condition") report(diagnostics, "format/offset", e.span, "a bit offset is an integer, not a condition");
  return kind === "integer";
}

function mentionsBit(e: Expression): boolean {
  if (e.kind === "name") return e.name === "bit";
  if (e.kind === "negate") return mentionsBit(e.of);
  if (e.kind === "conditional") return mentionsBit(e.condition) || mentionsBit(e.yes) || mentionsBit(e.no);
  return e.kind === "binary" && (mentionsBit(e.left) || mentionsBit(e.right));
}

function affineOf(e: Expression, extents: Readonly<Record<string, number>>): Affine | undefined {
  switch (e.kind) {
    case "number":
      return { base: e.value, terms: [] };
    case "name": {
      const extent = extents[e.name] ?? internal(`\`${e.name}\` in a checked bit offset`);
      return { base: 0, terms: [{ from: e.name, div: 1, size: extent, stride: 1, extent }] };
    }
    case "negate":
      return scaled(affineOf(e.of, extents), -1);
    case "binary":
      return affineBinary(e.operator, affineOf(e.left, extents), affineOf(e.right, extents));
    default:
      return undefined;
  }
}

function scaled(a: Affine | undefined, factor: number): Affine | undefined {
  return a && { base: a.base * factor, terms: a.terms.map((t) => ({ ...t, stride: t.stride * factor })) };
}

function affineBinary(operator: BinaryOperator, a: Affine | undefined, b: Affine | undefined): Affine | undefined {
  if (a === undefined || b === undefined) return undefined;
  const constant = b.terms.length === 0 ? b.base : undefined;
  const powerOfTwo = constant !== undefined && constant >= 0 && constant < 31 ? 2 ** constant : undefined;
  if (a.terms.length === 0 && constant !== undefined) {
    const base = applyInteger(operator, a.base, constant);
    return Number.isInteger(base) ? { base, terms: [] } : undefined;
  }
  switch (operator) {
    case "+":
      return { base: a.base + b.base, terms: [...a.terms, ...b.terms] };
    case "-":
      return { base: a.base - b.base, terms: [...a.terms, ...(scaled(b, -1)?.terms ?? [])] };
    case "*":
      return constant !== undefined ? scaled(a, constant) : a.terms.length === 0 ? scaled(b, a.base) : undefined;
    case "/":
      return constant === undefined ? undefined : divided(a, constant);
    case "%":
      return constant === undefined ? undefined : remainder(a, constant);
    case "<<":
      return powerOfTwo === undefined ? undefined : scaled(a, powerOfTwo);
    case ">>":
      return powerOfTwo === undefined ? undefined : divided(a, powerOfTwo);
    case "&":
      // A mask of low ones is a remainder.
      return constant !== undefined && constant > 0 && Number.isInteger(Math.log2(constant + 1))
        ? remainder(a, constant + 1)
        : undefined;
    default:
      return undefined;
  }
}

// Only ⌊from / div⌋ mod size itself is divided further: sums would need their carries.
const single = (a: Affine): AffineTerm | undefined =>
  a.base === 0 && a.terms.length === 1 && a.terms[0]?.stride === 1 ? a.terms[0] : undefined;

/** True where `mod size` changes nothing. */
const whole = (t: AffineTerm): boolean => t.div * t.size >= t.extent;

function divided(a: Affine, by: number): Affine | undefined {
  const term = single(a);
  if (term === undefined || by <= 0) return undefined;
  // ⌊(⌊x/d⌋ mod s) / c⌋ = ⌊x/(d·c)⌋ mod (s/c) where c divides s; where it does not, only if the mod does nothing.
  if (term.size % by !== 0 && !whole(term)) return undefined;
  return { base: 0, terms: [{ ...term, div: term.div * by, size: Math.ceil(term.size / by) }] };
}

function remainder(a: Affine, by: number): Affine | undefined {
  const term = single(a);
  if (term === undefined || by <= 0) return undefined;
  if (by >= term.size) return a;
  return term.size % by === 0 || whole(term) ? { base: 0, terms: [{ ...term, size: by }] } : undefined;
}
