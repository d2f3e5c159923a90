/** Reads as much of Metal and CUDA text as its execution needs: comments, kernel parameters, shared declarations. */

/** Replaces comments by blanks, so that every remaining character keeps its line and column. */
export function blankComments(text: string): string {
  return text.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
}

export interface Parameter {
  /** Type as written, qualifiers included, e.g. `device const uint*`. */
  readonly type: string;
  readonly name: string;
  /** What stands between `[[` and `]]`, e.g. `buffer(0)`; empty without an attribute. */
  readonly attribute: string;
  /** Offset of the parameter in the text. */
  readonly offset: number;
}

export interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** Offset of the kernel's name in the text. */
  readonly offset: number;
  /** Offset just behind the `{` of the body. */
  readonly body: number;
}

/** Splits at commas outside all brackets; gives each piece with its offset. */
export function splitCommas(text: string): readonly { readonly text: string; readonly offset: number }[] {
  const pieces: { text: string; offset: number }[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c !== undefined && "([{<".includes(c)) depth++;
    if (c !== undefined && ")]}>".includes(c)) depth--;
    if (c !== undefined && !(c === "," && depth === 0)) continue;
    const piece = text.slice(start, i);
    if (piece.trim() !== "")
      pieces.push({ text: piece.trim(), offset: start + (piece.length - piece.trimStart().length) });
    start = i + 1;
  }
  return pieces;
}

/** Offset of the bracket that closes the one at `open`, or the end of the text. */
export function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const c = text[i] as string;
    if ("([{".includes(c)) depth++;
    if (")]}".includes(c) && --depth === 0) return i;
  }
  return text.length;
}

function readParameter(text: string, offset: number): Parameter {
  const attribute = /\[\[\s*([\s\S]*?)\s*\]\]/.exec(text)?.[1] ?? "";
  const declaration = text.replace(/\[\[[\s\S]*?\]\]/g, " ").trim();
  const match = /^([\s\S]*?)(\w+)$/.exec(declaration);
  return { type: (match?.[1] ?? declaration).trim(), name: match?.[2] ?? "", attribute, offset };
}

/** Every kernel of the text whose comments are blanked; `keyword` is `kernel` or `__global__`. */
export function readSignatures(blanked: string, keyword: string): readonly Signature[] {
  const signatures: Signature[] = [];
  const pattern = new RegExp(`(?:\\b${keyword}\\b|\\[\\[\\s*${keyword}\\s*\\]\\])([^;{}]*?)\\b(\\w+)\\s*\\(`, "g");
  for (const match of blanked.matchAll(pattern)) {
    const before = match[1] as string;
    const open = match.index + match[0].length - 1;
    // The parenthesis may belong to an attribute or to __launch_bounds__; then the name comes later.
    const name = match[2] as string;
    const from = /^(__launch_bounds__|alignas)$/.test(name)
      ? laterName(blanked, closing(blanked, open) + 1)
      : undefined;
    const at = from ?? { name, open, offset: match.index + match[0].lastIndexOf(name) };
    if (!/\bvoid\b/.test(`${before} ${blanked.slice(match.index, at.open)}`)) continue;
    const end = closing(blanked, at.open);
    const body = /^\s*\{/.exec(blanked.slice(end + 1));
    if (body === null) continue;
    const parameters = splitCommas(blanked.slice(at.open + 1, end)).map((p) =>
      readParameter(p.text, at.open + 1 + p.offset),
    );
    signatures.push({ name: at.name, parameters, offset: at.offset, body: end + 1 + body[0].length });
  }
  return signatures;
}

function laterName(text: string, from: number): { name: string; open: number; offset: number } | undefined {
  const match = /\b(\w+)\s*\(/.exec(text.slice(from));
  if (match === null) return undefined;
  return { name: match[1] as string, open: from + match.index + match[0].length - 1, offset: from + match.index };
}

export interface SharedDeclaration {
  readonly type: string;
  readonly name: string;
  /** Dimensions as written, e.g. `[8][33]`; empty for a scalar. */
  readonly dimensions: string;
}

/**
 * Rewrites `threadgroup T a[n], b;` (or `__shared__ …`) at the start of a statement, where the processor's C++ would make
 * `a` private to a thread. `rewrite` gets one statement's declarations and returns C++ on one line; lines stay in place.
 */
export function rewriteShared(
  blanked: string,
  keyword: string,
  rewrite: (declarations: readonly SharedDeclaration[]) => string,
): string {
  const pattern = new RegExp(`([;{}]\\s*)\\b${keyword}\\s+([^;*&{}=]*?);`, "g");
  // Each match ends with the `;` that the next one must start with, so matches are looked for again behind it.
  let result = "";
  let position = 0;
  for (;;) {
    pattern.lastIndex = position;
    const match = pattern.exec(blanked);
    if (match === null) return result + blanked.slice(position);
    const declarations = readDeclarations(match[2] as string);
    const newlines = "\n".repeat(
      (match[0].match(/\n/g)?.length ?? 0) - ((match[1] as string).match(/\n/g)?.length ?? 0),
    );
    const end = match.index + match[0].length - 1;
    result += blanked.slice(position, match.index) + match[1] + rewrite(declarations).replace(/;\s*$/, "") + newlines;
    position = end;
  }
}

function readDeclarations(text: string): readonly SharedDeclaration[] {
  const [first, ...others] = splitCommas(text.replace(/\s+/g, " "));
  const match = /^(.*?)\s*\b(\w+)\s*((?:\[.*\])?)$/.exec(first?.text ?? "");
  if (match === null) return [];
  const type = match[1] as string;
  const rest = others.map(({ text }) => {
    const [, name = "", dimensions = ""] = /^(\w+)\s*(.*)$/.exec(text) ?? [];
    return { type, name, dimensions };
  });
  return [{ type, name: match[2] as string, dimensions: match[3] as string }, ...rest];
}

/** One-based line and column of an offset. */
export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}
