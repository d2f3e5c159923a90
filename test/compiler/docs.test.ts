/** The language reference is true: its examples check, its names exist, its diagram is the parser's grammar. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { MAX_COUNT } from "../../compiler/check/formats.ts";
import { FUNCTIONS, OPERATORS } from "../../compiler/check/functions.ts";
import { stdFiles } from "../../compiler/std.ts";
import { format } from "../../compiler/syntax/fmt.ts";
import { grammarDiagram } from "../../compiler/syntax/grammar-diagram.ts";
import { MAX_OPERATORS } from "../../compiler/syntax/grammar-expressions.ts";
import { MAX_FILE_CHARACTERS, MAX_NESTING } from "../../compiler/syntax/parser.ts";
import { TOKENS } from "../../compiler/syntax/tokens.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const text = readFileSync(path("docs/language.md"), "utf8");
const examples = [...text.matchAll(/^```loom\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);

describe("docs/language.md", () => {
  it("has examples that check and are formatted", () => {
    expect(examples.length).toBeGreaterThan(4);
    for (const example of examples) {
      const diagnostics = new Diagnostics();
      check([{ name: "example.loom", text: example }], diagnostics);
      expect(diagnostics.list).toEqual([]);
      expect(format(0, example, diagnostics)).toBe(example);
    }
  });

  it("names every word, function, operator and standard format", () => {
    const words = TOKENS.flatMap((token) => /^`(\w+)`$/.exec(token.LABEL ?? "")?.[1] ?? []);
    const operators = Object.keys(OPERATORS).map((o) => (o === "|" ? "\\|" : o));
    for (const name of [...words, ...Object.keys(FUNCTIONS), ...operators])
      expect(text.includes(`\`${name}\``) || text.includes(`\`${name}(`), name).toBe(true);
    for (const name of stdFiles().flatMap((file) => file.generics))
      expect(text.includes(`\`${name}<`), name).toBe(true);
    for (const name of stdFiles().flatMap((file) => file.fns)) expect(text.includes(`\`${name}(`), name).toBe(true);
    for (const name of stdFiles().flatMap((file) => file.formats)) {
      const family = name.replace(/^([iu])[1-8]$/, "$11").replace(/^([iu])[1-8]_(tensor|row|g\d+|planes)$/, "$1N_$2");
      expect(text.includes(`\`${family}\``), name).toBe(true);
    }
  });

  it("states the limits as they are", () => {
    const row = (what: string): string => new RegExp(`^\\| ${what}[^|]*\\| ([^|]*) \\|`, "m").exec(text)?.[1] ?? "";
    const number = (cell: string): number => Number(/^[\d ]+/.exec(cell)?.[0].replace(/ /g, ""));
    expect(number(row("a file"))).toBe(MAX_FILE_CHARACTERS);
    expect(number(row("nesting"))).toBe(MAX_NESTING);
    expect(number(row("operators from an expression"))).toBe(MAX_OPERATORS);
    expect(number(row("a block, a field"))).toBe(MAX_COUNT);
  });

  it("shows the grammar that the parser has", () => {
    expect(readFileSync(path("docs/images/grammar.svg"), "utf8")).toBe(grammarDiagram());
  });
});
