/** Diagnostics as text: carets under what they mean, whatever stands before them on the line. */
import { describe, expect, it } from "vitest";
import type { Diagnostic, Span } from "../../ir/diagnostics.ts";
import { renderDiagnostic, renderDiagnostics } from "../../ir/render-diagnostics.ts";
import { columnsOf, layOut, positionOf } from "../../ir/source-text.ts";

const error = (span: Span, more: Partial<Diagnostic> = {}): Diagnostic => ({
  code: "area/name",
  severity: "error",
  message: "wrong",
  span,
  notes: [],
  ...more,
});

const at = (text: string, word: string, file = 0): Span => {
  const start = text.indexOf(word);
  return { file, start, end: start + word.length };
};

describe("renderDiagnostic", () => {
  it("puts carets under the span behind tabs, wide and combining characters", () => {
    for (const before of ["", "  ", "\t", "ab\t", "日本 ", "e\u0301", "😀 ", "\u0007"]) {
      const text = `first\n${before}here\r\nlast`;
      const lines = renderDiagnostic(error(at(text, "here")), [{ name: "a.loom", text }]).split("\n");
      const [source, carets] = [lines[2]!, lines[3]!];
      expect(columnsOf(source.slice(0, source.indexOf("here")))).toBe(columnsOf(carets.slice(0, carets.indexOf("^"))));
      expect(carets.trimEnd().endsWith("^^^^")).toBe(true);
    }
  });

  it("shows labels in other lines and files, notes, and the mended line", () => {
    const sources = [
      { name: "a.loom", text: "one two\nthree\n\nfour five" },
      { name: "std/b.loom", text: "\n\nelsewhere" },
    ];
    const [a, b] = [sources[0]!.text, sources[1]!.text];
    const diagnostic = error(at(a, "five"), {
      notes: [
        { message: "because of this", span: at(a, "two") },
        { message: "and of that", span: at(b, "elsewhere", 1) },
        { message: "think again" },
      ],
      fix: { message: "write six", span: at(a, "five"), text: "six" },
    });
    expect(renderDiagnostic(diagnostic, sources)).toBe(`a.loom:4:6: error[area/name]: wrong
  |
1 | one two
  |     --- because of this
...
4 | four five
  |      ^^^^
 --> std/b.loom:3:1
  |
3 | elsewhere
  | --------- and of that
  = note: think again
  = help: write six
4 | four six
  |      ~~~`);
  });

  it("needs no place, and survives places that do not exist", () => {
    const nowhere = renderDiagnostic(error({ file: -1, start: 0, end: 0 }), []);
    expect(nowhere).toBe("error[area/name]: wrong");
    const beyond = renderDiagnostic(error({ file: 0, start: 90, end: 99 }), [{ name: "a", text: "x" }]);
    expect(beyond).toContain("a:1:2: error");
    expect(renderDiagnostic(error({ file: 0, start: 0, end: 0 }), [{ name: "a", text: "" }])).toContain("^");
  });

  it("underlines only the first line of a span over several", () => {
    const text = "ab\ncd";
    const lines = renderDiagnostic(error({ file: 0, start: 1, end: 5 }), [{ name: "a", text }]).split("\n");
    expect(lines.slice(1)).toEqual(["  |", "1 | ab", "  |  ^"]);
  });

  it("cuts long lines around what they are shown for", () => {
    const text = `${"x".repeat(5000)}HERE${"y".repeat(5000)}`;
    const lines = renderDiagnostic(error(at(text, "HERE")), [{ name: "a", text }]).split("\n");
    expect(lines[2]!.length).toBeLessThan(180);
    expect(lines[2]!.indexOf("HERE")).toBe(lines[3]!.indexOf("^^^^"));
    expect(lines[0]).toContain(":1:5001:");
  });

  it("orders by place, and colours only when asked", () => {
    const sources = [{ name: "a", text: "b a" }];
    const list = [error({ file: 0, start: 2, end: 3 }), error({ file: 0, start: 0, end: 1 })];
    const text = renderDiagnostics(list, sources);
    expect(text.indexOf("a:1:1")).toBeLessThan(text.indexOf("a:1:3"));
    expect(text).not.toContain("\u001b");
    const codes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
    const colored = renderDiagnostics(list, sources, { color: true });
    expect(colored).not.toBe(text);
    expect(colored.replace(codes, "")).toBe(text);
  });
});

describe("positions", () => {
  it("count lines and code points from one", () => {
    expect(positionOf("a\n😀b", 0)).toEqual({ line: 1, column: 1 });
    expect(positionOf("a\n😀b", 2)).toEqual({ line: 2, column: 1 });
    expect(positionOf("a\n😀b", 4)).toEqual({ line: 2, column: 2 });
    expect(positionOf("a\n😀b", 99)).toEqual({ line: 2, column: 3 });
  });

  it("lay tabs out to the next multiple of four", () => {
    expect(layOut("a\tb", 1, 0, 80).text).toBe("a   b");
  });
});
