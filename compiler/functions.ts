/** The functions and operators of the language and the IR operators they stand for. */
import type { Op } from "../ir/expr.ts";
import type { BinaryOperator } from "./ast.ts";

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
