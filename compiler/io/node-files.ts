/** Files on disk for the tensor readers and writers; a file that is written appears whole or not at all. */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ByteSource } from "./byte-source.ts";

export interface OpenFile {
  readonly source: ByteSource;
  close(): Promise<void>;
}

/** Opens a file for reading. Rejects as `node:fs` does. */
export async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, "r");
  const status = await handle.stat();
  if (status.isDirectory()) {
    await handle.close();
    throw Object.assign(new Error(`${path} is a folder`), { code: "EISDIR" });
  }
  return {
    source: { size: status.size, read: (offset, length) => readFully(handle, path, offset, length) },
    close: () => handle.close(),
  };
}

async function readFully(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw Object.assign(new Error(`${path} became shorter while it was read`), { code: "EIO" });
    done += bytesRead;
  }
  return bytes;
}

/** A file that takes its place when it is complete. */
export interface AtomicFile {
  write(position: number, bytes: Uint8Array): void;
  /** Puts the file in its place. */
  commit(): void;
  /** Removes what was written. */
  abort(): void;
}

const SIGNALS = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** Begins a file of `size` bytes beside its place; an interrupt removes it. Throws as `node:fs` does. */
export function createAtomic(path: string, size: number): AtomicFile {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw Object.assign(new Error(`${path} is a folder`), { code: "EISDIR" });
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.bitloom-${process.pid}.tmp`);
  const file = openSync(temporary, "w");
  const handlers = SIGNALS.map(([signal, exit]) => {
    const handler = (): void => {
      rmSync(temporary, { force: true });
      process.exit(exit);
    };
    process.once(signal, handler);
    return () => process.off(signal, handler);
  });
  const finish = (): void => {
    closeSync(file);
    for (const remove of handlers) remove();
  };
  const abort = (): void => {
    finish();
    rmSync(temporary, { force: true });
  };
  try {
    ftruncateSync(file, size);
  } catch (error) {
    abort();
    throw error;
  }
  return {
    write(position, bytes) {
      for (let done = 0; done < bytes.length; )
        done += writeSync(file, bytes, done, bytes.length - done, position + done);
    },
    commit() {
      fsyncSync(file);
      finish();
      renameSync(temporary, path);
    },
    abort,
  };
}
