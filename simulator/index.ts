/** The simulator's front: what a program that simulates needs. */

export type { Comparison } from "./comparison.ts";
export { type ChromeOptions, chromeTrace, estimateChromeBytes } from "./export-chrome.ts";
export {
  type Figures,
  type LayerResult,
  mergeReports,
  SIMULATE_SCHEMA,
  type SimulateReport,
  type SimulateRequest,
  type SimulateResult,
  type Simulation,
  simulate,
  type Tiler,
} from "./simulate.ts";
export { STALL_CAUSES, STATES, type StallCause, type StateTable } from "./states.ts";
export { decodeTrace, encodeTrace, type Slice, slicesOf, type Trace } from "./trace.ts";
export type { AllocationRule, Storage } from "./workload/allocation.ts";
export { readHuggingFace } from "./workload/hugging-face.ts";
export {
  type Layer,
  layersOf,
  type Network,
  PHASES,
  type Phase,
  type Transformer,
  type Workload,
} from "./workload/layers.ts";
export { matmulProgram, plainFormat, weightFormat } from "./workload/matmul.ts";
