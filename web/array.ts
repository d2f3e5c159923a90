/**
 * The array in one cycle, from what a trace says. What enters the array moves on by one PE (or tile of PEs) every hop,
 * so the PE at hop h does in cycle t what the array's border took in at cycle t − h·hopCycles: a wavefront in closed
 * form, with its bubbles. The fold that was streaming then says how many PEs are in use.
 */
import { foldShape } from "../hw-models/derive.ts";
import type { AcceleratorModel, SystolicSpec } from "../hw-models/schema.ts";
import { rangeTotals } from "./mix.ts";
import type { Folds, Model } from "./model.ts";
import { placementAt, type SliceRef, sliceAt } from "./slices.ts";

/** The array of a run's machine, and the lanes of the units around it. */
export interface ArrayInfo {
  readonly spec: SystolicSpec;
  /** The array at its largest: narrow operands and arrays side by side make more rows and columns of it. */
  readonly rows: number;
  readonly columns: number;
  readonly lane: number;
  readonly feeders: readonly {
    readonly name: string;
    readonly feeds: "weight" | "activation";
    readonly lane: number;
  }[];
  readonly contract: number;
}

export function arrayOf(model: Model): ArrayInfo | undefined {
  const machine: AcceleratorModel | undefined = model.run?.machine;
  const spec = machine?.units.find((u) => u.kind === "systolic");
  const laneOf = (name: string): number => model.lanes.findIndex((l) => l.name === name);
  const contract = model.states.findIndex((s) => s.name === "busy:contract");
  if (machine === undefined || spec?.kind !== "systolic" || laneOf(spec.name) < 0 || contract < 0) return undefined;
  const feeders = machine.units.flatMap((u) =>
    u.kind === "feeder" && laneOf(u.name) >= 0 ? [{ name: u.name, feeds: u.feeds, lane: laneOf(u.name) }] : [],
  );
  let { rows, columns } = foldShape(spec);
  for (const { folds } of model.segments) {
    for (const r of folds?.rows ?? []) rows = Math.max(rows, r);
    for (const c of folds?.columns ?? []) columns = Math.max(columns, c);
  }
  return { spec, rows, columns, lane: laneOf(spec.name), feeders, contract };
}

