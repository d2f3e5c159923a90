/** Quantities over time under the lanes: what moves through the memory's interface, how much of the array works, buffers, power. */
import { peakMacsPerCycle } from "../hw-models/derive.ts";
import { componentMeanings } from "./charts/style.ts";
import { byteRate, bytes, joules, percent, short, watts } from "./format.ts";
import type { Columns } from "./mix.ts";
import type { Model, Samples } from "./model.ts";
import type { Meaning } from "./palette.ts";
import { amountsBefore, type Quantity, quantitiesOf } from "./quantities.ts";
import { roofsOf } from "./roofs.ts";
import type { Run } from "./run.ts";
import { placementAt } from "./slices.ts";

export interface Counter {
  readonly name: string;
  readonly about: string;
  /** One for each part that is stacked. */
  readonly parts: readonly string[];
  readonly colours: readonly Meaning[];
  /** The mean of each part in each column, and what the top of the scale stands for. */
  columns(columns: Columns): { readonly values: Float64Array; readonly most: number };
  format(value: number): string;
}

const made = new WeakMap<Model, readonly Counter[]>();

/** All counters of a trace; none where it has states alone. */
export function countersOf(model: Model): readonly Counter[] {
  const known = made.get(model);
  if (known !== undefined) return known;
  const list = [...(model.run === undefined ? [] : rates(model, model.run)), ...buffers(model)];
  made.set(model, list);
  return list;
}

const ROUND = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10] as const;
/** The next round number that is not below a value. */
function round(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (ROUND.find((s) => s * power >= value * (1 - 1e-9)) ?? 10) * power;
}

/** Amounts a cycle of quantities, stacked. */
function rateColumns(model: Model, quantities: readonly Quantity[], limit: number | undefined): Counter["columns"] {
  return ({ from, to, count }) => {
    const width = (to - from) / count;
    const times = Float64Array.from({ length: count + 1 }, (_, i) => from + i * width);
    const before = amountsBefore(model, quantities, times);
    const values = new Float64Array(count * quantities.length);
    let most = 0;
    for (let c = 0; c < count; c++) {
      let sum = 0;
      before.forEach((amounts, p) => {
        const rate = Math.max(0, (amounts[c + 1]! - amounts[c]!) / width);
        values[c * quantities.length + p] = rate;
        sum += rate;
      });
      most = Math.max(most, sum);
    }
    return { values, most: limit ?? round(most) };
  };
}

function rates(model: Model, run: Run): readonly Counter[] {
  const { machine, clockMHz } = run;
  const all = quantitiesOf(model);
  const list: Counter[] = [];
  const rate = (value: number): string =>
    clockMHz === undefined ? `${short(value)} B/cycle` : byteRate(value * clockMHz * 1e6);
  const moved = all.filter((q) => q.kind === "bytes");
  const bandwidth = machine && roofsOf(machine).bytesPerCycle;
  if (moved.length > 0)
    list.push({
      name: "bandwidth",
      about: "bytes through the off-chip interface",
      parts: moved.map((q) => q.name),
      colours: moved.map(() => "memory-in"),
      columns: rateColumns(model, moved, bandwidth !== undefined && Number.isFinite(bandwidth) ? bandwidth : undefined),
      format: rate,
    });
  const computed = all.filter((q) => q.kind === "macs");
  const peak = machine && peakMacsPerCycle(machine);
  if (computed.length > 0)
    list.push({
      name: "array use",
      about: "multiply–accumulates, of those that the array could do",
      parts: computed.map((q) => q.name),
      colours: computed.map(() => "compute"),
      columns: rateColumns(model, computed, peak),
      format: (value) => (peak === undefined ? `${short(value)} a cycle` : percent(value, peak)),
    });
  const spent = all.filter((q) => q.kind === "energy");
  const meanings = componentMeanings(
    spent.map((q) => q.name),
    machine,
  );
  if (spent.length > 0)
    list.push({
      name: "power",
      about: "energy a cycle, by component",
      parts: spent.map((q) => q.name),
      colours: spent.map((q) => meanings.get(q.name) ?? "control"),
      columns: rateColumns(model, spent, undefined),
      format: (value) => (clockMHz === undefined ? `${joules(value)}/cycle` : watts(value, clockMHz)),
    });
  return list;
}

