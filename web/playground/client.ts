/** The page's side of the worker: the newest edit goes out after a pause, answers to older ones are dropped. */
import type { FromWorker, Job, ToWorker } from "./protocol.ts";

/** Pause in typing after which an edit is compiled, in milliseconds. */
const PAUSE_MS = 60;

export interface Client {
  /** Compiles a job, soon; `now` does without the pause. */
  submit(job: Job, now?: boolean): void;
  close(): void;
}

/** Text of the page's own script, which is also the worker's. */
function ownScript(): string {
  const scripts = document.querySelectorAll("script:not([type])");
  return scripts[scripts.length - 1]?.textContent ?? "";
}

const address: { url?: string } = {};

/** A worker of the page's own script. */
export function openWorker(): Worker {
  address.url ??= URL.createObjectURL(new Blob([ownScript()], { type: "text/javascript" }));
  return new Worker(address.url);
}

/** Starts the worker; `hear` gets its answers to the newest edit. */
export function openClient(hear: (message: FromWorker) => void): Client {
  const worker = openWorker();
  const state: { edit: number; timer?: ReturnType<typeof setTimeout> } = { edit: 0 };
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data.edit === state.edit) hear(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    hear({ kind: "failed", edit: state.edit, message: event.message });
  };
  return {
    submit(job, now = false) {
      const edit = ++state.edit;
      clearTimeout(state.timer);
      const send = (): void => worker.postMessage({ kind: "edit", edit, job } satisfies ToWorker);
      if (now) send();
      else state.timer = setTimeout(send, PAUSE_MS);
    },
    close: () => worker.terminate(),
  };
}
