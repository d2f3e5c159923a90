/** The tensors that a unit's launcher passes to its kernels. */
import { internal } from "../../ir/diagnostics.ts";
import type { Buffer, Kernel, Stmt } from "../../ir/kernel.ts";
import { bodiesOf } from "../../ir/kernel-walk.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { byteLength } from "../memory.ts";
import { identifier } from "../print-names.ts";
import type { LineMap, Unit } from "../syntax.ts";

/** A tensor in global memory, as launchers see it. */
export interface HostTensor {
  /** As in the program: "w.q". */
  readonly id: string;
  /** As a parameter: "w_q". */
  readonly name: string;
  readonly role: "input" | "output" | "workspace";
  /** Type of the stored elements. */
  readonly type: Scalar;
  readonly bytes: number;
  /** Kernels add to it atomically: it must begin with zeros. */
  readonly zeroed: boolean;
}

const ORDER = ["input", "output", "workspace"] as const;

/** Tensors that the unit's kernels touch: inputs, outputs, workspace, each in the program's order. */
export function hostTensors(unit: Unit): readonly HostTensor[] {
  const buffers = unit.kernels.flatMap((k) => k.buffers.filter((b) => b.space === "global"));
  const added = new Set(unit.kernels.flatMap((k) => k.body.flatMap((s) => addedTensors(k, s))));
  const tensors = unit.program.tensors.flatMap((tensor): HostTensor[] => {
    const of = buffers.filter((b) => b.tensor === tensor.id);
    if (of.length === 0 || tensor.role === "local") return [];
    const bytes = Math.max(...of.map(byteLength));
    return [
      {
        id: tensor.id,
        name: identifier(tensor.id),
        role: tensor.role,
        type: of[0]!.type,
        bytes,
        zeroed: added.has(tensor.id),
      },
    ];
  });
  for (const buffer of buffers)
    if (!tensors.some((t) => t.id === buffer.tensor)) internal(`buffer ${buffer.id} holds no tensor of the program`);
  return ORDER.flatMap((role) => tensors.filter((t) => t.role === role));
}

/** The tensor that a global buffer shows. */
export function tensorOf(tensors: readonly HostTensor[], buffer: Buffer): HostTensor {
  return tensors.find((t) => t.id === buffer.tensor) ?? internal(`no tensor for ${buffer.id}`);
}

/** Global buffers of a kernel in binding order. */
export function bindingsOf(kernel: Kernel): readonly Buffer[] {
  return kernel.buffers.filter((b) => b.space === "global");
}

function addedTensors(kernel: Kernel, stmt: Stmt): readonly string[] {
  if (stmt.kind !== "atomicAdd")
    return bodiesOf(stmt).flatMap((body) => body.flatMap((inner) => addedTensors(kernel, inner)));
  const tensor = kernel.buffers.find((b) => b.id === stmt.at.buffer)?.tensor;
  return tensor === undefined ? [] : [tensor];
}

/** The line map of launcher text, which stems from no source. */
export function noOrigins(text: string): LineMap {
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map(() => []);
}
