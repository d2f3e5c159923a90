/** What a target can do, as data: passes read this table and nothing else about a target. The tables live in backends/. */
import type { Rule } from "./rewrite.ts";
import type { Scalar } from "./scalar.ts";

/** Whether the hardware has an instruction or the assembler replaces it by others. */
export type Support = "native" | "emulated";

export interface RowSupport {
  /** Id of a MatrixRow. */
  readonly row: string;
  readonly support: Support;
  /** Emulated rows: what to use instead, for the diagnostic. */
  readonly instead?: string;
  /** Multiply–accumulates of this row's element type that one core (SM) starts a cycle; absent where nobody published it. */
  readonly macsPerCycle?: number;
}

export interface Target {
  /** "cuda.sm90a", "wgsl.p0", "metal.3". */
  readonly name: string;
  readonly family: string;
  /** One line for `bitloom targets`. */
  readonly about: string;
  /** Lanes of the group that exchanges values: the warp where `exchange` is "warp", else the block. */
  readonly lanes: number;
  /** Scope of exchange collectives that legalisation can carry out. */
  readonly exchange: "warp" | "block";
  /** Preferred warps per block (1 where the exchange scope is the block). */
  readonly warps: number;
  /** Scalar types that kernels may compute with. */
  readonly types: readonly Scalar[];
  /** How a float type is stored when a kernel writes it; types not listed are stored as themselves. */
  readonly stores: Readonly<Partial<Record<Scalar, Scalar>>>;
  /** Largest vector access in 32-bit words. */
  readonly vectorWords: 1 | 2 | 4;
  readonly rows: readonly RowSupport[];
  /** Where constant tables that are indexed by data are kept while a kernel runs. */
  readonly tables: "shared" | "constant";
  readonly limits: {
    readonly threads: number;
    readonly sharedBytes: number;
    readonly registersPerLane: number;
    readonly bindings: number;
    readonly gridX: number;
    readonly gridYZ: number;
  };
  /** Rewrites that bring a kernel's expressions into what this target has. */
  readonly rules: readonly Rule[];
  /** Model of hw-models/ that stands for this target in reports. */
  readonly model: string;
}
