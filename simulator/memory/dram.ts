/** The off-chip memory: one interface of so many bytes a cycle, served in the order of requests. */
import type { DramSpec } from "../../hw-models/schema.ts";

/** When a request is on the interface, and who was on it before. */
export interface Served {
  readonly begin: number;
  readonly end: number;
  /** The channel right before it in the queue; -1 where the interface was free. */
  readonly behind: number;
}

export interface Dram {
  /**
   * Serves `requests` requests of one size, one behind the other. Must be called in the order of time. A channel asks
   * again when its last request ends, so channels take turns.
   */
  serve(channel: number, bytes: number, requests: number, now: number): Served;
  /** Cycles that a request takes on the interface. */
  cycles(bytes: number): number;
  /** The cycle in which the interface becomes free. */
  free(): number;
  /** The channel that was served last. */
  last(): number;
  /** Keeps the interface busy for so many cycles more; `channel` is served last. */
  extend(channel: number, cycles: number): void;
}

export function dram(spec: DramSpec): Dram {
  let free = 0;
  let current = -1;
  const cycles = (bytes: number): number => Math.ceil(bytes / spec.bytesPerCycle);
  return {
    cycles,
    free: () => free,
    last: () => current,
    extend(channel, more) {
      free += more;
      current = channel;
    },
    serve(channel, bytes, requests, now) {
      const begin = Math.max(now, free);
      const behind = begin > now ? current : -1;
      free = begin + requests * cycles(bytes);
      current = channel;
      return { begin, end: free, behind };
    },
  };
}
