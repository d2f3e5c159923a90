/** Source text on a terminal: lines and columns of offsets, and lines laid out in character cells. */
import type { Span } from "./diagnostics.ts";

/** Line and column, both from 1; a column counts code points, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

const TAB_COLUMNS = 4;

/** Ranges of code points that take two cells: Unicode East Asian Width W and F (UAX #11), the blocks in common use. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f], [0x2e80, 0x303e], [0x3041, 0x33ff], [0x3400, 0x4dbf], [0x4e00, 0x9fff], [0xa000, 0xa4cf],
  [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe30, 0xfe6f], [0xff00, 0xff60], [0xffe0, 0xffe6], [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff], [0x1f900, 0x1f9ff], [0x20000, 0x3fffd],
]; // biome-ignore format: a table

const COMBINING = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

function cellsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (COMBINING.test(character)) return 0;
  return WIDE.some(([low, high]) => code >= low && code <= high) ? 2 : 1;
}

/** Cells that a text without tabs takes. */
export function columnsOf(text: string): number {
  let cells = 0;
  for (const character of text) cells += cellsOf(character);
  return cells;
}

/** The position of a UTF-16 offset; an offset past the end is the end's. */
export function positionOf(text: string, offset: number): Position {
  const end = Math.min(Math.max(0, offset), text.length);
  let line = 1;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) {
    line++;
    start = at + 1;
  }
  let column = 1;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    // The second half of a pair is no code point of its own.
    if (unit < 0xdc00 || unit > 0xdfff) column++;
  }
  return { line, column };
}

/** A line in cells, and where spans lie in it. */
export interface LaidOut {
  readonly text: string;
  /** First cell and the cell after the last one; what lies outside the line is clipped to it. */
  readonly columnsOf: (span: Span) => readonly [from: number, to: number];
}

/**
 * Line `line` (from 1) of `text`: tabs become spaces, control characters a replacement character. A line wider than
 * `maxColumns` is cut to the neighbourhood of the offset `around`, an ellipsis on the cut ends.
 */
export function layOut(text: string, line: number, around: number, maxColumns: number): LaidOut {
  const whole = lineBounds(text, line);
  // Of a very long line only the neighbourhood is looked at, whatever the length.
  const start = Math.max(whole.start, around - 2 * maxColumns);
  const end = Math.min(whole.end, Math.max(start, around) + 4 * maxColumns);
  const { cells, width } = cellsBetween(text, start, end);
  const columnAt = (at: number): number => cells.find((cell) => cell.offset >= at)?.from ?? width;
  const focus = columnAt(around);
  const cut = width > maxColumns;
  const low = cut ? Math.max(0, Math.min(focus - Math.floor(maxColumns / 4), width - maxColumns)) : 0;
  const high = cut ? low + maxColumns : width;
  const visible = cells.filter((cell) => cell.from >= low && cell.to <= high);
  const cutLeft = low > 0 || start > whole.start;
  const cutRight = high < width || end < whole.end;
  const shift = (visible[0]?.from ?? 0) - (cutLeft ? 1 : 0);
  const clip = (at: number): number => Math.min(Math.max(columnAt(at) - shift, 0), high - shift);
  return {
    text: `${cutLeft ? "…" : ""}${visible.map((cell) => cell.text).join("")}${cutRight ? "…" : ""}`.trimEnd(),
    columnsOf: (span) => [clip(span.start), clip(Math.min(Math.max(span.end, span.start), end))],
  };
}

interface Cell {
  readonly offset: number;
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

function cellsBetween(
  text: string,
  start: number,
  end: number,
): { readonly cells: readonly Cell[]; readonly width: number } {
  const cells: Cell[] = [];
  let column = 0;
  let offset = start;
  for (const character of text.slice(start, end)) {
    const width = character === "\t" ? TAB_COLUMNS - (column % TAB_COLUMNS) : cellsOf(character);
    const shown = character === "\t" ? " ".repeat(width) : isControl(character) ? "\ufffd" : character;
    cells.push({ offset, text: shown, from: column, to: column + width });
    column += width;
    offset += character.length;
  }
  return { cells, width: column };
}

const isControl = (character: string): boolean => {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
};

function lineBounds(text: string, line: number): { readonly start: number; readonly end: number } {
  let start = 0;
  for (let n = 1; n < line; n++) {
    const next = text.indexOf("\n", start);
    if (next < 0) break;
    start = next + 1;
  }
  const newline = text.indexOf("\n", start);
  const end = newline < 0 ? text.length : newline;
  return { start, end: text[end - 1] === "\r" ? end - 1 : end };
}
