/** Bitloom as a library: what runs in Node and in a browser alike. */
import { tileMachine } from "./compiler/passes/tile-machine.ts";
import type { Diagnostics } from "./ir/diagnostics.ts";
import { type SimulateRequest, type Simulation, simulate as simulateTiled } from "./simulator/simulate.ts";

export { planWebGpu, runWebGpu, type WebGpuPlan } from "./backends/hosts/webgpu.ts";
export { findTarget, TARGETS } from "./backends/index.ts";
export type { Backend, EmittedFile } from "./backends/syntax.ts";
export { check } from "./compiler/check/check.ts";
export type { Module } from "./compiler/check/module.ts";
export type { AccumulatorContract, CompileReport } from "./compiler/compile-report.ts";
export { type Compiled, type CompileRequest, compile } from "./compiler/driver.ts";
export { essayOf, explain, explainedCodes } from "./compiler/explain/explain.ts";
export { instantiate } from "./compiler/instantiate/instantiate.ts";
export { format } from "./compiler/syntax/fmt.ts";
export {
  type Comparison,
  compareOutput,
  consultOracle,
  type Oracle,
  readOutputs,
  runReference,
  sampleInputs,
  storeInputs,
} from "./compiler/trial.ts";
export { VERSION } from "./compiler/version.ts";
export { HARDWARE, hardwareNamed } from "./hw-models/index.ts";
export { type AcceleratorModel, type GpuModel, type HardwareModel, validateHardware } from "./hw-models/schema.ts";
export {
  type Diagnostic,
  Diagnostics,
  type Fix,
  NO_SPAN,
  type Note,
  type Source,
  type Span,
} from "./ir/diagnostics.ts";
export { evalKernel } from "./ir/eval/kernel.ts";
export { evalProgram, type TensorValues } from "./ir/eval/program.ts";
export type { Expr, ExprId, Exprs, Table } from "./ir/expr.ts";
export { bitsPerValue, type Format } from "./ir/format.ts";
export type { Kernel } from "./ir/kernel.ts";
export type { Layout } from "./ir/layout/layout.ts";
export type { Program } from "./ir/program.ts";
export { renderDiagnostic, renderDiagnostics } from "./ir/render-diagnostics.ts";
export type { Target } from "./ir/target.ts";
export { printKernel } from "./ir/text/kernel.ts";
export { printProgram } from "./ir/text/print.ts";
export { chromeTrace } from "./simulator/export-chrome.ts";
export type { SimulateReport, SimulateRequest, SimulateResult, Simulation } from "./simulator/simulate.ts";
export { decodeTrace, encodeTrace, type Trace } from "./simulator/trace.ts";
export type { AllocationRule, Storage } from "./simulator/workload/allocation.ts";
export { readHuggingFace } from "./simulator/workload/hugging-face.ts";
export type { Network, Transformer, Workload } from "./simulator/workload/layers.ts";

/** Simulates one forward pass on a machine; undefined after reporting what is wrong with the request. */
export function simulate(request: SimulateRequest, diagnostics: Diagnostics): Simulation | undefined {
  return simulateTiled(request, tileMachine, diagnostics);
}
