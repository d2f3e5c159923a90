/** Blocks that repeat: once the whole machine is as it was some trips of a block loop ago, the trips to come are not stepped. */
import { type Actor, clocksOf, phaseOf, postpone, type RingState, rotate } from "./actors.ts";
import type { LaneMark, Lanes } from "./lanes.ts";
import type { SteadyDram } from "./memory/dram.ts";

/** What is repeated of the engine. */
export interface BlockHost {
  readonly actors: readonly Actor[];
  /** The role whose block loops are watched. */
  readonly array: Actor;
  readonly rings: readonly RingState[];
  readonly lanes: Lanes;
  readonly memory: SteadyDram;
  readonly dramLane: number;
  /** How often each work was done, by its id. */
  readonly done: number[];
  readonly crossed: { read: number; write: number };
}

/** The machine at the beginning of a trip. Times are absolute: who has not moved since then has not changed. */
interface Sample {
  trip: number;
  now: number;
  readonly moves: Float64Array;
  readonly places: Float64Array;
  readonly phases: Float64Array;
  readonly envs: readonly Float64Array[];
  readonly times: readonly Float64Array[];
  readonly blocked: unknown[];
  readonly requests: unknown[];
  readonly left: Float64Array;
  readonly waiting: readonly Float64Array[];
  readonly waitingSizes: Float64Array;
  readonly counters: readonly Float64Array[];
  readonly ringTimes: readonly Float64Array[];
  free: number;
  last: number;
  read: number;
  write: number;
  done: readonly number[];
  readonly marks: readonly LaneMark[];
}

/** A block loop, watched over the trips of which nothing outside it changes. */
interface Level {
  readonly name: string;
  readonly slot: number;
  readonly samples: readonly Sample[];
  kept: number;
}

const HISTORY = 3;
/** Numbers that the stalls of a lane may take that wait for the array. */
const WAITING_SIZE = 512;

/** Watches the block loops of one run. */
export class BlockRepeats {
  readonly #host: BlockHost;
  readonly #levels: readonly Level[];
  readonly #trips: Float64Array;

