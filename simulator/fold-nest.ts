/** Nests of folds: loops that feeders and the array walk together, in one go; what has begun to repeat is not stepped. */
import { internal } from "../ir/diagnostics.ts";
import { type Actor, clocksOf, phaseOf, postpone, type RingState, rotate } from "./actors.ts";
import type { NestLoop, NestOp, NestStep, SignalAction, Work } from "./issue.ts";
import type { LaneMark, Lanes } from "./lanes.ts";

/** One action of one role within the nest. */
type Leaf = { readonly kind: "leaf"; readonly role: number } & (
  | { readonly what: "signal"; readonly action: SignalAction }
  | { readonly what: "op"; readonly op: NestOp }
);

/** A loop that some roles walk alike. */
interface Joint {
  readonly kind: "joint";
  readonly extent: number;
  readonly step: number;
  readonly trips: number;
  /** Role and slot of its variable. */
  readonly slots: readonly { readonly role: number; readonly slot: number }[];
  readonly steps: readonly (Leaf | Joint)[];
  /** Ops of the whole subtree. */
  readonly ops: readonly { readonly role: number; readonly slot: number; readonly op: NestOp }[];
  /** Whether an op's case depends on this loop and on one within it: then no two trips are known to be alike. */
  readonly entangled: boolean;
  readonly rings: readonly string[];
}

/** The nest of a machine program: its roles by name, the array last. */
export interface FoldNest {
  readonly roles: readonly string[];
  readonly root: Joint;
}

interface Part {
  readonly role: number;
  readonly loop: NestLoop;
}

/**
 * Joins the loops over folds of several roles into one nest in which everybody's actions stand in an order in which none
 * has to wait: producers first. Undefined where the loops differ, or a ring is not filled, taken, used and given back
 * once a trip, in this order.
 */
export function joinNests(
  parts: readonly { readonly name: string; readonly loop: NestLoop }[],
  producerOf: (ring: string) => string,
  consumersOf: (ring: string) => readonly string[],
): FoldNest | undefined {
  // Producers before consumers: the array, which produces for nobody in the nest, comes last.
  const rings = parts.map((p) => ringsIn(p.loop));
  const consumes = (i: number): boolean =>
    [...rings[i]!].some((ring) => consumersOf(ring).includes(parts[i]!.name) && producerOf(ring) !== parts[i]!.name);
  const order = [...parts.keys()].sort((a, b) => Number(consumes(a)) - Number(consumes(b)));
  const names = order.map((i) => parts[i]!.name);
  if (parts.length === 0 || (parts.length > 1 && order.filter(consumes).length !== 1)) return undefined;
  const root = join(order.map((i, role) => ({ role, loop: parts[i]!.loop })));
  if (root === undefined) return undefined;
  const array = names.at(-1)!;
  const outside = root.rings.some((ring) => {
    const consumers = consumersOf(ring);
    return !names.includes(producerOf(ring)) || consumers.length !== 1 || consumers[0] !== array;
  });
  return outside || !takesTurns(root, new Set(root.rings)) ? undefined : { roles: names, root };
}

function ringsIn(loop: NestLoop): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (step: NestStep): void => {
    if (step.kind === "signal") found.add(step.action.ring);
    else if (step.kind === "loop") step.body.forEach(visit);
  };
  visit(loop);
  return found;
}

