/**
 * Program: the tile level. It says what is computed on which tiles, where tiles live and when they move.
 *
 * An unscheduled program is one op on whole tensors; scheduling only splits it into loops over tiles, so both are this
 * type and every step of it prints, parses back and evaluates.
 *
 * - An op works on a *domain*: a box of named axes. A `Region` says which element of a tensor belongs to a point of the
 *   domain: one index expression per tensor axis, over the domain's axes and the enclosing loops' variables (symbols of
 *   their names). So the region of an op is the image of its domain.
 * - Axes in `over` are reduced; all others index the result.
 * - Loops mapped to grid, warp or an array run in any order, the others in theirs. A tensor whose place is `register` or
 *   `shared` belongs to one iteration of the innermost parallel loop: it is written before it is read there.
 * - Copies between memories are explicit. What crosses roles passes through a ring, by its four signals.
 *
 * The same program feeds the back ends (lowered to a Kernel) and the simulator (walked tile by tile).
 */
import type { Span } from "./diagnostics.ts";
import type { ExprId, Exprs, Table } from "./expr.ts";
import type { Format } from "./format.ts";
import type { Axis, Layout } from "./layout/layout.ts";
import type { Scalar } from "./scalar.ts";

/** Which memory; `unit:…` names a memory of a hardware model. */
export type Place = "global" | "shared" | "register" | `unit:${string}`;

export interface Tensor {
  /** Unique in the program: "x", "w.q", "acc". */
  readonly id: string;
  readonly type: Scalar;
  readonly axes: readonly Axis[];
  readonly shape: readonly number[];
  readonly place: Place;
  /** `workspace`: global, written by one launch and read by a later one. */
  readonly role: "input" | "output" | "workspace" | "local";
  /** Memories: (axes, bit) → address in bits. Registers: (lane, reg, elem) → axes. Absent until a pass decides. */
  readonly layout?: Layout;
  readonly ring?: string;
  /** The operand and field that this tensor stores, for packers and launchers. */
  readonly origin?: { readonly operand: string; readonly format: string; readonly field: string };
  readonly span: Span;
  /** What says how its elements are stored or meant: the format's field, or its value's expression. */
  readonly declared?: Span;
}

/** What an index outside the tensor means. `mask`: reads give 0, writes do nothing. `exact`: it never happens. */
export type Tail = "exact" | "mask";

export interface Region {
  readonly tensor: string;
  /** The inputs of a map may use earlier inputs of it here: `w.lut[n, w.q[n, k]]` looks a stored code up. */
  readonly index: readonly ExprId[];
  readonly tail: Tail;
  /** Selects one bit of the (integer) elements, 0 the lowest: the region's type is then u1. Bit planes are read so. */
  readonly bit?: ExprId;
}

export interface Dim {
  readonly axis: Axis;
  readonly extent: number;
}

/** Tiles in flight between a producer and its consumers: `depth` instances of every tensor that names it. */
export interface Ring {
  readonly id: string;
  readonly depth: number;
  readonly producer: string;
  readonly consumers: readonly string[];
}

/** How a contraction is carried out. The meaning is the same: a sum of products. */
export type Strategy = "fma" | "popc" | "mma" | "dot4" | "lut" | "array";

export type Engine = "lane" | "cpAsync" | "bulk" | "tensorMap" | "dma";

