/** Matrix rows of CUDA's tensor cores: operand layouts, PTX, and which architecture has them in hardware. */
import { internal } from "../ir/diagnostics.ts";
import type { Layout } from "../ir/layout.ts";
import type { MatrixRow } from "../ir/rows.ts";
import type { Scalar } from "../ir/scalar.ts";
import type { RowSupport } from "../ir/target.ts";
import type { MatrixText } from "./syntax.ts";

/** A row with the PTX instruction that carries it out (PTX ISA 8.x, section mma). */
export interface CudaRow extends MatrixRow {
  readonly ptx: string;
}

/**
 * A operand: lane l, register r, element e → row ⌊l/4⌋ + 8·(r mod 2), k = E·(l mod 4) + 4E·⌊r/2⌋ + e with E elements a
 * register: one rule for 16-, 8- and 1-bit types (CuTe's mma_traits_sm80; PTX ISA fragment figures).
 */
function operandA(elements: number, regs: number): Layout {
  return {
    kind: "strided",
    from: { lane: 32, reg: regs, elem: elements },
    to: { m: 16, k: elements * 4 * Math.max(1, regs / 2) },
    terms: [
      { from: "lane", div: 4, size: 8, to: "m", stride: 1 },
      { from: "reg", div: 1, size: 2, to: "m", stride: 8 },
      { from: "lane", div: 1, size: 4, to: "k", stride: elements },
      ...(regs > 2 ? [{ from: "reg", div: 2, size: regs / 2, to: "k", stride: 4 * elements }] : []),
      { from: "elem", div: 1, size: elements, to: "k", stride: 1 },
    ],
  };
}

/** B operand: n = ⌊l/4⌋, k = E·(l mod 4) + 4E·r + e. */
function operandB(elements: number, regs: number): Layout {
  return {
    kind: "strided",
    from: { lane: 32, reg: regs, elem: elements },
    to: { n: 8, k: elements * 4 * regs },
    terms: [
      { from: "lane", div: 4, size: 8, to: "n", stride: 1 },
      { from: "lane", div: 1, size: 4, to: "k", stride: elements },
      ...(regs > 1 ? [{ from: "reg", div: 1, size: regs, to: "k", stride: 4 * elements }] : []),
      { from: "elem", div: 1, size: elements, to: "k", stride: 1 },
    ],
  };
}

/** Accumulators: row ⌊l/4⌋ + 8·⌊r/2⌋, column 2·(l mod 4) + (r mod 2). */
const ACCUMULATOR: Layout = {
  kind: "strided",
  from: { lane: 32, reg: 4, elem: 1 },
  to: { m: 16, n: 8 },
  terms: [
    { from: "lane", div: 4, size: 8, to: "m", stride: 1 },
    { from: "reg", div: 2, size: 2, to: "m", stride: 8 },
    { from: "lane", div: 1, size: 4, to: "n", stride: 2 },
    { from: "reg", div: 1, size: 2, to: "n", stride: 1 },
  ],
};

function row(
  id: string,
  k: number,
  op: MatrixRow["op"],
  type: Scalar,
  bits: number,
  d: "i32" | "f32",
  ptx: string,
): CudaRow {
  const elements = 32 / bits;
  const regsA = (16 * k * bits) / 32 / 32;
  const regsB = (8 * k * bits) / 32 / 32;
  return {
    id,
    scope: "warp",
    m: 16,
    n: 8,
    k,
    op,
    a: { type, where: ["register"], layout: operandA(elements, regsA), regs: regsA },
    b: { type, where: ["register"], layout: operandB(elements, regsB), regs: regsB },
    d: { type: d, where: ["register"], layout: ACCUMULATOR, regs: 4 },
    async: false,
    ptx,
  };
}

/** All rows that some architecture runs natively. b1 with xor is left out: and.popc replaces it everywhere. */
export const CUDA_ROWS: readonly CudaRow[] = [
  row(
    "mma.m16n8k256.b1",
    256,
    "andPopc",
    "u1",
    1,
    "i32",
    "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc",
  ),
  row(
    "mma.m16n8k128.b1",
    128,
    "andPopc",
    "u1",
    1,
    "i32",
    "mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.and.popc",
  ),
  row("mma.m16n8k32.s8", 32, "mulAdd", "i8", 8, "i32", "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"),
  row("mma.m16n8k16.f16", 16, "mulAdd", "f16", 16, "f32", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
];

/** The row of this id; asking for one that does not exist is our bug. */
export function cudaRow(id: string): CudaRow {
  return CUDA_ROWS.find((r) => r.id === id) ?? internal(`no matrix row ${id}`);
}

/** Multiply–accumulates a cycle and SM by row id. */
export type Rates = Readonly<Record<string, number>>;

/**
 * Rows on an architecture. From sm_100 on ptxas accepts b1 but emulates it: one m16n8k256 becomes 8 IMMA and about 100
 * ALU instructions (opcode counts of compiled cubins, CUDA 13.0).
 */
export function rowsOn(b1: "native" | "emulated", rates: Rates = {}): readonly RowSupport[] {
  return CUDA_ROWS.map((r) => {
    const rate = rates[r.id] === undefined ? {} : { macsPerCycle: rates[r.id]! };
    return r.op === "andPopc" && b1 === "emulated"
      ? { row: r.id, support: "emulated", instead: "mma.m16n8k32.s8" }
      : { row: r.id, support: "native", ...rate };
  });
}

function helperName(id: string): string {
  return id.replaceAll(".", "_");
}

/** Device functions that issue the rows, by name. */
export function rowHelpers(): Readonly<Record<string, () => string>> {
  return Object.fromEntries(CUDA_ROWS.map((r) => [helperName(r.id), () => rowHelper(r)]));
}

function rowHelper(r: CudaRow): string {
  const float = r.d.type === "f32";
  const d = Array.from({ length: r.d.regs }, (_, i) => `${float ? "float" : "int"}& d${i}`);
  const a = Array.from({ length: r.a.regs }, (_, i) => `unsigned a${i}`);
  const b = Array.from({ length: r.b.regs }, (_, i) => `unsigned b${i}`);
  const slots = (from: number, count: number): string =>
    `{${Array.from({ length: count }, (_, i) => `%${from + i}`).join(", ")}}`;
  const sources = r.d.regs;
  const outputs = d.map((_, i) => `"+${float ? "f" : "r"}"(d${i})`);
  const inputs = [...a.map((_, i) => `"r"(a${i})`), ...b.map((_, i) => `"r"(b${i})`)];
  const operands = [
    slots(0, r.d.regs),
    slots(sources, r.a.regs),
    slots(sources + r.a.regs, r.b.regs),
    slots(0, r.d.regs),
  ];
  return [
    `__device__ __forceinline__ void ${helperName(r.id)}(${[...d, ...a, ...b].join(", ")}) {`,
    `  asm volatile("${r.ptx} "`,
    `               "${operands.join(", ")};"`,
    `               : ${outputs.join(", ")}`,
    `               : ${inputs.join(", ")});`,
    "}",
  ].join("\n");
}

/** Printers of the rows by id: a call of the helper. */
export const ROW_TEXTS: Readonly<Record<string, (x: MatrixText) => readonly string[]>> = Object.fromEntries(
  CUDA_ROWS.map((r) => [r.id, (x: MatrixText) => [`${helperName(r.id)}(${[...x.d, ...x.a, ...x.b].join(", ")});`]]),
);
