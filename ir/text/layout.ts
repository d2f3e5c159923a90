/** Layouts, tables and formats as text. */
import type { ExprId, Table } from "../expr.ts";
import type { Field, Format } from "../format.ts";
import type { Extents, Layout, Term } from "../layout/layout.ts";
import { exprPrinter, inputsOf, nameText, numberText } from "./expr.ts";

/** "n 4096, k 128". */
export function extentsText(extents: Extents): string {
  return Object.entries(extents)
    .map(([axis, extent]) => `${nameText(axis)} ${extent}`)
    .join(", ");
}

/** Digits that ⌊coordinate / div⌋ has: `% size` is left out where it changes nothing. */
export function wholeSize(from: Extents, axis: string, div: number): number {
  return Math.ceil((Object.hasOwn(from, axis) ? from[axis]! : 0) / div);
}

/** "address += 4 * (k / 8 % 32)": what a term adds to an output coordinate. */
function termText(term: Term, from: Extents): string {
  const stride = term.stride === 1 ? "" : `${term.stride} * `;
  const div = term.div === 1 ? "" : ` / ${term.div}`;
  const size = term.size === wholeSize(from, term.from, term.div) ? "" : ` % ${term.size}`;
  const digits = `${nameText(term.from)}${div}${size}`;
  return `${nameText(term.to)} += ${stride}${div === "" && size === "" ? digits : `(${digits})`}`;
}

/** A layout on one line. */
export function layoutText(layout: Layout): string {
  switch (layout.kind) {
    case "strided": {
      const clauses = [
        layout.terms.map((term) => termText(term, layout.from)).join(", "),
        ...(layout.base === undefined ? [] : [`base ${extentsText(layout.base)}`]),
        ...(layout.wrap === undefined ? [] : [`wrap ${extentsText(layout.wrap)}`]),
      ];
      return `strided(${extentsText(layout.from)} -> ${extentsText(layout.to)}: ${clauses.join("; ")})`;
    }
    case "xor":
      return `xor(${extentsText(layout.from)}: ${nameText(layout.axis)} ^= ${layout.columns.join(", ")})`;
    case "table":
      return `table(${extentsText(layout.from)} -> ${extentsText(layout.to)}: ${layout.map.join(", ")})`;
    case "chain":
      return `chain(${layout.parts.map(layoutText).join(", ")})`;
    case "opaque":
      return `opaque(${nameText(layout.name)}: ${extentsText(layout.from)} -> ${extentsText(layout.to)})`;
  }
}

export function tableText(table: Table): string {
  return `table ${nameText(table.name)}: ${table.type} = [${table.values.map(numberText).join(", ")}]`;
}

function fieldText(field: Field): string {
  const count = field.count === 1 ? "" : `[${field.count}]`;
  return `field ${nameText(field.name)}: ${field.type}${count} ${field.scope} ${layoutText(field.layout)}`;
}

/** A format as a block of lines. */
export function formatLines(format: Format): readonly string[] {
  const { uses, exprs } = format;
  const printer = exprPrinter(exprs, [...useRoots(format), format.value], {
    symbol: (name) => nameText(name),
    input: (n, text) => {
      const use = uses[n];
      if (use === undefined) return `$input${n}`;
      return isWhole(format, n) ? nameText(use.field) : `${nameText(use.field)}[${text(use.index)}]`;
    },
    sameInput: (n) => uses.findIndex((use) => use.field === uses[n]?.field && use.index === uses[n]?.index),
  });
  const value = printer.text(format.value);
  const { encoder } = format;
  return [
    `format ${nameText(format.name)} block ${format.block} record ${format.recordBits} {`,
    ...format.fields.map((field) => `  ${fieldText(field)}`),
    ...format.tables.map((table) => `  ${tableText(table)}`),
    ...printer.definitions.map((line) => `  ${line}`),
    `  value = ${value}`,
    ...(encoder === undefined
      ? []
      : [`  encoder ${encoder.rule} scale ${nameText(encoder.scale)} code ${nameText(encoder.code)}`]),
    "}",
  ];
}

/** Indices of the uses that the value reads, in the order of reading, each once. */
function useRoots(format: Format): readonly ExprId[] {
  const seen = new Set<string>();
  const under = (root: ExprId): readonly ExprId[] =>
    inputsOf(format.exprs, root).flatMap((n) => {
      const use = format.uses[n];
      const key = JSON.stringify(use);
      if (use === undefined || seen.has(key) || isWhole(format, n)) return [];
      seen.add(key);
      return [...under(use.index), use.index];
    });
  return under(format.value);
}

/** A scalar field at index 0 is written without an index. */
function isWhole(format: Format, n: number): boolean {
  const use = format.uses[n];
  const at = use === undefined ? undefined : format.exprs.exprs[use.index];
  const count = format.fields.find((field) => field.name === use?.field)?.count;
  return count === 1 && at?.kind === "const" && at.type === "i32" && at.value === 0;
}
