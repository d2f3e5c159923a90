/** The kernel verifier's part for collectives: argument types, matrix rows, transfers and mbarriers. */
import type { Position } from "../eval/kernel-machine.ts";
import type { ExprId } from "../expr.ts";
import type { Access, Collective, Scope } from "../kernel.ts";
import { fromOf } from "../layout/basic.ts";
import { LANE } from "../layout/layout.ts";
import type { MatrixRow, Operand } from "../rows.ts";
import { bitsOf, isInt, type Scalar } from "../scalar.ts";
import {
  complain,
  declareOrChange,
  type Verifying,
  verifyAccess,
  verifyExpr,
  wantIndex,
  wantType,
} from "./kernel-context.ts";

type Of<Family> = Collective & { readonly family: Family };

/** Complains about a collective's arguments; its place in the control flow is checked elsewhere. */
export function verifyCollective(v: Verifying, what: Collective, scope: Scope, at: Position): void {
  if (scope === "device") complain(v, at, "no collective spans the grid: end the kernel instead");
  if (scope === "warpgroup" && v.kernel.warps % 4 !== 0)
    complain(v, at, `a warpgroup has 4 warps; a block of ${v.kernel.warps} has a part of one`);
  switch (what.family) {
    case "exchange":
      verifyExchange(v, what, scope, at);
      return;
    case "fragment":
      verifyFragment(v, what, scope, at);
      return;
    case "matrix":
      verifyMatrix(v, what, scope, at);
      return;
    case "transfer":
      verifyTransfer(v, what, at);
      return;
    case "sync":
      verifySync(v, what, at);
      return;
  }
}

function verifyExchange(v: Verifying, what: Of<"exchange">, scope: Scope, at: Position): void {
  const { target, kernel } = v;
  if (target?.exchange === "block" && scope === "warp" && kernel.warps > 1)
    complain(v, at, `${target.name} exchanges values in the block only`);
  const wanted = { shuffleXor: 2, shuffleAt: 2, broadcast: 1, ballot: 1, sum: 1, max: 1, any: 1, elect: 0 }[what.op];
  if (what.args.length !== wanted) {
    complain(v, at, `${what.op} takes ${wanted} arguments, not ${what.args.length}`);
    return;
  }
  const types = what.args.map((arg) => verifyExpr(v, arg, at));
  const [type, source] = types;
  if (source !== undefined && !isInt(source)) complain(v, at, `a lane is an integer, not ${source}`);
  switch (what.op) {
    case "elect":
      declareOrChange(v, what.to, "bool", at);
      return;
    case "ballot":
    case "any":
      if (type !== "bool") complain(v, at, `${what.op} takes a bool, not ${type}`);
      if (what.op === "ballot" && (scope !== "warp" || kernel.lanes > 32))
        complain(v, at, "a ballot has one bit a lane, 32 at most");
      declareOrChange(v, what.to, what.op === "any" ? "bool" : "u32", at);
      return;
    case "sum":
    case "max":
      if (type === "bool") complain(v, at, `${what.op} takes numbers`);
      declareOrChange(v, what.to, type!, at);
      return;
    default:
      declareOrChange(v, what.to, type!, at);
      return;
  }
}

function rowOf(v: Verifying, id: string, scope: Scope, at: Position): MatrixRow | undefined {
  const row = v.rows(id);
  if (row === undefined) {
    complain(v, at, `there is no matrix row ${id}`);
    return undefined;
  }
  if (row.scope !== scope) complain(v, at, `${id} is a row of the ${row.scope}, not of the ${scope}`);
  const lanes = fromOf(row.d.layout)[LANE] ?? 1;
  const has = v.kernel.lanes * (scope === "warpgroup" ? 4 : scope === "block" ? v.kernel.warps : 1);
  if (lanes !== has) complain(v, at, `${id} is made for ${lanes} lanes, the ${scope} has ${has}`);
  const { target } = v;
  if (target === undefined) return row;
  const support = target.rows.find((r) => r.row === id);
  if (support === undefined) complain(v, at, `${target.name} has no row ${id}`);
  else if (support.support === "emulated" && !v.allowEmulated) {
    const instead = support.instead === undefined ? "" : `; use ${support.instead}`;
    complain(v, at, `${target.name} emulates ${id}${instead}`);
  }
  return row;
}

