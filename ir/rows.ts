/** Matrix rows: what a matrix instruction multiplies and how its operands lie in registers. Data; the tables say who has them. */

import type { Scope } from "./kernel.ts";
import type { Layout } from "./layout/layout.ts";
import type { Scalar } from "./scalar.ts";

export interface Operand {
  readonly type: Scalar;
  readonly where: readonly ("register" | "shared")[];
  /** (lane, reg, elem) → (row, column): a: (m, k), b: (n, k), d: (m, n). `opaque` where the hardware hides it. */
  readonly layout: Layout;
  /** 32-bit registers (d: values) that one lane holds. */
  readonly regs: number;
}

export interface MatrixRow {
  readonly id: string;
  readonly scope: Scope;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** mulAdd: Σ a·b; andPopc: Σ popc(a & b) over one-bit elements. */
  readonly op: "mulAdd" | "andPopc";
  readonly a: Operand;
  readonly b: Operand;
  readonly d: Operand;
  /** Reads its register operands after issue: they are lent until drained. */
  readonly async: boolean;
}
