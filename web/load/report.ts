/** Reads results: what `bitloom simulate --json` prints, and the part of a trace that says the same. */
import { type AcceleratorModel, validateHardware } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { cleanName, MAX_LAYERS } from "../limits.ts";
import { type Loaded, refuse } from "../model.ts";
import type { Area, Bytes, Operation, Run, UnitCycles } from "../run.ts";

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});
const MAX_KEYS = 256;
const entries = (value: unknown): readonly (readonly [string, unknown])[] =>
  Object.entries(fieldsOf(value)).slice(0, MAX_KEYS);

/** A quantity: a number, or an interval's middle. */
function amount(value: unknown): number | undefined {
  const plain = isObject(value) ? (value.nominal ?? value.nominalPJ ?? value.total) : value;
  return typeof plain === "number" && Number.isFinite(plain) && plain >= 0 ? plain : undefined;
}

function amounts(value: unknown, without: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [key, v] of entries(value)) {
    const number = amount(v);
    if (number !== undefined && key !== without) found[cleanName(key, "part")] = number;
  }
  return found;
}

function bytesOf(value: unknown): Readonly<Record<string, Bytes>> {
  const found: Record<string, Bytes> = {};
  for (const [memory, v] of entries(value)) {
    const { read, write } = fieldsOf(v);
    found[cleanName(memory, "memory")] = { read: amount(read) ?? 0, write: amount(write) ?? 0 };
  }
  return found;
}

function unitsOf(value: unknown): Readonly<Record<string, UnitCycles>> {
  const found: Record<string, UnitCycles> = {};
  for (const [unit, v] of entries(value)) {
    const { busy, stall, idle } = fieldsOf(v);
    found[cleanName(unit, "unit")] = { busy: amounts(busy, ""), stall: amounts(stall, ""), idle: amount(idle) ?? 0 };
  }
  return found;
}

/** An interval of totals. */
function rangeOf(value: unknown): readonly [number, number] | undefined {
  const { minimum, maximum } = fieldsOf(value);
  const [least, most] = [amount(fieldsOf(minimum).total), amount(fieldsOf(maximum).total)];
  return least === undefined || most === undefined || least > most ? undefined : [least, most];
}

/** What a report says of one operation; undefined where it does not say how long it took. */
export function readOperation(value: unknown, start: number): Operation | undefined {
  const fields = fieldsOf(value);
  const cycles = amount(fields.cycles);
  if (cycles === undefined) return undefined;
  return {
    name: cleanName(fields.name, "layer"),
    kind: cleanName(fields.kind, "layer"),
    start,
    cycles,
    energyPJ: amounts(fields.energyPJ, "total"),
    energyRangePJ: rangeOf(fields.energyRangePJ),
    macs: amount(fields.macs),
    bytes: bytesOf(fields.bytes),
    units: unitsOf(fields.units),
  };
}

/** A machine as JSON, checked; undefined where it is none that we know. */
export function readMachine(value: unknown): AcceleratorModel | undefined {
  if (!isObject(value)) return undefined;
  // A machine of depth `pe` is an array that never waits: its channels ask for everything at once.
  const limit = (key: string, v: unknown): unknown =>
    v !== Number.POSITIVE_INFINITY ? v : key === "requestBytes" ? Number.MAX_SAFE_INTEGER : "unlimited";
  const text = JSON.stringify(value, limit);
  const machine = validateHardware(text, 0, new Diagnostics());
  return machine?.kind === "accelerator" ? machine : undefined;
}

/** What tells a run from others of the same network on the same machine. */
function detailsOf(result: Fields): readonly string[] {
  const details: string[] = [];
  const { weightFormat, weightBits, batch, context, depth, preset } = result;
  if (typeof weightFormat === "string" && weightFormat !== "") details.push(cleanName(weightFormat, ""));
  else if (amount(weightBits) !== undefined) details.push(`${Number(amount(weightBits)!.toFixed(3))} bits`);
  if (amount(batch) !== undefined) details.push(`batch ${amount(batch)}`);
  if (amount(context) !== undefined) details.push(`context ${amount(context)}`);
  if (typeof depth === "string" && depth !== "cycle" && depth !== "") details.push(cleanName(depth, ""));
  if (typeof preset === "string" && preset !== "") details.push(cleanName(preset, ""));
  return details;
}

