/** The functions and operators of the language and the IR operators they stand for. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { Op } from "../../ir/expr.ts";
import { report } from "../report.ts";
import type { BinaryOperator, Name } from "../syntax/ast.ts";

export interface FunctionRow {
  readonly op: Op;
  readonly arity: number;
  /** Integers in, integer out; otherwise integers are converted to numbers first. */
  readonly integer: boolean;
}

/** Functions by name. `min` and `max` take two arguments or more. */
export const FUNCTIONS: Readonly<Record<string, FunctionRow>> = {
  min: { op: "min", arity: 2, integer: true },
  max: { op: "max", arity: 2, integer: true },
  abs: { op: "abs", arity: 1, integer: true },
  select: { op: "select", arity: 3, integer: true },
  exp2: { op: "exp2", arity: 1, integer: false },
  log2: { op: "log2", arity: 1, integer: false },
  sqrt: { op: "sqrt", arity: 1, integer: false },
  floor: { op: "floor", arity: 1, integer: false },
  ceil: { op: "ceil", arity: 1, integer: false },
  round: { op: "rint", arity: 1, integer: false },
};

/** `arithmetic` works on numbers, `bits` on integers, `compare` on numbers and yields a condition. */
export const OPERATORS: Readonly<
  Record<BinaryOperator, { readonly op: Op; readonly on: "arithmetic" | "bits" | "compare" }>
> = {
  "+": { op: "add", on: "arithmetic" },
  "-": { op: "sub", on: "arithmetic" },
  "*": { op: "mul", on: "arithmetic" },
  "/": { op: "div", on: "arithmetic" },
  "%": { op: "mod", on: "bits" },
  "<<": { op: "shl", on: "bits" },
  ">>": { op: "shr", on: "bits" },
  "&": { op: "and", on: "bits" },
  "|": { op: "or", on: "bits" },
  "^": { op: "xor", on: "bits" },
  "==": { op: "eq", on: "compare" },
  "!=": { op: "ne", on: "compare" },
  "<": { op: "lt", on: "compare" },
  "<=": { op: "le", on: "compare" },
  ">": { op: "gt", on: "compare" },
  ">=": { op: "ge", on: "compare" },
};

/** True for names that a call may use: own properties only, so that `toString` is not a function of the language. */
export function functionNamed(name: string): FunctionRow | undefined {
  return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
}

/** Functions of formats that read an integer as the encoding of a number: its low 16 bits, or all 32. */
export const ENCODINGS: Readonly<Record<string, "f16" | "bf16" | "f32">> = {
  as_f16: "f16",
  as_bf16: "bf16",
  as_f32: "f32",
};

/** The type whose encoding a function reads, for the functions that do. */
export function encodingNamed(name: string): "f16" | "bf16" | "f32" | undefined {
  return Object.hasOwn(ENCODINGS, name) ? ENCODINGS[name] : undefined;
}

/** Reports a call with the wrong number of arguments. */
export function checkArity(callee: Name, given: number, diagnostics: Diagnostics): boolean {
  const row = functionNamed(callee.text);
  if (row === undefined) return false;
  const variadic = row.op === "min" || row.op === "max";
  if (variadic ? given >= row.arity : given === row.arity) return true;
  const wanted = `${variadic ? "at least " : ""}${row.arity} ${row.arity === 1 ? "argument" : "arguments"}`;
  report(diagnostics, "type/arguments", callee.span, `\`${callee.text}\` takes ${wanted}, not ${given}`);
  return false;
}
