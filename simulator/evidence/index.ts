/** The whole table of evidence: claim, source, published, ours. */
import type { Tiler } from "../simulate.ts";
import { arrayEvidence } from "./arrays.ts";
import { oliveEvidence } from "./olive.ts";
import { publishedEvidence } from "./published.ts";
import type { EvidenceGroup } from "./row.ts";
import { tpuEvidence } from "./tpu.ts";

export { differenceOf, type EvidenceGroup, type EvidenceRow, type Verdict, verdictOf } from "./row.ts";

/** All groups, in the order in which they are printed. `tile` cuts products for our engine: the compiler's `tileMachine`. */
export const evidence = (tile: Tiler): readonly EvidenceGroup[] => [
  ...publishedEvidence(),
  ...arrayEvidence(tile),
  tpuEvidence(tile),
  ...oliveEvidence(tile),
];
