/** What the expression builder computes while building: folded constants, bounds, and the keys that share entries. */
import type { Expr, Op, Range } from "./expr.ts";
import type { Scalar } from "./scalar.ts";

/** Bounds of an operator's result from those of its operands, where both are known. */
export function rangeOfOp(op: Op, p: Range | undefined, q: Range | undefined): Range | undefined {
  if (p === undefined || q === undefined) return undefined;
  const among = (...values: number[]): Range | undefined => {
    const low = Math.min(...values);
    const high = Math.max(...values);
    return low < -(2 ** 53) || high > 2 ** 53 ? undefined : [low, high];
  };
  switch (op) {
    case "add":
      return among(p[0] + q[0], p[1] + q[1]);
    case "sub":
      return among(p[0] - q[1], p[1] - q[0]);
    case "mul":
      return among(p[0] * q[0], p[0] * q[1], p[1] * q[0], p[1] * q[1]);
    case "div":
      return q[0] === q[1] && q[0] > 0 && p[0] >= 0 ? [Math.floor(p[0] / q[0]), Math.floor(p[1] / q[0])] : undefined;
    case "mod":
      return q[0] === q[1] && q[0] > 0 && p[0] >= 0 ? [0, Math.min(p[1], q[0] - 1)] : undefined;
    case "min":
      return [Math.min(p[0], q[0]), Math.min(p[1], q[1])];
    case "max":
      return [Math.max(p[0], q[0]), Math.max(p[1], q[1])];
    default:
      return undefined;
  }
}

/** Bounds that the type can hold; undefined where the result may wrap around, so that nothing is known of it. */
export function unwrapped(range: Range, type: Scalar): Range | undefined {
  const [low, high] = type === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
  return range[0] < low || range[1] > high ? undefined : range;
}

/** The value of an operator on two integer constants; undefined where it is not folded. */
export function foldInt(op: Op, x: number, y: number, type: Scalar): number | undefined {
  const wrap = (value: number): number => (type === "u32" ? value >>> 0 : type === "i32" ? value | 0 : value);
  switch (op) {
    case "add":
      return wrap(x + y);
    case "sub":
      return wrap(x - y);
    case "mul":
      return Number.isSafeInteger(x * y) ? wrap(x * y) : undefined;
    case "div":
      return y === 0 ? undefined : Math.trunc(x / y);
    case "mod":
      return y === 0 ? undefined : x % y;
    case "min":
      return Math.min(x, y);
    case "max":
      return Math.max(x, y);
    case "eq":
      return x === y ? 1 : 0;
    case "ne":
      return x !== y ? 1 : 0;
    case "lt":
      return x < y ? 1 : 0;
    case "le":
      return x <= y ? 1 : 0;
    case "gt":
      return x > y ? 1 : 0;
    case "ge":
      return x >= y ? 1 : 0;
    case "shl":
      return wrap(x << y);
    default:
      return undefined;
  }
}

/** A text that equal entries share. */
export function keyOf(expr: Expr): string {
  switch (expr.kind) {
    case "const":
      return `c:${expr.type}:${Object.is(expr.value, -0) ? "-0" : expr.value}`;
    case "symbol":
      return `s:${expr.type}:${expr.name}`;
    case "builtin":
      return `b:${expr.name}:${expr.dim}`;
    case "input":
      return `i:${expr.type}:${expr.index}`;
    case "op":
      return `o:${expr.op}:${expr.type}:${expr.args.join(",")}`;
    case "cast":
    case "bits":
      return `${expr.kind}:${expr.type}:${expr.of}`;
    case "table":
      return `t:${expr.type}:${expr.table}:${expr.index}`;
  }
}
