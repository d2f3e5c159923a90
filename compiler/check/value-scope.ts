/** What the value expression of a format may name. */
import type { Span } from "../../ir/diagnostics.ts";
import type { Table } from "../../ir/expr.ts";
import type { Field, Format } from "../../ir/format.ts";
import type { FnItem, Name } from "../syntax/ast.ts";

/** A codebook: its table and where it is declared. */
export interface Codebook {
  readonly table: Table;
  readonly span: Span;
}

/** A field as values read it: `codec` is the format that says what its stored code means. */
export interface ValueField {
  readonly field: Field;
  readonly codec?: Format | undefined;
}

export interface ValueScope {
  /** The format's name. */
  readonly name: string;
  readonly block: number;
  readonly fields: ReadonlyMap<string, ValueField>;
  /** The variable of `value(i)`. */
  readonly index?: Name;
  /** undefined = unknown name, "broken" = declared, but a mistake in it is already reported. */
  readonly codebook: (name: string) => Codebook | "broken" | undefined;
  readonly codebookNames: () => readonly string[];
  /** The function of a name as the place of the call sees it. */
  readonly fn: (name: string, at: Span) => FnItem | undefined;
  readonly fnNames: () => readonly string[];
}
