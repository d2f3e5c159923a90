/** Writes one folder per case (source, manifest) for bench/cuda/run.py: `node scripts/bench-cuda.mjs OUT`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../compiler/driver.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";

interface Case {
  readonly op: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly schedule?: ScheduleRequest;
  /** Fits the oracle's budget: checked on the device, not only timed. */
  readonly check: boolean;
}

const OPS = ["linear_w4a16", "linear_w2a8", "linear_nf4"] as const;

/** Shapes that show correctness: one tile, odd sizes, many tiles, ragged ends. */
const SMALL = [
  [1, 8, 128],
  [3, 37, 384],
  [17, 64, 1152],
  [129, 1001, 2176],
] as const;

/** Linear layers of Llama-2-7B and -70B. */
const LARGE = [
  [1, 4096, 4096],
  [16, 4096, 4096],
  [1, 11008, 4096],
  [16, 11008, 4096],
  [1, 28672, 8192],
  [16, 28672, 8192],
  [128, 4096, 4096],
] as const;

export function cases(): readonly Case[] {
  const list: Case[] = [];
  for (const op of OPS) {
    for (const [M, N, K] of [...SMALL, ...LARGE]) list.push({ op, M, N, K, check: true });
  }
  for (const [M, N, K] of [...SMALL, ...LARGE]) {
    list.push({ op: "linear_w2a8", M, N, K, schedule: { strategy: "popc" }, check: true });
  }
  return list;
}

export function generate(out: string, source: string, target = "cuda.sm90a"): void {
  const text = readFileSync(source, "utf8");
  const manifest = cases().map((c, i) => {
    const diagnostics = new Diagnostics();
    const sizes = { M: c.M, N: c.N, K: c.K };
    const schedule = c.schedule === undefined ? {} : { schedule: c.schedule };
    const made = compile({ sources: [{ name: source, text }], op: c.op, sizes, target, ...schedule }, diagnostics);
    if (made === undefined) throw new Error(JSON.stringify(diagnostics.list));
    const name = `${String(i).padStart(2, "0")}_${c.op}_${c.schedule?.strategy ?? "auto"}_${c.M}x${c.N}x${c.K}`;
    mkdirSync(join(out, name), { recursive: true });
    for (const file of made.files) writeFileSync(join(out, name, file.name), file.text);
    const { schedule: chosen, accumulator, bytes, expected, launches } = made.report;
    return { name, source: `${c.op}.cu`, ...c, schedule: chosen, accumulator, bytes, expected, launches };
  });
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
}
