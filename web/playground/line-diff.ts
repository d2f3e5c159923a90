/** Differences between two texts by lines: Myers, "An O(ND) difference algorithm and its variations", Algorithmica 1986. */

/** Lines [from, to) of the new text stand where lines [oldFrom, oldTo) of the old one stood. */
export interface Change {
  readonly oldFrom: number;
  readonly oldTo: number;
  readonly from: number;
  readonly to: number;
}

/** More edits than this are one change: finding the fewest would take too long to wait for. */
const MAX_EDITS = 1500;

/** Furthest places reached with d edits, for every d, or undefined where more than the limit are needed. */
function trace(a: readonly string[], b: readonly string[]): readonly Int32Array[] | undefined {
  const size = Math.min(MAX_EDITS, a.length + b.length);
  const reached = new Int32Array(2 * size + 3);
  const steps: Int32Array[] = [];
  for (let d = 0; d <= size; d++) {
    steps.push(reached.slice());
    for (let k = -d; k <= d; k += 2) {
      const at = k + size + 1;
      const down = k === -d || (k !== d && reached[at - 1]! < reached[at + 1]!);
      let x = down ? reached[at + 1]! : reached[at - 1]! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reached[at] = x;
      if (x >= a.length && x - k >= b.length) return steps;
    }
  }
  return undefined;
}

/** Lines that both texts keep, as pairs in order. */
function kept(a: readonly string[], b: readonly string[]): readonly (readonly [number, number])[] {
  const steps = trace(a, b);
  if (steps === undefined) return [];
  const size = Math.min(MAX_EDITS, a.length + b.length);
  const pairs: [number, number][] = [];
  let [x, y] = [a.length, b.length];
  for (let d = steps.length - 1; d >= 0; d--) {
    const reached = steps[d]!;
    const k = x - y;
    const at = k + size + 1;
    const down = k === -d || (k !== d && reached[at - 1]! < reached[at + 1]!);
    const before = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : reached[before + size + 1]!;
    const fromY = d === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY) pairs.push([--x, --y]);
    [x, y] = [fromX, fromY];
  }
  return pairs.reverse();
}

/** The changes from one list of lines to another, in order. */
export function changesOf(a: readonly string[], b: readonly string[]): readonly Change[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const [oldEnd, newEnd] = [a.length - end, b.length - end];
  const changes: Change[] = [];
  let [oldFrom, from] = [start, start];
  const upTo = (oldTo: number, to: number): void => {
    if (oldTo > oldFrom || to > from) changes.push({ oldFrom, oldTo, from, to });
  };
  for (const [i, j] of kept(a.slice(start, oldEnd), b.slice(start, newEnd))) {
    upTo(start + i, start + j);
    [oldFrom, from] = [start + i + 1, start + j + 1];
  }
  upTo(oldEnd, newEnd);
  return changes;
}
