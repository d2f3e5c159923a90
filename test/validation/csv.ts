/** Tables of test/data as rows by column name; fields may be quoted. */
import { readFileSync } from "node:fs";

export type Row = Readonly<Record<string, string>>;

function fieldsOf(line: string): readonly string[] {
  return [...line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g)].map((m) => m[1] ?? m[2] ?? "");
}

/** The rows of test/data/`path`. */
export function readTable(path: string): readonly Row[] {
  const text = readFileSync(new URL(`../data/${path}`, import.meta.url), "utf8");
  const [header, ...lines] = text.split(/\r?\n/).filter((line) => line !== "");
  const names = fieldsOf(header ?? "");
  return lines.map((line) => {
    const fields = fieldsOf(line);
    return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ""]));
  });
}
