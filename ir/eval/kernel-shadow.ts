/** Shadow memory: who wrote and read each element last, and whether the clocks order the next access after them. */

import type { Buffer } from "../kernel.ts";
import {
  type Event,
  type Flight,
  type Machine,
  type Position,
  placeOf,
  report,
  type Shadow,
  type Warp,
  whoIs,
} from "./kernel-machine.ts";

/** `writer` of an element that nobody wrote, and of one that the launcher filled. */
const UNSET = -1;
const FILLED = -2;
/** `readerLane` where several lanes of a warp read an element and nothing orders them. */
const SEVERAL = -1;

/** How an access is made: by a lane; by a bulk copy or asynchronous row (which see lanes' writes through fences only). */
export type Agent = "lane" | "async";

/** Shadow of a buffer; `filled`: its elements have values before the kernel starts. */
export function makeShadow(buffer: Buffer, filled: boolean): Shadow {
  return {
    writer: new Int32Array(buffer.length).fill(filled ? FILLED : UNSET),
    writerLane: new Int16Array(buffer.length),
    reader: undefined,
    readerLane: undefined,
    earlierReader: undefined,
    atomics: undefined,
    flights: undefined,
  };
}

/** Remembers one execution of a memory statement by a warp; the result is its index. */
export function addEvent(warp: Warp, at: Position, atomic = false, flight?: Flight): number {
  const { events } = warp.block.machine;
  events.push({
    block: warp.block.index,
    warp: warp.index,
    clock: warp.now,
    at,
    atomic,
    ...(flight === undefined ? {} : { flight }),
  });
  return events.length - 1;
}

/** True once a lane of this warp may rely on the asynchronous operation being complete. */
export function hasLanded(flight: Flight, warp: Warp, lane: number): boolean {
  const { landed } = flight;
  const { seen } = warp.clocks;
  if (flight.block !== warp.block.index) return false;
  if (flight.lane >= 0) {
    const clock = landed[flight.warp]!;
    if (clock < 0) return false;
    return (flight.warp === warp.index && flight.lane === lane) || seen[flight.warp]! >= clock;
  }
  for (let w = 0; w < landed.length; w++) {
    const clock = landed[w]!;
    if (clock >= 0 && (w === warp.index || seen[w]! >= clock)) return true;
  }
  return false;
}

function isOrdered(warp: Warp, lane: number, event: Event, eventLane: number): boolean {
  if (event.block !== warp.block.index) return false;
  if (event.flight !== undefined) return hasLanded(event.flight, warp, lane);
  if (event.warp === warp.index && eventLane === lane) return true;
  return warp.clocks.seen[event.warp]! >= event.clock;
}

/** Checks that a lane may read the element now, and remembers that it did. */
export function shadowRead(
  warp: Warp,
  shadow: Shadow,
  buffer: Buffer,
  lane: number,
  element: number,
  event: number,
  agent: Agent = "lane",
): void {
  const { machine } = warp.block;
  checkWriter(warp, shadow, buffer, lane, element, event, agent, "reads");
  const flight = machine.events[event]!.flight;
  if (flight !== undefined) {
    shadow.flights ??= new Array<Flight | undefined>(buffer.length * warp.block.warps.length);
    shadow.flights[element * warp.block.warps.length + warp.index] = flight;
    return;
  }
  const warps = warp.block.warps.length;
  shadow.reader ??= new Int32Array(buffer.length * warps).fill(UNSET);
  shadow.readerLane ??= new Int16Array(buffer.length * warps);
  const slot = element * warps + warp.index;
  const before = shadow.reader[slot]!;
  let several = false;
  if (before >= 0) {
    const last = machine.events[before]!;
    if (last.block !== warp.block.index) {
      shadow.earlierReader ??= new Int32Array(buffer.length).fill(UNSET);
      shadow.earlierReader[element] = before;
    } else several = shadow.readerLane[slot] !== lane && warp.clocks.seen[warp.index]! < last.clock;
  }
  shadow.reader[slot] = event;
  shadow.readerLane[slot] = several ? SEVERAL : lane;
}

/** Checks that a lane may write the element now, and remembers that it did. */
export function shadowWrite(
  warp: Warp,
  shadow: Shadow,
  buffer: Buffer,
  lane: number,
  element: number,
  event: number,
  agent: Agent = "lane",
): void {
  checkWriter(warp, shadow, buffer, lane, element, event, agent, "overwrites");
  if (shadow.reader !== undefined) checkReaders(warp, shadow, shadow.reader, buffer, lane, element, event);
  if (shadow.flights !== undefined) checkFlights(warp, shadow.flights, buffer, lane, element, event);
  if (shadow.atomics !== undefined && !warp.block.machine.events[event]!.atomic) shadow.atomics[element] = UNSET;
  shadow.writer[element] = event;
  shadow.writerLane[element] = lane;
}

