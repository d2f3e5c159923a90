/** Line maps as documents: for each line of a generated file, the places in the sources that it stems from. */
import type { EmittedFile } from "../../backends/syntax.ts";
import type { Source, Span } from "../../ir/diagnostics.ts";
import { positionOf } from "../../ir/source-text.ts";

const LINE_MAP_SCHEMA = "bitloom.map/1";

/** A place: index into `sources`, then line and column of its first character and of the one behind its last, from 1. */
type Place = readonly [source: number, line: number, column: number, endLine: number, endColumn: number];

export interface LineMapDocument {
  readonly schema: typeof LINE_MAP_SCHEMA;
  readonly file: string;
  /** Files that places name: the user's, and those of the standard library as `std/…`. */
  readonly sources: readonly string[];
  /** For each line of the file its places: the operator's text first, then the declaration of the numbers it handles. */
  readonly lines: readonly (readonly Place[])[];
}

/** The document of one generated file. */
export function lineMapOf(file: EmittedFile, sources: readonly Source[]): LineMapDocument {
  const used = [...new Set(file.lines.flat().map((span) => span.file))].sort((a, b) => a - b);
  const known = new Map<string, Place>();
  const place = (span: Span): Place => {
    const key = `${span.file}:${span.start}:${span.end}`;
    const made = known.get(key) ?? placeOf(span, used.indexOf(span.file), sources[span.file]?.text ?? "");
    known.set(key, made);
    return made;
  };
  return {
    schema: LINE_MAP_SCHEMA,
    file: file.name,
    sources: used.map((n) => sources[n]?.name ?? ""),
    lines: file.lines.map((origins) => origins.map(place)),
  };
}

function placeOf(span: Span, source: number, text: string): Place {
  const from = positionOf(text, span.start);
  const to = positionOf(text, span.end);
  return [source, from.line, from.column, to.line, to.column];
}
