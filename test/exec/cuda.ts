/** Executes CUDA C++ that uses no PTX on the processor, with the same checks as Metal text. */
import { type KernelLaunch, type KernelRun, launchKernel } from "./launch.ts";
import { blankComments, readSignatures, rewriteShared, type Signature } from "./source.ts";

export type { BufferArgument, KernelError, KernelRun, Schedule } from "./launch.ts";
export { missingToolchain } from "./toolchain.ts";

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

/** The translation unit: the text with its `__shared__` arrays made shared, and an entry point that calls the kernel. */
function translate(blanked: string, { name, parameters }: Signature): string {
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
  const list = parameters.map(({ type }, i) => {
    const plain = type.replace(/\b__restrict__\b|\b__restrict\b|\b__grid_constant__\b/g, "").trim();
    return plain.endsWith("*") ? `(${plain})buffers[${i}]` : `*(const ${plain.replace(/\bconst\b/, "")}*)buffers[${i}]`;
  });
  return `#include "cuda_shim.h"\n#line 1 "${FILE}"\n${body}\n#line 1 "entry"
extern "C" void bitloom_entry(void* const* buffers) { ${name}(${list.join(", ")}); }\n`;
}

/** Runs one `__global__` function of the text over the whole grid. Throws on text that clang rejects or that needs a GPU. */
export function runCuda(launch: CudaLaunch): KernelRun {
  const blanked = blankComments(launch.text);
  for (const [pattern, what] of UNSUPPORTED) if (pattern.test(blanked)) throw new Error(what);
  const signature = readSignatures(blanked, "__global__").find((s) => s.name === launch.kernel);
  if (signature === undefined) throw new Error(`the text has no kernel "${launch.kernel}"`);
  if (launch.buffers.length !== signature.parameters.length)
    throw new Error(
      `${launch.kernel} has ${signature.parameters.length} parameters, the launch ${launch.buffers.length}`,
    );
  const source = translate(blanked, signature);
  const dynamicSharedBytes = launch.dynamicSharedBytes ?? 0;
  return launchKernel(launch, source, { standard: "c++17", file: FILE, lanes: WARP, dynamicSharedBytes });
}
