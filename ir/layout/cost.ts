/** What a layout costs: bank conflicts of an access, the widest vector access, and the way from one register layout to another. */
import { internal } from "../diagnostics.ts";
import { compile, ENUMERATION_LIMIT } from "./apply.ts";
import { bitsFor, fromOf, isPowerOfTwo, type Point, type Strided, toOf, volume } from "./basic.ts";
import { ADDRESS, type Axis, BIT, ELEM, type Extents, LANE, type Layout, REG } from "./layout.ts";
import { classify, rankOf } from "./linear.ts";
import { simplify } from "./normal.ts";
import { restrict } from "./transform.ts";

export interface BankAccess {
  /** Bytes that each lane moves; default 4. 8 and 16 bytes go in two and four phases of fewer lanes. */
  readonly accessBytes?: 1 | 2 | 4 | 8 | 16;
  /** Lanes that access together; default 32, or all where there are fewer. */
  readonly lanes?: number;
  readonly banks?: number;
  readonly bankBytes?: number;
  /** Where the other axes stand; default 0. */
  readonly at?: Point;
}

/**
 * Ways of a shared-memory access, (lane, …) → address: how many distinct words of one bank the worst phase needs, so 1 is
 * free of conflicts. With A the lane → word matrix over GF(2) and A_b its bank bits it is 2^(rank A − rank A_b): the lanes
 * reach 2^rank A words in 2^rank A_b banks, evenly. Other layouts are counted.
 */
export function bankWays(layout: Layout, access: BankAccess = {}): number {
  const { accessBytes = 4, banks = 32, bankBytes = 4, at = {} } = access;
  const from = fromOf(layout);
  const lanes = Math.min(access.lanes ?? 32, from[LANE] ?? internal("bank conflicts need a lane axis"));
  const one = restrict(layout, at, {
    ...Object.fromEntries(Object.keys(from).map((axis) => [axis, 1])),
    [LANE]: lanes,
  });
  const phase = Math.min(lanes, Math.floor((banks * bankBytes) / Math.max(accessBytes, bankBytes)));
  return linearWays(one, phase, accessBytes, banks, bankBytes) ?? countWays(one, phase, accessBytes, banks, bankBytes);
}

function linearWays(
  layout: Layout,
  phase: number,
  accessBytes: number,
  banks: number,
  bankBytes: number,
): number | undefined {
  const matrix = classify(layout);
  const unit = 8 * Math.max(accessBytes, bankBytes);
  const groups = (8 * banks * bankBytes) / unit;
  if (matrix === undefined || ![phase, unit, groups].every(isPowerOfTwo)) return undefined;
  const columns = matrix.columns.slice(0, bitsFor(phase));
  const aligned = [matrix.offset, ...columns].every((column) => column % (8 * accessBytes) === 0);
  if (!aligned) return undefined;
  const words = columns.map((column) => Math.floor(column / unit));
  return 2 ** (rankOf(words) - rankOf(words.map((word) => word % groups)));
}

/** The definition: distinct words per bank, phase by phase. */
function countWays(layout: Layout, phase: number, accessBytes: number, banks: number, bankBytes: number): number {
  const lanes = fromOf(layout)[LANE] ?? 1;
  const { inputs, outputs, run } = compile(layout);
  const input = inputs.map(() => 0);
  const out: number[] = [];
  let worst = 1;
  for (let first = 0; first < lanes; first += phase) {
    const words = new Map<number, Set<number>>();
    for (let lane = first; lane < Math.min(first + phase, lanes); lane++) {
      input[inputs.indexOf(LANE)] = lane;
      run(input, out);
      const byte = Math.floor(out[outputs.indexOf(ADDRESS)]! / 8);
      const last = Math.floor((byte + accessBytes - 1) / bankBytes);
      for (let word = Math.floor(byte / bankBytes); word <= last; word++) {
        const bank = words.get(word % banks) ?? new Set<number>();
        words.set(word % banks, bank.add(word));
      }
    }
    for (const bank of words.values()) worst = Math.max(worst, bank.size);
  }
  return worst;
}

export interface VectorAccess {
  /** Axes along which one lane's elements follow each other, fastest first; default bit, elem, reg, as present. */
  readonly order?: readonly Axis[];
  /** Bits of one step along the first axis; default 1 where that axis is `bit`. */
  readonly stepBits?: number;
  readonly maxBits?: number;
}

