/** What each stage looks like, as goldens; every stage reads back from its text, and prints the same again. */
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/driver.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { printKernel } from "../../ir/text/kernel.ts";
import { parseProgram } from "../../ir/text/parse.ts";
import { parseKernel } from "../../ir/text/parse-kernel.ts";
import { printProgram } from "../../ir/text/print.ts";
import { QUICKSTART } from "./support.ts";

const isProgram = (stage: Program | readonly Kernel[]): stage is Program => !Array.isArray(stage);

function readBack(text: string, parse: (text: string, diagnostics: Diagnostics) => unknown): unknown {
  const diagnostics = new Diagnostics();
  const found = parse(text, diagnostics);
  expect(diagnostics.list).toEqual([]);
  return found;
}

const CASES = [
  { op: "linear_w4a16", target: "cuda.sm90a", sizes: { M: 2, N: 8, K: 256 }, schedule: { chunk: 8 } },
  { op: "linear_w4a16", target: "cuda.sm80", sizes: { M: 8, N: 16, K: 128 }, schedule: { chunk: 16 } },
  { op: "linear_w2a8", target: "cuda.sm90a", sizes: { M: 3, N: 8, K: 256 }, schedule: {} },
  { op: "linear_nf4", target: "wgsl.p0", sizes: { M: 1, N: 6, K: 64 }, schedule: { chunk: 4 } },
];

describe.each(CASES)("$op for $target", ({ op, target, sizes, schedule }) => {
  const made = compile(
    { sources: [{ name: "q.loom", text: QUICKSTART }], op, sizes, target, schedule },
    new Diagnostics(),
  );

  it("prints each stage, reads it back and prints it again", () => {
    for (const { pass, result } of made!.stages) {
      const texts = isProgram(result) ? [printProgram(result)] : result.map(printKernel);
      for (const text of texts) {
        const again = isProgram(result)
          ? printProgram(readBack(text, parseProgram) as Program)
          : printKernel(readBack(text, parseKernel) as Kernel);
        expect(again, pass).toBe(text);
      }
    }
  });

  it("keeps its goldens", async () => {
    const stage = (name: string) => made!.stages.find((s) => s.pass === name)!.result;
    await expect(printProgram(stage("anchor-layouts") as Program)).toMatchFileSnapshot(
      `expected/${op}-${target}.program.txt`,
    );
    const kernel = (stage("pin") as readonly Kernel[]).at(-1)!;
    await expect(printKernel(kernel)).toMatchFileSnapshot(`expected/${op}-${target}.kernel.txt`);
  });
});
