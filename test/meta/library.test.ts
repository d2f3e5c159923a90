/** The library's entry: bundles for a browser without anything of Node's, and works there as it does here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compile, Diagnostics, TARGETS, VERSION } from "../../index.ts";
import { bundleForBrowser, openPage } from "../browser.ts";
import { describeWith } from "../tools.ts";
import { ROOT } from "./sources.ts";

const text = readFileSync(join(ROOT, "examples/quickstart.loom"), "utf8");

describe("the library", () => {
  it("bundles for a browser", async () => {
    const script = await bundleForBrowser(join(ROOT, "index.ts"));
    expect(script).toContain(`"${VERSION}"`);
    expect(script).not.toMatch(/from\s*"node:|require\("(fs|path)"\)/);
  });

  it("has no room for Node in the bundle: an import of it fails the build", async () => {
    await expect(bundleForBrowser(join(ROOT, "compiler/cli.ts"))).rejects.toThrow(/node:/);
  });
});

describeWith(["chromium"], "the library in a page", () => {
  it("compiles every quickstart operator to the same files as here", async () => {
    const page = await openPage(join(ROOT, "test/fixtures/compile-in-page.ts"));
    try {
      for (const op of ["linear_w4a16", "linear_w2a8", "linear_nf4"]) {
        for (const target of ["cuda.sm90a", "wgsl.p0", "metal.3"]) {
          const sizes = { M: 3, N: 64, K: 256 };
          const sources = [{ name: "quickstart.loom", text }];
          const here = compile({ sources, op, sizes, target }, new Diagnostics());
          const there = await page.call("compileInPage", { text, op, sizes, target });
          expect(there).toEqual(here?.files.map(({ name, text }) => ({ name, text })));
        }
      }
    } finally {
      await page.close();
    }
  });
});

it("names at least one target of each language", () => {
  expect(new Set(TARGETS.map((t) => t.family)).size).toBe(3);
});
