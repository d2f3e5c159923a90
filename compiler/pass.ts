/** Passes: named pure functions from IR to IR, verified after each. */
import { internal } from "../ir/diagnostics.ts";
import type { Target } from "../ir/target.ts";
import type { Schedule } from "./schedule/schedule.ts";

export interface PassContext {
  readonly target: Target;
  readonly schedule: Schedule;
}

export interface Pass<T> {
  /** Also the file's name and the name for `--emit`. */
  readonly name: string;
  /** One sentence: what holds afterwards. */
  readonly about: string;
  run(input: T, context: PassContext): T;
}

/** What a run of passes leaves behind: the result after each, for `--emit`, the page and the tests. */
export interface Stage<T> {
  readonly pass: string;
  readonly result: T;
}

/** Runs passes in order; `verify` returns what is wrong with a result, which is always our own bug. */
export function runPasses<T>(
  input: T,
  passes: readonly Pass<T>[],
  context: PassContext,
  verify: (result: T) => readonly string[],
): { readonly result: T; readonly stages: readonly Stage<T>[] } {
  const stages: Stage<T>[] = [];
  let result = input;
  for (const pass of passes) {
    result = pass.run(result, context);
    const wrong = verify(result);
    if (wrong.length > 0) internal(`${pass.name} broke the IR: ${wrong.slice(0, 3).join("; ")}`);
    stages.push({ pass: pass.name, result });
  }
  return { result, stages };
}
