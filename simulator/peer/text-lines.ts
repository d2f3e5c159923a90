/** Lines of a text with their places, for the readers of SCALE-Sim's files. */
import type { Span } from "../../ir/diagnostics.ts";

export interface Piece {
  readonly text: string;
  readonly span: Span;
}

/** A piece without the blanks around it. */
export function trimPiece({ text, span }: Piece): Piece {
  const start = span.start + (text.length - text.trimStart().length);
  const trimmed = text.trim();
  return { text: trimmed, span: { ...span, start, end: start + trimmed.length } };
}

/** Cuts a piece at every match of `separator`. */
export function splitPiece({ text, span }: Piece, separator: RegExp): readonly Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  const cut = (end: number): void => {
    pieces.push({ text: text.slice(start, end), span: { ...span, start: span.start + start, end: span.start + end } });
  };
  for (const match of text.matchAll(separator)) {
    cut(match.index);
    start = match.index + match[0].length;
  }
  cut(text.length);
  return pieces;
}

/** The lines of a file, without the mark that some editors put before UTF-8 text. */
export function linesOf(text: string, file: number): readonly Piece[] {
  const start = text.startsWith("\ufeff") ? 1 : 0;
  return splitPiece({ text: text.slice(start), span: { file, start, end: text.length } }, /\r\n|\r|\n/g);
}
