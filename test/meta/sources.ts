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

/** A position after a literal or comment that starts at `at`. */
function skipLiteral(text: string, at: number): number {
  const rest = text.slice(at, at + 2);
  if (rest === "//") return lineEnd(text, at);
  if (rest === "/*") return text.indexOf("*/", at + 2) + 2 || text.length;
  if (text[at] === "`") return skipTemplate(text, at + 1);
  if (text[at] === "/") return skipRegExp(text, at + 1);
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === text[at] || text[i] === "\n") return i + 1;
  }
  return text.length;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function skipTemplate(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return i + 1;
    else if (text[i] === "$" && text[i + 1] === "{") {
      let depth = 1;
      for (i += 2; depth > 0 && i < text.length; i++) {
        if (/["'`]/.test(text[i]!)) i = skipLiteral(text, i) - 1;
        else if (text[i] === "{") depth++;
        else if (text[i] === "}") depth--;
      }
      i--;
    }
  }
  return text.length;
}

function skipRegExp(text: string, at: number): number {
  let inClass = false;
  for (let i = at; i < text.length && text[i] !== "\n"; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
    else if (text[i] === "/" && !inClass) return i + 1;
  }
  return at;
}

/** The text with comments, strings, templates and regular expressions cut to nothing. */
export function codeOf(text: string): string {
  let code = "";
  let i = 0;
  while (i < text.length) {
    const char = text[i]!;
    const opens = /["'`]/.test(char) || (char === "/" && /[/*]/.test(text[i + 1] ?? ""));
    // A slash divides after a name, a number or a closing bracket; elsewhere it opens a regular expression.
    const opensRegExp = char === "/" && !opens && !/[\w)\]]\s*$/.test(code.slice(-20));
    if (opens || opensRegExp) {
      i = skipLiteral(text, i);
      code += char === "`" || char === '"' ? '""' : "";
    } else {
      code += char;
      i++;
    }
  }
  return code;
}
