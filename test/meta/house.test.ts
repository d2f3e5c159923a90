/** House rules that a linter does not know: first lines, words that must not appear, and a test for everything listed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codeOf, type File, filesIn, importsOf, ROOT, sources } from "./sources.ts";

/** What may not appear in code, and what it would be. */
const FORBIDDEN: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\bas any\b|:\s*any\b|<any>/, "any"],
  [/^export default\b/m, "a default export"],
  [/^(export )?(const )?enum\b/m, "an enum"],
  [/^(export )?(declare )?namespace\b/m, "a namespace"],
  [/^(export )?let\b/m, "a module-level let"],
];
const MACHINE_PATHS = new RegExp(["/wo", "rk/|/ho", "me/\\w|/ro", "ot/|/Us", "ers/\\w"].join(""));
const TARGET_COMPARISON = /===\s*"(cuda|wgsl|metal)"|"(cuda|wgsl|metal)"\s*===/;

function offenders(files: readonly File[], pattern: RegExp): readonly string[] {
  return files.filter((f) => pattern.test(f.text)).map((f) => f.path);
}

describe("house", () => {
  const shipped = sources();
  const tests = filesIn("test", /\.ts$/);
  const scripts = filesIn("scripts", /\.mjs$/);

  const code = [...shipped, ...tests].map((f) => ({ path: f.path, text: codeOf(f.text) }));

  it("sees code, not what it talks about", () => {
    const text =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
      'a = /[`"/]/; // enum\nb = `x${c["}"] /* enum */}y`;\nlet d = 6 / 3 / 1; /* enum\n*/ const e = "enum";';
    expect(codeOf(text)).toBe('a = ; \nb = "";\nlet d = 6 / 3 / 1;  const e = "";');
  });

  it.each(FORBIDDEN.map(([pattern, what]) => ({ what, pattern })))("no file has $what", ({ pattern }) => {
    expect(offenders(code, pattern)).toEqual([]);
  });

  it("no file silences the type checker", () => {
    expect(offenders([...shipped, ...tests], new RegExp("@ts-" + "(ignore|nocheck|expect-error)"))).toEqual([]);
  });

  it("no file names a path of somebody's machine", () => {
    const documents = ["docs", "examples", "bench", ".github", ".ci"].flatMap((folder) =>
      filesIn(folder, /\.(md|loom|json|ts|mjs|cu|py)$|^run$/),
    );
    documents.push(
      ...["README.md", "CHANGELOG.md"].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") })),
    );
    expect(offenders([...shipped, ...tests, ...scripts, ...documents], MACHINE_PATHS)).toEqual([]);
  });

  it("only a target's own table compares target families", () => {
    const elsewhere = shipped.filter((f) => !/^backends\/(cuda|wgsl|metal|hosts)/.test(f.path));
    expect(offenders(elsewhere, TARGET_COMPARISON)).toEqual([]);
  });

  it("every file begins with a sentence that says what it is", () => {
    const bare = [...shipped, ...tests, ...scripts].filter(
      (f) => !/^(#!.*\n)?(\/\*\*|\/\/) ?\S|^\/\*\*\n \* \S/.test(f.text),
    );
    expect(bare.map((f) => f.path)).toEqual([]);
  });

  it("every pass is in the pipelines, whose stages are evaluated, or has a test of its own", () => {
    const passes = filesIn("compiler/passes", /\.ts$/);
    const users = [...tests, ...filesIn("compiler", /^(pipelines|driver)\.ts$/)].flatMap(importsOf).map((i) => i.to);
    expect(passes.length).toBeGreaterThan(5);
    expect(passes.map((f) => f.path).filter((path) => !users.includes(path))).toEqual([]);
    expect(tests.some((f) => importsOf(f).some((i) => i.to === "compiler/pipelines.ts"))).toBe(true);
  });

  it("every command is tested and documented by its help", () => {
    const commands = filesIn("compiler/cli", /^commands\.ts$/)[0]!.text;
    const names = [...commands.matchAll(/^ {4}name: "(\w+)"/gm)].map((m) => m[1]!);
    const text = filesIn("test/cli", /\.ts$/)
      .map((f) => f.text)
      .join("\n");
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !text.includes(`"${name}"`))).toEqual([]);
  });
});
