/** What the page and its workers say to each other: plain data, so that it can be posted. */
import type { EmittedFile } from "../../backends/syntax.ts";
import type { CompileReport } from "../../compiler/compile-report.ts";
import type { Described } from "../../compiler/language/describe.ts";
import type { CountedDecision } from "../../compiler/pass.ts";
import type { Comparison } from "../../compiler/trial.ts";
import type { Diagnostic, Span } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import type { Model } from "../model.ts";
import type { Sizes } from "./state.ts";

/** An operator of the source, as far as the page has to know it. */
export interface OpInfo {
  readonly name: string;
  readonly sizes: readonly string[];
  /** `x: f16[M, K]`, the result last. */
  readonly operands: readonly { readonly name: string; readonly format: string; readonly shape: string }[];
  readonly span: Span;
}

/** What the checker says of a text. File 0 of every span is the source, the others are the library's. */
export interface Checked {
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly ops: readonly OpInfo[];
  /** Formats that the source declares or uses. */
  readonly formats: readonly Format[];
  readonly milliseconds: number;
}

/** One target's outcome; without a result, `diagnostics` say why. */
export interface TargetResult {
  readonly target: string;
  readonly result?: { readonly files: readonly EmittedFile[]; readonly report: CompileReport };
  readonly diagnostics: readonly Diagnostic[];
  readonly milliseconds: number;
}

/** What is compiled: the text, and what of it for which targets. */
export interface Job {
  readonly text: string;
  /** Where the text has no operator of this name: its first one. */
  readonly op: string;
  /** Sizes that are not as `defaultSize` says. */
  readonly sizes: Sizes;
  readonly targets: readonly string[];
}

/** The IR after a pass, with the decisions that led to it. The first stage is what the operator means. */
export interface StageText {
  readonly pass: string;
  readonly about: string;
  readonly text: string;
  readonly decisions: readonly CountedDecision[];
}

/** What can be asked of the newest text that was checked. */
export type Question =
  | { readonly kind: "describe"; readonly file: number; readonly offset: number }
  | { readonly kind: "stages"; readonly job: Job; readonly target: string };

export type Answer =
  | { readonly kind: "described"; readonly described: Described | undefined }
  | { readonly kind: "stages"; readonly stages: readonly StageText[]; readonly diagnostics: readonly Diagnostic[] };

export interface RunRequest {
  readonly kind: "run";
  readonly job: Job;
  readonly target: string;
  readonly device: "webgpu" | "reference";
  readonly seed: number;
}

export interface SimulateJob {
  readonly kind: "simulate";
  readonly job: Job;
  /** A built-in machine's name, or the text of a hardware model. */
  readonly machine: string;
  readonly workload: string;
}

/** Counts of elements by error. */
export interface Histogram {
  /** By the error's part of its bound: equal steps from 0 to 1, then everything outside. */
  readonly ofBound: readonly number[];
  /** By log10 of the error relative to the result: a step each from 1e-9 to 1, exact ones first. */
  readonly relative: readonly number[];
}

/** What a run on operands of a seed gave. */
export interface RunOutcome {
  readonly kind: "ran";
  readonly target: string;
  /** Where it ran, in words; `why` the asked device was not used. */
  readonly device: string;
  readonly why?: string;
  readonly sizes: Sizes;
  readonly milliseconds: number;
  readonly oracleMilliseconds: number;
  readonly comparison: Comparison;
  readonly histogram: Histogram;
  /** The element with the largest part of its bound. */
  readonly worst: { readonly place: readonly number[]; readonly actual: number; readonly expected: number };
  readonly because: string;
  readonly notNumbers: number;
}

export interface SimulateOutcome {
  readonly kind: "simulated";
  readonly model: Model;
  readonly machine: string;
  readonly workload: string;
  readonly cycles: number;
  readonly microseconds: number;
  readonly utilisation: number;
  readonly energyMicrojoules: number;
  /** Wall time of the simulation. */
  readonly milliseconds: number;
}

/** To a worker. A new edit ends what is under way for an older one; questions and jobs are answered once each. */
export type ToWorker =
  | { readonly kind: "edit"; readonly edit: number; readonly job: Job }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  | { readonly kind: "do"; readonly id: number; readonly what: RunRequest | SimulateJob };

/** From a worker. `edit` is the number of the edit that it answers. */
export type FromWorker =
  | { readonly kind: "checked"; readonly edit: number; readonly checked: Checked }
  | { readonly kind: "compiled"; readonly edit: number; readonly result: TargetResult }
  /** All of the job is done; milliseconds since the worker took it up. */
  | { readonly kind: "done"; readonly edit: number; readonly milliseconds: number }
  /** Our own bug. */
  | { readonly kind: "failed"; readonly edit: number; readonly message: string };

/** Answers carry the number of their question. */
export type Reply =
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly kind: "finished"; readonly id: number; readonly outcome: RunOutcome | SimulateOutcome }
  /** It cannot be done, for reasons that are the user's to change. */
  | { readonly kind: "refused"; readonly id: number; readonly message: string };
