/** On-chip buffers: what lies in them is decided when the program is cut; here it is checked, and accesses are counted. */
import type { AcceleratorModel, SramSpec } from "../../hw-models/schema.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";

/** Bytes read and written at one memory. */
export interface Access {
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Stored elements that these are: one access each. */
  readonly readElements: number;
  readonly writeElements: number;
}

/** Bytes of one instance of a tensor. */
export const bytesOf = (tensor: Tensor): number =>
  Math.ceil((tensor.shape.reduce((p, e) => p * e, 1) * bitsOf(tensor.type)) / 8);

/** Bytes that a program keeps in a buffer: every instance of every ring. */
export function occupancyBytes(program: Program, buffer: SramSpec): number {
  const depth = (tensor: Tensor): number => program.rings.find((r) => r.id === tensor.ring)?.depth ?? 1;
  return program.tensors
    .filter((t) => t.place === `unit:${buffer.name}`)
    .reduce((sum, t) => sum + bytesOf(t) * depth(t), 0);
}

/** A buffer that holds less than a program keeps in it. */
export interface Overfilled {
  readonly buffer: SramSpec;
  readonly bytes: number;
}

/** The buffers that a program overfills; `chooseBlocks` makes none that does. */
export function overfilled(program: Program, machine: AcceleratorModel): readonly Overfilled[] {
  return machine.units.flatMap((buffer) => {
    if (buffer.kind !== "sram") return [];
    const bytes = occupancyBytes(program, buffer);
    return bytes > buffer.capacityBytes ? [{ buffer, bytes }] : [];
  });
}
