/**
 * Kernel: one launch for one grid of blocks of lanes, as scalar expressions, a tree of statements, and collectives.
 *
 * Expressions have no effects and no order (see expr.ts); statements run in order in every lane. A statement's result is
 * a named local, referred to by a `symbol` expression. `let` and `read` results never change; `var` locals change by
 * `assign` and by collectives that update registers.
 *
 * A collective is executed by all lanes of its scope together, at the same statement; reaching it in a part of the scope
 * is an error. Five families exist: exchange (values between lanes), fragment (matrix operands between memory and
 * registers), matrix (multiply fragments), transfer (asynchronous copies), sync. New hardware adds rows and names to
 * tables, not kinds.
 *
 * Memory: buffers of one element type. Global buffers hold a tensor's bits, shared ones belong to a block. Indices count
 * buffer elements; an access of width w moves elements index … index + w − 1 and index must be a multiple of w.
 * Two accesses to an element, one of them a write, must be ordered by a sync of a scope holding both lanes.
 */
import type { Span } from "./diagnostics.ts";
import type { ExprId, Exprs, Table } from "./expr.ts";
import type { Scalar } from "./scalar.ts";

export interface Buffer {
  readonly id: string;
  readonly type: Scalar;
  /** Elements. */
  readonly length: number;
  readonly space: "global" | "shared";
  readonly access: "read" | "write" | "readWrite";
  /** Global: the program tensor whose bits it holds. */
  readonly tensor?: string;
}

export type Width = 1 | 2 | 4;

export interface Access {
  readonly buffer: string;
  readonly index: ExprId;
  readonly width: Width;
}

/** The lanes that take part: one warp, four warps from a multiple of four, the block, the whole grid. */
export type Scope = "warp" | "warpgroup" | "block" | "device";

/** How a transfer's completion is seen: its commit group is drained, or an mbarrier counts its bytes. */
export type Completion = { readonly kind: "group" } | { readonly kind: "mbarrier"; readonly at: Access };

export type Collective =
  /**
   * `to` receives a value from other lanes. shuffleXor: of lane ⊕ args[1]; shuffleAt: of lane args[1] (args[0] is the
   * value); broadcast: of lane 0; ballot: u32 of the predicate, one bit a lane; sum, max: over the scope's lanes, floats
   * in the order of a xor ladder (16, 8, 4, 2, 1 …; lanes missing to a power of two add nothing); any: of a predicate;
   * elect: true in the lowest lane only. Lanes are numbered through the scope. Exchanges order no memory.
   */
  | {
      readonly family: "exchange";
      readonly op: "shuffleXor" | "shuffleAt" | "broadcast" | "ballot" | "sum" | "max" | "any" | "elect";
      readonly args: readonly ExprId[];
      readonly to: string;
    }
  /**
   * Moves operand `operand` of matrix row `row` between memory and this lane's registers; `stride` in buffer elements.
   * The tile is row-major (a: m × k, b: n × k, d: m × n); elements narrower than the buffer's are packed, lowest first.
   */
  | {
      readonly family: "fragment";
      readonly row: string;
      readonly operand: "a" | "b" | "d";
      readonly dir: "load" | "store";
      readonly at: Access;
      readonly stride: ExprId;
      readonly regs: readonly string[];
    }
  /**
   * d += a · b by matrix row `row`; registers in the order of the row's layouts; d names `var` locals. An operand that is
   * an access is a row-major tile in shared memory, its rows k elements apart.
   */
  | {
      readonly family: "matrix";
      readonly row: string;
      readonly a: readonly ExprId[] | Access;
      readonly b: readonly ExprId[] | Access;
      readonly d: readonly string[];
    }
  /**
   * Asynchronous copy of `bytes` bytes by every lane whose `when` holds (others copy nothing); the source is frozen and
   * the destination pending until `done`. cpAsync: 4, 8 or 16 bytes, global to shared, in groups; bulk: multiples of 16.
   */
  | {
      readonly family: "transfer";
      readonly engine: "cpAsync" | "bulk";
      readonly from: Access;
      readonly to: Access;
      readonly bytes: number;
      readonly done: Completion;
      readonly when?: ExprId;
    }
  /**
   * barrier: all lanes of the scope meet, memory between them is ordered. commit: close this lane's group of transfers;
   * drain: wait until at most `count` groups are open. init (count arrivals), arrive, expect (count bytes), wait
   * (parity `count`): on the mbarrier `at`, an element of a shared u64 buffer. All but commit, drain, wait and fence
   * happen once for the scope: an arrive of a warp counts one arrival. fence: order plain accesses before asynchronous
   * ones of the proxy: async is memory, matrix is the registers of asynchronous rows. commit and drain: of cp.async
   * groups; of bulk copies (proxy async); of asynchronous rows (proxy matrix).
   */
  | {
      readonly family: "sync";
      readonly op: "barrier" | "commit" | "drain" | "init" | "arrive" | "expect" | "wait" | "fence";
      readonly at?: Access;
      readonly count?: ExprId;
      readonly proxy?: "async" | "matrix";
    };

export type Stmt = (
  | { readonly kind: "let"; readonly name: string; readonly value: ExprId }
  | { readonly kind: "var"; readonly name: string; readonly value: ExprId }
  | { readonly kind: "assign"; readonly name: string; readonly value: ExprId }
  /** `to[i]` = element index + i; where `when` is false the results are 0. */
  | {
      readonly kind: "read";
      readonly to: readonly string[];
      readonly at: Access;
      readonly when?: ExprId;
      readonly cache?: "stream" | "keep";
    }
  | { readonly kind: "write"; readonly at: Access; readonly values: readonly ExprId[]; readonly when?: ExprId }
  | { readonly kind: "atomicAdd"; readonly at: Access; readonly values: readonly ExprId[]; readonly when?: ExprId }
  /** `name` (i32) takes from, from + step … below to. */
  | {
      readonly kind: "for";
      readonly name: string;
      readonly from: ExprId;
      readonly to: ExprId;
      readonly step: number;
      readonly unroll: boolean;
      readonly body: readonly Stmt[];
    }
  /** `uniform`: the scope in which all lanes agree on `cond`; "none" forbids collectives inside. */
  | {
      readonly kind: "if";
      readonly cond: ExprId;
      readonly uniform: Scope | "none";
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
    }
  | { readonly kind: "collective"; readonly scope: Scope; readonly what: Collective }
) & {
  /** The operator's text that it carries out. */
  readonly span?: Span;
  /** What says how the elements that it moves or computes are stored or meant: a format's field or value. */
  readonly declared?: Span;
};

export interface Kernel {
  readonly name: string;
  /** Lanes of a warp that this kernel is written for. */
  readonly lanes: number;
  /** Warps of a block. Lanes of a block = lanes · warps, all in dimension 0. */
  readonly warps: number;
  readonly grid: readonly [x: number, y: number, z: number];
  readonly buffers: readonly Buffer[];
  readonly tables: readonly Table[];
  readonly exprs: Exprs;
  readonly body: readonly Stmt[];
}
