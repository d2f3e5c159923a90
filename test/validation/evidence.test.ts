/** The table of evidence: its figures are those of test/data, and a figure that is wrong is called so. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openTerminal } from "../../compiler/cli/terminal.ts";
import { printEvidence } from "../../compiler/cli/validate.ts";
import { type EvidenceRow, verdictOf } from "../../simulator/evidence/index.ts";
import { ROOT } from "../meta/sources.ts";

const row = (published: number, ours: number | undefined, agreement: EvidenceRow["agreement"]): EvidenceRow => ({
  claim: "cycles",
  published,
  ...(ours === undefined ? {} : { ours }),
  agreement,
});

describe("evidence", () => {
  it("has the tables of test/data", () => {
    const { stdout } = spawnSync(process.execPath, [join(ROOT, "scripts/embed-evidence.mjs"), "--print"], {
      encoding: "utf8",
    });
    expect(readFileSync(join(ROOT, "simulator/evidence/published-tables.ts"), "utf8")).toBe(stdout);
  });

  it.each([
    [row(100, 100, { kind: "exact" }), "agrees"],
    [row(100, 101, { kind: "exact" }), "differs"],
    [row(100, undefined, { kind: "exact" }), "differs"],
    [row(1.99, 1.9851, { kind: "digits", digits: 2 }), "agrees"],
    [row(1.99, 1.9849, { kind: "digits", digits: 2 }), "differs"],
    [row(200, 200.1, { kind: "relative", within: 1e-3 }), "agrees"],
    [row(200, 200.3, { kind: "relative", within: 1e-3 }), "differs"],
    [row(200, undefined, { kind: "open" }), "open"],
  ])("%j: %s", (given, verdict) => {
    expect(verdictOf(given)).toBe(verdict);
  });

  it("says which figure differs, and fails", () => {
    const lines: string[] = [];
    const sink = { write: (text: string) => lines.push(text) };
    const terminal = openTerminal(sink, sink, {});
    const rows = [row(100, 100, { kind: "exact" }), row(100, 101, { kind: "exact" })];
    const group = { name: "g", title: "A paper", source: "its table", rows };
    expect(printEvidence(terminal, [group], undefined)).toBe(1);
    expect(lines.join("")).toMatch(/1 of 2 figures agree, 1 DIFFER \(its table\)[\s\S]*100 +101 +\+1\.00 % +DIFFERS/);
    expect(printEvidence(terminal, [{ ...group, rows: rows.slice(0, 1) }], true)).toBe(0);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      schema: "bitloom.validate/1",
      ok: true,
      groups: [{ rows: [{ published: 100, ours: 100, difference: 0, verdict: "agrees", times: 1 }] }],
    });
  });
});