/** What the border of the array took in during one cycle. */
export interface Entry {
  readonly state: number;
  /** Index of the fold in its segment, -1 where the trace has none. */
  readonly fold: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Hops {
  /** PEs that get operands at once. */
  readonly rows: number;
  readonly columns: number;
  /** Cycles from one to the next. */
  readonly cycles: number;
}

/** How operands move on: one PE a cycle; between tiles of bit-serial PEs, once all terms are done. */
export function hopsOf({ bitSerial }: SystolicSpec, bits: number | undefined): Hops {
  if (bitSerial === undefined) return { rows: 1, columns: 1, cycles: 1 };
  const terms = bitSerial.terms.find((t) => t.bits === bits)?.cycles ?? 1;
  return { rows: bitSerial.tileRows, columns: bitSerial.tileColumns, cycles: terms };
}

/** The first fold that ends after a cycle of its segment; their number where there is none. */
export function foldAt({ end }: Folds, local: number): number {
  let low = 0;
  let high = end.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (end[middle]! > local) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function entryAt(model: Model, { rows, columns, lane }: ArrayInfo, time: number): Entry | undefined {
  const slice = sliceAt(model, lane, time);
  if (slice === undefined) return undefined;
  const { segment, start } = model.placements[slice.placement]!;
  const { folds } = model.segments[segment]!;
  const fold = folds === undefined ? -1 : foldAt(folds, time - start);
  const inFold = folds !== undefined && fold < folds.end.length;
  return {
    state: slice.state,
    fold: inFold ? fold : -1,
    rows: inFold ? folds.rows[fold]! : rows,
    columns: inFold ? folds.columns[fold]! : columns,
  };
}

/** The whole array in a cycle: what each hop took in, by hop. */
export interface Wave {
  readonly hops: Hops;
  readonly entries: readonly (Entry | undefined)[];
  /** PEs that multiply in this cycle. */
  readonly working: number;
}

export function waveAt(model: Model, info: ArrayInfo, time: number): Wave {
  const { spec, contract } = info;
  const hops = hopsOf(spec, segmentOf(model, time).codes?.bits);
  const down = Math.ceil(info.rows / hops.rows);
  const across = Math.ceil(info.columns / hops.columns);
  const entries = Array.from({ length: down + across - 1 }, (_, h) => entryAt(model, info, time - h * hops.cycles));
  let working = 0;
  for (let r = 0; r < down; r++)
    for (let c = 0; c < across; c++) {
      const entry = entries[r + c];
      if (entry?.state === contract)
        working +=
          Math.max(0, Math.min(hops.rows, entry.rows - r * hops.rows)) *
          Math.max(0, Math.min(hops.columns, entry.columns - c * hops.columns));
    }
  return { hops, entries, working };
}

/** The states of all PEs in a cycle, row after row, where PEs were stepped: codes of the model's `peStates`. */
export function peStatesAt(
  model: Model,
  info: ArrayInfo,
  time: number,
): { readonly states: Uint8Array; readonly rows: number; readonly columns: number } | undefined {
  const { start } = model.placements[placementAt(model, time)]!;
  const { pes } = segmentOf(model, time);
  if (pes === undefined) return undefined;
  const { first, end, state } = pes;
  const states = new Uint8Array(first.length - 1);
  for (let pe = 0; pe < states.length; pe++) {
    let low = first[pe]!;
    let high = first[pe + 1]! - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (end[middle]! > time - start) high = middle;
      else low = middle + 1;
    }
    states[pe] = state[low] ?? 0;
  }
  const { rows } = info;
  return states.length % rows === 0 ? { states, rows, columns: states.length / rows } : undefined;
}

export function segmentOf(model: Model, time: number): Model["segments"][number] {
  return model.segments[model.placements[placementAt(model, time)]!.segment]!;
}

/** Where a fold stands in a cycle: rows that have entered; for bit-serial PEs also term, quad and group. */
export interface Progress {
  readonly fold: number;
  readonly folds: number;
  readonly rows: number;
  readonly columns: number;
  /** Rows that have entered, this one included, of all that will. */
  readonly entered: number;
  readonly time: number;
  readonly serial: SerialProgress | undefined;
}

export interface SerialProgress {
  /** From 1. */
  readonly term: number;
  readonly terms: number;
  /** Weights that a PE has taken and takes now. */
  readonly weight: number;
  readonly weights: number;
  /** From 1; undefined where codes share no scale. */
  readonly group: number | undefined;
  readonly groups: number | undefined;
  /** Cycles of the group before whose sum is being multiplied by its scale, of how many; undefined: none is. */
  readonly rescale: { readonly cycle: number; readonly cycles: number } | undefined;
  /** The PE waits for the rescaling of the group before. */
  readonly waits: boolean;
}

export function progressAt(model: Model, info: ArrayInfo, time: number): Progress | undefined {
  const at = placementAt(model, time);
  const { segment: id, start } = model.placements[at]!;
  const { folds, codes } = model.segments[id]!;
  if (folds === undefined) return undefined;
  const fold = foldAt(folds, time - start);
  if (fold >= folds.end.length) return undefined;
  const first = start + (fold === 0 ? 0 : folds.end[fold - 1]!);
  const streamed = rangeTotals(model, info.lane, first, time)[info.contract]!;
  const working = sliceAt(model, info.lane, time)?.state === info.contract;
  const total = folds.time[fold]!;
  const serial = info.spec.bitSerial && codes && serialAt(info.spec, codes, streamed, total);
  const begun = working || streamed > 0;
  const entered = serial === undefined ? Math.min(total, streamed + (working ? 1 : 0)) : begun ? serial.weight : 0;
  return {
    fold,
    folds: folds.end.length,
    rows: folds.rows[fold]!,
    columns: folds.columns[fold]!,
    entered,
    time: total,
    serial: begun ? serial : undefined,
  };
}

/** A fold's counters after so many cycles of streaming; the arithmetic of `simulator/units/bit-serial.ts`. */
export function serialAt(
  { bitSerial }: SystolicSpec,
  { bits, group }: { readonly bits: number; readonly group: number | undefined },
  streamed: number,
  time: number,
): SerialProgress | undefined {
  const terms = bitSerial?.terms.find((t) => t.bits === bits)?.cycles;
  if (bitSerial === undefined || terms === undefined) return undefined;
  const { lanes, rescaleCycles } = bitSerial;
  const inTerms = group === undefined ? Number.POSITIVE_INFINITY : Math.ceil(group / lanes) * terms;
  const wait = Math.max(0, rescaleCycles - inTerms);
  const period = inTerms + wait;
  const done = Number.isFinite(period) ? Math.floor(streamed / period) : 0;
  const within = Number.isFinite(period) ? streamed - done * period : streamed;
  const waits = within >= inTerms;
  const step = waits ? inTerms - 1 : within;
  const before = group === undefined ? 0 : done * group;
  return {
    term: (step % terms) + 1,
    terms,
    weight: Math.min(time, before + (Math.floor(step / terms) + 1) * lanes),
    weights: time,
    group: group === undefined ? undefined : done + 1,
    groups: group === undefined ? undefined : Math.ceil(time / group),
    rescale: done > 0 && within < rescaleCycles ? { cycle: within + 1, cycles: rescaleCycles } : undefined,
    waits,
  };
}

/** What a feeder does in a cycle, and how far it is. */
export function feederAt(
  model: Model,
  lane: number,
  time: number,
): { readonly slice: SliceRef; readonly share: number } | undefined {
  const slice = sliceAt(model, lane, time);
  return slice && { slice, share: (time + 1 - slice.start) / (slice.end - slice.start) };
}

/** By row and column, the share of [from, to) in which each PE multiplies. */
export function usage(model: Model, info: ArrayInfo, from: number, to: number): Float64Array {
  const { rows, columns } = info;
  const shares = new Float64Array(rows * columns);
  if (!(to > from)) return shares;
  for (let p = placementAt(model, Math.max(0, from)); p < model.placements.length; p++) {
    const { segment: id, start } = model.placements[p]!;
    if (start >= to) break;
    const segment = model.segments[id]!;
    addUsage(shares, info, segment, Math.max(0, from - start), Math.min(segment.cycles, to - start));
  }
  for (let i = 0; i < shares.length; i++) shares[i]! /= to - from;
  return shares;
}

/** Folds that fill the same part of the array. */
interface FoldClass {
  readonly rows: number;
  readonly columns: number;
  /** Streaming cycles of the class before each fold. */
  readonly before: Float64Array;
}

const classes = new WeakMap<Folds, readonly FoldClass[]>();

/** Cycles that a fold streams: rows of plain PEs, terms of bit-serial ones. */
function streamCycles(spec: SystolicSpec, segment: Model["segments"][number], time: number): number {
  const { codes } = segment;
  if (spec.bitSerial === undefined) return time;
  const terms = spec.bitSerial.terms.find((t) => t.bits === codes?.bits)?.cycles ?? 1;
  const { lanes, rescaleCycles } = spec.bitSerial;
  const wait = codes?.group === undefined ? 0 : Math.max(0, rescaleCycles - Math.ceil(codes.group / lanes) * terms);
  return Math.ceil(time / lanes) * terms + (wait === 0 ? 0 : Math.ceil(time / codes!.group!) * wait);
}

function classesOf(spec: SystolicSpec, segment: Model["segments"][number], folds: Folds): readonly FoldClass[] {
  const known = classes.get(folds);
  if (known !== undefined) return known;
  const count = folds.end.length;
  const found = new Map<number, FoldClass>();
  for (let i = 0; i < count; i++) {
    const key = folds.rows[i]! * 65536 + folds.columns[i]!;
    if (!found.has(key))
      found.set(key, { rows: folds.rows[i]!, columns: folds.columns[i]!, before: new Float64Array(count + 1) });
  }
  const lengths = Float64Array.from(folds.time, (t) => streamCycles(spec, segment, t));
  for (const [key, { before }] of found)
    for (let i = 0; i < count; i++) {
      const own = folds.rows[i]! * 65536 + folds.columns[i]! === key;
      before[i + 1] = before[i]! + (own ? lengths[i]! : 0);
    }
  const list = [...found.values()];
  classes.set(folds, list);
  return list;
}

function addUsage(
  shares: Float64Array,
  { spec, rows, columns }: ArrayInfo,
  segment: Model["segments"][number],
  from: number,
  to: number,
): void {
  const { folds } = segment;
  if (folds === undefined || folds.end.length === 0) return;
  const hops = hopsOf(spec, segment.codes?.bits);
  const list = classesOf(spec, segment, folds);
  const most = Math.ceil(rows / hops.rows) + Math.ceil(columns / hops.columns) - 1;
  // A fold streams in the last cycles before its end.
  const until = ({ before, ...own }: FoldClass, time: number): number => {
    const i = foldAt(folds, time);
    if (i >= folds.end.length) return before.at(-1)!;
    if (folds.rows[i] !== own.rows || folds.columns[i] !== own.columns) return before[i]!;
    const length = before[i + 1]! - before[i]!;
    return before[i]! + Math.min(length, Math.max(0, length - (folds.end[i]! - time)));
  };
  for (const one of list)
    for (let h = 0; h < most; h++) {
      const late = h * hops.cycles;
      const cycles = until(one, to - late) - until(one, from - late);
      if (cycles <= 0) continue;
      for (let r = 0; r < one.rows; r++) {
        const c0 = (h - Math.floor(r / hops.rows)) * hops.columns;
        if (c0 < 0) continue;
        for (let c = c0; c < Math.min(one.columns, c0 + hops.columns); c++) shares[r * columns + c]! += cycles;
      }
    }
}
