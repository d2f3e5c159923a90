/** What each warp of a block holds a part of: where the parts meet in shared memory. */
import { rowMajor } from "../../ir/layout/build.ts";
import type { Dim, Region, Step } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";
import type { ProgramEditor } from "../edit.ts";
import type { Local } from "./parts.ts";
import type { LaunchPlan } from "./plan.ts";

/** The dims of a tensor that holds every warp's part, the warps' axis first. */
export function partDims(plan: LaunchPlan, { tensor }: Local): readonly [Dim, ...Dim[]] {
  const axis = plan.name("split", plan.walked!.axis);
  const dims = tensor.axes.map((a, i) => ({ axis: a, extent: tensor.shape[i]! }));
  return [{ axis, extent: plan.split }, ...dims];
}

/** Where the warps' parts lie in shared memory, and the copy that brings one there. */
export function shareParts(
  editor: ProgramEditor,
  plan: LaunchPlan,
  local: Local,
): { readonly copy: Step; readonly there: Region } {
  const { tensor } = local;
  const { span } = tensor;
  const all = partDims(plan, local);
  const axes = all.map((d) => d.axis);
  const shape = all.map((d) => d.extent);
  const layout = rowMajor(axes, shape, bitsOf(tensor.type));
  const shared = editor.add({ ...tensor, id: `${tensor.id}.warps`, axes, shape, place: "shared", layout });
  const dims = all.slice(1);
  const own: Region = { tensor: tensor.id, index: dims.map((d) => editor.axis(d)), tail: "exact" };
  const there: Region = { tensor: shared.id, index: all.map((d) => editor.axis(d)), tail: "exact" };
  return { copy: { kind: "copy", from: own, to: there, domain: dims, span }, there };
}