export type TileOp = (
  | { readonly kind: "fill"; readonly to: Region; readonly value: ExprId }
  | {
      readonly kind: "copy";
      readonly from: Region;
      readonly to: Region;
      readonly engine?: Engine;
      readonly cache?: "stream" | "keep";
    }
  /** to = the format's value at position `at` of the operand; fields hold the format's fields in their order. */
  | {
      readonly kind: "decode";
      readonly format: string;
      readonly fields: readonly Region[];
      readonly to: Region;
      /** Value index along the operand's last axis. */
      readonly at: ExprId;
      readonly method?: "arithmetic" | "table" | "unit";
    }
  /** to += Σ over: a · b, accumulated in the type of `to`. */
  | {
      readonly kind: "contract";
      readonly a: Region;
      readonly b: Region;
      readonly to: Region;
      readonly over: readonly Axis[];
      readonly by?: Strategy;
      /** The matrix row that carries it out (strategy mma). */
      readonly row?: string;
    }
  /** to = value (over inputs and axes), reduced by `reduce` over the axes `over` where there are any. */
  | {
      readonly kind: "map";
      readonly inputs: readonly Region[];
      readonly to: Region;
      readonly value: ExprId;
      readonly over: readonly Axis[];
      readonly reduce?: "sum" | "max";
    }
  /** Brings `from` into `format`, whose fields are `to` in their order; `over` is the operand's last axis. */
  | {
      readonly kind: "quantize";
      readonly format: string;
      readonly from: Region;
      readonly to: readonly Region[];
      readonly over: Axis;
    }
) & { readonly domain: readonly Dim[]; readonly span: Span };

export type Mapping =
  | { readonly kind: "serial" | "unroll" }
  | { readonly kind: "grid"; readonly dim: 0 | 1 | 2 }
  | { readonly kind: "warp" }
  /** An accelerator array's dimension. */
  | { readonly kind: "array"; readonly unit: string; readonly dim: "row" | "column" | "time" };

export interface Role {
  readonly name: string;
  /** GPU: which warps; machine: null. */
  readonly warps: readonly [first: number, count: number] | null;
  /** Machine: the unit of the hardware model that plays it. */
  readonly unit?: string;
  readonly body: readonly Step[];
}

export type Step =
  | TileOp
  /** `name` takes 0, step, 2·step … below `extent`. */
  | {
      readonly kind: "loop";
      readonly name: Axis;
      readonly extent: number;
      readonly step: number;
      readonly map: Mapping;
      readonly body: readonly Step[];
      readonly span: Span;
    }
  /** One kernel. Launches run one after the other; only global tensors live across them. */
  | { readonly kind: "launch"; readonly name: string; readonly body: readonly Step[]; readonly span: Span }
  /** Bodies that run concurrently; nothing but rings crosses them. */
  | { readonly kind: "roles"; readonly roles: readonly Role[]; readonly span: Span }
  /** acquire: wait for a free instance; commit: hand it on; wait: for a filled one; release: give it back. */
  | {
      readonly kind: "signal";
      readonly ring: string;
      readonly what: "acquire" | "commit" | "wait" | "release";
      readonly span: Span;
    }
  | { readonly kind: "when"; readonly cond: ExprId; readonly body: readonly Step[]; readonly span: Span };

export interface Program {
  readonly name: string;
  readonly tensors: readonly Tensor[];
  readonly formats: readonly Format[];
  readonly tables: readonly Table[];
  readonly rings: readonly Ring[];
  readonly exprs: Exprs;
  readonly body: readonly Step[];
}

/** True for steps that are ops on regions. */
export function isTileOp(step: Step): step is TileOp {
  return (
    step.kind !== "loop" &&
    step.kind !== "launch" &&
    step.kind !== "roles" &&
    step.kind !== "signal" &&
    step.kind !== "when"
  );
}

/** The regions an op reads, in a fixed order. A contract also reads its `to`; that is not listed. */
export function reads(op: TileOp): readonly Region[] {
  switch (op.kind) {
    case "fill":
      return [];
    case "copy":
    case "quantize":
      return [op.from];
    case "decode":
      return op.fields;
    case "contract":
      return [op.a, op.b];
    case "map":
      return op.inputs;
  }
}

/** The regions an op writes. */
export function writes(op: TileOp): readonly Region[] {
  return op.kind === "quantize" ? op.to : [op.to];
}

/** The steps directly inside a step. */
export function children(step: Step): readonly (readonly Step[])[] {
  switch (step.kind) {
    case "loop":
    case "launch":
    case "when":
      return [step.body];
    case "roles":
      return step.roles.map((r) => r.body);
    default:
      return [];
  }
}