function join(parts: readonly Part[]): Joint | undefined {
  const first = parts[0]?.loop ?? internal("a nest without loops");
  const alike = parts.every(
    ({ loop }) => loop.name === first.name && loop.extent === first.extent && loop.step === first.step,
  );
  if (!alike || first.extent <= 0) return undefined;
  const before: Leaf[] = [];
  const after: Leaf[] = [];
  const inner: Part[] = [];
  for (const { role, loop } of parts) {
    let leaves = before;
    for (const step of loop.body) {
      if (step.kind === "loop") {
        if (leaves === after) return undefined;
        inner.push({ role, loop: step });
        leaves = after;
      } else {
        leaves.push(
          step.kind === "signal"
            ? { kind: "leaf", role, what: "signal", action: step.action }
            : { kind: "leaf", role, what: "op", op: step.op },
        );
      }
    }
  }
  const nested = inner.length === 0 ? undefined : join(inner);
  if (inner.length > 0 && nested === undefined) return undefined;
  const steps = [...before, ...(nested === undefined ? [] : [nested]), ...after];
  const slots = parts.map(({ role, loop }) => ({ role, slot: loop.slot }));
  const slotOf = new Map(slots.map((s) => [s.role, s.slot]));
  const own = [...before, ...after].flatMap((leaf) => (leaf.what === "op" ? [{ role: leaf.role, op: leaf.op }] : []));
  const ops = [...own, ...(nested?.ops ?? [])].map(({ role, op }) => ({ role, op, slot: slotOf.get(role)! }));
  const within = new Map(nested === undefined ? [] : slotsBelow(nested));
  const entangled = ops.some(({ role, op, slot }) =>
    op.cases.some((c) => c.slots.includes(slot) && c.slots.some((s) => within.get(role)?.includes(s) ?? false)),
  );
  const rings = [...before, ...after].flatMap((leaf) => (leaf.what === "signal" ? [leaf.action.ring] : []));
  return {
    kind: "joint",
    extent: first.extent,
    step: first.step,
    trips: Math.ceil(first.extent / first.step),
    slots,
    steps,
    ops,
    entangled,
    rings: [...new Set([...rings, ...(nested?.rings ?? [])])],
  };
}

/** Slots of a joint and of all within it, by role. */
function slotsBelow(joint: Joint): readonly (readonly [number, readonly number[]])[] {
  const found = new Map<number, number[]>();
  const visit = (j: Joint): void => {
    for (const { role, slot } of j.slots) found.set(role, [...(found.get(role) ?? []), slot]);
    for (const step of j.steps) if (step.kind === "joint") visit(step);
  };
  visit(joint);
  return [...found];
}

const TURNS = ["acquire", "commit", "wait", "release"] as const;

/** Whether each ring's signals stand in one loop, each once and in order. */
function takesTurns(joint: Joint, open: Set<string>): boolean {
  for (const ring of open) {
    const signals = joint.steps.flatMap((s) =>
      s.kind === "leaf" && s.what === "signal" && s.action.ring === ring ? [s.action.what] : [],
    );
    if (signals.length === 0) continue;
    if (signals.length !== TURNS.length || !TURNS.every((what, i) => signals[i] === what)) return false;
    open.delete(ring);
  }
  const nested = joint.steps.find((s) => s.kind === "joint");
  return nested === undefined ? open.size === 0 : takesTurns(nested, open);
}

/** What the nest needs of the engine. */
export interface NestHost {
  readonly lanes: Lanes;
  /** How often each work was done, by its id. */
  readonly done: number[];
  ring(id: string): RingState;
  /** Gives or takes a signal; false where it was not given, which in a nest cannot be. */
  signal(actor: Actor, action: SignalAction): boolean;
  work(actor: Actor, work: Work): void;
}

/** Trips back to which the last state is compared; a ring of two instances can alternate. */
const HISTORY = 4;
/** Numbers that a state may have. */
const STATE_SIZE = 192;

/** Buffers of one loop. */
interface Watch {
  readonly actors: readonly Actor[];
  readonly rings: readonly RingState[];
  readonly states: readonly Float64Array[];
  readonly mark: LaneMark;
  /** Counters at the mark: those of rings, then how often works were done. */
  readonly counters: number[];
  done: readonly number[];
  /** States that were kept since trips are alike. */
  kept: number;
  /** Trips from which on, and up to which, all are alike. */
  end: number;
  markedAt: number;
  period: number;
  sizes: number[];
}

