/** Integer constants: arithmetic on whole numbers as formats use it, and parameters replaced by their arguments. */
import { internal } from "../../ir/diagnostics.ts";
import type { BinaryOperator, Binding, Expression, FormatItem, Member, TypeRef } from "../syntax/ast.ts";

/** Values of parameters by name. */
export type Constants = ReadonlyMap<string, number>;

/** An operator on whole numbers; comparisons yield 0 or 1, a division by 0 yields NaN. */
export function applyInteger(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return b === 0 ? Number.NaN : Math.trunc(a / b);
    case "%":
      return b === 0 ? Number.NaN : a % b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "==":
      return Number(a === b);
    case "!=":
      return Number(a !== b);
    case "<":
      return Number(a < b);
    case "<=":
      return Number(a <= b);
    case ">":
      return Number(a > b);
    case ">=":
      return Number(a >= b);
  }
}

/** The whole number that an expression stands for, where it is made of whole numbers alone. */
export function wholeConstant(e: Expression): number | undefined {
  switch (e.kind) {
    case "number":
      return Number.isSafeInteger(e.value) ? e.value : undefined;
    case "negate": {
      const of = wholeConstant(e.of);
      return of === undefined ? undefined : 0 - of;
    }
    case "binary": {
      const [a, b] = [wholeConstant(e.left), wholeConstant(e.right)];
      if (a === undefined || b === undefined) return undefined;
      const value = applyInteger(e.operator, a, b);
      return Number.isSafeInteger(value) ? value : undefined;
    }
    case "conditional": {
      const condition = wholeConstant(e.condition);
      return condition === undefined ? undefined : wholeConstant(condition !== 0 ? e.yes : e.no);
    }
    default:
      return undefined;
  }
}

/** The format without parameters that a format with parameters is for these arguments. */
export function substituteParameters(item: FormatItem, constants: Constants): FormatItem {
  const members = item.members.map((member) => substituteMember(member, constants));
  const alias = item.alias === undefined ? {} : { alias: substituteRef(item.alias, constants) };
  return { ...item, parameters: [], ...alias, members };
}

function substituteRef(ref: TypeRef, constants: Constants): TypeRef {
  return { ...ref, args: ref.args.map((arg) => substitute(arg, constants)) };
}

function substituteMember(member: Member, constants: Constants): Member {
  switch (member.kind) {
    case "block":
      return { ...member, size: substitute(member.size, constants) };
    case "field": {
      const { count, offset } = member;
      return {
        ...member,
        type: substituteRef(member.type, constants),
        ...(count === undefined ? {} : { count: substitute(count, constants) }),
        ...(offset === undefined ? {} : { offset: substitute(offset, constants) }),
      };
    }
    case "value":
      return { ...member, value: substitute(member.value, constants) };
    case "encode":
      return member;
  }
}

function substitute(e: Expression, constants: Constants): Expression {
  const inside = (inner: Expression): Expression => substitute(inner, constants);
  switch (e.kind) {
    case "name": {
      const value = constants.get(e.name);
      if (value === undefined) return e;
      const size: Expression = { kind: "number", value: Math.abs(value), text: String(Math.abs(value)), span: e.span };
      return value < 0 ? { kind: "negate", of: size, span: e.span } : size;
    }
    case "index":
      return { ...e, base: inside(e.base), indices: e.indices.map(inside) };
    case "list":
      return { ...e, entries: e.entries.map(inside) };
    case "call":
      return { ...e, args: e.args.map(inside) };
    case "negate":
      return { ...e, of: inside(e.of) };
    case "binary":
      return { ...e, left: inside(e.left), right: inside(e.right) };
    case "conditional":
      return { ...e, condition: inside(e.condition), yes: inside(e.yes), no: inside(e.no) };
    case "sum":
      return { ...e, ...(e.bound === undefined ? {} : { bound: inside(e.bound) }), body: inside(e.body) };
    case "block": {
      const lets = e.lets.map((binding): Binding => ({ ...binding, value: inside(binding.value) }));
      return { ...e, lets, value: inside(e.value) };
    }
    case "number":
    case "hole":
    case "missing":
      return e;
  }
}

/** Evaluates an expression that was checked to be made of whole numbers and known names; NaN where it divides by 0. */
export function evaluateInteger(e: Expression, variable: (name: string) => number): number {
  switch (e.kind) {
    case "number":
      return e.value;
    case "name":
      return variable(e.name);
    case "negate":
      return -evaluateInteger(e.of, variable);
    case "binary":
      return applyInteger(e.operator, evaluateInteger(e.left, variable), evaluateInteger(e.right, variable));
    case "conditional":
      return evaluateInteger(evaluateInteger(e.condition, variable) !== 0 ? e.yes : e.no, variable);
    default:
      return internal(`${e.kind} in a checked bit offset`);
  }
}
