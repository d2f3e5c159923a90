/** Accesses to buffers: where they point, and whether they stay inside and aligned. */
import { internal } from "../diagnostics.ts";
import type { Access } from "../kernel.ts";
import type { KernelExprs, Root } from "./kernel-exprs.ts";
import { fatal, type Machine, type Memory, type Position, report, type Warp, whoIs } from "./kernel-machine.ts";
import { addEvent } from "./kernel-shadow.ts";

/** What compiling a statement needs. */
export interface Compiling {
  readonly machine: Machine;
  readonly exprs: KernelExprs;
}

/** An access with its buffer found: `memory` is its place in a block's memories. */
export interface Place {
  readonly memory: number;
  readonly index: Root;
  readonly width: number;
}

/** Finds an access's buffer. */
export function placeOfAccess(compiling: Compiling, access: Access, at: Position): Place {
  const memory = compiling.machine.kernel.buffers.findIndex((b) => b.id === access.buffer);
  if (memory < 0) fatal(compiling.machine, at, `no buffer is named ${access.buffer}`);
  return { memory, index: compiling.exprs.root(access.index), width: access.width };
}

/** The memory of an access in the warp's block. */
export function memoryOf(warp: Warp, place: Place): Memory {
  return warp.block.memories[place.memory] ?? internal(`no memory ${place.memory}`);
}

/** Reports an access outside the buffer or off its alignment; true where it may go on. */
export function checkBounds(
  warp: Warp,
  memory: Memory,
  lane: number,
  index: number,
  count: number,
  align: number,
  at: Position,
): boolean {
  const { id, length } = memory.buffer;
  const { machine } = warp.block;
  if (!(index >= 0 && index + count <= length)) {
    const range = count === 1 ? `${index}` : `${index} … ${index + count - 1}`;
    report(machine, at, `${whoIs(warp, lane)}: ${id}[${range}] is outside its ${length} elements`, `bounds ${id}`);
    return false;
  }
  if (index % align !== 0) {
    const message = `${whoIs(warp, lane)}: ${id}[${index}] is misaligned: the index must be a multiple of ${align}`;
    report(machine, at, message, `align ${id}`);
    return false;
  }
  return true;
}

/** The event of one execution of a statement, made where the memory is watched; −1 elsewhere. */
export function eventFor(warp: Warp, memory: Memory, at: Position, atomic = false): number {
  return memory.shadow === undefined ? -1 : addEvent(warp, at, atomic);
}

/** Read-only buffers have no shadow: nothing may write them. */
export function demandWritable(warp: Warp, memory: Memory, at: Position): void {
  if (memory.buffer.access === "read") fatal(warp.block.machine, at, `${memory.buffer.id} is read-only`);
}
