/** CUDA text under nvcc: every architecture without a warning, with the launcher and the program around it. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CUDA_TARGETS, gencode } from "../../backends/cuda.ts";
import type { Backend, Unit } from "../../backends/syntax.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { findProgram } from "../../scripts/tools.mjs";
import { cases, rowProbe } from "./kernels.ts";
import { prepare, unitOf } from "./prepare.ts";

const nvcc = findProgram("nvcc");
if (nvcc === undefined && process.env.CI === "true") throw new Error("nvcc is not installed (NVIDIA's CUDA toolkit)");

const folder = mkdtempSync(join(tmpdir(), "bitloom-nvcc-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All kernels of a target as one unit; their tensors of one name are one tensor, as long as the longest. */
function everything(target: Backend): Unit {
  const probes = target.rows.filter((r) => r.support === "native").map((r) => rowProbe(findRow(r.row)!));
  const kernels = [...cases(target).map((c) => c.kernel), ...probes].map((k) => prepare(k, target));
  const units = kernels.map(unitOf);
  const tensors = new Map(units.flatMap((u) => u.program.tensors).map((t) => [t.id, t]));
  return { name: "everything", kernels, program: { ...units[0]!.program, tensors: [...tensors.values()] } };
}

function compile(target: Backend): Promise<string> {
  const [file] = target.emit(everything(target));
  const source = join(folder, `${target.name}.cu`);
  writeFileSync(source, file!.text);
  const flags = ["-std=c++17", "-Werror", "all-warnings", "-Xcompiler", "-Wall,-Wextra", "-DBITLOOM_MAIN", "-c"];
  const args = ["-gencode", gencode(target.name), ...flags, "-o", `${source}.o`, source];
  return new Promise((resolve) => {
    const child = spawn(nvcc!, args, { stdio: ["ignore", "pipe", "pipe"] });
    const out: string[] = [];
    child.stdout.on("data", (data) => out.push(String(data)));
    child.stderr.on("data", (data) => out.push(String(data)));
    child.on("close", (code) => resolve(code === 0 ? out.join("") : `exit ${code}\n${out.join("")}`));
  });
}

describe.skipIf(nvcc === undefined)(`nvcc${nvcc === undefined ? " (skipped: not installed)" : ""}`, () => {
  it("compiles all kernels for all architectures without a warning", { timeout: 240_000 }, async () => {
    const said = new Map<string, string>();
    const queue = [...CUDA_TARGETS];
    const worker = async (): Promise<void> => {
      for (let target = queue.shift(); target !== undefined; target = queue.shift())
        said.set(target.name, await compile(target));
    };
    await Promise.all([worker(), worker()]);
    expect(Object.fromEntries(said)).toEqual(Object.fromEntries(CUDA_TARGETS.map((t) => [t.name, ""])));
  });
});
