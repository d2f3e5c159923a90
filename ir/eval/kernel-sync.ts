/** Sync collectives: barriers, groups of asynchronous operations, mbarriers and fences. */

import type { Collective, Scope } from "../kernel.ts";
import { type Compiling, checkBounds, memoryOf, placeOfAccess } from "./kernel-access.ts";
import { evaluate } from "./kernel-exprs.ts";
import {
  acquire,
  type Block,
  type Code,
  demandUniform,
  demandWholeWarp,
  type Flight,
  fatal,
  type MBarrier,
  meet,
  noClocks,
  type Position,
  placeOf,
  type QueueName,
  release,
  report,
  synchronise,
  type Wait,
  type Warp,
  whoIs,
} from "./kernel-machine.ts";

type Sync = Collective & { readonly family: "sync" };

/** `count` and the mbarrier of a sync, evaluated for a warp. */
interface Operands {
  count(warp: Warp): number;
  mbarrier(warp: Warp): MBarrier;
  key(warp: Warp): string;
}

/**
 * Compiles a sync. A barrier, init, arrive and expect happen once for all warps of the scope, which meet for it: an
 * arrive of a warp counts one arrival, not one for each lane. commit, drain, wait and fence are each warp's own.
 */
export function compileSync(compiling: Compiling, what: Sync, scope: Scope, at: Position): Code {
  const of = operandsOf(compiling, what, at);
  const own = (run: (warp: Warp) => void): Code => ({
    blocking: false,
    run: (warp) => {
      demandWholeWarp(warp, at);
      run(warp);
    },
  });
  const together = (act: (warps: readonly Warp[]) => void): Code => {
    if (scope === "warp") return own((warp) => act([warp]));
    return {
      blocking: true,
      *run(warp) {
        demandWholeWarp(warp, at);
        yield* meet(warp, scope, at, act);
      },
    };
  };
  switch (what.op) {
    case "barrier":
      return together(synchronise);
    case "commit":
      return own((warp) => commit(warp, queueName(what)));
    case "drain":
      return own((warp) => drain(warp, queueName(what), of.count(warp), at));
    case "fence":
      return own((warp) => fence(warp, what.proxy));
    case "init":
      return together((warps) => init(warps[0]!, of, at));
    case "arrive":
      return together((warps) => arrive(warps, of.mbarrier(warps[0]!), at));
    case "expect":
      return together((warps) => expectBytes(warps[0]!, of, at));
    case "wait":
      return {
        blocking: true,
        *run(warp) {
          demandWholeWarp(warp, at);
          yield* wait(warp, of.mbarrier(warp), of.count(warp), at);
        },
      };
  }
}

function queueName(what: Sync): QueueName {
  return what.proxy ?? "lane";
}

function operandsOf(compiling: Compiling, what: Sync, at: Position): Operands {
  const { machine, exprs } = compiling;
  const count = what.count === undefined ? undefined : exprs.root(what.count);
  const place = what.at === undefined ? undefined : placeOfAccess(compiling, what.at, at);
  const key = (warp: Warp): string => {
    if (place === undefined) return fatal(machine, at, `${what.op} needs an mbarrier`);
    const memory = memoryOf(warp, place);
    const index = demandUniform(warp, evaluate(warp, place.index, at), "the mbarrier's index", at);
    if (memory.buffer.space !== "shared") fatal(machine, at, "an mbarrier lies in shared memory");
    if (!checkBounds(warp, memory, 0, index, 1, 1, at)) fatal(machine, at, "there is no such mbarrier");
    return `${memory.buffer.id}[${index}]`;
  };
  return {
    key,
    count: (warp) => {
      if (count === undefined) return fatal(machine, at, `${what.op} needs a count`);
      return demandUniform(warp, evaluate(warp, count, at), "the count", at);
    },
    mbarrier: (warp) => findMBarrier(warp, key(warp), at),
  };
}

/** The mbarrier of that name; reports one that was not initialised, or whose init is not ordered before this. */
export function findMBarrier(warp: Warp, name: string, at: Position): MBarrier {
  const { mbarriers, machine } = warp.block;
  const found = mbarriers.get(name) ?? fatal(machine, at, `${whoIs(warp)}: mbarrier ${name} is not initialised`);
  if (found.initWarp !== warp.index && warp.clocks.seen[found.initWarp]! < found.initClock) {
    const message = `${whoIs(warp)}: no barrier follows the init of mbarrier ${name} by warp ${found.initWarp}`;
    report(machine, at, message, `init ${name}`);
  }
  return found;
}

function init(warp: Warp, of: Operands, at: Position): void {
  const { block } = warp;
  const name = of.key(warp);
  const count = of.count(warp);
  if (block.mbarriers.has(name)) fatal(block.machine, at, `mbarrier ${name} is initialised twice`);
  if (!(count >= 1)) fatal(block.machine, at, `mbarrier ${name} must count at least one arrival, not ${count}`);
  block.mbarriers.set(name, {
    name,
    count,
    initWarp: warp.index,
    initClock: warp.now,
    missing: count,
    bytes: 0,
    phase: 0,
    arriving: [],
    arrived: [],
    landedUpTo: new Int32Array(block.warps.length),
    gathering: noClocks(block.warps.length),
    released: noClocks(block.warps.length),
  });
}

