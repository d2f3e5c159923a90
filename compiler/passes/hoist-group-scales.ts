/**
 * hoist-group-scales: a factor that is constant within a lane's chunk multiplies the chunk's sum, not each term.
 *
 * Σ_chunk x · (s · f(q)) = s · Σ_chunk x · f(q): one multiplication a chunk and channel instead of one a value.
 */
import type { Program } from "../../ir/program.ts";
import { mapBodies, ProgramEditor } from "../edit.ts";
import type { Pass, PassContext } from "../pass.ts";
import { hoistFrom } from "./hoist-scales.ts";

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const body = mapBodies(program.body, (steps) => {
    let current = steps;
    for (const step of steps) if (step.kind === "contract") current = hoistFrom(editor, current, step, context);
    return current;
  });
  return editor.done(body);
}

export const hoistGroupScales: Pass<Program> = {
  name: "hoist-group-scales",
  about: "inside a step, no factor of a contraction is constant along its chunk",
  run,
};
