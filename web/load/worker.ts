/** The worker that reads files: bytes in, a model or the reason why not out. */
import type { Loaded, Model } from "../model.ts";
import { load } from "./load.ts";

/** Buffers that move to the page instead of being copied. */
function buffersOf(model: Model): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  const add = (view: ArrayBufferView): void => {
    if (view.buffer instanceof ArrayBuffer) buffers.add(view.buffer);
  };
  for (const segment of model.segments)
    for (const { starts, state, op, culprit, table } of segment.tracks)
      for (const view of [starts, state, op, culprit, table.slice, ...table.levels.map((l) => l.sums)]) add(view);
  for (const view of model.before) add(view);
  if (model.edges !== undefined) for (const view of Object.values(model.edges)) add(view);
  return [...buffers];
}

self.onmessage = async (event: MessageEvent<ArrayBuffer>): Promise<void> => {
  const loaded: Loaded = await load(new Uint8Array(event.data));
  const transfer = loaded.kind === "model" ? buffersOf(loaded.model) : [];
  (self as unknown as { postMessage(message: Loaded, transfer: ArrayBuffer[]): void }).postMessage(loaded, transfer);
};
