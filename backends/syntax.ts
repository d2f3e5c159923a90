/** What the printer must know of a language: everything that differs between CUDA, WGSL and Metal text, as one table. */
import type { Span } from "../ir/diagnostics.ts";
import type { BuiltinName, Op } from "../ir/expr.ts";
import type { Buffer, Kernel, Width } from "../ir/kernel.ts";
import type { Program } from "../ir/program.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import type { Target } from "../ir/target.ts";

/**
 * How tightly text binds. One order serves all languages: where C and WGSL disagree (shifts and bit operators take
 * only unary operands in WGSL), everyone gets WGSL's parentheses, which also keep C compilers free of warnings.
 */
export const LEVEL = {
  any: 0,
  choice: 1,
  logic: 2,
  compare: 3,
  bit: 4,
  shift: 5,
  sum: 6,
  product: 7,
  unary: 8,
  primary: 9,
} as const;

export type Level = (typeof LEVEL)[keyof typeof LEVEL];

/** Text of an operator: `$0`, `$1` … stand for operands, each printed so that it binds at least as tightly as asked. */
export interface Form {
  readonly text: string;
  readonly level: Level;
  readonly args: readonly Level[];
  /** The operator may stand to its own left without parentheses (a & b & c). */
  readonly chains?: boolean;
  /** Types that operands are converted to, where the language is stricter than the IR. */
  readonly as?: readonly (Scalar | undefined)[];
}

/** Text with the level at which it binds. */
export interface Text {
  readonly text: string;
  readonly level: Level;
}

/** A form that depends on the type of the first operand that is not a condition. */
export type Forms = Form | ((type: Scalar) => Form);

/** a + b: left-associative; the right operand binds one level tighter. */
export function infix(operator: string, level: Level, as?: readonly (Scalar | undefined)[]): Form {
  const text = `$0 ${operator} $1`;
  const unary = LEVEL.unary;
  switch (level) {
    case LEVEL.shift:
      return { text, level, args: [unary, unary], ...(as === undefined ? {} : { as }) };
    case LEVEL.bit:
      return { text, level, args: [unary, unary], chains: true };
    case LEVEL.compare:
      return { text, level, args: [LEVEL.shift, LEVEL.shift] };
    case LEVEL.logic:
      return { text, level, args: [LEVEL.compare, LEVEL.compare], chains: true };
    default:
      return { text, level, args: [level, (level + 1) as Level] };
  }
}

/** a + b on integers needs no parentheses at all; on floats the order of additions is kept. */
export const ADD: Forms = (type) => {
  const form = infix("+", LEVEL.sum);
  return isFloat(type) ? form : { ...form, args: [LEVEL.sum, LEVEL.sum] };
};

/** −a. */
export function prefix(operator: string): Form {
  return { text: `${operator}$0`, level: LEVEL.unary, args: [LEVEL.primary] };
}

/** name(a, b, …), with the arguments in the order of `order` where it differs. */
export function call(name: string, count: number, order?: readonly number[]): Form {
  const args = Array.from({ length: count }, (_, i) => `$${order?.[i] ?? i}`).join(", ");
  return { text: `${name}(${args})`, level: LEVEL.primary, args: Array<Level>(count).fill(LEVEL.any) };
}

/** Any text that binds like a call; operands stand between delimiters unless `args` says otherwise. */
export function wrap(text: string, ...args: Level[]): Form {
  const count = new Set(text.match(/\$\d/g)).size;
  return { text, level: LEVEL.primary, args: args.length > 0 ? args : Array<Level>(count).fill(LEVEL.any) };
}

/** What an exchange prints from: `to` is a fresh local of type `type`; `args` are operands as text. */
export interface ExchangeText {
  readonly to: string;
  readonly type: Scalar;
  readonly args: readonly string[];
  /** Lanes of a warp; lanes of the block. */
  readonly lanes: number;
  readonly threads: number;
}

/** A matrix multiplication in text. */
export interface MatrixText {
  readonly row: string;
  readonly a: readonly string[];
  readonly b: readonly string[];
  readonly d: readonly string[];
}

/** A place in memory in text: a pointer to its first element. */
export interface PlaceText {
  readonly pointer: string;
}

export interface TransferText {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly done?: string;
  readonly when?: string;
}

export interface SyncText {
  readonly at?: string;
  readonly count?: string;
  /** The count where it is a constant. */
  readonly constant?: number;
  /** The kernel writes global memory that it also reads. */
  readonly global: boolean;
  readonly proxy?: "async" | "matrix";
}

/** A declaration in text. */
export interface Declaration {
  readonly name: string;
  readonly type: Scalar;
  readonly value: string;
}

/** How vectors move: through a pointer of vector type, or because the buffer itself is declared as an array of vectors. */
export type Vectors =
  | {
      readonly kind: "pointer";
      /** The vector at `pointer`, an lvalue. */
      place(buffer: Buffer, type: string, pointer: string): string;
    }
  | { readonly kind: "declared" };

