/** Trace files for the page's tests: a small simulated pass, and a file whose names are markup. */
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { ACCELERATORS } from "../../hw-models/index.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type Simulation, simulate } from "../../simulator/index.ts";

/** One pass of a transformer of two blocks, on the 32×32 output-stationary machine or another. */
export function simulated(machine = "systolic-32-os"): Simulation {
  const workload = {
    name: "tiny",
    hidden: 256,
    feedForward: 512,
    blocks: 2,
    heads: 4,
    keyValueHeads: 4,
    headSize: 64,
    vocabulary: 512,
  };
  const hardware = ACCELERATORS.find((a) => a.name === machine)!;
  const request = { workload, hardware, phase: "prefill", batch: 1, context: 48, weights: 4, trace: true } as const;
  return simulate(request, tileMachine, new Diagnostics())!;
}

const EVIL = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';

/** A Chrome trace in which every name tries to become markup. */
export const EVIL_TRACE = new TextEncoder().encode(
  JSON.stringify({
    metadata: { workload: EVIL, hardware: EVIL, phase: EVIL },
    traceEvents: [
      { ph: "M", pid: 1, name: "process_name", args: { name: EVIL } },
      { ph: "M", pid: 1, tid: 1, name: "thread_name", args: { name: EVIL } },
      { ph: "X", pid: 1, tid: 1, ts: 0, dur: 10, name: EVIL, cat: "stall", args: { op: EVIL, culprit: EVIL } },
      { ph: "X", pid: 1, tid: 2, ts: 0, dur: 10, name: EVIL, cat: "layer", args: { layer: EVIL } },
      { ph: "X", pid: 1, tid: 3, ts: 2, dur: 5, name: "__proto__" },
    ],
  }),
);
