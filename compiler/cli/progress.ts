/** A bar over all tensors of a command, by the bytes that they have. */
import type { TensorInfo } from "../io/tensor-file.ts";
import { formatSeconds } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const WIDTH = 24;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"] as const;

/** A bar of a part between 0 and 1. */
export function drawBar(part: number, width = WIDTH): string {
  const eighths = Math.floor(Math.min(Math.max(part, 0), 1) * width * 8);
  const bar = "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
  return bar.padEnd(width, "░");
}

/**
 * Shows how far `passes` passes over the tensors are; each call says what is being done to one of them and how much of that
 * pass is done. Passes of one tensor follow each other in any order.
 */
export function createProgress(
  terminal: Terminal,
  tensors: readonly TensorInfo[],
  passes: number,
): (doing: string, tensor: TensorInfo, part: number) => void {
  const total = passes * tensors.reduce((sum, t) => sum + t.bytes, 0);
  const start = performance.now();
  const state = { before: 0, tensor: undefined as TensorInfo | undefined, part: 0 };
  return (doing, tensor, part) => {
    // A new tensor, or a new pass over the same one: the last pass is complete.
    if (state.tensor !== undefined && (tensor !== state.tensor || part < state.part))
      state.before += state.part > 0 ? state.tensor.bytes : 0;
    state.tensor = tensor;
    state.part = part;
    const done = Math.min(1, (state.before + part * tensor.bytes) / total);
    const seconds = (performance.now() - start) / 1000;
    const left = done > 0.02 && seconds > 1 ? `, ${formatSeconds((seconds / done) * (1 - done))} left` : "";
    terminal.progress(`${drawBar(done)} ${`${Math.floor(100 * done)}`.padStart(3)} %${left}  ${doing} ${tensor.name}`);
  };
}