/**
 * Walks a nest for its roles at once. Each signal carries its cycle, so the order in which roles are walked does not
 * matter as long as a signal is given before it is taken. After each trip of a loop the state of everybody in it is
 * written down relative to the array's time; once it is as it was some trips before, and the trips to come are like
 * those, time goes on by so many periods at once: cycles, states, stalls and works are multiplied.
 */
export class NestRunner {
  readonly #root: Joint;
  readonly #actors: readonly Actor[];
  readonly #host: NestHost;
  readonly #watches = new Map<Joint, Watch>();
  readonly #skips: boolean;

  constructor(nest: FoldNest, actors: readonly Actor[], host: NestHost, skips: boolean) {
    this.#root = nest.root;
    this.#actors = actors;
    this.#host = host;
    this.#skips = skips;
  }

  /** All roles go through the nest that they are in, past what they have done of it already. */
  run(): void {
    this.#loop(this.#root);
    for (const actor of this.#actors)
      if (actor.ahead !== 0) internal(`${actor.name} did ${actor.ahead} actions more than its nest has`);
  }

  #loop(joint: Joint): void {
    const actors = this.#actors;
    const watch = this.#skips && !joint.entangled && joint.trips > 4 ? this.#watchOf(joint) : undefined;
    if (watch !== undefined) forget(watch, 0);
    for (let trip = 0; trip < joint.trips; ) {
      this.#set(joint, trip);
      for (const step of joint.steps) {
        if (step.kind === "joint") this.#loop(step);
        else this.#act(step, actors[step.role]!);
      }
      trip++;
      if (watch !== undefined && trip + 2 < joint.trips) trip += this.#skip(joint, watch, trip);
    }
  }

