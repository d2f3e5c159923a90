/** The page's side of its workers: the newest edit goes out after a pause, questions come back, long jobs can be ended. */
import type {
  Answer,
  FromWorker,
  Job,
  Question,
  Reply,
  RunOutcome,
  RunRequest,
  SimulateJob,
  SimulateOutcome,
  ToWorker,
} from "./protocol.ts";

/** Pause in typing after which an edit is compiled, in milliseconds. */
const PAUSE_MS = 60;

export interface Client {
  /** Compiles a job, soon; `now` does without the pause. */
  submit(job: Job, now?: boolean): void;
  ask(question: Question): Promise<Answer>;
}

/** The worker of the page's own script, which is also the workers'. */
const address: { url?: string } = {};

function openWorker(): Worker {
  const scripts = document.querySelectorAll("script:not([type])");
  const text = scripts[scripts.length - 1]?.textContent ?? "";
  address.url ??= URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return new Worker(address.url);
}

/** Starts the worker; `hear` gets its answers to the newest edit. */
export function openClient(hear: (message: FromWorker) => void): Client {
  const worker = openWorker();
  const state: { edit: number; id: number; timer?: ReturnType<typeof setTimeout> } = { edit: 0, id: 0 };
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  worker.onmessage = ({ data }: MessageEvent<FromWorker | Reply>) => {
    if ("edit" in data) {
      if (data.edit === state.edit) hear(data);
      return;
    }
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.kind === "answer") asked?.resolve(data.answer);
    if (data.kind === "refused") asked?.reject(new Error(data.message));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    hear({ kind: "failed", edit: state.edit, message: event.message });
  };
  const send = (message: ToWorker): void => worker.postMessage(message);
  return {
    submit(job, now = false) {
      const edit = ++state.edit;
      clearTimeout(state.timer);
      if (now) send({ kind: "edit", edit, job });
      else state.timer = setTimeout(() => send({ kind: "edit", edit, job }), PAUSE_MS);
    },
    ask: (question) =>
      new Promise((resolve, reject) => {
        const id = ++state.id;
        waiting.set(id, { resolve, reject });
        send({ kind: "ask", id, question });
      }),
  };
}

/** A long job under way. */
export interface Errand {
  readonly outcome: Promise<RunOutcome | SimulateOutcome>;
  /** Ends it at once; `outcome` is then never settled. */
  cancel(): void;
}

/** Does a long job in a worker of its own: nothing else waits for it. */
export function startErrand(what: RunRequest | SimulateJob): Errand {
  const worker = openWorker();
  const outcome = new Promise<RunOutcome | SimulateOutcome>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      worker.terminate();
      if (data.kind === "finished") resolve(data.outcome);
      else reject(new Error(data.kind === "refused" ? data.message : "no outcome"));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      reject(new Error(event.message));
    };
  });
  worker.postMessage({ kind: "do", id: 1, what } satisfies ToWorker);
  return { outcome, cancel: () => worker.terminate() };
}
