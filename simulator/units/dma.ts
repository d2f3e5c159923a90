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

/** Bytes of the next request of a transfer of which `left` bytes are still to be asked for. */
export function nextRequest(spec: DmaSpec, left: number): number {
  return Math.min(left, spec.requestBytes);
}
