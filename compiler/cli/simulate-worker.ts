/** One thread of `bitloom simulate`: takes requests, gives reports back; everything is plain data. */
import { parentPort } from "node:worker_threads";
import { type Diagnostic, Diagnostics } from "../../ir/diagnostics.ts";
import { type SimulateReport, type SimulateRequest, simulate } from "../../simulator/simulate.ts";
import { tileMachine } from "../passes/tile-machine.ts";

/** A request with its place in the order of all. */
export interface Task {
  readonly index: number;
  readonly request: SimulateRequest;
}

/** What came of a task: a report, or none and the reasons; `crash` is our own bug. */
export interface Answer {
  readonly index: number;
  readonly report?: SimulateReport | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly crash?: string;
}

/** Carries out one task. */
export function answer({ index, request }: Task): Answer {
  const sink = new Diagnostics();
  try {
    const report = simulate(request, tileMachine, sink)?.report;
    return { index, report, diagnostics: sink.list };
  } catch (error) {
    return { index, diagnostics: sink.list, crash: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.on("message", (task: Task) => parentPort?.postMessage(answer(task)));
