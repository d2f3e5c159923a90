/** Opens a file of tensors by what its first bytes say. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { ByteSource } from "./byte-source.ts";
import { ELEMENTS, type StoredType } from "./elements.ts";
import { GGUF_MAGIC, ggufTypeNamed, readGguf } from "./gguf.ts";
import { NPY_MAGIC, readNpy } from "./npy.ts";
import { readSafetensors } from "./safetensors.ts";
import { reportFile, type TensorFile } from "./tensor-file.ts";

/** A stored type of any container by the name that tensors carry. */
export function storedTypeNamed(name: string): StoredType | undefined {
  return ELEMENTS.get(name) ?? ggufTypeNamed(name);
}

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean => magic.every((b, i) => bytes[i] === b);

/** Reads the header of a safetensors, GGUF or npy file. Reports what is wrong and returns undefined; never throws for it. */
export async function openTensors(source: ByteSource, sink: Diagnostics, file = 0): Promise<TensorFile | undefined> {
  const start = await source.read(0, Math.min(source.size, 16));
  if (startsWith(start, GGUF_MAGIC)) return readGguf(source, sink, file);
  if (startsWith(start, NPY_MAGIC)) return readNpy(source, sink, file);
  // A header of JSON begins with a brace right behind its length, which no text file has there.
  if (start.length < 9 || start[8] === 0x7b) return readSafetensors(source, sink, file);
  const message = "it is neither a safetensors, a GGUF nor an npy file";
  return reportFile(sink, "file/unknown", file, 0, start.length, message);
}
