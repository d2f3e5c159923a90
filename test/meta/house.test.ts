/** House rules that a linter does not know: first lines, words that must not appear, and a test for everything listed. */
import { describe, expect, it } from "vitest";
import { type File, filesIn, sources } from "./sources.ts";

/** What may not appear in TypeScript, and what it would be. Written in pieces so that this file passes. */
const FORBIDDEN: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\bas any\b|:\s*any\b|<any>/, "any"],
  [/^export default\b/m, "a default export"],
  [/^(export )?(const )?enum\b/m, "an enum"],
  [/^(export )?(declare )?namespace\b/m, "a namespace"],
  [/^(export )?let\b/m, "a module-level let"],
  [/@ts-(ignore|nocheck|expect-error)/, "a silenced type error"],
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

  it.each(FORBIDDEN.map(([pattern, what]) => ({ what, pattern })))("no file has $what", ({ pattern }) => {
    expect(offenders([...shipped, ...tests.filter((f) => f.path !== "test/meta/house.test.ts")], pattern)).toEqual([]);
  });

  it("no file names a path of somebody's machine", () => {
    const documents = ["docs", "examples", "bench", ".github", ".ci"].flatMap((folder) =>
      filesIn(folder, /\.(md|loom|json|ts|mjs|cu)$|^run$/),
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

  it("every pass has a test", () => {
    const passes = filesIn("compiler/passes", /\.ts$/).filter((f) => !/(^|\/)(index|pass|common)\.ts$/.test(f.path));
    const text = tests.map((f) => f.text).join("\n");
    const untested = passes.filter((f) => {
      const name = f.path.slice("compiler/passes/".length, -".ts".length);
      return !text.includes(`passes/${name}.ts"`) && !text.includes(`"${name}"`);
    });
    expect(untested.map((f) => f.path)).toEqual([]);
  });

  it("every built-in format has a test", () => {
    const names = filesIn("compiler/std", /\.loom$/).flatMap((f) =>
      [...f.text.matchAll(/^format\s+(\w+)/gm)].map((m) => m[1]!),
    );
    const text = [...tests, ...filesIn("test", /\.(loom|txt|json)$/)].map((f) => f.text).join("\n");
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  });
});
