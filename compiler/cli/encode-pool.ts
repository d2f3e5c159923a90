/** Threads that encode pieces of tensors, few enough at once that memory stays bounded. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type Answer, createHandler, type Order } from "./encode-jobs.ts";

export interface EncodePool {
  readonly threads: number;
  /** Gives every thread a recipe; pieces after it are encoded by it. */
  prepare(order: Extract<Order, { kind: "recipe" }>): Promise<void>;
  /** Answers in the order of the pieces; at most two pieces a thread are on their way. */
  each(pieces: AsyncIterable<Order>, use: (answer: Answer, index: number) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** The worker beside the bundled command, in the folder of its chunks or above it; undefined when run in another way. */
function workerFile(): URL | undefined {
  const places = ["./encode-worker.js", "../encode-worker.js"].map((path) => new URL(path, import.meta.url));
  return places.find((url) => existsSync(fileURLToPath(url)));
}

/** As many threads as asked for, or as there are cores; one works in this thread. */
export function openPool(wanted: number | undefined): EncodePool {
  const file = workerFile();
  const threads = file === undefined ? 1 : (wanted ?? availableParallelism());
  return threads <= 1 || file === undefined ? inline() : withWorkers(threads, file);
}

function inline(): EncodePool {
  const handle = createHandler();
  return {
    threads: 1,
    prepare(order) {
      handle(order);
      return Promise.resolve();
    },
    async each(pieces, use) {
      let index = 0;
      for await (const piece of pieces) if (!use(handle(piece), index++)) return;
    },
    close: () => Promise.resolve(),
  };
}

/** One worker and the answers that are still due, in order. */
interface Hand {
  readonly worker: Worker;
  readonly due: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }[];
}

function withWorkers(threads: number, file: URL): EncodePool {
  const hands = Array.from({ length: threads }, (): Hand => {
    const hand: Hand = { worker: new Worker(file), due: [] };
    hand.worker.on("message", (answer: Answer) => hand.due.shift()?.resolve(answer));
    hand.worker.on("error", (error) => {
      for (const { reject } of hand.due.splice(0)) reject(error instanceof Error ? error : new Error(String(error)));
    });
    return hand;
  });
  const ask = ({ worker, due }: Hand, order: Order): Promise<Answer> =>
    new Promise((resolve, reject) => {
      due.push({ resolve, reject });
      worker.postMessage(order, "bytes" in order ? [order.bytes.buffer] : []);
    });
  return {
    threads,
    async prepare(order) {
      await Promise.all(hands.map((hand) => ask(hand, order)));
    },
    async each(pieces, use) {
      const waiting: Promise<Answer>[] = [];
      let [asked, used] = [0, 0];
      const next = async (): Promise<boolean> => use(await waiting.shift()!, used++);
      for await (const piece of pieces) {
        waiting.push(ask(hands[asked++ % threads]!, piece));
        if (waiting.length >= 2 * threads && !(await next())) break;
      }
      while (waiting.length > 0) if (!(await next())) break;
      await Promise.all(waiting);
    },
    async close() {
      await Promise.all(hands.map(({ worker }) => worker.terminate()));
    },
  };
}
