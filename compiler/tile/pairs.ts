/** Which values of the reduced axis share a register of a half-precision row: those whose codes decode two at a time. */

import type { ExprId, Exprs } from "../../ir/expr.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { BIT } from "../../ir/layout/layout.ts";
import type { Program, Tensor, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf, isInt } from "../../ir/scalar.ts";
import { factorsOf, forEachOp } from "../edit.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

/** Positions looked at to see how a row lies in memory. */
const SAMPLED = 4096;

/**
 * Two codes 16 bits apart in a word become two halves with one mask and one subtraction, so a register had better hold
 * such a pair. The order of the reduced axis is free (both operands follow it): this is the distance, in values, between
 * the two that share a register. 1 where neighbours are as good as any.
 */
export function pairDistance(program: Program, contract: Contract): number {
  const row = findRow(contract.row ?? "");
  if (row === undefined || row.a.type !== "f16" || contract.over.length !== 1) return 1;
  const chunk = contract.domain.find((d) => d.axis === contract.over[0])?.extent ?? 1;
  const { pairs } = codesBehind(program, contract.a.tensor, false);
  // A lane owns the two halves of a register in each of a step's instructions: a run of twice as many values.
  return pairs > 0 && 2 * pairs <= (2 * chunk) / row.k ? pairs : 1;
}

/**
 * Bits of the codes that a tensor is decoded from, and the distance of two that decode together; 0: none do. `scaled`:
 * scales still stand beside them.
 */
export function codesBehind(
  program: Program,
  id: string,
  scaled: boolean,
): { readonly bits: number; readonly pairs: number } {
  const own = program.tensors.find((t) => t.id === id);
  const source = codesOf(program, id, scaled);
  if (source?.layout === undefined) return { bits: own === undefined ? 16 : storedBits(program, own), pairs: 0 };
  const bits = bitsOf(source.type);
  if (!isInt(source.type) || bits > 10) return { bits, pairs: 0 };
  for (let distance = 1; distance <= 16; distance *= 2)
    if (liesApart(source, distance)) return { bits, pairs: distance };
  return { bits, pairs: 0 };
}

/** Bits of the narrowest stored input that a tensor is computed from: its codes, where there are several fields. */
function storedBits(program: Program, tensor: Tensor): number {
  let bits = bitsOf(tensor.type);
  forEachOp(program.body, (op) => {
    if (op.kind !== "map" || op.to.tensor !== tensor.id) return;
    for (const region of op.inputs) {
      const from = program.tensors.find((t) => t.id === region.tensor);
      if (from !== undefined && isInt(from.type)) bits = Math.min(bits, bitsOf(from.type));
    }
  });
  return bits;
}

/**
 * The memory whose codes a tensor is decoded from, where decoding is a conversion, perhaps with an offset. `scaled`: other
 * factors may stand beside it, which will have left before the row multiplies.
 */
function codesOf(program: Program, id: string, scaled: boolean): Tensor | undefined {
  const { exprs } = program;
  let codes: string | undefined;
  forEachOp(program.body, (op) => {
    if (op.kind !== "map" || op.to.tensor !== id || op.over.length > 0) return;
    const found = factorsOf(exprs, uncast(exprs, op.value)).map((f) => codeInput(exprs, f));
    if (found.length > 1 && !scaled) return;
    const regions = found.flatMap((n) => (n === undefined ? [] : [op.inputs[n]!]));
    const stored = regions.filter((r) => isInt(program.tensors.find((t) => t.id === r.tensor)?.type ?? "f32"));
    if (stored.length === 1) codes = stored[0]!.tensor;
  });
  let memory = program.tensors.find((t) => t.id === codes && t.role === "input");
  forEachOp(program.body, (op) => {
    if (op.kind !== "copy" || op.to.tensor !== codes || op.from.bit !== undefined) return;
    const from = program.tensors.find((t) => t.id === op.from.tensor);
    if (from?.place === "global") memory = from;
  });
  return memory;
}

function uncast(exprs: Exprs, root: ExprId): ExprId {
  const expr = exprs.exprs[root];
  return expr?.kind === "cast" ? uncast(exprs, expr.of) : root;
}

/** The number of the input that an expression converts, perhaps beside a constant. */
function codeInput(exprs: Exprs, root: ExprId): number | undefined {
  const expr = exprs.exprs[uncast(exprs, root)];
  if (expr?.kind === "input") return expr.index;
  if (expr?.kind !== "op" || (expr.op !== "add" && expr.op !== "sub")) return undefined;
  const [of, by] = expr.args;
  return exprs.exprs[by!]?.kind === "const" ? codeInput(exprs, of!) : undefined;
}

/** True when, in each run of 2 · `distance` values, those of its first half lie 16 bits below those of its second. */
function liesApart(tensor: Tensor, distance: number): boolean {
  const address = compileAddress(tensor.layout!, [...tensor.axes, BIT]);
  const row = tensor.axes.slice(0, -1).map(() => 0);
  const extent = Math.min(SAMPLED, tensor.shape.at(-1)!);
  if (extent % (2 * distance) !== 0) return false;
  for (let first = 0; first < extent; first += 2 * distance)
    for (let i = first; i < first + distance; i++) {
      const low = address(...row, i, 0);
      if (low % 32 >= 16 || address(...row, i + distance, 0) !== low + 16) return false;
    }
  return true;
}
