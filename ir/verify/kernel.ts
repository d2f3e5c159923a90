/** The kernel verifier: names, types, access modes, uniformity and limits, without running the kernel. */
import type { Position } from "../eval/kernel-machine.ts";
import type { Buffer, Kernel, Scope, Stmt } from "../kernel.ts";
import { gcd } from "../layout/basic.ts";
import { findRow } from "../row-catalogue.ts";
import type { MatrixRow } from "../rows.ts";
import { bitsOf, isInt } from "../scalar.ts";
import type { Target } from "../target.ts";
import { verifyCollective } from "./kernel-collectives.ts";
import { complain, declare, type Verifying, verifyAccess, verifyExpr, wantType } from "./kernel-context.ts";
import { congruenceOf } from "./kernel-exprs.ts";

export interface VerifyKernelOptions {
  /** Accept matrix rows that the target's assembler replaces by other instructions. */
  readonly allowEmulated?: boolean;
  /** Default: the catalogue's. */
  readonly rows?: (id: string) => MatrixRow | undefined;
}

/** All that is wrong with a kernel, and with it on `target` where one is given; empty where nothing is. */
export function verifyKernel(kernel: Kernel, target?: Target, options: VerifyKernelOptions = {}): string[] {
  const v: Verifying = {
    kernel,
    target,
    rows: options.rows ?? findRow,
    allowEmulated: options.allowEmulated ?? false,
    errors: [],
    scope: new Map(),
    known: new Map(),
    declared: new Set(),
    checked: new Set(),
    uniform: "device",
  };
  verifyShape(v);
  verifyBody(v, kernel.body, "body");
  return v.errors;
}

function verifyShape(v: Verifying): void {
  const { kernel, errors } = v;
  const { lanes, warps, grid } = kernel;
  const natural = (n: number): boolean => Number.isInteger(n) && n >= 1;
  if (!natural(lanes) || !natural(warps) || !grid.every(natural))
    errors.push(`a kernel of ${lanes} lanes × ${warps} warps on a grid of ${grid.join(" × ")} runs nothing`);
  for (const kind of ["buffers", "tables"] as const) {
    const names = kernel[kind].map((x) => ("id" in x ? x.id : x.name));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) errors.push(`${twice} names two ${kind}`);
  }
  for (const { id, type, length, space, access } of kernel.buffers) {
    if (![8, 16, 32, 64].includes(bitsOf(type))) errors.push(`buffer ${id}: elements of ${type} have no address`);
    if (!natural(length)) errors.push(`buffer ${id}: it holds ${length} elements`);
    if (space === "shared" && access !== "readWrite") errors.push(`buffer ${id}: shared memory is read and written`);
  }
  if (v.target !== undefined) verifyLimits(v, v.target);
}

/** Bytes of shared memory that a kernel's buffers take, each from a multiple of 16. */
export function sharedBytesOf(kernel: Kernel): number {
  const bytes = (b: Buffer): number => Math.ceil((b.length * bitsOf(b.type)) / 128) * 16;
  return kernel.buffers.filter((b) => b.space === "shared").reduce((sum, b) => sum + bytes(b), 0);
}

function verifyLimits(v: Verifying, target: Target): void {
  const { kernel, errors } = v;
  const { limits, name } = target;
  const most = (what: string, has: number, limit: number): void => {
    if (has > limit) errors.push(`${has} ${what}; ${name} allows ${limit}`);
  };
  most("lanes in a block", kernel.lanes * kernel.warps, limits.threads);
  most("bytes of shared memory", sharedBytesOf(kernel), limits.sharedBytes);
  most("global buffers", kernel.buffers.filter((b) => b.space === "global").length, limits.bindings);
  most("blocks in grid dimension x", kernel.grid[0], limits.gridX);
  most("blocks in grid dimension y or z", Math.max(kernel.grid[1], kernel.grid[2]), limits.gridYZ);
  for (const { id, type, space } of kernel.buffers) {
    const holdsMBarriers = space === "shared" && type === "u64";
    if (!target.types.includes(type) && !holdsMBarriers) errors.push(`buffer ${id}: ${name} has no ${type}`);
  }
}

function verifyBody(v: Verifying, body: readonly Stmt[], path: string): void {
  const outer = v.scope;
  v.scope = new Map(outer);
  body.forEach((stmt, i) => {
    verifyStmt(v, { id: 0, path: `${path}[${i}]`, stmt });
  });
  v.scope = outer;
}

