/** Signals of rings, counted per role without running: pairs must balance, and nobody may wait for what never comes. */
import { children, isTileOp, type Program, type Ring, type Step } from "../program.ts";
import type { Verifying } from "./context.ts";

type Signal = Extract<Step, { readonly kind: "signal" }>["what"];

/** How often a body gives each signal; undefined where conditions decide. */
type Counts = Readonly<Record<Signal, number>> | undefined;

const NONE: NonNullable<Counts> = { acquire: 0, commit: 0, wait: 0, release: 0 };

/** Checks every ring of the program. */
export function verifyRings(v: Verifying): void {
  for (const ring of v.program.rings) {
    const givers = signallers(v.program, ring.id);
    verifySides(v, ring, givers);
    for (const [role, counts] of givers) if (counts !== undefined) verifyPairs(v, ring, role, counts);
    verifyFlow(v, ring, givers);
  }
}

/** By role ("" outside roles), the signals of one life of the ring. */
function signallers(program: Program, ring: string): ReadonlyMap<string, Counts> {
  const found = new Map<string, Counts>();
  const visit = (body: readonly Step[], role: string): void => {
    const own = countBody(body, ring);
    if (own === undefined || Object.values(own).some((n) => n > 0)) {
      const known = found.has(role) ? found.get(role) : NONE;
      found.set(role, known === undefined || own === undefined ? undefined : sum(known, own));
    }
    forEachRoles(body, (name, inner) => visit(inner, name));
  };
  visit(lifeOf(program.body, ring), "");
  return found;
}

/** The steps of one life of a ring: the body of the innermost launch or parallel loop that holds all its signals. */
function lifeOf(body: readonly Step[], ring: string): readonly Step[] {
  const [first, ...others] = body.filter((step) => signals(step, ring));
  if (first === undefined || others.length > 0) return body;
  const serial = first.kind === "loop" && (first.map.kind === "serial" || first.map.kind === "unroll");
  return first.kind === "launch" || (first.kind === "loop" && !serial) ? lifeOf(first.body, ring) : body;
}

function signals(step: Step, ring: string): boolean {
  if (step.kind === "signal") return step.ring === ring;
  return children(step).some((body) => body.some((inner) => signals(inner, ring)));
}

function forEachRoles(body: readonly Step[], visit: (name: string, body: readonly Step[]) => void): void {
  for (const step of body) {
    if (step.kind === "roles") for (const role of step.roles) visit(role.name, role.body);
    else for (const inner of children(step)) forEachRoles(inner, visit);
  }
}

const sum = (a: NonNullable<Counts>, b: NonNullable<Counts>): NonNullable<Counts> => ({
  acquire: a.acquire + b.acquire,
  commit: a.commit + b.commit,
  wait: a.wait + b.wait,
  release: a.release + b.release,
});

/** Signals of one role's own steps, nested roles left out. */
function countBody(body: readonly Step[], ring: string): Counts {
  let total: Counts = NONE;
  for (const step of body) {
    const own = countStep(step, ring);
    if (own === undefined || total === undefined) total = undefined;
    else total = sum(total, own);
  }
  return total;
}

function countStep(step: Step, ring: string): Counts {
  if (isTileOp(step) || step.kind === "roles") return NONE;
  if (step.kind === "signal") return step.ring === ring ? { ...NONE, [step.what]: 1 } : NONE;
  const inner = countBody(step.body, ring);
  if (inner === undefined || step.kind === "launch") return inner;
  const silent = Object.values(inner).every((n) => n === 0);
  if (step.kind === "when") return silent ? NONE : undefined;
  const times = Math.ceil(step.extent / step.step);
  return sum(NONE, {
    acquire: inner.acquire * times,
    commit: inner.commit * times,
    wait: inner.wait * times,
    release: inner.release * times,
  });
}

function verifySides(v: Verifying, ring: Ring, givers: ReadonlyMap<string, Counts>): void {
  const told = new Map<string, Set<Signal>>();
  const visit = (body: readonly Step[], role: string): void => {
    for (const step of body) {
      if (step.kind === "roles") for (const inner of step.roles) visit(inner.body, inner.name);
      else for (const inner of children(step)) visit(inner, role);
      if (step.kind === "signal" && step.ring === ring.id) told.set(role, (told.get(role) ?? new Set()).add(step.what));
    }
  };
  visit(v.program.body, "");
  for (const role of givers.keys()) {
    if (role === "") continue;
    const given = told.get(role) ?? new Set();
    if (role !== ring.producer && (given.has("acquire") || given.has("commit")))
      v.report(`ring ${ring.id} is filled by ${ring.producer}, but role ${role} acquires or commits it`);
    if (!ring.consumers.includes(role) && (given.has("wait") || given.has("release")))
      v.report(
        `ring ${ring.id} is emptied by ${ring.consumers.join(", ")}, but role ${role} waits for it or releases it`,
      );
  }
}

function verifyPairs(v: Verifying, ring: Ring, role: string, counts: NonNullable<Counts>): void {
  const who = role === "" ? "the program" : `role ${role}`;
  if (counts.acquire !== counts.commit)
    v.report(`ring ${ring.id}: ${who} acquires ${counts.acquire} and commits ${counts.commit} instances`);
  if (counts.wait !== counts.release)
    v.report(`ring ${ring.id}: ${who} waits for ${counts.wait} and releases ${counts.release} instances`);
}

/** All sides known: waits need commits, and acquires beyond the depth need releases. */
function verifyFlow(v: Verifying, ring: Ring, givers: ReadonlyMap<string, Counts>): void {
  const all = [...givers.values()];
  if (all.some((counts) => counts === undefined)) return;
  const known = all as readonly NonNullable<Counts>[];
  const committed = known.reduce((n, counts) => n + counts.commit, 0);
  const acquired = known.reduce((n, counts) => n + counts.acquire, 0);
  for (const [role, counts] of givers) {
    const who = role === "" ? "the program" : `role ${role}`;
    if (counts!.wait > committed)
      v.report(`ring ${ring.id}: ${who} waits for ${counts!.wait} instances, ${committed} are committed`);
  }
  for (const consumer of ring.consumers) {
    const counts = givers.get(consumer) ?? givers.get("") ?? NONE;
    if (acquired > counts.release + ring.depth)
      v.report(
        `ring ${ring.id}: ${acquired} instances are acquired, ${consumer} releases ${counts.release} of depth ${ring.depth}`,
      );
  }
}
