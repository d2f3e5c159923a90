/** `npm run build`: the command, the library and the page in dist/, as few files that carry their data, with types beside them. */
import { spawnSync } from "node:child_process";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleWeb } from "./build-web.mjs";
import { ROOT } from "./setup.mjs";

/**
 * Bundles the command, the library and the page into `folder`. The command carries its npm packages too, as one file is read much
 * faster than hundreds; parts that only some commands use are files of their own. The library imports its packages.
 * @param {string} folder
 */
export async function bundle(folder) {
  // Loaded here, because a fresh clone has no packages when setup.mjs begins.
  const { build } = await import("esbuild");
  const common = /** @type {const} */ ({ bundle: true, format: "esm", target: "node20", logLevel: "warning" });
  await build({
    ...common,
    entryPoints: {
      cli: join(ROOT, "compiler/cli.ts"),
      "encode-worker": join(ROOT, "compiler/cli/encode-worker.ts"),
      "simulate-worker": join(ROOT, "compiler/cli/simulate-worker.ts"),
    },
    outdir: join(folder, "compiler"),
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    platform: "node",
    // commander is CommonJS and asks for Node's modules with `require`.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    external: ["webgpu"],
  });
  chmodSync(join(folder, "compiler/cli.js"), 0o755);
  await build({
    ...common,
    entryPoints: { index: join(ROOT, "index.ts") },
    outdir: folder,
    platform: "browser",
    packages: "external",
  });
  await bundleWeb(join(folder, "web"));
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
