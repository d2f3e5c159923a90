/** How exactly narrow floats hold what operands are decoded to: which values an expression can have, and on which grid. */
import { compileExpr } from "../ir/eval/expr.ts";
import type { Expr, ExprId, Exprs, Table } from "../ir/expr.ts";
import { bitsToF32 } from "../ir/float.ts";
import { isTileOp, type Program, type Region, type TileOp } from "../ir/program.ts";
import { factorsOf, forEachOp, inputsBehind, inputsOf, plainSymbol, symbolsOf } from "./edit.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

/** The largest n of which every value is n · 2^e, e an integer: 1 for powers of two, 2^11 for halves. */
type Significand = number;

const UNKNOWN = Number.POSITIVE_INFINITY;
/** Positions of a row that are looked at: index expressions repeat after a block. */
const SAMPLED = 4096;

/**
 * The largest significand among the values that a contraction's operand has within a step of `chunk` positions, factors
 * that are constant there left out; infinity where it is not known. Halves hold values up to 2^11 exactly.
 */
export function operandSignificand(program: Program, op: Contract, at: Region, chunk: number): Significand {
  const tensor = program.tensors.find((t) => t.id === at.tensor);
  if (tensor !== undefined && tensor.role !== "local") return leaf(tensor.type);
  const producer = producerIn(program, at.tensor);
  const position = at.index.findIndex((e) => op.over.includes(plainSymbol(program.exprs, e) ?? ""));
  const axis = producer?.to.index[position];
  if (producer === undefined || axis === undefined) return UNKNOWN;
  const name = plainSymbol(program.exprs, axis);
  const extent = producer.domain.find((d) => d.axis === name)?.extent;
  if (name === undefined || extent === undefined) return UNKNOWN;
  const reader = { program, producer, axis: name, extent: Math.min(extent, SAMPLED), chunk };
  const staying = factorsOf(program.exprs, producer.value).filter((f) => varies(reader, f));
  return staying.reduce((product, f) => product * significand(program, producer, f), 1);
}

function producerIn(program: Program, tensor: string): MapOp | undefined {
  const found: MapOp[] = [];
  forEachOp(program.body, (op) => {
    if (isTileOp(op) && op.kind === "map" && op.to.tensor === tensor) found.push(op);
  });
  return found.length === 1 && found[0]!.reduce === undefined ? found[0] : undefined;
}

interface Reader {
  readonly program: Program;
  readonly producer: MapOp;
  readonly axis: string;
  readonly extent: number;
  readonly chunk: number;
}

/** False where a factor is the same for every position of a step. */
function varies({ program, producer, axis, extent, chunk }: Reader, factor: ExprId): boolean {
  if (symbolsOf(program.exprs, factor).has(axis)) return true;
  const inputs = [...inputsOf(program.exprs, factor)].flatMap((n) => [
    ...inputsBehind(program.exprs, producer.inputs, n),
  ]);
  return inputs.some((n) =>
    producer.inputs[n]!.index.some((index) => {
      if (!symbolsOf(program.exprs, index).has(axis)) return false;
      let at = 0;
      const value = compileExpr(program.exprs, index, {
        arithmetic: "typed",
        symbol: (name) => () => (name === axis ? at : 0),
        input: () => () => 0,
      });
      let first = 0;
      for (at = 0; at < extent; at++) {
        const now = value();
        if (at % chunk === 0) first = now;
        else if (now !== first) return true;
      }
      return false;
    }),
  );
}

function leaf(type: string): Significand {
  if (type === "f16") return 2 ** 11;
  if (type === "bf16") return 2 ** 8;
  return UNKNOWN;
}

/** A finite number without its factors of two. */
function odd(x: number): number {
  let size = Math.abs(x);
  if (!Number.isFinite(size)) return 1;
  while (!Number.isInteger(size)) size *= 2;
  while (size > 0 && size % 2 === 0) size /= 2;
  return size;
}

function significand(program: Program, producer: MapOp, root: ExprId): Significand {
  const { exprs, ranges } = program.exprs;
  const integer = (id: ExprId): Significand => {
    const range = ranges?.[id];
    return range === undefined ? UNKNOWN : Math.max(Math.abs(range[0]), Math.abs(range[1]));
  };
  const of = (id: ExprId): Significand => {
    const expr: Expr = exprs[id]!;
    switch (expr.kind) {
      case "const":
        return odd(expr.value);
      case "input":
        return producer.inputs[expr.index] === undefined ? UNKNOWN : leaf(expr.type);
      case "cast": {
        const from = exprs[expr.of]!.type;
        return from === "i32" ? integer(expr.of) : of(expr.of);
      }
      case "table":
        return tableSignificand(program.tables, expr.table);
      case "bits":
        return encodedSignificand(program.exprs, expr.of);
      case "op": {
        const [a, b, c] = expr.args;
        if (expr.op === "mul") return of(a!) * of(b!);
        if (expr.op === "neg" || expr.op === "abs") return of(a!);
        if (expr.op === "f16lo" || expr.op === "f16hi") return 2 ** 11;
        if (expr.op === "min" || expr.op === "max") return Math.max(of(a!), of(b!));
        if (expr.op === "select") return Math.max(of(b!), of(c!));
        // Adding what is 0 or no number keeps numbers as they are.
        if (expr.op === "add" && isMark(program.exprs, b!)) return of(a!);
        return UNKNOWN;
      }
      default:
        return UNKNOWN;
    }
  };
  return of(root);
}

function tableSignificand(tables: readonly Table[], name: string): Significand {
  const table = tables.find((t) => t.name === name);
  return table === undefined ? UNKNOWN : Math.max(...table.values.map((v) => odd(Math.fround(v))));
}

/** Constants that an integer expression chooses among; undefined where it computes. */
function choices({ exprs }: Exprs, id: ExprId): readonly number[] | undefined {
  const expr = exprs[id]!;
  if (expr.kind === "const") return [expr.value];
  if (expr.kind === "cast" || expr.kind === "bits") return choices({ exprs, spans: [] }, expr.of);
  if (expr.kind !== "op" || expr.op !== "select") return undefined;
  const cases = expr.args.slice(1).map((arg) => choices({ exprs, spans: [] }, arg));
  return cases.every((c) => c !== undefined) ? cases.flat() : undefined;
}

/** Numbers made from their bits: powers of two where only exponent bits are written, or chosen constants. */
function encodedSignificand(exprs: Exprs, id: ExprId): Significand {
  const expr = exprs.exprs[id]!;
  if (expr.kind === "op" && expr.op === "shl") {
    const by = exprs.exprs[expr.args[1]!]!;
    return by.kind === "const" && by.value === 23 ? 1 : UNKNOWN;
  }
  const known = choices(exprs, id);
  if (known !== undefined) return Math.max(...known.map((code) => odd(bitsToF32(code >>> 0))));
  if (expr.kind === "op" && expr.op === "select")
    return Math.max(...expr.args.slice(1).map((arg) => encodedSignificand(exprs, arg)));
  return UNKNOWN;
}

/** True for what is 0 or NaN. */
function isMark(exprs: Exprs, id: ExprId): boolean {
  const expr = exprs.exprs[id]!;
  if (expr.kind !== "bits") return false;
  return choices(exprs, expr.of)?.every((code) => code === 0 || Number.isNaN(bitsToF32(code >>> 0))) ?? false;
}
