/** Times compilations of the quickstart operators, after start-up: `node scripts/bench-compile.mjs`. Median of 15. */
import { readFileSync } from "node:fs";
import { check } from "../compiler/check/check.ts";
import { compile } from "../compiler/driver.ts";
import { Diagnostics } from "../ir/diagnostics.ts";

const ROUNDS = 15;

export function timeCompilations(source: string, print: (line: string) => void): void {
  const text = readFileSync(source, "utf8");
  for (const target of ["cuda.sm90a", "wgsl.p0", "metal.3"]) {
    for (const op of ["linear_w4a16", "linear_w2a8", "linear_nf4"]) {
      const times = Array.from({ length: ROUNDS }, () => {
        const start = performance.now();
        const diagnostics = new Diagnostics();
        const module = check([{ name: source, text }], diagnostics);
        compile({ sources: [], op, sizes: { M: 16, N: 4096, K: 4096 }, target }, diagnostics, module);
        return performance.now() - start;
      });
      const median = [...times].sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
      print(
        `${target.padEnd(11)} ${op.padEnd(13)} first ${times[0]!.toFixed(0).padStart(4)} ms  median ${median.toFixed(0).padStart(3)} ms`,
      );
    }
  }
}
