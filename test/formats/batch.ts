/** Many operators' kernels as one translation unit: each in a namespace of its own, under names that differ. */

import { bindingsOf, hostTensors } from "../../backends/hosts/tensors.ts";
import { printKernels } from "../../backends/index.ts";
import type { Compiled } from "../../compiler/driver.ts";
import { internal } from "../../ir/diagnostics.ts";
import { bytesOfWords, wordsOfBytes } from "../../ir/pack.ts";
import type { KernelRun } from "../exec/launch.ts";
import type { MetalLaunch } from "../exec/metal.ts";

/** The name of kernel `launch` of operator `op` in a unit. */
const kernelName = (op: number, launch: number): string => `k${op}_${launch}`;

/** Kernels of all operators as one text of a C-like language. Kernels are found by name from outside their namespaces. */
export function unitOf(operators: readonly Compiled[]): string {
  const head = new Set<string>();
  const parts = operators.map(({ kernels, target }, op) => {
    const named = kernels.map((kernel, launch) => ({ ...kernel, name: kernelName(op, launch) }));
    const lines = printKernels(named, target).text.split("\n");
    const isHead = (line: string): boolean => /^(#include|using namespace) /.test(line);
    for (const line of lines.filter(isHead)) head.add(line);
    return `inline namespace n${op} {\n${lines.filter((line) => !isHead(line)).join("\n")}\n}`;
  });
  return [...head, ...parts, ""].join("\n");
}

/** Runs operator `op` of a unit: its kernels one after the other over one memory. Words of its result, and complaints. */
export function runInUnit(
  made: Compiled,
  op: number,
  inputs: Readonly<Record<string, Uint32Array>>,
  run: (launch: Omit<MetalLaunch, "text" | "checks">) => KernelRun,
): { readonly words: Uint32Array; readonly errors: readonly string[] } {
  const memory = new Map<string, Uint8Array>();
  for (const t of hostTensors(made)) {
    const words = inputs[t.id];
    memory.set(t.id, words === undefined ? new Uint8Array(t.bytes) : bytesOfWords(words).slice(0, t.bytes));
  }
  const errors: string[] = [];
  made.kernels.forEach((kernel, launch) => {
    const bindings = bindingsOf(kernel);
    const { outputs, errors: found } = run({
      kernel: kernelName(op, launch),
      grid: kernel.grid,
      threads: [kernel.lanes * kernel.warps, 1, 1],
      lanes: made.target.lanes,
      buffers: bindings.map((b) => ({
        name: b.id,
        type: b.type,
        data: memory.get(b.tensor ?? "") ?? internal(`no memory for ${b.id}`),
        access: b.access === "readWrite" ? "read_write" : b.access,
      })),
    });
    errors.push(...found.map((e) => `line ${e.line}: ${e.message}`));
    for (const b of bindings) if (outputs[b.id] !== undefined) memory.set(b.tensor!, outputs[b.id]!);
  });
  return { words: wordsOfBytes(memory.get("y") ?? internal("no result")), errors };
}
