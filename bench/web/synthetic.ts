/** A trace of a given size: lanes full of short slices of eight states, each lane as long as the others. */
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { STATES } from "../../simulator/states.ts";
import { encodeTrace, type Trace } from "../../simulator/trace.ts";

const STATE_CODES = [0, 1, 5, 6, 7, 9, 10, 15] as const;
const MEAN_CYCLES = 7;

/** The bytes of a trace of about `slices` slices over `lanes` lanes, the same for the same numbers. */
export function syntheticTrace(slices: number, lanes: number): Uint8Array {
  const perLane = Math.floor(slices / lanes);
  const cycles = perLane * MEAN_CYCLES;
  const columns = {
    cycles: new Uint32Array(perLane * lanes),
    op: new Uint16Array(perLane * lanes),
    state: new Uint8Array(perLane * lanes),
    culprit: new Uint8Array(perLane * lanes),
  };
  let seed = 1;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  for (let lane = 0, i = 0; lane < lanes; lane++) {
    // Lengths from 1 to 13 in pairs of the same sum, so that every lane is as long as the others.
    for (let k = 0; k < perLane; k += 2) {
      const length = k + 1 < perLane ? 1 + random(2 * MEAN_CYCLES - 1) : MEAN_CYCLES;
      for (const value of k + 1 < perLane ? [length, 2 * MEAN_CYCLES - length] : [length]) {
        const code = STATE_CODES[random(STATE_CODES.length)]!;
        columns.cycles[i] = value;
        columns.state[i] = code;
        columns.op[i] = code === 0 ? 0 : 1 + random(4);
        columns.culprit[i] = code >= 9 ? 1 + ((lane + 1) % lanes) : 0;
        i++;
      }
    }
  }
  const trace: Trace = {
    header: {
      version: 1,
      workload: `${slices} slices`,
      hardware: "synthetic",
      phase: "decode",
      clockMHz: 1000,
      lanes: Array.from({ length: lanes }, (_, i) => `unit-${i}`),
      states: STATES,
      segments: [
        {
          cycles,
          counts: Array(lanes).fill(perLane),
          ops: ["copy weight", "copy activation", "decode weight", "contract"].map((name) => ({
            name,
            unit: "unit-0",
            span: NO_SPAN,
          })),
        },
      ],
      layers: [{ name: "layer", kind: "feed-forward", segment: 0, startCycle: 0 }],
    },
    segments: [columns],
  };
  return encodeTrace(trace);
}