function verifyStmt(v: Verifying, at: Position): void {
  const { stmt } = at;
  switch (stmt.kind) {
    case "let":
    case "var": {
      const type = verifyExpr(v, stmt.value, at);
      if (stmt.kind === "let") v.known.set(stmt.name, congruenceOf(v.kernel.exprs, stmt.value, v.known));
      declare(v, stmt.name, type, stmt.kind === "var", at);
      return;
    }
    case "assign": {
      const type = verifyExpr(v, stmt.value, at);
      const local = v.scope.get(stmt.name);
      if (local === undefined) complain(v, at, `${stmt.name} is not in scope`);
      else if (!local.mutable) complain(v, at, `${stmt.name} never changes: declare it with var`);
      else if (local.type !== type) complain(v, at, `${stmt.name} is ${local.type}, not ${type}`);
      return;
    }
    case "read":
    case "write":
    case "atomicAdd":
      verifyMemory(v, stmt, at);
      return;
    case "for":
      verifyFor(v, stmt, at);
      return;
    case "if": {
      wantType(v, stmt.cond, "bool", "the condition", at);
      const outer = v.uniform;
      v.uniform = narrower(outer, stmt.uniform);
      verifyBody(v, stmt.then, `${at.path}.then`);
      verifyBody(v, stmt.else, `${at.path}.else`);
      v.uniform = outer;
      return;
    }
    case "collective":
      if (RANK[stmt.scope] > RANK[v.uniform]) {
        const flow = v.uniform === "none" ? "in no scope" : `only in the ${v.uniform}`;
        complain(v, at, `a collective of the ${stmt.scope}, where control flow is uniform ${flow}`);
      }
      verifyCollective(v, stmt.what, stmt.scope, at);
  }
}

const RANK = { none: 0, warp: 1, warpgroup: 2, block: 3, device: 4 } as const;

function narrower(a: Scope | "none", b: Scope | "none"): Scope | "none" {
  return RANK[a] < RANK[b] ? a : b;
}

function verifyFor(v: Verifying, stmt: Stmt & { readonly kind: "for" }, at: Position): void {
  wantType(v, stmt.from, "i32", "a loop's first value", at);
  wantType(v, stmt.to, "i32", "a loop's end", at);
  if (!Number.isInteger(stmt.step) || stmt.step < 1)
    complain(v, at, `the step must be a positive integer, not ${stmt.step}`);
  const from = congruenceOf(v.kernel.exprs, stmt.from, v.known);
  const outer = v.scope;
  v.scope = new Map(outer);
  declare(v, stmt.name, "i32", false, at);
  v.known.set(stmt.name, { step: gcd(from.step, stmt.step), rest: from.rest });
  verifyBody(v, stmt.body, `${at.path}.body`);
  v.scope = outer;
}

function verifyMemory(
  v: Verifying,
  stmt: Stmt & { readonly kind: "read" | "write" | "atomicAdd" },
  at: Position,
): void {
  const buffer = verifyAccess(v, stmt.at, at);
  if (stmt.when !== undefined) wantType(v, stmt.when, "bool", "`when`", at);
  const count = stmt.kind === "read" ? stmt.to.length : stmt.values.length;
  if (count !== stmt.at.width) complain(v, at, `an access of width ${stmt.at.width} with ${count} values`);
  const type = buffer?.type ?? "i32";
  if (stmt.kind === "read") {
    if (buffer?.access === "write") complain(v, at, `${buffer.id} is only written`);
    for (const name of stmt.to) declare(v, name, type, false, at);
    return;
  }
  if (buffer?.access === "read") complain(v, at, `${buffer.id} is read-only`);
  if (stmt.kind === "atomicAdd" && buffer !== undefined) {
    if (type !== "f32" && !(isInt(type) && bitsOf(type) === 32)) complain(v, at, `atomics on ${type} do not exist`);
    if (stmt.at.width !== 1) complain(v, at, "an atomic changes one element");
    if (buffer.space === "global" && buffer.access !== "readWrite") complain(v, at, `${buffer.id} must be readWrite`);
  }
  for (const value of stmt.values) {
    const got = verifyExpr(v, value, at);
    if (buffer !== undefined && got !== type) complain(v, at, `${buffer.id} holds ${type}, not ${got}`);
  }
}
