/** What back-end tests share: kernels made printable, units around them, and comparison with what they must compute. */
import { expect } from "vitest";
import { legaliseCollectives } from "../../backends/index.ts";
import type { Backend, Unit } from "../../backends/syntax.ts";
import { legalise } from "../../compiler/passes/legalise.ts";
import { pin } from "../../compiler/passes/pin.ts";
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { bufferFromWords } from "../../ir/eval/kernel.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { verifyKernel } from "../../ir/verify/kernel.ts";
import type { Case } from "./kernels.ts";

/** The end of the pipeline: collectives, rules, names. */
export function prepare(kernel: Kernel, target: Backend): Kernel {
  const context = { target, schedule: {} as never };
  const ready = pin.run(legalise.run(legaliseCollectives(kernel, target), context), context);
  expect(verifyKernel(ready, target)).toEqual([]);
  return ready;
}

/** A unit of one hand-written kernel, with as much of a program as launchers read. */
export function unitOf(kernel: Kernel): Unit {
  const tensors = kernel.buffers
    .filter((b) => b.space === "global")
    .map(
      (b): Tensor => ({
        id: b.id,
        type: b.type,
        axes: ["i"],
        shape: [b.length],
        place: "global",
        role: b.access === "read" ? "input" : "output",
        span: NO_SPAN,
      }),
    );
  const program: Program = {
    name: kernel.name,
    tensors,
    formats: [],
    tables: [],
    rings: [],
    exprs: { exprs: [], spans: [] },
    body: [],
  };
  return { name: kernel.name, program, kernels: [kernel] };
}

/** Asserts that the outputs' words hold what the case demands. */
export function expectOutputs(kernel: Kernel, wanted: Case, words: Readonly<Record<string, Uint32Array>>): void {
  for (const [id, { values, tolerance }] of Object.entries(wanted.outputs)) {
    const buffer = kernel.buffers.find((b) => b.id === id)!;
    const got = [...bufferFromWords(buffer.type, words[id]!, buffer.length).data];
    expect(got).toHaveLength(values.length);
    const scale = Math.max(...values.map(Math.abs));
    const wrong = values.flatMap((value, i) => {
      const bound = tolerance * Math.max(Math.abs(value), scale / 64);
      return Math.abs(got[i]! - value) <= bound ? [] : [`${id}[${i}] = ${got[i]}, not ${value}`];
    });
    expect(wrong.slice(0, 5), `${kernel.name}: ${wrong.length} of ${values.length} wrong`).toEqual([]);
  }
}
