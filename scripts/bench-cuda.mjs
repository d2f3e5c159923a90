#!/usr/bin/env node
/** Writes CUDA benchmark programs: node scripts/bench-cuda.mjs [OUT] [--schedules]. Run them with bench/cuda/run.py on a GPU. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const args = process.argv.slice(2);
const out = args.find((a) => !a.startsWith("--")) ?? "out/bench-cuda";
const folder = mkdtempSync(join(tmpdir(), "bitloom-"));
const bundle = join(folder, "generate.mjs");
await build({
  entryPoints: [args.includes("--schedules") ? "bench/cuda/schedules.ts" : "bench/cuda/generate.ts"],
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
