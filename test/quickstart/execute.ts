/** Runs a compiled operator's kernels on the processor, one after the other, over one memory. */
import { bindingsOf, hostTensors } from "../../backends/hosts/tensors.ts";
import type { Compiled } from "../../compiler/driver.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { bytesOfWords, wordsOfBytes } from "../../ir/pack.ts";
import type { BufferArgument, KernelError, KernelRun } from "../exec/launch.ts";
import type { Trial } from "./support.ts";

export interface Execution {
  readonly errors: readonly KernelError[];
  /** Words of a tensor after the last kernel; undefined where no kernel touches it. */
  words(tensor: string): Uint32Array | undefined;
}

export function execute(
  made: Compiled,
  trial: Trial,
  launch: (kernel: Kernel, buffers: readonly BufferArgument[]) => KernelRun,
): Execution {
  const memory = new Map<string, Uint8Array>();
  for (const t of hostTensors(made)) {
    const words = trial.words[t.id];
    memory.set(t.id, words === undefined ? new Uint8Array(t.bytes) : bytesOfWords(words).slice(0, t.bytes));
  }
  const errors: KernelError[] = [];
  for (const kernel of made.kernels) {
    const bindings = bindingsOf(kernel);
    const buffers = bindings.map(
      (b): BufferArgument => ({
        name: b.id,
        type: b.type,
        data: memory.get(b.tensor!)!,
        access: b.access === "readWrite" ? "read_write" : b.access,
      }),
    );
    const run = launch(kernel, buffers);
    errors.push(...run.errors);
    for (const b of bindings) {
      const data = run.outputs[b.id];
      if (data !== undefined) memory.set(b.tensor!, data);
    }
  }
  const words = (tensor: string): Uint32Array | undefined =>
    memory.has(tensor) ? wordsOfBytes(memory.get(tensor)!) : undefined;
  return { errors, words };
}
