/** What CUDA and Metal text share: the forms of C++. */
import { internal } from "../ir/diagnostics.ts";
import type { Op } from "../ir/expr.ts";
import type { Width } from "../ir/kernel.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import { ADD, call, type Declaration, type Form, type Forms, infix, LEVEL, prefix, wrap } from "./syntax.ts";

const CHOICE: Form = {
  text: "$0 ? $1 : $2",
  level: LEVEL.choice,
  args: [LEVEL.logic, LEVEL.logic, LEVEL.logic],
};

/** Operators that C++ spells the same everywhere. */
export const C_OPS = {
  neg: prefix("-"),
  not: prefix("~"),
  add: ADD,
  sub: infix("-", LEVEL.sum),
  mul: infix("*", LEVEL.product),
  div: infix("/", LEVEL.product),
  and: infix("&", LEVEL.bit),
  or: infix("|", LEVEL.bit),
  xor: infix("^", LEVEL.bit),
  shl: infix("<<", LEVEL.shift),
  shr: infix(">>", LEVEL.shift),
  eq: infix("==", LEVEL.compare),
  ne: infix("!=", LEVEL.compare),
  lt: infix("<", LEVEL.compare),
  le: infix("<=", LEVEL.compare),
  gt: infix(">", LEVEL.compare),
  ge: infix(">=", LEVEL.compare),
  select: CHOICE,
} satisfies Partial<Record<Op, Forms>>;

/** Operators on bool, in C++ and in WGSL. */
export const LOGICAL = {
  not: prefix("!"),
  and: infix("&&", LEVEL.logic),
  or: infix("||", LEVEL.logic),
  xor: infix("!=", LEVEL.compare),
} satisfies Partial<Record<Op, Form>>;

/** `remainder` names the function for floats. */
export function remainder(name: string): Forms {
  return (type) => (isFloat(type) ? call(name, 2) : infix("%", LEVEL.product));
}

/** A form for operators that a rule must have removed before printing. */
export function absent(op: Op): Forms {
  return () => internal(`${op} reached a printer whose target's rules should have removed it`);
}

/** int(x): functional conversion syntax, which is never a reinterpretation. */
export function convert(types: Readonly<Partial<Record<Scalar, string>>>, to: Scalar): Form {
  return wrap(`${types[to] ?? internal(`no type ${to}`)}($0)`);
}

/** x != 0 */
export function nonZero(zero: string): Form {
  return { text: `$0 != ${zero}`, level: LEVEL.compare, args: [LEVEL.shift] };
}

/** Names that no identifier of either language may take (C++17 keywords, and what both dialects predefine). */
export const C_RESERVED = `alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
class compl const constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit export
extern false float for friend goto if inline int long main mutable namespace new noexcept not not_eq nullptr operator or
or_eq private protected public register reinterpret_cast return short signed sizeof static static_assert static_cast
struct switch template this thread_local throw true try typedef typeid typename union unsigned using virtual void
volatile wchar_t while xor xor_eq uint half abs min max floor ceil rint sqrt exp2 log2 fma fmod popcount`.split(/\s+/);

/** Vector types of both dialects: uint4. */
export function cVector(
  names: Readonly<Partial<Record<Scalar, string>>>,
): (type: Scalar, width: Width) => string | undefined {
  return (type, width) => (width === 1 || names[type] === undefined ? undefined : `${names[type]}${width}`);
}

/** Declarations of both dialects, given the names of their types. */
export function cDeclarations(types: Readonly<Partial<Record<Scalar, string>>>) {
  const nameOf = (type: Scalar): string => types[type] ?? internal(`no type ${type}`);
  return {
    declareLet: (d: Declaration) => `const ${nameOf(d.type)} ${d.name} = ${d.value};`,
    declareVar: (d: Declaration) => `${nameOf(d.type)} ${d.name} = ${d.value};`,
    declareVector: (name: string, vector: string, value: string) => `const ${vector} ${name} = ${value};`,
    declareMasked: (name: string, type: string, when: string, value: string, otherwise: string) => [
      `const ${type} ${name} = ${when} ? ${value} : ${otherwise};`,
    ],
    loop: (name: string, from: string, to: string, step: number, unroll: boolean) => [
      ...(unroll ? ["#pragma unroll"] : []),
      `for (int ${name} = ${from}; ${name} < ${to}; ${step === 1 ? `++${name}` : `${name} += ${step}`}) {`,
    ],
    atomicLoad: (place: string) => place,
  };
}
