/**
 * Layouts: where each element lives. One algebra for packings, streams, shared memory and register fragments.
 *
 * Two directions, so that composing never needs an inverse:
 * - registers map place → logical: `fragment(lane, reg, elem) = (m, k)`, total even where values are replicated;
 * - memories map logical → place: `address(n, k, bit) = bit address`, total and injective, padding allowed.
 * A load is `address ∘ fragment`. The bit of a coded element is a logical axis (`BIT`), so bit planes, segments and
 * contiguous codes are one mechanism. Addresses are in bits (`ADDRESS`).
 */

/** The name of one coordinate: logical ("m", "n", "k", "bit") or a place ("lane", "reg", "elem", "address"). */
export type Axis = string;
export type Extents = Readonly<Record<Axis, number>>;

/** Logical axis of the bit inside one element, least significant first. */
export const BIT = "bit";
/** Place axis of a memory: the address in bits. */
export const ADDRESS = "address";
/** Place axes of registers: lane in the warp, 32-bit register (or value, for unpacked types), element in the register. */
export const LANE = "lane";
export const REG = "reg";
export const ELEM = "elem";

/** Adds `stride · (⌊in[from] / div⌋ mod size)` to out[to]. */
export interface Term {
  readonly from: Axis;
  readonly div: number;
  readonly size: number;
  readonly to: Axis;
  readonly stride: number;
}

/** A total function from the box `from` into the box `to`; `tile-level` layouts are invertible where injective. */
export type Layout =
  | {
      readonly kind: "strided";
      readonly from: Extents;
      readonly to: Extents;
      readonly terms: readonly Term[];
      readonly base?: Extents;
      /** Output axes taken modulo this (sliding windows); such a layout is not injective. */
      readonly wrap?: Extents;
    }
  | {
      /** Bit i of `axis` toggles `columns[i]`; other axes pass through; invertible over GF(2). */
      readonly kind: "xor";
      readonly from: Extents;
      readonly axis: Axis;
      readonly columns: readonly number[];
    }
  | {
      /** `map[linear index of the input, last axis fastest]` = linear index of the output. */
      readonly kind: "table";
      readonly from: Extents;
      readonly to: Extents;
      readonly map: readonly number[];
    }
  | { readonly kind: "chain"; readonly parts: readonly Layout[] }
  | { readonly kind: "opaque"; readonly name: string; readonly from: Extents; readonly to: Extents };
