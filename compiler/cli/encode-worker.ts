/** A thread that encodes: answers the orders of `encode-pool.ts` one after the other. */
import { parentPort } from "node:worker_threads";
import { type Answer, createHandler, type Order } from "./encode-jobs.ts";

const handle = createHandler();

/** What is handed over instead of copied. */
function buffersOf(answer: Answer): readonly ArrayBuffer[] {
  if (answer.kind !== "pack") return [];
  const { streams, outliers } = answer.rows;
  return [...streams, outliers.places, outliers.values].map((view) => view.buffer as ArrayBuffer);
}

parentPort?.on("message", (order: Order) => {
  const answer = handle(order);
  parentPort?.postMessage(answer, [...new Set(buffersOf(answer))]);
});
