/** The driver: from source text to files for one target, as a straight line. */
import { findTarget, legaliseCollectives, TARGETS } from "../backends/index.ts";
import type { Backend, EmittedFile } from "../backends/syntax.ts";
import { gpuFor } from "../hw-models/index.ts";
import { type Diagnostics, internal, NO_SPAN, type Source, type Span } from "../ir/diagnostics.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { Program } from "../ir/program.ts";

import { verifyKernel } from "../ir/verify/kernel.ts";
import { verifyProgram } from "../ir/verify/program.ts";
import { check } from "./check/check.ts";
import type { Module } from "./check/module.ts";
import { type CompileReport, reportOf } from "./compile-report.ts";
import { instantiate } from "./instantiate/instantiate.ts";
import { applied, type CountedDecision, type Pass, type PassContext, runPasses, type Stage } from "./pass.ts";
import { lower } from "./passes/lower.ts";
import { ALGEBRA, KERNEL, LOWERING, SCHEDULING } from "./pipelines.ts";
import { didYouMean, report } from "./report.ts";
import { choose } from "./schedule/choose.ts";
import { requestOf } from "./schedule/request.ts";
import type { ScheduleRequest } from "./schedule/schedule.ts";

export interface CompileRequest {
  readonly sources: readonly Source[];
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** Name of a target, or a target (one made for other lanes, say). */
  readonly target: string | Backend;
  /** Overrides the schedule in the source. */
  readonly schedule?: ScheduleRequest;
  /** Where mistakes in the request itself are reported. */
  readonly at?: Span;
  /** False leaves out the verifiers between passes, which find bugs of ours only: for compiling while somebody types. */
  readonly verify?: boolean;
}

export interface Compiled {
  readonly name: string;
  readonly target: Backend;
  /** As instantiated: the meaning of the op at these sizes. */
  readonly source: Program;
  readonly stages: readonly Stage<Program | readonly Kernel[]>[];
  /** Scheduled, as lowered. */
  readonly program: Program;
  readonly kernels: readonly Kernel[];
  readonly files: readonly EmittedFile[];
  readonly report: CompileReport;
}

/** Compiles one op for one target; undefined after reporting. `module`: the checked sources, if there already is one. */
export function compile(
  request: CompileRequest,
  diagnostics: Diagnostics,
  module: Module = check(request.sources, diagnostics),
): Compiled | undefined {
  if (diagnostics.failed) return undefined;
  const at = request.at ?? NO_SPAN;
  const target = resolveTarget(request.target, at, diagnostics);
  const source = instantiate(module, request.op, request.sizes, diagnostics, at);
  if (target === undefined || source === undefined) return undefined;
  const asked = request.schedule ?? writtenRequest(module, request.op, target, diagnostics);
  if (asked === undefined) return undefined;

  const verify = request.verify === false ? UNVERIFIED : VERIFIED;
  const unscheduled: PassContext = {
    target,
    schedule: { strategy: "fma", tileM: 1, tileN: 1, chunk: 1, warps: 1, split: 1, stages: 1, reasons: [] },
  };
  const algebra = runPasses(source, ALGEBRA, unscheduled, verify.program);
  const written = module.schedules.find((s) => s.op === request.op && findTarget(s.target)?.name === target.name);
  const place = written?.row?.span ?? written?.contract?.span ?? written?.span ?? at;
  const schedule = choose(algebra.result, target, asked, place, diagnostics);
  if (schedule === undefined) return undefined;

  const context: PassContext = { target, schedule };
  const scheduled = runPasses(algebra.result, SCHEDULING, context, verify.program);
  const lowered = lower(scheduled.result, target);
  const kernels = runKernelPasses(lowered, context, target, verify.kernels);
  const input = {
    op: request.op,
    sizes: request.sizes,
    target,
    schedule,
    algebra: algebra.result,
    kernels: kernels.result,
    gpu: gpuFor(target.name),
  };
  const made = reportOf(input);
  const files = target.emit({ name: source.name, program: scheduled.result, kernels: kernels.result, report: made });
  const stages = [
    ...algebra.stages,
    ...scheduled.stages,
    { pass: LOWERING[0].name, result: lowered, decisions: lowered.map(launchDecision) },
    ...kernels.stages,
  ];
  return {
    name: source.name,
    target,
    source,
    stages,
    program: scheduled.result,
    kernels: kernels.result,
    files,
    report: made,
  };
}

function launchDecision({ name, grid, warps, lanes, body }: Kernel): CountedDecision {
  const why = `${name}: ${grid.join(" × ")} blocks of ${warps} × ${lanes} lanes; tiles are their registers`;
  return { rule: "launch", outcome: "applied", why, span: body[0]?.span ?? NO_SPAN, count: 1 };
}

function resolveTarget(target: string | Backend, at: Span, diagnostics: Diagnostics): Backend | undefined {
  if (typeof target !== "string") return target;
  const found = findTarget(target);
  if (found !== undefined) return found;
  const names = TARGETS.map((t) => t.name);
  report(
    diagnostics,
    "target/unknown",
    at,
    `there is no target \`${target}\``,
    [{ message: `there is ${names.join(", ")}` }],
    didYouMean(target, at, names),
  );
  return undefined;
}

function writtenRequest(
  module: Module,
  name: string,
  target: Backend,
  diagnostics: Diagnostics,
): ScheduleRequest | undefined {
  const written = module.schedules.find((s) => s.op === name && findTarget(s.target)?.name === target.name);
  const op = module.ops.find((o) => o.name === name) ?? internal(`no op ${name}`);
  return written === undefined ? {} : requestOf(written, op, target, diagnostics);
}

/** What is wrong with a result of a pass, in words. */
interface Verifiers {
  readonly program: (program: Program) => readonly string[];
  readonly kernels: (list: readonly Kernel[]) => readonly string[];
}

const VERIFIED: Verifiers = {
  program: verifyProgram,
  kernels: (list) => list.flatMap((k) => verifyKernel(k).map((w) => `${k.name}: ${w}`)),
};
const UNVERIFIED: Verifiers = { program: () => [], kernels: () => [] };

/** Kernel passes on all launches together, so that a stage shows the whole op. */
function runKernelPasses(
  kernels: readonly Kernel[],
  context: PassContext,
  target: Backend,
  verify: Verifiers["kernels"],
) {
  const each = (pass: Pass<Kernel>): Pass<readonly Kernel[]> => ({
    name: pass.name,
    about: pass.about,
    run: (list, told) => list.map((k) => pass.run(k, told)),
  });
  const collectives: Pass<readonly Kernel[]> = {
    ...LOWERING[1],
    run: (list, told) =>
      list.map((k) => legaliseCollectives(k, target, (rule, span, why) => applied(told, rule, span, why))),
  };
  return runPasses(kernels, [collectives, ...KERNEL.map(each)], context, verify);
}
