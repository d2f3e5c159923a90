/** Who takes part in a run: roles on their way through their actions, and the rings between them. */
import { internal } from "../ir/diagnostics.ts";
import type { Ring } from "../ir/program.ts";
import type { SignalAction, Walker, Work } from "./issue.ts";
import type { Player } from "./units/index.ts";
import type { Lane } from "./units/unit.ts";

/** Signals of a ring with the cycles in which they take effect; times are kept for the instances that can still be asked for. */
export interface RingState {
  readonly ring: Ring;
  acquired: number;
  committed: number;
  /** Instances that all consumers have given back. */
  freed: number;
  readonly commitTimes: Float64Array;
  readonly consumers: readonly Consumer[];
}

export interface Consumer {
  readonly name: string;
  waited: number;
  released: number;
  readonly releaseTimes: Float64Array;
}

/** A transfer that a channel has not finished asking for. */
export interface Request {
  readonly work: Work;
  readonly store: boolean;
  left: number;
  /** Of the next byte. */
  address: number;
  /** From when on the memory has known of the next request: one is asked for while the one before it is served. */
  seen: number;
}

/** One role on its way through its actions, at its own time. */
export interface Actor {
  readonly name: string;
  readonly index: number;
  readonly player: Player;
  readonly walker: Walker;
  readonly lane: Lane;
  now: number;
  /** The signal that it waits for. */
  blocked: SignalAction | undefined;
  request: Request | undefined;
  done: boolean;
  operandsFree: number;
  registersFree: number;
  visible: number;
  op: number;
  /** Nests of folds that it has come to, and whether it is in the last of them. */
  nests: number;
  inNest: boolean;
  /** It has come to a nest and waits for the others there. */
  parked: boolean;
  /** Actions that it has done in the nest by itself. */
  ahead: number;
  /** Times that it went on: it has stood still while this stays. */
  moves: number;
}

/** The clocks of an actor's unit. */
export const clocksOf = ({ player }: Actor): readonly Float64Array[] =>
  player.kind === "unit" ? player.unit.clocks : [];

/** The phase of an actor's unit. */
export const phaseOf = ({ player }: Actor): number => (player.kind === "unit" ? player.unit.phase() : 0);

/** Everything that an actor has to do with happens so many cycles later. */
export function postpone(actor: Actor, cycles: number): void {
  actor.now += cycles;
  actor.operandsFree += cycles;
  actor.registersFree += cycles;
  actor.visible += cycles;
  for (const clocks of clocksOf(actor)) for (let i = 0; i < clocks.length; i++) clocks[i]! += cycles;
}

export function makeRing(ring: Ring): RingState {
  const consumers = ring.consumers.map((name) => ({
    name,
    waited: 0,
    released: 0,
    releaseTimes: new Float64Array(ring.depth),
  }));
  return { ring, acquired: 0, committed: 0, freed: 0, commitTimes: new Float64Array(ring.depth), consumers };
}

export function consumerOf(state: RingState, name: string): Consumer {
  return state.consumers.find((c) => c.name === name) ?? internal(`${name} does not consume ${state.ring.id}`);
}

/** Times are kept at their number modulo the depth: `more` numbers later they stand elsewhere. */
export function rotate(times: Float64Array, count: number, more: number, depth: number, later: number): void {
  const old = times.slice();
  for (let i = 1; i <= depth; i++)
    times[(count + more + depth - i) % depth] = old[(count + depth - i) % depth]! + later;
}

/** Where a unit stands, in words: what it waits for, since when, and what the ring's other side has done. */
export function whereIs({ name, now, done, blocked, request }: Actor, rings: ReadonlyMap<string, RingState>): string {
  if (done) return `${name} has done all its work, in cycle ${now}`;
  const state = rings.get(blocked?.ring ?? "");
  if (blocked === undefined || state === undefined)
    return request === undefined
      ? `${name} could go on in cycle ${now}`
      : `${name} asks for ${request.left} bytes in cycle ${now}`;
  const { ring, acquired, committed, consumers } = state;
  if (blocked.what === "wait") {
    const waited = consumers.find((c) => c.name === name)?.waited ?? 0;
    return `${name} waits since cycle ${now} for ${ring.producer} to fill \`${ring.id}\`: ${committed} were filled, and it has taken ${waited}`;
  }
  const given = consumers.map((c) => `${c.name} has given back ${c.released}`).join(", ");
  return `${name} waits since cycle ${now} for a free instance of \`${ring.id}\`, which has ${ring.depth}: it has taken ${acquired}, ${given}`;
}
