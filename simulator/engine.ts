/** The engine: plays the roles of a machine program against its units. */
import { partsOf } from "../hw-models/derive.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import { Diagnostics, internal, NO_SPAN } from "../ir/diagnostics.ts";
import type { Program } from "../ir/program.ts";
import { type Actions, countWorks, peCyclesPerMac } from "./actions.ts";
import { type Actor, consumerOf, makeRing, type RingState, whereIs } from "./actors.ts";
import { BlockRepeats } from "./block-repeats.ts";
import type { Stall } from "./exposure.ts";
import { joinNests, NestRunner } from "./fold-nest.ts";
import { type Issue, type NestLoop, type OpInfo, prepare, type SignalAction, type Walker, type Work } from "./issue.ts";
import { type Lanes, makeLanes, NULL_RECORDER, type Piece, type Recorder } from "./lanes.ts";
import { type Dram, dram, type Served, type SteadyDram } from "./memory/dram.ts";
import { overfilled } from "./memory/sram.ts";
import { busy, IDLE, type StallCause, type StateTable, stalled } from "./states.ts";
import { nextBurst, transferOf } from "./units/dma.ts";
import { type Player, playersOf } from "./units/index.ts";

const LOAD = busy("load");
const STORE = busy("store");
const READ = busy("read");
const WRITE = busy("write");
const DRAM_BANDWIDTH = stalled("dram-bandwidth");
const DRAM_LATENCY = stalled("dram-latency");
const DRAM_ROW = stalled("dram-row");
const DRAM_REFRESH = stalled("dram-refresh");
const DRAM_TURN = stalled("dram-turn");

export interface Run {
  readonly cycles: number;
  readonly units: Readonly<Record<string, StateTable>>;
  readonly stalls: readonly Stall[];
  readonly actions: Actions;
  readonly ops: readonly OpInfo[];
  /** Lane names in the recorder's numbering. */
  readonly lanes: readonly string[];
}

/** The lanes of a machine: all units that are in a state, in the model's order. */
export function lanesOf(machine: AcceleratorModel): readonly string[] {
  return machine.units.filter((u) => u.kind !== "sram").map((u) => u.name);
}

/** Fewer rounds than these are sooner served one by one. */
const MIN_ROUNDS = 4;

/** The roles that walk their loops over folds together. */
interface Nest {
  readonly actors: readonly Actor[];
  readonly runner: NestRunner;
  readonly repeats: BlockRepeats | undefined;
}

/** Runs a machine program that `tileMachine` made: every cycle and byte is accounted for, or it is our bug. */
export function runProgram(program: Program, machine: AcceleratorModel, recorder: Recorder = NULL_RECORDER): Run {
  const sink = new Diagnostics();
  return tryProgram(program, machine, sink, recorder) ?? internal(sink.list.map((d) => d.message).join("; "));
}

/**
 * Runs any machine program. What is wrong with a program that somebody else made is reported: `simulate/capacity` where
 * it overfills a buffer, `simulate/deadlock` with the state of every unit where they wait for each other.
 */
export function tryProgram(
  program: Program,
  machine: AcceleratorModel,
  sink: Diagnostics,
  recorder: Recorder = NULL_RECORDER,
): Run | undefined {
  const span = program.body[0]?.span ?? NO_SPAN;
  const full = overfilled(program, machine);
  for (const { buffer, bytes } of full)
    sink.error(
      "simulate/capacity",
      span,
      `${program.name} keeps ${bytes} bytes in ${buffer.name} of ${machine.name}, which has ${buffer.capacityBytes}`,
    );
  if (full.length > 0) return undefined;
  const run = new Engine(program, machine, recorder).run();
  if (!("stuck" in run)) return run;
  const notes = run.stuck.map((message) => ({ message }));
  sink.error("simulate/deadlock", span, `the units of ${machine.name} wait for each other in ${program.name}`, notes);
  return undefined;
}

/**
 * The state of one run. Roles share nothing but rings and the off-chip memory. Signals carry the cycle in which they
 * take effect, so every role runs ahead at its own time for as long as the signals that it needs have been given; only
 * requests to the memory are put in the order of time, which is safe once no role can go on without one: whatever
 * comes later follows from a request not yet served.
 */
