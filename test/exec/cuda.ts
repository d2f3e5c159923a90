/** Executes CUDA C++ that uses no PTX on the processor, with the same checks as Metal text. */
import { type KernelLaunch, type KernelRun, launchKernel, translationUnit } from "./launch.ts";
import { blankComments, type Parameter, readSignatures, rewriteShared, type Signature } from "./source.ts";

export type { BufferArgument, KernelError, KernelRun, Schedule } from "./launch.ts";

export interface CudaLaunch extends KernelLaunch {
  /** Bytes of `extern __shared__` memory; default 0. */
  readonly dynamicSharedBytes?: number;
}

const FILE = "kernel.cu";

/** Threads of a warp, on every CUDA device. */
const WARP = 32;

/** What device text cannot contain if it is to run without a GPU, and why. */
const UNSUPPORTED: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\basm\b/, "PTX (asm) runs only on a GPU"],
  [/<<</, "a kernel launch is host code: pass the device text alone"],
  [/\bnvcuda\b|\bwmma\b/, "matrix fragments run only on a GPU"],
];

/** What only the device compiler sees, where the text says what others see instead. */
const DEVICE_ONLY = /#ifdef __CUDA_ARCH__\n[^#]*#else\n/g;

/** The C++ expression that the entry point passes for one parameter. */
function argument({ type }: Parameter, index: number): string {
  const plain = type.replace(/\b__restrict__\b|\b__restrict\b|\b__grid_constant__\b/g, "").trim();
  if (plain.endsWith("*")) return `(${plain})buffers[${index}]`;
  return `*(const ${plain.replace(/\bconst\b/, "")}*)buffers[${index}]`;
}

/** The translation unit: the text with its `__shared__` arrays made shared, and an entry point that calls its kernels. */
function translate(blanked: string, signatures: readonly Signature[]): string {
  let slot = 0;
  const dynamic = blanked.replace(
    /\bextern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*|alignas\s*\([^)]*\)\s*)?([\w\s:]+?)\s+(\w+)\s*\[\s*\]/g,
    (whole, type: string, variable: string) =>
      `${type}* const ${variable} = (${type}*)bitloom::bitloom_dynamic_shared("${variable}")${whole.replace(/[^\n]/g, "")}`,
  );
  const body = rewriteShared(dynamic, "__shared__", (declarations) =>
    declarations
      .map((d) => {
        const type = d.type.replace(/(?:__align__|alignas)\s*\([^)]*\)/, "").trim();
        return `auto& ${d.name} = bitloom::shared<${type} ${d.dimensions}>(${slot++}, "${d.name}");`;
      })
      .join(" "),
  );
  const calls = signatures.map(({ name, parameters }) => `${name}(${parameters.map(argument).join(", ")})`);
  return translationUnit("cuda_shim.h", FILE, body, calls);
}

/** Runs one `__global__` function of the text over the whole grid. Throws on text that clang rejects or that needs a GPU. */
export function runCuda(launch: CudaLaunch): KernelRun {
  const blanked = blankComments(launch.text);
  const anywhere = blanked.replace(DEVICE_ONLY, "");
  for (const [pattern, what] of UNSUPPORTED) if (pattern.test(anywhere)) throw new Error(what);
  const signatures = readSignatures(blanked, "__global__");
  const index = signatures.findIndex((s) => s.name === launch.kernel);
  const count = signatures[index]?.parameters.length;
  if (count === undefined) throw new Error(`the text has no kernel "${launch.kernel}"`);
  if (launch.buffers.length !== count)
    throw new Error(`${launch.kernel} has ${count} parameters, the launch ${launch.buffers.length}`);
  const dynamicSharedBytes = launch.dynamicSharedBytes ?? 0;
  const options = { standard: "c++17", file: FILE, lanes: WARP, dynamicSharedBytes, index };
  return launchKernel(launch, translate(blanked, signatures), options);
}
