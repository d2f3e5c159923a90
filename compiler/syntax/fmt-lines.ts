/** The formatter's lines: spaces between tokens, and where a line that is too long breaks. */
import { type IToken, tokenMatcher } from "chevrotain";
import * as T from "./tokens.ts";

const MAX_WIDTH = 100;
/** Entries of a table as narrow as this share a line. */
const MAX_FILLED = 24;

/** A token with its comments: `leading` on lines of their own before it, `trailing` behind it on its line. */
export interface Element {
  readonly token: IToken;
  readonly leading: readonly { readonly text: string; readonly blankBefore: boolean }[];
  readonly trailing?: string;
  /** A blank line stands before the token (behind its leading comments). */
  readonly blankBefore: boolean;
}

/** What stands on one line as long as it fits. */
export interface Line {
  readonly indent: number;
  /** The brace that closes an item. */
  readonly closing: boolean;
  readonly elements: readonly Element[];
}

/** An element with the space before it decided. */
interface Piece extends Element {
  readonly space: boolean;
}

/**
 * The lines of text for one line; the leading comments of its first element are the caller's. `angles`: the offsets of
 * angle brackets that are no comparisons.
 */
export function printLine(line: Line, angles: ReadonlySet<number>): readonly string[] {
  const pieces = spaced(line.elements, angles).map((piece, n) => (n === 0 ? { ...piece, leading: [] } : piece));
  return printRun(pieces, line.indent);
}

const textOf = (pieces: readonly Piece[]): string =>
  pieces.map((piece, n) => (n > 0 && piece.space ? " " : "") + piece.token.image).join("");

const pad = (indent: number): string => "  ".repeat(indent);

function printRun(pieces: readonly Piece[], indent: number): readonly string[] {
  const last = pieces[pieces.length - 1];
  if (last === undefined) return [];
  const inner = pieces.some((piece) => piece.leading.length > 0 || (piece.trailing !== undefined && piece !== last));
  const flat = pad(indent) + textOf(pieces);
  if (!inner && flat.length <= MAX_WIDTH) return [withComment(flat, last)];
  const group = widestGroup(pieces, inner);
  if (group === undefined) return inner ? printBroken(pieces, indent) : [withComment(flat, last)];
  const [open, close] = group;
  return [
    ...printRun(pieces.slice(0, open + 1), indent),
    ...printGroup(pieces.slice(open + 1, close), indent + 1),
    ...withLeading(pieces[close]!, indent + 1, (piece) => printRun([piece, ...pieces.slice(close + 1)], indent)),
  ];
}

const withComment = (text: string, last: Element): string =>
  last.trailing === undefined ? text : `${text}  ${last.trailing}`;

/** Leading comments on their own lines, then the rest. */
function withLeading(piece: Piece, indent: number, print: (bare: Piece) => readonly string[]): readonly string[] {
  return [...piece.leading.map((comment) => pad(indent) + comment.text), ...print({ ...piece, leading: [] })];
}

/** No brackets to break at, but comments inside: the line breaks where they stand. */
function printBroken(pieces: readonly Piece[], indent: number): readonly string[] {
  const lines: string[] = [];
  let run: Piece[] = [];
  const flush = (): void => {
    if (run.length > 0) lines.push(...printRun(run, lines.length === 0 ? indent : indent + 1));
    run = [];
  };
  for (const piece of pieces) {
    if (piece.leading.length > 0) {
      flush();
      lines.push(...piece.leading.map((comment) => pad(indent + 1) + comment.text));
    }
    run.push({ ...piece, leading: [] });
    if (piece.trailing !== undefined) flush();
  }
  flush();
  return lines;
}

/** What lies between two brackets: entries separated by commas, several on a line where all are narrow. */
function printGroup(pieces: readonly Piece[], indent: number): readonly string[] {
  const entries = splitEntries(pieces);
  const narrow = entries.every((entry) => textOf(entry).length <= MAX_FILLED);
  const lines: string[] = [];
  let run: Piece[] = [];
  const flush = (): void => {
    if (run.length > 0) lines.push(...printRun(run, indent));
    run = [];
  };
  for (const entry of entries) {
    const [first, ...rest] = entry;
    if (first === undefined) continue;
    const wide = pad(indent).length + textOf([...run, ...entry]).length > MAX_WIDTH;
    if (!narrow || wide || first.leading.length > 0) flush();
    lines.push(...first.leading.map((comment) => pad(indent) + comment.text));
    run.push({ ...first, leading: [] }, ...rest);
    if (entry[entry.length - 1]?.trailing !== undefined) flush();
  }
  flush();
  return lines;
}

