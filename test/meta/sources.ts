/** The repository's own files, for the tests about the house. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Folders of sources that ship. */
export const SOURCE_FOLDERS = ["ir", "compiler", "backends", "simulator", "hw-models", "web"] as const;

/** A text file of ours: path from the root with forward slashes. */
export interface File {
  readonly path: string;
  readonly text: string;
}

/** All files below `folder` whose names match, in order of path; none where the folder does not exist. */
export function filesIn(folder: string, name: RegExp): readonly File[] {
  const found: File[] = [];
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(ROOT, path), { withFileTypes: true })) {
      const child = posix.join(path, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules") visit(child);
      else if (name.test(entry.name)) found.push({ path: child, text: readFileSync(join(ROOT, child), "utf8") });
    }
  };
  try {
    visit(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** All TypeScript that ships. */
export function sources(): readonly File[] {
  return [...SOURCE_FOLDERS.flatMap((folder) => filesIn(folder, /\.ts$/)), ...filesIn(".", /^index\.ts$/)];
}

/** One import: what it names, resolved to a path from the root where it is ours, and whether only types cross it. */
export interface Import {
  readonly to: string;
  readonly kind: "ours" | "package" | "node";
  readonly typeOnly: boolean;
}

const STATIC = /^(?:import|export)(\s+type)?\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** Imports and re-exports of a file, dynamic ones included. */
export function importsOf(file: File): readonly Import[] {
  const found = [...file.text.matchAll(STATIC)].map((m) => ({ name: (m[2] ?? m[3])!, typeOnly: m[1] !== undefined }));
  const dynamic = [...file.text.matchAll(DYNAMIC)].map((m) => ({ name: m[1]!, typeOnly: false }));
  return [...found, ...dynamic].map(({ name, typeOnly }) => {
    if (name.startsWith("node:")) return { to: name, kind: "node", typeOnly };
    if (!name.startsWith(".")) return { to: name, kind: "package", typeOnly };
    return { to: posix.join(posix.dirname(file.path), name), kind: "ours", typeOnly };
  });
}
