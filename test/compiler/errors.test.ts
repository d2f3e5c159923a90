/** Every diagnostic code: its essay's examples hold, and a golden shows how it looks. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { compile } from "../../compiler/driver.ts";
import type { Essay, LoomExample } from "../../compiler/explain/essay.ts";
import { essayOf, explain, explainedCodes } from "../../compiler/explain/explain.ts";
import { LANGUAGE_ESSAYS } from "../../compiler/explain/language-essays.ts";
import { TARGET_ESSAYS } from "../../compiler/explain/target-essays.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import { renderDiagnostics } from "../../ir/render-diagnostics.ts";

const root = new URL("../errors/", import.meta.url);
const essays: Readonly<Record<string, Essay>> = { ...LANGUAGE_ESSAYS, ...TARGET_ESSAYS };
const codes = Object.keys(essays);

interface Outcome {
  readonly diagnostics: Diagnostics;
  readonly sources: readonly Source[];
}

function run({ text, op, sizes, target }: LoomExample): Outcome {
  const diagnostics = new Diagnostics();
  const sources = [{ name: "input.loom", text }];
  const module = check(sources, diagnostics);
  if (op !== undefined && target !== undefined)
    compile({ sources, op, sizes: sizes ?? {}, target }, diagnostics, module);
  else if (op !== undefined) instantiate(module, op, sizes ?? {}, diagnostics);
  return { diagnostics, sources: module.sources };
}

/** The first line of a case may ask for a program: `// request OP M=4 K=128 for cuda.sm80`. */
function caseOf(text: string): LoomExample {
  const match = /^\/\/ request (\w+)(.*?)(?: for ([\w.]+))?\n/.exec(text);
  if (match === null) return { text };
  const sizes = Object.fromEntries(
    match[2]!
      .trim()
      .split(/\s+/)
      .map((pair) => pair.split("="))
      .map(([name, value]) => [name!, Number(value)]),
  );
  return { text, op: match[1]!, sizes, ...(match[3] === undefined ? {} : { target: match[3] }) };
}

describe("essays", () => {
  it.each(codes)("%s: the failing example fails so, the fixed one does not", (code) => {
    const essay = essays[code]!;
    const failing = run(essay.failing).diagnostics.list;
    expect([...new Set(failing.map((d) => d.code))]).toEqual([code]);
    expect(run(essay.fixed).diagnostics.list).toEqual([]);
  });

  it.each(codes)("%s: every span lies in its file", (code) => {
    const { diagnostics, sources } = run(essays[code]!.failing);
    for (const d of diagnostics.list) {
      for (const span of [
        d.span,
        ...d.notes.flatMap((n) => (n.span ? [n.span] : [])),
        ...(d.fix ? [d.fix.span] : []),
      ]) {
        if (span.file < 0) continue;
        expect(span.start).toBeGreaterThanOrEqual(0);
        expect(span.end).toBeLessThanOrEqual(sources[span.file]!.text.length);
        expect(span.start).toBeLessThan(span.end);
      }
    }
  });

  it("prints an essay, and nothing for a code that does not exist", () => {
    expect(explain("shape/extent")).toMatch(/^shape\/extent: an index ranges over two different extents\n\n/);
    expect(explain("shape/extents")).toBeUndefined();
    expect(explain("constructor")).toBeUndefined();
  });

  it("cover exactly the codes that the compiler reports", () => {
    const folder = new URL("../../compiler/", import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /^(?!(?:cli|io|quantize)\/).*(?<!-essays)\.ts$/.test(name),
    );
    const used = new Set(
      files.flatMap((name) => {
        const text = readFileSync(new URL(name, folder), "utf8");
        return [...text.matchAll(/"((?:syntax|limit|name|format|type|shape|op|schedule|size|target)\/[a-z-]+)"/g)].map(
          (m) => m[1]!,
        );
      }),
    );
    expect([...used].sort()).toEqual(codes.toSorted());
    expect(explainedCodes()).toEqual(expect.arrayContaining(codes));
    for (const code of codes) expect(essayOf(code)).toBe(essays[code]);
  });
});

describe("goldens", () => {
  const folders = readdirSync(root).flatMap((area) =>
    readdirSync(new URL(`${area}/`, root)).map((n) => `${area}/${n}`),
  );

  it("there is one folder for every code", () => {
    expect(folders.toSorted()).toEqual(codes.toSorted());
  });

  it.each(codes)("%s", async (code) => {
    const input = new URL(`${code}/input.loom`, root);
    // The one code whose case would be megabytes long is made from its essay.
    const example = existsSync(input) ? caseOf(readFileSync(input, "utf8")) : essays[code]!.failing;
    const { diagnostics, sources } = run(example);
    expect(diagnostics.list.map((d) => d.code)).toContain(code);
    const golden = new URL(`${code}/expected.txt`, root);
    await expect(`${renderDiagnostics(diagnostics.list, sources)}\n`).toMatchFileSnapshot(golden.pathname);
  });
});
