/** The worker's side: checks and compiles the newest text, step by step, and drops what a newer one has overtaken. */
import { TARGETS } from "../../backends/index.ts";
import { check } from "../../compiler/check/check.ts";
import type { CheckedOp, Module, Operand } from "../../compiler/check/module.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { bitsPerValue } from "../../ir/format.ts";
import type { Checked, FromWorker, Job, OpInfo, TargetResult, ToWorker } from "./protocol.ts";
import { defaultSize } from "./state.ts";

/** Side of the square tensor over which row and tensor fields are spread. */
const ROW = 4096;

interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}

interface Pending {
  readonly edit: number;
  readonly job: Job;
}

function describeOp(op: CheckedOp): OpInfo {
  const operand = ({ name, format, shape }: Operand) => ({ name, format, shape: shape.join(", ") });
  return {
    name: op.name,
    sizes: op.sizes.map((s) => s.name),
    operands: [...op.operands, op.result].map(operand),
    span: op.span,
  };
}

/** Checks a text; the module goes on to the compilations. */
export function checkText(text: string): { readonly checked: Checked; readonly module: Module } {
  const start = performance.now();
  const diagnostics = new Diagnostics();
  const module = check([{ name: "playground.loom", text }], diagnostics);
  const formats = module.formats.map((format) => ({
    name: format.name,
    bitsPerValue: bitsPerValue(format, ROW, ROW),
    own: format.span.file === 0,
  }));
  const checked = {
    ok: !diagnostics.failed,
    diagnostics: diagnostics.list,
    ops: module.ops.map(describeOp),
    formats,
    milliseconds: performance.now() - start,
  };
  return { checked, module };
}

/** Compiles an operator of a checked module for one target. */
export function compileFor(
  module: Module,
  op: string,
  sizes: Readonly<Record<string, number>>,
  target: string,
): { readonly compiled: Compiled | undefined; readonly result: TargetResult } {
  const start = performance.now();
  const diagnostics = new Diagnostics();
  const compiled = compile({ sources: [], op, sizes, target }, diagnostics, module);
  const milliseconds = performance.now() - start;
  const base = { target, diagnostics: diagnostics.list, milliseconds };
  if (compiled === undefined) return { compiled, result: base };
  return { compiled, result: { ...base, result: { files: compiled.files, report: compiled.report } } };
}

/** Lets messages in that came meanwhile. A timer would wait for milliseconds; a port does not. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

/** Serves the page until it goes away. */
export function startWorker(scope: Scope): void {
  const state: { pending: Pending | undefined; running: boolean } = { pending: undefined, running: false };

  const carryOut = async ({ edit, job }: Pending): Promise<void> => {
    const start = performance.now();
    const { checked, module } = checkText(job.text);
    scope.postMessage({ kind: "checked", edit, checked });
    const op = module.ops.find((o) => o.name === job.op) ?? module.ops[0];
    if (checked.ok && op !== undefined) {
      const sizes = Object.fromEntries(op.sizes.map(({ name }) => [name, job.sizes[name] ?? defaultSize(name)]));
      for (const target of job.targets) {
        await breathe();
        if (state.pending !== undefined) return;
        scope.postMessage({ kind: "compiled", edit, result: compileFor(module, op.name, sizes, target).result });
      }
    }
    scope.postMessage({ kind: "done", edit, milliseconds: performance.now() - start });
  };

  const pump = async (): Promise<void> => {
    state.running = true;
    while (state.pending !== undefined) {
      const next = state.pending;
      state.pending = undefined;
      try {
        await carryOut(next);
      } catch (error) {
        scope.postMessage({ kind: "failed", edit: next.edit, message: (error as Error).message });
      }
    }
    state.running = false;
  };

  scope.onmessage = ({ data }) => {
    state.pending = { edit: data.edit, job: data.job };
    if (!state.running) void pump();
  };
}

/** The names of all targets, in the order of `bitloom targets`. */
export const targetNames = (): readonly string[] => TARGETS.map((t) => t.name);
