/** The worker's side: compiles the newest text step by step, drops what a newer one has overtaken, answers questions. */
import { describeAt } from "../../compiler/language/describe.ts";
import type { CheckedText } from "./compiling.ts";
import { checkText, compileFor, operatorOf, stagesOf } from "./compiling.ts";
import type { Answer, FromWorker, Job, Question, Reply, TargetResult, ToWorker } from "./protocol.ts";
import { carryOutRun } from "./run-job.ts";
import { carryOutSimulation } from "./simulate-job.ts";
import { defaultSize } from "./state.ts";

interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker | Reply): void;
}

interface Pending {
  readonly edit: number;
  readonly job: Job;
}

interface State {
  pending: Pending | undefined;
  running: boolean;
  /** The text that was checked last, so that questions about it cost nothing. */
  last: { readonly text: string; readonly made: CheckedText } | undefined;
  /** What the newest operator became, by target: another column costs one compilation. */
  made: { readonly key: string; readonly results: Map<string, TargetResult> };
}

/** Lets messages in that came meanwhile. A timer would wait for milliseconds; a port does not. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

function checkedOnce(state: State, text: string): CheckedText {
  if (state.last?.text !== text) state.last = { text, made: checkText(text) };
  return state.last.made;
}

async function carryOut(state: State, { edit, job }: Pending, post: (message: FromWorker) => void): Promise<void> {
  const start = performance.now();
  const { checked, module } = checkedOnce(state, job.text);
  post({ kind: "checked", edit, checked });
  const found = checked.ok ? operatorOf(module, job, defaultSize) : undefined;
  const key = JSON.stringify([job.text, found?.op.name, found?.sizes]);
  if (state.made.key !== key) state.made = { key, results: new Map() };
  const { results } = state.made;
  for (const target of found === undefined ? [] : job.targets) {
    await breathe();
    if (state.pending !== undefined) return;
    const result = results.get(target) ?? compileFor(module, found!.op.name, found!.sizes, target).result;
    results.set(target, result);
    post({ kind: "compiled", edit, result });
  }
  post({ kind: "done", edit, milliseconds: performance.now() - start });
}

function answer(state: State, question: Question): Answer {
  switch (question.kind) {
    case "describe": {
      const described = state.last && describeAt(state.last.made.module, question.file, question.offset);
      return { kind: "described", described };
    }
    case "stages": {
      const { module, checked } = checkedOnce(state, question.job.text);
      const found = checked.ok ? operatorOf(module, question.job, defaultSize) : undefined;
      if (found === undefined) return { kind: "stages", stages: [], diagnostics: checked.diagnostics };
      const { compiled, result } = compileFor(module, found.op.name, found.sizes, question.target);
      return {
        kind: "stages",
        stages: compiled === undefined ? [] : stagesOf(compiled),
        diagnostics: result.diagnostics,
      };
    }
  }
}

/** Serves the page until it goes away. */
export function startWorker(scope: Scope): void {
  const state: State = {
    pending: undefined,
    running: false,
    last: undefined,
    made: { key: "", results: new Map() },
  };
  const pump = async (): Promise<void> => {
    state.running = true;
    while (state.pending !== undefined) {
      const next = state.pending;
      state.pending = undefined;
      try {
        await carryOut(state, next, (message) => scope.postMessage(message));
      } catch (error) {
        scope.postMessage({ kind: "failed", edit: next.edit, message: (error as Error).message });
      }
    }
    state.running = false;
  };
  const reply = async (id: number, work: () => Promise<Reply>): Promise<void> => {
    try {
      scope.postMessage(await work());
    } catch (error) {
      scope.postMessage({ kind: "refused", id, message: (error as Error).message });
    }
  };
  scope.onmessage = ({ data }) => {
    switch (data.kind) {
      case "edit":
        state.pending = { edit: data.edit, job: data.job };
        if (!state.running) void pump();
        return;
      case "ask":
        void reply(data.id, async () => ({ kind: "answer", id: data.id, answer: answer(state, data.question) }));
        return;
      case "do":
        void reply(data.id, async () => {
          const outcome = data.what.kind === "run" ? await carryOutRun(data.what) : await carryOutSimulation(data.what);
          return typeof outcome === "string"
            ? { kind: "refused", id: data.id, message: outcome }
            : { kind: "finished", id: data.id, outcome };
        });
    }
  };
}
