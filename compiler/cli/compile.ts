/** `bitloom compile FILE`: one operator at given sizes as sources, launchers and a report, for one target or several. */
import { join } from "node:path";
import type { Backend } from "../../backends/syntax.ts";
import { Diagnostics, type Source, type Span } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { positionOf } from "../../ir/source-text.ts";
import { printKernel } from "../../ir/text/kernel.ts";
import { printProgram } from "../../ir/text/print.ts";
import { type Compiled, compile } from "../driver.ts";
import { repackHeader, repackPlan } from "../repack.ts";
import { nearest } from "../report.ts";
import { printCompileReport } from "./compile-report.ts";
import { type OutputFile, writeFiles } from "./files.ts";
import { lineMapOf } from "./line-map.ts";
import { diagnosticJson, sayDiagnostics } from "./report.ts";
import { COMMAND_LINE, readRequest, readTargets, refuse } from "./request.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface CompileOptions {
  readonly op?: string;
  readonly shape?: string;
  readonly target?: string;
  readonly out?: string;
  readonly emit?: string;
  readonly json?: boolean;
}

/** The decisions of all passes, a line each. */
function whyText(stages: Compiled["stages"], sources: readonly Source[]): string {
  const place = ({ file, start }: Span): string => {
    const source = sources[file];
    if (source === undefined) return "";
    const { line, column } = positionOf(source.text, start);
    return ` (${source.name}:${line}:${column})`;
  };
  const lines = stages.flatMap(({ pass, decisions }) => [
    decisions.length === 0 ? `${pass}: nothing to decide` : pass,
    ...decisions.map(
      ({ rule, outcome, why, span, count }) =>
        `  ${outcome === "applied" ? "+" : "="} ${rule}${count > 1 ? ` × ${count}` : ""}: ${why}${place(span)}`,
    ),
  ]);
  return `${lines.join("\n")}\n`;
}

/** What --emit names beside passes. */
const PARTS = ["program", "kernel", "source", "host", "map", "why", "repack"] as const;

function stageText(result: Program | readonly Kernel[]): string {
  return "body" in result ? printProgram(result) : result.map(printKernel).join("\n");
}

/** For every coded input a header that brings records as files store them into the streams that kernels read, and back. */
function repackers({ name, source }: Compiled): readonly OutputFile[] {
  const operands = new Set(source.tensors.flatMap((t) => (t.role === "input" && t.origin ? [t.origin.operand] : [])));
  return [...operands].flatMap((operand) => {
    const plan = repackPlan(source, operand);
    return plan === undefined ? [] : [{ path: `${name}.${operand}.repack.h`, content: repackHeader(plan, name) }];
  });
}

/** The text that a name of --emit stands for, as files; undefined where there is no such part or pass. */
function emitted(compiled: Compiled, part: string, sources: readonly Source[]): readonly OutputFile[] | undefined {
  const { name, target, files } = compiled;
  const isSource = (file: string): boolean => file.endsWith(target.syntax.extension);
  const asText = (text: string): readonly OutputFile[] => [{ path: `${name}.${part}.txt`, content: text }];
  switch (part) {
    case "program":
      return asText(printProgram(compiled.program));
    case "kernel":
      return asText(stageText(compiled.kernels));
    case "source":
      return files.filter((f) => isSource(f.name)).map((f) => ({ path: f.name, content: f.text }));
    case "host":
      return files.filter((f) => !isSource(f.name)).map((f) => ({ path: f.name, content: f.text }));
    case "map":
      return files
        .filter((f) => isSource(f.name))
        .map((f) => ({ path: `${f.name}.map.json`, content: `${JSON.stringify(lineMapOf(f, sources))}\n` }));
    case "why":
      return asText(whyText(compiled.stages, sources));
    case "repack":
      return repackers(compiled);
    default: {
      if (part === "instantiate") return asText(printProgram(compiled.source));
      const stage = compiled.stages.find((s) => s.pass === part);
      return stage && asText(stageText(stage.result));
    }
  }
}

/** Names of --emit that this compilation does not have are refused with what was probably meant. */
function emitParts(terminal: Terminal, text: string, compiled: Compiled): readonly string[] | undefined {
  const parts = text.split(",").map((p) => p.trim());
  const known = [...PARTS, "instantiate", ...compiled.stages.map((s) => s.pass)];
  for (const part of parts) {
    if (known.includes(part)) continue;
    const meant = nearest(part, known);
    usageError(
      terminal,
      `--emit: there is no part or pass \`${part}\``,
      meant === undefined ? `there is ${known.join(", ")}` : `did you mean \`${meant}\`?`,
    );
    return undefined;
  }
  return parts;
}

function compileAll(
  terminal: Terminal,
  request: Parameters<typeof compile>[0],
  module: Parameters<typeof compile>[2],
  targets: readonly Backend[],
  diagnostics: Diagnostics,
): readonly Compiled[] {
  return targets.flatMap((target) => {
    terminal.progress(`compiling ${request.op} for ${target.name}`);
    const compiled = compile({ ...request, target }, diagnostics, module);
    return compiled === undefined ? [] : [compiled];
  });
}

export async function run(terminal: Terminal, paths: readonly string[], options: CompileOptions): Promise<Exit> {
  const diagnostics = new Diagnostics();
  const targets = readTargets(terminal, options.target);
  if (!("value" in targets)) return targets.exit;
  const read = readRequest(terminal, "compile", paths, options, diagnostics);
  if (!("value" in read)) return read.exit;
  const { module, sources, op, sizes } = read.value;
  const request = { sources, op, sizes, target: "", at: COMMAND_LINE };
  const all = compileAll(terminal, request, module, targets.value, diagnostics);
  const [first] = all;
  if (diagnostics.failed || first === undefined)
    return refuse(terminal, "compile", diagnostics, module.sources, options.json);

  const parts = emitParts(terminal, options.emit ?? "source,host", first);
  if (parts === undefined) return EXIT.usage;
  const files = all.flatMap((compiled) => {
    // One target's files lie in the folder itself; several have a folder each.
    const folder = all.length === 1 ? "" : compiled.target.name;
    const report = { path: `${compiled.name}.report.json`, content: `${JSON.stringify(compiled.report, null, 2)}\n` };
    return [...parts.flatMap((part) => emitted(compiled, part, module.sources) ?? []), report].map((file) => ({
      path: join(options.out ?? "", folder, file.path),
      content: file.content,
    }));
  });
  if (options.out !== undefined) {
    const exit = writeFiles(terminal, files);
    if (exit !== EXIT.ok) return exit;
  }
  const written = options.out === undefined ? [] : files.map((f) => f.path);
  if (options.json) {
    const list = diagnostics.list.map((d) => diagnosticJson(d, module.sources));
    printJson(terminal, "bitloom.compile/1", {
      ok: true,
      reports: all.map((c) => c.report),
      files: written,
      diagnostics: list,
    });
    return EXIT.ok;
  }
  sayDiagnostics(terminal, diagnostics.list, module.sources);
  if (options.emit !== undefined && options.out === undefined) {
    for (const file of files) if (!file.path.endsWith(".report.json")) terminal.out(`${file.content}`.trimEnd());
    return EXIT.ok;
  }
  for (const compiled of all) printCompileReport(terminal, compiled.report);
  for (const path of written) terminal.say(`wrote ${path}`);
  return EXIT.ok;
}
