/** How long files and functions may be: 500 lines enforced, 300 wanted; functions above 60 lines are reported. */
import { describe, expect, it } from "vitest";
import { type File, sources } from "./sources.ts";

const MAX_LINES = 500;
const WANTED_LINES = 300;
const MAX_FUNCTION_LINES = 60;

/** Files that are tables: data that is read like one, where splitting would only scatter it; and embedded text. */
const TABLES = /(^|\/)(rows|tables|essays)[\w-]*\.ts$|-(table|tables|essays|rows)\.ts$|(^|\/)std-text\.ts$/;

const lineCount = (text: string): number => text.split("\n").length - 1;

const OPENS =
  /^( *)(?:(?:export )?(?:async )?function\b|(?:export )?const \w+ = .*=> \{$|(?:static |async |override |get |set )*#?\w+\(.*\).*\{$)/;

/** Functions and their lengths in lines: sources are formatted, so a function ends at the next brace of its indent. */
function functionsOf(file: File): readonly { readonly name: string; readonly lines: number }[] {
  const lines = file.text.split("\n");
  return lines.flatMap((line, start) => {
    const match = OPENS.exec(line);
    if (match === null || /^ *(if|for|while|switch|return|catch)\b/.test(line)) return [];
    const indent = match[1] ?? "";
    const length = lines.slice(start + 1).findIndex((l) => l.startsWith(`${indent}}`) || l.startsWith(`${indent});`));
    return length < 0 ? [] : [{ name: `${file.path}:${start + 1} ${line.trim().slice(0, 60)}`, lines: length + 2 }];
  });
}

describe("size", () => {
  it(`no source file is longer than ${MAX_LINES} lines`, () => {
    const long = sources().filter((f) => !TABLES.test(f.path) && lineCount(f.text) > MAX_LINES);
    expect(long.map((f) => `${f.path}: ${lineCount(f.text)} lines`)).toEqual([]);
  });

  it(`half of the files stay below ${WANTED_LINES} lines`, () => {
    const counts = sources()
      .map((f) => lineCount(f.text))
      .sort((a, b) => a - b);
    expect(counts[Math.floor(counts.length / 2)]).toBeLessThan(WANTED_LINES);
  });

  it(`reports functions longer than ${MAX_FUNCTION_LINES} lines`, () => {
    const all = sources().flatMap(functionsOf);
    expect(all.length).toBeGreaterThan(10);
    const long = all.filter((f) => f.lines > MAX_FUNCTION_LINES);
    if (long.length > 0) console.warn(long.map((f) => `${f.lines} lines: ${f.name}`).join("\n"));
  });
});
