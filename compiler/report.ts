/** Reporting with codes that the compiler knows: a code without an essay does not type-check. */
import type { Diagnostics, Fix, Note, Span } from "../ir/diagnostics.ts";
import type { Code } from "./explain/explain.ts";

/** Reports an error. */
export function report(
  diagnostics: Diagnostics,
  code: Code,
  span: Span,
  message: string,
  notes: readonly Note[] = [],
  fix?: Fix,
): void {
  diagnostics.error(code, span, message, notes, fix);
}

/** Reports something that works and is probably not meant. */
export function warn(
  diagnostics: Diagnostics,
  code: Code,
  span: Span,
  message: string,
  notes: readonly Note[] = [],
): void {
  diagnostics.warn(code, span, message, notes);
}

/**
 * The candidate that `text` most likely stands for: another spelling in upper and lower case, or at most a third of its
 * letters (at least one, never all) wrong.
 */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.min(text.length - 1, Math.max(1, Math.floor(text.length / 3)));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (candidate.toLowerCase() === text.toLowerCase()) return candidate;
    if (Math.abs(candidate.length - text.length) >= bestDistance) continue;
    const distance = editDistance(text, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Fix that replaces a name by the candidate it most likely stands for. */
export function didYouMean(text: string, span: Span, candidates: Iterable<string>): Fix | undefined {
  const best = nearest(text, candidates);
  return best === undefined ? undefined : { message: `did you mean \`${best}\`?`, span, text: best };
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count one each.
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
