/** `npm run build`: the command and the library in dist/, as few files that carry their data, with types beside them. */
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./setup.mjs";

/**
 * Bundles the command and the library into `folder`; npm packages stay imports. Parts that only some commands use become
 * files of their own, loaded when they are needed.
 * @param {string} folder
 */
export async function bundle(folder) {
  // Loaded here, because a fresh clone has no packages when setup.mjs begins.
  const { build } = await import("esbuild");
  await build({
    entryPoints: { index: join(ROOT, "index.ts"), "compiler/cli": join(ROOT, "compiler/cli.ts") },
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "warning",
  });
  chmodSync(join(folder, "compiler/cli.js"), 0o755);
}

async function main() {
  const dist = join(ROOT, "dist");
  rmSync(dist, { recursive: true, force: true });
  const types = spawnSync(
    process.execPath,
    [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, "tsconfig.build.json")],
    { cwd: ROOT, stdio: "inherit" },
  );
  if (types.status !== 0) process.exit(types.status ?? 1);
  await bundle(dist);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
