/** The off-chip memory: one interface shared by all channels, by its bandwidth alone or by the timing of its parts. */
import type { DramSpec, TimedDram } from "../../hw-models/schema.ts";
import { TimedChannel } from "./timed-channel.ts";

/** What a DMA channel asks for: contiguous bytes. */
export interface Asked {
  readonly channel: number;
  readonly bytes: number;
  /** Requests of that many bytes, one behind the other. */
  readonly requests: number;
  /** The cycle in which it is the channel's turn. */
  readonly now: number;
  /** The cycle from which on the memory has known of it: rows can be opened ahead. */
  readonly seen: number;
  readonly address: number;
  readonly store: boolean;
}

/** When a request is on the interface, and who was on it before. */
export interface Served {
  readonly begin: number;
  readonly end: number;
  /** The channel right before it in the queue; -1 where the interface was free. */
  readonly behind: number;
  /** Of the cycles from `begin` to `end`, those in which no data passed, by cause. */
  readonly row: number;
  readonly refresh: number;
  readonly turn: number;
  readonly latency: number;
}

/** Actions of the memory that cost energy besides moving bytes; both 0 where only bandwidth is modelled. */
export interface DramCounts {
  readonly activates: number;
  readonly refreshes: number;
}

export interface Dram {
  /** Serves requests. Must be called in the order of time; a channel asks again when its last one ends, so they take turns. */
  serve(asked: Asked): Served;
  /** From the end of a read on the interface to its data lying in the buffer. */
  readonly latency: number;
  /** What nothing but bandwidth lets one say: how it stands is known by when it is free. */
  readonly steady: SteadyDram | undefined;
  /** What it has done up to a cycle, which ends the run. */
  counts(cycle: number): DramCounts;
}

/** An interface that is described by when it becomes free. */
export interface SteadyDram {
  /** Cycles that a request takes on the interface. */
  cycles(bytes: number): number;
  /** The cycle in which the interface becomes free. */
  free(): number;
  /** The channel that was served last. */
  last(): number;
  /** Keeps the interface busy for so many cycles more; `channel` is served last. */
  extend(channel: number, cycles: number): void;
}

const NOTHING_LOST = { row: 0, refresh: 0, turn: 0, latency: 0 } as const;

export function dram(spec: DramSpec, clockMHz: number): Dram {
  return spec.timed === undefined ? byBandwidth(spec) : byTiming(spec.timed, clockMHz);
}

function byBandwidth(spec: DramSpec): Dram {
  let free = 0;
  let current = -1;
  const cycles = (bytes: number): number => Math.ceil(bytes / spec.bytesPerCycle);
  return {
    latency: spec.latencyCycles,
    steady: {
      cycles,
      free: () => free,
      last: () => current,
      extend(channel, more) {
        free += more;
        current = channel;
      },
    },
    serve({ channel, bytes, requests, now }) {
      const begin = Math.max(now, free);
      const behind = begin > now ? current : -1;
      free = begin + requests * cycles(bytes);
      current = channel;
      return { begin, end: free, behind, ...NOTHING_LOST };
    },
    counts: () => ({ activates: 0, refreshes: 0 }),
  };
}

/** Where a burst lies in its channel. */
export interface Place {
  readonly group: number;
  readonly bank: number;
  readonly row: number;
  /** Bursts from this one on, round the bank groups, to the end of their rows. */
  readonly left: number;
}

/**
 * The address map: consecutive bursts go round the channels, within a channel round the bank groups, then along the
 * row, then to the next bank of each group, then to the next row. `number` counts the bursts of one channel.
 */
export function placeOf({ part }: TimedDram, number: number): Place {
  const { bankGroups, banksPerGroup } = part;
  const bursts = part.rowBytes / (part.burstClocks * part.channelBytesPerClock);
  const turn = Math.floor(number / bankGroups);
  const group = number % bankGroups;
  const stripe = Math.floor(turn / bursts);
  const left = (bursts - (turn % bursts)) * bankGroups - group;
  return { group, bank: stripe % banksPerGroup, row: Math.floor(stripe / banksPerGroup), left };
}

/** Serves `count` bursts of a channel from its burst `first` on; runs of open rows are not stepped unless `step`. */
export function stream(
  channel: TimedChannel,
  timed: TimedDram,
  first: number,
  count: number,
  write: boolean,
  seen: number,
  step = false,
): void {
  const { bankGroups } = timed.part;
  let [number, left] = [first, count];
  let wait = 0;
  while (left > 0) {
    const place = placeOf(timed, number);
    const within = Math.min(left, place.left);
    const ran =
      !step && wait === 0 && within > 2 * bankGroups
        ? channel.run(place.group, place.bank, place.row, write, seen, within)
        : 0;
    if (ran === 0) {
      channel.burst(place.group, place.bank, place.row, write, seen);
      wait = wait === 0 ? bankGroups : wait - 1;
    } else {
      wait = 0;
    }
    number += Math.max(1, ran);
    left -= Math.max(1, ran);
  }
}

function byTiming(timed: TimedDram, clockMHz: number): Dram {
  const { part, channels: count } = timed;
  const channels = Array.from({ length: count }, () => new TimedChannel(part, timed.page === "closed"));
  const burstBytes = part.burstClocks * part.channelBytesPerClock;
  const [clocks, cycles] = ratio(part.clockMHz, clockMHz);
  const toClocks = (cycle: number): number => Math.ceil((cycle * clocks) / cycles);
  const toCycles = (clock: number): number => Math.ceil((clock * cycles) / clocks);
  let free = 0;
  let current = -1;
  return {
    latency: 0,
    steady: undefined,
    serve({ channel: dma, bytes, requests, now, seen, address, store }) {
      const from = Math.floor(address / burstBytes);
      const to = Math.ceil((address + bytes * requests) / burstBytes);
      const at = toClocks(seen);
      let [last, data] = [0, 0];
      let lost = { row: 0, refresh: 0, turn: 0 };
      for (let c = 0; c < Math.min(count, to - from); c++) {
        const channel = channels[(from + c) % count]!;
        const first = Math.floor((from + c) / count);
        const bursts = Math.ceil((to - from - c) / count);
        const { row, refresh, turn } = channel.lost;
        stream(channel, timed, first, bursts, store, at);
        if (channel.end <= last) continue;
        last = channel.end;
        data = bursts * part.burstClocks;
        lost = { row: channel.lost.row - row, refresh: channel.lost.refresh - refresh, turn: channel.lost.turn - turn };
      }
      const begin = Math.max(now, free);
      const behind = begin > now ? current : -1;
      const end = Math.max(begin, toCycles(last));
      free = end;
      current = dma;
      let rest = end - begin;
      const take = (ticks: number): number => {
        const taken = Math.min(rest, toCycles(ticks));
        rest -= taken;
        return taken;
      };
      take(data);
      const [row, refresh, turn] = [take(lost.row), take(lost.refresh), take(lost.turn)];
      return { begin, end, behind, row, refresh, turn, latency: rest };
    },
    counts(cycle) {
      for (const channel of channels) channel.finish(toClocks(cycle));
      return {
        activates: channels.reduce((sum, c) => sum + c.counts.activates, 0),
        refreshes: channels.reduce((sum, c) => sum + c.counts.refreshes, 0),
      };
    },
  };
}

/** Two clocks as whole numbers in lowest terms, to a hertz. */
function ratio(aMHz: number, bMHz: number): readonly [number, number] {
  const [a, b] = [Math.round(aMHz * 1e6), Math.round(bMHz * 1e6)];
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return [a / x, b / x];
}