function checkWriter(
  warp: Warp,
  shadow: Shadow,
  buffer: Buffer,
  lane: number,
  element: number,
  event: number,
  agent: Agent,
  verb: "reads" | "overwrites",
): void {
  const { machine } = warp.block;
  const { at, atomic } = machine.events[event]!;
  const writer = shadow.writer[element]!;
  const subject = `${whoIs(warp, lane)} ${verb} ${buffer.id}[${element}]`;
  if (writer < 0) {
    if (writer === UNSET && (verb === "reads" || atomic))
      report(machine, at, `${subject}, which nothing has written`, `unset ${buffer.id}`);
    return;
  }
  const last = machine.events[writer]!;
  if (last.atomic && atomic) {
    if (!isOrdered(warp, lane, last, shadow.writerLane[element]!)) keepAtomic(warp, shadow, buffer, element, writer);
    return;
  }
  const other = shadow.atomics?.[element] ?? UNSET;
  if (other >= 0 && !isOrdered(warp, lane, machine.events[other]!, SEVERAL)) {
    const message = `${subject}${unorderedWrite(machine, warp, machine.events[other]!, SEVERAL)}`;
    report(machine, at, message, `race ${buffer.id} ${last.at.id}`);
    return;
  }
  const writerLane = shadow.writerLane[element]!;
  if (!isOrdered(warp, lane, last, writerLane)) {
    const message = `${subject}${unorderedWrite(machine, warp, last, writerLane)}`;
    report(machine, at, message, `race ${buffer.id} ${last.at.id}`);
    return;
  }
  if (agent === "async" && last.flight === undefined && warp.clocks.fenced[last.warp]! < last.clock) {
    const message = `${subject} asynchronously; no fence async follows the write at ${placeOf(last.at)}`;
    report(machine, at, message, `fence ${buffer.id} ${last.at.id}`);
  }
}

/** Atomics do not order each other: what comes after the last is not therefore after those before it. */
function keepAtomic(warp: Warp, shadow: Shadow, buffer: Buffer, element: number, event: number): void {
  shadow.atomics ??= new Int32Array(buffer.length).fill(UNSET);
  const kept = shadow.atomics[element]!;
  const { events } = warp.block.machine;
  if (kept < 0 || events[kept]!.block === warp.block.index) shadow.atomics[element] = event;
}

function unorderedWrite(machine: Machine, warp: Warp, last: Event, lane: number): string {
  const where = placeOf(last.at);
  const { flight } = last;
  if (last.block !== warp.block.index) return `, which block ${last.block} wrote at ${where}: nothing orders blocks`;
  if (flight === undefined) {
    const who = `warp ${last.warp}${lane < 0 ? "" : `, lane ${lane}`}`;
    return `, which ${who} wrote at ${where}: a race, no barrier orders them`;
  }
  if (flight.landed.every((clock) => clock < 0))
    return `, which ${where} is still filling: nothing waits for its completion`;
  const waited = Array.from(flight.landed.keys()).filter((w) => flight.landed[w]! >= 0);
  const who = flight.lane >= 0 ? `warp ${flight.warp}, lane ${flight.lane}` : `warp ${waited.join(", ")}`;
  const count = machine.lanes * warp.block.warps.length;
  return `, which ${where} filled: only ${who} of the ${count} lanes waited for it, and no barrier follows`;
}

function checkReaders(
  warp: Warp,
  shadow: Shadow,
  reader: Int32Array,
  buffer: Buffer,
  lane: number,
  element: number,
  event: number,
): void {
  const { machine } = warp.block;
  const { at } = machine.events[event]!;
  const warps = warp.block.warps.length;
  for (let w = -1; w < warps; w++) {
    const index = w < 0 ? (shadow.earlierReader?.[element] ?? UNSET) : reader[element * warps + w]!;
    if (index < 0) continue;
    const last = machine.events[index]!;
    const lastLane = w < 0 ? SEVERAL : shadow.readerLane![element * warps + w]!;
    if (w < 0 && last.block === warp.block.index) continue;
    if (isOrdered(warp, lane, last, lastLane)) continue;
    const lanes = lastLane === SEVERAL ? "several lanes" : `lane ${lastLane}`;
    const same = last.block === warp.block.index;
    const who = same ? `warp ${last.warp}, ${lanes} reads` : `block ${last.block} reads`;
    const why = same ? "a race, no barrier orders them" : "nothing orders blocks";
    const message = `${whoIs(warp, lane)} writes ${buffer.id}[${element}], which ${who} at ${placeOf(last.at)}: ${why}`;
    report(machine, at, message, `race ${buffer.id} ${last.at.id}`);
  }
}

function checkFlights(
  warp: Warp,
  flights: readonly (Flight | undefined)[],
  buffer: Buffer,
  lane: number,
  element: number,
  event: number,
): void {
  const { machine } = warp.block;
  const warps = warp.block.warps.length;
  for (let w = 0; w < warps; w++) {
    const flight = flights[element * warps + w];
    if (flight === undefined || hasLanded(flight, warp, lane)) continue;
    const message = `${whoIs(warp, lane)} overwrites ${buffer.id}[${element}], which ${placeOf(flight.at)} still reads`;
    report(machine, machine.events[event]!.at, message, `frozen ${buffer.id} ${flight.at.id}`);
  }
}
