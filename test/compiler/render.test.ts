/** Diagnostics as text: carets under the right columns, whatever stands before them. */
import { describe, expect, it } from "vitest";
import { renderDiagnostic } from "../../compiler/render.ts";
import type { Diagnostic, Source, Span } from "../../ir/diagnostics.ts";

const source = (text: string): Source => ({ name: "a.loom", text });

function spanOf(text: string, part: string, file = 0): Span {
  const start = text.indexOf(part);
  return { file, start, end: start + part.length };
}

function error(span: Span, rest: Partial<Diagnostic> = {}): Diagnostic {
  return { code: "name/unknown", severity: "error", message: "no such name", span, notes: [], ...rest };
}

/** The column (0-based) at which the mark of a frame starts, and what of the line above stands over it. */
function marked(rendered: string): string {
  const lines = rendered.split("\n");
  const at = lines.findIndex((l) => /\^/.test(l));
  const from = lines[at]!.indexOf("^");
  return lines[at - 1]!.slice(from, lines[at]!.lastIndexOf("^") + 1);
}

describe("renderDiagnostic", () => {
  it("shows place, line, caret, labels, notes and the fix", () => {
    const text = "op f(x: f16[M]) {\n  y[m] = z[m]\n}\n";
    const span = spanOf(text, "z");
    const rendered = renderDiagnostic(
      error(span, {
        notes: [{ message: "there is x" }, { message: "the operator", span: spanOf(text, "f(") }],
        fix: { message: "did you mean `x`?", span, text: "x" },
      }),
      [source(text)],
    );
    expect(rendered).toBe(
      [
        "error[name/unknown]: no such name",
        "  --> a.loom:2:10",
        "   |",
        " 1 | op f(x: f16[M]) {",
        "   |    -- the operator",
        " 2 |   y[m] = z[m]",
        "   |          ^",
        "   = note: there is x",
        "   = help: did you mean `x`?",
      ].join("\n"),
    );
  });

  it("says what to write where the fix's message does not", () => {
    const text = "i44[2]";
    const span = spanOf(text, "i44");
    const rendered = renderDiagnostic(error(span, { fix: { message: "use a type", span, text: "i4" } }), [
      source(text),
    ]);
    expect(rendered.split("\n").at(-1)).toBe("   = help: use a type: write `i4` for `i44`");
  });

  it("puts carets right behind tabs", () => {
    const text = "\ta\tbad";
    expect(marked(renderDiagnostic(error(spanOf(text, "bad")), [source(text)]))).toBe("bad");
  });

  it("counts wide characters as two columns and marks as none", () => {
    const text = "量e\u0301 bad";
    const lines = renderDiagnostic(error(spanOf(text, "bad")), [source(text)]).split("\n");
    expect(lines.at(-1)).toBe(`   | ${" ".repeat(4)}^^^`);
  });

  it("cuts long lines around the mark", () => {
    const text = `${"x".repeat(5000)} bad ${"y".repeat(5000)}`;
    const rendered = renderDiagnostic(error(spanOf(text, "bad")), [source(text)]);
    expect(marked(rendered)).toBe("bad");
    for (const line of rendered.split("\n")) expect(line.length).toBeLessThan(140);
  });

  it("marks the end of the file, a span over lines, and lines with carriage returns", () => {
    const text = "a {\r\n  b\r\n";
    expect(renderDiagnostic(error({ file: 0, start: text.length, end: text.length }), [source(text)])).toContain(
      ":3:1",
    );
    const spanning = renderDiagnostic(error({ file: 0, start: 2, end: 8 }), [source(text)]);
    expect(spanning).not.toContain("\r");
    expect(marked(spanning)).toBe("{");
  });

  it("shows frames of several files, and none for a span of no file", () => {
    const [a, b] = ["first x", "second x"] as const;
    const rendered = renderDiagnostic(
      error(spanOf(a, "x"), { notes: [{ message: "also", span: spanOf(b, "x", 1) }] }),
      [source(a), { name: "b.loom", text: b }],
    );
    expect(rendered).toContain("--> a.loom:1:7");
    expect(rendered).toContain("--> b.loom:1:8");
    expect(renderDiagnostic(error({ file: -1, start: 0, end: 0 }), [source(a)])).toBe(
      "error[name/unknown]: no such name",
    );
  });
});
