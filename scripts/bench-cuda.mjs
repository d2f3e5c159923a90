#!/usr/bin/env node
/** Writes CUDA programs for a GPU: node scripts/bench-cuda.mjs [OUT] [--schedules | --check]. */
// Benchmarks are run by bench/cuda/run.py, checks by bench/cuda/check.py.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const args = process.argv.slice(2);
const out = args.find((a) => !a.startsWith("--")) ?? "out/bench-cuda";
const kind = args.includes("--schedules") ? "schedules" : args.includes("--check") ? "check" : "generate";
const folder = mkdtempSync(join(tmpdir(), "bitloom-"));
const bundle = join(folder, "generate.mjs");
await build({
  entryPoints: [`bench/cuda/${kind}.ts`],
  // Files that modules read lie two folders above them, as they do from here.
  define: { "import.meta.url": JSON.stringify(pathToFileURL(resolve(`bench/cuda/${kind}.ts`)).href) },
  bundle: true,
  platform: "node",
  format: "esm",
  outfile: bundle,
  logLevel: "error",
});
const { generate } = await import(pathToFileURL(bundle).href);
generate(out, "examples/quickstart.loom");
rmSync(folder, { recursive: true });
console.log(`wrote ${out}`);