function arrive(warps: readonly Warp[], mbarrier: MBarrier, at: Position): void {
  for (const warp of warps) release(warp, mbarrier.gathering);
  if (mbarrier.missing === 0) {
    const { machine } = warps[0]!.block;
    fatal(
      machine,
      at,
      `${whoIs(warps[0]!)}: mbarrier ${mbarrier.name} counts ${mbarrier.count} arrivals a phase, this is one more`,
    );
  }
  mbarrier.missing--;
  endPhase(mbarrier);
}

function expectBytes(warp: Warp, of: Operands, at: Position): void {
  const mbarrier = of.mbarrier(warp);
  const bytes = of.count(warp);
  if (!(bytes >= 0)) fatal(warp.block.machine, at, `cannot expect ${bytes} bytes`);
  mbarrier.bytes += bytes;
  endPhase(mbarrier);
}

/** A transfer's bytes have come. */
export function completeBytes(mbarrier: MBarrier, flight: Flight, bytes: number): void {
  mbarrier.bytes -= bytes;
  mbarrier.arriving.push(flight);
  endPhase(mbarrier);
}

function endPhase(mbarrier: MBarrier): void {
  if (mbarrier.missing > 0 || mbarrier.bytes !== 0) return;
  mbarrier.phase++;
  mbarrier.missing = mbarrier.count;
  mbarrier.arrived.push(...mbarrier.arriving);
  mbarrier.arriving = [];
  mbarrier.released.seen.set(mbarrier.gathering.seen);
  mbarrier.released.fenced.set(mbarrier.gathering.fenced);
}

function* wait(warp: Warp, mbarrier: MBarrier, parity: number, at: Position): Generator<Wait, void, void> {
  if (parity !== 0 && parity !== 1) fatal(warp.block.machine, at, `a parity is 0 or 1, not ${parity}`);
  const ended = (): boolean => mbarrier.phase % 2 !== parity;
  if (!ended()) {
    yield {
      ready: ended,
      describe: () =>
        `at ${placeOf(at)} for parity ${parity} of mbarrier ${mbarrier.name}, which is in phase ${mbarrier.phase} and misses ` +
        `${mbarrier.missing} of ${mbarrier.count} arrivals and ${mbarrier.bytes} bytes`,
    };
  }
  acquire(warp, mbarrier.released);
  for (const flight of mbarrier.arrived.slice(mbarrier.landedUpTo[warp.index])) land(flight, warp);
  mbarrier.landedUpTo[warp.index] = mbarrier.arrived.length;
}

function land(flight: Flight, warp: Warp): void {
  if (flight.landed[warp.index]! < 0) flight.landed[warp.index] = warp.now;
}

function commit(warp: Warp, name: QueueName): void {
  const queue = warp.queues[name];
  queue.groups.push(queue.open);
  queue.open = [];
}

function drain(warp: Warp, name: QueueName, count: number, at: Position): void {
  if (!(count >= 0)) fatal(warp.block.machine, at, `cannot drain to ${count} groups`);
  const { groups } = warp.queues[name];
  while (groups.length > count) {
    for (const flight of groups.shift() ?? []) {
      flight.deliver?.();
      flight.deliver = undefined;
      land(flight, warp);
      flight.giveBack?.(warp);
    }
  }
}

/**
 * fence async: lanes' accesses so far (and those ordered before) become visible to asynchronous readers of memory.
 * fence matrix: registers written so far become visible to asynchronous rows.
 */
function fence(warp: Warp, proxy: "async" | "matrix" | undefined): void {
  if (proxy === "matrix") {
    warp.matrixFence = warp.frame.clock;
    return;
  }
  const { seen, fenced } = warp.clocks;
  for (let w = 0; w < seen.length; w++) fenced[w] = Math.max(fenced[w]!, seen[w]!);
  fenced[warp.index] = warp.now;
  warp.now++;
}

/** What is left when a block has ended: transfers nobody waited for, and bytes that never came. */
export function reportLeftovers(block: Block): void {
  const { machine } = block;
  for (const warp of block.warps) {
    for (const [name, queue] of Object.entries(warp.queues)) {
      const left = [...queue.groups.flat(), ...queue.open][0];
      if (left === undefined) continue;
      const verb = queue.groups.flat().length > 0 ? "drained" : "committed";
      const proxy = name === "lane" ? "" : ` (proxy ${name})`;
      report(machine, left.at, `${whoIs(warp)} ends with operations that were never ${verb}${proxy}`, `left ${name}`);
    }
  }
  for (const mbarrier of block.mbarriers.values()) {
    if (mbarrier.bytes !== 0) {
      const text =
        mbarrier.bytes > 0
          ? `${mbarrier.bytes} expected bytes that never came`
          : `${-mbarrier.bytes} bytes that nobody expected`;
      report(machine, undefined, `block ${block.index} ends; mbarrier ${mbarrier.name} is left with ${text}`);
    }
    const unseen = [...mbarrier.arrived, ...mbarrier.arriving].find((f) => f.landed.every((clock) => clock < 0));
    if (unseen !== undefined)
      report(
        machine,
        unseen.at,
        `block ${block.index} ends; nobody waited on mbarrier ${mbarrier.name} for this transfer`,
        "left mbarrier",
      );
  }
}
