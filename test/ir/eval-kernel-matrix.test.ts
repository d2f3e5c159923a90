/** Matrix and fragment collectives against plain triple loops over matrices. */
import { describe, expect, it } from "vitest";
import { bufferOf, emptyBuffer, evalKernel, evalKernelModes } from "../../ir/eval/kernel.ts";
import type { ExprId } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { ROWS } from "../../ir/row-catalogue.ts";
import type { MatrixRow } from "../../ir/rows.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { KernelBuilder } from "./kernels.ts";

const sync = [...ROWS.values()].filter((row) => !row.async);
const opaque = (row: MatrixRow): boolean => row.a.layout.kind === "opaque";

/** d = a · b + d0 by one row; a (m × k) and b (n × k) row-major, `packing` elements in one u32 where not 1. */
function oneRow(row: MatrixRow, packing = 1): Kernel {
  const inputType = (type: Scalar): Scalar => (packing === 1 ? type : "u32");
  const lanes = row.id.startsWith("test.") ? 4 : 32;
  const b = new KernelBuilder({ lanes, warps: 1 });
  b.input("a", inputType(row.a.type), (row.m * row.k) / packing);
  b.input("b", inputType(row.b.type), (row.n * row.k) / packing);
  b.output("d", row.d.type, row.m * row.n, "readWrite");
  const load = (operand: "a" | "b" | "d", stride: number): ExprId[] => {
    const { regs, type } = row[operand];
    const kind = operand === "d" || opaque(row) ? type : "u32";
    const names = Array.from({ length: regs }, (_, i) => `${operand}${i}`);
    if (operand === "d") for (const name of names) b.var(b.e.constant(0, type), name);
    const at = b.access(operand, b.int(0));
    b.collective("warp", {
      family: "fragment",
      row: row.id,
      operand,
      dir: "load",
      at,
      stride: b.int(stride),
      regs: names,
    });
    return names.map((name) => b.e.symbol(name, kind));
  };
  const a = load("a", row.k / packing);
  const bs = load("b", row.k / packing);
  const d = load("d", row.n).map((r) => b.nameOf(r));
  b.collective("warp", { family: "matrix", row: row.id, a, b: bs, d });
  const at = b.access("d", b.int(0));
  b.collective("warp", {
    family: "fragment",
    row: row.id,
    operand: "d",
    dir: "store",
    at,
    stride: b.int(row.n),
    regs: d,
  });
  return b.done();
}

/** Values that every type of the catalogue holds exactly, and whose sums of products stay exact. */
function values(type: string, count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const x = Math.imul(i * 2654435761 + seed, 0x9e3779b1) >>> 8;
    if (type === "u1") return x & 1;
    if (type === "i8") return (x % 256) - 128;
    return ((x % 17) - 8) / 4;
  });
}

function tripleLoop(row: MatrixRow, a: number[], b: number[], d: number[]): number[] {
  return d.map((start, i) => {
    const [m, n] = [Math.floor(i / row.n), i % row.n];
    let sum = start;
    for (let k = 0; k < row.k; k++) {
      const [x, y] = [a[m * row.k + k]!, b[n * row.k + k]!];
      sum += row.op === "andPopc" ? (x === 1 && y === 1 ? 1 : 0) : x * y;
    }
    return sum;
  });
}

describe("matrix rows", () => {
  it.each(sync.map((row) => [row.id, row] as const))("%s multiplies like a triple loop", (_, row) => {
    const a = values(row.a.type, row.m * row.k, 1);
    const b = values(row.b.type, row.n * row.k, 2);
    const d = values("f16", row.m * row.n, 3).map((x) => (row.d.type === "i32" ? x * 4 : x));
    const buffers = new Map([
      ["a", bufferOf(row.a.type, a)],
      ["b", bufferOf(row.b.type, b)],
      ["d", bufferOf(row.d.type, d)],
    ]);
    expect(evalKernelModes(oneRow(row), buffers).errors).toEqual([]);
    expect([...buffers.get("d")!.data]).toEqual(tripleLoop(row, a, b, d));
  });

  it("packs registers lowest element first", () => {
    // PTX m16n8k32: lane 5 holds row 1, k 4 … 7 of A in register 0, the first in the lowest byte.
    const b = new KernelBuilder({ lanes: 32, warps: 1 });
    b.input("a", "i8", 16 * 32);
    b.output("out", "u32", 32);
    const regs = ["r0", "r1", "r2", "r3"];
    const at = b.access("a", b.int(0));
    const row = "mma.m16n8k32.s8";
    b.collective("warp", { family: "fragment", row, operand: "a", dir: "load", at, stride: b.int(32), regs });
    b.write("out", b.lane(), b.e.symbol("r0", "u32"));
    const a = Array.from({ length: 512 }, (_, i) => (i % 251) - 125);
    const buffers = new Map([
      ["a", bufferOf("i8", a)],
      ["out", emptyBuffer("u32", 32)],
    ]);
    expect(evalKernel(b.done(), buffers).errors).toEqual([]);
    const bytes = a.slice(32 + 4, 32 + 8).map((x) => x & 255);
    expect(buffers.get("out")!.data[5]).toBe(
      (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0,
    );
  });

  it("reads packed words as the elements in them", () => {
    const row = ROWS.get("mma.m16n8k256.b1")!;
    const [a, b] = [values("u1", 16 * 256, 5), values("u1", 8 * 256, 6)];
    const pack = (bits: number[]): number[] =>
      Array.from({ length: bits.length / 32 }, (_, w) =>
        Number(bits.slice(32 * w, 32 * w + 32).reduce((sum, bit, i) => sum + BigInt(bit) * 2n ** BigInt(i), 0n)),
      );
    const d = new Array<number>(128).fill(0);
    const buffers = new Map([
      ["a", bufferOf("u32", pack(a))],
      ["b", bufferOf("u32", pack(b))],
      ["d", bufferOf("i32", d)],
    ]);
    expect(evalKernel(oneRow(row, 32), buffers).errors).toEqual([]);
    expect([...buffers.get("d")!.data]).toEqual(tripleLoop(row, a, b, d));
  });
});
