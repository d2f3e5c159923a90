/** Cases: the few values that an extent takes while loops go round, numbered, and for how many trips each of them stays. */
import { internal } from "../ir/diagnostics.ts";
import type { Env, Tracked } from "./extents.ts";

/** A loop around an op, and the place of its value in the environment; behind it stands how often it went round. */
export interface Around {
  readonly loop: { readonly extent: number; readonly step: number };
  readonly slot: number;
}

/** Values that one extent may take: whole, cut at a block's or at the product's edge, nothing. */
export const MAX_CASES = 64;

/** One of the extents that decide what a work amounts to. */
export interface Case {
  /** Slots of the enclosing loops on which it depends. */
  readonly slots: readonly number[];
  /** Which of its values it has. */
  at(env: Env): number;
  /** The trip of a loop up to which it keeps the value that it has now, while all other loops stand still. */
  keepsUntil(env: Env, slot: number): number;
  /** The same, whatever the loops within that one do. */
  keepsThroughout(env: Env, slot: number): number;
}

/**
 * Numbers the values that an extent takes. They depend on few loops, so each combination of those is looked at once;
 * `trips` of a loop stand behind its value in the environment.
 */
export function distinguish({ value, slots }: Tracked, outer: readonly Around[]): Case {
  const loops: { readonly slot: number; readonly stride: number; readonly trips: number; readonly step: number }[] = [];
  let size = 1;
  for (const { loop, slot } of outer) {
    if (!slots.has(slot)) continue;
    const trips = Math.ceil(loop.extent / loop.step);
    loops.push({ slot, stride: size, trips, step: loop.step });
    size *= trips;
  }
  const table = new Int8Array(size).fill(-1);
  const ends = new Map<number, Int32Array>();
  const values: number[] = [];
  const placeOf = (env: Env): number => {
    let place = 0;
    for (let i = 0; i < loops.length; i++) place += env[loops[i]!.slot + 1]! * loops[i]!.stride;
    return place;
  };
  const at = (env: Env): number => {
    const place = placeOf(env);
    const known = table[place]!;
    if (known >= 0) return known;
    const found = value(env);
    const number = values.includes(found) ? values.indexOf(found) : values.push(found) - 1;
    if (number >= MAX_CASES) internal(`an extent takes more than ${MAX_CASES} values`);
    table[place] = number;
    return number;
  };
  const keepsUntil = (env: Env, slot: number): number => {
    const loop = loops.find((l) => l.slot === slot);
    if (loop === undefined) return Number.POSITIVE_INFINITY;
    const known = ends.get(slot) ?? new Int32Array(size);
    ends.set(slot, known);
    const place = placeOf(env);
    if (known[place] !== 0) return known[place]!;
    const [here, trip] = [env[slot]!, env[slot + 1]!];
    const now = at(env);
    let end = trip + 1;
    for (; end < loop.trips; end++) {
      env[slot] = end * loop.step;
      env[slot + 1] = end;
      if (at(env) !== now) break;
    }
    env[slot] = here;
    env[slot + 1] = trip;
    for (let t = trip; t < end; t++) known[place + (t - trip) * loop.stride] = end;
    return end;
  };
  const keepsThroughout = (env: Env, slot: number): number => {
    const own = loops.findIndex((l) => l.slot === slot);
    if (own < 0) return Number.POSITIVE_INFINITY;
    const within = loops.slice(own + 1);
    const saved = within.map((l) => env[l.slot]!);
    const trips = within.map((l) => env[l.slot + 1]!);
    let end = Number.POSITIVE_INFINITY;
    const visit = (i: number): void => {
      const loop = within[i];
      if (loop === undefined) {
        end = Math.min(end, keepsUntil(env, slot));
        return;
      }
      for (let trip = 0; trip < loop.trips; trip++) {
        env[loop.slot] = trip * loop.step;
        env[loop.slot + 1] = trip;
        visit(i + 1);
      }
    };
    visit(0);
    within.forEach((l, i) => {
      env[l.slot] = saved[i]!;
      env[l.slot + 1] = trips[i]!;
    });
    return end;
  };
  return { slots: loops.map((l) => l.slot), at, keepsUntil, keepsThroughout };
}
