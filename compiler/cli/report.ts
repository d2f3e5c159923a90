/** Diagnostics of a command: frames for people on stderr, places as data for programs. */
import type { Diagnostic, Source } from "../../ir/diagnostics.ts";
import { renderDiagnostic } from "../../ir/render-diagnostics.ts";
import { positionOf } from "../../ir/source-text.ts";
import type { Terminal } from "./terminal.ts";

/** More than this many are counted, not shown. */
const MAX_SHOWN = 50;

/** Prints diagnostics to stderr, with a last line that counts them. */
export function sayDiagnostics(terminal: Terminal, list: readonly Diagnostic[], sources: readonly Source[]): void {
  if (list.length === 0) return;
  for (const diagnostic of list.slice(0, MAX_SHOWN))
    terminal.say(`${renderDiagnostic(diagnostic, sources, { color: terminal.color.say })}\n`);
  const count = (severity: string): number => list.filter((d) => d.severity === severity).length;
  const parts = (["error", "warning"] as const)
    .map((severity) => ({ severity, n: count(severity) }))
    .filter(({ n }) => n > 0)
    .map(({ severity, n }) => `${n} ${severity}${n === 1 ? "" : "s"}`);
  const codes = [...new Set(list.filter((d) => d.severity === "error").map((d) => d.code))];
  const more = codes[0] === undefined ? "" : `; \`bitloom explain ${codes[0]}\` says more`;
  terminal.say(`${parts.join(", ")}${more}`);
}

/** A diagnostic with its places resolved, as --json prints it. */
export function diagnosticJson(diagnostic: Diagnostic, sources: readonly Source[]): object {
  const place = (span: Diagnostic["span"]): object | null => {
    const source = sources[span.file];
    if (source === undefined) return null;
    return { file: source.name, start: positionOf(source.text, span.start), end: positionOf(source.text, span.end) };
  };
  const { code, severity, message, span, notes, fix } = diagnostic;
  return {
    code,
    severity,
    message,
    at: place(span),
    notes: notes.map((n) => ({ message: n.message, at: n.span === undefined ? null : place(n.span) })),
    fix: fix === undefined ? null : { message: fix.message, at: place(fix.span), text: fix.text },
  };
}