/**
 * Bits of the widest access that one lane can make: the largest power of two, up to 128, such that every aligned run of
 * that many bits along `order` lies at consecutive addresses from a multiple of its own size.
 */
export function vectorBits(layout: Layout, access: VectorAccess = {}): number {
  const from = fromOf(layout);
  const order = (access.order ?? [BIT, ELEM, REG]).filter((axis) => axis in from);
  const step = access.stepBits ?? (order[0] === BIT ? 1 : internal("vectorBits needs the bits of one element"));
  const fits = runTest(simplify(layout), order, step);
  const steps = order.reduce((product, axis) => product * from[axis]!, 1);
  let best = step;
  for (let run = 2; run * step <= (access.maxBits ?? 128) && steps % run === 0 && fits(run); run *= 2)
    best = run * step;
  return best;
}

/** Whether aligned runs of `run` steps are consecutive and aligned, by the cheapest exact method. */
function runTest(layout: Layout, order: readonly Axis[], step: number): (run: number) => boolean {
  if (layout.kind === "strided" && layout.wrap === undefined) return separableRuns(layout, order, step);
  const matrix = classify(layout);
  if (matrix !== undefined && isPowerOfTwo(step)) {
    const bitsOfAxis = new Map<Axis, readonly number[]>();
    let position = 0;
    for (const [axis, extent] of Object.entries(matrix.from).toReversed()) {
      bitsOfAxis.set(axis, matrix.columns.slice(position, position + bitsFor(extent)));
      position += bitsFor(extent);
    }
    const along = order.flatMap((axis) => bitsOfAxis.get(axis) ?? []);
    return (run) => {
      const inside = along.slice(0, bitsFor(run));
      const others = [matrix.offset, ...along.slice(bitsFor(run))];
      for (const [axis, columns] of bitsOfAxis) if (!order.includes(axis)) others.push(...columns);
      return inside.every((c, i) => c === step * 2 ** i) && others.every((c) => c % (run * step) === 0);
    };
  }
  if (volume(fromOf(layout)) > ENUMERATION_LIMIT) return () => false;
  return countedRuns(layout, order, step);
}

/** Sums of one-axis functions: the runs do not depend on the other axes, which only have to keep the alignment. */
function separableRuns(layout: Strided, order: readonly Axis[], step: number): (run: number) => boolean {
  const along = (axis: Axis): number[] => {
    const terms = layout.terms.filter((t) => t.from === axis);
    return Array.from({ length: layout.from[axis]! }, (_, x) =>
      terms.reduce((sum, t) => sum + t.stride * (Math.floor(x / t.div) % t.size), 0),
    );
  };
  let places = [Object.values(layout.base ?? {}).reduce((a, b) => a + b, 0)];
  for (const axis of order) places = along(axis).flatMap((offset) => places.map((place) => place + offset));
  const others = Object.keys(layout.from).filter((axis) => !order.includes(axis));
  const offsets = others.flatMap(along);
  return (run) =>
    places.every((place, i) => place === places[i - (i % run)]! + (i % run) * step) &&
    places.every((place, i) => i % run !== 0 || place % (run * step) === 0) &&
    offsets.every((offset) => offset % (run * step) === 0);
}

function countedRuns(layout: Layout, order: readonly Axis[], step: number): (run: number) => boolean {
  const from = fromOf(layout);
  const axes = [...Object.keys(from).filter((axis) => !order.includes(axis)), ...order.toReversed()];
  const { run: apply } = compile(layout, axes);
  const input = axes.map(() => 0);
  const out = [0];
  const places = Array.from({ length: volume(from) }, () => {
    apply(input, out);
    for (let i = axes.length - 1; i >= 0 && ++input[i]! === from[axes[i]!]; i--) input[i] = 0;
    return out[0]!;
  });
  return (run) =>
    places.every((place, i) => {
      const start = places[i - (i % run)]!;
      return place === start + (i % run) * step && start % (run * step) === 0;
    });
}

/**
 * How values change owners. `none`: same places; `rename`: whole registers, the same in every lane, so only names change;
 * `select`: each lane holds what it needs, elsewhere; `shuffle`: `shuffles` 32-bit exchanges with lane ⊕ constant;
 * `shared`: through shared memory, `bytes` of it.
 */
export type Conversion =
  | { readonly kind: "none" | "rename" | "select" }
  | { readonly kind: "shuffle"; readonly shuffles: number }
  | { readonly kind: "shared"; readonly bytes: number };

