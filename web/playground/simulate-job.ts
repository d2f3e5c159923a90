/** A simulation in a worker: the operator, or a model whose weights are stored as the operator's are, on any machine. */

import type { Module } from "../../compiler/check/module.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import config from "../../examples/llama-2-7b.config.json" with { type: "json" };
import { hardwareNamed } from "../../hw-models/index.ts";
import { type AcceleratorModel, validateHardware } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { isPlain } from "../../ir/format.ts";
import type { Program } from "../../ir/program.ts";
import { encodeTrace, type Figures, type Phase, readHuggingFace, simulate, type Trace } from "../../simulator/index.ts";
import { simulateProgram } from "../../simulator/simulate-program.ts";
import { readBitloom } from "../load/bitloom.ts";
import { checkText, operatorOf } from "./compiling.ts";
import type { SimulateJob, SimulateOutcome } from "./protocol.ts";
import { defaultSize } from "./state.ts";

/** Tokens of the context, in prefill and before the token that decode adds. */
const CONTEXT = 2048;

interface Simulated {
  readonly figures: Figures;
  readonly trace: Trace;
}

const firstError = (sink: Diagnostics): string =>
  sink.list.find((d) => d.severity === "error")?.message ?? "nothing ran";

/** The machine of a name, or of a model's text. */
function machineOf(text: string): AcceleratorModel | string {
  const sink = new Diagnostics();
  const model = text.trimStart().startsWith("{") ? validateHardware(text, 0, sink) : hardwareNamed(text);
  if (model === undefined) return sink.failed ? firstError(sink) : `there is no machine ${text}`;
  return model.kind === "accelerator" ? model : `${model.name} is a GPU; accelerators are simulated`;
}

/** A whole model, its weights in the format of the operator's last coded operand. */
function simulateModel(module: Module, program: Program, machine: AcceleratorModel, phase: Phase): Simulated | string {
  const sink = new Diagnostics();
  const workload = readHuggingFace(JSON.stringify(config), 0, "Llama-2-7B", sink);
  if (workload === undefined) return firstError(sink);
  const coded = program.tensors.findLast((t) => t.role === "input" && t.origin !== undefined)?.origin?.format;
  const format = module.formats.find((f) => f.name === coded && !isPlain(f));
  const request = {
    workload,
    hardware: machine,
    phase,
    batch: 1,
    context: CONTEXT,
    weights: format ?? 16,
    trace: true,
  };
  const made = simulate(request, tileMachine, sink);
  const figures = made?.report.results[0]?.totals;
  return made?.trace === undefined || figures === undefined ? firstError(sink) : { figures, trace: made.trace };
}

/** Carries out a request; a string says why it cannot be. */
export async function carryOutSimulation({
  job,
  machine: named,
  workload,
}: SimulateJob): Promise<SimulateOutcome | string> {
  const start = performance.now();
  const machine = machineOf(named);
  if (typeof machine === "string") return machine;
  const { checked, module } = checkText(job.text);
  const found = checked.ok ? operatorOf(module, job, defaultSize) : undefined;
  if (found === undefined) return "the source has mistakes: mend them first";
  const sink = new Diagnostics();
  const program = instantiate(module, found.op.name, found.sizes, sink);
  if (program === undefined) return firstError(sink);
  const done =
    workload === "op"
      ? (simulateProgram(program, machine, tileMachine, sink) ?? firstError(sink))
      : simulateModel(module, program, machine, workload === "decode" ? "decode" : "prefill");
  if (typeof done === "string") return done;
  const loaded = readBitloom(encodeTrace(done.trace));
  if (loaded.kind === "error") return loaded.message;
  if (loaded.kind !== "model") return "the trace holds several runs";
  const { figures } = done;
  return {
    kind: "simulated",
    model: loaded.model,
    machine: machine.name,
    workload: done.trace.header.workload,
    cycles: figures.cycles,
    microseconds: figures.timeSeconds * 1e6,
    utilisation: figures.utilisation,
    energyMicrojoules: figures.energyPJ.total / 1e6,
    milliseconds: performance.now() - start,
  };
}
