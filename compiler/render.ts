/** Diagnostics as text: header, place, the source line with carets, labels of other places, notes and the fix. */
import type { Diagnostic, Severity, Source, Span } from "../ir/diagnostics.ts";
import { textWidth } from "./text-width.ts";

/** How a part is painted; the default paints nothing. */
export type Paint = (part: Severity | "frame" | "help" | "strong", text: string) => string;

/** One-based; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where an offset is in a text. */
export function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - (before.lastIndexOf("\n") + 1) + 1 };
}

/** Source lines longer than this are cut to the part around the mark. */
const MAX_COLUMNS = 120;
const TAB = "    ";

/** A place to mark: the primary one with carets, others with dashes and a label. */
interface Label {
  readonly span: Span;
  readonly text: string;
  readonly primary: boolean;
}

interface Line {
  readonly number: number;
  readonly text: string;
  readonly marks: readonly { readonly from: number; readonly to: number; readonly label: Label }[];
}

function linesOf(source: Source, labels: readonly Label[]): readonly Line[] {
  const starts = [0, ...[...source.text.matchAll(/\n/g)].map((m) => m.index + 1)];
  const marked = new Map<number, Line["marks"][number][]>();
  for (const label of labels) {
    const number = positionOf(source.text, label.span.start).line;
    const start = starts[number - 1] ?? 0;
    const end = (starts[number] ?? source.text.length + 1) - 1;
    const from = label.span.start - start;
    const to = Math.max(from + 1, Math.min(label.span.end, end) - start);
    marked.set(number, [...(marked.get(number) ?? []), { from, to, label }]);
  }
  return [...marked.entries()]
    .sort(([a], [b]) => a - b)
    .map(([number, marks]) => ({
      number,
      text: source.text.slice(starts[number - 1], (starts[number] ?? source.text.length + 1) - 1).replace(/\r$/, ""),
      marks: marks.sort((a, b) => b.from - a.from),
    }));
}

const expand = (text: string): string => text.replace(/\t/g, TAB);

/** The part of a long line around its first mark, and how many characters were cut on its left. */
function cut(line: Line): { readonly text: string; readonly skipped: number } {
  const first = Math.min(...line.marks.map((m) => m.from));
  if (line.text.length <= MAX_COLUMNS) return { text: line.text, skipped: 0 };
  const skipped = Math.max(0, Math.min(first - 20, line.text.length - MAX_COLUMNS));
  return { text: line.text.slice(skipped, skipped + MAX_COLUMNS), skipped };
}

function renderLine(line: Line, gutter: number, severity: Severity, paint: Paint): readonly string[] {
  const { text, skipped } = cut(line);
  const bar = paint("frame", `${" ".repeat(gutter)} |`);
  const rows = [`${paint("frame", `${String(line.number).padStart(gutter)} |`)} ${expand(text)}`];
  for (const { from, to, label } of line.marks) {
    const before = textWidth(expand(text.slice(0, Math.max(0, from - skipped))));
    const width = Math.max(1, textWidth(expand(text.slice(Math.max(0, from - skipped), Math.max(0, to - skipped)))));
    const mark = (label.primary ? "^" : "-").repeat(width);
    const part = label.primary ? severity : "frame";
    rows.push(`${bar} ${" ".repeat(before)}${paint(part, label.text === "" ? mark : `${mark} ${label.text}`)}`);
  }
  return rows;
}

function renderFrame(
  source: Source,
  labels: readonly Label[],
  gutter: number,
  severity: Severity,
  paint: Paint,
): readonly string[] {
  const at = labels.find((l) => l.primary) ?? labels[0];
  const { line, column } = positionOf(source.text, at?.span.start ?? 0);
  const indent = " ".repeat(gutter);
  const place = `${indent}${paint("frame", "-->")} ${source.name}:${line}:${column}`;
  const rows = linesOf(source, labels);
  const body = rows.flatMap((row, i) => {
    const gap = i > 0 && row.number > rows[i - 1]!.number + 1 ? [paint("frame", `${indent}...`)] : [];
    return [...gap, ...renderLine(row, gutter, severity, paint)];
  });
  return [place, paint("frame", `${indent} |`), ...body];
}

/** One diagnostic as lines without a final newline. Spans outside `sources` are left out. */
export function renderDiagnostic(
  diagnostic: Diagnostic,
  sources: readonly Source[],
  paint: Paint = (_part, text) => text,
): string {
  const { code, severity, message, span, notes, fix } = diagnostic;
  const labels: Label[] = [{ span, text: "", primary: true }];
  for (const note of notes) if (note.span) labels.push({ span: note.span, text: note.message, primary: false });
  const inFiles = labels.filter((l) => sources[l.span.file] !== undefined);
  const files = [...new Set(inFiles.map((l) => l.span.file))];
  const last = Math.max(1, ...inFiles.map((l) => positionOf(sources[l.span.file]!.text, l.span.start).line));
  const gutter = String(last).length + 1;
  const frames = files.flatMap((file) => {
    const own = inFiles.filter((l) => l.span.file === file);
    return renderFrame(sources[file]!, own, gutter, severity, paint);
  });
  const tail = notes
    .filter((n) => n.span === undefined || sources[n.span.file] === undefined)
    .map((n) => `${" ".repeat(gutter)} ${paint("frame", "=")} note: ${n.message}`);
  if (fix !== undefined) {
    const old = sources[fix.span.file]?.text.slice(fix.span.start, fix.span.end) ?? "";
    const edit = old === "" ? `write \`${fix.text}\`` : `write \`${fix.text}\` for \`${old}\``;
    const help = fix.message.includes(fix.text) ? fix.message : `${fix.message}: ${edit}`;
    tail.push(`${" ".repeat(gutter)} ${paint("frame", "=")} ${paint("help", `help: ${help}`)}`);
  }
  const header = `${paint(severity, `${severity}[${code}]`)}${paint("strong", `: ${message}`)}`;
  return [header, ...frames, ...tail].join("\n");
}
