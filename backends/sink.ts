/** Where printed lines go. */
import type { Span } from "../ir/diagnostics.ts";

/** Lines under construction. */
export interface Sink {
  /** Lines of text that stem from `origins`. */
  line(text: string, origins?: readonly Span[]): void;
  /** Runs `body` with everything in it indented one step. */
  indent(body: () => void): void;
}
