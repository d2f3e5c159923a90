/** Tables on a terminal: aligned columns; where they do not fit, the least important ones are left out. */
import { columnsOf } from "../../ir/source-text.ts";
import type { Terminal } from "./terminal.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Columns with the highest number go first when the table is too wide; absent: never. */
  readonly drop?: number;
}

function pad(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - columnsOf(text)));
  return align === "right" ? space + text : text + space;
}

const GAP = "  ";

/** The lines of a table, title first, at most `width` columns wide as far as dropping columns can do it. */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly string[] {
  const widths = columns.map((c, i) => Math.max(columnsOf(c.title), ...rows.map((r) => columnsOf(r[i] ?? ""))));
  const kept = new Set(columns.keys());
  const total = (): number => [...kept].reduce((sum, i) => sum + widths[i]! + GAP.length, -GAP.length);
  const droppable = [...columns.keys()]
    .filter((i) => columns[i]!.drop !== undefined)
    .sort((a, b) => columns[b]!.drop! - columns[a]!.drop!);
  for (const i of droppable) {
    if (total() <= width) break;
    kept.delete(i);
  }
  const line = (cells: readonly string[]): string =>
    [...kept]
      .map((i) => pad(cells[i] ?? "", widths[i]!, columns[i]!.align ?? "left"))
      .join(GAP)
      .trimEnd();
  return [line(columns.map((c) => c.title)), ...rows.map(line)];
}

/** Prints a table with a bold title line. */
export function printTable(terminal: Terminal, columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  const [title = "", ...lines] = layOutTable(columns, rows, terminal.width);
  terminal.out(terminal.style("bold", title));
  for (const line of lines) terminal.out(line);
}

/** A count with an SI prefix and three digits: 1234567 → "1.23M". */
export function formatCount(value: number): string {
  const steps = ["", "k", "M", "G", "T", "P"] as const;
  let scaled = value;
  let step = 0;
  while (Math.abs(scaled) >= 999.5 && step < steps.length - 1) {
    scaled /= 1000;
    step++;
  }
  return `${step === 0 && Number.isInteger(scaled) ? scaled : scaled.toPrecision(3)}${steps[step]}`;
}

/** Bytes with a binary prefix: 1536 → "1.50 KiB". */
export function formatBytes(bytes: number): string {
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let scaled = bytes;
  let step = 0;
  while (scaled >= 1023.5 && step < steps.length - 1) {
    scaled /= 1024;
    step++;
  }
  return `${step === 0 ? scaled : scaled.toPrecision(3)} ${steps[step]}`;
}

/** A time: 0.00123 → "1.23 ms". */
export function formatSeconds(seconds: number): string {
  if (seconds >= 1) return `${seconds.toPrecision(3)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${(seconds * 1e6).toPrecision(3)} µs`;
}

/** Text of a file without characters that would steer a terminal. */
export function withoutControls(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
