/** Files of the command line: reading with a clear refusal, writing all or nothing. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, type Exit, type Terminal } from "./terminal.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EEXIST: "a part of the path is a file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left",
  EROFS: "the file system is read-only",
};

/** Why a file operation failed, in words; rethrows what is not a failure of the file system. */
function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  return REASONS[code] ?? code;
}

/** The text of a file ("-": stdin), or undefined once the reader has been told why not. */
export function readText(terminal: Terminal, path: string): string | undefined {
  try {
    const bytes = readFileSync(path === "-" ? 0 : path);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const reason = error instanceof TypeError ? "it is not UTF-8 text" : reasonOf(error);
    terminal.say(`${terminal.accent("red", "error:")} cannot read ${path}: ${reason}`);
    return undefined;
  }
}

/** A file to write. */
export interface OutputFile {
  readonly path: string;
  readonly content: string | Uint8Array;
}

/** Writes all files or none: each under a temporary name first, renamed when all are complete. */
export function writeFiles(terminal: Terminal, files: readonly OutputFile[]): Exit {
  const written: { readonly from: string; readonly to: string }[] = [];
  let path = "";
  try {
    for (const [i, file] of files.entries()) {
      path = file.path;
      mkdirSync(dirname(path), { recursive: true });
      // A rename onto a folder would fail when others are already in place.
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
        throw Object.assign(new Error(), { code: "EISDIR" });
      const from = join(dirname(path), `.bitloom-${process.pid}-${i}.tmp`);
      written.push({ from, to: path });
      writeFileSync(from, file.content);
    }
    for (const { from, to } of written) {
      path = to;
      renameSync(from, to);
    }
    return EXIT.ok;
  } catch (error) {
    for (const { from } of written) rmSync(from, { force: true });
    terminal.say(`${terminal.accent("red", "error:")} cannot write ${path}: ${reasonOf(error)}`);
    return EXIT.unreadable;
  }
}
