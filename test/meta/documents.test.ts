/** The documents show what the compiler really prints (they are goldens of it), and name only what exists. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../compiler/cli/commands.ts";
import { TARGETS } from "../../index.ts";
import { architectureExamples, readmeExamples } from "./examples.ts";
import { ROOT } from "./sources.ts";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** The document with `body` after its marker, instead of what stood between the marker and its end. */
function fill(document: string, marker: string, body: string): string {
  const [open, close] = [`<!-- example:${marker} -->`, `<!-- /example:${marker} -->`];
  const [before, rest] = document.split(open);
  if (before === undefined || rest === undefined) throw new Error(`no ${open}`);
  const after = rest.includes(close) ? rest.slice(rest.indexOf(close) + close.length) : rest;
  return `${before}${open}\n\n${body}\n\n${close}${after}`;
}

describe("documents", () => {
  it.each([
    ["README.md", readmeExamples],
    ["docs/architecture.md", architectureExamples],
  ])("%s shows its examples as they are", async (path, examples) => {
    const filled = Object.entries(examples()).reduce((text, [marker, body]) => fill(text, marker, body), read(path));
    expect(filled.match(/<!-- example:/g)?.length).toBe(Object.keys(examples()).length);
    await expect(filled).toMatchFileSnapshot(join(ROOT, path));
  });

  it("the README names every command, and counts the targets right", () => {
    const text = read("README.md");
    for (const { name } of COMMANDS) expect(text).toMatch(new RegExp(`\`${name}\\b`));
    expect(text).toContain(`--target all\` writes ${TARGETS.length} targets`);
  });

  it.each(["README.md", "docs/architecture.md", "docs/dependencies.md", ".github/CONTRIBUTING.md"])(
    "%s names only files that exist",
    (path) => {
      const document = read(path);
      const folders = "ir|compiler|backends|simulator|hw-models|web|examples|bench|docs|test|scripts";
      const named = [...document.matchAll(new RegExp(`\`((?:${folders})/[\\w./-]*)\``, "g"))].map((m) => m[1]!);
      const links = [...document.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((m) => join(path, "..", m[1]!));
      expect([...named, ...links].filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
    },
  );
});