  #set(joint: Joint, trip: number): void {
    for (const { role, slot } of joint.slots) {
      const { env } = this.#actors[role]!.walker;
      env[slot] = trip * joint.step;
      env[slot + 1] = trip;
    }
  }

  #act(leaf: Leaf, actor: Actor): void {
    if (actor.ahead > 0) {
      actor.ahead--;
      return;
    }
    if (leaf.what === "op") this.#host.work(actor, leaf.op.make(actor.walker.env));
    else if (!this.#host.signal(actor, leaf.action)) internal(`${actor.name} waits within a nest`);
  }

  /** Trips that are skipped before `trip`, having been accounted for. */
  #skip(joint: Joint, watch: Watch, trip: number): number {
    if (watch.actors.some((a) => a.ahead > 0)) return 0;
    if (trip >= watch.end) forget(watch, this.#alikeUntil(joint, trip));
    if (watch.end - trip < 2) return 0;
    const period = this.#recurs(watch);
    if (watch.markedAt >= 0 && trip === watch.markedAt + watch.period && period > 0) {
      const times = Math.floor((watch.end - trip) / watch.period);
      if (times > 0) this.#repeat(watch, times);
      const skipped = times * watch.period;
      forget(watch, watch.end);
      return skipped;
    }
    if (watch.markedAt < 0 && period > 0 && watch.end - trip > period) {
      watch.markedAt = trip;
      watch.period = period;
      this.#mark(watch);
    }
    return 0;
  }

  /** The trip before which all are like `trip`; the first trip of a loop is like no other. */
  #alikeUntil(joint: Joint, trip: number): number {
    this.#set(joint, trip);
    let end = joint.trips;
    for (const { role, slot, op } of joint.ops)
      for (const c of op.cases) end = Math.min(end, c.keepsUntil(this.#actors[role]!.walker.env, slot));
    return end;
  }

  /** Keeps the state as it is now; how many trips ago it was the same, or 0. */
  #recurs(watch: Watch): number {
    const slot = watch.kept % HISTORY;
    const state = watch.states[slot]!;
    const size = this.#write(watch, state);
    watch.sizes[slot] = size;
    let period = 0;
    if (size > STATE_SIZE) return period;
    for (let back = 1; back <= Math.min(watch.kept, HISTORY - 1) && period === 0; back++) {
      const other = (watch.kept - back) % HISTORY;
      if (watch.sizes[other] === size && equal(state, watch.states[other]!, size)) period = back;
    }
    watch.kept++;
    return period;
  }

  #write(watch: Watch, into: Float64Array): number {
    const base = watch.actors.at(-1)!.now;
    let at = 0;
    for (const actor of watch.actors) {
      const { now, operandsFree, registersFree, visible, index } = actor;
      into[at++] = now - base;
      into[at++] = Math.max(now, operandsFree) - base;
      into[at++] = Math.max(now, registersFree) - base;
      into[at++] = Math.max(now, visible) - base;
      for (const clocks of clocksOf(actor)) for (let i = 0; i < clocks.length; i++) into[at++] = clocks[i]! - base;
      into[at++] = phaseOf(actor);
      at += this.#host.lanes.writeWaiting(index, base, into, at);
    }
    for (const { ring, committed, commitTimes, consumers } of watch.rings) {
      for (let i = 1; i <= ring.depth; i++) into[at++] = commitTimes[(committed + ring.depth - i) % ring.depth]! - base;
      for (const { released, releaseTimes } of consumers)
        for (let i = 1; i <= ring.depth; i++)
          into[at++] = releaseTimes[(released + ring.depth - i) % ring.depth]! - base;
    }
    return at;
  }

  #mark(watch: Watch): void {
    this.#host.lanes.mark(watch.mark);
    watch.done = this.#host.done.slice();
    watch.counters.length = 0;
    for (const actor of watch.actors) watch.counters.push(actor.now);
    for (const { acquired, committed, freed, consumers } of watch.rings) {
      watch.counters.push(acquired, committed, freed);
      for (const { waited, released } of consumers) watch.counters.push(waited, released);
    }
  }

  /** What has happened since the mark happens `times` times more. */
  #repeat(watch: Watch, times: number): void {
    const { done, lanes } = this.#host;
    const cycles = watch.actors[0]!.now - watch.counters[0]!;
    lanes.again(watch.mark, cycles, times);
    for (let id = 0; id < done.length; id++) done[id] = (done[id] ?? 0) * (times + 1) - times * (watch.done[id] ?? 0);
    const later = times * cycles;
    for (const actor of watch.actors) postpone(actor, later);
    let at = watch.actors.length;
    const more = (now: number): number => times * (now - watch.counters[at++]!);
    for (const state of watch.rings) {
      const { depth } = state.ring;
      state.acquired += more(state.acquired);
      const committed = more(state.committed);
      rotate(state.commitTimes, state.committed, committed, depth, later);
      state.committed += committed;
      state.freed += more(state.freed);
      for (const consumer of state.consumers) {
        consumer.waited += more(consumer.waited);
        const released = more(consumer.released);
        rotate(consumer.releaseTimes, consumer.released, released, depth, later);
        consumer.released += released;
      }
    }
  }

  #watchOf(joint: Joint): Watch {
    const known = this.#watches.get(joint);
    if (known !== undefined) return known;
    const actors = joint.slots.map(({ role }) => this.#actors[role]!);
    const watch: Watch = {
      actors,
      rings: joint.rings.map((ring) => this.#host.ring(ring)),
      states: Array.from({ length: HISTORY }, () => new Float64Array(STATE_SIZE)),
      mark: this.#host.lanes.newMark(actors.map((a) => a.index)),
      counters: [],
      done: [],
      kept: 0,
      end: 0,
      markedAt: -1,
      period: 0,
      sizes: [],
    };
    this.#watches.set(joint, watch);
    return watch;
  }
}

function forget(watch: Watch, end: number): void {
  watch.end = end;
  watch.kept = 0;
  watch.markedAt = -1;
}

function equal(a: Float64Array, b: Float64Array, size: number): boolean {
  for (let i = 0; i < size; i++) if (a[i] !== b[i]) return false;
  return true;
}
