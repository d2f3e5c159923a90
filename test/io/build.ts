/** Builds files of tensors byte by byte, from the formats' descriptions and not with the writers under test. */

export function join(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const u32 = (v: number): Uint8Array => new Uint8Array(Uint32Array.of(v).buffer);
export const u64 = (v: number | bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(v)).buffer);
export const f32 = (...v: number[]): Uint8Array => new Uint8Array(Float32Array.from(v).buffer);
export const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const string = (s: string): Uint8Array => join(u64(text(s).length), text(s));

/** A safetensors file with this header (an object or its text) and these bytes. */
export function safetensors(header: object | string, data: ArrayLike<number> = []): Uint8Array {
  const json = text(typeof header === "string" ? header : JSON.stringify(header));
  return join(u64(json.length), json, data);
}

interface GgufTensor {
  readonly name: string;
  /** Fastest axis first, as GGUF stores them. */
  readonly extents: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

/** One metadata value as bytes: its type's number, then itself. */
export const VALUE = {
  u32: (v: number) => join(u32(4), u32(v)),
  f32: (v: number) => join(u32(6), f32(v)),
  bool: (v: boolean) => join(u32(7), [v ? 1 : 0]),
  string: (v: string) => join(u32(8), string(v)),
  strings: (...v: string[]) => join(u32(9), u32(8), u64(v.length), ...v.map(string)),
  u32s: (v: readonly number[]) => join(u32(9), u32(4), u64(v.length), ...v.map(u32)),
  u64: (v: bigint) => join(u32(10), u64(v)),
};

/** A GGUF file of version 3. */
export function gguf(
  metadata: Readonly<Record<string, Uint8Array>>,
  tensors: readonly GgufTensor[],
  data: ArrayLike<number> = [],
  alignment = 32,
): Uint8Array {
  const head = join(
    text("GGUF"),
    u32(3),
    u64(tensors.length),
    u64(Object.keys(metadata).length),
    ...Object.entries(metadata).map(([key, value]) => join(string(key), value)),
    ...tensors.map((t) =>
      join(string(t.name), u32(t.extents.length), ...t.extents.map(u64), u32(t.type), u64(t.offset)),
    ),
  );
  return join(head, new Uint8Array(Math.ceil(head.length / alignment) * alignment - head.length), data);
}