export interface Syntax {
  readonly extension: string;
  /** Names of types; a type that is missing cannot be printed. */
  readonly types: Readonly<Partial<Record<Scalar, string>>>;
  /** Operators; `logical` ones replace them on bool. */
  readonly ops: Readonly<Record<Op, Forms>>;
  readonly logical: Readonly<Partial<Record<Op, Form>>>;
  cast(from: Scalar, to: Scalar): Form;
  bits(from: Scalar, to: Scalar): Form;
  literal(value: number, type: Scalar): Text;
  readonly builtins: Readonly<
    Record<BuiltinName, (dim: 0 | 1 | 2, kernel: Kernel) => { readonly use: Text; readonly declare?: string }>
  >;
  /** Names that no local may take, beside the helpers' and parameters'. */
  readonly reserved: ReadonlySet<string>;
  readonly vectors: Vectors;
  /** Name of a vector type, undefined where there is none: the access is then split. */
  vector(type: Scalar, width: Width): string | undefined;
  /** A vector from its elements. */
  make(vector: string, elements: readonly string[]): string;
  /** Load from an lvalue, with a cache hint where the language has one. */
  load(place: string, buffer: Buffer, cache: "stream" | "keep" | undefined): string;
  declareLet(d: Declaration): string;
  declareVar(d: Declaration): string;
  /** A vector local named `name`. */
  declareVector(name: string, vector: string, value: string): string;
  /** A local that is `value` where `when` holds, else `otherwise`. */
  declareMasked(name: string, type: string, when: string, value: string, otherwise: string): readonly string[];
  /** `for (int i = from; …) {`, after an optional line that asks for unrolling. */
  loop(name: string, from: string, to: string, step: number, unroll: boolean): readonly string[];
  atomicAdd(place: string, value: string, buffer: Buffer): string;
  /** The element of a buffer that is updated atomically, where plain reads need another form. */
  atomicLoad(place: string): string;
  /** `${scope}.${op}` → statements that give `to` its value. */
  readonly exchange: Readonly<Record<string, (x: ExchangeText) => readonly string[]>>;
  /** `${scope}.${op}` */
  readonly sync: Readonly<Record<string, (x: SyncText) => readonly string[]>>;
  readonly transfer: Readonly<Record<string, (x: TransferText) => readonly string[]>>;
  /** By row id. */
  readonly matrix: Readonly<Record<string, (x: MatrixText) => readonly string[]>>;
  /** Definitions that are printed where their name occurs in a kernel (or in another helper). */
  readonly helpers: Readonly<Record<string, (kernel: Kernel) => string>>;
  /** Entry parameters that are printed where their name occurs in the body. */
  readonly parameters: Readonly<Record<string, string>>;
  /** First lines of the file, each printed where its pattern occurs in the text. */
  readonly directives: readonly { readonly when: RegExp; readonly text: string }[];
  table(name: string, type: string, values: readonly string[]): readonly string[];
  shared(kernel: Kernel, array: BufferText): readonly string[];
  /** Shared bytes above which arrays are parts of one dynamically sized array, whose size the launcher passes. */
  readonly dynamicShared?: number;
  /** Where shared arrays are declared. */
  readonly sharedAt: "module" | "kernel";
  /** The kernel around its body: global buffers, used parameters, and what comes before the first statement. */
  entry(kernel: Kernel, name: string, buffers: readonly BufferText[], parameters: readonly string[]): Entry;
}

export interface BufferText {
  readonly buffer: Buffer;
  readonly name: string;
  readonly binding: number;
  /** Elements per declared vector (always 1 where vectors move through pointers). */
  readonly width: Width;
  readonly atomic: boolean;
}

export interface Entry {
  /** Module-level declarations, before helpers. */
  readonly before: readonly string[];
  /** Lines up to and including the opening brace. */
  readonly open: readonly string[];
}

/**
 * Where each line of a generated text stems from: the operator's text that it carries out, then, where it moves or
 * decodes stored numbers, the field or the value of the format that says how. Empty for lines that stem from no source.
 */
export type LineMap = readonly (readonly Span[])[];

/** Generated text with its line map. */
export interface Printed {
  readonly text: string;
  readonly lines: LineMap;
}

/** What is emitted together: one op with its launches in order. `report` travels along and is not read here. */
export interface Unit {
  readonly name: string;
  readonly program: Program;
  readonly kernels: readonly Kernel[];
  readonly report?: unknown;
}

export interface EmittedFile {
  readonly name: string;
  readonly text: string;
  /** One entry a line of `text`; spans index the module's sources. */
  readonly lines: LineMap;
}

/** A target with what it takes to print for it. */
export interface Backend extends Target {
  readonly syntax: Syntax;
  /** All files of a unit: sources first, launchers after them. */
  emit(unit: Unit): readonly EmittedFile[];
}