/** Sums of value × cycles before each sample. */
const integrals = new WeakMap<Samples, Float64Array>();

function integralOf(samples: Samples): Float64Array {
  const known = integrals.get(samples);
  if (known !== undefined) return known;
  const { at, value } = samples;
  const sums = new Float64Array(at.length);
  for (let i = 1; i < at.length; i++) sums[i] = sums[i - 1]! + value[i - 1]! * (at[i]! - at[i - 1]!);
  integrals.set(samples, sums);
  return sums;
}

/** Value × cycles within a segment's first cycles. */
function integralBefore(samples: Samples, time: number): number {
  const { at, value } = samples;
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at[middle]! <= time) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : integralOf(samples)[low - 1]! + value[low - 1]! * (time - at[low - 1]!);
}

const BUFFER_COLOURS = ["operand-weight", "operand-activation", "buffer-full", "map", "feed", "decode"] as const;

function buffers(model: Model): readonly Counter[] {
  if (model.segments.some((s) => s.samples?.length !== model.buffers.length)) return [];
  const { machine } = model.run ?? {};
  const meanings = componentMeanings(
    model.buffers.map((b) => b.name),
    machine,
  );
  return model.buffers.map(({ name, capacityBytes }, index): Counter => {
    const most = Math.max(...model.segments.flatMap((s) => largest(s.samples![index]!)));
    return {
      name,
      about: `bytes of ${name} that are allocated${capacityBytes === undefined ? "" : `, of ${bytes(capacityBytes)}`}`,
      parts: [name],
      colours: [meanings.get(name) ?? BUFFER_COLOURS[index % BUFFER_COLOURS.length]!],
      columns: (columns) => ({ values: meanColumns(model, index, columns), most: capacityBytes ?? round(most) }),
      format: bytes,
    };
  });
}

function largest({ value }: Samples): number {
  let most = 0;
  for (const v of value) most = Math.max(most, v);
  return most;
}

/** The mean of a buffer's samples in each column. */
function meanColumns(model: Model, index: number, { from, to, count }: Columns): Float64Array {
  const { placements, segments, cycles } = model;
  const width = (to - from) / count;
  const values = new Float64Array(count);
  const samplesOf = (placement: number): Samples => segments[placements[placement]!.segment]!.samples![index]!;
  let at = placementAt(model, Math.max(0, from));
  let last = 0;
  for (let i = 0; i <= count; i++) {
    const time = Math.min(cycles, Math.max(0, from + i * width));
    let crossed = 0;
    while (at + 1 < placements.length && placements[at + 1]!.start <= time) {
      crossed += integralBefore(samplesOf(at), placements[at + 1]!.start - placements[at]!.start);
      at++;
    }
    const now = integralBefore(samplesOf(at), time - placements[at]!.start);
    if (i > 0) values[i - 1] = (crossed + now - last) / width;
    last = now;
  }
  return values;
}

/** What a counter says of a stretch: each part's mean, the largest first. */
export function sayCounter(counter: Counter, from: number, to: number): readonly string[] {
  const { values } = counter.columns({ from, to, count: 1 });
  const total = values.reduce((sum, v) => sum + v, 0);
  const parts = counter.parts
    .map((name, i) => ({ name, value: values[i]! }))
    .filter((p) => p.value > 0)
    .sort((a, b) => b.value - a.value);
  const first = `${counter.name} ${counter.format(total)}`;
  return counter.parts.length === 1 ? [first] : [first, ...parts.map((p) => `${p.name} ${counter.format(p.value)}`)];
}
