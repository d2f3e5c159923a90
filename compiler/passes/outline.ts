/** outline: every op belongs to one launch; what one launch leaves for a later one is workspace. */
import { internal } from "../../ir/diagnostics.ts";
import { isTileOp, type Program, reads, type Step, type TileOp, writes } from "../../ir/program.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";

/** A quantization needs whole rows before anything can use its codes, so it ends a launch. */
function split(ops: readonly TileOp[]): readonly (readonly TileOp[])[] {
  const groups: TileOp[][] = [[]];
  for (const op of ops) {
    groups.at(-1)?.push(op);
    if (op.kind === "quantize") groups.push([]);
  }
  return groups.filter((g) => g.length > 0);
}

function run(program: Program, context: PassContext): Program {
  if (program.body.some((s) => s.kind === "launch")) return program;
  const ops = program.body.map((step) => (isTileOp(step) ? step : internal("outline expects an unscheduled program")));
  const groups = split(ops);
  const body = groups.map((group, i): Step => {
    const last = i === groups.length - 1;
    const quantize = group.find((op) => op.kind === "quantize");
    const name = last || quantize === undefined ? program.name : `${program.name}_quantize${i === 0 ? "" : i + 1}`;
    const why =
      quantize === undefined
        ? "nothing in it needs a finished result of the whole grid"
        : "a row is complete only when all of it was read: codes are used by the next launch";
    applied(
      context,
      quantize === undefined ? "one-launch" : "split-at-quantize",
      group.at(-1)!.span,
      `${name}: ${why}`,
    );
    return { kind: "launch", name, body: group, span: group[0]!.span };
  });
  const home = new Map<string, number>();
  const crossing = new Set<string>();
  groups.forEach((group, i) => {
    for (const op of group) {
      for (const region of writes(op)) home.set(region.tensor, i);
      for (const region of reads(op)) {
        if (home.has(region.tensor) && home.get(region.tensor) !== i) crossing.add(region.tensor);
      }
    }
  });
  const tensors = program.tensors.map((t) => {
    if (crossing.has(t.id) && t.role === "local") return { ...t, role: "workspace" as const };
    return t.role === "workspace" && !crossing.has(t.id) ? { ...t, role: "local" as const } : t;
  });
  return { ...program, tensors, body };
}

export const outline: Pass<Program> = {
  name: "outline",
  about: "every op belongs to one launch; tensors that cross launches are workspace",
  run,
};
