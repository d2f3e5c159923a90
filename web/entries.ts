/** Files that are open: each is read in a worker, which can be ended at any time, and holds one run or more. */

import type { Told } from "./load/worker.ts";
import { rangeTotals } from "./mix.ts";
import type { Loaded, Model } from "./model.ts";
import type { Operation, Run, UnitCycles } from "./run.ts";

/** The text of the worker's script: the build puts it here, so that the page is one file. */
declare const BITLOOM_WORKER: string;

/** One run that can be looked at. */
export interface Entry {
  readonly run: Run;
  /** Undefined for a report's results. */
  readonly model: Model | undefined;
}

/** Bytes with the name under which the reader knows them. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: ArrayBuffer;
}

export interface Reading {
  readonly result: Promise<Loaded>;
  cancel(): void;
}

/**
 * Reads bytes in a worker; they are gone from here afterwards. Never rejects. `look` is given the first layers of a large
 * trace while the rest is read.
 */
export function readInWorker(bytes: ArrayBuffer, look: (first: Loaded) => void): Reading {
  const url = URL.createObjectURL(new Blob([BITLOOM_WORKER], { type: "text/javascript" }));
  const worker = new Worker(url);
  const finish = (): void => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
  const result = new Promise<Loaded>((resolve) => {
    worker.onmessage = ({ data: { loaded, last } }: MessageEvent<Told>) => {
      if (!last) {
        look(loaded);
        return;
      }
      finish();
      resolve(loaded);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      finish();
      resolve({ kind: "error", message: `reading it failed: ${event.message}` });
    };
  });
  worker.postMessage(bytes, [bytes]);
  return { result, cancel: finish };
}

export function entriesOf(loaded: Exclude<Loaded, { readonly kind: "error" }>): readonly Entry[] {
  if (loaded.kind === "runs") return loaded.runs.map((run) => ({ run, model: undefined }));
  const { model } = loaded;
  return [{ run: runOf(model), model }];
}

/** Beyond so many layers times units their states are not summed: nobody reads such a table. */
const MAX_SUMS = 50_000;

/** The run of a trace; where it holds states alone, its layers and what units did in them. */
export function runOf(model: Model): Run {
  if (model.run !== undefined) return model.run;
  const layers =
    model.layers.length > 0 ? model.layers : [{ name: "the run", kind: "run", start: 0, end: model.cycles }];
  const summed = layers.length * model.lanes.length <= MAX_SUMS;
  const operations = layers.map(
    ({ name, kind, start, end }): Operation => ({
      name,
      kind,
      start,
      cycles: end - start,
      energyPJ: {},
      macs: undefined,
      bytes: {},
      units: summed
        ? Object.fromEntries(model.lanes.map(({ name: unit }, lane) => [unit, unitCycles(model, lane, start, end)]))
        : {},
    }),
  );
  const clockMHz = model.unit === "ns" ? 1000 : model.clockMHz;
  const { workload, hardware, phase } = model;
  return { workload, hardware, phase, details: [], clockMHz, machine: undefined, area: undefined, operations };
}

function unitCycles(model: Model, lane: number, from: number, to: number): UnitCycles {
  const totals = rangeTotals(model, lane, from, to);
  const busy: Record<string, number> = {};
  const stall: Record<string, number> = {};
  let idle = 0;
  model.states.forEach(({ family, label }, state) => {
    const cycles = totals[state]!;
    if (cycles === 0) return;
    if (family === "idle") idle += cycles;
    else {
      const table = family === "busy" ? busy : stall;
      table[label] = (table[label] ?? 0) + cycles;
    }
  });
  return { busy, stall, idle };
}
