/** Number systems in f64, written a second time: from the papers, not from the declarations. */

/** A float of E exponent and M fraction bits below a sign, bias B; exponent 0 holds the subnormal numbers. */
export function minifloat(code: number, E: number, M: number, B: number): number {
  const sign = Math.floor(code / 2 ** (E + M)) % 2 === 1 ? -1 : 1;
  const e = Math.floor(code / 2 ** M) % 2 ** E;
  const f = (code % 2 ** M) / 2 ** M;
  return sign * (e === 0 ? f * 2 ** (1 - B) : (1 + f) * 2 ** (e - B));
}

/** ANT's flint of four bits, by the three bits below the sign: integers, then 1|00, 1|01, 1|1x by their next one. */
export const FLINT4 = [0, 1, 2, 3, 16, 8, 4, 6] as const;

/** bitsandbytes' signed dynamic map: seven decades, each twice as finely divided as the one below. */
export function dynamicMap(): readonly number[] {
  const positive = Array.from({ length: 7 }, (_, i) => {
    const step = 0.9 / 2 ** i;
    return Array.from({ length: 2 ** i }, (_, j) => 10 ** (i - 6) * (0.1 + step * (j + 0.5)));
  }).flat();
  return [...positive.map((v) => -v), 0, ...positive, 1].sort((a, b) => a - b);
}

/** NormalFloat4, from the quantiles that QLoRA's code takes of the normal distribution. */
export const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
] as const; // biome-ignore format: a table

/** The 128 integer points of eight dimensions with |p|_1 = 2: those of one ±2 first, then pairs of ±1. */
export function pyramidPoints(): readonly (readonly number[])[] {
  const unit = (entries: readonly (readonly [number, number])[]): readonly number[] => {
    const point = new Array<number>(8).fill(0);
    for (const [at, v] of entries) point[at] = v;
    return point;
  };
  const singles = [...Array(8).keys()].flatMap((i) => [unit([[i, 2]]), unit([[i, -2]])]);
  const pairs = [...Array(8).keys()].flatMap((i) =>
    [...Array(i).keys()].flatMap(
      (j) =>
      [1, -1].flatMap((a) => [1, -1].map((b) => unit([[i, a], [j, b]]))), // biome-ignore format: one product
    ),
  );
  return [...singles, ...pairs];
}

/** QTIP's computed code 3INST: a linear congruence whose halves, mended by mask and magic, are f16 numbers. */
export function threeInstructions(state: number, halfOf: (bits: number) => number): number {
  const mixed = (BigInt(state) * 89226354n + 64248484n) & 0xffffffffn;
  const x = Number((mixed & 0x8fff8fffn) ^ 0x3b603b60n);
  return halfOf(x % 65536) + halfOf(Math.floor(x / 65536));
}
