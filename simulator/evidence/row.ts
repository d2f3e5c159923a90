/** Rows of evidence: what somebody published, what comes out here, and whether the two agree as they should. */

/** How close ours must come. `open`: nobody can say; the note states what is unknown. */
export type Agreement =
  | { readonly kind: "exact" }
  /** Rounding ours can give the digits behind the point that were printed. */
  | { readonly kind: "digits"; readonly digits: number }
  | { readonly kind: "relative"; readonly within: number }
  | { readonly kind: "open" };

export interface EvidenceRow {
  readonly claim: string;
  readonly published: number;
  /** Absent where it is not modelled. */
  readonly ours?: number;
  readonly agreement: Agreement;
  /** How often the same figure was published; 1 where it is left out. */
  readonly times?: number;
  /** Why the two differ, or what is unknown. */
  readonly note?: string;
}

/** Rows from one publication. */
export interface EvidenceGroup {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly rows: readonly EvidenceRow[];
}

export const EXACT: Agreement = { kind: "exact" };
export const OPEN: Agreement = { kind: "open" };
export const relative = (within: number): Agreement => ({ kind: "relative", within });
export const digits = (count: number): Agreement => ({ kind: "digits", digits: count });

export type Verdict = "agrees" | "differs" | "open";

/** Half of the last printed digit; a hair more, because ties are rounded up by some and to even by others. */
const halfDigit = (count: number): number => (0.5 + 1e-6) * 10 ** -count;

/** What a row says of the model. */
export function verdictOf({ published, ours, agreement }: EvidenceRow): Verdict {
  const agrees = (is: boolean): Verdict => (is ? "agrees" : "differs");
  switch (agreement.kind) {
    case "open":
      return "open";
    case "exact":
      return agrees(ours === published);
    case "digits":
      return agrees(ours !== undefined && Math.abs(ours - published) <= halfDigit(agreement.digits));
    case "relative":
      return agrees(ours !== undefined && Math.abs(ours / published - 1) <= agreement.within);
  }
}

/** ours / published − 1; undefined where ours is absent. */
export const differenceOf = ({ published, ours }: EvidenceRow): number | undefined =>
  ours === undefined ? undefined : published === 0 ? (ours === 0 ? 0 : Number.POSITIVE_INFINITY) : ours / published - 1;

/** The fields of each line of a table, by blanks. */
export const linesOf = (table: string): readonly (readonly string[])[] =>
  table
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
