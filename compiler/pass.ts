/** Passes: named pure functions from IR to IR, verified after each; they say which of their rules applied, and why. */
import { internal, type Span } from "../ir/diagnostics.ts";
import type { Target } from "../ir/target.ts";
import type { Schedule } from "./schedule/schedule.ts";

/** What a pass decided at one place: a rule applied, or it was looked at and did not. */
export interface Decision {
  /** The rule's name: kebab-case, unique in its pass. */
  readonly rule: string;
  readonly outcome: "applied" | "kept";
  /** One sentence: why, or why not. */
  readonly why: string;
  /** The source that the place stems from. */
  readonly span: Span;
}

export interface PassContext {
  readonly target: Target;
  readonly schedule: Schedule;
  /** Told of every decision. Nothing depends on it: a pass does the same without. */
  readonly decide?: (decision: Decision) => void;
}

/** Says that a rule applied. */
export function applied(context: PassContext, rule: string, span: Span, why: string): void {
  context.decide?.({ rule, outcome: "applied", why, span });
}

/** Says that a rule was looked at and left everything as it was. */
export function kept(context: PassContext, rule: string, span: Span, why: string): void {
  context.decide?.({ rule, outcome: "kept", why, span });
}

export interface Pass<T> {
  /** Also the file's name and the name for `--emit`. */
  readonly name: string;
  /** One sentence: what holds afterwards. */
  readonly about: string;
  run(input: T, context: PassContext): T;
}

/** A decision with how often it was made in the same words at the same place. */
export type CountedDecision = Decision & { readonly count: number };

/** What a run of passes leaves behind: the result after each and the decisions that led to it, for `--emit`, the page and the tests. */
export interface Stage<T> {
  readonly pass: string;
  readonly result: T;
  readonly decisions: readonly CountedDecision[];
}

/** Collects decisions; equal ones are counted. */
function openLog(): { readonly decide: (decision: Decision) => void; readonly list: () => readonly CountedDecision[] } {
  const counted = new Map<string, { readonly decision: Decision; count: number }>();
  return {
    decide(decision) {
      const { rule, outcome, why, span } = decision;
      const key = `${rule} ${outcome} ${span.file}:${span.start}:${span.end} ${why}`;
      const known = counted.get(key);
      if (known === undefined) counted.set(key, { decision, count: 1 });
      else known.count++;
    },
    list: () => [...counted.values()].map(({ decision, count }) => ({ ...decision, count })),
  };
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
    const log = openLog();
    result = pass.run(result, { ...context, decide: log.decide });
    const wrong = verify(result);
    if (wrong.length > 0) internal(`${pass.name} broke the IR: ${wrong.slice(0, 3).join("; ")}`);
    stages.push({ pass: pass.name, result, decisions: log.list() });
  }
  return { result, stages };
}
