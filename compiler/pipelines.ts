/** The passes in order: the only place where order is written. `bitloom passes` prints it. */
import type { Kernel } from "../ir/kernel.ts";
import type { Program } from "../ir/program.ts";
import type { Pass } from "./pass.ts";
import { anchorLayouts } from "./passes/anchor-layouts.ts";
import { bitPlanes } from "./passes/bit-planes.ts";
import { dropUnused } from "./passes/drop-unused.ts";
import { expandFormat } from "./passes/expand-format.ts";
import { hoistGroupScales } from "./passes/hoist-group-scales.ts";
import { hoistScales } from "./passes/hoist-scales.ts";
import { inlineMaps } from "./passes/inline-maps.ts";
import { integerContract } from "./passes/integer-contract.ts";
import { legalise } from "./passes/legalise.ts";
import { outline } from "./passes/outline.ts";
import { pairHalves } from "./passes/pair-halves.ts";
import { pin } from "./passes/pin.ts";
import { prefetch } from "./passes/prefetch.ts";
import { selectRow } from "./passes/select-row.ts";
import { tile } from "./passes/tile.ts";

/** Algebra: what every strategy can use. Afterwards `choose` reads the program and fixes a schedule. */
export const ALGEBRA: readonly Pass<Program>[] = [
  outline, // first: a launch is the unit of everything below
  expandFormat, // scales and codes become visible factors
  inlineMaps, // what is computed point by point is computed where it is read
  hoistScales, // what is left inside a sum may then be codes alone,
  integerContract, // and those add up in i32
];

/** From a schedule to tiles in registers. */
export const SCHEDULING: readonly Pass<Program>[] = [
  bitPlanes, // before tiling: planes are axes like any other
  tile,
  hoistGroupScales, // after tiling: only then is a group's scale constant along the chunk
  selectRow, // after hoisting: what a row multiplies is codes, which its type holds exactly
  pairHalves, // between them: it follows how codes lie in memory, and registers follow it
  anchorLayouts,
];

/**
 * Between the two levels: one Kernel a launch (compiler/passes/lower.ts), then the target's own collectives
 * (backends/collectives.ts), which the driver joins, since passes know targets only as tables.
 */
export const LOWERING = [
  { name: "lower", about: "launches are kernels; tiles are lanes and registers" },
  { name: "collectives", about: "exchanges that the target has no instruction for are memory accesses and barriers" },
] as const;

/** On kernels. */
export const KERNEL: readonly Pass<Kernel>[] = [
  prefetch, // before names are given: addresses are still expressions of the loop
  legalise,
  dropUnused, // after folding: elements that a constant index ruled out are read no more
  pin, // last: names are for printing
];
