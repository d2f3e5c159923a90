/**
 * pair-halves: where a row's registers hold values some distance apart, what is stored in another order is moved first.
 *
 * Codes that lie 16 bits apart decode two at a time, so a register of decoded weights holds values k and k + d of the
 * reduced axis. Activations must follow, but memory holds theirs side by side: a map between the two orders, which is a
 * byte permutation a register.
 */
import type { Program, Step } from "../../ir/program.ts";
import { forEachOp, mapBodies, ProgramEditor } from "../edit.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";
import { pairDistance } from "../tile/pairs.ts";

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const loaded = new Set<string>();
  forEachOp(program.body, (op) => {
    if (op.kind === "copy" && editor.tensor(op.from.tensor).place === "global") loaded.add(op.to.tensor);
  });
  const body = mapBodies(program.body, (steps) =>
    steps.flatMap((step): readonly Step[] => {
      if (step.kind !== "contract" || !loaded.has(step.b.tensor)) return [step];
      const distance = pairDistance(program, step);
      if (distance === 1) return [step];
      const stored = editor.tensor(step.b.tensor);
      applied(context, "move-pairs", step.span, `${stored.id} follows: its values ${distance} apart share a register`);
      const paired = editor.add({ ...stored, id: `${stored.id}.pairs` });
      const domain = stored.axes.map((axis, i) => ({ axis, extent: stored.shape[i]! }));
      const to = { tensor: paired.id, index: domain.map((d) => editor.axis(d)), tail: "exact" as const };
      const value = editor.build.input(0, stored.type);
      const { span } = step;
      return [
        { kind: "map", inputs: [{ ...to, tensor: stored.id }], to, value, over: [], domain, span },
        { ...step, b: { ...step.b, tensor: paired.id } },
      ];
    }),
  );
  return editor.done(body);
}

export const pairHalves: Pass<Program> = {
  name: "pair-halves",
  about: "values that share a register of a half-precision row are those whose codes decode together",
  run,
};