class Engine {
  readonly #issue: Issue;
  readonly #lanes: Lanes;
  readonly #recorder: Recorder;
  readonly #memory: Dram;
  readonly #rings: ReadonlyMap<string, RingState>;
  readonly #actors: readonly Actor[];
  readonly #byName: ReadonlyMap<string, Actor>;
  readonly #channels: readonly Actor[];
  readonly #ready: Actor[] = [];
  readonly #turns: Actor[] = [];
  readonly #dramName: string;
  readonly #dramLane: number;
  readonly #memories: readonly string[];
  readonly #feeders: readonly string[];
  readonly #cyclesPerMac: number;
  readonly #nest: Nest | undefined;
  /** How often each work was done, by its id. */
  readonly #done: number[] = [];
  /** Bytes that crossed the memory's interface, counted where they cross. */
  readonly #crossed = { read: 0, write: 0 };

  constructor(program: Program, machine: AcceleratorModel, recorder: Recorder) {
    this.#issue = prepare(program);
    const names = lanesOf(machine);
    this.#recorder = recorder;
    const parts = partsOf(machine);
    this.#lanes = makeLanes(names, recorder, names.indexOf(parts.array.name));
    this.#memory = dram(parts.dram, machine.clockMHz);
    this.#dramName = parts.dram.name;
    this.#dramLane = names.indexOf(parts.dram.name);
    this.#memories = machine.units.filter((u) => u.kind === "dram" || u.kind === "sram").map((u) => u.name);
    this.#feeders = machine.units.filter((u) => u.kind === "feeder").map((u) => u.name);
    this.#rings = new Map(program.rings.map((ring) => [ring.id, makeRing(ring)]));
    const players = playersOf(machine, program);
    this.#cyclesPerMac = peCyclesPerMac(parts.array, program);
    this.#actors = this.#issue.roles.map((role) => {
      const name = role.unit ?? role.name;
      const player = players.get(name) ?? internal(`${machine.name} has no unit ${name}`);
      return this.#actor(name, names.indexOf(name), player, this.#issue.walker(role));
    });
    this.#channels = this.#actors.filter((a) => a.player.kind === "channel");
    this.#byName = new Map(this.#actors.map((a) => [a.name, a]));
    this.#nest = this.#makeNest(recorder === NULL_RECORDER);
  }

  /** Roles with loops over folds walk them together, if those are made for it. */
  #makeNest(skips: boolean): Nest | undefined {
    const parts = this.#issue.roles.flatMap((role) => {
      const loop = this.#issue.nestOf(role);
      return loop === undefined ? [] : [{ name: role.unit ?? role.name, loop }];
    });
    const ring = (id: string): RingState => this.#rings.get(id) ?? internal(`no ring ${id}`);
    const nest = joinNests(
      parts,
      (id) => ring(id).ring.producer,
      (id) => ring(id).ring.consumers,
    );
    if (nest === undefined) return undefined;
    const actors = nest.roles.map((name) => this.#byName.get(name)!);
    const host = {
      lanes: this.#lanes,
      done: this.#done,
      ring,
      signal: (actor: Actor, action: SignalAction) => this.#signal(actor, action),
      work: (actor: Actor, work: Work) => this.#work(actor, work),
    };
    const runner = new NestRunner(nest, actors, host, skips);
    const { steady } = this.#memory;
    const repeats =
      skips && steady !== undefined ? this.#makeRepeats(actors.at(-1)!, parts.at(-1)!.loop, steady) : undefined;
    return { actors, runner, repeats };
  }

  #makeRepeats(array: Actor, nest: NestLoop, memory: SteadyDram): BlockRepeats {
    const names = [...array.walker.loops.keys()];
    const around = names.slice(0, names.indexOf(nest.name));
    const host = {
      actors: this.#actors,
      array,
      rings: [...this.#rings.values()],
      lanes: this.#lanes,
      memory,
      dramLane: this.#dramLane,
      done: this.#done,
      crossed: this.#crossed,
    };
    return new BlockRepeats(host, around);
  }

  #actor(name: string, index: number, player: Player, walker: Walker): Actor {
    const lanes = this.#lanes;
    const actor: Actor = {
      name,
      index,
      player,
      walker,
      lane: { fill: (until, state) => lanes.fill(index, until, state, actor.op) },
      now: 0,
      blocked: undefined,
      request: undefined,
      done: false,
      operandsFree: 0,
      registersFree: 0,
      visible: 0,
      op: -1,
      nests: 0,
      inNest: false,
      parked: false,
      ahead: 0,
      moves: 0,
    };
    return actor;
  }

  /** The run, or what every unit was doing when none of them could go on. */
  run(): Run | { readonly stuck: readonly string[] } {
    for (const actor of this.#actors) this.#advance(actor);
    for (;;) {
      for (let actor = this.#ready.pop(); actor !== undefined; actor = this.#ready.pop()) this.#advance(actor);
      if (this.#throughNest()) continue;
      const asking = this.#asking();
      const [first] = asking;
      if (first === undefined) break;
      if (asking.length > 1 && this.#memory.steady !== undefined) this.#serveRounds(asking, this.#memory.steady);
      // Alone, a channel finishes its transfer before anybody else can ask: all others wait for what follows from it.
      this.#serve(first, asking.length === 1);
    }
    const stuck = this.#actors.filter((a) => !a.done);
    if (stuck.length > 0) return { stuck: this.#actors.map((a) => whereIs(a, this.#rings)) };
    const cycles = Math.max(...this.#actors.map((a) => Math.max(a.now, a.visible)));
    const actions = this.#actions(cycles);
    this.#checkBytes(actions);
    return { cycles, ...this.#lanes.close(cycles), actions, ops: this.#issue.ops, lanes: this.#lanes.names };
  }

  /** Lets a role go on until it waits for a signal or for the memory, or ends. */
  #advance(actor: Actor): void {
    for (;;) {
      const action = actor.blocked ?? actor.walker.next();
      if (action === undefined) {
        this.#end(actor);
        return;
      }
      if (action.kind === "nest") {
        actor.inNest = action.what === "enter";
        actor.ahead = 0;
        if (action.what === "leave") continue;
        actor.nests++;
        actor.parked = this.#nest?.actors.includes(actor) ?? false;
        if (actor.parked) return;
      } else if (action.kind === "signal") {
        const given = this.#signal(actor, action);
        actor.blocked = given ? undefined : action;
        if (!given) return;
        actor.moves++;
        actor.ahead++;
      } else {
        actor.moves++;
        actor.ahead++;
        this.#work(actor, action);
        if (actor.request !== undefined) return;
      }
    }
  }

  #work(actor: Actor, work: Work): void {
    this.#done[work.id] = (this.#done[work.id] ?? 0) + 1;
    actor.op = work.op.index;
    if (actor.player.kind === "channel") {
      const { bytes, store } = transferOf(work);
      const address = actor.walker.address();
      if (bytes > 0) actor.request = { work, store, left: bytes, address, seen: actor.now };
      return;
    }
    const { unit } = actor.player;
    unit.play(work, actor.now, actor.lane);
    const { times } = unit;
    const { rows, columns, time } = work;
    if (work.macs > 0) this.#recorder.fold?.(times.next, time, rows, columns, !work.foldStart);
    actor.now = times.next;
    actor.operandsFree = times.operandsFree;
    actor.registersFree = times.registersFree;
    if (times.visible > actor.visible) actor.visible = times.visible;
  }

  /**
   * All roles of the nest that have come to it walk it together. While one is missing, the others go on by themselves,
   * as far as they get: what they ask of the memory may come before what the missing one waits for.
   */
  #throughNest(): boolean {
    if (this.#nest === undefined) return false;
    const { actors, runner, repeats } = this.#nest;
    const [first] = actors;
    if (actors.every((a) => a.inNest && a.nests === first!.nests)) {
      repeats?.atNest();
      for (const actor of actors) {
        actor.blocked = undefined;
        actor.parked = false;
      }
      runner.run();
      for (const actor of actors) {
        actor.inNest = false;
        actor.moves++;
        actor.walker.leaveNest();
      }
      this.#ready.push(...actors);
      return true;
    }
    const parked = actors.filter((a) => a.parked);
    for (const actor of parked) actor.parked = false;
    this.#ready.push(...parked);
    return parked.length > 0;
  }

  /** One request of a channel, or all of a transfer; the next one is made when its bytes have crossed the interface. */
  #serve(actor: Actor, alone: boolean): void {
    const { request, player, index } = actor;
    if (request === undefined || player.kind !== "channel") internal(`${actor.name} asks for nothing`);
    const { store, work } = request;
    const { bytes, requests } = nextBurst(player.spec, request.left, alone);
    const { now } = actor;
    const { seen, address } = request;
    const served = this.#memory.serve({ channel: index, bytes, requests, now, seen, address, store });
    const { begin, end, behind } = served;
    this.#crossed[store ? "write" : "read"] += bytes * requests;
    request.address += bytes * requests;
    request.seen = now;
    const op = work.op.index;
    this.#lanes.fill(index, begin, DRAM_BANDWIDTH, op, behind);
    this.#lanes.fill(this.#dramLane, begin, IDLE);
    this.#lose(index, begin, op, served);
    this.#lose(this.#dramLane, begin, op, served);
    this.#lanes.fill(index, end, store ? STORE : LOAD, op);
    this.#lanes.fill(this.#dramLane, end, store ? WRITE : READ, op);
    actor.now = end;
    actor.moves++;
    request.left -= bytes * requests;
    if (request.left > 0) return;
    actor.request = undefined;
    actor.operandsFree = end;
    actor.visible = Math.max(actor.visible, store ? end : end + this.#memory.latency);
    this.#ready.push(actor);
  }

  /** Cycles in which a request's data do not pass, before those in which they do. */
  #lose(lane: number, from: number, op: number, { row, refresh, turn, latency }: Served): void {
    let at = from;
    for (const [state, cycles] of [
      [DRAM_ROW, row],
      [DRAM_REFRESH, refresh],
      [DRAM_TURN, turn],
      [DRAM_LATENCY, latency],
    ] as const) {
      at += cycles;
      this.#lanes.fill(lane, at, state, op);
    }
  }

  /** Channels with a request, in the order of time and, within a cycle, of the program's roles. */
  #asking(): readonly Actor[] {
    const asking = this.#turns;
    asking.length = 0;
    for (const actor of this.#channels) {
      if (actor.request === undefined) continue;
      let at = asking.length;
      while (at > 0 && asking[at - 1]!.now > actor.now) at--;
      asking.splice(at, 0, actor);
    }
    return asking;
  }

  /** Whole requests that all of these have before their last one. */
  #commonRounds(asking: readonly Actor[]): number {
    let rounds = Number.POSITIVE_INFINITY;
    for (const { request, player } of asking)
      if (request !== undefined && player.kind === "channel")
        rounds = Math.min(rounds, Math.ceil(request.left / player.spec.requestBytes) - 1);
    return rounds;
  }

  /**
   * Channels that have just been served one behind the other, with requests of one length, go on in turns until one of
   * them comes to its last request: so many rounds at once. Elsewhere it does nothing.
   */
  #serveRounds(asking: readonly Actor[], memory: SteadyDram): void {
    const rounds = this.#commonRounds(asking);
    if (rounds < MIN_ROUNDS) return;
    const turns = asking.map((actor) => {
      const { request, player } = actor;
      if (request === undefined || player.kind !== "channel") internal(`${actor.name} asks for nothing`);
      return { actor, request, bytes: player.spec.requestBytes };
    });
    const each = memory.cycles(turns[0]!.bytes);
    const free = memory.free();
    const waits = (turns.length - 1) * each;
    const inTurn = turns.every(
      ({ actor, bytes }, i) => memory.cycles(bytes) === each && actor.now === free - waits + i * each,
    );
    if (!inTurn || each === 0) return;
    const onInterface: Piece[] = [];
    turns.forEach(({ actor, request, bytes }, i) => {
      const { store, work } = request;
      const before = turns[(i + turns.length - 1) % turns.length]!.actor.index;
      const piece = { cycles: each, op: work.op.index, culprit: -1 };
      const waiting = { cycles: waits, state: DRAM_BANDWIDTH, op: work.op.index, culprit: before };
      this.#lanes.repeat(actor.index, [waiting, { ...piece, state: store ? STORE : LOAD }], rounds);
      onInterface.push({ ...piece, state: store ? WRITE : READ });
      this.#crossed[store ? "write" : "read"] += rounds * bytes;
      request.left -= rounds * bytes;
      request.address += rounds * bytes;
      actor.now += rounds * turns.length * each;
      actor.moves++;
    });
    this.#lanes.repeat(this.#dramLane, onInterface, rounds);
    memory.extend(turns.at(-1)!.actor.index, rounds * turns.length * each);
  }

  /** Gives a signal, or takes one that has been given; false where it has not been given yet. */
  #signal(actor: Actor, action: SignalAction): boolean {
    const state = this.#rings.get(action.ring) ?? internal(`no ring ${action.ring}`);
    const { depth, producer } = state.ring;
    switch (action.what) {
      case "acquire": {
        const before = state.acquired - depth;
        let free = 0;
        for (const consumer of state.consumers) {
          if (before >= consumer.released) return false;
          if (before >= 0) free = Math.max(free, consumer.releaseTimes[before % depth]!);
        }
        state.acquired++;
        this.#awaited(actor, action, free, state.consumers[0]?.name ?? producer);
        this.#recorder.instance?.(action.ring, actor.now, 1);
        return true;
      }
      case "wait": {
        const consumer = consumerOf(state, actor.name);
        if (consumer.waited >= state.committed) return false;
        const filled = state.commitTimes[consumer.waited++ % depth]!;
        this.#awaited(actor, action, filled, producer);
        return true;
      }
      case "commit":
        state.commitTimes[state.committed++ % depth] = Math.max(actor.now, actor.visible);
        for (const consumer of state.consumers) this.#wake(consumer.name);
        return true;
      case "release": {
        const consumer = consumerOf(state, actor.name);
        const free = this.#issue.registerRings.has(action.ring) ? actor.registersFree : actor.operandsFree;
        consumer.releaseTimes[consumer.released++ % depth] = Math.max(actor.now, free);
        this.#freed(state);
        this.#wake(producer);
        return true;
      }
    }
  }

  /** An instance is free once its last consumer has given it back. */
  #freed(state: RingState): void {
    const { consumers, ring } = state;
    if (consumers.some((c) => c.released <= state.freed)) return;
    const at = state.freed++ % ring.depth;
    this.#recorder.instance?.(ring.id, Math.max(...consumers.map((c) => c.releaseTimes[at]!)), -1);
  }

  #wake(name: string): void {
    const actor = this.#byName.get(name);
    if (actor?.blocked !== undefined && !this.#ready.includes(actor)) this.#ready.push(actor);
  }

  /** The role stood still until a signal took effect: cycles lost to the ring's other side, less what it did itself. */
  #awaited(actor: Actor, action: SignalAction, until: number, culprit: string): void {
    if (until <= actor.now) return;
    if (actor.player.kind === "unit") actor.player.unit.settle(actor.now, until, actor.lane);
    const cause = stalled(this.#cause(action));
    this.#lanes.fill(actor.index, until, cause, actor.op, this.#byName.get(culprit)?.index ?? -1);
    actor.now = until;
  }

  #cause(action: SignalAction): StallCause {
    if (action.what === "wait") return `operand-${this.#issue.ringOperand.get(action.ring) ?? "result"}`;
    return action.ring === "accumulator" ? "accumulator" : "buffer-full";
  }

  /** The role has nothing more to do; what it started may still be under way. */
  #end(actor: Actor): void {
    actor.done = true;
    const end = Math.max(actor.now, actor.visible);
    if (actor.player.kind === "unit") actor.player.unit.settle(actor.now, end, actor.lane);
    actor.lane.fill(end, actor.player.kind === "unit" ? actor.player.unit.tail : DRAM_LATENCY);
  }

  #actions(cycles: number): Actions {
    const names = { dram: this.#dramName, memories: this.#memories, feeders: this.#feeders };
    const counts = countWorks(this.#issue.works, this.#done, names);
    return { ...counts, peCycles: counts.macs * this.#cyclesPerMac, dram: this.#memory.counts(cycles) };
  }

  /** What works ask for has crossed the interface, byte for byte. */
  #checkBytes(actions: Actions): void {
    const asked = actions.memory[this.#dramName] ?? { readBytes: 0, writeBytes: 0 };
    const { read, write } = this.#crossed;
    if (asked.readBytes === read && asked.writeBytes === write) return;
    internal(
      `${read} and ${write} bytes crossed the interface; ${asked.readBytes} and ${asked.writeBytes} were asked for`,
    );
  }
}
