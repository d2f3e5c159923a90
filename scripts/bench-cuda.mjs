#!/usr/bin/env node
/** Writes the CUDA benchmark programs: node scripts/bench-cuda.mjs [OUT]. Run them with bench/cuda/run.py on a GPU. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const out = process.argv[2] ?? "out/bench-cuda";
const folder = mkdtempSync(join(tmpdir(), "bitloom-"));
const bundle = join(folder, "generate.mjs");
await build({
  entryPoints: ["bench/cuda/generate.ts"],
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
