/** Behind the end of the walked axis loads give 0: which values are then 0 too, and which have to be made so. */
import { compileExpr } from "../../ir/eval/expr.ts";
import type { ExprId, Exprs } from "../../ir/expr.ts";
import type { Region, TileOp } from "../../ir/program.ts";
import { gathers, regionSymbols } from "../edit.ts";
import { producerOf } from "../passes/hoist-scales.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;

/** What values that do not run along the axis stand for: whatever they are, the result has to be 0. */
const SAMPLES = [1, 0.37];

/** True where a map's value is 0 as soon as everything that it reads along `axis` is; tables are not looked into. */
export function isZeroBehind(exprs: Exprs, op: MapOp, axis: string): boolean {
  const masked = op.inputs.map((r) => regionSymbols(exprs, r).has(axis) && !gathers(exprs, r));
  const valueFor = (sample: number): number => {
    const at = (n: number) => (): number => (masked[n] === true ? 0 : sample);
    return compileExpr(exprs, op.value, { arithmetic: "real", symbol: () => () => sample, input: at })();
  };
  return !usesTable(exprs, op.value) && SAMPLES.every((sample) => valueFor(sample) === 0);
}

function usesTable(exprs: Exprs, root: ExprId): boolean {
  const expr = exprs.exprs[root]!;
  if (expr.kind === "table") return true;
  if (expr.kind === "op") return expr.args.some((arg) => usesTable(exprs, arg));
  return (expr.kind === "cast" || expr.kind === "bits") && usesTable(exprs, expr.of);
}

/** Computed operands that must be made 0 behind the end, because the other operand is not: one of each such contraction. */
export function openTails(exprs: Exprs, ops: readonly TileOp[], axis: string): ReadonlySet<string> {
  const open = new Set<string>();
  for (const op of ops) {
    if (op.kind !== "contract") continue;
    const producers = [op.a, op.b].map((region: Region) => producerOf(ops, region.tensor));
    if (producers.some((p) => p === undefined || isZeroBehind(exprs, p, axis))) continue;
    open.add(producers[0]!.to.tensor);
  }
  return open;
}
