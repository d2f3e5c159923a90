/** The engine: plays the roles of a machine program against its units, from event to event. */
import { partsOf } from "../hw-models/derive.ts";
import type { AcceleratorModel } from "../hw-models/schema.ts";
import { internal } from "../ir/diagnostics.ts";
import type { Program, Ring } from "../ir/program.ts";
import { type Action, type OpInfo, prepare, type SignalAction, type Work } from "./issue.ts";
import { type Lanes, makeLanes, NULL_RECORDER, type Recorder } from "./lanes.ts";
import { dram } from "./memory/dram.ts";
import { type Access, checkCapacity } from "./memory/sram.ts";
import { EventQueue } from "./queue.ts";
import { busy, type StallCause, type StateTable, stalled } from "./states.ts";
import { nextRequest, transferOf } from "./units/dma.ts";
import { type Player, playersOf } from "./units/index.ts";

const LOAD = busy("load");
const STORE = busy("store");
const READ = busy("read");
const WRITE = busy("write");
const DRAM_BANDWIDTH = stalled("dram-bandwidth");
const DRAM_LATENCY = stalled("dram-latency");

/** What units did, as counts: energy is these times a table. */
export interface Actions {
  readonly macs: number;
  /** Codes decoded, by feeder. */
  readonly codes: Readonly<Record<string, number>>;
  /** Values mapped by the vector unit. */
  readonly mapped: number;
  /** By memory: the off-chip memory and every buffer. */
  readonly memory: Readonly<Record<string, Access>>;
}

export interface Run {
  readonly cycles: number;
  readonly units: Readonly<Record<string, StateTable>>;
  readonly actions: Actions;
  readonly ops: readonly OpInfo[];
  /** Lane names in the recorder's numbering. */
  readonly lanes: readonly string[];
}

/** The lanes of a machine: all units that are in a state, in the model's order. */
export function lanesOf(machine: AcceleratorModel): readonly string[] {
  return machine.units.filter((u) => u.kind !== "sram").map((u) => u.name);
}

interface RingState {
  readonly ring: Ring;
  acquired: number;
  committed: number;
  readonly waited: Map<string, number>;
  readonly released: Map<string, number>;
}

/** One role on its way through its actions. */
interface Actor {
  readonly name: string;
  readonly lane: number;
  readonly player: Player;
  readonly actions: Generator<Action, void>;
  /** The signal that holds it up. */
  blocked: SignalAction | undefined;
  done: boolean;
  operandsFree: number;
  registersFree: number;
  visible: number;
  lastOp: number;
}

/** Runs a machine program; every cycle of every unit and every byte is accounted for, or it is our bug. */
export function runProgram(program: Program, machine: AcceleratorModel, recorder: Recorder = NULL_RECORDER): Run {
  checkCapacity(program, machine);
  return new Engine(program, machine, recorder).run();
}

/** The state of one run. */
class Engine {
  readonly #dramName: string;
  readonly #issue: ReturnType<typeof prepare>;
  readonly #lanes: Lanes;
  readonly #queue = new EventQueue();
  readonly #memory: ReturnType<typeof dram>;
  readonly #rings: ReadonlyMap<string, RingState>;
  readonly #actors: readonly Actor[];
  readonly #dramLane: number;
  readonly #latency: number;
  readonly #accesses = new Map<string, { readBytes: number; writeBytes: number }>();
  readonly #codes: Record<string, number> = {};
  #macs = 0;
  #mapped = 0;
  #now = 0;
  /** Bytes that crossed the memory's interface, counted where they cross. */
  readonly #crossed = { read: 0, write: 0 };

