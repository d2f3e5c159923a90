/** A second engine, for tests: steps every cycle and moves what can move, where the first one runs ahead along rings. */
import { partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import type { Program } from "../../ir/program.ts";
import { type Action, prepare } from "../../simulator/issue.ts";
import { transferOf } from "../../simulator/units/dma.ts";
import { type Player, playersOf } from "../../simulator/units/index.ts";

interface Actor {
  readonly name: string;
  readonly player: Player;
  readonly walk: () => Action | undefined;
  waiting: Action | undefined;
  busyUntil: number;
  /** Bytes that a channel has still to ask for; -1: its request is in the queue or on the interface. */
  left: number;
  asked: boolean;
  store: boolean;
  operandsFree: number;
  registersFree: number;
  visible: number;
  ended: boolean;
}

/** Cycles of the run, and the cycle in which each unit has nothing more under way. */
export function runStepped(
  program: Program,
  machine: AcceleratorModel,
): { readonly cycles: number; readonly ends: Readonly<Record<string, number>> } {
  const issue = prepare(program);
  const players = playersOf(machine, program);
  const { dram } = partsOf(machine);
  const actors = issue.roles.map(
    (role): Actor => ({
      name: role.name,
      player: players.get(role.name)!,
      walk: issue.walk(role),
      waiting: undefined,
      busyUntil: 0,
      left: 0,
      asked: false,
      store: false,
      operandsFree: 0,
      registersFree: 0,
      visible: 0,
      ended: false,
    }),
  );
  // Tokens: cycles in which instances were filled, and given back by their one consumer.
  const filled = new Map(program.rings.map((r) => [r.id, [] as number[]]));
  const freed = new Map(program.rings.map((r) => [r.id, Array.from({ length: r.depth }, () => 0)]));
  const take = (tokens: number[], now: number): boolean => {
    if (tokens[0] === undefined || tokens[0] > now) return false;
    tokens.shift();
    return true;
  };
  const queue: Actor[] = [];
  let interfaceFree = 0;
  const silent = { fill: () => {} };

  /** Moves an actor within cycle `now`; true where anything happened. */
  const move = (a: Actor, now: number): boolean => {
    if (a.ended || a.asked || a.busyUntil > now) return false;
    if (a.left > 0) return false;
    const action = a.waiting ?? a.walk();
    a.waiting = undefined;
    if (action === undefined) {
      a.ended = true;
      return true;
    }
    if (action.kind === "work") {
      if (a.player.kind === "channel") {
        const { bytes, store } = transferOf(action);
        a.left = bytes;
        a.store = store;
        return true;
      }
      const { unit } = a.player;
      unit.play(action, now, silent);
      a.busyUntil = unit.times.next;
      a.operandsFree = unit.times.operandsFree;
      a.registersFree = unit.times.registersFree;
      a.visible = Math.max(a.visible, unit.times.visible);
      return true;
    }
    const { ring } = action;
    if (action.what === "commit") filled.get(ring)!.push(Math.max(now, a.visible));
    else if (action.what === "release")
      freed.get(ring)!.push(Math.max(now, issue.registerRings.has(ring) ? a.registersFree : a.operandsFree));
    else if (!take(action.what === "wait" ? filled.get(ring)! : freed.get(ring)!, now)) {
      a.waiting = action;
      return false;
    }
    return true;
  };

  for (let now = 0; ; now++) {
    for (let moved = true; moved; ) {
      moved = false;
      for (const a of actors) while (move(a, now)) moved = true;
    }
    for (const a of actors) {
      if (a.left === 0 || a.asked || a.busyUntil > now) continue;
      a.asked = true;
      queue.push(a);
    }
    while (queue[0] !== undefined && interfaceFree <= now) {
      const a = queue.shift()!;
      const bytes = Math.min(a.left, a.player.kind === "channel" ? a.player.spec.requestBytes : 0);
      interfaceFree = now + Math.ceil(bytes / dram.bytesPerCycle);
      a.left -= bytes;
      a.asked = false;
      a.busyUntil = interfaceFree;
      if (a.left > 0) continue;
      a.operandsFree = interfaceFree;
      a.visible = Math.max(a.visible, interfaceFree + (a.store ? 0 : dram.latencyCycles));
    }
    if (actors.every((a) => a.ended)) {
      const ends = Object.fromEntries(actors.map((a) => [a.name, Math.max(a.visible, a.busyUntil)]));
      return { cycles: Math.max(...Object.values(ends)), ends };
    }
    if (now > 1e6) throw new Error("a run of a test took a million cycles");
  }
}
