/** The quickstart operators as CUDA: compiled for every architecture without a warning, and executed where no PTX is used. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { gencode } from "../../backends/cuda.ts";
import { printKernels, TARGETS } from "../../backends/index.ts";
import { compile } from "../../compiler/driver.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { findProgram } from "../../scripts/tools.mjs";
import { runCuda } from "../exec/cuda.ts";
import { QUICKSTART } from "../passes/support.ts";
import { describeWith } from "../tools.ts";
import { execute } from "./execute.ts";
import { compileSample, errorOverBound, label, SAMPLES, trialOf, wrongCodes } from "./support.ts";

const CUDA = TARGETS.filter((t) => t.family === "cuda");
const OPS = ["linear_w4a16", "linear_w2a8", "linear_nf4"];
const run = promisify(execFile);

const nvcc = findProgram("nvcc");
if (nvcc === undefined && process.env.CI === "true") throw new Error("nvcc is not installed (NVIDIA's CUDA toolkit)");

describe.skipIf(nvcc === undefined)(`nvcc${nvcc === undefined ? " (skipped: not installed)" : ""}`, () => {
  it.each(CUDA.map((t) => [t.name, t] as const))(
    "%s compiles without warnings",
    { timeout: 240_000 },
    async (name, target) => {
      const folder = mkdtempSync(join(tmpdir(), "bitloom-nvcc-"));
      const build = async (op: string): Promise<string> => {
        const made = compileSample({ op, sizes: { M: 3, N: 10, K: 640 } }, target);
        const file = join(folder, `${op}.cu`);
        writeFileSync(file, made.files.find((f) => f.name.endsWith(".cu"))!.text);
        const flags = [
          "-std=c++17",
          `-gencode=${gencode(name)}`,
          "-Werror",
          "all-warnings",
          "-Xcompiler",
          "-Wall,-Wextra,-Werror",
        ];
        const { stdout, stderr } = await run(nvcc!, [...flags, "-DBITLOOM_MAIN", "-c", "-o", `${file}.o`, file]);
        return stdout + stderr;
      };
      const outputs: string[] = [];
      for (const op of OPS) outputs.push(await build(op));
      rmSync(folder, { recursive: true });
      expect(outputs).toEqual(["", "", ""]);
    },
  );
});

describe("binary matrix rows", () => {
  const sample = { op: "linear_w2a8", sizes: { M: 16, N: 64, K: 512 } };

  it.each(CUDA.map((t) => [t.name, t] as const))(
    "%s: the automatic choice uses a row only where it is native",
    (_, target) => {
      const support = target.rows.find((r) => r.row === "mma.m16n8k256.b1")?.support;
      const { strategy, reasons } = compileSample(sample, target).report.schedule;
      expect(strategy).toBe(support === "native" ? "mma" : "popc");
      if (support === "emulated") expect(reasons.join(" ")).toContain("only emulated");
    },
  );

  it("refuses a row that the architecture only emulates, and names what to use instead", () => {
    const text = `${QUICKSTART}\nschedule linear_w2a8 for cuda.sm100 { contract k with mma  row "mma.m16n8k256.b1" }\n`;
    const diagnostics = new Diagnostics();
    const made = compile(
      { sources: [{ name: "q.loom", text }], op: sample.op, sizes: sample.sizes, target: "cuda.sm100" },
      diagnostics,
    );
    expect(made).toBeUndefined();
    const [refusal] = diagnostics.list;
    expect(refusal?.code).toBe("target/emulated");
    expect(text.slice(refusal!.span.start, refusal!.span.end)).toContain("mma.m16n8k256.b1");
    expect(refusal?.notes.map((n) => n.message).join(" ")).toMatch(/instead/);
  });
});

describeWith(["clang-16"], "quickstart as CUDA on the processor", () => {
  it.each(SAMPLES.map((s) => [label(s), s] as const))("%s", (_, sample) => {
    const target = CUDA.find((t) => t.name === "cuda.sm100a")!;
    const made = compileSample(sample, target);
    const trial = trialOf(made);
    const text = printKernels(made.kernels, target).text;
    const { errors, words } = execute(made, trial, (kernel, buffers) => {
      const threads = [kernel.lanes * kernel.warps, 1, 1] as const;
      return runCuda({ text, kernel: kernel.name, grid: kernel.grid, threads, buffers, schedule: "reverse" });
    });
    expect(errors).toEqual([]);
    expect(wrongCodes(made, trial, words("xq.q"))).toEqual([]);
    expect(errorOverBound(made, trial, words("y")!)).toBeLessThanOrEqual(1);
  });
});
