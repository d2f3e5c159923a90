/** Which values of the reduced axis share a register of a half-precision row: those whose codes decode two at a time. */
import { compileAddress } from "../../ir/layout/apply.ts";
import { BIT } from "../../ir/layout/layout.ts";
import type { Program, Tensor, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf, isInt } from "../../ir/scalar.ts";
import { forEachOp, ProgramEditor } from "../edit.ts";

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
  const axis = contract.over[0]!;
  const chunk = contract.domain.find((d) => d.axis === axis)?.extent ?? 1;
  const source = codesOf(program, contract.a.tensor);
  if (source?.layout === undefined || !isInt(source.type) || bitsOf(source.type) > 10) return 1;
  // A lane owns the two halves of a register in each of a step's instructions: a run of twice as many values.
  const run = (2 * chunk) / row.k;
  for (let distance = 1; 2 * distance <= run; distance *= 2) if (liesApart(source, distance)) return distance;
  return 1;
}

/** The memory whose codes a register tensor is decoded from, where decoding is a conversion, perhaps with an offset. */
function codesOf(program: Program, id: string): Tensor | undefined {
  const editor = new ProgramEditor(program);
  let codes: string | undefined;
  forEachOp(program.body, (op) => {
    if (op.kind !== "map" || op.to.tensor !== id || op.over.length > 0 || op.inputs.length !== 1) return;
    let value = editor.build.get(op.value);
    while (value.kind === "cast") value = editor.build.get(value.of);
    if (value.kind === "op" && (value.op === "add" || value.op === "sub")) {
      const [of, by] = value.args.map((arg) => editor.build.get(arg));
      if (by?.kind === "const" && of !== undefined) value = of;
      while (value.kind === "cast") value = editor.build.get(value.of);
    }
    if (value.kind === "input") codes = op.inputs[0]!.tensor;
  });
  let memory: Tensor | undefined;
  forEachOp(program.body, (op) => {
    if (op.kind !== "copy" || op.to.tensor !== codes || op.from.bit !== undefined) return;
    const from = editor.tensor(op.from.tensor);
    if (from.place === "global") memory = from;
  });
  return memory;
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
