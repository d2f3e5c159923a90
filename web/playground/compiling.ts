/** What workers do with a text: check it, compile an operator, say what every pass made of it. */
import { check } from "../../compiler/check/check.ts";
import type { CheckedOp, Module, Operand } from "../../compiler/check/module.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import { ALGEBRA, KERNEL, LOWERING, SCHEDULING } from "../../compiler/pipelines.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { printKernel } from "../../ir/text/kernel.ts";
import { printProgram } from "../../ir/text/print.ts";
import type { Checked, Job, OpInfo, StageText, TargetResult } from "./protocol.ts";
import type { Sizes } from "./state.ts";

/** The source's name in diagnostics. */
export const SOURCE_NAME = "playground.loom";

function describeOp(op: CheckedOp): OpInfo {
  const operand = ({ name, format, shape }: Operand) => ({ name, format, shape: shape.join(", ") });
  return {
    name: op.name,
    sizes: op.sizes.map((s) => s.name),
    operands: [...op.operands, op.result].map(operand),
    span: op.span,
  };
}

/** A text that was checked, with its module for what comes after. */
export interface CheckedText {
  readonly checked: Checked;
  readonly module: Module;
}

export function checkText(text: string): CheckedText {
  const start = performance.now();
  const diagnostics = new Diagnostics();
  const module = check([{ name: SOURCE_NAME, text }], diagnostics);
  const checked = {
    ok: !diagnostics.failed,
    diagnostics: diagnostics.list,
    ops: module.ops.map(describeOp),
    formats: module.formats,
    milliseconds: performance.now() - start,
  };
  return { checked, module };
}

/** The operator that a job is about, with all of its sizes. */
export function operatorOf(
  module: Module,
  job: Job,
  sizeOf: (name: string) => number,
): { readonly op: CheckedOp; readonly sizes: Sizes } | undefined {
  const op = module.ops.find((o) => o.name === job.op) ?? module.ops[0];
  if (op === undefined) return undefined;
  return { op, sizes: Object.fromEntries(op.sizes.map(({ name }) => [name, job.sizes[name] ?? sizeOf(name)])) };
}

/** Compiles an operator of a checked module for one target. */
export function compileFor(
  module: Module,
  op: string,
  sizes: Sizes,
  target: string,
): { readonly compiled: Compiled | undefined; readonly result: TargetResult } {
  const start = performance.now();
  const diagnostics = new Diagnostics();
  const compiled = compile({ sources: [], op, sizes, target, verify: false }, diagnostics, module);
  const base = { target, diagnostics: diagnostics.list, milliseconds: performance.now() - start };
  if (compiled === undefined) return { compiled, result: base };
  return { compiled, result: { ...base, result: { files: compiled.files, report: compiled.report } } };
}

const ABOUT = new Map([...ALGEBRA, ...SCHEDULING, ...LOWERING, ...KERNEL].map((p) => [p.name, p.about]));

const stageText = (result: Program | readonly Kernel[]): string =>
  "body" in result ? printProgram(result) : result.map(printKernel).join("\n");

/** The IR after every pass as text; the first is what the operator means. */
export function stagesOf(compiled: Compiled): readonly StageText[] {
  const first = {
    pass: "instantiate",
    about: "the operator at these sizes, on whole tensors: what is computed, not how",
    text: printProgram(compiled.source),
    decisions: [],
  };
  const rest = compiled.stages.map(({ pass, result, decisions }) => ({
    pass,
    about: ABOUT.get(pass) ?? "",
    text: stageText(result),
    decisions,
  }));
  return [first, ...rest];
}