/** A place in registers: warp (and whatever else tells groups of lanes apart), lane in it, register, element. */
interface Holder {
  readonly warp: string;
  readonly lane: number;
  readonly reg: number;
  readonly elem: number;
}

const WARP_LANES = 32;

function holders(
  layout: Layout,
  logical: readonly Axis[],
  box: Extents,
): { readonly at: number; readonly by: Holder }[] {
  const from = fromOf(layout);
  if (volume(from) > ENUMERATION_LIMIT) internal("register layout too large to convert");
  const { inputs, outputs, run } = compile(layout);
  const groups = inputs.filter((axis) => ![LANE, REG, ELEM].includes(axis));
  const order = logical.map((axis) => outputs.indexOf(axis));
  const input = inputs.map(() => 0);
  const out: number[] = [];
  const value = (axis: Axis): number => (axis in from ? input[inputs.indexOf(axis)]! : 0);
  return Array.from({ length: volume(from) }, () => {
    run(input, out);
    const lane = value(LANE);
    const warp = [Math.floor(lane / WARP_LANES), ...groups.map(value)].join();
    const by = { warp, lane: lane % WARP_LANES, reg: value(REG), elem: value(ELEM) };
    const at = order.reduce((index, o, i) => index * box[logical[i]!]! + out[o]!, 0);
    for (let i = inputs.length - 1; i >= 0 && ++input[i]! === from[inputs[i]!]; i--) input[i] = 0;
    return { at, by };
  });
}

/** For every place of `to` its source in `from`: in the same lane if possible, else as near as possible by xor. */
function sources(from: Layout, to: Layout): readonly { readonly to: Holder; readonly from: Holder }[] | undefined {
  const box = toOf(to);
  const logical = Object.keys(box);
  if (logical.some((axis) => toOf(from)[axis] !== box[axis])) internal("conversion between different tiles");
  const owners = new Map<number, Holder[]>();
  for (const { at, by } of holders(from, logical, box)) owners.set(at, [...(owners.get(at) ?? []), by]);
  const pairs: { to: Holder; from: Holder }[] = [];
  for (const { at, by } of holders(to, logical, box)) {
    const near = (owners.get(at) ?? [])
      .filter((owner) => owner.warp === by.warp)
      .sort((a, b) => (a.lane ^ by.lane) - (b.lane ^ by.lane) || Number(b.reg === by.reg) - Number(a.reg === by.reg));
    if (near[0] === undefined) return undefined;
    pairs.push({ to: by, from: near[0] });
  }
  return pairs;
}

/** What it costs to bring a tile from one register layout into another; `elementBits` sizes the way through memory. */
export function conversionCost(from: Layout, to: Layout, elementBits: number): Conversion {
  const shared: Conversion = { kind: "shared", bytes: Math.ceil((volume(toOf(to)) * elementBits) / 8) };
  const pairs = sources(from, to);
  if (pairs === undefined) return shared;
  const masks = new Map<string, number>();
  const origin = new Map<number, number>();
  const needed = new Map<string, Set<number>>();
  let renamed = true;
  let same = true;
  for (const { to: t, from: f } of pairs) {
    const mask = t.lane ^ f.lane;
    const slot = `${t.reg}:${t.elem}`;
    if ((masks.get(slot) ?? mask) !== mask) return shared;
    masks.set(slot, mask);
    const key = `${t.reg}:${mask}:${t.warp}:${t.lane}`;
    if (mask !== 0) needed.set(key, (needed.get(key) ?? new Set()).add(f.reg));
    same &&= mask === 0 && t.reg === f.reg && t.elem === f.elem;
    renamed &&= mask === 0 && t.elem === f.elem && (origin.get(t.reg) ?? f.reg) === f.reg;
    origin.set(t.reg, f.reg);
  }
  if (same) return { kind: "none" };
  if (renamed) return { kind: "rename" };
  if (needed.size === 0) return { kind: "select" };
  const exchanges = new Map<string, number>();
  for (const [key, regs] of needed) {
    const exchange = key.split(":").slice(0, 2).join();
    exchanges.set(exchange, Math.max(exchanges.get(exchange) ?? 0, regs.size));
  }
  return { kind: "shuffle", shuffles: [...exchanges.values()].reduce((a, b) => a + b, 0) };
}