  constructor(program: Program, machine: AcceleratorModel, recorder: Recorder) {
    this.#issue = prepare(program);
    const names = lanesOf(machine);
    this.#lanes = makeLanes(names, recorder);
    const parts = partsOf(machine);
    this.#memory = dram(parts.dram);
    this.#latency = parts.dram.latencyCycles;
    this.#dramName = parts.dram.name;
    this.#dramLane = names.indexOf(parts.dram.name);
    const players = playersOf(machine);
    const zeros = (ring: Ring): Map<string, number> => new Map(ring.consumers.map((c) => [c, 0]));
    this.#rings = new Map(
      program.rings.map((ring) => [
        ring.id,
        { ring, acquired: 0, committed: 0, waited: zeros(ring), released: zeros(ring) },
      ]),
    );
    this.#actors = this.#issue.roles.map((role) => {
      const name = role.unit ?? role.name;
      return {
        name,
        lane: names.indexOf(name),
        player: players.get(name) ?? internal(`${machine.name} has no unit ${name}`),
        actions: this.#issue.walk(role),
        blocked: undefined,
        done: false,
        operandsFree: 0,
        registersFree: 0,
        visible: 0,
        lastOp: -1,
      };
    });
    for (const unit of machine.units) {
      if (unit.kind === "dram" || unit.kind === "sram") this.#accesses.set(unit.name, { readBytes: 0, writeBytes: 0 });
      if (unit.kind === "feeder") this.#codes[unit.name] = 0;
    }
  }

  run(): Run {
    for (const actor of this.#actors) this.#advance(actor, 0);
    for (let event = this.#queue.take(); event !== undefined; event = this.#queue.take()) {
      this.#now = event.time;
      event.run(event.time);
    }
    const stuck = this.#actors.filter((a) => !a.done);
    if (stuck.length > 0) internal(`deadlock at cycle ${this.#now}: ${stuck.map((a) => this.#where(a)).join("; ")}`);
    const cycles = Math.max(this.#now, ...this.#actors.map((a) => a.visible));
    this.#checkBytes();
    return {
      cycles,
      units: this.#lanes.close(cycles),
      actions: {
        macs: this.#macs,
        codes: this.#codes,
        mapped: this.#mapped,
        memory: Object.fromEntries(this.#accesses),
      },
      ops: this.#issue.ops,
      lanes: this.#lanes.names,
    };
  }

  /** Lets a role go on at `now` until it is held up, has work that takes time, or ends. */
  #advance(actor: Actor, now: number): void {
    for (;;) {
      const next = actor.actions.next();
      if (next.done === true) {
        this.#end(actor, now);
        return;
      }
      const action = next.value;
      if (action.kind === "signal") {
        if (!this.#signal(actor, action, now)) return;
        continue;
      }
      this.#count(action);
      actor.lastOp = action.op.index;
      if (actor.player.kind === "channel") {
        const { bytes } = transferOf(action);
        if (bytes === 0) continue;
        this.#request(actor, action, bytes, now);
        return;
      }
      const played = actor.player.unit.play(action, now);
      let at = now;
      for (const { state, cycles } of played.spent) {
        at += cycles;
        this.#lanes.fill(actor.lane, at, state, action.op.index);
      }
      actor.operandsFree = played.operandsFree;
      actor.registersFree = played.registersFree;
      actor.visible = Math.max(actor.visible, played.visible);
      if (played.next > now) {
        this.#queue.add(played.next, (time) => this.#advance(actor, time));
        return;
      }
    }
  }

  /** One request of a channel; the next one is made when this one's bytes have crossed the interface. */
  #request(actor: Actor, work: Work, left: number, now: number): void {
    if (actor.player.kind !== "channel") internal(`${actor.name} is no channel`);
    const { store } = transferOf(work);
    const bytes = nextRequest(actor.player.spec, left);
    const { begin, end, behind } = this.#memory.serve(actor.lane, bytes, now);
    this.#crossed[store ? "write" : "read"] += bytes;
    const op = work.op.index;
    this.#lanes.fill(actor.lane, begin, DRAM_BANDWIDTH, op, behind);
    this.#lanes.fill(actor.lane, end, store ? STORE : LOAD, op);
    this.#lanes.fill(this.#dramLane, begin, 0);
    this.#lanes.fill(this.#dramLane, end, store ? WRITE : READ, op);
    actor.operandsFree = end;
    actor.visible = Math.max(actor.visible, store ? end : end + this.#latency);
    const rest = left - bytes;
    const go = (time: number): void => (rest > 0 ? this.#request(actor, work, rest, time) : this.#advance(actor, time));
    this.#queue.add(end, go);
  }

  /** Gives or takes a signal; false where the role has to wait for it. */
  #signal(actor: Actor, action: SignalAction, now: number): boolean {
    const ring = this.#rings.get(action.ring) ?? internal(`no ring ${action.ring}`);
    switch (action.what) {
      case "acquire":
      case "wait":
        if (this.#take(actor, ring, action)) return true;
        actor.blocked = action;
        return false;
      case "commit":
        this.#at(actor.visible, now, () => {
          ring.committed++;
          for (const name of ring.ring.consumers) this.#wake(name, action.ring);
        });
        return true;
      case "release": {
        const free = this.#issue.registerRings.has(action.ring) ? actor.registersFree : actor.operandsFree;
        this.#at(free, now, () => {
          ring.released.set(actor.name, (ring.released.get(actor.name) ?? 0) + 1);
          this.#wake(ring.ring.producer, action.ring);
        });
        return true;
      }
    }
  }

  #at(time: number, now: number, run: () => void): void {
    if (time <= now) run();
    else this.#queue.add(time, run);
  }

  #take(actor: Actor, ring: RingState, action: SignalAction): boolean {
    if (action.what === "acquire") {
      const released = Math.min(...ring.released.values());
      if (ring.acquired - released >= ring.ring.depth) return false;
      ring.acquired++;
      return true;
    }
    const waited = ring.waited.get(actor.name) ?? internal(`${actor.name} does not consume ${action.ring}`);
    if (waited >= ring.committed) return false;
    ring.waited.set(actor.name, waited + 1);
    return true;
  }

  /** Lets a role that is held up by a ring go on, if it can; its cycles until now were lost to the ring's other side. */
  #wake(name: string, ring: string): void {
    const actor = this.#actors.find((a) => a.name === name) ?? internal(`no role ${name}`);
    const action = actor.blocked;
    if (action?.ring !== ring || !this.#take(actor, this.#rings.get(ring)!, action)) return;
    actor.blocked = undefined;
    // Whatever woke it may still signal others in this cycle: they go first.
    this.#queue.add(this.#now, (time) => {
      this.#lose(actor, action, time);
      this.#advance(actor, time);
    });
  }

  #lose(actor: Actor, action: SignalAction, until: number): void {
    const from = this.#lanes.at(actor.lane);
    if (actor.player.kind === "unit") {
      let at = from;
      for (const { state, cycles } of actor.player.unit.settle(from, until)) {
        at += cycles;
        this.#lanes.fill(actor.lane, at, state, actor.lastOp);
      }
    }
    const { ring } = this.#rings.get(action.ring)!;
    const other = action.what === "acquire" ? ring.consumers[0] : ring.producer;
    const culprit = this.#lanes.names.indexOf(other ?? "");
    this.#lanes.fill(actor.lane, until, stalled(this.#cause(action)), actor.lastOp, culprit);
  }

  #cause(action: SignalAction): StallCause {
    const operand = this.#issue.ringOperand.get(action.ring) ?? "result";
    if (action.what === "wait") return `operand-${operand}`;
    return action.ring === "accumulator" ? "accumulator" : "buffer-full";
  }

  /** The role has nothing more to do; what it started may still be under way. */
  #end(actor: Actor, now: number): void {
    actor.done = true;
    const tail = actor.player.kind === "unit" ? actor.player.unit.tail : DRAM_LATENCY;
    const end = Math.max(now, actor.visible);
    if (actor.player.kind === "unit") {
      let at = this.#lanes.at(actor.lane);
      for (const { state, cycles } of actor.player.unit.settle(at, end)) {
        at += cycles;
        this.#lanes.fill(actor.lane, at, state, actor.lastOp);
      }
    }
    this.#lanes.fill(actor.lane, end, tail, actor.lastOp);
  }

  #count(work: Work): void {
    if (work.op.kind === "copy") checkCopy(work);
    this.#macs += work.macs;
    if (work.op.kind === "decode") this.#codes[work.op.unit] = (this.#codes[work.op.unit] ?? 0) + work.elements;
    if (work.op.kind === "map") this.#mapped += work.elements;
    for (const { place, readBytes, writeBytes } of work.traffic) {
      const access = this.#accesses.get(place === "global" ? this.#dramName : place.slice("unit:".length));
      if (access === undefined) continue; // registers and FIFOs: their energy is part of the unit's
      access.readBytes += readBytes;
      access.writeBytes += writeBytes;
    }
  }

  /** What works ask for has crossed the interface, byte for byte. */
  #checkBytes(): void {
    const asked = this.#accesses.get(this.#dramName)!;
    const { read, write } = this.#crossed;
    if (asked.readBytes !== read || asked.writeBytes !== write)
      internal(
        `${read} and ${write} bytes crossed the interface; ${asked.readBytes} and ${asked.writeBytes} were asked for`,
      );
  }

  #where(actor: Actor): string {
    const { blocked } = actor;
    return blocked === undefined
      ? `${actor.name} is at work`
      : `${actor.name} waits to ${blocked.what} ${blocked.ring}`;
  }
}

/** A copy puts down as many bytes as it takes up. */
function checkCopy(work: Work): void {
  const read = work.traffic.reduce((sum, t) => sum + t.readBytes, 0);
  const written = work.traffic.reduce((sum, t) => sum + t.writeBytes, 0);
  if (read !== written) internal(`${work.op.name} reads ${read} bytes and writes ${written}`);
}
