/** Machine programs that somebody got wrong: signals of a ring are left out. */
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Program, Step } from "../../ir/program.ts";
import { groupedFormat, matmulProgram } from "../../simulator/workload/matmul.ts";
import { machineWith } from "./machines.ts";

/** A product of several blocks on a small machine, without all signals `what` of `ring`. */
export function withoutSignals(
  what: string,
  ring: string,
): { readonly program: Program; readonly machine: AcceleratorModel } {
  const machine = machineWith({ rows: 4, columns: 4, dataflow: "os", capacityBytes: 600, bytesPerCycle: 8 });
  const shape = { batch: 1, m: 24, n: 24, k: 64, weight: groupedFormat(4, 16) };
  const whole = matmulProgram({ name: "product", ...shape, activation: "f16", output: "f16" });
  const program = tileMachine(whole, machine, "os", new Diagnostics())!;
  const kept = (body: readonly Step[]): readonly Step[] =>
    body.flatMap((step): readonly Step[] => {
      if (step.kind === "signal") return step.what === what && step.ring === ring ? [] : [step];
      if (step.kind === "loop") return [{ ...step, body: kept(step.body) }];
      if (step.kind === "roles") return [{ ...step, roles: step.roles.map((r) => ({ ...r, body: kept(r.body) })) }];
      return [step];
    });
  return { program: { ...program, body: kept(program.body) }, machine };
}