  /** `loops`: names of the array's loops around its nest, the outermost first. */
  constructor(host: BlockHost, loops: readonly string[]) {
    this.#host = host;
    this.#levels = loops.map((name) => ({
      name,
      slot: host.array.walker.loops.get(name)!.slot,
      samples: Array.from({ length: HISTORY }, () => newSample(host)),
      kept: 0,
    }));
    this.#trips = new Float64Array(loops.length).fill(-1);
  }

  /** Everybody has come to a nest of folds, and nobody can go on: the one place at which time may be skipped. */
  atNest(): void {
    const { env } = this.#host.array.walker;
    const outermost = this.#levels.findIndex(({ slot }, i) => env[slot + 1] !== this.#trips[i]);
    if (outermost < 0) return;
    this.#levels.forEach((level, i) => {
      this.#trips[i] = env[level.slot + 1]!;
      if (i > outermost) level.kept = 0;
    });
    const level = this.#levels[outermost]!;
    this.#take(level.samples[level.kept % HISTORY]!, level);
    level.kept++;
    for (let back = 1; back < Math.min(level.kept, HISTORY); back++) if (this.#repeat(level, back)) return;
  }

  #take(sample: Sample, { slot }: Level): void {
    const { actors, array, rings, lanes, memory, done, crossed } = this.#host;
    sample.trip = array.walker.env[slot + 1]!;
    sample.now = array.now;
    actors.forEach((actor, i) => {
      const { walker, request } = actor;
      sample.moves[i] = actor.moves;
      sample.places[i] = walker.at();
      sample.envs[i]!.set(walker.env);
      const times = sample.times[i]!;
      times[0] = actor.now;
      times[1] = Math.max(actor.now, actor.operandsFree);
      times[2] = Math.max(actor.now, actor.registersFree);
      times[3] = Math.max(actor.now, actor.visible);
      let at = 4;
      for (const clocks of clocksOf(actor)) {
        times.set(clocks, at);
        at += clocks.length;
      }
      sample.phases[i] = phaseOf(actor);
      sample.blocked[i] = actor.blocked;
      sample.requests[i] = request?.work;
      sample.left[i] = request?.left ?? 0;
      sample.waitingSizes[i] = lanes.writeWaiting(actor.index, array.now, sample.waiting[i]!, 0);
    });
    for (const [i, state] of rings.entries()) writeRing(state, sample.counters[i]!, sample.ringTimes[i]!);
    sample.free = memory.free();
    sample.last = memory.last();
    sample.read = crossed.read;
    sample.write = crossed.write;
    sample.done = done.slice();
    for (const mark of sample.marks) lanes.mark(mark);
  }

  /** Goes on by as many periods as are alike, if the last `back` trips were one; true where it did. */
  #repeat(level: Level, back: number): boolean {
    const now = level.samples[(level.kept - 1) % HISTORY]!;
    const then = level.samples[(level.kept - 1 - back) % HISTORY]!;
    const period = now.now - then.now;
    const trips = now.trip - then.trip;
    if (period <= 0 || trips <= 0 || !this.#sameMemory(now, then, period)) return false;
    let times = Number.POSITIVE_INFINITY;
    for (const i of this.#host.actors.keys()) {
      times = Math.min(times, this.#timesOf(i, level, now, then, period, trips));
      if (times < 1) return false;
    }
    for (const i of this.#host.rings.keys()) if (!sameRing(now, then, i, period)) return false;
    this.#skip(level, now, then, period, trips, times);
    level.kept = 0;
    return true;
  }

  #sameMemory(now: Sample, then: Sample, period: number): boolean {
    const served = now.read !== then.read || now.write !== then.write;
    return served ? now.free - then.free === period && now.last === then.last : now.free === then.free;
  }

  /** How many periods an actor can repeat what it has done in the last one; 0 where it is not as it was. */
  #timesOf(i: number, { name }: Level, now: Sample, then: Sample, period: number, trips: number): number {
    const actor = this.#host.actors[i]!;
    if (now.moves[i] === then.moves[i]) return actor.request === undefined ? Number.POSITIVE_INFINITY : 0;
    const loop = actor.walker.loops.get(name);
    if (loop === undefined || now.places[i] !== then.places[i] || now.phases[i] !== then.phases[i]) return 0;
    if (now.blocked[i] !== then.blocked[i] || now.requests[i] !== then.requests[i] || now.left[i] !== then.left[i])
      return 0;
    if (!shifted(now.times[i]!, then.times[i]!, period)) return 0;
    const size = now.waitingSizes[i]!;
    if (size !== then.waitingSizes[i] || size >= WAITING_SIZE) return 0;
    for (let j = 0; j < size; j++) if (now.waiting[i]![j] !== then.waiting[i]![j]) return 0;
    const [env, before] = [now.envs[i]!, then.envs[i]!];
    for (let slot = 0; slot < env.length; slot++)
      if (slot !== loop.slot && slot !== loop.slot + 1 && env[slot] !== before[slot]) return 0;
    const [trip, first] = [env[loop.slot + 1]!, before[loop.slot + 1]!];
    // The first trip of a loop begins sums and is like no other.
    if (first < 1 || trip - first !== trips) return 0;
    return Math.floor((this.#alikeUntil(actor, loop.slot, loop.trips, before) - 1 - trip) / trips);
  }

  /** The trip before which all works of an actor are those of the trip in `env`. */
  #alikeUntil({ walker }: Actor, slot: number, trips: number, env: Float64Array): number {
    let end = trips;
    const scratch = env.slice();
    for (const op of walker.ops) for (const c of op.cases) end = Math.min(end, c.keepsThroughout(scratch, slot));
    return end;
  }

  #skip({ name }: Level, now: Sample, then: Sample, period: number, trips: number, times: number): void {
    const { actors, rings, lanes, memory, done, crossed, dramLane } = this.#host;
    const later = times * period;
    // The array's lane is the last of the marks: the others are laid over what it did before.
    const order = [...actors.keys()].sort((a, b) => rank(actors[a]!, this.#host) - rank(actors[b]!, this.#host));
    if (now.read !== then.read || now.write !== then.write) {
      lanes.again(then.marks[actors.length]!, lanes.at(dramLane) - then.marks[actors.length]!.booked[0]!, times);
      memory.extend(memory.last(), later);
      crossed.read += times * (now.read - then.read);
      crossed.write += times * (now.write - then.write);
    }
    for (const i of order) {
      if (now.moves[i] === then.moves[i]) continue;
      const actor = actors[i]!;
      lanes.again(then.marks[i]!, period, times);
      postpone(actor, later);
      const { slot, step } = actor.walker.loops.get(name)!;
      actor.walker.env[slot]! += times * trips * step;
      actor.walker.env[slot + 1]! += times * trips;
    }
    for (let id = 0; id < done.length; id++)
      done[id] = (done[id] ?? 0) + times * ((now.done[id] ?? 0) - (then.done[id] ?? 0));
    for (const [i, state] of rings.entries()) moveRing(state, now.counters[i]!, then.counters[i]!, later, times);
    this.#levels.forEach((level, i) => {
      this.#trips[i] = this.#host.array.walker.env[level.slot + 1]!;
    });
  }
}

