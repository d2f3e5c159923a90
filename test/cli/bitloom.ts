/** Runs the real command: compiler/cli.ts bundled as for a release, once per test file, started with Node like a user would. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../scripts/build.mjs";
import { ROOT } from "../meta/sources.ts";

export interface Ran {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Bitloom {
  /** Runs `bitloom` with these arguments in the folder `cwd`. */
  run(args: readonly string[], options?: { readonly env?: Record<string, string>; readonly input?: string }): Ran;
  /** A scratch folder, the working directory of every run. */
  readonly cwd: string;
  dispose(): void;
}

/** Builds the command into a folder of its own below out/. */
export async function buildBitloom(): Promise<Bitloom> {
  mkdirSync(join(ROOT, "out"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "out", "cli-test-"));
  const cwd = join(folder, "scratch");
  mkdirSync(cwd);
  await bundle(folder);
  return {
    cwd,
    run(args, options = {}) {
      const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
      const done = spawnSync(process.execPath, [join(folder, "compiler/cli.js"), ...args], {
        cwd,
        encoding: "utf8",
        env: { ...env, ...options.env },
        input: options.input ?? "",
        maxBuffer: 64 << 20,
      });
      return { exit: done.status, stdout: done.stdout, stderr: done.stderr };
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}
