/** nvcc for tests that compile many kernels in one unit. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gencode } from "../../backends/cuda.ts";
import { findProgram } from "../../scripts/tools.mjs";

const run = promisify(execFile);

/** Where nvcc is; undefined where it is not. Throws where CI=true. */
export const nvccProgram = findProgram("nvcc");
if (nvccProgram === undefined && process.env.CI === "true")
  throw new Error("nvcc is not installed (NVIDIA's CUDA toolkit)");

const FLAGS = ["-std=c++17", "-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra"];

/** Compiles a unit for one architecture; everything that nvcc says, which is nothing where all is well. */
export async function nvccSays(target: string, text: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bitloom-nvcc-"));
  const file = join(folder, "unit.cu");
  writeFileSync(file, text);
  const args = [...FLAGS, `-gencode=${gencode(target)}`, "-c", "-o", `${file}.o`, file];
  try {
    const { stdout, stderr } = await run(nvccProgram ?? "nvcc", args, { maxBuffer: 2 ** 26 });
    return stdout + stderr;
  } catch (error) {
    return (error as { readonly stderr?: string }).stderr ?? String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
