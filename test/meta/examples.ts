/** The pieces of compiler output that the documents show, made anew. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { type Compiled, compile, Diagnostics, hardwareNamed, printKernel, printProgram } from "../../index.ts";
import { internal } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { ROOT } from "./sources.ts";

const SIZES = { M: 1, N: 4096, K: 4096 };
/** Longer lines are cut. */
const MAX_COLUMNS = 118;

export const readExample = (name: string): string => readFileSync(join(ROOT, "examples", name), "utf8");

export function compileExample(name: string, op: string, target: string): Compiled {
  const diagnostics = new Diagnostics();
  const sources = [{ name, text: readExample(name) }];
  const compiled = compile({ sources, op, sizes: SIZES, target }, diagnostics);
  return compiled ?? internal(JSON.stringify(diagnostics.list));
}

export const fenced = (language: string, lines: readonly string[]): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n");

/** Lines with their common indent taken away and long ends cut. */
function neat(lines: readonly string[]): readonly string[] {
  const indent = Math.min(...lines.filter((l) => l.trim() !== "").map((l) => l.length - l.trimStart().length));
  return lines.map((l) =>
    l.length - indent > MAX_COLUMNS ? `${l.slice(indent, indent + MAX_COLUMNS)}…` : l.slice(indent),
  );
}

/** The lines from the first that matches `from`, up to the line that closes it or matches `to`. */
function part(text: string, from: RegExp, to?: RegExp): readonly string[] {
  const lines = text.split("\n");
  const start = lines.findIndex((l) => from.test(l));
  if (start < 0) return internal(`nothing matches ${from}`);
  const indent = lines[start]!.search(/\S/);
  const ends = (l: string): boolean => (to === undefined ? l.search(/\S/) === indent && l.trim() === "}" : to.test(l));
  const length = lines.slice(start + 1).findIndex(ends);
  return lines.slice(start, start + 2 + length);
}

function stage(compiled: Compiled, pass: string): Program | readonly Kernel[] {
  return compiled.stages.find((s) => s.pass === pass)?.result ?? internal(`no stage ${pass}`);
}

function scheduled(compiled: Compiled): string {
  const result = stage(compiled, "hoist-group-scales");
  return "body" in result ? printProgram(result) : internal("not a program");
}

/** The first lines of a kernel's loop: what it reads, and how the first codes are decoded. */
function kernelPart(compiled: Compiled): readonly string[] {
  const result = stage(compiled, "lower");
  if ("body" in result) return internal("not a kernel");
  return [...part(result.map(printKernel).join("\n"), /^ +for /, /let w_value1\b/), "    …"];
}

function machineProgram(compiled: Compiled): string {
  const hardware = hardwareNamed("systolic-128");
  const diagnostics = new Diagnostics();
  const program =
    hardware?.kind === "accelerator" ? tileMachine(compiled.source, hardware, "ws", diagnostics) : undefined;
  return printProgram(program ?? internal(JSON.stringify(diagnostics.list)));
}

/** What docs/architecture.md shows, by marker. */
export function architectureExamples(): Readonly<Record<string, string>> {
  const op = "linear_w4a16";
  const cuda = compileExample("quickstart.loom", op, "cuda.sm90a");
  const printed = cuda.files[0]!.text;
  const machine = machineProgram(cuda);
  return {
    source: fenced("loom", part(readExample("quickstart.loom"), new RegExp(`^op ${op}`))),
    instantiate: fenced("text", neat(part(printProgram(cuda.source), /= decode/, /= map f16/))),
    scheduled: fenced("text", neat(part(scheduled(cuda), /loop k_step/))),
    kernel: fenced("text", neat(kernelPart(cuda))),
    printed: fenced("cuda", [...neat(part(printed, /for \(int k_step/, /w_value1 =/)), "  …"]),
    machine: fenced("text", neat([...part(machine, /role `feed-w`/), ...part(machine, /role pe /)])),
  };
}

/** What to show of an output: the first line with each of these, in this order. */
const MOMENTS = [/w_scale0 =/, /w_q_2 =/, />> 4u\) & 15u/, /fmaf?\(/];

function moments(target: string, language: string): string {
  const lines = compileExample("w4.loom", "linear", target).files[0]!.text.split("\n");
  const shown = MOMENTS.map((moment) => lines.find((line) => moment.test(line)) ?? internal(`${target}: no ${moment}`));
  return fenced(language, [`// ${target}`, ...shown.map((line) => line.trim())]);
}

/** What README.md shows, by marker. */
export function readmeExamples(): Readonly<Record<string, string>> {
  const targets = [
    ["cuda.sm90a", "cuda"],
    ["wgsl.p2", "wgsl"],
    ["metal.3", "metal"],
  ] as const;
  return {
    source: fenced("loom", readExample("w4.loom").trimEnd().split("\n")),
    outputs: targets.map(([target, language]) => moments(target, language)).join("\n\n"),
  };
}
