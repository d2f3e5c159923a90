/** `bitloom doctor`: what this machine has for compiling, running and looking. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { VERSION } from "../version.ts";
import { layOutTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

interface Finding {
  readonly what: string;
  readonly found: string | null;
  readonly use: string;
}

/** What a program prints about its version, or null where it does not run. */
async function versionOf(
  program: string,
  args: readonly string[] = ["--version"],
  pick = /.*/,
): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: 10_000 });
    return pick.exec(stdout)?.[0].trim() ?? null;
  } catch {
    return null;
  }
}

function webgpuPackage(): string | null {
  try {
    return import.meta.resolve("webgpu").startsWith("file:") ? "package webgpu (Dawn)" : null;
  } catch {
    return null;
  }
}

export async function run(
  terminal: Terminal,
  _args: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const [webgpu, chromium, clang, nvcc, gpu] = await Promise.all([
    webgpuPackage(),
    versionOf("chromium"),
    versionOf("clang-16"),
    versionOf("nvcc", ["--version"], /release [^,\n]+/),
    versionOf("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"]),
  ]);
  const findings: readonly Finding[] = [
    { what: "Bitloom", found: VERSION, use: "this command" },
    { what: "Node", found: process.versions.node, use: `on ${process.platform} ${process.arch}` },
    { what: "WebGPU", found: webgpu, use: "run --device webgpu" },
    { what: "Chromium", found: chromium, use: "browser tests" },
    { what: "clang", found: clang, use: "checks Metal and runs kernels on the CPU" },
    { what: "CUDA", found: nvcc, use: "compiles .cu files" },
    { what: "GPU", found: gpu, use: "runs CUDA programs" },
  ];
  if (options.json) printJson(terminal, "bitloom.doctor/1", { findings });
  else {
    const rows = findings.map((f) => [f.what, f.found ?? "–", f.use]);
    const [title = "", ...lines] = layOutTable(
      [{ title: "What" }, { title: "Found" }, { title: "For", drop: 1 }],
      rows,
      terminal.width,
    );
    terminal.out(terminal.style("bold", title));
    lines.forEach((line, i) => {
      terminal.out(findings[i]?.found === null ? terminal.style("dim", line) : line);
    });
  }
  return EXIT.ok;
}
