/** What the checker hands on: formats as data, operators with every name resolved, schedules. Sizes are still symbolic. */
import type { Source, Span } from "../../ir/diagnostics.ts";
import type { Op as Operator } from "../../ir/expr.ts";
import type { Format } from "../../ir/format.ts";
import type { Axis } from "../../ir/layout/layout.ts";

/** How far an axis goes: a number, or the name of one of the operator's sizes. */
export type Extent = number | string;

export interface Operand {
  readonly name: string;
  readonly format: string;
  readonly shape: readonly Extent[];
  /** The axis that blocks lie along; the last one unless the operator says otherwise. */
  readonly along: number;
  /** Where the format's name stands. */
  readonly formatSpan: Span;
  readonly span: Span;
}

/** One index of an access: an axis plus a constant, or a constant alone; proved to stay inside unless it is looked up. */
export interface Index {
  readonly axis?: Axis;
  readonly offset: number;
  /** Elements of unsigned integer tensors that are added: where that leads outside the tensor, the access is 0. */
  readonly lookedUp?: readonly Access[];
}

/** One element of a tensor. */
export type Access = {
  readonly kind: "access";
  readonly tensor: string;
  readonly index: readonly Index[];
  readonly span: Span;
};

/** A checked value: real arithmetic over elements of tensors. Comparisons are boolean, everything else is a number. */
export type Term = { readonly span: Span } & (
  | { readonly kind: "number"; readonly value: number }
  | Access
  /** How far a size goes, and where an index stands, as numbers. */
  | { readonly kind: "size"; readonly name: string }
  | { readonly kind: "index"; readonly axis: Axis }
  | { readonly kind: "apply"; readonly op: Operator; readonly args: readonly Term[] }
  | { readonly kind: "sum"; readonly over: readonly Axis[]; readonly body: Term }
);

export type CheckedStatement =
  /** `name` is `from` brought into the format at run time. */
  | {
      readonly kind: "quantize";
      readonly name: string;
      readonly from: string;
      readonly format: string;
      readonly shape: readonly Extent[];
      readonly span: Span;
    }
  | {
      readonly kind: "assign";
      readonly name: string;
      readonly axes: readonly Axis[];
      readonly shape: readonly Extent[];
      readonly value: Term;
      readonly span: Span;
    };

export interface CheckedOp {
  readonly name: string;
  readonly sizes: readonly { readonly name: string; readonly span: Span }[];
  readonly operands: readonly Operand[];
  /** The result's name is the left side of the last statement. */
  readonly result: Operand;
  readonly statements: readonly CheckedStatement[];
  /** The extent of every index variable; a name means one thing in the whole body. */
  readonly axes: Readonly<Record<Axis, Extent>>;
  readonly span: Span;
}

/** How a schedule wants a contraction done; `bitplanes` splits both operands' codes into planes of one bit. */
export type ScheduleStrategy = "fma" | "mma" | "dot4" | "bitplanes" | "lut";

/** A checked schedule: the axes and the strategy exist; whether the target can do it, its table decides. */
export interface Schedule {
  readonly op: string;
  /** As written: `cuda.sm90`. */
  readonly target: string;
  readonly targetSpan: Span;
  readonly contract?: { readonly axes: readonly Axis[]; readonly by: ScheduleStrategy; readonly span: Span };
  readonly tiles: readonly { readonly axis: Axis; readonly size: number; readonly span: Span }[];
  readonly stages?: { readonly count: number; readonly span: Span };
  /** `emulated`: wanted even where the target has no instruction for it. */
  readonly row?: { readonly id: string; readonly emulated: boolean; readonly span: Span };
  readonly span: Span;
}

export interface Module {
  /** The user's files, then those of the standard library: what `Span.file` indexes. */
  readonly sources: readonly Source[];
  /** The user's formats and those of the standard library that are used. */
  readonly formats: readonly Format[];
  readonly ops: readonly CheckedOp[];
  readonly schedules: readonly Schedule[];
}
