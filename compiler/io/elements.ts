/** Plain element types of tensor files: sizes, and their values as f32. */
import { bitsToBf16, bitsToF16 } from "../../ir/float.ts";
import { minifloatValue, OCP } from "../quantize/grids.ts";
import { halvesOf, upperHalvesOf } from "./bit-rows.ts";

/** How values lie in bytes: whole blocks one after the other. */
export interface StoredType {
  /** Name in its container: `F16`, `Q4_K`. */
  readonly name: string;
  readonly valuesPerBlock: number;
  readonly bytesPerBlock: number;
  /** Values of whole blocks, rounded to f32 where the type is wider. Absent: can be listed, not decoded. */
  readonly decode?: (bytes: Uint8Array) => Float32Array;
}

type Typed = { readonly [n: number]: number | bigint; readonly length: number };

/** The bytes as elements of a typed array; copied, because a piece of a file may begin anywhere. */
function elementsOf<T extends Typed>(bytes: Uint8Array, make: new (buffer: ArrayBuffer) => T, size: number): T {
  const whole = bytes.length - (bytes.length % size);
  return new make(bytes.slice(0, whole).buffer as ArrayBuffer);
}

/** A decoder through a table of all codes, made on first use. */
function byTable(bits: 8 | 16, value: (code: number) => number): (bytes: Uint8Array) => Float32Array {
  const made: { table?: Float32Array } = {};
  return (bytes) => {
    made.table ??= Float32Array.from({ length: 2 ** bits }, (_, code) => value(code));
    const { table } = made;
    const codes = bits === 8 ? bytes : elementsOf(bytes, Uint16Array, 2);
    const out = new Float32Array(codes.length);
    for (let i = 0; i < codes.length; i++) out[i] = table[codes[i]!]!;
    return out;
  };
}

function element(name: string, bytesPerBlock: number, decode?: StoredType["decode"]): StoredType {
  return { name, valuesPerBlock: 1, bytesPerBlock, ...(decode === undefined ? {} : { decode }) };
}

const typed = <T extends Typed & Iterable<number>>(make: new (buffer: ArrayBuffer) => T, size: number) =>
  (bytes: Uint8Array): Float32Array => Float32Array.from(elementsOf(bytes, make, size)); // biome-ignore format: one line a part
const big = <T extends Typed & Iterable<bigint>>(make: new (buffer: ArrayBuffer) => T) =>
  (bytes: Uint8Array): Float32Array => Float32Array.from(elementsOf(bytes, make, 8), Number); // biome-ignore format: one line a part

/** Element types by their safetensors names; GGUF's plain types have the same ones. */
export const ELEMENTS: ReadonlyMap<string, StoredType> = new Map(
  [
    element("BOOL", 1, (bytes) => Float32Array.from(bytes, (b) => (b === 0 ? 0 : 1))),
    element("U8", 1, (bytes) => Float32Array.from(bytes)),
    element("I8", 1, typed(Int8Array, 1)),
    element(
      "F8_E4M3",
      1,
      byTable(8, (code) => minifloatValue(OCP.e4m3, code)),
    ),
    element(
      "F8_E5M2",
      1,
      byTable(8, (code) => minifloatValue(OCP.e5m2, code)),
    ),
    element(
      "F8_E8M0",
      1,
      byTable(8, (code) => (code === 255 ? Number.NaN : 2 ** (code - 127))),
    ),
    element("U16", 2, typed(Uint16Array, 2)),
    element("I16", 2, typed(Int16Array, 2)),
    element("F16", 2, byTable(16, bitsToF16)),
    element("BF16", 2, byTable(16, bitsToBf16)),
    element("U32", 4, typed(Uint32Array, 4)),
    element("I32", 4, typed(Int32Array, 4)),
    element("F32", 4, (bytes) => elementsOf(bytes, Float32Array, 4)),
    element("U64", 8, big(BigUint64Array)),
    element("I64", 8, big(BigInt64Array)),
    element("F64", 8, typed(Float64Array, 8)),
    element("C64", 8),
    { name: "F4", valuesPerBlock: 2, bytesPerBlock: 1 },
    { name: "F6_E2M3", valuesPerBlock: 4, bytesPerBlock: 3 },
    { name: "F6_E3M2", valuesPerBlock: 4, bytesPerBlock: 3 },
  ].map((t) => [t.name, t]),
);

/** Types whose values are weights or activations: what there is to quantize. */
export const FLOATING: ReadonlySet<string> = new Set(["F16", "BF16", "F32", "F64"]);

/** Element types that values can be written as. */
export type WritableType = "F32" | "F16" | "BF16";

/** The bytes of values, rounded once to the type. */
export function encodeElements(type: WritableType, values: Float32Array): Uint8Array<ArrayBuffer> {
  if (type === "F32") return new Uint8Array(values.slice().buffer);
  const codes = type === "F16" ? halvesOf(values) : upperHalvesOf(values);
  return new Uint8Array(codes.buffer);
}
