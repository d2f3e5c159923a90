/** Runs many simulations on several threads; results come in the order of the requests, whatever the number of threads. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type Diagnostics, internal } from "../../ir/diagnostics.ts";
import type { SimulateReport, SimulateRequest } from "../../simulator/simulate.ts";
import { type Answer, answer, type Task } from "./simulate-worker.ts";

/** Where the thread's file lies from a bundled command and from a part of it that is a file of its own. */
const PLACES = ["./simulate-worker.js", "../simulate-worker.js"] as const;

function workerFile(): URL | undefined {
  return PLACES.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(url));
}

/** Fewer runs than these are done sooner than threads start. */
const MIN_RUNS = 4;

/** Threads for so many runs where nobody says how many. */
export function threadsFor(runs: number): number {
  return runs < MIN_RUNS ? 1 : Math.min(runs, availableParallelism());
}

/**
 * Reports in the order of the requests, up to the first that fails; its diagnostics, and the warnings before it, go to
 * the sink. `done` is called after each run.
 */
export async function runAll(
  requests: readonly SimulateRequest[],
  threads: number,
  sink: Diagnostics,
  done: (request: SimulateRequest, report: SimulateReport) => void,
): Promise<readonly SimulateReport[]> {
  const file = threads > 1 ? workerFile() : undefined;
  const tasks = requests.map((request, index) => ({ index, request }));
  const take = (a: Answer): boolean => {
    if (a.report !== undefined) done(requests[a.index]!, a.report);
    return a.report !== undefined;
  };
  const answers = file === undefined ? inTurn(tasks, take) : await spread(tasks, file, threads, take);
  const reports: SimulateReport[] = [];
  for (const a of answers) {
    for (const d of a.diagnostics) sink.add(d);
    if (a.crash !== undefined) internal(a.crash.replace(/^internal: /, ""));
    if (a.report === undefined) break;
    reports.push(a.report);
  }
  return reports;
}

function inTurn(tasks: readonly Task[], take: (a: Answer) => boolean): readonly Answer[] {
  const answers: Answer[] = [];
  for (const task of tasks) {
    const a = answer(task);
    answers.push(a);
    if (!take(a)) break;
  }
  return answers;
}

/** Every thread takes the next task as soon as it is free; after a failure no new ones are given out. */
function spread(
  tasks: readonly Task[],
  file: URL,
  threads: number,
  take: (a: Answer) => boolean,
): Promise<readonly Answer[]> {
  return new Promise((resolve, reject) => {
    const answers = new Array<Answer | undefined>(tasks.length).fill(undefined);
    const workers = Array.from({ length: Math.min(threads, tasks.length) }, () => new Worker(file));
    let next = 0;
    let failed = false;
    let busy = 0;
    const finish = (): void => {
      for (const worker of workers) void worker.terminate();
    };
    const give = (worker: Worker): void => {
      const task = failed ? undefined : tasks[next++];
      if (task !== undefined) {
        busy++;
        worker.postMessage(task);
      } else if (busy === 0) {
        finish();
        const missing = answers.indexOf(undefined);
        resolve((missing < 0 ? answers : answers.slice(0, missing)) as readonly Answer[]);
      }
    };
    for (const worker of workers) {
      worker.on("message", (a: Answer) => {
        busy--;
        answers[a.index] = a;
        if (!take(a)) failed = true;
        give(worker);
      });
      worker.on("error", (error) => {
        finish();
        reject(error);
      });
      give(worker);
    }
  });
}
