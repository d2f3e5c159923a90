/** The matrix rows that exist. A target's table says which of them it has, and how fast. */

import { strided, term } from "./layout/build.ts";
import { ELEM, LANE, type Layout, REG } from "./layout/layout.ts";
import type { MatrixRow, Operand } from "./rows.ts";
import { bitsOf, type Scalar } from "./scalar.ts";

/**
 * Register operands of NVIDIA's warp and warpgroup instructions, one rule for 16-, 8- and 1-bit elements: a slab of k is
 * 32 bytes wide, lane l owns bytes 4·(l mod 4) … + 3 of each 16-byte half and row ⌊l / 4⌋ of eight; register r picks rows
 * + 8 (r mod 2) and half ⌊r / 2⌋ (PTX ISA 9.2, 9.7.14.5, matrix fragments). `warps` of 16 rows each follow one another.
 */
function slabA(type: Scalar, warps: number, halves: 1 | 2 = 2): Operand {
  const e = 32 / bitsOf(type);
  const layout = strided({ [LANE]: 32 * warps, [REG]: 2 * halves, [ELEM]: e }, { m: 16 * warps, k: 4 * e * halves }, [
    term(LANE, 4, 8, "m", 1),
    term(LANE, 32, warps, "m", 16),
    term(REG, 1, 2, "m", 8),
    term(LANE, 1, 4, "k", e),
    term(REG, 2, halves, "k", 4 * e),
    term(ELEM, 1, e, "k", 1),
  ]);
  return { type, where: warps > 1 ? ["register", "shared"] : ["register"], layout, regs: 2 * halves };
}

function slabB(type: Scalar, halves: 1 | 2 = 2): Operand {
  const e = 32 / bitsOf(type);
  const layout = strided({ [LANE]: 32, [REG]: halves, [ELEM]: e }, { n: 8, k: 4 * e * halves }, [
    term(LANE, 4, 8, "n", 1),
    term(LANE, 1, 4, "k", e),
    term(REG, 1, halves, "k", 4 * e),
    term(ELEM, 1, e, "k", 1),
  ]);
  return { type, where: ["register"], layout, regs: halves };
}

/** Accumulators: lane l holds columns 2·(l mod 4), + 1 of rows ⌊l / 4⌋, + 8, for every eight columns. */
function slabD(type: Scalar, warps: number, n: number): Operand {
  const layout = strided({ [LANE]: 32 * warps, [REG]: n / 2, [ELEM]: 1 }, { m: 16 * warps, n }, [
    term(LANE, 4, 8, "m", 1),
    term(LANE, 32, warps, "m", 16),
    term(REG, 2, 2, "m", 8),
    term(LANE, 1, 4, "n", 2),
    term(REG, 1, 2, "n", 1),
    term(REG, 4, n / 8, "n", 8),
  ]);
  return { type, where: ["register"], layout, regs: n / 2 };
}

function hidden(
  type: Scalar,
  name: string,
  rows: readonly [string, number],
  columns: readonly [string, number],
): Operand {
  const to = { [rows[0]]: rows[1], [columns[0]]: columns[1] };
  return {
    type,
    where: ["register"],
    layout: { kind: "opaque", name, from: { [LANE]: 32, [REG]: 1, [ELEM]: 1 }, to },
    regs: 1,
  };
}

function mma(id: string, type: Scalar, d: Scalar, op: MatrixRow["op"], halves: 1 | 2 = 2): MatrixRow {
  const k = (128 / bitsOf(type)) * halves;
  return {
    id,
    scope: "warp",
    m: 16,
    n: 8,
    k,
    op,
    a: slabA(type, 1, halves),
    b: slabB(type, halves),
    d: slabD(d, 1, 8),
    async: false,
  };
}

/**
 * N of `wgmma`: every multiple of 8 up to 256 for 16-bit elements; for 8- and 1-bit ones 8, 16, 24 and every multiple
 * of 16 from 32 (PTX ISA 9.2, `wgmma`, matrix shape).
 */
export function wgmmaColumns(type: Scalar): readonly number[] {
  const all = Array.from({ length: 32 }, (_, i) => 8 * (i + 1));
  return bitsOf(type) === 16 ? all : all.filter((n) => n <= 24 || n % 16 === 0);
}

/**
 * `wgmma.m64n{n}k{256 / bits}`: A from registers or shared memory, B from shared memory by descriptor (`sharedTile` in
 * shared-tile.ts), so B's register layout is opaque.
 */
export function wgmma(type: "f16" | "i8" | "u1", n: number): MatrixRow {
  const k = 256 / bitsOf(type);
  const name = { f16: "f16", i8: "s8", u1: "b1" }[type];
  return {
    id: `wgmma.m64n${n}k${k}.${name}`,
    scope: "warpgroup",
    m: 64,
    n,
    k,
    op: type === "u1" ? "andPopc" : "mulAdd",
    a: slabA(type, 4),
    b: { ...hidden(type, "descriptor", ["n", n], ["k", k]), where: ["shared"], regs: 0 },
    d: slabD(type === "f16" ? "f32" : "i32", 4, n),
    async: true,
  };
}

