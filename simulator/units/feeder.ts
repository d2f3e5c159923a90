/** A feeder: shifts one operand into the array's registers or its border FIFO, decoding codes on the way. */
import type { FeederSpec, SystolicSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";
import { busy, stalled } from "../states.ts";
import { FORGETFUL, type Lane, setAll, startTimes, type Unit } from "./unit.ts";

const FEED = busy("feed");
const DECODE = busy("decode");

/**
 * A stationary operand passes through all rows of the array, also where the fold fills only some of them. Decoding and
 * shifting go on side by side: the slower one counts.
 */
export function feeder(spec: FeederSpec, array: SystolicSpec): Unit {
  const times = startTimes();
  const shiftCycles = Math.ceil(array.rows / spec.rowsPerCycle);
  const play = (work: Work, now: number, lane: Lane): void => {
    const decoding = work.op.kind === "decode";
    const decode = decoding ? Math.ceil(work.elements / spec.codesPerCycle) : 0;
    const shift = work.stationary && work.elements > 0 ? shiftCycles : 0;
    setAll(times, now + Math.max(decode, shift));
    lane.fill(times.next, decoding ? DECODE : FEED);
  };
  return { times, ...FORGETFUL, play, settle: () => {}, tail: stalled("control") };
}
