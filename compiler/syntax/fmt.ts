/** The formatter: one canonical layout, decided by the tokens alone; comments stay where they are. */
import type { IToken } from "chevrotain";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { Directive, Expression, Item, Member, Statement } from "./ast.ts";
import { type Element, type Line, printLine } from "./fmt-lines.ts";
import { parse } from "./parser.ts";
import * as T from "./tokens.ts";

/**
 * The canonical text of a file, or undefined where it has a syntax mistake (reported). Formatting twice changes nothing
 * more, and the tree of the result is that of the input.
 */
export function format(file: number, text: string, diagnostics: Diagnostics): string | undefined {
  const before = diagnostics.list.length;
  const { items, tokens, comments, angles } = parse(file, text, diagnostics);
  if (diagnostics.list.length > before) return undefined;
  const attached = attachComments(text, tokens, comments);
  const lines = splitLines(attached.elements, lineStarts(items));
  const out: string[] = [];
  for (const [n, line] of lines.entries()) {
    if (needsBlank(lines, n)) out.push("");
    for (const comment of line.elements[0]?.leading ?? []) {
      if (comment.blankBefore && comment !== line.elements[0]?.leading[0]) out.push("");
      out.push(indented(line.indent + (line.closing ? 1 : 0), comment.text));
    }
    if (line.elements[0]?.blankBefore === true && line.elements[0].leading.length > 0 && !line.closing) out.push("");
    out.push(...printLine(line, angles));
  }
  for (const comment of attached.tail) {
    if (out.length > 0 && comment.blankBefore) out.push("");
    out.push(comment.text);
  }
  return out.length === 0 ? "" : `${out.join("\n")}\n`;
}

const indented = (level: number, text: string): string => "  ".repeat(level) + text;

interface Attached {
  readonly elements: readonly Element[];
  /** Comments behind the last token, each on its own line. */
  readonly tail: Element["leading"];
}

interface Draft {
  readonly token: IToken;
  readonly leading: { text: string; blankBefore: boolean }[];
  readonly blankBefore: boolean;
  trailing?: string;
}

/** A comment with a token before it on its line trails that token; any other leads the token that follows. */
function attachComments(text: string, tokens: readonly IToken[], comments: readonly IToken[]): Attached {
  const all = [...tokens, ...comments].sort((a, b) => a.startOffset - b.startOffset);
  const elements: Draft[] = [];
  let pending: Draft["leading"] = [];
  let end = 0;
  for (const token of all) {
    const gap = text.slice(end, token.startOffset);
    end = token.startOffset + token.image.length;
    const newlines = gap.split("\n").length - 1 + (gap.includes("\r") && !gap.includes("\n") ? 1 : 0);
    const last = elements[elements.length - 1];
    const blankBefore = newlines > 1;
    if (token.tokenType !== T.Comment) {
      elements.push({ token, leading: pending, blankBefore });
      pending = [];
    } else if (newlines === 0 && last !== undefined && pending.length === 0 && last.trailing === undefined)
      last.trailing = token.image.trimEnd();
    else pending.push({ text: token.image.trimEnd(), blankBefore });
  }
  return { elements, tail: pending };
}

/** The offsets at which a line begins, with its indentation; the brace that closes an item or a block stands alone. */
function lineStarts(items: readonly Item[]): ReadonlyMap<number, { indent: number; closing: boolean }> {
  const starts = new Map<number, { indent: number; closing: boolean }>();
  const at = (offset: number, indent: number, closing = false): void => {
    starts.set(offset, { indent, closing });
  };
  const body = (value: Expression, indent: number): void => {
    if (value.kind !== "block") return;
    for (const binding of value.lets) at(binding.span.start, indent);
    at(value.valueSpan.start, indent);
    at(value.span.end - 1, indent - 1, true);
  };
  for (const item of items) {
    at(item.span.start, 0);
    if (hasBraces(item)) at(item.span.end - 1, 0, true);
    if (item.kind === "fn") body(item.value, 1);
    for (const part of partsOf(item)) {
      at(part.span.start, 1);
      if (part.kind === "value") body(part.value, 2);
    }
  }
  return starts;
}

const hasBraces = (item: Item): boolean =>
  item.kind === "op" || item.kind === "schedule" || (item.kind === "format" && item.alias === undefined);

function partsOf(item: Item): readonly (Member | Statement | Directive)[] {
  switch (item.kind) {
    case "format":
      return item.members;
    case "codebook":
    case "fn":
      return [];
    case "op":
      return item.body;
    case "schedule":
      return item.directives;
  }
}

function splitLines(
  elements: readonly Element[],
  starts: ReadonlyMap<number, { indent: number; closing: boolean }>,
): readonly Line[] {
  const lines: { indent: number; closing: boolean; elements: Element[] }[] = [];
  for (const element of elements) {
    const start = starts.get(element.token.startOffset);
    if (start !== undefined || lines.length === 0) lines.push({ indent: 0, closing: false, ...start, elements: [] });
    lines[lines.length - 1]!.elements.push(element);
  }
  return lines;
}

/**
 * A blank line is kept between members, never doubled; between items there is one, except between two of a kind that take
 * a line each.
 */
function needsBlank(lines: readonly Line[], n: number): boolean {
  const line = lines[n]!;
  const previous = lines[n - 1];
  if (previous === undefined) return false;
  const first = line.elements[0]!;
  const asked = first.leading[0]?.blankBefore ?? first.blankBefore;
  if (line.closing) return first.leading.length > 0 && asked;
  if (line.indent > 0) return asked && previous.indent > 0 && line.indent <= previous.indent;
  const kind = (l: Line): unknown => l.elements[0]!.token.tokenType;
  const braces = (l: Line): boolean => l.elements.some((e) => e.token.tokenType === T.LeftBrace);
  return asked || previous.closing || braces(line) || kind(line) !== kind(previous);
}
