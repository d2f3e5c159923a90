/** Rows of codes side by side, each row beginning at a whole word: the plain case of streams, fast. */

/** The low `width` ≤ 32 bits of each value, rows padded to 32 bits. Equals `packStream` with a row-major layout. */
export function packRows(values: ArrayLike<number>, width: number, rows: number, columns: number): Uint32Array {
  const pitch = Math.ceil((columns * width) / 32);
  const words = new Uint32Array(rows * pitch);
  const mask = width === 32 ? -1 : (1 << width) - 1;
  for (let row = 0, n = 0; row < rows; row++) {
    let at = row * pitch;
    let word = 0;
    let filled = 0;
    for (let k = 0; k < columns; k++, n++) {
      const code = values[n]! & mask;
      word |= code << filled;
      filled += width;
      if (filled < 32) continue;
      words[at++] = word;
      filled -= 32;
      // What did not fit; a shift by 32 would do nothing.
      word = filled === 0 ? 0 : code >>> (width - filled);
    }
    if (filled > 0) words[at] = word;
  }
  return words;
}

/** The codes that `packRows` stored, with their sign where they have one. */
export function unpackRows(
  words: Uint32Array,
  width: number,
  signed: boolean,
  rows: number,
  columns: number,
): Int32Array {
  const pitch = Math.ceil((columns * width) / 32);
  const out = new Int32Array(rows * columns);
  const unused = 32 - width;
  for (let row = 0, n = 0; row < rows; row++) {
    const start = row * pitch;
    for (let k = 0, bit = 0; k < columns; k++, n++, bit += width) {
      const at = start + (bit >>> 5);
      const shift = bit & 31;
      let code = words[at]! >>> shift;
      if (shift > unused) code |= words[at + 1]! << (32 - shift);
      out[n] = signed ? (code << unused) >> unused : (code << unused) >>> unused;
    }
  }
  return out;
}

/** The f16 bits of f32 values, to nearest even; every NaN gives 0x7e00. Equals `f16ToBits`. */
export function halvesOf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const size = bits[i]! & 0x7fffffff;
    const sign = (bits[i]! >>> 16) & 0x8000;
    // 2^-14 is the least normal half; the exponent's bias changes from 127 to 15.
    if (size >= 0x38800000)
      out[i] =
        size >= 0x47800000
          ? size > 0x7f800000
            ? 0x7e00
            : sign | 0x7c00
          : sign | (((size + 0xfff + ((size >>> 13) & 1)) >>> 13) - (112 << 10));
    else out[i] = sign | (size <= 0x33000000 ? 0 : subnormalHalf(size));
  }
  return out;
}

/** A positive f32 between 2^-25 and 2^-14 in units of 2^-24. */
function subnormalHalf(size: number): number {
  const shift = 126 - (size >>> 23);
  const mantissa = (size & 0x7fffff) | 0x800000;
  const whole = mantissa >>> shift;
  const rest = mantissa - whole * 2 ** shift;
  const half = 2 ** (shift - 1);
  return rest > half || (rest === half && whole % 2 === 1) ? whole + 1 : whole;
}

/** The bf16 bits of f32 values, to nearest even; NaN keeps its sign and becomes quiet. */
export function upperHalvesOf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const v = bits[i]!;
    out[i] = (v & 0x7fffffff) > 0x7f800000 ? (v >>> 16) | 0x40 : (v + 0x7fff + ((v >>> 16) & 1)) >>> 16;
  }
  return out;
}
