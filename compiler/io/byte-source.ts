/** Bytes that are read piece by piece: a file, a Blob, a range of a web resource, or memory. */
import { internal } from "../../ir/diagnostics.ts";

export interface ByteSource {
  /** Bytes there are. */
  readonly size: number;
  /** Exactly these bytes; asking beyond `size` is a bug of the caller. Rejects where the medium fails. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes in memory. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || offset + length > bytes.length) internal(`bytes ${offset} + ${length} of ${bytes.length}`);
      return Promise.resolve(bytes.subarray(offset, offset + length));
    },
  };
}

/** A Blob or File, as a browser's file picker gives it. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}
