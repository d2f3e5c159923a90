/**
 * select-row: a contraction that a multiply–add row will carry has its operands in the row's order and types.
 *
 * Weights become the row's `a` (its m side: channels), activations its `b` (tokens). What is decoded for the row is
 * rounded to the row's operand type; codes of at most 11 significant bits fit f16 exactly.
 */
import { internal } from "../../ir/diagnostics.ts";
import { isTileOp, type Program, type Step, type TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { firstSpan, mapBodies, ProgramEditor } from "../edit.ts";
import { applied, kept, type Pass, type PassContext } from "../pass.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

function run(program: Program, context: PassContext): Program {
  const { schedule } = context;
  const row = schedule.row === undefined ? undefined : findRow(schedule.row);
  if (row === undefined || row.op !== "mulAdd") {
    kept(context, "operands", firstSpan(program), `the schedule multiplies by ${schedule.row ?? schedule.strategy}`);
    return program;
  }
  const editor = new ProgramEditor(program);
  const retyped = new Set<string>();
  const retype = (id: string): void => {
    const tensor = editor.tensor(id);
    if (tensor.type === row.a.type) return;
    if (tensor.role !== "local") internal(`${id} is stored as ${tensor.type}, which ${row.id} does not multiply`);
    editor.tensors.set(id, { ...tensor, type: row.a.type });
    retyped.add(id);
  };
  const swap = (op: Contract): Contract => {
    retype(op.a.tensor);
    retype(op.b.tensor);
    const why = `${op.b.tensor} fills the ${row.m} lines of ${row.id}, ${op.a.tensor} its ${row.n} columns, as ${row.a.type}`;
    applied(context, "operands", op.span, why);
    return { ...op, a: op.b, b: op.a };
  };
  const swapped = mapBodies(program.body, (steps) => steps.map((s) => (s.kind === "contract" ? swap(s) : s)));
  const body = mapBodies(swapped, (steps) =>
    steps.map((step): Step => {
      if (!isTileOp(step) || step.kind !== "map" || !retyped.has(step.to.tensor)) return step;
      return { ...step, value: editor.build.cast(step.value, row.a.type) };
    }),
  );
  return editor.done(body);
}

export const selectRow: Pass<Program> = {
  name: "select-row",
  about: "contractions by a multiply-add row have the row's operand order and types",
  run,
};