const UM2_PER_MM2 = 1e6;

/** The area of the machine: from the result, else from what the machine's model says of its units. */
function areaOf(value: unknown, machine: AcceleratorModel | undefined): Area | undefined {
  const { components } = fieldsOf(value);
  const parts: Record<string, number> = {};
  const unknown: string[] = [];
  const take = (name: string, um2: number | undefined): void => {
    if (um2 === undefined || um2 === 0) unknown.push(name);
    else parts[name] = um2;
  };
  if (Array.isArray(components))
    for (const item of (components as readonly unknown[]).slice(0, MAX_KEYS)) {
      const { component, areaMm2 } = fieldsOf(item);
      const mm2 = amount(areaMm2);
      take(cleanName(component, "part"), mm2 === undefined ? undefined : mm2 * UM2_PER_MM2);
    }
  else
    for (const unit of machine?.units ?? []) {
      const { areaUm2, peAreaUm2 } = fieldsOf(unit);
      const each = unit.kind === "systolic" ? amount(peAreaUm2) : undefined;
      const pes = unit.kind === "systolic" ? unit.rows * unit.columns : 1;
      if (unit.kind !== "dram" && unit.kind !== "dma")
        take(unit.name, amount(areaUm2) ?? (each === undefined ? undefined : each * pes));
    }
  return Object.keys(parts).length === 0 ? undefined : { parts, unknown };
}

/** What is said of a run besides its operations. */
export function readRun(result: unknown, machine: unknown, operations: readonly Operation[]): Run {
  const fields = fieldsOf(result);
  const model = readMachine(machine);
  const cycles = operations.reduce((sum, o) => sum + o.cycles, 0);
  const seconds = amount(fieldsOf(fields.totals).timeSeconds);
  const clock = seconds !== undefined && seconds > 0 ? cycles / seconds / 1e6 : undefined;
  return {
    workload: cleanName(fields.workload, "run"),
    hardware: cleanName(fields.hardware, ""),
    phase: cleanName(fields.phase, ""),
    details: detailsOf(fields),
    clockMHz: model?.clockMHz ?? (clock === undefined ? undefined : Number(clock.toPrecision(9))),
    machine: model,
    area: areaOf(fields.area, model),
    operations,
  };
}

/** The operations of a result: its layers, or where it has none its totals as one. */
function operationsOf(result: Fields): readonly Operation[] | undefined {
  const layers = Array.isArray(result.layers) && result.layers.length > 0 ? result.layers : [];
  const operations: Operation[] = [];
  let start = 0;
  for (const layer of layers as readonly unknown[]) {
    const operation = readOperation(layer, start);
    if (operation === undefined) return undefined;
    operations.push(operation);
    start += operation.cycles;
  }
  if (operations.length > 0) return operations;
  const whole = readOperation({ ...fieldsOf(result.totals), name: "all layers", kind: "run" }, 0);
  return whole === undefined ? undefined : [whole];
}

/** Is this what `bitloom simulate --json` prints? */
export const isReport = (value: unknown): value is Fields =>
  isObject(value) && typeof value.schema === "string" && value.schema.startsWith("bitloom.simulate/");

/** The runs of a report. */
export function readReport(document: Fields): Loaded {
  const { results, machines } = document;
  if (!Array.isArray(results) || results.length === 0) return refuse("it is a report without results");
  const runs: Run[] = [];
  let total = 0;
  for (const [i, result] of (results as readonly unknown[]).entries()) {
    if (!isObject(result)) return refuse(`result ${i} is none`);
    const operations = operationsOf(result);
    if (operations === undefined) return refuse(`result ${i} does not say how many cycles its layers take`);
    total += operations.length;
    if (total > MAX_LAYERS) return refuse(`it has more than ${MAX_LAYERS} layers`);
    const machine = Array.isArray(machines)
      ? (machines as readonly unknown[]).find((m) => isObject(m) && m.name === result.hardware)
      : undefined;
    runs.push(readRun(result, machine, operations));
  }
  return { kind: "runs", runs };
}