const rank = (actor: Actor, host: BlockHost): number => (actor === host.array ? 1 : 0);

function newSample({ actors, rings, lanes, dramLane }: BlockHost): Sample {
  return {
    trip: 0,
    now: 0,
    moves: new Float64Array(actors.length),
    places: new Float64Array(actors.length),
    phases: new Float64Array(actors.length),
    envs: actors.map((a) => new Float64Array(a.walker.env.length)),
    times: actors.map((a) => new Float64Array(4 + clocksOf(a).reduce((sum, c) => sum + c.length, 0))),
    blocked: [],
    requests: [],
    left: new Float64Array(actors.length),
    waiting: actors.map(() => new Float64Array(WAITING_SIZE)),
    waitingSizes: new Float64Array(actors.length),
    counters: rings.map((r) => new Float64Array(3 + 2 * r.consumers.length)),
    ringTimes: rings.map((r) => new Float64Array(r.ring.depth * (1 + r.consumers.length))),
    free: 0,
    last: -1,
    read: 0,
    write: 0,
    done: [],
    marks: [...actors.map((a) => lanes.newMark([a.index])), lanes.newMark([dramLane])],
  };
}

/** Signals given so far, and their times with the last one first. */
function writeRing(
  { ring, acquired, committed, freed, commitTimes, consumers }: RingState,
  counters: Float64Array,
  times: Float64Array,
): void {
  const { depth } = ring;
  counters[0] = acquired;
  counters[1] = committed;
  counters[2] = freed;
  for (let i = 0; i < depth; i++) times[i] = commitTimes[(committed + depth - 1 - i) % depth]!;
  consumers.forEach(({ waited, released, releaseTimes }, c) => {
    counters[3 + 2 * c] = waited;
    counters[4 + 2 * c] = released;
    for (let i = 0; i < depth; i++) times[depth * (c + 1) + i] = releaseTimes[(released + depth - 1 - i) % depth]!;
  });
}

/** Whether a ring has done nothing, or stands as it stood, `period` cycles later. */
function sameRing(now: Sample, then: Sample, i: number, period: number): boolean {
  const [counters, before] = [now.counters[i]!, then.counters[i]!];
  const more = counters[0]! - before[0]!;
  for (let j = 1; j < counters.length; j++) if (counters[j]! - before[j]! !== more) return false;
  const [times, old] = [now.ringTimes[i]!, then.ringTimes[i]!];
  return more === 0 ? times.every((t, j) => t === old[j]) : shifted(times, old, period);
}

function shifted(now: Float64Array, then: Float64Array, period: number): boolean {
  for (let i = 0; i < now.length; i++) if (now[i]! - then[i]! !== period) return false;
  return true;
}

function moveRing(state: RingState, now: Float64Array, then: Float64Array, later: number, times: number): void {
  const { depth } = state.ring;
  const more = times * (now[0]! - then[0]!);
  if (more === 0) return;
  rotate(state.commitTimes, state.committed, more, depth, later);
  state.acquired += more;
  state.committed += more;
  state.freed += more;
  for (const consumer of state.consumers) {
    rotate(consumer.releaseTimes, consumer.released, more, depth, later);
    consumer.waited += more;
    consumer.released += more;
  }
}