/** A whole matrix per subgroup, in one local: the hardware or the language hides who holds what. */
function whole(id: string, type: Scalar, d: Scalar, size: number): MatrixRow {
  return {
    id,
    scope: "warp",
    m: size,
    n: size,
    k: size,
    op: "mulAdd",
    a: hidden(type, `${id}.a`, ["m", size], ["k", size]),
    b: hidden(type, `${id}.b`, ["n", size], ["k", size]),
    d: hidden(d, `${id}.d`, ["m", size], ["n", size]),
    async: false,
  };
}

/** NVIDIA's pattern with 2 × 2 lanes instead of 8 × 4: small enough to run thousands of random programs. */
function tiny(): MatrixRow {
  const a = strided({ [LANE]: 4, [REG]: 2, [ELEM]: 4 }, { m: 4, k: 8 }, [
    term(LANE, 2, 2, "m", 1),
    term(REG, 1, 2, "m", 2),
    term(LANE, 1, 2, "k", 4),
    term(ELEM, 1, 4, "k", 1),
  ]);
  const b = strided({ [LANE]: 4, [REG]: 2, [ELEM]: 4 }, { n: 4, k: 8 }, [
    term(LANE, 2, 2, "n", 1),
    term(REG, 1, 2, "n", 2),
    term(LANE, 1, 2, "k", 4),
    term(ELEM, 1, 4, "k", 1),
  ]);
  const d = strided({ [LANE]: 4, [REG]: 4, [ELEM]: 1 }, { m: 4, n: 4 }, [
    term(LANE, 2, 2, "m", 1),
    term(REG, 2, 2, "m", 2),
    term(LANE, 1, 2, "n", 2),
    term(REG, 1, 2, "n", 1),
  ]);
  return {
    id: "test.m4n4k8.s8",
    scope: "warp",
    m: 4,
    n: 4,
    k: 8,
    op: "mulAdd",
    a: { type: "i8", where: ["register"], layout: a, regs: 2 },
    b: { type: "i8", where: ["register"], layout: b, regs: 2 },
    d: { type: "i32", where: ["register"], layout: d, regs: 4 },
    async: false,
  };
}

/** Every row, by id. */
export const ROWS: ReadonlyMap<string, MatrixRow> = new Map(
  [
    mma("mma.m16n8k16.f16", "f16", "f32", "mulAdd"),
    mma("mma.m16n8k32.s8", "i8", "i32", "mulAdd"),
    mma("mma.m16n8k256.b1", "u1", "i32", "andPopc"),
    mma("mma.m16n8k128.b1", "u1", "i32", "andPopc", 1),
    ...(["f16", "i8", "u1"] as const).flatMap((type) => wgmmaColumns(type).map((n) => wgmma(type, n))),
    whole("simdgroup.m8n8k8.f16", "f16", "f16", 8),
    whole("simdgroup.m8n8k8.f32", "f32", "f32", 8),
    whole("subgroup.m16n16k16.f16", "f16", "f16", 16),
    tiny(),
  ].map((row) => [row.id, row]),
);

/** The row of this id, if there is one. */
export function findRow(id: string): MatrixRow | undefined {
  return ROWS.get(id);
}

/** True if the lanes' shares of an operand are known. */
export function isOpen(operand: Operand): boolean {
  return operand.layout.kind !== "opaque";
}

/**
 * Where Apple's 8 × 8 simdgroup matrices were seen to lie: (lane, reg, elem) → (row, column), two elements a lane.
 * Observed (MLX, mlx/backend/metal/kernels/steel/gemm/mma.h), not promised: use it only after a probe at start-up.
 */
export const SIMDGROUP_OBSERVED: Layout = strided({ [LANE]: 32, [REG]: 1, [ELEM]: 2 }, { row: 8, column: 8 }, [
  term(LANE, 2, 4, "row", 1),
  term(LANE, 16, 2, "row", 4),
  term(LANE, 1, 2, "column", 2),
  term(LANE, 8, 2, "column", 4),
  term(ELEM, 1, 2, "column", 1),
]);

/**
 * `ldmatrix.x4`: which 16-byte row lane l points at, for A of 16 rows: row l mod 16, chunk ⌊l / 16⌋. The four 8 × 8 (by
 * 16 bits) matrices land in registers 0 … 3 exactly as A wants them, for elements of any width.
 */
export const LDMATRIX_X4_A: Layout = strided({ [LANE]: 32 }, { row: 16, chunk: 2 }, [
  term(LANE, 1, 16, "row", 1),
  term(LANE, 16, 2, "chunk", 1),
]);
