/** A channel between the off-chip memory and the buffers: cuts a transfer into requests and asks for one after the other. */
import type { DmaSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";

/** What a copy moves over the memory's interface. */
export interface Transfer {
  readonly bytes: number;
  /** From the buffers to the memory. */
  readonly store: boolean;
}

export function transferOf(work: Work): Transfer {
  const read = work.traffic.find((t) => t.place === "global" && t.readBytes > 0);
  const written = work.traffic.find((t) => t.place === "global" && t.writeBytes > 0);
  return { bytes: (read?.readBytes ?? 0) + (written?.writeBytes ?? 0), store: written !== undefined };
}

/** Requests that a channel makes one behind the other. */
export interface Burst {
  readonly bytes: number;
  readonly requests: number;
}

/** The next request of a transfer with `left` bytes to go; all whole ones at once where nobody else takes turns. */
export function nextBurst(spec: DmaSpec, left: number, alone: boolean): Burst {
  if (left < spec.requestBytes) return { bytes: left, requests: 1 };
  return { bytes: spec.requestBytes, requests: alone ? Math.floor(left / spec.requestBytes) : 1 };
}
