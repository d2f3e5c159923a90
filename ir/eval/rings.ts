/** Rings at run time: which instance a role holds, and what it must wait for. */

import type { Ring, Step } from "../program.ts";
import { clearInstance, type Instance } from "./region.ts";
import { evalFault } from "./scalar.ts";

export type Signal = Extract<Step, { readonly kind: "signal" }>["what"];

interface Counts {
  taken: number;
  done: number;
}

/** The state of one ring. Producers count acquire and commit, each consumer counts wait and release. */
export interface RingState {
  readonly ring: Ring;
  /** By tensor, the instances. */
  readonly instances: Map<string, readonly Instance[]>;
  readonly produced: Counts;
  readonly consumed: ReadonlyMap<string, Counts>;
}

export function makeRing(ring: Ring): RingState {
  return {
    ring,
    instances: new Map(),
    produced: { taken: 0, done: 0 },
    consumed: new Map(ring.consumers.map((name) => [name, { taken: 0, done: 0 }])),
  };
}

/** A role's counters as consumer; outside roles the only actor stands for the first consumer. */
function consumer(state: RingState, role: string | undefined): Counts | undefined {
  return state.consumed.get(role ?? state.ring.consumers[0] ?? "");
}

function produces(state: RingState, role: string | undefined): boolean {
  return role === undefined || role === state.ring.producer;
}

function released(state: RingState): number {
  return Math.min(...[...state.consumed.values()].map((counts) => counts.done), Number.POSITIVE_INFINITY);
}

const who = (role: string | undefined): string => (role === undefined ? "the program" : `role ${role}`);

/** Checks that `role` may give this signal here; returns whether it can go on now. */
export function ready(state: RingState, what: Signal, role: string | undefined): boolean {
  const { ring, produced } = state;
  const counts = consumer(state, role);
  const wrong = (why: string): never => evalFault(`${who(role)} signals ${what} on ring ${ring.id}: ${why}`);
  if (what === "acquire" || what === "commit") {
    if (!produces(state, role)) return wrong(`its producer is ${ring.producer}`);
    if (what === "acquire") return produced.taken - released(state) < ring.depth;
    return produced.taken > produced.done || wrong("nothing is acquired");
  }
  if (counts === undefined) return wrong(`its consumers are ${ring.consumers.join(", ")}`);
  if (what === "wait") return produced.done > counts.taken;
  return counts.taken > counts.done || wrong("nothing is waited for");
}

/** Carries out a signal that is ready. An acquired instance has no contents. */
export function signal(state: RingState, what: Signal, role: string | undefined): void {
  const { produced, ring } = state;
  const counts = consumer(state, role);
  switch (what) {
    case "acquire":
      for (const list of state.instances.values()) clearInstance(list[produced.taken % ring.depth]!);
      produced.taken++;
      return;
    case "commit":
      produced.done++;
      return;
    case "wait":
      counts!.taken++;
      return;
    case "release":
      counts!.done++;
  }
}

/** What a blocked role waits for, for the report of a deadlock. */
export function blockedOn(state: RingState, what: Signal, role: string | undefined): string {
  const { ring, produced } = state;
  if (what === "wait")
    return `${who(role)} waits for ${ring.producer} to commit instance ${consumer(state, role)!.taken} of ring ${ring.id}`;
  const free = released(state);
  const slow = [...state.consumed].filter(([, counts]) => counts.done === free).map(([name]) => name);
  return `${who(role)} waits for ${slow.join(", ")} to release instance ${produced.taken - ring.depth} of ring ${ring.id}`;
}

/** The instance that an op of `role` reads or writes: the last one it waited for, or the last one it acquired. */
export function held(state: RingState, tensor: string, use: "read" | "write", role: string | undefined): Instance {
  const { ring, produced } = state;
  const list = state.instances.get(tensor)!;
  const counts = consumer(state, role);
  const open = (c: Counts): boolean => c.taken > c.done;
  const at = (c: Counts): Instance => list[(c.taken - 1) % ring.depth]!;
  if (use === "read" && counts !== undefined && open(counts)) return at(counts);
  if (produces(state, role) && open(produced)) return at(produced);
  return use === "read"
    ? evalFault(`${who(role)} reads ${tensor} of ring ${ring.id} without a committed instance`)
    : evalFault(`${who(role)} writes ${tensor} of ring ${ring.id} without an acquired instance`);
}

/** Every acquired instance must be committed and every waited one released when the ring's owner ends. */
export function checkDrained(state: RingState): void {
  const { ring, produced } = state;
  if (produced.taken !== produced.done)
    evalFault(`ring ${ring.id} ends with ${produced.taken - produced.done} instances acquired, not committed`);
  for (const [name, counts] of state.consumed)
    if (counts.taken !== counts.done)
      evalFault(`ring ${ring.id} ends with ${counts.taken - counts.done} instances that ${name} did not release`);
}

/** Back to the beginning: all instances free and empty. */
export function resetRing(state: RingState): void {
  for (const counts of [state.produced, ...state.consumed.values()]) {
    counts.taken = 0;
    counts.done = 0;
  }
  for (const list of state.instances.values()) list.forEach(clearInstance);
}
