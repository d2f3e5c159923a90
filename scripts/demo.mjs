/** `npm run demo`: sets the clone up, builds the command, and runs the demonstration of scripts/demo-steps.ts. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle } from "./build.mjs";
import { ROOT, setUp } from "./setup.mjs";

setUp({ tools: false });
process.chdir(ROOT);
// The files that the demonstration names are looked at with this command.
await bundle(join(ROOT, "dist"));
const { build } = await import("esbuild");
const steps = join(ROOT, "dist/demo.mjs");
mkdirSync(join(ROOT, "out"), { recursive: true });
await build({
  entryPoints: [join(ROOT, "scripts/demo-steps.ts")],
  outfile: steps,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["webgpu"],
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  logLevel: "warning",
});
const { demonstrate } = await import(pathToFileURL(steps).href);
process.exitCode = await demonstrate();
