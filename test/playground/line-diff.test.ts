/** Differences by lines: applying them to the old text gives the new one, and no more lines change than must. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changesOf } from "../../web/playground/line-diff.ts";

/** Length of the longest common subsequence, by the table. */
function common(a: readonly string[], b: readonly string[]): number {
  const best = Array.from({ length: a.length + 1 }, () => Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      best[i]![j] = a[i - 1] === b[j - 1] ? best[i - 1]![j - 1]! + 1 : Math.max(best[i - 1]![j]!, best[i]![j - 1]!);
  return best[a.length]![b.length]!;
}

const lines = fc.array(fc.constantFrom("a", "b", "c", "d", ""), { maxLength: 24 });

describe("line differences", () => {
  it("rebuild the new text from the old, with as few lines changed as can be", () => {
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const out: string[] = [];
        let at = 0;
        let changed = 0;
        for (const { oldFrom, oldTo, from, to } of changesOf(a, b)) {
          out.push(...a.slice(at, oldFrom), ...b.slice(from, to));
          at = oldTo;
          changed += oldTo - oldFrom + (to - from);
        }
        expect([...out, ...a.slice(at)]).toEqual(b);
        expect(changed).toBe(a.length + b.length - 2 * common(a, b));
      }),
      { numRuns: 300 },
    );
  });

  it("gives up on texts that have nothing in common, in time", () => {
    const a = Array.from({ length: 4000 }, (_, i) => `old ${i}`);
    const b = Array.from({ length: 4000 }, (_, i) => `new ${i}`);
    expect(changesOf(a, b)).toEqual([{ oldFrom: 0, oldTo: 4000, from: 0, to: 4000 }]);
  });
});
