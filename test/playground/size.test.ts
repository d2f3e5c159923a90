/** The playground's page as a file: below 500 kB as it travels, under a strict policy, with every example inside. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { examples, playgroundPage } from "../../scripts/build-web.mjs";
import { filesIn } from "../meta/sources.ts";

describe("the playground's page", async () => {
  const page = await playgroundPage();

  it("is below 500 kB compressed, all of it", () => {
    expect(gzipSync(page, { level: 9 }).length).toBeLessThan(500_000);
  });

  it("asks nobody for anything, and runs no script but its own", () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
    const rules = Object.fromEntries(policy.split("; ").map((rule) => [rule.split(" ")[0], rule.split(" ").slice(1)]));
    expect(rules["default-src"]).toEqual(["'none'"]);
    expect(rules["connect-src"]).toEqual(["'none'"]);
    expect(rules["script-src"]).toEqual([expect.stringMatching(/^'sha256-/), "blob:"]);
    expect(rules["style-src"]).toEqual([expect.stringMatching(/^'sha256-/)]);
    expect(page).not.toMatch(/\b(src|href)="https?:/);
  });

  it("holds every example, the quickstart first", () => {
    const list = examples();
    const found = filesIn("examples", /\.loom$/).map((f) => f.path.replace(/^examples\//, ""));
    expect(list.map((e) => e.name).toSorted()).toEqual(found.toSorted());
    expect(list[0]!.name).toBe("quickstart.loom");
    for (const { about } of list) expect(about).not.toBe("");
  });
});
