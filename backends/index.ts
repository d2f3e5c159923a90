/** All targets, and how to find one by name. */
import { CUDA_ALIASES, CUDA_TARGETS } from "./cuda.ts";
import { METAL_ALIASES, METAL_TARGETS } from "./metal.ts";
import type { Backend } from "./syntax.ts";
import { WGSL_ALIASES, WGSL_TARGETS } from "./wgsl.ts";

export { legaliseCollectives } from "./collectives.ts";
export { printKernel, printKernels } from "./print.ts";
export type { Backend, EmittedFile, Printed, Unit } from "./syntax.ts";

/** Every target that there is text for, in the order of `bitloom targets`. */
export const TARGETS: readonly Backend[] = [...CUDA_TARGETS, ...WGSL_TARGETS, ...METAL_TARGETS];

const ALIASES: Readonly<Record<string, string>> = { ...CUDA_ALIASES, ...WGSL_ALIASES, ...METAL_ALIASES };

/** The target of this name or alias ("cuda.sm90" means cuda.sm90a), or undefined. */
export function findTarget(name: string): Backend | undefined {
  const canonical = ALIASES[name] ?? name;
  return TARGETS.find((t) => t.name === canonical);
}
