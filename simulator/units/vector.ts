/** The vector unit: element-wise work on blocks of sums, so many elements a cycle. */
import type { VectorSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";
import { busy, stalled } from "../states.ts";
import { FORGETFUL, type Lane, setAll, startTimes, type Unit } from "./unit.ts";

const MAP = busy("map");

export function vector(spec: VectorSpec): Unit {
  const times = startTimes();
  const play = (work: Work, now: number, lane: Lane): void => {
    setAll(times, now + Math.ceil(work.elements / spec.elementsPerCycle));
    lane.fill(times.next, MAP);
  };
  return { times, ...FORGETFUL, play, settle: () => {}, tail: stalled("control") };
}
