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
  for (const { folds, samples, pes } of model.segments) {
    for (const part of [folds, pes, ...(samples ?? [])])
      for (const view of Object.values(part ?? {}) as readonly ArrayBufferView[]) add(view);
  }
  for (const view of model.before) add(view);
  if (model.edges !== undefined) for (const view of Object.values(model.edges)) add(view);
  return [...buffers];
}

/** What the worker says: the first layers of a large trace, then all of it or why not. */
export interface Told {
  readonly loaded: Loaded;
  readonly last: boolean;
}

function tell(told: Told): void {
  const transfer = told.loaded.kind === "model" ? buffersOf(told.loaded.model) : [];
  (self as unknown as { postMessage(message: Told, transfer: ArrayBuffer[]): void }).postMessage(told, transfer);
}

self.onmessage = async (event: MessageEvent<ArrayBuffer>): Promise<void> => {
  const loaded = await load(new Uint8Array(event.data), (first) => tell({ loaded: first, last: false }));
  tell({ loaded, last: true });
};
