/** The syntax tree of a `.loom` file: what was written, with the span of every part and nothing resolved. */
import type { Span } from "../../ir/diagnostics.ts";

/** A name as written; empty text where the parser supplied a missing one. */
export interface Name {
  readonly text: string;
  readonly span: Span;
}

export type BinaryOperator =
  | "+" | "-" | "*" | "/" | "%" | "<<" | ">>" | "&" | "|" | "^"
  | "==" | "!=" | "<" | "<=" | ">" | ">="; // biome-ignore format: a table

export type Expression =
  | { readonly kind: "number"; readonly value: number; readonly text: string; readonly span: Span }
  | { readonly kind: "name"; readonly name: string; readonly span: Span }
  | {
      readonly kind: "index";
      readonly base: Expression;
      readonly indices: readonly Expression[];
      readonly span: Span;
    }
  /** A literal table; `hole` marks a code that stands for nothing. */
  | { readonly kind: "list"; readonly entries: readonly Expression[]; readonly span: Span }
  | { readonly kind: "hole"; readonly span: Span }
  | { readonly kind: "call"; readonly callee: Name; readonly args: readonly Expression[]; readonly span: Span }
  | { readonly kind: "negate"; readonly of: Expression; readonly span: Span }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly operatorSpan: Span;
      readonly left: Expression;
      readonly right: Expression;
      readonly span: Span;
    }
  | {
      readonly kind: "conditional";
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
      readonly span: Span;
    }
  /** `sum k { … }`, or `sum k < 4 { … }` where a format says itself how far k goes. */
  | {
      readonly kind: "sum";
      readonly over: readonly Name[];
      readonly bound?: Expression;
      readonly body: Expression;
      readonly span: Span;
    }
  /** `{ let a = … let b = … value }`; `valueSpan` begins at the value's first token. */
  | {
      readonly kind: "block";
      readonly lets: readonly Binding[];
      readonly value: Expression;
      readonly valueSpan: Span;
      readonly span: Span;
    }
  /** Where the parser could not read an expression; the mistake is already reported. */
  | { readonly kind: "missing"; readonly span: Span };

/** `let name = value` inside a block. */
export interface Binding {
  readonly name: Name;
  readonly value: Expression;
  readonly span: Span;
}

/** A storage type or format by name, with arguments where it has parameters: `f16`, `int<4, 128>`. */
export interface TypeRef {
  readonly name: Name;
  readonly args: readonly Expression[];
  readonly span: Span;
}

export type Member =
  | { readonly kind: "block"; readonly size: Expression; readonly span: Span }
  | {
      readonly kind: "field";
      readonly scope: "block" | "row" | "tensor";
      readonly name: Name;
      readonly type: TypeRef;
      readonly count?: Expression;
      readonly offset?: Expression;
      readonly span: Span;
    }
  | { readonly kind: "value"; readonly index?: Name; readonly value: Expression; readonly span: Span }
  | { readonly kind: "encode"; readonly rule: Name; readonly args: readonly Name[]; readonly span: Span };

/** `x: f16[M, K]`; an extent is a number or a size's name. `along`: the size of the axis that blocks lie along. */
export interface TensorType {
  readonly format: TypeRef;
  readonly shape: readonly Expression[];
  readonly along?: Name;
  readonly span: Span;
}

export interface Parameter {
  readonly name: Name;
  readonly type: TensorType;
  readonly span: Span;
}

/** `let v = …`, `let t[m, n] = …` or the result `y[m, n] = …`. */
export interface Statement {
  readonly kind: "let" | "result";
  readonly name: Name;
  readonly indices?: readonly Name[];
  readonly value: Expression;
  readonly span: Span;
}

export type Directive =
  | { readonly kind: "contract"; readonly axes: readonly Name[]; readonly strategy: Name; readonly span: Span }
  | {
      readonly kind: "tile";
      readonly tiles: readonly { readonly axis: Name; readonly size: Expression }[];
      readonly span: Span;
    }
  | { readonly kind: "stages"; readonly count: Expression; readonly span: Span }
  /** `emulated`: also where the target only imitates the row. */
  | { readonly kind: "row"; readonly row: Name; readonly emulated: boolean; readonly span: Span };

interface ItemBase {
  readonly name: Name;
  readonly span: Span;
  /** A syntax mistake lies inside: only the name may be relied on. */
  readonly broken: boolean;
}

/** `format name<A, B> { … }`, or `format name = other<4>` where `alias` is given. */
export type FormatItem = ItemBase & {
  readonly kind: "format";
  readonly parameters: readonly Name[];
  readonly alias?: TypeRef;
  readonly members: readonly Member[];
};
/** `fn name(a, b) = value`. */
export type FnItem = ItemBase & {
  readonly kind: "fn";
  readonly parameters: readonly Name[];
  readonly value: Expression;
};
export type CodebookItem = ItemBase & { readonly kind: "codebook"; readonly entries: readonly Expression[] };
export type OpItem = ItemBase & {
  readonly kind: "op";
  readonly sizes: readonly Name[];
  readonly parameters: readonly Parameter[];
  readonly result: TensorType;
  readonly body: readonly Statement[];
};
export type ScheduleItem = ItemBase & {
  readonly kind: "schedule";
  readonly target: Name;
  readonly directives: readonly Directive[];
};
export type Item = FormatItem | CodebookItem | FnItem | OpItem | ScheduleItem;
