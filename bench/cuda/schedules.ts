/** Writes one folder per tiling of a grid, for bench/cuda/run.py: what the cost model of matrix rows is fitted to and checked on. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../compiler/driver.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";

const SHAPES = [
  [16, 4096, 4096],
  [16, 11008, 4096],
  [16, 28672, 8192],
  [64, 28672, 8192],
  [128, 4096, 4096],
] as const;

function grid(tokens: number): readonly ScheduleRequest[] {
  const list: ScheduleRequest[] = [];
  for (const stages of [1, 2, 3])
    for (const tileM of tokens === 16 ? [16] : [32, 64])
      for (const tileN of tokens === 16 ? [16, 32] : [32])
        for (const chunk of [64, 128].filter((c) => tileM * c <= 4096))
          for (const [warps, split] of [
            [4, 1],
            [1, 2],
            [1, 4],
            [1, 8],
          ] as const) {
            // biome-ignore format: a table
            if (stages === 3 && (tokens > 16 || split < 4)) continue;
            list.push({ strategy: "mma", tileM, tileN, chunk, warps, split, stages });
          }
  return list;
}

export function generate(out: string, source: string, target = "cuda.sm90a"): void {
  const text = readFileSync(source, "utf8");
  const cases = ["linear_w4a16", "linear_nf4"].flatMap((op) =>
    SHAPES.flatMap(([M, N, K]) => grid(M).map((schedule) => ({ op, M, N, K, schedule }))),
  );
  const manifest = cases.flatMap(({ op, M, N, K, schedule }, i) => {
    const request = { sources: [{ name: source, text }], op, sizes: { M, N, K }, target, schedule };
    const made = compile(request, new Diagnostics());
    if (made === undefined) return []; // a step that straddles this format's blocks
    const name = `${String(i).padStart(3, "0")}_${op}_${M}x${N}x${K}`;
    mkdirSync(join(out, name), { recursive: true });
    for (const file of made.files) writeFileSync(join(out, name, file.name), file.text);
    const { schedule: chosen, accumulator, bytes, expected, launches } = made.report;
    return [{ name, source: `${op}.cu`, op, M, N, K, schedule: chosen, accumulator, bytes, expected, launches }];
  });
  writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
}
