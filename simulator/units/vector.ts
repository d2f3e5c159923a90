/** The vector unit: element-wise work on blocks of sums, so many elements a cycle. */
import type { VectorSpec } from "../../hw-models/schema.ts";
import type { Work } from "../issue.ts";
import { busy, stalled } from "../states.ts";
import { NOTHING, type Unit } from "./unit.ts";

const MAP = busy("map");

export function vector(spec: VectorSpec): Unit {
  const play = (work: Work, now: number): ReturnType<Unit["play"]> => {
    const next = now + Math.ceil(work.elements / spec.elementsPerCycle);
    return {
      spent: [{ state: MAP, cycles: next - now }],
      next,
      operandsFree: next,
      registersFree: next,
      visible: next,
    };
  };
  return { play, settle: () => NOTHING, tail: stalled("control") };
}
