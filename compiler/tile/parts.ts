/** What a launch in the making holds: tensors of tiles, and the loop that is open. */
import type { Span } from "../../ir/diagnostics.ts";
import type { Region, Step, Tensor } from "../../ir/program.ts";

/** A local tensor as the launch holds it: which old axis each position was, and whether lanes hold partial results. */
export interface Local {
  readonly tensor: Tensor;
  readonly axes: readonly string[];
  readonly partial: "sum" | "max" | undefined;
  /** Each of the block's warps holds a part, to be combined so. */
  readonly split: "sum" | "max" | undefined;
}

/** A loop over the steps of the walked axis in the making. */
export interface Phase {
  readonly inits: Step[];
  readonly loads: Step[];
  readonly loaded: Map<string, Region>;
  readonly body: Step[];
  readonly reduced: Set<string>;
  /** Its steps are divided among the shares: nothing is reduced here. */
  readonly divided: boolean;
  /** Of what it reduces, else of its first op. */
  span: Span;
}

/** What a reduction starts from. */
export const IDENTITY = { sum: 0, max: -3.4028234663852886e38 } as const;