function splitEntries(pieces: readonly Piece[]): readonly (readonly Piece[])[] {
  const entries: Piece[][] = [[]];
  let depth = 0;
  for (const piece of pieces) {
    depth += depthChange(piece.token);
    entries[entries.length - 1]!.push(piece);
    if (depth === 0 && piece.token.tokenType === T.Comma) entries.push([]);
  }
  return entries;
}

function depthChange({ tokenType }: IToken): number {
  if (tokenType === T.LeftParen || tokenType === T.LeftBracket || tokenType === T.LeftBrace) return 1;
  return tokenType === T.RightParen || tokenType === T.RightBracket || tokenType === T.RightBrace ? -1 : 0;
}

/** The outermost pair of brackets with the most text between them, or, with comments inside, the first pair around one. */
function widestGroup(pieces: readonly Piece[], comments: boolean): readonly [open: number, close: number] | undefined {
  let depth = 0;
  let open = -1;
  let best: readonly [number, number] | undefined;
  let bestWidth = 0;
  for (const [n, { token }] of pieces.entries()) {
    const change = depthChange(token);
    if (change > 0 && depth === 0) open = n;
    // A closing bracket whose opening one stands on an earlier line is only text here.
    depth = Math.max(0, depth + change);
    if (change >= 0 || depth > 0 || open < 0 || n === open + 1) continue;
    const between = pieces.slice(open + 1, n);
    const commented =
      pieces[open]!.trailing !== undefined ||
      pieces[n]!.leading.length > 0 ||
      between.some((p) => p.leading.length > 0 || p.trailing !== undefined);
    if (comments && commented) return [open, n];
    const width = textOf(between).length;
    if (!comments && width > bestWidth) [best, bestWidth] = [[open, n], width];
    open = -1;
  }
  return best;
}

const OPERATORS = new Set([
  T.Plus, T.Minus, T.Star, T.Slash, T.Percent, T.LeftShift, T.RightShift, T.Ampersand, T.Pipe, T.Caret,
  T.EqualEqual, T.NotEqual, T.Less, T.LessEqual, T.Greater, T.GreaterEqual,
  T.Equals, T.Arrow, T.At, T.Question, T.Colon, T.Comma, T.LeftParen, T.LeftBracket, T.LeftBrace,
]); // biome-ignore format: a table

/** Decides the space before every token of a line. */
function spaced(elements: readonly Element[], angles: ReadonlySet<number>): readonly Piece[] {
  // `op name<M, N>`: the angle brackets around sizes, parameters and arguments hug their contents, unlike comparisons.
  const isAngle = (token: IToken, type: unknown): boolean => token.tokenType === type && angles.has(token.startOffset);
  let questions = 0;
  let unary = false;
  return elements.map((element, n) => {
    const type = element.token.tokenType;
    const before = elements[n - 1]?.token;
    const wasUnary = unary;
    unary = type === T.Minus && (before === undefined || OPERATORS.has(before.tokenType));
    const opens = before !== undefined && isAngle(before, T.Less);
    const hugs = opens || isAngle(element.token, T.Less) || isAngle(element.token, T.Greater);
    if (type === T.Question) questions++;
    const inCondition = type === T.Colon && questions > 0;
    if (inCondition) questions--;
    const space =
      before !== undefined &&
      !hugs &&
      !wasUnary &&
      needsSpace(before, element.token, inCondition, isAngle(before, T.Greater));
    return { ...element, space };
  });
}

function needsSpace(before: IToken, token: IToken, inCondition: boolean, afterAngle: boolean): boolean {
  const [a, b] = [before.tokenType, token.tokenType];
  if (a === T.LeftParen || a === T.LeftBracket || a === T.Dot) return false;
  if (b === T.RightParen || b === T.RightBracket || b === T.Comma || b === T.Dot) return false;
  if (b === T.Colon) return inCondition;
  const closes = tokenMatcher(before, T.Identifier) || afterAngle;
  if (b === T.LeftParen) return !closes;
  if (b === T.LeftBracket) return !(closes || a === T.RightBracket || a === T.RightParen);
  return true;
}
