/** Files of the command line: reading with a clear refusal, writing all or nothing. */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, type Exit, type Terminal } from "./terminal.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EEXIST: "a part of the path is a file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left",
  EIO: "it became shorter while it was read",
  EROFS: "the file system is read-only",
};

/** Why a file operation failed, in words; rethrows what is not a failure of the file system. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  return REASONS[code] ?? code;
}

/** The bytes of a file ("-": stdin), or undefined once the reader has been told why not. */
export function readBytes(terminal: Terminal, path: string): Uint8Array | undefined {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    terminal.say(`${terminal.accent("red", "error:")} cannot read ${path}: ${reasonOf(error)}`);
    return undefined;
  }
}

/** The text of a file ("-": stdin), or undefined once the reader has been told why not. */
export function readText(terminal: Terminal, path: string): string | undefined {
  const bytes = readBytes(terminal, path);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    terminal.say(`${terminal.accent("red", "error:")} cannot read ${path}: it is not UTF-8 text`);
    return undefined;
  }
}

/** A file to write; what is too long for one string comes in pieces. */
export interface OutputFile {
  readonly path: string;
  readonly content: string | Uint8Array | Iterable<string | Uint8Array>;
}

function writePieces(path: string, content: OutputFile["content"]): void {
  const file = openSync(path, "wx");
  try {
    const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
    for (const piece of pieces) {
      const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    }
  } finally {
    closeSync(file);
  }
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
      writePieces(from, file.content);
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