function isHidden(operand: Operand): boolean {
  return operand.layout.kind === "opaque";
}

/** The type of the locals that hold an operand: d and hidden matrices as their own type, packed ones as words. */
function registerType(row: MatrixRow, operand: "a" | "b" | "d"): Scalar {
  return operand === "d" || isHidden(row[operand]) ? row[operand].type : "u32";
}

function wantCount(v: Verifying, row: MatrixRow, operand: "a" | "b" | "d", got: number, at: Position): void {
  const { regs } = row[operand];
  if (got !== regs) complain(v, at, `operand ${operand} of ${row.id} takes ${regs} registers, not ${got}`);
}

function verifyFragment(v: Verifying, what: Of<"fragment">, scope: Scope, at: Position): void {
  const row = rowOf(v, what.row, scope, at);
  const buffer = verifyAccess(v, what.at, at);
  wantIndex(v, what.stride, "the stride", at);
  const needed = what.dir === "load" ? "write" : "read";
  if (buffer?.access === needed) complain(v, at, `${buffer.id} is ${needed === "read" ? "read-only" : "only written"}`);
  if (row === undefined) return;
  const operand = row[what.operand];
  wantCount(v, row, what.operand, what.regs.length, at);
  if (!operand.where.includes("register"))
    complain(v, at, `operand ${what.operand} of ${row.id} is never in registers`);
  if (buffer !== undefined && what.operand !== "d") verifyPacking(v, operand.type, buffer.type, at);
  for (const name of what.regs) {
    if (what.dir === "load") declareOrChange(v, name, registerType(row, what.operand), at);
    else wantLocal(v, name, registerType(row, what.operand), at);
  }
}

function verifyPacking(v: Verifying, type: Scalar, stored: Scalar, at: Position): void {
  const packed = isInt(stored) && bitsOf(stored) <= 32 && bitsOf(type) <= bitsOf(stored);
  if (type !== stored && !packed) complain(v, at, `elements of ${type} do not lie in a buffer of ${stored}`);
}

function wantLocal(v: Verifying, name: string, type: Scalar, at: Position): void {
  const local = v.scope.get(name);
  if (local === undefined) complain(v, at, `${name} is not in scope`);
  else if (local.type !== type) complain(v, at, `${name} is ${local.type}, not ${type}`);
}

function verifyMatrix(v: Verifying, what: Of<"matrix">, scope: Scope, at: Position): void {
  const row = rowOf(v, what.row, scope, at);
  for (const name of ["a", "b"] as const) verifySource(v, row, name, what[name], at);
  if (row === undefined) return;
  wantCount(v, row, "d", what.d.length, at);
  for (const name of what.d) {
    wantLocal(v, name, row.d.type, at);
    if (v.scope.get(name)?.mutable === false) complain(v, at, `${name} never changes: declare it with var`);
  }
  const twice = what.d.find((name, i) => what.d.indexOf(name) !== i);
  if (twice !== undefined) complain(v, at, `${twice} is two registers of d`);
}

