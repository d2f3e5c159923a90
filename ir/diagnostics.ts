/** Positions in source text, and the one way every folder reports a user's mistake. */

/** A half-open range of UTF-16 offsets in one file. `file` indexes the `Sources` of the run. */
export interface Span {
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/** The span of something the compiler itself made. */
export const NO_SPAN: Span = { file: -1, start: 0, end: 0 };

export type Severity = "error" | "warning" | "note";

export interface Note {
  readonly message: string;
  readonly span?: Span;
}

/** A replacement that would mend the mistake. */
export interface Fix {
  readonly message: string;
  readonly span: Span;
  readonly text: string;
}

export interface Diagnostic {
  /** Stable, `area/name`: `bitloom explain area/name` prints its essay. */
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly span: Span;
  readonly notes: readonly Note[];
  readonly fix?: Fix;
}

/** Collects diagnostics; user mistakes are reported here and never thrown. */
export class Diagnostics {
  readonly #list: Diagnostic[] = [];

  get list(): readonly Diagnostic[] {
    return this.#list;
  }

  /** True once an error has been reported: later stages must not run. */
  get failed(): boolean {
    return this.#list.some((d) => d.severity === "error");
  }

  add(diagnostic: Diagnostic): void {
    this.#list.push(diagnostic);
  }

  error(code: string, span: Span, message: string, notes: readonly Note[] = [], fix?: Fix): void {
    this.#list.push({ code, severity: "error", message, span, notes, ...(fix === undefined ? {} : { fix }) });
  }

  warn(code: string, span: Span, message: string, notes: readonly Note[] = []): void {
    this.#list.push({ code, severity: "warning", message, span, notes });
  }
}

/** Our own bug, never a user's: the command line prints it with `internal:` and exits 70. */
export function internal(message: string): never {
  throw new Error(`internal: ${message}`);
}

/** The file names and texts that spans point into. */
export interface Source {
  readonly name: string;
  readonly text: string;
}
