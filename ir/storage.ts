/** Tensor values in and out of the words that buffers hold, for launchers and evaluators alike. */

import { internal } from "./diagnostics.ts";
import type { Buffer } from "./kernel.ts";
import { fromOf, volume } from "./layout/basic.ts";
import { addressBits } from "./layout/build.ts";
import { ADDRESS, BIT, type Layout } from "./layout/layout.ts";
import { packStream, unpackStream } from "./pack.ts";
import type { Tensor } from "./program.ts";
import { bitsOf, type Scalar } from "./scalar.ts";

/** The layout of a tensor in a buffer whose elements may be wider than the tensor's own (results stored as f32). */
function layoutIn(tensor: Tensor, stored: Scalar): Layout {
  const layout = tensor.layout ?? internal(`${tensor.id} has no layout`);
  const bits = bitsOf(tensor.type);
  if (stored === "u32" || stored === tensor.type) return layout;
  if (layout.kind !== "strided") internal(`${tensor.id} is stored as ${stored} in a layout that is not strided`);
  const scale = bitsOf(stored) / bits;
  const { [BIT]: _, ...axes } = layout.from;
  const terms = layout.terms.filter((t) => t.from !== BIT).map((t) => ({ ...t, stride: t.stride * scale }));
  return {
    kind: "strided",
    from: { ...axes, [BIT]: bitsOf(stored) },
    to: { [ADDRESS]: addressBits(layout) * scale },
    terms: [...terms, { from: BIT, div: 1, size: bitsOf(stored), to: ADDRESS, stride: 1 }],
  };
}

/** The element type that a tensor has in a buffer of this type. */
function typeIn(tensor: Tensor, stored: Scalar): Scalar {
  return stored === "u32" ? tensor.type : stored;
}

/** 32-bit words of a buffer, padding included. */
export function wordsOf(buffer: Pick<Buffer, "type" | "length">): number {
  return Math.ceil((buffer.length * bitsOf(buffer.type)) / 32);
}

/** The words of a buffer of type `stored` that holds these values (row-major by the tensor's shape). */
export function toWords(tensor: Tensor, values: ArrayLike<number>, stored: Scalar = "u32"): Uint32Array {
  const layout = layoutIn(tensor, stored);
  const type = typeIn(tensor, stored);
  const expected = volume(fromOf(layout)) / bitsOf(type);
  if (values.length !== expected) internal(`${values.length} values for ${tensor.id} of ${expected}`);
  return packStream(values, type, layout);
}

/** The values of a tensor (row-major by its shape) in a buffer of type `stored`. */
export function fromWords(tensor: Tensor, words: Uint32Array, stored: Scalar = "u32"): Float64Array {
  return unpackStream(words, typeIn(tensor, stored), layoutIn(tensor, stored));
}
