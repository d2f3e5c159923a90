/** Results as sections of tables: the same rows as text on a terminal and as Markdown; and flat rows as CSV. */
import type { Stall } from "../../simulator/exposure.ts";
import { type Column, printTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** A table with what stands above and below it. */
export interface Section {
  readonly title?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  readonly notes?: readonly string[];
}

/** Sections on a terminal, a blank line between them. */
export function printSections(terminal: Terminal, sections: readonly Section[]): void {
  sections.forEach((section, i) => {
    if (i > 0) terminal.out("");
    if (section.title !== undefined) terminal.out(section.title);
    printTable(terminal, section.columns, section.rows);
    for (const note of section.notes ?? []) terminal.out(note);
  });
}

const escaped = (text: string): string => text.replace(/[\\|]/g, (c) => `\\${c}`).replace(/\n/g, " ");

/** Sections as GitHub's Markdown; all columns, whatever the width. */
export function markdownOf(sections: readonly Section[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.map(escaped).join(" | ")} |`;
  return sections
    .map(({ title, columns, rows, notes = [] }) =>
      [
        ...(title === undefined ? [] : [`### ${title}`, ""]),
        row(columns.map((c) => c.title)),
        `|${columns.map((c) => (c.align === "right" ? " ---: " : " --- ")).join("|")}|`,
        ...rows.map((cells) => row(columns.map((_, i) => cells[i] ?? ""))),
        ...notes.flatMap((note) => ["", note]),
      ].join("\n"),
    )
    .join("\n\n");
}

/** One flat row: fields by their paths. */
type FlatRow = ReadonlyMap<string, string | number>;

const quoted = (value: string | number): string =>
  typeof value === "number" || !/[",\r\n]/.test(value) ? `${value}` : `"${value.replaceAll('"', '""')}"`;

/** Rows as CSV (RFC 4180): a column for every path that some row has, in the order in which they first come. */
function* csvOf(rows: readonly FlatRow[]): Generator<string, void> {
  const columns = [...new Set(rows.flatMap((r) => [...r.keys()]))];
  yield `${columns.map(quoted).join(",")}\n`;
  for (const row of rows) yield `${columns.map((c) => quoted(row.get(c) ?? "")).join(",")}\n`;
}

/** All numbers and texts below an object, by their paths; lists are left out. */
function flatten(value: object, prefix = ""): readonly (readonly [path: string, value: string | number])[] {
  return Object.entries(value).flatMap(([key, item]: readonly [string, unknown]) => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (typeof item === "number" || typeof item === "string") return [[path, item] as const];
    return typeof item === "object" && item !== null && !Array.isArray(item) ? flatten(item, path) : [];
  });
}

/** The parts of any depth's results that CSV needs. */
interface Rowable {
  readonly totals: object;
  readonly layers: readonly { readonly name: string }[];
}

/** A row a layer and one for the total, with every figure by its path. */
function flatRows(results: readonly Rowable[]): readonly FlatRow[] {
  return results.flatMap((result) => {
    const { totals, layers, ...about } = result;
    const head = flatten(about);
    const row = (layer: string, figures: object): FlatRow => {
      const { name: _, stalls = [], ...rest } = figures as { name?: string; stalls?: readonly Stall[] };
      const waits = stalls.flatMap((s) => {
        const path = `stalls.${s.unit}.${s.cause}.${s.culprit ?? "none"}`;
        return [[`${path}.cycles`, s.cycles] as const, [`${path}.exposedCycles`, s.exposedCycles] as const];
      });
      return new Map<string, string | number>([...head, ["layer", layer], ...flatten(rest), ...waits]);
    };
    return [...layers.map((l) => row(l.name, l)), row("total", totals)];
  });
}

/** How results are put out on stdout. */
export type Output = "text" | "json" | "csv" | "markdown";

/** Puts a report of any depth on stdout. */
export function putOut(
  terminal: Terminal,
  output: Output,
  report: { readonly results: readonly Rowable[] },
  sections: () => readonly Section[],
): void {
  switch (output) {
    case "json":
      terminal.out(JSON.stringify(report, null, 2));
      return;
    case "csv":
      for (const line of csvOf(flatRows(report.results))) terminal.out(line.trimEnd());
      return;
    case "markdown":
      terminal.out(markdownOf(sections()));
      return;
    case "text":
      printSections(terminal, sections());
  }
}
