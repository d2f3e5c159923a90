/** Diagnostics as text: position, message, the source lines with carets and labels, notes, and the mended line. */
import type { Diagnostic, Fix, Severity, Source, Span } from "./diagnostics.ts";
import { columnsOf, layOut, positionOf } from "./source-text.ts";

export interface RenderOptions {
  /** ANSI colours. */
  readonly color?: boolean;
}

type Paint = (style: keyof typeof ANSI, text: string) => string;

const ANSI = { error: "1;31", warning: "1;33", note: "1;36", help: "1;32", gutter: "34", bold: "1" } as const;

/** Lines wider than this are cut down to the neighbourhood of what they are shown for. */
const MAX_COLUMNS = 160;
const LABEL_MARK = "-";

/** What is underlined: the primary span with `^`, spans of notes with `-` and their message behind it. */
interface Mark {
  readonly span: Span;
  readonly glyph: string;
  readonly label: string;
  readonly style: keyof typeof ANSI;
}

/** All diagnostics in the order of their places, a blank line between them; ends without a newline. */
export function renderDiagnostics(
  list: readonly Diagnostic[],
  sources: readonly Source[],
  options: RenderOptions = {},
): string {
  const ordered = list.toSorted((a, b) => a.span.file - b.span.file || a.span.start - b.span.start);
  return ordered.map((diagnostic) => renderDiagnostic(diagnostic, sources, options)).join("\n\n");
}

/** One diagnostic; spans that point into no file are left out. */
export function renderDiagnostic(d: Diagnostic, sources: readonly Source[], options: RenderOptions = {}): string {
  const paint: Paint = (style, text) =>
    options.color === true && text !== "" ? `\u001b[${ANSI[style]}m${text}\u001b[0m` : text;
  const style = severityStyle(d.severity);
  const head = `${paint(style, `${d.severity}[${d.code}]`)}${paint("bold", `: ${d.message}`)}`;
  const source = sources[d.span.file];
  const marks: Mark[] = [
    { span: d.span, glyph: "^", label: "", style },
    ...d.notes.flatMap((note) =>
      note.span === undefined
        ? []
        : [{ span: note.span, glyph: LABEL_MARK, label: note.message, style: "note" as const }],
    ),
  ].filter((mark) => sources[mark.span.file] !== undefined);
  const gutter = gutterWidth(marks, d.fix, sources);
  const lines = [source === undefined ? head : `${paint("bold", placeOf(source, d.span))}: ${head}`];
  const files = [...new Set(marks.map((mark) => mark.span.file))];
  for (const file of files) {
    const own = marks.filter((mark) => mark.span.file === file);
    if (file !== d.span.file)
      lines.push(paint("gutter", `${" ".repeat(gutter)}--> `) + placeOf(sources[file]!, own[0]!.span));
    lines.push(...frame(sources[file]!, own, gutter, paint));
  }
  for (const note of d.notes) {
    if (note.span !== undefined && sources[note.span.file] !== undefined) continue;
    lines.push(`${paint("gutter", `${" ".repeat(gutter)} =`)} ${paint("note", "note")}: ${note.message}`);
  }
  if (d.fix !== undefined) lines.push(...renderFix(d.fix, sources, gutter, paint));
  return lines.join("\n");
}

const severityStyle = (severity: Severity): "error" | "warning" | "note" => severity;

function placeOf(source: Source, span: Span): string {
  const { line, column } = positionOf(source.text, span.start);
  return `${source.name}:${line}:${column}`;
}

function gutterWidth(marks: readonly Mark[], fix: Fix | undefined, sources: readonly Source[]): number {
  const spans = [...marks.map((mark) => mark.span), ...(fix === undefined ? [] : [fix.span])];
  const widths = spans.map(({ file, start }) => {
    const source = sources[file];
    return source === undefined ? 1 : String(positionOf(source.text, start).line).length;
  });
  return Math.max(1, ...widths);
}

/** The lines that carry marks, in order; what lies between them is left out. */
function frame(source: Source, marks: readonly Mark[], gutter: number, paint: Paint): readonly string[] {
  const bar = (number: string): string => paint("gutter", `${number.padStart(gutter)} |`);
  const byLine = new Map<number, Mark[]>();
  for (const mark of marks) {
    const { line } = positionOf(source.text, mark.span.start);
    byLine.set(line, [...(byLine.get(line) ?? []), mark]);
  }
  const out = [bar("")];
  let previous: number | undefined;
  for (const line of [...byLine.keys()].sort((a, b) => a - b)) {
    if (previous !== undefined && line > previous + 1) out.push(paint("gutter", "..."));
    previous = line;
    out.push(...markedLine(source, line, byLine.get(line)!, bar, paint));
  }
  return out;
}

function markedLine(
  source: Source,
  line: number,
  marks: readonly Mark[],
  bar: (number: string) => string,
  paint: Paint,
): readonly string[] {
  const anchors = marks.map((mark) => mark.span);
  const shown = layOut(source.text, line, anchors[0]!.start, MAX_COLUMNS);
  const out = [shown.text === "" ? bar(String(line)) : `${bar(String(line))} ${shown.text}`];
  for (const mark of marks) {
    const [from, to] = shown.columnsOf(mark.span);
    const under = " ".repeat(from) + paint(mark.style, mark.glyph.repeat(Math.max(1, to - from)));
    out.push(`${bar("")} ${under}${mark.label === "" ? "" : ` ${paint(mark.style, mark.label)}`}`);
  }
  return out;
}

/** `help:` with the line as it would read. */
function renderFix(fix: Fix, sources: readonly Source[], gutter: number, paint: Paint): readonly string[] {
  const head = `${paint("gutter", `${" ".repeat(gutter)} =`)} ${paint("help", "help")}: ${fix.message}`;
  const source = sources[fix.span.file];
  if (source === undefined) return [head];
  const mended = source.text.slice(0, fix.span.start) + fix.text + source.text.slice(fix.span.end);
  const { line } = positionOf(mended, fix.span.start);
  const shown = layOut(mended, line, fix.span.start, MAX_COLUMNS);
  const out = [head, `${paint("gutter", `${String(line).padStart(gutter)} |`)} ${shown.text}`];
  if (fix.text === "") return out;
  const [from] = shown.columnsOf({ ...fix.span, end: fix.span.start + fix.text.length });
  const under = " ".repeat(from) + paint("help", "~".repeat(Math.max(1, columnsOf(fix.text))));
  return [...out, `${paint("gutter", `${" ".repeat(gutter)} |`)} ${under}`];
}
