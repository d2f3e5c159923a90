/** Whatever the text, the front end ends, throws nothing, and reports places that exist. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import { format } from "../../compiler/syntax/fmt.ts";
import { makeValidatedParser, parse } from "../../compiler/syntax/parser.ts";
import { makeLexer, TOKENS } from "../../compiler/syntax/tokens.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { renderDiagnostics } from "../../ir/render-diagnostics.ts";
import { SAMPLE } from "./sample.ts";

/** Runs everything that takes a file; returns what was reported. */
function frontEnd(text: string): Diagnostics {
  const diagnostics = new Diagnostics();
  const module = check([{ name: "fuzz.loom", text }], diagnostics);
  for (const d of diagnostics.list) {
    const source = module.sources[d.span.file];
    if (source === undefined || d.span.start < 0 || d.span.end > source.text.length || d.span.start > d.span.end)
      throw new Error(`${d.code} points to ${JSON.stringify(d.span)}`);
  }
  renderDiagnostics(diagnostics.list, module.sources, { color: true });
  const once = format(0, text, new Diagnostics());
  if (once !== undefined) expect(format(0, once, new Diagnostics())).toBe(once);
  return diagnostics;
}

const words = [
  ...TOKENS.map((token) => token.LABEL ?? "").flatMap((label) => /^`(.*)`$/.exec(label)?.[1] ?? []),
  "x", "w", "y", "i", "k", "m", "n", "M", "K", "f16", "int4_g128", "quantize", "absmax", "bit",
  "0", "1", "128", "0.5", "1e9", "65537", '"r"', "\n", "// c\n", "é", ";",
]; // biome-ignore format: a table

describe("the grammar", () => {
  it("has no ambiguity and no token that another one hides", () => {
    expect(() => makeLexer(true)).not.toThrow();
    expect(() => makeValidatedParser()).not.toThrow();
  });
});

describe("any text", () => {
  it("of arbitrary characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void frontEnd(text)),
      { numRuns: 300 },
    );
  });

  it("of the language's own words", () => {
    const text = fc.array(fc.constantFrom(...words), { maxLength: 80 }).map((list) => list.join(" "));
    fc.assert(
      fc.property(text, (t) => void frontEnd(t)),
      { numRuns: 300 },
    );
  });

  it("that was valid before tokens were lost, doubled, swapped and replaced", () => {
    const sources = [SAMPLE, ...STD_FILES.map((file) => file.text.slice(0, 3000))];
    const tokensOf = sources.map((text) => parse(0, text, new Diagnostics()).tokens.map((token) => token.image));
    const edit = fc.record({
      at: fc.nat(),
      what: fc.constantFrom("drop", "double", "swap", "replace"),
      word: fc.constantFrom(...words),
    });
    const mutated = fc
      .tuple(fc.nat({ max: sources.length - 1 }), fc.array(edit, { minLength: 1, maxLength: 8 }))
      .map(([which, edits]) => {
        const tokens = [...tokensOf[which]!];
        for (const { at, what, word } of edits) {
          const n = at % tokens.length;
          const token = tokens[n]!;
          if (what === "drop") tokens.splice(n, 1);
          else if (what === "double") tokens.splice(n, 0, token);
          else if (what === "swap") tokens.splice(n, 2, tokens[n + 1] ?? word, token);
          else tokens[n] = word;
          if (tokens.length === 0) tokens.push(word);
        }
        return tokens.join(" ");
      });
    fc.assert(
      fc.property(mutated, (text) => void frontEnd(text)),
      { numRuns: 300 },
    );
  });

  it("cut off anywhere", () => {
    fc.assert(
      fc.property(fc.nat({ max: SAMPLE.length }), (end) => void frontEnd(SAMPLE.slice(0, end))),
      { numRuns: 150 },
    );
  });
});

describe("text made to be expensive", () => {
  const deep = 20_000;
  it.each([
    ["brackets", `op f<M>(x: f16[M]) -> f16[M] { y[m] = ${"(".repeat(deep)}`],
    ["signs", `op f<M>(x: f16[M]) -> f16[M] { y[m] = ${"-".repeat(deep)}x[m] }`],
    ["sums", `op f<M>(x: f16[M]) -> f16[M] { y[m] = ${"x[m] + ".repeat(deep)}x[m] }`],
    ["conditionals", `format f { q: u4 value = ${"q == 1 ? 2 : ".repeat(deep)}3 }`],
    ["nested conditionals", `format f { q: u4 value = ${"q == 1 ? ".repeat(deep)}3 }`],
    ["indices", `format f { q: u4 value = q${"[0]".repeat(deep)} }`],
    ["nested sums", `op f<M>(x: f16[M]) -> f16[M] { y[m] = ${"sum k { ".repeat(deep)}x[m] }`],
    ["items", "format ".repeat(deep)],
    ["characters", ";".repeat(deep)],
    ["a codebook", `codebook c = [${"1, ".repeat(66_000)}1]`],
    ["a large block", "format f { block 65536 q: u32[65536] @ (i ^ 1) + 65536 * bit value(i) = q[i] }"],
    ["many fields", `format f { ${Array.from({ length: 1000 }, (_, n) => `f${n}: u4`).join(" ")} value = f0 }`],
  ])("%s", (_, text) => {
    const diagnostics = frontEnd(text);
    expect(diagnostics.list.length).toBeLessThan(4000);
  });
});
