/** Sizes of buffers in bytes, and where a kernel's shared arrays lie. */
import type { Buffer, Kernel } from "../ir/kernel.ts";
import { bitsOf } from "../ir/scalar.ts";

/** Alignment of shared arrays: what the widest asynchronous copies and swizzled tiles ask for (PTX ISA: 128 bytes). */
const ALIGNMENT = 128;

/** Bytes that the buffer's elements take. */
export function byteLength(buffer: Pick<Buffer, "type" | "length">): number {
  return (buffer.length * Math.max(8, bitsOf(buffer.type))) / 8;
}

/** Offset of every shared buffer in one array of `bytes` bytes. */
export function sharedLayout(kernel: Kernel): {
  readonly offsets: ReadonlyMap<string, number>;
  readonly bytes: number;
} {
  const offsets = new Map<string, number>();
  let bytes = 0;
  for (const buffer of kernel.buffers) {
    if (buffer.space !== "shared") continue;
    offsets.set(buffer.id, bytes);
    bytes = Math.ceil((bytes + byteLength(buffer)) / ALIGNMENT) * ALIGNMENT;
  }
  return { offsets, bytes };
}

/** Bytes of shared memory that the kernel's arrays take, without gaps. */
export function sharedBytes(kernel: Kernel): number {
  return kernel.buffers.filter((b) => b.space === "shared").reduce((sum, b) => sum + byteLength(b), 0);
}

/** "2 × 1 × 1 blocks of 128 threads, 512 bytes shared", in the words of a language. */
export function shapeNote(
  kernel: Kernel,
  words: { readonly group: string; readonly lane: string; readonly shared: string },
): string {
  const bytes = sharedBytes(kernel);
  const shared = bytes === 0 ? "" : `, ${bytes} bytes ${words.shared}`;
  const count = kernel.warps === 1 ? kernel.lanes : `${kernel.warps} × ${kernel.lanes}`;
  return `${kernel.grid.join(" × ")} ${words.group} of ${count} ${words.lane}${shared}`;
}
