/** Where printed lines go. */
import type { Span } from "../ir/diagnostics.ts";

/** Lines under construction. */
export interface Sink {
  line(text: string, span?: Span): void;
  /** Runs `body` with everything in it indented one step. */
  indent(body: () => void): void;
}
