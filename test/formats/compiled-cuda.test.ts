/** Every format decoded and multiplied in CUDA: nvcc takes the kernels without a warning, on every architecture. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { gencode } from "../../backends/cuda.ts";
import { TARGETS } from "../../backends/index.ts";
import { findProgram } from "../../scripts/tools.mjs";
import { unitOf } from "./batch.ts";
import { caseOf, compileCase, FORMATS, type Kind } from "./compiled.ts";

const run = promisify(execFile);
const CUDA = TARGETS.filter((t) => t.family === "cuda");
const KINDS: readonly Kind[] = ["decode", "linear"];
const CASES = KINDS.flatMap((kind) => FORMATS.map((name) => [name, kind] as const));

/** Compiles one unit for one architecture; whatever nvcc says. */
async function compileUnit(nvcc: string, target: string, text: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bitloom-nvcc-"));
  const file = join(folder, "formats.cu");
  writeFileSync(file, text);
  const flags = ["-std=c++17", `-gencode=${gencode(target)}`, "-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra"];
  try {
    const { stdout, stderr } = await run(nvcc, [...flags, "-c", "-o", `${file}.o`, file], { maxBuffer: 2 ** 26 });
    return stdout + stderr;
  } catch (error) {
    return (error as { readonly stderr?: string }).stderr ?? String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const nvcc = findProgram("nvcc");
if (nvcc === undefined && process.env.CI === "true") throw new Error("nvcc is not installed (NVIDIA's CUDA toolkit)");

/**
 * Kernels of multiply–adds have the same text on every architecture (the first test), so nvcc reads each once: every
 * architecture compiles its share. BITLOOM_ALL_ARCHITECTURES=1 compiles every kernel for each of them.
 */
const everywhere = process.env.BITLOOM_ALL_ARCHITECTURES === "1";

describe("formats in CUDA", () => {
  it("are the same text on every architecture", () => {
    for (const [name, kind] of [
      ["bitmod3", "linear"],
      ["q4_k", "decode"],
      ["i4_g64", "linear"],
    ] as const) {
      const texts = CUDA.map((t) => unitOf([compileCase(caseOf(name, kind), t.name)]));
      expect(new Set(texts).size).toBe(1);
    }
  });

  it.skipIf(nvcc === undefined).each(CUDA.map((t, n) => [t.name, n] as const))(
    "%s compiles without warnings",
    { timeout: 300_000 },
    async (target, n) => {
      const own = CASES.filter((_, at) => everywhere || at % CUDA.length === n);
      const made = own.map(([name, kind]) => compileCase(caseOf(name, kind), target));
      expect(await compileUnit(nvcc!, target, unitOf(made))).toBe("");
    },
  );
});
