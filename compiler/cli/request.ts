/** What compile and run share: sources, the operator that is meant, its sizes and the targets. */
import { findTarget, TARGETS } from "../../backends/index.ts";
import type { Backend } from "../../backends/syntax.ts";
import { type Diagnostics, NO_SPAN, type Source } from "../../ir/diagnostics.ts";
import { check } from "../check/check.ts";
import type { CheckedOp, Module } from "../check/module.ts";
import { nearest } from "../report.ts";
import { readSources } from "./check.ts";
import { diagnosticJson, sayDiagnostics } from "./report.ts";
import { isShapeError, parseShape } from "./shape.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface OperatorRequest {
  readonly sources: readonly Source[];
  readonly module: Module;
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
}

export interface OperatorOptions {
  readonly op?: string;
  readonly shape?: string;
  readonly json?: boolean;
}

/** A value, or the exit code of a command that has said why there is none. */
export type OrExit<T> = { readonly value: T } | { readonly exit: Exit };

const stop = (exit: Exit): { readonly exit: Exit } => ({ exit });

/** Reports what is wrong, as frames or as the command's JSON document. */
export function refuse(
  terminal: Terminal,
  command: string,
  diagnostics: Diagnostics,
  sources: readonly Source[],
  json: boolean | undefined,
): Exit {
  if (json === true) {
    const list = diagnostics.list.map((d) => diagnosticJson(d, sources));
    printJson(terminal, `bitloom.${command}/1`, { ok: false, diagnostics: list });
  } else sayDiagnostics(terminal, diagnostics.list, sources);
  return EXIT.failed;
}

function exampleShape(op: CheckedOp): string {
  return op.sizes.map((size, i) => `${size.name}=${[16, 4096, 4096][i] ?? 64}`).join(",");
}

function chooseOp(terminal: Terminal, module: Module, name: string | undefined, paths: string): OrExit<CheckedOp> {
  const names = module.ops.map((op) => op.name);
  if (name === undefined) {
    const [only] = module.ops;
    if (only !== undefined && names.length === 1) return { value: only };
    const hint = names.length === 0 ? undefined : `it declares ${names.join(", ")}`;
    return stop(usageError(terminal, names.length === 0 ? `${paths} declares no operator` : "say which --op", hint));
  }
  const op = module.ops.find((o) => o.name === name);
  if (op !== undefined) return { value: op };
  const meant = nearest(name, names);
  const hint = meant === undefined ? `${paths} declares ${names.join(", ") || "none"}` : `did you mean \`${meant}\`?`;
  return stop(usageError(terminal, `there is no operator \`${name}\``, hint));
}

/** Reads and checks the sources and finds the operator; sizes are looked at by the compiler. */
export function readRequest(
  terminal: Terminal,
  command: string,
  paths: readonly string[],
  options: OperatorOptions,
  diagnostics: Diagnostics,
): OrExit<OperatorRequest> {
  const shape = parseShape(options.shape ?? "");
  const malformed = options.shape !== undefined && isShapeError(shape);
  if (malformed) return stop(usageError(terminal, `--shape: ${shape.error}`, "for example --shape M=16,N=4096,K=4096"));
  const sources = readSources(terminal, paths);
  if (sources === undefined) return stop(EXIT.unreadable);
  const module = check(sources, diagnostics);
  if (diagnostics.failed) return stop(refuse(terminal, command, diagnostics, module.sources, options.json));
  const op = chooseOp(terminal, module, options.op, paths.join(", "));
  if (!("value" in op)) return op;
  const sizes = options.shape === undefined || isShapeError(shape) ? {} : shape;
  if (options.shape === undefined && op.value.sizes.length > 0)
    return stop(usageError(terminal, `say the sizes of ${op.value.name}`, `--shape ${exampleShape(op.value)}`));
  return { value: { sources, module, op: op.value.name, sizes } };
}

/** The targets of a comma-separated list; "all" is every target. */
export function readTargets(terminal: Terminal, text: string | undefined): OrExit<readonly Backend[]> {
  if (text === undefined)
    return stop(usageError(terminal, "say which --target", "for example --target cuda.sm90a,wgsl.p2,metal.3, or all"));
  if (text === "all") return { value: TARGETS };
  const targets: Backend[] = [];
  for (const name of text.split(",").map((t) => t.trim())) {
    const target = findTarget(name);
    if (target === undefined) {
      const meant = nearest(
        name,
        TARGETS.map((t) => t.name),
      );
      const hint = meant === undefined ? "`bitloom targets` lists them" : `did you mean \`${meant}\`?`;
      return stop(usageError(terminal, `there is no target \`${name}\``, hint));
    }
    if (!targets.includes(target)) targets.push(target);
  }
  return { value: targets };
}

/** Where mistakes in the command line itself are reported: nowhere in a file. */
export const COMMAND_LINE = NO_SPAN;
