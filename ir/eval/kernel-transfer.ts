/** Transfers: asynchronous copies whose source is frozen and whose destination is pending until completion is seen. */

import type { Collective } from "../kernel.ts";
import { bitsOf, type Scalar } from "../scalar.ts";
import { type Compiling, checkBounds, demandWritable, memoryOf, type Place, placeOfAccess } from "./kernel-access.ts";
import { evaluate } from "./kernel-exprs.ts";
import {
  type Code,
  demandUniform,
  demandWholeWarp,
  type Flight,
  fatal,
  type MBarrier,
  type Memory,
  type Position,
  type Warp,
} from "./kernel-machine.ts";
import { type Agent, addEvent, shadowRead, shadowWrite } from "./kernel-shadow.ts";
import { completeBytes, findMBarrier } from "./kernel-sync.ts";
import { fromBits, toBits } from "./scalar.ts";

type Transfer = Collective & { readonly family: "transfer" };

/** One lane's copy: elements of `from` at `source` to elements of `to` at `target`. */
interface Copy {
  readonly from: Memory;
  readonly source: number;
  readonly sourceCount: number;
  readonly to: Memory;
  readonly target: number;
  readonly targetCount: number;
  readonly bytes: number;
}

/**
 * Compiles a transfer: every lane whose `when` holds issues one copy of `bytes` bytes; other lanes copy nothing. Both
 * addresses are multiples of `bytes` (cpAsync: 4, 8 or 16) or of 16 bytes (bulk: any multiple of 16).
 */
export function compileTransfer(compiling: Compiling, what: Transfer, at: Position): Code {
  const { machine, exprs } = compiling;
  const from = placeOfAccess(compiling, what.from, at);
  const to = placeOfAccess(compiling, what.to, at);
  const when = what.when === undefined ? undefined : exprs.root(what.when);
  const done = what.done.kind === "mbarrier" ? placeOfAccess(compiling, what.done.at, at) : undefined;
  checkShape(compiling, what, from, to, at);
  return {
    blocking: false,
    run: (warp) => {
      demandWholeWarp(warp, at);
      const source = evaluate(warp, from.index, at);
      const target = evaluate(warp, to.index, at);
      const wanted = when === undefined ? warp.mask : evaluate(warp, when, at);
      const mbarrier = done === undefined ? undefined : mbarrierAt(warp, done, at);
      const sides = { from: memoryOf(warp, from), to: memoryOf(warp, to) };
      demandWritable(warp, sides.to, at);
      const sourceCount = (what.bytes * 8) / bitsOf(sides.from.buffer.type);
      const targetCount = (what.bytes * 8) / bitsOf(sides.to.buffer.type);
      for (let lane = 0; lane < machine.lanes; lane++) {
        if (wanted[lane] === 0) continue;
        const copy = {
          ...sides,
          source: source[lane]!,
          target: target[lane]!,
          sourceCount,
          targetCount,
          bytes: what.bytes,
        };
        issue(warp, lane, what, copy, mbarrier, at);
      }
    },
  };
}

function checkShape(compiling: Compiling, what: Transfer, from: Place, to: Place, at: Position): void {
  const { machine } = compiling;
  const buffers = [from, to].map((place) => machine.kernel.buffers[place.memory]!);
  const [source, target] = buffers;
  const sizes = what.engine === "cpAsync" ? [4, 8, 16].includes(what.bytes) : what.bytes > 0 && what.bytes % 16 === 0;
  if (!sizes) fatal(machine, at, `${what.engine} cannot copy ${what.bytes} bytes`);
  if (buffers.some((b) => (what.bytes * 8) % bitsOf(b.type) !== 0))
    fatal(machine, at, `${what.bytes} bytes are no whole number of elements`);
  const load = source?.space === "global" && target?.space === "shared";
  const store = source?.space === "shared" && target?.space === "global";
  if (!load && !(store && what.engine === "bulk"))
    fatal(machine, at, `${what.engine} does not copy from ${source?.space} to ${target?.space} memory`);
  if (what.engine === "cpAsync" && what.done.kind === "mbarrier")
    fatal(machine, at, "cpAsync completes in groups, not on an mbarrier");
}

