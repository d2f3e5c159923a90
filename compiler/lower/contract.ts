/** Lowering of contractions: multiply-adds or popcounts in lanes, or matrix instructions on fragments. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import type { Region, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import type { LaunchContext } from "./context.ts";
import type { Point, PointReader } from "./points.ts";
import type { RegisterTensor } from "./registers.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

export function lowerContract(ctx: LaunchContext, read: PointReader, op: Contract): void {
  const { build } = ctx;
  const registers = ctx.registers(op.to.tensor);
  const over = op.domain.filter((d) => op.over.includes(d.axis));
  const popc = op.by === "popc";
  for (const slot of registers.slots()) {
    const at = read.pointOf(op.to, registers, slot);
    const points = read.points(at, over).filter((p) => !popc || p.get(over.at(-1)!.axis)!.lanes[0]! % 32 === 0);
    for (const point of points) {
      const acc = ctx.local(registers, slot.reg);
      const next = popc ? popcount(ctx, read, op, point, acc) : multiplyAdd(ctx, read, op, point, acc);
      ctx.define(op.to.tensor, slot.reg, next);
    }
  }
  build.span = op.span;
}

function multiplyAdd(ctx: LaunchContext, read: PointReader, op: Contract, point: Point, acc: ExprId): ExprId {
  const { build } = ctx;
  const type = build.typeOf(acc);
  const a = build.cast(read.element(op.a, point), type);
  const b = build.cast(read.element(op.b, point), type);
  return type === "f32" ? build.op("fma", a, b, acc) : build.add(acc, build.mul(a, b));
}

/** Both operands hold one-bit elements, 32 consecutive ones of the reduced axis a register. */
function popcount(ctx: LaunchContext, read: PointReader, op: Contract, point: Point, acc: ExprId): ExprId {
  const { build } = ctx;
  const word = (region: Region): ExprId => {
    const registers = ctx.registers(region.tensor);
    const slot = registers.find(read.coordinates(region, point));
    if (registers.elems !== 32 || slot.elem !== 0) internal(`${region.tensor} is not packed for popcounts`);
    return ctx.local(registers, slot.reg);
  };
  return build.add(acc, build.op("popc", build.op("and", word(op.a), word(op.b))));
}

/** One matrix instruction for every pair of fragments. */
export function lowerMatrix(ctx: LaunchContext, op: Contract): void {
  const row = findRow(op.row ?? internal("no row")) ?? internal(`no row ${op.row}`);
  const a = ctx.registers(op.a.tensor);
  const b = ctx.registers(op.b.tensor);
  const d = ctx.registers(op.to.tensor);
  const words = (registers: RegisterTensor, first: number, count: number): readonly ExprId[] =>
    Array.from({ length: count }, (_, i) => ctx.local(registers, first + i));
  const steps = op.domain.filter((dim) => op.over.includes(dim.axis)).reduce((n, dim) => n * dim.extent, 1) / row.k;
  const rows = a.regs / (row.a.regs * steps);
  const columns = b.regs / (row.b.regs * steps);
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const first = (i * columns + j) * row.d.regs;
        const what = {
          family: "matrix" as const,
          row: row.id,
          a: words(a, (i * steps + step) * row.a.regs, row.a.regs),
          b: words(b, (j * steps + step) * row.b.regs, row.b.regs),
          d: d.names.slice(first, first + row.d.regs),
        };
        ctx.emit({ kind: "collective", scope: row.scope, what, span: op.span });
      }
    }
  }
}
