/**
 * Energy, bytes and multiply–accumulates over time. A report says how much a layer took; within the layer it is spread
 * evenly over the cycles in which the units that cause it work. So the amount in a layer, and in the run, is the
 * report's own, and the amount in any range is a difference of two sums.
 */
import type { AcceleratorModel, OperandRole } from "../hw-models/schema.ts";
import { mixWithin } from "./mix.ts";
import type { Model } from "./model.ts";
import { addUp, type Operation, offChip, type Run, trafficOf } from "./run.ts";
import { placementAt } from "./slices.ts";

export interface Quantity {
  /** `energy`: picojoules of a component; `bytes` through the off-chip interface; `macs`. */
  readonly kind: "energy" | "bytes" | "macs";
  readonly name: string;
  readonly total: number;
  /** Amount before each placement, and at the end. */
  readonly sums: Float64Array;
  /** By segment: who causes it. */
  readonly drivers: readonly (readonly Driver[])[];
  /** By lane and segment: busy cycles. */
  readonly busy: readonly Float64Array[];
}

/** The busy cycles of a lane, and what part of the quantity they cause. */
interface Driver {
  readonly lane: number;
  readonly share: number;
}

/** Lanes that cause what a component does, with weights. */
type Blamed = readonly (readonly [unit: string, weight: number])[];

/** Who reads and writes a buffer: the channel fills what the feeder reads; the array adds sums that the vector unit reads. */
function accessors(machine: AcceleratorModel, role: OperandRole): { readonly read?: string; readonly write?: string } {
  const channel = machine.units.find((u) => u.kind === "dma" && u.moves === role)?.name;
  const feeder = machine.units.find((u) => u.kind === "feeder" && u.feeds === role)?.name;
  const array = machine.units.find((u) => u.kind === "systolic")?.name;
  const both = role === "result" ? { read: channel, write: array } : { read: feeder, write: channel };
  const { read, write } = both;
  return { ...(read === undefined ? {} : { read }), ...(write === undefined ? {} : { write }) };
}

function blamedFor(component: string, machine: AcceleratorModel | undefined, operation: Operation): Blamed {
  const unit = machine?.units.find((u) => u.name === component);
  if (machine === undefined || unit === undefined || unit.kind !== "sram") return [[component, 1]];
  const { read = 0, write = 0 } = operation.bytes[component] ?? {};
  const [role = "result"] = unit.holds;
  const who = accessors(machine, role);
  return [
    [who.read ?? component, read * unit.readEnergyPJPerByte],
    [who.write ?? component, write * unit.writeEnergyPJPerByte],
  ];
}

/** Lanes that work at all in a segment share the amount by weight; where none does, nobody is named. */
function driversOf(model: Model, busy: readonly Float64Array[], segment: number, blamed: Blamed): readonly Driver[] {
  const working = blamed.flatMap(([unit, weight]) => {
    const lane = model.lanes.findIndex((l) => l.name === unit);
    return lane >= 0 && weight > 0 && busy[lane]![segment]! > 0 ? [{ lane, weight }] : [];
  });
  const all = working.reduce((sum, w) => sum + w.weight, 0);
  return working.map(({ lane, weight }) => ({ lane, share: weight / all }));
}

const isBusy = (model: Model, state: number): boolean => model.states[state]!.family === "busy";

/** Busy cycles of each lane in each segment. */
function busyBySegment(model: Model): readonly Float64Array[] {
  return model.lanes.map((_, lane) =>
    Float64Array.from(model.segments, ({ tracks }) =>
      tracks[lane]!.blame.reduce((sum, b) => sum + (isBusy(model, b.state) ? b.cycles : 0), 0),
    ),
  );
}

/** A frame asks for thousands of mixes. */
const scratch = new Float64Array(64);

/** Busy cycles of a lane within the first cycles of a placement. */
function busyBefore(model: Model, lane: number, placement: number, local: number): number {
  const slots = model.slots[lane]!;
  const mix = slots.length <= scratch.length ? scratch.subarray(0, slots.length) : new Float64Array(slots.length);
  mixWithin(model, lane, placement, local, mix);
  let cycles = 0;
  slots.forEach((state, slot) => {
    if (isBusy(model, state)) cycles += mix[slot]!;
  });
  return cycles;
}