function mbarrierAt(warp: Warp, place: Place, at: Position): MBarrier {
  const index = demandUniform(warp, evaluate(warp, place.index, at), "the mbarrier's index", at);
  return findMBarrier(warp, `${memoryOf(warp, place).buffer.id}[${index}]`, at);
}

function issue(
  warp: Warp,
  lane: number,
  what: Transfer,
  copy: Copy,
  mbarrier: MBarrier | undefined,
  at: Position,
): void {
  const { machine, undelivered } = warp.block;
  const unit = what.engine === "cpAsync" ? what.bytes : 16;
  const align = (memory: Memory): number => Math.max(1, (unit * 8) / bitsOf(memory.buffer.type));
  if (!checkBounds(warp, copy.from, lane, copy.source, copy.sourceCount, align(copy.from), at)) return;
  if (!checkBounds(warp, copy.to, lane, copy.target, copy.targetCount, align(copy.to), at)) return;
  const flight: Flight = {
    at,
    block: warp.block.index,
    warp: warp.index,
    lane: mbarrier === undefined ? lane : -1,
    landed: new Int32Array(warp.block.warps.length).fill(-1),
    deliver: () => {
      copyElements(copy);
      if (mbarrier !== undefined) completeBytes(mbarrier, flight, copy.bytes);
    },
  };
  watch(warp, lane, copy, flight, what.engine === "bulk" ? "async" : "lane", at);
  if (machine.transfers === "early") {
    flight.deliver?.();
    flight.deliver = undefined;
  } else if (mbarrier !== undefined) undelivered.push(flight);
  if (mbarrier === undefined) warp.queues[what.engine === "bulk" ? "async" : "lane"].open.push(flight);
}

/** Freezes the source and marks the destination as pending, after checking that both may be used now. */
function watch(warp: Warp, lane: number, copy: Copy, flight: Flight, agent: Agent, at: Position): void {
  const { from, to } = copy;
  if (from.shadow === undefined && to.shadow === undefined) return;
  const event = addEvent(warp, at, false, flight);
  for (let i = 0; i < copy.sourceCount; i++)
    if (from.shadow !== undefined) shadowRead(warp, from.shadow, from.buffer, lane, copy.source + i, event, agent);
  for (let i = 0; i < copy.targetCount; i++)
    if (to.shadow !== undefined) shadowWrite(warp, to.shadow, to.buffer, lane, copy.target + i, event, agent);
}

/** Moves the bytes; between buffers of different element types the bits stay, lowest first. */
function copyElements(copy: Copy): void {
  const { from, to } = copy;
  if (from.buffer.type === to.buffer.type) {
    for (let i = 0; i < copy.sourceCount; i++) to.data[copy.target + i] = from.data[copy.source + i]!;
    return;
  }
  const bytes = toBytes(from.data.subarray(copy.source, copy.source + copy.sourceCount), from.buffer.type);
  to.data.set(fromBytes(bytes, to.buffer.type), copy.target);
}

/** Little-endian bytes of elements of at most 32 bits. */
export function toBytes(values: Float64Array, type: Scalar): Uint8Array {
  const size = bitsOf(type) / 8;
  const encode = toBits(type);
  const bytes = new Uint8Array(values.length * size);
  values.forEach((value, i) => {
    const word = encode(value);
    for (let b = 0; b < size; b++) bytes[i * size + b] = word >>> (8 * b);
  });
  return bytes;
}

/** Elements of at most 32 bits from their little-endian bytes. */
export function fromBytes(bytes: Uint8Array, type: Scalar): Float64Array {
  const size = bitsOf(type) / 8;
  const decode = fromBits(type);
  return Float64Array.from({ length: bytes.length / size }, (_, i) => {
    let word = 0;
    for (let b = 0; b < size; b++) word |= bytes[i * size + b]! << (8 * b);
    return decode(word >>> 0);
  });
}
