#!/usr/bin/env node
/** Times the compiler: node scripts/bench-compile.mjs */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const folder = mkdtempSync(join(tmpdir(), "bitloom-"));
const outfile = join(folder, "compile.mjs");
await build({
  entryPoints: ["bench/compile.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  outfile,
  logLevel: "error",
});
const { timeCompilations } = await import(pathToFileURL(outfile).href);
timeCompilations("examples/quickstart.loom", console.log);
rmSync(folder, { recursive: true });
