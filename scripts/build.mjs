/** `npm run build`: TypeScript → dist/, with the data files that are read at run time beside the code that reads them. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./setup.mjs";

const DIST = join(ROOT, "dist");
/** Folders with data, and how the names of the files to copy end. */
const DATA = /** @type {const} */ ([
  ["compiler/std", ".loom"],
  ["hw-models", ".json"],
]);

rmSync(DIST, { recursive: true, force: true });
const done = spawnSync(
  process.execPath,
  [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", join(ROOT, "tsconfig.build.json")],
  { cwd: ROOT, stdio: "inherit" },
);
if (done.status !== 0) process.exit(done.status ?? 1);
for (const [folder, ending] of DATA) {
  if (!existsSync(join(ROOT, folder))) continue;
  for (const name of readdirSync(join(ROOT, folder)))
    if (name.endsWith(ending)) cpSync(join(ROOT, folder, name), join(DIST, folder, name));
}
const cli = join(DIST, "compiler/cli.js");
if (existsSync(cli)) chmodSync(cli, 0o755);