/** Operations by placement: the run's, where both list the same. */
function operationAt(model: Model, run: Run): readonly Operation[] | undefined {
  const byStart = new Map(run.operations.filter((o) => o.cycles > 0).map((o) => [o.start, o]));
  const found = model.placements.map((p) => byStart.get(p.start));
  return found.every((o) => o !== undefined) ? (found as readonly Operation[]) : undefined;
}

interface Amounts {
  readonly kind: Quantity["kind"];
  readonly name: string;
  readonly of: (operation: Operation) => number;
  readonly blamed: (operation: Operation) => Blamed;
}

function quantity(
  model: Model,
  operations: readonly Operation[],
  busy: readonly Float64Array[],
  { kind, name, of, blamed }: Amounts,
): Quantity {
  const { placements } = model;
  const sums = new Float64Array(placements.length + 1);
  const drivers: (readonly Driver[])[] = [];
  placements.forEach(({ segment }, i) => {
    sums[i + 1] = sums[i]! + of(operations[i]!);
    drivers[segment] ??= driversOf(model, busy, segment, blamed(operations[i]!));
  });
  return { kind, name, total: sums.at(-1)!, sums, drivers, busy };
}

/** For each quantity its amount before each time; times do not fall. */
export function amountsBefore(
  model: Model,
  quantities: readonly Quantity[],
  times: Float64Array,
): readonly Float64Array[] {
  const { placements, segments, cycles } = model;
  const lanes = [...new Set(quantities.flatMap((q) => q.drivers.flatMap((d) => d.map(({ lane }) => lane))))];
  const shares = new Float64Array(model.lanes.length);
  const result = quantities.map(() => new Float64Array(times.length));
  let at = placementAt(model, Math.max(0, times[0] ?? 0));
  times.forEach((time, t) => {
    const inside = Math.min(cycles, Math.max(0, time));
    while (at + 1 < placements.length && placements[at + 1]!.start <= inside) at++;
    const { segment, start } = placements[at]!;
    const local = inside - start;
    for (const lane of lanes) shares[lane] = local === 0 ? 0 : busyBefore(model, lane, at, local);
    quantities.forEach((q, i) => {
      const own = q.sums[at + 1]! - q.sums[at]!;
      const drivers = q.drivers[segment]!;
      let part = drivers.length === 0 ? local / segments[segment]!.cycles : 0;
      for (const { lane, share } of drivers) part += share * (shares[lane]! / q.busy[lane]![segment]!);
      result[i]![t] = local >= segments[segment]!.cycles ? q.sums[at + 1]! : q.sums[at]! + own * part;
    });
  });
  return result;
}

const made = new WeakMap<Model, readonly Quantity[]>();

/** All quantities that the model's run knows; none where it has no run. */
export function quantitiesOf(model: Model): readonly Quantity[] {
  const known = made.get(model);
  if (known !== undefined) return known;
  const { run } = model;
  const operations = run && operationAt(model, run);
  const list = run === undefined || operations === undefined ? [] : build(model, run, operations);
  made.set(model, list);
  return list;
}

function build(model: Model, run: Run, operations: readonly Operation[]): readonly Quantity[] {
  const { machine } = run;
  const busy = busyBySegment(model);
  const array = machine?.units.find((u) => u.kind === "systolic")?.name ?? "pe";
  const memory = offChip(run);
  const wanted: Amounts[] = Object.keys(addUp(operations.map((o) => o.energyPJ))).map((name) => ({
    kind: "energy",
    name,
    of: (o) => o.energyPJ[name] ?? 0,
    blamed: (o) => blamedFor(name, machine, o),
  }));
  if (memory !== undefined)
    wanted.push({
      kind: "bytes",
      name: memory,
      of: (o) => trafficOf(o, memory) ?? 0,
      blamed: () => [[memory, 1]],
    });
  if (operations.every((o) => o.macs !== undefined))
    wanted.push({ kind: "macs", name: array, of: (o) => o.macs ?? 0, blamed: () => [[array, 1]] });
  return wanted.map((w) => quantity(model, operations, busy, w)).filter((q) => q.total > 0);
}

/** Amounts in a range, one for each quantity. */
export function amountsIn(model: Model, quantities: readonly Quantity[], from: number, to: number): readonly number[] {
  return amountsBefore(model, quantities, Float64Array.of(from, to)).map(([a = 0, b = 0]) => b - a);
}
