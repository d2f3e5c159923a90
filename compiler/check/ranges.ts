/** Ranges of integers beyond those that the expression table derives, and how messages show them. */
import type { Range } from "../../ir/expr.ts";

/** "runs from 0 to 7", as messages say it. */
export const runs = (range: Range | undefined): string =>
  range === undefined
    ? "has no known range"
    : range[0] === range[1]
      ? `is ${range[0]}`
      : `runs from ${range[0]} to ${range[1]}`;

/** The range of |x|. */
export const magnitude = (range: Range | undefined): Range | undefined =>
  range && [range[0] > 0 ? range[0] : range[1] < 0 ? -range[1] : 0, Math.max(Math.abs(range[0]), Math.abs(range[1]))];

/** Ranges of the operators on bits of non-negative integers, which the expression table does not derive. */
export function bitRange(op: string, a: Range | undefined, b: Range | undefined): Range | undefined {
  if (op === "and") {
    // x & mask lies in 0..mask whatever x is, as long as the mask is not negative.
    const masks = [a, b].flatMap((r) => (r !== undefined && r[0] >= 0 ? [r[1]] : []));
    return masks.length === 0 ? undefined : [0, Math.min(...masks)];
  }
  if (a === undefined || b === undefined || a[0] < 0 || b[0] < 0) return undefined;
  const top = Math.max(a[1], b[1]);
  if (op === "or" || op === "xor") return top >= 2 ** 31 ? undefined : [0, 2 ** (32 - Math.clz32(top)) - 1];
  if (b[1] > 31) return undefined;
  if (op === "shr") return [Math.floor(a[0] / 2 ** b[1]), Math.floor(a[1] / 2 ** b[0])];
  if (op === "shl") return a[1] * 2 ** b[1] < 2 ** 31 ? [a[0] * 2 ** b[0], a[1] * 2 ** b[1]] : undefined;
  return undefined;
}
