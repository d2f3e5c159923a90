/** The command line's own tools: tables, sizes, numbers, and files that are written whole or not at all. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readText, writeFiles } from "../../compiler/cli/files.ts";
import { parseShape } from "../../compiler/cli/shape.ts";
import { formatBytes, formatCount, formatSeconds, layOutTable } from "../../compiler/cli/table.ts";
import { openTerminal, type Terminal } from "../../compiler/cli/terminal.ts";

function recorded(isTTY = false): { readonly terminal: Terminal; readonly out: string[]; readonly err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const stream = (to: string[]) => ({ write: (text: string) => to.push(text), isTTY, columns: 40 });
  return { terminal: openTerminal(stream(out), stream(err), {}), out, err };
}

describe("table", () => {
  const columns = [{ title: "Layer" }, { title: "Cycles", align: "right" }, { title: "Why", drop: 1 }] as const;
  const rows = [
    ["q_proj", "12", "memory"],
    ["量子", "3456", ""],
  ];

  it("aligns, counting wide characters as two", () => {
    expect(layOutTable(columns, rows, 80)).toEqual(["Layer   Cycles  Why", "q_proj      12  memory", "量子      3456"]);
  });

  it("drops columns instead of wrapping", () => {
    expect(layOutTable(columns, rows, 16)).toEqual(["Layer   Cycles", "q_proj      12", "量子      3456"]);
  });

  it("writes numbers with three digits", () => {
    expect([0, 999, 999.6, 1234, 999_999, 1.5e9].map(formatCount)).toEqual([
      "0",
      "999",
      "1.00k",
      "1.23k",
      "1.00M",
      "1.50G",
    ]);
    expect([0, 1023, 1536, 1048575].map(formatBytes)).toEqual(["0 B", "1023 B", "1.50 KiB", "1.00 MiB"]);
    expect([2, 0.0015, 2.5e-6].map(formatSeconds)).toEqual(["2.00 s", "1.50 ms", "2.50 µs"]);
  });
});

describe("shape", () => {
  it("reads sizes and refuses the rest in words", () => {
    expect(parseShape("M=16, N=4096,K=64")).toEqual({ M: 16, N: 4096, K: 64 });
    expect(parseShape("M=16,N")).toEqual({ error: '"N" is not NAME=SIZE' });
    expect(parseShape("M=0")).toEqual({ error: "M must be from 1 to 2147483647" });
    expect(parseShape("M=1,M=2")).toEqual({ error: "M is given twice" });
  });
});

describe("terminal", () => {
  it("shows progress on a terminal only, and clears it before the next line", () => {
    const plain = recorded();
    plain.terminal.progress("10 %");
    expect(plain.err).toEqual([]);
    const live = recorded(true);
    live.terminal.progress("10 %");
    live.terminal.progress("11 %");
    live.terminal.say("done");
    expect(live.err.join("")).toBe("\r\u001b[2K10 %\r\u001b[2Kdone\n");
  });
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "bitloom-files-"));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("writes all files, and none when one of them cannot be written", () => {
    const { terminal, err } = recorded();
    const at = (name: string): string => join(folder, name);
    expect(writeFiles(terminal, [{ path: at("a/x.cu"), content: "x" }])).toBe(0);
    expect(readFileSync(at("a/x.cu"), "utf8")).toBe("x");
    writeFileSync(at("file"), "");
    const exit = writeFiles(terminal, [
      { path: at("b/y.cu"), content: "y" },
      { path: at("file/z.cu"), content: "z" },
    ]);
    expect(exit).toBe(3);
    expect(err.join("")).toContain("cannot write");
    expect(existsSync(at("b/y.cu"))).toBe(false);
    expect(readdirSync(at("b"))).toEqual([]);
  });

  it("leaves no half-renamed set when a target is a folder", () => {
    const { terminal } = recorded();
    mkdirSync(join(folder, "taken"), { recursive: true });
    expect(writeFiles(terminal, [{ path: join(folder, "taken"), content: "x" }])).toBe(3);
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  it("reads a file", () => {
    const { terminal } = recorded();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "t"), "é");
    expect(readText(terminal, join(folder, "t"))).toBe("é");
  });
});
