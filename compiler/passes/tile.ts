/**
 * tile: each launch becomes loops over blocks, warps and steps of the reduced axis; tiles live in registers.
 *
 * Every warp owns a tile of the result's axes. Along the reduced axis it advances by steps; within a step each lane takes
 * `chunk` consecutive values (matrix rows: the whole step is one fragment). Partial sums stay in their lane until the
 * loop is done. Whatever is read from memory inside the loop is copied to registers first, so traffic is visible.
 */
import { internal } from "../../ir/diagnostics.ts";
import { isTileOp, type Program, type Step, type TileOp } from "../../ir/program.ts";
import { ProgramEditor } from "../edit.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";
import { tileLaunch } from "../tile/loops.ts";

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const whole = new Map(editor.tensors);
  for (const t of whole.values()) if (t.role === "local") editor.tensors.delete(t.id); // their tiles take the names
  const body = program.body.map((step, launch): Step => {
    if (step.kind !== "launch") internal("tile expects launches");
    const ops = step.body.map((s): TileOp => (isTileOp(s) ? s : internal("tile expects ops on whole tensors")));
    const { schedule } = context;
    const shape = `${schedule.tileM} × ${schedule.tileN} results a warp, ${schedule.chunk} values a step, ${schedule.warps} warps, reduced axis in ${schedule.split}`;
    if (ops.some((op) => op.kind === "contract"))
      applied(context, schedule.strategy, step.span, `${shape}: ${schedule.reasons.join("; ")}`);
    else applied(context, "rows", step.span, `${step.name} has no contraction: warps take rows of its result`);
    return { ...step, body: tileLaunch(editor, ops, context, whole, launch) };
  });
  return editor.done(body);
}

export const tile: Pass<Program> = {
  name: "tile",
  about: "launches are loops over blocks, warps and steps; tiles live in registers and traffic is explicit copies",
  run,
};
