/** Instantiation, questions about checked bodies: which axes, which first use, which shape of product. */
import type { Field, Format } from "../../ir/format.ts";
import type { Axis } from "../../ir/layout/layout.ts";
import type { Dim } from "../../ir/program.ts";
import type { Access, CheckedStatement, Index, Term } from "../check/module.ts";
import { isContiguous } from "./stream-layouts.ts";

/** Axes and shape of a tensor over `dims`. */
export const shapeOf = (
  dims: readonly Dim[],
): { readonly axes: readonly Axis[]; readonly shape: readonly number[] } => ({
  axes: dims.map((d) => d.axis),
  shape: dims.map((d) => d.extent),
});

/** One element for every value of the operand. */
export const isPerValue = (format: Format, field: Field): boolean =>
  field.scope === "block" && field.count === format.block;

/** The axes with the one that blocks lie along moved to the end. */
export function alongLast(dims: readonly Dim[], along: number): readonly Dim[] {
  return [...dims.filter((_, n) => n !== along), ...dims.slice(along, along + 1)];
}

/**
 * True for per-value fields whose elements lie next to each other and are read at their own place only: they keep the
 * order of the operand's axes, whichever one blocks lie along.
 */
export function keepsOrder(format: Format, field: Field): boolean {
  const own = format.uses.every((use) => {
    const index = format.exprs.exprs[use.index];
    return use.field !== field.name || field.count === 1 || (index?.kind === "symbol" && index.name === "i");
  });
  return isPerValue(format, field) && own && isContiguous(field);
}

/** The axes of a field's stream: those of the rows it belongs to, then blocks (`g`) or elements (`e`). */
export function fieldDims(format: Format, field: Field, dims: readonly Dim[]): readonly Dim[] {
  if (isPerValue(format, field)) return dims;
  const rows = dims.slice(0, -1);
  const last = dims[dims.length - 1]!;
  const fresh = (wanted: string): string => {
    let axis = wanted;
    for (let n = 2; dims.some((d) => d.axis === axis); n++) axis = `${wanted}${n}`;
    return axis;
  };
  const elements = { axis: fresh("e"), extent: field.count };
  if (field.scope === "tensor") return field.count > 1 ? [elements] : [];
  if (field.scope === "row") return field.count > 1 ? [...rows, elements] : rows;
  const blocks = Math.ceil(last.extent / format.block);
  if (field.count === 1) return [...rows, { axis: fresh("g"), extent: blocks }];
  return [...rows, { axis: fresh("e"), extent: blocks * field.count }];
}

/** The indices of a tensor's first use; a quantized tensor's uses count as those of its source. */
export function firstAccess(tensor: string, statements: readonly CheckedStatement[]): readonly Index[] | undefined {
  for (const s of statements) {
    if (s.kind === "assign") {
      const found = accessIn(tensor, s.value);
      if (found !== undefined) return found;
    } else if (s.from === tensor) {
      const found = firstAccess(s.name, statements.slice(statements.indexOf(s) + 1));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function accessIn(tensor: string, t: Term): readonly Index[] | undefined {
  switch (t.kind) {
    case "number":
      return undefined;
    case "size":
    case "index":
      return undefined;
    case "access":
      if (t.tensor === tensor) return t.index;
      for (const place of t.index.flatMap((i) => i.lookedUp ?? [])) {
        const found = accessIn(tensor, place);
        if (found !== undefined) return found;
      }
      return undefined;
    case "sum":
      return accessIn(tensor, t.body);
    case "apply":
      for (const arg of t.args) {
        const found = accessIn(tensor, arg);
        if (found !== undefined) return found;
      }
      return undefined;
  }
}

/** The axes that a term's value depends on. */
export function freeAxes(t: Term): ReadonlySet<Axis> {
  switch (t.kind) {
    case "number":
    case "size":
      return new Set();
    case "index":
      return new Set([t.axis]);
    case "access":
      return new Set(
        t.index.flatMap((i) => [
          ...(i.axis === undefined ? [] : [i.axis]),
          ...(i.lookedUp ?? []).flatMap((place) => [...freeAxes(place)]),
        ]),
      );
    case "sum": {
      const inner = freeAxes(t.body);
      return new Set([...inner].filter((axis) => !t.over.includes(axis)));
    }
    case "apply":
      return new Set(t.args.flatMap((arg) => [...freeAxes(arg)]));
  }
}

/** The factors of a product, through nested products. */
function factorsOf(t: Term): readonly Term[] {
  return t.kind === "apply" && t.op === "mul" ? t.args.flatMap(factorsOf) : [t];
}

const multiplied = (factors: readonly Term[]): Term =>
  factors.reduce((a, b): Term => ({ kind: "apply", op: "mul", args: [a, b], span: b.span }));

/** True for an element whose place follows from the axes alone. */
const isPlainAccess = (t: Term): t is Access => t.kind === "access" && t.index.every((i) => i.lookedUp === undefined);

/**
 * The two operands where a sum over `over` is a contraction: two elements, or a product that falls into a part along the
 * result's last axis and a part along others, both along the summed axes. `dims` are the axes of the result.
 */
export function productOf(t: Term, over: readonly Axis[], dims: readonly Axis[]): readonly [Term, Term] | undefined {
  const factors = factorsOf(t);
  if (factors.length === 2 && factors.every(isPlainAccess)) return [factors[0]!, factors[1]!];
  const last = dims.at(-1);
  if (last === undefined) return undefined;
  const along = (f: Term): boolean => freeAxes(f).has(last);
  const parts = [factors.filter((f) => !along(f)), factors.filter(along)] as const;
  if (parts.some((part) => part.length === 0)) return undefined;
  const [a, b] = [multiplied(parts[0]), multiplied(parts[1])];
  const summed = [a, b].every((part) => over.some((axis) => freeAxes(part).has(axis)));
  return summed && dims.some((axis) => freeAxes(a).has(axis)) ? [a, b] : undefined;
}

/** The terms of a sum with their signs, where there are several. */
export function summandsOf(t: Term, sign: 1 | -1 = 1): readonly { readonly term: Term; readonly sign: 1 | -1 }[] {
  if (t.kind === "apply" && t.op === "neg") return summandsOf(t.args[0]!, sign === 1 ? -1 : 1);
  if (t.kind !== "apply" || (t.op !== "add" && t.op !== "sub")) return [{ term: t, sign }];
  const other = t.op === "add" ? sign : sign === 1 ? -1 : 1;
  return [...summandsOf(t.args[0]!, sign), ...summandsOf(t.args[1]!, other)];
}
