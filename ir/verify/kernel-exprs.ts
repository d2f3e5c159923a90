/** Types of kernel expressions, and what is known of an index without running the kernel. */
import { BINARY, type Expr, type ExprId, type Exprs, type Op, operands, resultType, TERNARY, UNARY } from "../expr.ts";
import type { Kernel } from "../kernel.ts";
import { gcd } from "../layout/basic.ts";
import { bitsOf, isFloat, isInt, isScalar, rangeOf, type Scalar } from "../scalar.ts";

/** What is wrong with one entry, given that its operands are right; undefined where nothing is. */
export function checkEntry(kernel: Kernel, id: ExprId): string | undefined {
  const { exprs } = kernel.exprs;
  const expr = exprs[id];
  if (expr === undefined) return `there is no expression ${id}`;
  if (!isScalar(expr.type)) return `${expr.type} is not a type`;
  const late = operands(expr).find((arg) => !(arg < id));
  if (late !== undefined) return `expression ${id} refers to expression ${late}, which is not before it`;
  const types = operands(expr).map((arg) => exprs[arg]!.type);
  switch (expr.kind) {
    case "const":
      return checkConst(expr.type, expr.value);
    case "input":
      return "a kernel has no op inputs";
    case "symbol":
    case "builtin":
    case "cast":
      return undefined;
    case "bits":
      return bitsOf(types[0]!) === bitsOf(expr.type) && types[0] !== "bool" && bitsOf(expr.type) <= 32
        ? undefined
        : `the bits of ${types[0]} cannot be read as ${expr.type}`;
    case "table":
      return checkTable(kernel, expr, types[0]!);
    case "op":
      return checkOp(expr, types);
  }
}

function checkConst(type: Scalar, value: number): string | undefined {
  if (isFloat(type)) return undefined;
  const [min, max] = isInt(type) ? rangeOf(type) : [0, 1];
  return Number.isInteger(value) && value >= min && value <= max ? undefined : `${value} is no value of ${type}`;
}

function checkTable(kernel: Kernel, expr: Expr & { readonly kind: "table" }, index: Scalar): string | undefined {
  const table = kernel.tables.find((t) => t.name === expr.table);
  if (table === undefined) return `there is no table ${expr.table}`;
  if (table.type !== expr.type) return `table ${table.name} holds ${table.type}, not ${expr.type}`;
  return isInt(index) ? undefined : `an index must be an integer, not ${index}`;
}

function arityOf(op: Op): number {
  if ((UNARY as readonly Op[]).includes(op)) return 1;
  if ((BINARY as readonly Op[]).includes(op)) return 2;
  return (TERNARY as readonly Op[]).includes(op) ? 3 : 0;
}

function checkOp(expr: Expr & { readonly kind: "op" }, types: readonly Scalar[]): string | undefined {
  const { op } = expr;
  const arity = arityOf(op);
  if (arity === 0) return `there is no operator ${op}`;
  if (types.length !== arity) return `${op} takes ${arity} operands, not ${types.length}`;
  if (!takes(op, types)) return `${op} does not take ${types.join(", ")}`;
  const type = resultType(op, types);
  return type === expr.type ? undefined : `${op} of ${types.join(", ")} is ${type}, not ${expr.type}`;
}

const isNumber = (type: Scalar): boolean => type !== "bool";
const isBits = (type: Scalar): boolean => !isFloat(type);
const isWord = (type: Scalar): boolean => type === "u32" || type === "i32";

function takes(op: Op, types: readonly Scalar[]): boolean {
  const [a, b, c] = types as readonly [Scalar, Scalar, Scalar];
  switch (op) {
    case "neg":
    case "abs":
      return isNumber(a);
    case "not":
      return isBits(a);
    case "popc":
      return isInt(a);
    case "floor":
    case "ceil":
    case "rint":
    case "sqrt":
    case "exp2":
    case "log2":
      return isFloat(a);
    case "f16lo":
    case "f16hi":
      return a === "u32";
    case "add":
    case "sub":
    case "mul":
    case "div":
    case "mod":
    case "min":
    case "max":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      return a === b && isNumber(a);
    case "and":
    case "or":
    case "xor":
      return a === b && isBits(a);
    case "shl":
    case "shr":
      return isInt(a) && isInt(b);
    case "eq":
    case "ne":
      return a === b;
    case "roundQuotient":
    case "packF16x2":
      return a === "f32" && b === "f32";
    case "subF16x2":
      return a === "u32" && b === "u32";
    case "select":
      return a === "bool" && b === c;
    case "fma":
      return a === b && b === c && isNumber(a);
    case "dot4":
      return isWord(a) && isWord(b) && c === "i32";
  }
}

/** All values are `rest` plus a multiple of `step`; `step` 0: exactly `rest`. */
export interface Congruence {
  readonly step: number;
  readonly rest: number;
}

const ANYTHING: Congruence = { step: 1, rest: 0 };

/** What is known of the remainders of an integer expression, given what is known of the locals in it. */
export function congruenceOf(exprs: Exprs, id: ExprId, known: ReadonlyMap<string, Congruence>): Congruence {
  const expr = exprs.exprs[id]!;
  switch (expr.kind) {
    case "const":
      return { step: 0, rest: expr.value };
    case "symbol":
      return known.get(expr.name) ?? ANYTHING;
    case "op": {
      const [a, b] = expr.args.map((arg) => congruenceOf(exprs, arg, known));
      return a === undefined || b === undefined ? ANYTHING : combine(expr.op, a, b);
    }
    case "cast":
      return isInt(expr.type) && isInt(exprs.exprs[expr.of]!.type) ? congruenceOf(exprs, expr.of, known) : ANYTHING;
    default:
      return ANYTHING;
  }
}

function combine(op: Op, a: Congruence, b: Congruence): Congruence {
  switch (op) {
    case "add":
      return { step: gcd(a.step, b.step), rest: a.rest + b.rest };
    case "sub":
      return { step: gcd(a.step, b.step), rest: a.rest - b.rest };
    case "mul":
      return {
        step: Math.abs(gcd(gcd(a.step * b.step, a.step * b.rest), b.step * a.rest)),
        rest: a.rest * b.rest,
      };
    case "shl":
      return b.step === 0 && b.rest < 31 ? { step: a.step * 2 ** b.rest, rest: a.rest * 2 ** b.rest } : ANYTHING;
    default:
      return ANYTHING;
  }
}

/** True if no value can be a multiple of `width`. */
export function isNeverAligned({ step, rest }: Congruence, width: number): boolean {
  return rest % (step === 0 ? width : Math.abs(gcd(step, width))) !== 0;
}
