/** Executes Metal text on the processor, thread by thread, and reports races, divergence and wild or unset memory. */
import { missingReason } from "../../scripts/tools.mjs";
import { type KernelLaunch, type KernelRun, prepareKernels, translationUnit } from "./launch.ts";
import { blankComments, type Parameter, readSignatures, rewriteShared, type Signature } from "./source.ts";

export { checkMetal, type MetalDiagnostic } from "./check-metal.ts";
export type { BufferArgument, KernelError, KernelRun, Schedule } from "./launch.ts";

/** Why kernels cannot be executed here, or undefined when they can; throws where CI=true. `describeWith` is shorter. */
export function missingToolchain(): string | undefined {
  const reason = missingReason("clang-16");
  if (reason !== undefined && process.env.CI === "true") throw new Error(reason);
  return reason;
}

export interface MetalLaunch extends KernelLaunch {
  /** Threads of a SIMD-group: a power of two from 4 to 64; Apple's GPUs have 32. */
  readonly lanes: number;
}

const FILE = "kernel.metal";

const position = (which: string): string => `bitloom::bitloom_index(bitloom::${which})`;
const number = (name: string): string => `{bitloom::bitloom_${name}(), 0, 0}`;

/** C++ for each attribute of a kernel parameter that is not a buffer (Metal Shading Language Specification, 5.2.3.6). */
const BUILTINS: Readonly<Record<string, string>> = {
  thread_position_in_grid: position("kThreadInGrid"),
  thread_position_in_threadgroup: position("kThreadInGroup"),
  threadgroup_position_in_grid: position("kGroupInGrid"),
  threads_per_threadgroup: position("kThreadsPerGroup"),
  threads_per_grid: position("kThreadsPerGrid"),
  threadgroups_per_grid: position("kGroupsPerGrid"),
  thread_index_in_threadgroup: number("thread"),
  thread_index_in_simdgroup: number("lane"),
  simdgroup_index_in_threadgroup: number("simdgroup"),
  threads_per_simdgroup: number("lanes"),
  simdgroups_per_threadgroup: number("simdgroups"),
};

/** The C++ expression that the entry point passes for one kernel parameter. */
function argument({ type, name, attribute }: Parameter): string {
  const index = /^buffer\s*\(\s*(\d+)\s*\)$/.exec(attribute)?.[1];
  if (index !== undefined) {
    return type.endsWith("&") ? `*(${type.slice(0, -1)}*)buffers[${index}]` : `(${type})buffers[${index}]`;
  }
  const builtin = BUILTINS[attribute];
  if (builtin === undefined)
    throw new Error(`parameter "${name}" has no attribute that a launch can supply: "${attribute}"`);
  return `metal::Builtin<${type.replace(/\bconst\b/, "")}>::of(${builtin})`;
}

/** The translation unit: the text with its threadgroup arrays made shared, and an entry point that calls its kernels. */
function translate(blanked: string, signatures: readonly Signature[]): string {
  let slot = 0;
  const body = rewriteShared(blanked, "threadgroup", (declarations) =>
    declarations
      .map((d) => `auto& ${d.name} = bitloom::shared<${d.type} ${d.dimensions}>(${slot++}, "${d.name}");`)
      .join(" "),
  );
  const calls = signatures.map(({ name, parameters }) => `${name}(${parameters.map(argument).join(", ")})`);
  return translationUnit("metal_stdlib", FILE, body, calls);
}

/** Compiles a text of any number of kernels once; the result runs them by name. Throws on text that clang rejects. */
export function prepareMetal(
  text: string,
  checks?: KernelLaunch["checks"],
): (launch: Omit<MetalLaunch, "text" | "checks">) => KernelRun {
  const blanked = blankComments(text);
  const signatures = readSignatures(blanked, "kernel");
  const run = prepareKernels(translate(blanked, signatures), { standard: "c++14", file: FILE, checks });
  return (launch) => {
    const index = signatures.findIndex((s) => s.name === launch.kernel);
    if (index < 0) throw new Error(`the text has no kernel "${launch.kernel}"`);
    return run({ ...launch, text }, { lanes: launch.lanes, dynamicSharedBytes: 0, index });
  };
}

/** Runs one kernel of the text over the whole grid. Throws on text that clang rejects or that has no such kernel. */
export function runMetal(launch: MetalLaunch): KernelRun {
  return prepareMetal(launch.text, launch.checks)(launch);
}
