/** Prints expressions: one form per operator from the language's table, with no more parentheses than it needs. */
import { internal } from "../ir/diagnostics.ts";
import type { BuiltinName, Expr, ExprId, Exprs } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import { type Form, type Forms, LEVEL, type Level, type Syntax, type Text } from "./syntax.ts";

/** Where names come from while a kernel is printed. */
export interface ExprContext {
  readonly kernel: Kernel;
  readonly syntax: Syntax;
  symbol(name: string): Text;
  table(name: string): string;
  builtin(name: BuiltinName, dim: 0 | 1 | 2): Text;
}

const OPEN: Level = LEVEL.any;

/** The expression as text that binds at least as tightly as `level`. */
export function printExpr(context: ExprContext, exprs: Exprs, id: ExprId, level: Level = OPEN): string {
  return tight(print(context, exprs, id), level);
}

/** Adds parentheses where text binds less tightly than asked. */
export function tight(text: Text, level: Level): string {
  return text.level < level ? `(${text.text})` : text.text;
}

/** Fills a form with operands that are text already. */
export function fill(form: Form, args: readonly Text[]): Text {
  const text = form.text.replaceAll(/\$(\d)/g, (_, digit) => {
    const arg = args[Number(digit)] ?? internal(`no operand ${digit} for "${form.text}"`);
    return tight(arg, form.args[Number(digit)] ?? OPEN);
  });
  return { text, level: form.level };
}

function print(context: ExprContext, exprs: Exprs, id: ExprId): Text {
  const expr = exprs.exprs[id] ?? internal(`no expression ${id}`);
  const { syntax } = context;
  switch (expr.kind) {
    case "const":
      return syntax.literal(expr.value, expr.type);
    case "symbol":
      return context.symbol(expr.name);
    case "builtin":
      return context.builtin(expr.name, expr.dim);
    case "input":
      return internal("an input in a kernel");
    case "table":
      return {
        text: `${context.table(expr.table)}[${printExpr(context, exprs, expr.index)}]`,
        level: LEVEL.primary,
      };
    case "cast":
    case "bits": {
      const from = exprs.exprs[expr.of]!.type;
      return fill(syntax[expr.kind](from, expr.type), [print(context, exprs, expr.of)]);
    }
    case "op":
      return printOp(context, exprs, expr);
  }
}

function printOp(context: ExprContext, exprs: Exprs, expr: Expr & { readonly kind: "op" }): Text {
  const difference = asDifference(context, exprs, expr);
  if (difference !== undefined) return difference;
  const form = formOf(context.syntax, exprs, expr);
  const args = expr.args.map((arg, i) => {
    const inner = exprs.exprs[arg]!;
    const wanted = form.as?.[i];
    if (wanted !== undefined && wanted !== inner.type) return converted(context, exprs, arg, wanted);
    const text = print(context, exprs, arg);
    const same = inner.kind === "op" && inner.op === expr.op;
    return form.chains && same && i === 0 ? { text: text.text, level: LEVEL.primary } : text;
  });
  return fill(form, args);
}

/** a + (−c) reads better as a − c. */
function asDifference(context: ExprContext, exprs: Exprs, expr: Expr & { readonly kind: "op" }): Text | undefined {
  const [a, b] = expr.args;
  const right = b === undefined ? undefined : exprs.exprs[b];
  if (expr.op !== "add" || a === undefined || right?.kind !== "const" || !(right.value < 0)) return undefined;
  if ((right.type !== "i32" && !isFloat(right.type)) || right.value === -(2 ** 31)) return undefined;
  const form = select(context.syntax.ops.sub, expr.type);
  return fill(form, [print(context, exprs, a), context.syntax.literal(-right.value, right.type)]);
}

function converted(context: ExprContext, exprs: Exprs, id: ExprId, type: Scalar): Text {
  const expr = exprs.exprs[id]!;
  if (expr.kind === "const") return context.syntax.literal(type === "u32" ? expr.value >>> 0 : expr.value, type);
  return fill(context.syntax.cast(expr.type, type), [print(context, exprs, id)]);
}

function formOf(syntax: Syntax, exprs: Exprs, expr: Expr & { readonly kind: "op" }): Form {
  const type = exprs.exprs[expr.args[expr.op === "select" ? 1 : 0]!]!.type;
  const logical = type === "bool" ? syntax.logical[expr.op] : undefined;
  return logical ?? select(syntax.ops[expr.op], type);
}

function select(forms: Forms, type: Scalar): Form {
  return typeof forms === "function" ? forms(type) : forms;
}
