/** Two-way mapping between the source's lines and generated ones: which line stems from where, and its colour. */
import type { Span } from "../../ir/diagnostics.ts";

/** Colours that stripes take in turn. */
const COLOURS = 6;

/** A stretch of the source (file 0) or of a library file. */
export const isOwn = (span: Span): boolean => span.file === 0;

export const overlaps = (a: Span, b: Span): boolean => a.file === b.file && a.start < b.end && b.start < a.end;

/** The colour of each line of the source, given out in the order in which generated files name the lines. */
export type Colouring = ReadonlyMap<number, number>;

/** Offsets at which the lines of a text begin. */
export function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Index of the line that holds an offset. */
export function lineAt(starts: readonly number[], offset: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What a generated line is coloured by: the declaration in the source where it has one, else the operator's text. */
const tintOf = (origins: readonly Span[]): Span | undefined => origins.findLast(isOwn) ?? origins[0];

/** Key of a colour: the line in the source, or a place of the library. */
const keyOf = (span: Span, starts: readonly number[]): number =>
  isOwn(span) ? lineAt(starts, span.start) : -(span.file * 2 ** 22 + span.start);

/** Colours for every origin in some generated files, so that neighbours in the source differ. */
export function colouring(files: readonly (readonly (readonly Span[])[])[], text: string): Colouring {
  const starts = lineStarts(text);
  const keys = new Set<number>();
  for (const lines of files)
    for (const origins of lines) {
      const tint = tintOf(origins);
      if (tint !== undefined) keys.add(keyOf(tint, starts));
    }
  const own = [...keys].sort((a, b) => a - b);
  return new Map(own.map((key, i) => [key, i % COLOURS]));
}

export function colourOf(origins: readonly Span[], map: Colouring, starts: readonly number[]): number | undefined {
  const tint = tintOf(origins);
  return tint === undefined ? undefined : map.get(keyOf(tint, starts));
}
