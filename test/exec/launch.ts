/** What a kernel run on the processor is given and gives back; the same for Metal and CUDA. */
import { bitsOf, type Scalar } from "../../ir/scalar.ts";
import { type Checks, compileKernel, execute, linesOf } from "./toolchain.ts";

export interface BufferArgument {
  readonly name: string;
  readonly type: Scalar;
  /** The contents before the run; the buffer is exactly as long. A `write` buffer's contents are ignored. */
  readonly data: Uint8Array;
  readonly access: "read" | "write" | "read_write";
}

/** Which thread runs next wherever several could: the first, the last, or any. It also orders SIMD-group reductions. */
export type Schedule = "forward" | "reverse" | "random";

export interface KernelLaunch {
  readonly text: string;
  readonly kernel: string;
  /** Threadgroups (CUDA: blocks) along x, y, z. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** Threads of one threadgroup along x, y, z. */
  readonly threads: readonly [x: number, y: number, z: number];
  /** In binding order: Metal's `buffer(i)`, CUDA's i-th parameter. A scalar parameter is a buffer that holds it. */
  readonly buffers: readonly BufferArgument[];
  readonly schedule?: Schedule;
  /** Seed of the random schedule. */
  readonly seed?: number;
  /** Default `all`. */
  readonly checks?: Checks;
  readonly timeoutMs?: number;
}

export interface KernelError {
  readonly kind: "race" | "divergence" | "bounds" | "uninitialised" | "undefined";
  readonly message: string;
  /** One-based line of the kernel text. */
  readonly line: number;
}

export interface KernelRun {
  /** Final contents of each buffer that is not `read`. */
  readonly outputs: Readonly<Record<string, Uint8Array>>;
  readonly errors: readonly KernelError[];
  /** False when an error ended the run early; outputs are then what they were at that moment. */
  readonly complete: boolean;
}

interface Finding {
  readonly kind: KernelError["kind"];
  readonly pc: number;
  readonly otherPc: number;
  readonly line: number;
  readonly message: string;
}

const ACCESS = { read: 0, write: 1, read_write: 2 } as const;
const SCHEDULE = { forward: 0, reverse: 1, random: 2 } as const;

/** What the two languages add to a launch. */
export interface LaunchOptions {
  /** C++ standard that the text is written in. */
  readonly standard: string;
  /** Name of the kernel text in line directives. */
  readonly file: string;
  readonly lanes: number;
  readonly dynamicSharedBytes: number;
  /** Index of the kernel among those of the text. */
  readonly index: number;
}

function encodeLaunch(
  launch: KernelLaunch,
  { lanes, dynamicSharedBytes, index }: Omit<LaunchOptions, "file" | "standard">,
): Buffer {
  const { grid, threads, buffers } = launch;
  const schedule = SCHEDULE[launch.schedule ?? "forward"];
  const head = [...grid, ...threads, lanes, schedule, launch.seed ?? 1, dynamicSharedBytes, index, buffers.length].join(
    " ",
  );
  const rows = buffers.map(
    (b) => `${b.name} ${b.data.byteLength} ${Math.ceil(bitsOf(b.type) / 8)} ${ACCESS[b.access]}`,
  );
  return Buffer.concat([Buffer.from(`${[head, ...rows].join("\n")}\n`), ...buffers.map((b) => b.data)]);
}

function checkLaunch(launch: KernelLaunch, lanes: number): void {
  const count = launch.threads[0] * launch.threads[1] * launch.threads[2];
  if (count < 1 || count > 1024) throw new Error(`a threadgroup has 1 to 1024 threads, not ${count}`);
  if (lanes < 4 || lanes > 64 || !Number.isInteger(Math.log2(lanes)))
    throw new Error(`no SIMD-group has ${lanes} lanes`);
  if (launch.buffers.length > 64) throw new Error("more than 64 buffers");
  for (const { name } of launch.buffers)
    if (!/^\w[\w.]{0,62}$/.test(name)) throw new Error(`bad buffer name "${name}"`);
}

/**
 * The translation unit: shims, the kernel text in a section of its own (so that the runtime can tell its code from the
 * shims'), and an entry point with one call for each kernel of the text.
 */
export function translationUnit(shim: string, file: string, text: string, calls: readonly string[]): string {
  const cases = calls.map((call, i) => `case ${i}: ${call}; break;`).join(" ");
  return `#include <${shim}>
#pragma clang section text="bitloom_kernel"
#line 1 "${file}"
${text}
#pragma clang section text=""
#line 1 "entry"
extern "C" void bitloom_entry(unsigned kernel_, void* const* buffers) { switch (kernel_) { ${cases} } }
`;
}

/** Compiles `source`, C++ with `bitloom_entry`, once; the result runs its kernels. Throws on text that clang rejects. */
export function prepareKernels(
  source: string,
  { file, standard, checks }: Pick<LaunchOptions, "file" | "standard"> & { readonly checks?: Checks | undefined },
): (launch: KernelLaunch, options: Omit<LaunchOptions, "file" | "standard">) => KernelRun {
  const program = compileKernel(source, file, standard, checks ?? "all");
  return (launch, options) => {
    checkLaunch(launch, options.lanes);
    const output = execute(program, encodeLaunch(launch, options), launch.timeoutMs ?? 60_000);
    const headEnd = output.indexOf(0x0a);
    const [length = 0, complete = 0] = output.subarray(0, headEnd).toString().split(" ").map(Number);
    const dataStart = headEnd + 1 + length;
    const findings = JSON.parse(output.subarray(headEnd + 1, dataStart).toString()) as readonly Finding[];
    return {
      outputs: readOutputs(launch, output, dataStart),
      errors: locate(program, findings, file),
      complete: complete === 1,
    };
  };
}

/** Compiles `source` and runs one of its kernels. */
export function launchKernel(launch: KernelLaunch, source: string, options: LaunchOptions): KernelRun {
  return prepareKernels(source, { ...options, checks: launch.checks })(launch, options);
}

function readOutputs(launch: KernelLaunch, output: Buffer, start: number): Readonly<Record<string, Uint8Array>> {
  const outputs: Record<string, Uint8Array> = {};
  let position = start;
  for (const { name, access, data } of launch.buffers) {
    if (access === "read") continue;
    outputs[name] = Uint8Array.from(output.subarray(position, position + data.byteLength));
    position += data.byteLength;
  }
  return outputs;
}

/** Turns program counters into lines; findings that become the same sentence but for the thread are told once a line. */
function locate(program: string, findings: readonly Finding[], file: string): readonly KernelError[] {
  const counters = [...new Set(findings.flatMap((f) => [f.pc, f.otherPc]).filter((pc) => pc !== 0))];
  const lines = linesOf(program, counters, file);
  const seen = new Set<string>();
  const errors: KernelError[] = [];
  for (const finding of findings) {
    const line = finding.line !== 0 ? finding.line : (lines.get(finding.pc) ?? 0);
    const other = lines.get(finding.otherPc) ?? 0;
    const key = `${finding.kind} ${line} ${other}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const message = finding.message.replace("{line}", String(line)).replace("{other}", String(other));
    errors.push({ kind: finding.kind, message, line });
  }
  return errors;
}
