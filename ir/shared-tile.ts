/** Tiles in shared memory as Hopper's matrix descriptors and copy engine expect them. */

import { strided, swizzle, term } from "./layout/build.ts";
import { ADDRESS, type Axis, BIT, type Layout } from "./layout/layout.ts";
import { compose } from "./layout/normal.ts";

export interface SharedTile {
  /** The row axis, "m" or "n"; rows are a multiple of 8. */
  readonly axis: Axis;
  readonly rows: number;
  /** Elements along k; a multiple of what one row of an atom holds. */
  readonly k: number;
  readonly elementBits: number;
  /** Bytes of one row of an atom, and its swizzle; 0: rows of 16 bytes, no swizzle. */
  readonly swizzle: 0 | 32 | 64 | 128;
}

/**
 * (row, k, bit) → address of a K-major tile: atoms of 8 rows of `swizzle` bytes follow one another along the rows, and
 * such columns of atoms along k; inside an atom 16-byte chunks are swizzled (PTX ISA 9.2, 9.7.15.5.1, shared memory
 * matrix layout). The tile starts at a multiple of 8 · `swizzle` bytes.
 */
export function sharedTile(tile: SharedTile): Layout {
  const { axis, rows, k, elementBits } = tile;
  const rowBits = 8 * (tile.swizzle === 0 ? 16 : tile.swizzle);
  const perRow = rowBits / elementBits;
  const columns = Math.ceil(k / perRow);
  const bits = columns * rows * rowBits;
  const plain = strided({ [axis]: rows, k, [BIT]: elementBits }, { [ADDRESS]: bits }, [
    term(axis, 1, rows, ADDRESS, rowBits),
    term("k", 1, perRow, ADDRESS, elementBits),
    term("k", perRow, columns, ADDRESS, rows * rowBits),
    term(BIT, 1, elementBits, ADDRESS, 1),
  ]);
  return tile.swizzle === 0 ? plain : compose(plain, swizzle(tile.swizzle, bits));
}
