/** CUDA's warp-level matrix rows: the PTX that carries them out, and which architecture has them in hardware. */
import { internal } from "../ir/diagnostics.ts";
import { findRow } from "../ir/row-catalogue.ts";
import type { MatrixRow } from "../ir/rows.ts";
import type { RowSupport } from "../ir/target.ts";
import type { MatrixText } from "./syntax.ts";

/** PTX by row id (PTX ISA 9.2, 9.7.14.5). b1 with xor is left out: and.popc replaces it everywhere. */
const PTX: Readonly<Record<string, string>> = {
  "mma.m16n8k256.b1": "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc",
  "mma.m16n8k128.b1": "mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.and.popc",
  "mma.m16n8k32.s8": "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
  "mma.m16n8k16.f16": "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
};

const ROWS: readonly MatrixRow[] = Object.keys(PTX).map((id) => findRow(id) ?? internal(`no matrix row ${id}`));

/** Multiply–accumulates a cycle and SM by row id. */
export type Rates = Readonly<Record<string, number>>;

/**
 * Rows on an architecture. From sm_100 on ptxas accepts b1 but emulates it: one m16n8k256 becomes 8 IMMA and about 100
 * ALU instructions (opcode counts of compiled cubins, CUDA 13.0).
 */
export function rowsOn(b1: "native" | "emulated", rates: Rates = {}): readonly RowSupport[] {
  return ROWS.map((row) => {
    const rate = rates[row.id];
    return row.op === "andPopc" && b1 === "emulated"
      ? { row: row.id, support: "emulated", instead: "mma.m16n8k32.s8" }
      : { row: row.id, support: "native", ...(rate === undefined ? {} : { macsPerCycle: rate }) };
  });
}

const helperName = (id: string): string => id.replaceAll(".", "_");

const list = (count: number, item: (i: number) => string): readonly string[] =>
  Array.from({ length: count }, (_, i) => item(i));

/** Device functions that issue the rows, by name. */
export function rowHelpers(): Readonly<Record<string, () => string>> {
  return Object.fromEntries(ROWS.map((row) => [helperName(row.id), () => rowHelper(row)]));
}

function rowHelper(row: MatrixRow): string {
  const [type, letter] = row.d.type === "f32" ? ["float", "f"] : ["int", "r"];
  const slots = (from: number, count: number): string => `{${list(count, (i) => `%${from + i}`).join(", ")}}`;
  const { a, b, d } = row;
  const parameters = [
    ...list(d.regs, (i) => `${type}& d${i}`),
    ...list(a.regs, (i) => `unsigned a${i}`),
    ...list(b.regs, (i) => `unsigned b${i}`),
  ];
  const operands = [slots(0, d.regs), slots(d.regs, a.regs), slots(d.regs + a.regs, b.regs), slots(0, d.regs)];
  const outputs = list(d.regs, (i) => `"+${letter}"(d${i})`);
  const inputs = [...list(a.regs, (i) => `"r"(a${i})`), ...list(b.regs, (i) => `"r"(b${i})`)];
  return [
    `__device__ __forceinline__ void ${helperName(row.id)}(${parameters.join(", ")}) {`,
    `  asm volatile("${PTX[row.id]} "`,
    `               "${operands.join(", ")};"`,
    `               : ${outputs.join(", ")}`,
    `               : ${inputs.join(", ")});`,
    "}",
  ].join("\n");
}

/** Printers of the rows by id: a call of the helper. */
export const ROW_TEXTS: Readonly<Record<string, (x: MatrixText) => readonly string[]>> = Object.fromEntries(
  ROWS.map((row) => [row.id, (x: MatrixText) => [`${helperName(row.id)}(${[...x.d, ...x.a, ...x.b].join(", ")});`]]),
);
