/** Simulates one product that the compiler has cut for a machine: an operator instead of a network. */
import { partsOf } from "../hw-models/derive.ts";
import { areaOf, energyTable } from "../hw-models/energy-table.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import type { Diagnostics } from "../ir/diagnostics.ts";
import { bitsPerValue, type Format } from "../ir/format.ts";
import type { Program } from "../ir/program.ts";
import { lanesOf, runProgram } from "./engine.ts";
import { type Figures, figuresOf, type Tiler } from "./simulate.ts";
import type { Trace } from "./trace.ts";
import { TraceBuilder } from "./trace-builder.ts";
import { plainFormat } from "./workload/matmul.ts";

export interface ProgramSimulation {
  readonly figures: Figures;
  readonly trace: Trace;
}

/** The format in which the product's second operand is stored: f16 where it is plain. */
function weightFormatOf(program: Program): Format {
  const coded = program.tensors.findLast((t) => t.role === "input" && t.origin !== undefined)?.origin;
  return program.formats.find((f) => f.name === coded?.format) ?? plainFormat("f16");
}

/**
 * Runs an instantiated operator, one product, on a machine; undefined after `machine/unsupported`, `simulate/capacity` or
 * what else keeps it from running there.
 */
export function simulateProgram(
  program: Program,
  machine: AcceleratorModel,
  tile: Tiler,
  sink: Diagnostics,
): ProgramSimulation | undefined {
  const { dataflow } = partsOf(machine).array;
  const tiled = tile(program, machine, dataflow, sink);
  if (tiled === undefined) return undefined;
  const builder = new TraceBuilder();
  const segment = builder.segment(machine, lanesOf(machine));
  const run = runProgram(tiled, machine, segment.recorder);
  const figures = figuresOf(run, machine);
  builder.endSegment(segment.id, { cycles: run.cycles, ops: run.ops, program: tiled, figures });
  builder.layer({ name: program.name, kind: "operator", segment: segment.id, startCycle: 0 });
  const weight = weightFormatOf(program);
  const output = program.tensors.find((t) => t.role === "output")?.shape ?? [1];
  const tokens = output.slice(0, -1).reduce((n, e) => n * e, 1);
  const trace = builder.done({
    machine,
    result: {
      workload: program.name,
      hardware: machine.name,
      configuration: `${machine.name} ${weight.name}`,
      phase: tokens === 1 ? "decode" : "prefill",
      batch: 1,
      context: tokens,
      dataflow,
      weightBits: bitsPerValue(weight, 4096, 4096),
      keyValueBits: 16,
      activationFormat: "f16",
      weightFormat: weight.name,
      keyValueFormat: "f16",
      energyTable: energyTable(machine),
      area: areaOf(machine),
    },
  });
  return { figures, trace };
}