function verifySource(
  v: Verifying,
  row: MatrixRow | undefined,
  name: "a" | "b",
  from: readonly ExprId[] | Access,
  at: Position,
): void {
  const where = row?.[name].where ?? ["register", "shared"];
  if ("buffer" in from) {
    const buffer = verifyAccess(v, from, at);
    if (!where.includes("shared")) complain(v, at, `operand ${name} of ${row?.id} comes from registers`);
    if (buffer !== undefined && buffer.space !== "shared") complain(v, at, `operand ${name} must lie in shared memory`);
    if (buffer !== undefined && row !== undefined) verifyPacking(v, row[name].type, buffer.type, at);
    return;
  }
  if (!where.includes("register")) complain(v, at, `operand ${name} of ${row?.id} comes from shared memory`);
  const types = from.map((id) => verifyExpr(v, id, at));
  if (row === undefined) return;
  wantCount(v, row, name, from.length, at);
  const hidden = isHidden(row[name]);
  const wrong = types.find((type) => (hidden ? type !== row[name].type : bitsOf(type) !== 32));
  if (wrong !== undefined) complain(v, at, `operand ${name} of ${row.id} is not held in ${wrong}`);
  const mustBeLocal = row.async || hidden;
  if (mustBeLocal && from.some((id) => v.kernel.exprs.exprs[id]?.kind !== "symbol"))
    complain(v, at, `operand ${name} of ${row.id} must be locals, not expressions`);
}

function verifyTransfer(v: Verifying, what: Of<"transfer">, at: Position): void {
  const sizes = what.engine === "cpAsync" ? [4, 8, 16].includes(what.bytes) : what.bytes > 0 && what.bytes % 16 === 0;
  if (!sizes) complain(v, at, `${what.engine} does not copy ${what.bytes} bytes`);
  const unit = what.engine === "cpAsync" ? what.bytes : 16;
  const buffers = [what.from, what.to].map((access) => {
    const type = v.kernel.buffers.find((b) => b.id === access.buffer)?.type ?? "u32";
    return verifyAccess(v, access, at, Math.max(1, (unit * 8) / bitsOf(type)));
  });
  if (what.when !== undefined) wantType(v, what.when, "bool", "`when`", at);
  const [from, to] = buffers;
  if (to?.access === "read") complain(v, at, `${to.id} is read-only`);
  if (from?.access === "write") complain(v, at, `${from.id} is only written`);
  const load = from?.space === "global" && to?.space === "shared";
  const store = from?.space === "shared" && to?.space === "global" && what.engine === "bulk";
  if (from !== undefined && to !== undefined && !load && !store)
    complain(v, at, `${what.engine} does not copy from ${from.space} to ${to.space} memory`);
  if (what.done.kind === "mbarrier") {
    verifyMBarrier(v, what.done.at, at);
    if (what.engine === "cpAsync") complain(v, at, "cpAsync completes in groups, not on an mbarrier");
  }
}

/** mbarriers are elements of shared u64 buffers. */
function verifyMBarrier(v: Verifying, access: Access, at: Position): void {
  const buffer = verifyAccess(v, access, at);
  if (buffer !== undefined && (buffer.space !== "shared" || buffer.type !== "u64"))
    complain(v, at, `an mbarrier is an element of a shared u64 buffer, not of ${buffer.id}`);
}

function verifySync(v: Verifying, what: Of<"sync">, at: Position): void {
  const onMBarrier = ["init", "arrive", "expect", "wait"].includes(what.op);
  const counts = ["drain", "init", "expect", "wait"].includes(what.op);
  if (onMBarrier && what.at === undefined) complain(v, at, `${what.op} needs an mbarrier`);
  if (!onMBarrier && what.at !== undefined) complain(v, at, `${what.op} has no mbarrier`);
  if (counts && what.count === undefined) complain(v, at, `${what.op} needs a count`);
  if (!counts && what.count !== undefined) complain(v, at, `${what.op} has no count`);
  if (what.op === "fence" && what.proxy === undefined) complain(v, at, "a fence names its proxy");
  if (what.proxy !== undefined && !["fence", "commit", "drain"].includes(what.op))
    complain(v, at, `${what.op} has no proxy`);
  if (what.at !== undefined) verifyMBarrier(v, what.at, at);
  if (what.count !== undefined) wantIndex(v, what.count, "the count", at);
}
