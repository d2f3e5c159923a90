/** The loops around one launch: blocks, shares and warps. */
import { internal, type Span } from "../../ir/diagnostics.ts";
import type { Step, Tensor, TileOp } from "../../ir/program.ts";
import type { ProgramEditor } from "../edit.ts";
import type { PassContext } from "../pass.ts";
import { LaunchTiler } from "./launch.ts";
import { type LaunchPlan, planLaunch } from "./plan.ts";

/** Each warp's part, then, when all have met, what the first warp does with the sums. */
function meetingWarps(editor: ProgramEditor, plan: LaunchPlan, tiler: LaunchTiler, span: Span): readonly Step[] {
  const { axis } = plan.walked!;
  const warps = { extent: plan.split, step: 1, map: { kind: "warp" as const }, span };
  const last = plan.name("final", axis);
  const cond = editor.build.op("eq", editor.build.symbol(last, "i32", [0, plan.split - 1]), editor.build.constant(0));
  const first: Step = { kind: "when", cond, body: tiler.steps, span };
  return [
    { kind: "loop", name: plan.name("split", axis), ...warps, body: tiler.apart ?? internal("split warps never meet") },
    { kind: "loop", name: last, ...warps, body: [first] },
  ];
}

/** The steps of one launch whose ops work on whole tensors. */
export function tileLaunch(
  editor: ProgramEditor,
  ops: readonly TileOp[],
  context: PassContext,
  whole: ReadonlyMap<string, Tensor>,
  launch: number,
): readonly Step[] {
  const plan = planLaunch(ops, editor, whole, context, launch);
  const tiler = new LaunchTiler(editor, plan, context);
  ops.forEach((op, i) => {
    tiler.op(op, ops.slice(i + 1));
  });
  tiler.close();
  const span = ops[0]!.span;
  let body: readonly Step[] = plan.split === 1 ? tiler.steps : meetingWarps(editor, plan, tiler, span);
  for (const p of [...plan.parallel].reverse()) {
    if (p.warps > 1)
      body = [
        { kind: "loop", name: plan.name("warp", p.axis), extent: p.warps, step: 1, map: { kind: "warp" }, body, span },
      ];
  }
  for (const p of [...plan.parallel].reverse()) {
    const extent = Math.ceil(p.extent / (p.tile * p.warps));
    body = [
      {
        kind: "loop",
        name: plan.name("block", p.axis),
        extent,
        step: 1,
        map: { kind: "grid", dim: p.gridDim },
        body,
        span,
      },
    ];
  }
  if (plan.shares > 1) {
    const map = { kind: "grid", dim: 2 } as const;
    body = [
      { kind: "loop", name: plan.name("share", plan.walked!.axis), extent: plan.shares, step: 1, map, body, span },
    ];
  }
  return body;
}
