/** What the page and its workers say to each other: plain data, so that it can be posted. */
import type { EmittedFile } from "../../backends/syntax.ts";
import type { CompileReport } from "../../compiler/compile-report.ts";
import type { Diagnostic, Span } from "../../ir/diagnostics.ts";

/** An operator of the source, as far as the page has to know it. */
export interface OpInfo {
  readonly name: string;
  readonly sizes: readonly string[];
  /** `x: f16[M, K]`, the result last. */
  readonly operands: readonly { readonly name: string; readonly format: string; readonly shape: string }[];
  readonly span: Span;
}

export interface FormatInfo {
  readonly name: string;
  /** Bits a value of a 4096 × 4096 tensor, all scales included. */
  readonly bitsPerValue: number;
  /** Declared in the source, not in the library. */
  readonly own: boolean;
}

/** What the checker says of a text. File 0 of every span is the source, the others are the library's. */
export interface Checked {
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly ops: readonly OpInfo[];
  readonly formats: readonly FormatInfo[];
  readonly milliseconds: number;
}

/** One target's outcome; without a result, `diagnostics` say why. */
export interface TargetResult {
  readonly target: string;
  readonly result?: { readonly files: readonly EmittedFile[]; readonly report: CompileReport };
  readonly diagnostics: readonly Diagnostic[];
  readonly milliseconds: number;
}

/** What is compiled: the text, and what of it for which targets. */
export interface Job {
  readonly text: string;
  /** Where the text has no operator of this name: its first one. */
  readonly op: string;
  /** Sizes that are not as `defaultSize` says. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly targets: readonly string[];
}

/** To the worker. A new edit ends what is under way for an older one. */
export type ToWorker = { readonly kind: "edit"; readonly edit: number; readonly job: Job };

/** From the worker. `edit` is the number of the edit that it answers. */
export type FromWorker =
  | { readonly kind: "checked"; readonly edit: number; readonly checked: Checked }
  | { readonly kind: "compiled"; readonly edit: number; readonly result: TargetResult }
  /** All of the job is done; milliseconds since the worker took it up. */
  | { readonly kind: "done"; readonly edit: number; readonly milliseconds: number }
  /** Our own bug. */
  | { readonly kind: "failed"; readonly edit: number; readonly message: string };
